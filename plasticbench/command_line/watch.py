"""`plasticbench watch`: one lifetime under a rule, in the terminal, as pictures that stand or move, as arrays."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np

from plasticbench.command_line.progress import ProgressBar
from plasticbench.drawing.movies import ffmpeg, gif, mp4
from plasticbench.drawing.side_by_side import side_by_side
from plasticbench.errors import PlasticbenchError
from plasticbench.files import check_output, read_json, write_bytes
from plasticbench.networks.clamped import ClampedNetwork
from plasticbench.networks.rate import RateNetwork
from plasticbench.rules import load_rule
from plasticbench.tasks import registry
from plasticbench.tasks.record import N_FRAMES, LifeRecord

_BARS = "▁▂▃▄▅▆▇█"
_WIDTH = 40  # of a line's curve
_METRICS = 8  # printed
_OUTPUTS = ("png", "gif", "mp4", "npz")


def run_watch(arguments: Namespace) -> None:
    task = registry.task(arguments.task)
    conditions = _conditions(arguments.conditions)
    outputs = {kind: getattr(arguments, kind) for kind in _OUTPUTS if getattr(arguments, kind)}
    for path in outputs.values():
        check_output(path)
    if "mp4" in outputs:
        ffmpeg()
    names = {"": arguments.rule}
    if arguments.null:
        names["null"] = "null"
    if arguments.reference:
        names["reference"] = task.reference_rule
    rules = {label: load_rule(name) for label, name in names.items()}
    with ProgressBar("living") as bar:
        records = {}
        for label, rule in rules.items():
            records[label] = task.record(
                rule, arguments.seed, conditions=conditions, engine=arguments.engine, device=arguments.device
            )
            bar(len(records), len(rules))
    print("\n\n".join(describe_record(record) for record in records.values()))
    for kind, path in outputs.items():
        _write(kind, Path(path), records)


def _conditions(path: str | None) -> dict[str, Any] | None:
    """One object, or a list of one, as `evaluate --conditions` takes it."""
    if path is None:
        return None
    found = read_json(path)
    if isinstance(found, list) and len(found) == 1:
        (found,) = found
    if not isinstance(found, dict):
        raise PlasticbenchError(f"{path}: not a JSON object with the conditions of one lifetime")
    return found


def _write(kind: str, path: Path, records: dict[str, LifeRecord]) -> None:
    if kind == "npz":
        for label, record in records.items():
            own = path.with_stem(f"{path.stem}-{label}") if label else path
            record.save(own)
            print(f"arrays: {own}")
        return
    if kind == "png":
        from plasticbench.drawing.lives import figure_to_array
        from plasticbench.drawing.side_by_side import png_of

        write_bytes(path, png_of(side_by_side([figure_to_array(record.figure()) for record in records.values()])))
    else:
        frames = (side_by_side(pictures) for pictures in _together(list(records.values())))
        write_bytes(path, (gif if kind == "gif" else mp4)(frames))
    print(f"picture: {path}")


def _together(records: list[LifeRecord]) -> Any:
    """The frames of several lives at once; one that has ended stays as it was."""
    with ProgressBar("drawing", "frame") as bar:
        running = [record.frames() for record in records]
        shown = [next(frames) for frames in running]
        yield shown
        for n in range(1, N_FRAMES):
            following = [next(frames, None) for frames in running]
            if all(one is None for one in following):
                return
            shown = [old if new is None else new for old, new in zip(shown, following, strict=True)]
            bar(n + 1, N_FRAMES)
            yield shown


def describe_record(record: LifeRecord) -> str:
    """A few lines that a person reads: what the life came to, and rates and weights over time."""
    lines = [
        f"{record.rule} on {record.task.id}, seed {record.seed}: {record.status}",
        f"  loss     {record.loss:.5g}   score {record.score:z.4f}",
        f"  lived    {_duration(record)} in {record.wall_s:.2g} s ({record.engine} engine), "
        f"and {record.compile_s:.2g} s compiling",
    ]
    if record.conditions:
        listed = ", ".join(f"{name} {_short(value)}" for name, value in record.conditions.items())
        lines.append(f"  drawn    {listed}")
    shown = list(record.metrics.items())[:_METRICS]
    lines += [f"  {name}  {value:.5g}" for name, value in shown]
    if len(shown) < len(record.metrics):
        lines.append(f"  … and {len(record.metrics) - len(shown)} metrics more, which `plasticbench evaluate` prints")
    _, rates = record.rates
    lines += [_line(f"rate, {name}", values, "Hz") for name, values in rates.items()]
    network = record.life.network
    if isinstance(network, ClampedNetwork):
        (w,) = record.weights.values()
        lines += [_line(p.name, w[:, k], "of w") for k, p in enumerate(network.protocols)]
    elif isinstance(network, RateNetwork):
        lines += [_line(f"rms weight, {n}", np.sqrt((w**2).mean((1, 2))), "") for n, w in record.weights.items()]
    else:
        lines += [_line(f"median weight, {n}", np.median(w, 1), "") for n, w in record.weights.items()]
    return "\n".join(lines)


def _duration(record: LifeRecord) -> str:
    steps = record.n_steps_lived
    if record.task.track == "rate":
        return f"{steps} presentations"
    return f"{steps * record.life.dt_s:.4g} s"


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else f"{value!s:.40}"


def _line(name: str, values: np.ndarray, unit: str) -> str:
    """A small curve from its least to its largest value, and what it begins and ends with."""
    if not len(values):
        return f"  {name:<24} nothing recorded"
    binned = np.array([part.mean() for part in np.array_split(values, min(_WIDTH, len(values)))])
    low, high = float(np.nanmin(binned)), float(np.nanmax(binned))
    level = (binned - low) / (high - low) if high > low else np.zeros_like(binned)
    curve = "".join(_BARS[round(float(x) * (len(_BARS) - 1))] for x in np.nan_to_num(level))
    return f"  {name:<24} {curve:<{_WIDTH}}  {binned[0]:.3g} → {binned[-1]:.3g} {unit}".rstrip()
