"""Compiled code is compiled once, kept under all that it depends on, and never run when damaged."""

import errno
import subprocess
import sys

import pytest

from plasticbench.simulation import compile as compiling


def test_machine_code_is_kept_under_the_hash_of_everything_that_is_compiled_in():
    folder = compiling._PACKAGE / "simulation"
    read = []
    real = type(folder).read_bytes
    compiling.source_hash.cache_clear()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(folder), "read_bytes", lambda path: read.append(path) or real(path))
            first = compiling.source_hash()
            compiling.source_hash.cache_clear()
            patch.setattr(
                type(folder), "read_bytes", lambda path: real(path) + (b"#" if path.name == "state.py" else b"")
            )
            assert compiling.source_hash() != first
    finally:
        compiling.source_hash.cache_clear()
    assert set(folder.rglob("*.py")) <= set(read)


RUN = (
    "import sys, threading, plasticbench\n"
    "from plasticbench.rules import PathwayRule, Rule\n"
    "rule = Rule('new', {'ff': PathwayRule.make({'on_step': '0.0123*post*(pre - post*w)'})})\n"
    "task, found = plasticbench.task('OjaMini-v0').shortened(), []\n"
    "def live(): found.append(float(task.losses(rule, [0])[0, 0]))\n"
    "threads = [threading.Thread(target=live) for _ in range(4)]\n"
    "[t.start() for t in threads]; [t.join() for t in threads]\n"
    "print(len(found), len(set(found)), found[0])\n"
)


def run_python(code, cache):
    environment = {"PLASTICBENCH_CACHE": str(cache), "PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}
    done = subprocess.run(
        [sys.executable, "-B", "-W", "ignore", "-c", code],  # -B: two versions of a module within a second are two
        capture_output=True,
        text=True,
        timeout=300,
        env=environment,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.split()


def test_kernels_are_compiled_once_by_many_threads_and_again_when_the_cache_is_damaged(tmp_path):
    first = run_python(RUN, tmp_path)
    assert first[:2] == ["4", "1"]
    damaged = [path for path in tmp_path.rglob("*") if path.suffix in (".nbi", ".nbc", ".py")]
    assert len(damaged) > 3
    for k, path in enumerate(damaged):
        content = path.read_bytes()
        place = len(content) // 6
        zeroed = content[:place] + bytes(64) + content[place + 64 :]  # would crash the process if it were run
        path.write_bytes([b"", content[:place], zeroed][k % 3])
    assert run_python(RUN, tmp_path) == first
    assert not list((compiling._PACKAGE).rglob("*.nbi"))  # nothing is kept beside the code


def test_a_changed_number_in_a_module_of_ones_own_is_compiled_anew(tmp_path):
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import mine; print(mine.f(2.0))"
    module = "from plasticbench.simulation.compile import compiled\n@compiled\ndef f(x): return x * {}\n"
    for factor, value in ((2.0, "4.0"), (3.0, "6.0")):
        (tmp_path / "mine.py").write_text(module.format(factor), encoding="utf-8")
        assert run_python(code, tmp_path / "cache") == [value]


def test_an_error_while_others_wait_is_passed_on(tmp_path):
    with pytest.raises(OSError, match="full"), compiling._one_process(tmp_path / "a"):
        raise OSError(errno.ENOSPC, "full")


def test_a_folder_that_cannot_be_written_costs_one_warning(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("PLASTICBENCH_CACHE", str(tmp_path / "file"))
    compiling.cache_dir.cache_clear()
    try:
        with pytest.warns(UserWarning, match="set PLASTICBENCH_CACHE"):
            assert compiling.cache_dir().is_dir()
    finally:
        compiling.cache_dir.cache_clear()
