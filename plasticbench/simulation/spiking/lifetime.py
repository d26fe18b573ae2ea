"""One lifetime of a spiking network under one rule on the cpu: its state, and its advance by compiled code."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from plasticbench.networks.life import Life
from plasticbench.networks.recordings import FinalWeights, Modulation
from plasticbench.rules.batch import PathwayStructure, RuleBatch, Structure
from plasticbench.simulation.spiking import kernel, steps
from plasticbench.simulation.spiking.event_source import (
    INTEGERS,
    INTERPRETED,
    NUMBERS,
    compiled_events,
    filters_of,
    slots,
    synaptic_states,
)
from plasticbench.simulation.spiking.inputs import input_processes, input_state
from plasticbench.simulation.spiking.integer_arrivals import integer_arrivals, no_integer_arrivals
from plasticbench.simulation.spiking.interpreter import interpreted_events
from plasticbench.simulation.spiking.log import make_log, recorded, with_more_room
from plasticbench.simulation.spiking.neurons import neuron_state, population_steps, receptor_rows, state_views
from plasticbench.simulation.spiking.programs import spiking_program
from plasticbench.simulation.spiking.samples import WeightSamples
from plasticbench.simulation.spiking.state import (
    PlasticState,
    change_static_weights,
    index_type,
    living_state,
    make_layout,
    make_plastic,
    make_ring,
)
from plasticbench.simulation.spiking.wiring import Wiring


class Events(NamedTuple):
    """What the loop over a life calls at plastic pathways: addresses, 0 where nothing happens."""

    on_pre: np.ndarray  # (n_plastic,) int64
    on_post: np.ndarray  # (n_plastic,) int64
    on_step: np.ndarray  # (n_plastic,) int64
    frame: np.ndarray  # (n_plastic,) int64


def events_of(found: list[dict[str, int]], frame: np.ndarray) -> Events:
    """From each plastic pathway's compiled events and the addresses of their frames."""

    def addresses(event: str) -> np.ndarray:
        return np.array([each.get(event, 0) for each in found], np.int64)

    return Events(addresses("on_pre"), addresses("on_post"), addresses("on_step"), frame)


class Lifetime:
    """State is in `dtype`; rules and plastic weights are float64. `numbers`: each plastic pathway's parameters.

    `in_integers`: arrivals are added as integers, see `integer_arrivals`. `interpreted`: the rule is, see `bytecode`.
    """

    def __init__(
        self,
        life: Life,
        wiring: Wiring,
        structure: Structure,
        numbers: list[np.ndarray],
        dtype: type = np.float32,
        in_integers: bool = False,
        interpreted: bool = False,
    ):
        self.life, self.wiring, self.structure = life, wiring, structure
        network = life.spiking_network
        self.parameters = [np.ascontiguousarray(row, np.float64) for row in numbers]
        self.processes, self.inputs = input_processes(network), input_state(network)
        self.neurons, self.ring = neuron_state(network, dtype), make_ring(network)
        self._steps = population_steps(network, self.neurons, self.ring)
        frames = [frame.ctypes.data for frame in self._steps.frames]
        self.layout = make_layout(network, receptor_rows(network), self._steps.addresses, frames, dtype)
        make = integer_arrivals(network, self.layout, self.neurons.first, dtype) if in_integers else None
        self.integer = make or no_integer_arrivals(dtype)
        self.taus_s = [taus_s(p, row) for p, row in zip(structure.pathways, self.parameters, strict=True)]
        self.plastic: PlasticState = make_plastic(network, wiring, structure.pathways, self.taus_s, dtype)
        self.log = self._new_log()
        self.modulators: list[np.ndarray] = []  # of each plastic pathway, the modulator's values (n_post,)
        self.interpreted = interpreted
        self.events = self._bind_events()
        self.step, self.status = 0, steps.ALIVE
        self.kept: list[np.ndarray] | None = None  # in an excursion: the state that life comes back to
        self.samples = WeightSamples(life)
        self._modulation: list[Any] = []

    def _new_log(self):
        return make_log(self.life)

    # ------------------------------------------------------------ what compiled events see

    def _bind_events(self) -> Events:
        network, dtype, index = (
            self.life.spiking_network,
            self.neurons.value.dtype.type,
            index_type(self.life.spiking_network),
        )
        found: list[dict[str, int]] = []
        self._frames: list[np.ndarray] = []
        self._kept: list[np.ndarray] = []  # what only addresses refer to
        for k, (pathway, structure) in enumerate(zip(network.plastic_pathways, self.structure.pathways, strict=True)):
            post = network.populations[network.index(pathway.post)]
            readable = tuple(sorted(post.neuron.reads))
            places = self._places(k, pathway, structure, readable)
            arrivals = INTEGERS if len(self.integer.sums) else NUMBERS
            if self.interpreted:
                program = spiking_program(structure, readable)
                registers = program.registers(self.parameters[k])
                self._kept += [program.words, registers]
                places |= {"program": program.words.ctypes.data, "registers": registers.ctypes.data}
                found.append(interpreted_events(structure, dtype, index, arrivals))
            else:
                found.append(compiled_events(structure, readable, dtype, index, arrivals))
            self._frames.append(np.array([places[name] for name in slots(structure, readable)], np.int64))
        self._addresses = found
        return events_of(found, np.array([frame.ctypes.data for frame in self._frames], np.int64))

    def _places(self, k: int, pathway, structure: PathwayStructure, readable: tuple[str, ...]) -> dict[str, int]:
        """The address of everything that an event of plastic pathway k may touch."""
        network, wiring, plastic = self.life.spiking_network, self.wiring, self.plastic
        number, q = network.pathways.index(pathway), network.index(pathway.post)
        states = state_views(network, self.neurons, q)
        neuron = network.populations[q].neuron
        m = np.zeros(network.size(pathway.post))
        rates = {name: np.array([-network.dt_s / tau_s]) for name, tau_s in self.taus_s[k].items()}
        self._kept += [m, *rates.values()]
        self.modulators.append(m)
        a = self.neurons.first[q, list(neuron.state).index(neuron.receptors[pathway.receptor])]
        in_integers = len(self.integer.sums) > 0
        receptor = self.integer.sums if in_integers else self.neurons.value
        arrays = {
            "row_start": wiring.row_start[wiring.row_first[number] :], "target": wiring.target,
            "w": plastic.w[wiring.plastic_first[k] :], "g": receptor[a:],
            "gain": (self.integer.gain if in_integers else plastic.gain)[k:], "not_finite": self.integer.not_finite,
            "w_min": plastic.w_min[k:], "w_max": plastic.w_max[k:], "parameters": self.parameters[k],
            "column_start": wiring.column_start[wiring.column_first[k] :], "synapse": wiring.column_synapse,
            "source": wiring.column_source, "m": m, **dict.fromkeys(INTERPRETED, m),
            **{f"neuron {name}": states[neuron.reads[name]] for name in readable},
        }  # fmt: skip
        for x, item in enumerate(filters_of(structure), plastic.own[k]):
            arrays[f"value {item.name}"] = plastic.value[plastic.first[x] :]
            arrays[f"unit {item.name}"] = plastic.unit[x:]
            arrays[f"pending {item.name}"] = plastic.pending[plastic.first[x] :]
        zero = np.zeros(1)
        self._kept.append(zero)
        before = sum(len(synaptic_states(p)) for p in self.structure.pathways[:k])
        for y, name in enumerate(synaptic_states(structure), before):
            arrays[f"state {name}"] = plastic.synaptic[plastic.synaptic_first[y] :]
            arrays[f"since {name}"] = plastic.since[plastic.synaptic_first[y] :]
            arrays[f"rate {name}"] = rates.get(name, zero)
        return {name: array.ctypes.data for name, array in arrays.items()}

    # ------------------------------------------------------------ living

    @property
    def clock(self) -> int:
        """The step of the dynamics, which excursions turn back."""
        return self.step - self.life.ahead(self.step)

    def advance(self, until: int, learning: np.ndarray) -> None:
        """Live to this step, or to a blow-up; `learning` (n_plastic,) bool: which rules act."""
        while self.step < until and self.status == steps.ALIVE:
            self.step, self.status = self._live(until, learning)
            if self.status == steps.NO_ROOM:
                self.log, self.status = with_more_room(self.log), steps.ALIVE

    def compile(self) -> None:
        """Compile, or load what was compiled, without living."""
        self._live(0, self.learning())

    def _live(self, until: int, learning: np.ndarray) -> tuple[int, int]:
        ahead = self.life.ahead(self.step)
        clock, status = kernel.live(
            self.step - ahead, until - ahead, ahead, learning, self.life.seed, self.layout, self.processes, self.wiring,
            self.neurons, self.inputs, self.plastic, self.ring, self.log, self.events, self.integer,
        )  # fmt: skip
        return clock + ahead, status

    def run(self) -> None:
        """The whole life, with all that happens between its steps."""
        for until in stops_of(self.life):
            self.pass_by()
            if self.status != steps.ALIVE:
                return
            learning = self.learning()
            if self.delivers:
                self._step_with_delivery(learning)
            self.advance(until, learning)
            if self.status != steps.ALIVE:
                return
        self.pass_by()
        self.check_weights()

    def check_weights(self) -> None:
        """A blow-up where one is not a number."""
        if not np.isfinite(self.plastic.w).all():
            self.status = steps.NOT_FINITE

    def learning(self) -> np.ndarray:
        """(n_plastic,) bool: whose rules act now."""
        return np.array(self.life.plastic_at(self.step), np.bool_)

    def pass_by(self) -> None:
        """Before a step: life comes back, static weights change, life leaves, neurons begin anew, weights are kept."""
        for excursion in self.life.excursions:
            if self.step == excursion.stop:
                self.samples.take(self.step, self.weights(), coming_back=True)
                self.check_weights()
                self._put_back()
        change_static_weights(self.life, self.layout, self.step, self.step)
        for excursion in self.life.excursions:
            if self.step == excursion.start:
                self.kept = [array.copy() for array in self._living_state()]
        if self.step in self.life.resets:
            self.reset()
        self.samples.take(self.step, self.weights(), coming_back=False)

    def _living_state(self) -> list[np.ndarray]:
        return [*living_state(self.neurons, self.ring, self.plastic, self.inputs, self.log), self.integer.sums]

    def _put_back(self) -> None:
        assert self.kept is not None
        for array, before in zip(self._living_state(), self.kept, strict=True):
            array[...] = before
        self.kept = None

    def reset(self) -> None:
        """Neurons, spikes on their way, traces and states as at the start of life; weights stay."""
        network = self.life.spiking_network
        fresh = neuron_state(network, self.neurons.value.dtype.type)
        self.neurons.value[:], self.neurons.ready[:] = fresh.value, 0
        self.ring.n_spikes[:], self.integer.sums[:] = 0, 0
        self.plastic.value[:], self.plastic.unit[:], self.plastic.pending[:] = 0, 1.0, 0.0
        self.plastic.synaptic[:], self.plastic.since[:] = 0.0, self.clock
        self.log.since[:] = 0

    # ------------------------------------------------------------ the modulator

    @property
    def delivers(self) -> bool:
        """Whether the modulator is delivered at this step."""
        return self.life.modulator is not None and self.step in self.life.modulator.steps

    def _step_with_delivery(self, learning: np.ndarray) -> None:
        """One step in which the modulator reaches the synapses."""
        if not self.begin(True, learning):
            self.status = steps.NOT_FINITE
            return
        self.fetch_modulator()
        self.modulate(self._addresses, learning)
        self.finish()

    def begin(self, acting: bool, learning: np.ndarray) -> bool:
        """This step up to where its filters count; False when a voltage is NaN."""
        ahead = self.life.ahead(self.step)
        return kernel.begin_step(
            self.step - ahead, ahead, acting, learning, self.life.seed, self.layout, self.processes, self.wiring,
            self.neurons, self.inputs, self.plastic, self.ring, self.events, self.integer,
        )  # fmt: skip

    def finish(self) -> None:
        """The rest of this step."""
        while not kernel.has_room(self.log):
            self.log = with_more_room(self.log)
        ahead = self.life.ahead(self.step)
        self.status = kernel.finish_step(
            self.step - ahead, ahead, self.layout, self.plastic, self.ring, self.log, self.integer
        )
        self.step += 1

    def fetch_modulator(self) -> None:
        """Its value at this step, into what compiled events read as `m`."""
        modulator, counts = self.life.modulator, self.log.since
        assert modulator is not None
        signal = modulator.signal(modulator.steps.index(self.step))
        value = modulator.evaluate(signal, counts.astype(np.float64))
        counts[:] = 0
        self._modulation.append(value)
        for values in self.modulators:
            values[:] = value

    def modulate(self, addresses: list[dict[str, int]], learning: np.ndarray) -> None:
        """`on_modulator` at all synapses of the pathways that learn."""
        network = self.life.spiking_network
        for k, pathway in enumerate(network.plastic_pathways):
            address = addresses[k].get("on_modulator", 0)
            if address and learning[k]:
                n_pre, n_post = network.size(pathway.pre), network.size(pathway.post)
                kernel.modulate(address, self.clock, n_pre, n_post, self.events.frame[k])

    # ------------------------------------------------------------ what is left

    def weights(self) -> dict[str, np.ndarray]:
        """Views of the plastic pathways' weights, each (n_synapses,)."""
        first = self.wiring.plastic_first
        names = [p.name for p in self.life.spiking_network.plastic_pathways]
        return {name: self.plastic.w[first[k] : first[k + 1]] for k, name in enumerate(names)}

    @property
    def blown_up(self) -> bool:
        return self.status != steps.ALIVE

    def recordings(self) -> dict:
        """Recording -> array, or spike train, of the life so far."""
        weights = self.weights()
        found = recorded(self.life, self.log) | self.samples.recorded(weights)
        found |= {r: weights[r.pathway] for r in self.life.recordings_of(FinalWeights)}
        return found | {r: self._modulation_array() for r in self.life.recordings_of(Modulation)}

    def _modulation_array(self) -> np.ndarray:
        modulator = self.life.modulator
        assert modulator is not None
        shape = (len(self.log.since),) if modulator.per_neuron else ()
        values = np.zeros((len(modulator.steps), *shape))
        values[: len(self._modulation)] = self._modulation
        return values

    @property
    def n_bytes(self) -> int:
        """Memory of the lifetime, its wiring and its recordings."""
        parts = (self.layout, self.processes, self.wiring, self.neurons, self.inputs, self.plastic, self.ring, self.log)
        return sum(array.nbytes for part in parts for array in part)


def stops_of(life: Life) -> list[int]:
    """The steps, from 1 on, before which something happens beside living, and the end."""
    deliveries = life.modulator.steps if life.modulator else ()
    edges = [edge for excursion in life.excursions for edge in (excursion.start, excursion.stop)]
    edges += [change.step for change in life.weight_changes]
    samples = WeightSamples(life).steps()
    return sorted({*life.plasticity_changes, *life.resets, *edges, *deliveries, *samples, life.n_steps} - {0})


def taus_s(structure: PathwayStructure, row: np.ndarray) -> dict[str, float]:
    """The time constants (s) of a pathway's traces and decaying states."""
    columns = {trace.name: trace.tau for trace in structure.traces}
    columns |= {state.name: state.tau for state in structure.states if state.tau is not None}
    return {name: float(row[column]) for name, column in columns.items()}


def numbers_of(rules: RuleBatch, rule: int) -> list[np.ndarray]:
    """The parameters of one rule of a batch, by plastic pathway."""
    return [
        np.asarray(values[rule % len(values)].detach().cpu().numpy(), dtype=np.float64) for values in rules.parameters
    ]
