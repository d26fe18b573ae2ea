"""The source of a kernel: constants and structures of a plan, the network's generated parts, and the fixed rest."""

from __future__ import annotations

import ctypes
from functools import lru_cache
from importlib.resources import files

from plasticbench.simulation.cuda.structs import Field, declaration, fields, structure
from plasticbench.simulation.spiking.cuda.pathway_source import pathways_source
from plasticbench.simulation.spiking.cuda.plan import INPUTS_AHEAD, Plan
from plasticbench.simulation.spiking.cuda.population_source import populations_source
from plasticbench.simulation.spiking.inputs import GIVEN, MODULATED
from plasticbench.simulation.spiking.state import CHANGED, NEAREST
from plasticbench.simulation.spiking.steps import SMALLEST_UNIT, TINY

PROCESS = [
    *fields("int", "kind source list_first first n_afferents start stop refractory signal_index row row_end"),
    *fields("unsigned", "stream signal_stream"),
    *fields("int", "padding"),
    *fields("double", "base modulation signal_decay"),
]

# Where a life's arrays begin in the arena, in bytes.
SHARED_ARRAYS = "row_start target column_start column_source column_synapse"  # of the wiring
ARRAYS = (
    "weight process row_step row_skip row_none_below row_afferent parameters w value pending synaptic since_change m "
    "state seen held sums unit ring ring_n input input_n signal input_ready initial "
    "rates series counts logged since"
)


def life_fields(plan: Plan) -> list[Field]:
    """Of one life under one rule."""
    k, f, y = len(plan.network.plastic_pathways), len(plan.filters), len(plan.synaptic)
    rates, series, counts, trains = map(len, (plan.rates, plan.series, plan.counts, plan.trains))
    return [
        *fields("unsigned long long", "seed"),
        *fields("long long", f"{SHARED_ARRAYS} {ARRAYS} n_w"),
        *fields("long long", "plastic_first", k + 1),
        *fields("long long", "synaptic_first", y),
        *fields("long long", "rate_first", rates),
        *fields("long long", "series_first", series),
        *fields("double", "w_max gain", k),
        *fields("double", "decay", f),
        *fields("double", "synaptic_rate", y),
        *fields("double", "rate_hz rate_decay hz_per_spike low high", rates),
        *fields("float", "unit_sum", plan.n_receptors),
        *fields("int", "learning", k),
        *fields("int", "filter_first", f + 1),
        *fields("int", "group_first", len(plan.network.groups)),
        *fields("int", "rate_group", rates),
        *fields("int", "rate_window", rates, 2),
        *fields("int", "series_group", series),
        *fields("int", "series_window", series, 2),
        *fields("int", "count_group count_first", counts),
        *fields("int", "count_window", counts, 2),
        *fields("int", "train_group train_n train_room", trains),
        *fields("int", "train_window", trains, 2),
        *fields("int", "status step until n_steps deliver_step n_logged log_capacity log_needed"),
    ]


def shared_fields(plan: Plan) -> list[Field]:
    """Of a block's shared memory, after the life itself; the sums of arrivals follow."""
    f = len(plan.filters)
    return [
        *fields("double", "unit one", 2, f),
        *fields("int", "n_spikes", plan.slots, plan.n_populations),
        *fields("int", "n_inputs", plan.input_slots, len(plan.network.sources)),
        *fields("unsigned", "held", plan.threads),
        *fields("int", "ticket ended nan_voltage full renew n_logged bad_weight padding"),
    ]


def launch_fields(plan: Plan) -> list[Field]:
    """What all lives of a launch share."""
    return [*fields("int", "n_lives n_rounds chunk"), *fields("float", "constant", plan.n_constants)]


def shared_bytes(plan: Plan) -> int:
    """Of a block's dynamic shared memory."""
    life = ctypes.sizeof(structure("Life", life_fields(plan)))
    return life + ctypes.sizeof(structure("SharedRest", shared_fields(plan))) + 4 * plan.n_sums


def kernel_source(plan: Plan) -> str:
    """CUDA C++, but for `nvrtc.CUDA_HEAD`."""
    return "".join(
        [
            *(f"#define {name} {value}\n" for name, value in _defines(plan).items()),
            f"typedef unsigned {'int' if plan.wide else 'short'} INDEX;\n",
            declaration("Process", PROCESS),
            declaration("Life", life_fields(plan)),
            declaration("SharedRest", shared_fields(plan)),
            "struct Shared : SharedRest { Life life; };\n",
            f"static_assert(sizeof(Shared) == {shared_bytes(plan) - 4 * plan.n_sums});\n",
            declaration("Launch", launch_fields(plan)),
            *(fixed_source(name) for name in ("random", "block", "inputs", "records")),
            populations_source(plan),
            pathways_source(plan),
            fixed_source("live"),
        ]
    )


@lru_cache(maxsize=16)
def fixed_source(name: str) -> str:
    """A file of the package."""
    return (files(__package__) / "kernel" / f"{name}.cu").read_text(encoding="utf-8")


def _defines(plan: Plan) -> dict[str, int | float | str]:
    n_sources, n_rates = len(plan.network.sources), len(plan.rates)
    return {
        "THREADS": plan.threads, "MIN_BLOCKS": plan.min_blocks, "RECORDER": plan.threads - 1,
        "INPUTS_AHEAD": INPUTS_AHEAD, "SLOTS": plan.slots, "INPUT_SLOTS": plan.input_slots,
        "N_NEURONS": plan.n_neurons, "N_POPULATIONS": plan.n_populations, "N_SUMS": plan.n_sums,
        "N_SOURCES": n_sources, "N_SOURCES_": max(1, n_sources), "N_PROCESSES": plan.n_processes,
        "INPUT_CAPACITY": max(1, plan.input_first[-1]), "MODULATED_ROOM": plan.modulated_room,
        "N_FILTERS": len(plan.filters), "N_RATES": n_rates, "N_RATES_": max(1, n_rates),
        "N_SERIES": len(plan.series), "N_COUNTS": len(plan.counts), "N_TRAINS": len(plan.trains),
        "COUNTED_GROUP": plan.counted_group, "MODULATED": MODULATED, "GIVEN": GIVEN, "NEAREST": NEAREST,
        "CHANGED": CHANGED, "SMALLEST_UNIT": SMALLEST_UNIT, "TINY": TINY,
        "SPIKES_MAY_REPEAT_BARRIER": "__syncthreads();" if plan.may_follow else "",
    }  # fmt: skip
