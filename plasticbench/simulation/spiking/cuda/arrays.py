"""A life's arrays as the device keeps them: of the life under any rule, and of the life under one."""

from __future__ import annotations

import ctypes
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from plasticbench.networks.life import Life
from plasticbench.simulation.cuda.structs import structure
from plasticbench.simulation.spiking.cuda.plan import Plan
from plasticbench.simulation.spiking.cuda.source import PROCESS
from plasticbench.simulation.spiking.inputs import input_processes
from plasticbench.simulation.spiking.integer_arrivals import arrival_scales, scaled_gains, scaled_weights
from plasticbench.simulation.spiking.log import Log, make_log
from plasticbench.simulation.spiking.neuron_source import constants_of
from plasticbench.simulation.spiking.state import make_layout, most_spikes

LOG_ROOM = 65_536  # spikes that the log takes beyond those of two steps
_TO_SOURCES = {"n_afferents", "first", "start", "stop", "refractory", "signal_index", "stream", "signal_stream"}


@dataclass(frozen=True, eq=False)
class LifeArrays:
    """Of a life under any rule."""

    life: Life
    plan: Plan

    @cached_property
    def log(self) -> Log:
        """Windows and lengths of the recordings; what is recorded comes from the device."""
        return make_log(self.life)

    @cached_property
    def scales(self) -> dict:
        return arrival_scales(self.life.spiking_network)

    @property
    def constants(self) -> np.ndarray:
        """(n_constants,) float32: of each bank's neurons."""
        dt_s = self.life.dt_s
        return np.concatenate([constants_of(bank.neuron, dt_s, np.float32) for bank in self.plan.banks])

    @cached_property
    def inputs(self) -> dict[str, np.ndarray]:
        """Weights of static pathways and what sources do."""
        network, plan = self.life.spiking_network, self.plan
        rows = {p.name: dict.fromkeys(p.neuron.receptors, 0) for p in network.populations}
        layout = make_layout(network, rows, [], [], np.float32)
        processes = input_processes(network)
        kind = structure("Process", PROCESS)
        table = (kind * max(1, len(processes.first)))()
        for k in range(len(processes.first)):
            for name in ("kind", "base", "modulation", "signal_decay", *_TO_SOURCES):
                setattr(table[k], name, getattr(processes, name)[k].item())
            table[k].source = int(processes.source[k]) - plan.n_populations
            table[k].list_first = plan.input_first[table[k].source]
            table[k].row, table[k].row_end = int(processes.row[k]), int(processes.row[k + 1])
        initial = [
            np.broadcast_to(np.minimum(np.asarray(p.weight, float), p.w_max), (network.size(p.pre),))
            for p in network.plastic_pathways
        ]
        return {
            "initial": np.concatenate([np.zeros(0), *initial]),
            "weight": scaled_weights(network, layout, self.scales),
            "process": np.frombuffer(bytes(table), np.uint8),
            "row_step": processes.row_step.astype(np.int32),
            "row_skip": processes.row_skip,
            "row_none_below": processes.row_none_below,
            "row_afferent": processes.row_afferent.astype(np.int32),
        }

    # ------------------------------------------------------------ of the life under one rule

    def sizes(self, plastic_first: np.ndarray) -> dict[str, int]:
        """Bytes of every array of the life under one rule; plastic_first: see `DeviceWiring`."""
        plan, log, network = self.plan, self.log, self.life.spiking_network
        index = 4 if plan.wide else 2
        synaptic = sum(int(plastic_first[k + 1] - plastic_first[k]) for k, _ in plan.synaptic)
        has_states = any(f.kind for f in plan.filters)
        return {
            "parameters": 8 * plan.parameters_first[-1], "w": 8 * int(plastic_first[-1]),
            "value": 4 * plan.n_values, "pending": 8 * plan.n_values * has_states, "synaptic": 8 * synaptic,
            "since_change": 4 * synaptic, "m": 8 * sum(network.size(p.post) for p in network.plastic_pathways),
            "state": 4 * plan.n_states, "seen": 8 * plan.n_seen, "held": 4 * plan.threads, "sums": 4 * plan.n_sums,
            "unit": 8 * len(plan.filters), "ring": index * plan.slots * plan.n_neurons,
            "ring_n": 4 * plan.slots * plan.n_populations, "input": index * plan.input_slots * plan.input_first[-1],
            "input_n": 4 * plan.input_slots * len(network.sources), "signal": 8 * plan.n_processes,
            "input_ready": 4 * plan.input_first[-1], "rates": 4 * len(log.rates), "series": 4 * len(log.spikes),
            "counts": 4 * len(log.counts), "logged": 12 * self.log_capacity if plan.trains else 0,
            "since": 4 * len(log.since),
        }  # fmt: skip

    @property
    def log_needed(self) -> int:
        """The most spikes that a step can add to the log."""
        return sum(most_spikes(self.life.spiking_network.groups[group]) for group in self.plan.trains)

    @property
    def log_capacity(self) -> int:
        return 2 * self.log_needed + LOG_ROOM

    def initial_state(self) -> np.ndarray:
        """(n_states,) float32: of neurons at the start of life, by bank and state."""
        parts = [
            np.full(bank.size, value, np.float32)
            for bank in self.plan.banks
            for value in bank.neuron.initial_state().values()
        ]
        return np.concatenate(parts)

    def fill(self, one: Any, taus_s: list[dict[str, float]], plastic_first: np.ndarray) -> None:
        """The numbers of a `Life` of the device, but for its places; taus_s: of each plastic pathway's rule."""
        life, plan, log, network = self.life, self.plan, self.log, self.life.spiking_network
        one.seed, one.n_steps = life.seed, life.n_steps
        one.n_w = int(plastic_first[-1])
        _set(one.plastic_first, plastic_first)
        sizes = [int(plastic_first[k + 1] - plastic_first[k]) for k, _ in plan.synaptic]
        _set(one.synaptic_first, np.cumsum([0, *sizes])[:-1])
        _set(one.w_max, [p.w_max for p in network.plastic_pathways])
        _set(one.gain, scaled_gains(network, np.float32, self.scales))
        _set(one.decay, [math.exp(-life.dt_s / taus_s[f.pathway].get(f.name, math.inf)) for f in plan.filters])
        _set(one.synaptic_rate, [-life.dt_s / taus_s[k][n] if n in taus_s[k] else 0.0 for k, n in plan.synaptic])
        _set(one.filter_first, [*(f.first for f in plan.filters), plan.n_values])
        places = [*plan.population_first[:-1], *plan.input_first[:-1]]
        _set(one.group_first, places)
        units = [np.float32(1.0 / self.scales[b.neuron, r]).item() for b in plan.banks for r in b.receptors]
        _set(one.unit_sum, units)
        for name in ("rate_hz", "rate_decay", "hz_per_spike", "low", "high", "rate_group"):
            _set(getattr(one, name), getattr(log, name))
        for ours, theirs in (("rate", "rate"), ("series", "spikes"), ("count", "count"), ("train", "train")):
            for r, (start, stop) in enumerate(getattr(log, f"{theirs}_window").tolist()):
                getattr(one, f"{ours}_window")[r][0], getattr(one, f"{ours}_window")[r][1] = start, stop
        for name, values in (
            ("rate_first", log.rate_first[:-1]), ("series_first", log.spikes_first[:-1]),
            ("count_first", log.count_first[:-1]), ("series_group", log.spikes_group),
            ("count_group", log.count_group), ("train_group", log.train_group), ("train_n", log.train_n),
            ("train_room", [most_spikes(network.groups[group]) for group in plan.trains]),
        ):  # fmt: skip
            _set(getattr(one, name), values)
        one.log_needed, one.log_capacity = self.log_needed, self.log_capacity if plan.trains else 0
        one.deliver_step = -1


def _set(array: ctypes.Array, values: Any) -> None:
    for k, value in enumerate(np.asarray(values).tolist()):
        array[k] = value
