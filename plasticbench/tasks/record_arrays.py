"""A recorded life as plain arrays with units in their names, and as an xarray Dataset."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from plasticbench.errors import PlasticbenchError
from plasticbench.networks.clamped import ClampedNetwork

if TYPE_CHECKING:
    from plasticbench.tasks.record import LifeRecord


def about(record: LifeRecord) -> dict[str, Any]:
    """What the arrays belong to, as JSON data; a number that is not finite is None."""
    return {
        "plasticbench": version("plasticbench"), "task": record.task.id, "task_hash": record.task.spec_hash,
        "rule": record.rule, "seed": record.seed, "conditions": _plain(dict(record.conditions)),
        "loss": record.loss, "status": record.status, "metrics": _plain(dict(record.metrics)),
        "engine": record.engine, "n_steps_lived": record.n_steps_lived, "dt_s": record.life.dt_s,
    }  # fmt: skip


def arrays_of(record: LifeRecord) -> dict[str, np.ndarray]:
    """Flat names -> arrays.

    `about` (JSON text); `phase_name`, `phase_start_s`, `phase_stop_s`; `weights_time_s` and `weights_<pathway>`.
    Spiking networks: `rate_time_s`, `rate_<population>_hz`, `spikes_<population>_time_s`, `spikes_<population>_neuron`.
    Rate networks: `outputs`. Slices: `protocol`, and `moment` (steps) in place of `weights_time_s`.
    """
    found = {
        "about": np.array(json.dumps(about(record), allow_nan=False)),
        "phase_name": np.array([phase.name for phase in record.phases], dtype=str),
        "phase_start_s": np.array([phase.start for phase in record.phases]) * record.life.dt_s,
        "phase_stop_s": np.array([phase.stop for phase in record.phases]) * record.life.dt_s,
    }
    network = record.life.network
    if isinstance(network, ClampedNetwork):
        found |= {"moment": record.kept.steps, "protocol": np.array([p.name for p in network.protocols], dtype=str)}
    else:
        found["weights_time_s"] = record.time_s
    found |= {f"weights_{name}": values for name, values in record.weights.items()}
    if record.outputs is not None:
        found["outputs"] = record.outputs
    for name, (time_s, neuron) in record.spikes.items():
        found |= {f"spikes_{name}_time_s": time_s, f"spikes_{name}_neuron": neuron}
    time_s, rates = record.rates
    if rates:
        found |= {"rate_time_s": time_s, **{f"rate_{name}_hz": values for name, values in rates.items()}}
    return found


def dataset_of(record: LifeRecord) -> Any:
    """The same as an xarray Dataset, whose attributes are those of `about`, the nested ones as JSON text."""
    try:
        import xarray
    except ImportError:
        raise PlasticbenchError('to_xarray: xarray is not installed; pip install "plasticbench[xarray]"') from None
    arrays = arrays_of(record)
    is_slice = "moment" in arrays
    told = {k: v if isinstance(v, (str, int, float)) else json.dumps(v) for k, v in about(record).items()}
    coordinates = {"weights_time_s", "rate_time_s", "moment", "protocol", "phase_name"} & set(arrays)
    variables = {
        name: (_dimensions(name, values, is_slice), values) for name, values in arrays.items() if name != "about"
    }
    return xarray.Dataset(
        {name: variable for name, variable in variables.items() if name not in coordinates},
        {name: variables[name] for name in coordinates},
        told,
    )


def _dimensions(name: str, values: np.ndarray, is_slice: bool) -> tuple[str, ...]:
    if name.startswith("phase_"):
        return ("phase_name",)
    if name.startswith("spikes_"):
        return (f"spike_{name.split('_')[1]}",)
    if name in ("weights_time_s", "rate_time_s", "moment", "protocol"):
        return (name,)
    if name.startswith("rate_"):
        return ("rate_time_s",)
    if name == "outputs":
        return ("weights_time_s", "presentation", "output")
    pathway = name.removeprefix("weights_")
    if is_slice:
        return ("moment", "protocol")
    return ("weights_time_s", *((f"post_{pathway}", f"pre_{pathway}") if values.ndim == 3 else (f"synapse_{pathway}",)))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(one) for one in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value
