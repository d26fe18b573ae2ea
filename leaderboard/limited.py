"""Measuring a stranger's rule in a process of its own, so that time and memory have a limit.

A rule is data and of limited size, yet it may be so slow that its lifetimes take days, or so large that compiling it
takes all memory; machine code cannot be interrupted from within. So the installed catalogue measures in one further
process, kept from call to call, which is ended when it takes too long: several times longer than the task's reference
rule, which is timed there first.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from plasticbench.errors import PlasticbenchError

from .catalogue import Measurement

SLOWER = 30.0  # times the reference rule's time that a rule may take
SECONDS_BESIDE = 300.0  # further, for compiling and a busy machine
MAX_BYTES = 8 * 2**30  # of memory on the cpu engine
_PROGRESS = b"progress "  # how a line begins that is no answer yet
_SERVE = "from plasticbench.leaderboard.limited import serve; serve()"


Report = Callable[[int, int], None]


class LimitExceeded(PlasticbenchError):  # noqa: N818  (says what is, not what failed)
    """A rule that cannot be measured within the limits of time and memory: it has no verdict."""


class LimitedMeasure:
    """`Catalogue.measure` in a further process. `measure` does it here, for tasks that only this process has."""

    def __init__(self, measure: Callable[[Any, Sequence[Any], Sequence[int], str], Measurement]):
        self._measure = measure
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._pace_s: dict[tuple[str, str], float | None] = {}  # (task's hash, engine): of one lifetime
        self._report: Report | None = None

    @contextlib.contextmanager
    def reporting(self, report: Report | None) -> Iterator[None]:
        """Within the block, each call tells how far it is: (lifetimes done, lifetimes in all), from 0 on."""
        before, self._report = self._report, report
        try:
            yield
        finally:
            self._report = before

    def __call__(self, task: Any, rules: Sequence[Any], seeds: Sequence[int], engine: str) -> Measurement:
        """As `Catalogue.measure`. Raises LimitExceeded where it takes too long or too much memory."""
        if self._report is not None:
            self._report(0, len(seeds))
        pace_s = self._pace(task, engine)
        if pace_s is None:
            found_here = self._measure(task, rules, seeds, engine)
            if self._report is not None:
                self._report(len(seeds), len(seeds))
            return found_here
        limit_s = SECONDS_BESIDE + SLOWER * pace_s * len(rules) * len(seeds)
        asked = {"rules": [rule.to_json() for rule in rules], "seeds": [int(seed) for seed in seeds]}
        found = self._ask({**_named(task, engine), **asked}, limit_s, f"{rules[0].name} on {task.id}")
        return Measurement(np.array(found.pop("losses")), np.array(found.pop("statuses")), **found)

    def _pace(self, task: Any, engine: str) -> float | None:
        """Seconds that one lifetime of the reference rule takes; None where the further process lacks the task."""
        key = (task.spec_hash, engine)
        if key not in self._pace_s:
            found = self._ask({**_named(task, engine), "rules": None}, None, f"{task.reference_rule} on {task.id}")
            self._pace_s[key] = found["pace_s"]
        return self._pace_s[key]

    def _ask(self, request: Mapping[str, Any], limit_s: float | None, what: str) -> dict[str, Any]:
        with self._lock:
            answer, was_late = self._exchange(json.dumps(request).encode() + b"\n", limit_s)
        if was_late:
            raise LimitExceeded(
                f"rule: {what}: no result after {limit_s:.0f} s ({SECONDS_BESIDE:g} s, and {SLOWER:g} times what the "
                "reference rule takes); it has no verdict"
            )
        if not answer:
            raise LimitExceeded(f"rule: {what}: the process that measured it was ended; it has no verdict")
        found = json.loads(answer)
        if "error" in found:
            raise {"memory": LimitExceeded, "input": PlasticbenchError}.get(found["kind"], RuntimeError)(found["error"])
        return found

    def _exchange(self, request: bytes, limit_s: float | None) -> tuple[bytes, bool]:
        """The answer, empty where the process ended; and whether it was ended for being late."""
        process, late = self._started(), threading.Event()

        def end() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(limit_s or 0.0, end)
        timer.daemon = True
        answer = b""
        try:
            if limit_s is not None:
                timer.start()
            assert process.stdin is not None
            assert process.stdout is not None
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(request)
                process.stdin.flush()
                answer = process.stdout.readline()
                while answer.startswith(_PROGRESS):
                    if self._report is not None:
                        self._report(*json.loads(answer[len(_PROGRESS) :]))
                    answer = process.stdout.readline()
            return answer, late.is_set()
        finally:
            timer.cancel()
            if not answer.endswith(b"\n"):  # ended, or interrupted: nothing more can be asked of it
                _end(process)
                self._process = None

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            places = os.pathsep.join(path for path in sys.path if path)
            self._process = subprocess.Popen(
                [sys.executable, "-c", _SERVE], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": places},
            )  # fmt: skip
            weakref.finalize(self, _end, self._process)
        return self._process


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()


def _named(task: Any, engine: str) -> dict[str, str]:
    return {"task": task.id, "task_hash": task.spec_hash, "engine": engine, "module": type(task).__module__}


# -------------------------------------------------------------------------------------- in the further process


def serve() -> None:
    """Answer requests from standard input, one JSON object a line, until it ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what engines print is no answer
    with contextlib.suppress(OSError):  # where memory runs out all the same, Linux ends this process first
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        for line in sys.stdin.buffer:

            def report(done: int, n: int) -> None:
                answers.write(_PROGRESS + json.dumps([done, n]).encode() + b"\n")
                answers.flush()

            answers.write(json.dumps(_answer(json.loads(line), report)).encode() + b"\n")
            answers.flush()


def _end_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


def _answer(request: Mapping[str, Any], report: Report | None = None) -> dict[str, Any]:
    try:
        _bound_memory(request["engine"])
        return _pace_of(request) if request["rules"] is None else _measured(request, report)
    except MemoryError:
        return {"kind": "memory", "error": f"rule: needs more than {MAX_BYTES / 2**30:g} GiB; it has no verdict"}
    except PlasticbenchError as error:
        return {"kind": "input", "error": str(error)}
    except Exception as error:  # the caller says it of this rule and goes on with the others
        return {"kind": "defect", "error": f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"}


def _bound_memory(engine: str) -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        bound = most if engine == "torch" else MAX_BYTES  # a GPU's driver maps memory that it does not use
        resource.setrlimit(resource.RLIMIT_DATA, (bound if most == -1 else min(bound, most), most))


def _pace_of(request: Mapping[str, Any]) -> dict[str, Any]:
    task = _task(request)
    if task is None:
        return {"pace_s": None}
    from .catalogue import installed, measured

    reference = installed().load_rule(task.reference_rule)
    for _ in range(2):  # the first compiles
        start = time.perf_counter()
        measured(task, [reference], task.official_seeds[:1], request["engine"])
    return {"pace_s": time.perf_counter() - start}


def _measured(request: Mapping[str, Any], report: Report | None) -> dict[str, Any]:
    from plasticbench.rules.codec import rule_from_json

    from .catalogue import measured

    rules = [rule_from_json(rule) for rule in request["rules"]]
    found = measured(_task(request), rules, request["seeds"], request["engine"], report)
    return {
        "losses": found.losses.tolist(),
        "statuses": np.asarray(found.statuses).tolist(),
        "engine": found.engine,
        "versions": dict(found.versions),
        "hardware": dict(found.hardware),
    }


def _task(request: Mapping[str, Any]) -> Any:
    """The very same task, or None."""
    import importlib

    from plasticbench.tasks.registry import task, task_ids

    with contextlib.suppress(ImportError, ValueError):
        importlib.import_module(request["module"])
    found = task(request["task"]) if request["task"] in task_ids() else None
    return found if found is not None and found.spec_hash == request["task_hash"] else None
