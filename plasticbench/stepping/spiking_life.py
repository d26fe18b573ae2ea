"""One spiking lifetime whose weights are changed by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from plasticbench.errors import PlasticbenchError
from plasticbench.networks.life import Life
from plasticbench.networks.spiking import SpikingPathway
from plasticbench.rules import PathwayStructure, RuleBatch
from plasticbench.simulation.spiking import kernel, steps
from plasticbench.simulation.spiking.event_source import NOTHING, compiled_events, filters_of, synaptic_states
from plasticbench.simulation.spiking.lifetime import Events, Lifetime, events_of, numbers_of
from plasticbench.simulation.spiking.log import with_more_room
from plasticbench.simulation.spiking.neurons import state_views
from plasticbench.simulation.spiking.state import change_static_weights, index_type
from plasticbench.simulation.spiking.wiring import Wiring, draw_wiring
from plasticbench.stepping.gather import gather, scaled

_OWN_EVENTS = ("on_pre", "on_post", "on_step")


class SteppedLife(Lifetime):
    """The states and traces are those of the rule that was brought; its Δw is left to whoever steps.

    Raises PlasticbenchError for a rule whose Δw at spikes reads states that the same spikes change at the synapse:
    within one step its events follow each other, which one action cannot tell.
    """

    def __init__(self, life: Life, wiring: Wiring, brought: RuleBatch):
        for structure in brought.structure.pathways:
            _check(structure)
        super().__init__(life, wiring, brought.structure, numbers_of(brought, 0))
        self._brought = brought
        network = life.spiking_network
        self.over = False
        self._state_events, self._addresses_of_states = self._bind_state_events()
        self._ends: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self.capacity: dict[str, int] = {}
        for k, pathway in enumerate(network.pathways):
            if pathway.plastic:
                n_pre, n_post = network.size(pathway.pre), network.size(pathway.post)
                self._ends[pathway.name] = wiring.synapses(k, n_pre)
                self.capacity[pathway.name] = pathway.connections.capacity(n_pre, n_post)

    def _bind_state_events(self) -> tuple[Events, list[dict[str, int]]]:
        network = self.life.spiking_network
        dtype, index = self.neurons.value.dtype.type, index_type(network)
        found = []
        for pathway, structure in zip(network.plastic_pathways, self.structure.pathways, strict=True):
            post = network.populations[network.index(pathway.post)]
            items = tuple(
                (event, tuple((name, change) for name, change in changes if name != "w"))
                for event, changes in structure.event_items
            )
            states_only = replace(structure, event_items=items)
            found.append(compiled_events(states_only, tuple(sorted(post.neuron.reads)), dtype, index, NOTHING))
        return events_of(found, self.events.frame), found

    def __reduce__(self) -> tuple:
        """Copies and pickles are made anew and filled: compiled code refers to arrays by address."""
        arrays = [array for part in self._changing() for array in part]
        kept = {
            "numbers": {name: getattr(self, name) for name in ("step", "status", "over")},
            "weights": self.samples.taken,
            "modulation": self._modulation,
            "excursion": self.kept,
        }
        return _restored, (self.life, self._brought, arrays, kept)

    def _changing(self) -> tuple:
        """Every array that living changes."""
        return self.neurons, self.ring, self.plastic, self.inputs, self.log, tuple(self.modulators)

    def restore(self, arrays: list[np.ndarray], kept: dict[str, Any]) -> None:
        """Take over another life's state; see `__reduce__`."""
        while len(self.log.logged) < len(arrays[-1 - len(self.modulators) - 2]):
            self.log = with_more_room(self.log)
        for own, other in zip((a for part in self._changing() for a in part), arrays, strict=True):
            own[...] = other
        for name, value in kept["numbers"].items():
            setattr(self, name, value)
        change_static_weights(self.life, self.layout, 0, self.step)
        self.samples.taken, self._modulation, self.kept = kept["weights"], kept["modulation"], kept["excursion"]

    # ------------------------------------------------------------ a step

    def begin_next(self) -> None:
        """Up to where rules act at this step."""
        self.pass_by()
        if self.step >= self.life.n_steps:
            self.check_weights()
        if self.step >= self.life.n_steps or self.status != steps.ALIVE:
            self.over = True
            return
        learning = self.learning()
        if not self.begin(False, learning):
            self.over, self.status = True, steps.NOT_FINITE
            return
        if self.delivers:
            self.fetch_modulator()

    def finish_step(self, changes: Mapping[str, np.ndarray]) -> None:
        """Apply the changes of weights and end the step."""
        learning = self.learning()
        first = self.wiring.plastic_first
        for k, name in enumerate(self.life.plastic_names):
            if name in changes and learning[k]:
                w = self.plastic.w[first[k] : first[k + 1]]
                low, high = self.plastic.w_min[k], self.plastic.w_max[k]
                kernel.change_weights(w, np.asarray(changes[name], np.float64), low, high)
        kernel.change_states(self.clock, learning, self.layout, self.ring, self._state_events)
        if self.delivers:
            self.modulate(self._addresses_of_states, learning)
        self.finish()
        self.over = self.status != steps.ALIVE

    def fired(self, group: str, t: int) -> np.ndarray:
        """Indices within a group of what spiked at clock t, one of the last steps."""
        q = self.life.spiking_network.index(group)
        slot, a = t & (len(self.ring.n_spikes) - 1), self.ring.first[q]
        return self.ring.spikes[slot, a : a + self.ring.n_spikes[slot, q]]

    def fired_last(self, group: str) -> np.ndarray:
        """As `fired`, in the last step that was finished."""
        last = self.step - 1
        return self.fired(group, last - self.life.ahead(last))

    # ------------------------------------------------------------ what synapses see

    def observe(self) -> dict[str, dict[str, np.ndarray]]:
        """Pathway -> variable -> (capacity,), fresh arrays."""
        network = self.life.spiking_network
        return {p.name: self._seen(k, p) for k, p in enumerate(network.plastic_pathways)}

    def _seen(self, k: int, pathway: SpikingPathway) -> dict[str, np.ndarray]:
        network, structure = self.life.spiking_network, self.structure.pathways[k]
        pre, post = self._ends[pathway.name]
        n, room = len(pre), self.capacity[pathway.name]
        seen = {"w": np.zeros(room), "w_max": np.zeros(room)}
        first = self.wiring.plastic_first
        seen["w"][:n] = self.plastic.w[first[k] : first[k + 1]]
        seen["w_max"][:] = pathway.w_max
        if pathway.w_min:
            seen["w_min"] = np.full(room, pathway.w_min)
        past = self.clock - pathway.delay_steps
        arrived, fired = np.zeros(network.size(pathway.pre)), np.zeros(network.size(pathway.post))
        if past >= 0:
            arrived[self.fired(pathway.pre, past)] = 1.0
        if not self.over:
            fired[self.fired(pathway.post, self.clock)] = 1.0
        seen["pre_spike"], seen["post_spike"] = gather(arrived, pre, room), gather(fired, post, room)
        for trace in ("x_pre", "x_post", "x_pre2", "x_post2"):
            seen[trace] = np.zeros(room)  # those that the rule brings follow
        for x, item in enumerate(filters_of(structure), self.plastic.own[k]):
            values = self.plastic.value[self.plastic.first[x] : self.plastic.first[x + 1]]
            side = item.side if hasattr(item, "side") else item.scope
            seen[item.name] = scaled(values, self.plastic.unit[x], pre if side == "pre" else post, room)
        self._add_synaptic(seen, k, structure, n, room)
        states = state_views(network, self.neurons, network.index(pathway.post))
        neuron = network.populations[network.index(pathway.post)].neuron
        for name, state in neuron.reads.items():
            seen[name] = gather(states[state].astype(np.float64), post, room)
        if self.life.modulator is not None:
            seen["modulator"] = np.full(room, float(self.delivers))
            seen["m"] = gather(self.modulators[k], post, room) if self.delivers else np.zeros(room)
        return seen

    def _add_synaptic(
        self, seen: dict[str, np.ndarray], k: int, structure: PathwayStructure, n: int, room: int
    ) -> None:
        before = sum(len(synaptic_states(p)) for p in self.structure.pathways[:k])
        for y, name in enumerate(synaptic_states(structure), before):
            places = slice(self.plastic.synaptic_first[y], self.plastic.synaptic_first[y + 1])
            elapsed_s = (self.clock - self.plastic.since[places]) * self.life.dt_s
            decay = np.exp(-elapsed_s / self.taus_s[k].get(name, np.inf))
            seen[name] = np.zeros(room)
            seen[name][:n] = self.plastic.synaptic[places] * decay


def _restored(life: Life, brought: RuleBatch, arrays: list[np.ndarray], kept: dict[str, Any]) -> SteppedLife:
    made = SteppedLife(life, draw_wiring(life.spiking_network, life.seed), brought)
    made.restore(arrays, kept)
    return made


def _check(structure: PathwayStructure) -> None:
    own = set(synaptic_states(structure))
    for event in _OWN_EVENTS:
        targets = structure.targets(event)
        if "w" in targets and targets["w"].variables & own:
            raise PlasticbenchError(
                f"options.rule: {event} of pathway {structure.pathway} changes w by the state "
                f"{sorted(targets['w'].variables & own)[0]!r}, which cannot be stepped; evaluate the rule on an engine"
            )
        if any("w" in change.variables for name, change in targets.items() if name in own):
            raise PlasticbenchError(
                f"options.rule: {event} of pathway {structure.pathway} changes a state by w, which cannot be stepped; "
                "evaluate the rule on an engine"
            )
