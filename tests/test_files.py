"""Files at the boundary: JSON is strict and linear, what is written is whole, links and pipes stay what they are."""

import contextlib
import errno
import os
import stat
import subprocess
import sys
import threading
import time

import pytest

from plasticbench import files
from plasticbench.errors import PlasticbenchError
from plasticbench.files import (
    JsonLimits,
    check_output,
    create_bytes,
    make_folder,
    parse_json,
    read_bytes,
    read_json,
    user_folder,
    write_bytes,
    write_text,
)

REFUSED = {
    "NaN in a list": (b'{"a": [1, {"b": NaN}]}', r"^a\[1\]\.b: NaN is not a number"),
    "infinity": (b'{"a": -Infinity}', "^a: -Infinity is not a number"),
    "overflow": (b'{"a": 1e999}', "^a: .*too large"),
    "a key twice": (b'{"a": 1, "a": 1}', "the key 'a' stands twice"),
    "half a surrogate pair": (b'{"note": "\\ud835"}', r"^note: has half of a surrogate pair \(U\+D835 at 0\)"),
    "half a pair as key": (b'{"\\ud835": 1}', "its key has half of a surrogate pair"),
    "terminal escape": (b'{"note": ["a\\u001b[2J"]}', r"^note\[0\]: has a control character \(U\+001B at 1\)"),
    "C1 control": (b'"\\u009b"', "control character"),
    "text that turns": (b'{"author": "\\u202eabc"}', r"^author: has a control character \(U\+202E at 0\)"),
    "not UTF-8": (b'{"a": "\xe9"}', "not UTF-8 text \\(byte 7\\)"),
    "UTF-16": ('{"a": 1}'.encode("utf-16"), "UTF-16 text, not UTF-8"),
    "pickle": (b"\x80\x04\x95", "pickle"),
    "nothing": (b"", "not JSON"),
    "deep": (b"[" * 100_000, "nested more than 32 deep"),
    "long number": (b"9" * 5_000, "5,000 digits"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_doubtful_is_refused_with_its_field(name):
    content, message = REFUSED[name]
    with pytest.raises(PlasticbenchError, match=message) as caught:
        parse_json(content)
    assert "\n" not in str(caught.value)


def test_what_is_good_is_read_as_it_stands():
    assert parse_json(b'\xef\xbb\xbf{"a": "line\\none\\ttab", "b": "\\ud835\\udd38"}') == {
        "a": "line\none\ttab",
        "b": "𝔸",
    }
    assert parse_json(' [1, 2.5, true, null, "[{"] ') == [1, 2.5, True, None, "[{"]


# Each is a shape of text on which some reader takes the square of its length, or more.
BOMBS = {
    "unterminated string of quotes": lambda n: b'{"a": "' + b'\\"' * (n // 2),
    "quotes": lambda n: b'"' * n,
    "backslashes": lambda n: b'"' + b"\\" * n,
    "opened": lambda n: b"[" * n,
    "closed": lambda n: b"]" * n,
    "commas": lambda n: b"[" + b"," * n,
    "one key again and again": lambda n: b"{" + b'"a":1,' * (n // 6) + b'"a":1}',
    "many keys": lambda n: b"{" + b",".join(b'"%08d":1' % i for i in range(n // 11)) + b"}",
    "empty lists": lambda n: b"[" + b"[]," * (n // 3) + b"[]]",
    "digits": lambda n: b"[" + b"1" * n + b"]",
}


@pytest.mark.parametrize("name", BOMBS)
def test_reading_takes_time_in_proportion_to_the_length(name):
    """A second for 1 MB is a hundred times what is needed, and a thousandth of what a quadratic reader takes."""
    content = BOMBS[name](1_000_000)
    start = time.process_time()
    with contextlib.suppress(PlasticbenchError):
        parse_json(content)
    assert time.process_time() - start < 1.0


def test_limits_are_of_depth_keys_items_and_values():
    limits = JsonLimits(max_depth=3, max_keys=2, max_items=3, max_values=8)
    assert parse_json("[[[1]], 2, 3]", limits)
    for text, message in (
        ("[[[[1]]]]", "nested more than 3 deep"),
        ('{"x": {"a": 1, "b": 2, "c": 3}}', "^x: has 3 fields, at most 2"),
        ('{"x": [1, 2, 3, 4]}', "^x: has 4 items, at most 3"),
        ("[[1,2,3],[1,2,3],[1,2,3]]", "more than 8 values"),
    ):
        with pytest.raises(PlasticbenchError, match=message):
            parse_json(text, limits)


def test_a_file_is_named_with_its_fault(tmp_path):
    path = tmp_path / "a.json"
    with pytest.raises(PlasticbenchError, match=r"a\.json: no such file"):
        read_json(path)
    path.write_bytes(b'{"a": NaN}')
    with pytest.raises(PlasticbenchError, match=r"a\.json: a: NaN"):
        read_json(path)
    with pytest.raises(PlasticbenchError, match="limit of 5 bytes"):
        read_json(path, max_bytes=5)
    with pytest.raises(PlasticbenchError, match="cannot be read"):
        read_json(tmp_path)
    with pytest.raises(PlasticbenchError, match="not a usable path"):
        read_json("a\0b")


def test_a_device_without_end_is_cut_off():
    with pytest.raises(PlasticbenchError, match="larger than"):
        read_bytes("/dev/zero", 1000)


def test_a_stranger_s_link_or_pipe_is_not_read(tmp_path):
    (tmp_path / "secret").write_text("1")
    (tmp_path / "link").symlink_to("secret")
    os.mkfifo(tmp_path / "pipe")
    for name, message in (("link", "is a link"), ("pipe", "is not a plain file")):
        with pytest.raises(PlasticbenchError, match=message):
            read_bytes(tmp_path / name, plain=True)
    assert read_bytes(tmp_path / "link") == b"1"


def listing(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_link_stays_and_its_target_is_written(tmp_path):
    (tmp_path / "real").mkdir()
    link = tmp_path / "link.json"
    link.symlink_to("real/target.json")
    for content in (b"new", b"newer"):
        write_bytes(link, content)
        assert link.is_symlink()
        assert (tmp_path / "real" / "target.json").read_bytes() == content
    assert listing(tmp_path) == ["link.json", "real"]
    assert listing(tmp_path / "real") == ["target.json"]


def test_a_pipe_is_written_into(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    write_bytes(pipe, b"x" * 300_000)
    reader.join(timeout=30)
    assert got == [b"x" * 300_000]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert listing(tmp_path) == ["pipe"]


_TO_STDOUT = "from plasticbench.files import *; check_output('/dev/stdout'); write_text('/dev/stdout', 'hello')"


def test_standard_output_is_never_replaced(tmp_path):
    before = os.lstat("/dev/stdout")
    run = [sys.executable, "-c", _TO_STDOUT]
    assert subprocess.run(run, stdout=subprocess.PIPE, check=True).stdout == b"hello"
    with open(tmp_path / "out", "w") as file:
        file.write("first ")
        file.flush()
        subprocess.run(run, stdout=file, check=True)
        file.write(", last")
    assert (tmp_path / "out").read_text() == "first hello, last"
    assert listing(tmp_path) == ["out"]
    assert os.lstat("/dev/stdout") == before


def test_a_device_is_written_into_and_a_folder_refused(tmp_path):
    write_bytes("/dev/null", b"gone")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    for write in (lambda: write_bytes(tmp_path, b""), lambda: check_output(tmp_path)):
        with pytest.raises(PlasticbenchError, match="it is a folder"):
            write()


def test_permissions_are_kept_and_new_files_follow_the_mask(tmp_path):
    path = tmp_path / "private"
    path.write_text("old")
    path.chmod(0o600)
    write_text(path, "new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    mask = os.umask(0o027)
    try:
        write_text(tmp_path / "new", "")
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_write_that_fails_leaves_what_was_there_and_nothing_else(step, tmp_path, monkeypatch):
    path = tmp_path / "result.json"
    path.write_text("old")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, step, full)
    with pytest.raises(PlasticbenchError, match=r"result\.json: cannot be written \(No space left") as caught:
        write_text(path, "new")
    assert "\n" not in str(caught.value)
    assert path.read_text() == "old"
    assert listing(tmp_path) == ["result.json"]


def test_an_interrupted_write_leaves_no_temporary_file(tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_text(tmp_path / "a", "new")
    assert listing(tmp_path) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_device_is_one_line():
    with pytest.raises(PlasticbenchError, match="No space left"):
        write_text("/dev/full", "x")


def test_places_that_cannot_be_written_are_one_line_before_the_work(tmp_path):
    (tmp_path / "file").write_text("")
    for write in (
        lambda: check_output(tmp_path / "file" / "out.json"),
        lambda: write_text(tmp_path / "file" / "out.json", ""),
        lambda: write_text(tmp_path / "missing" / "out.json", ""),
        lambda: write_text("a\0b", ""),
        lambda: make_folder(tmp_path / "file"),
    ):
        with pytest.raises(PlasticbenchError) as caught:
            write()
        assert "\n" not in str(caught.value)
    check_output(tmp_path / "new" / "folder" / "out.json")
    assert listing(tmp_path / "new" / "folder") == []


def test_text_that_is_not_unicode_is_refused(tmp_path):
    with pytest.raises(PlasticbenchError, match="not valid Unicode"):
        write_text(tmp_path / "a", "\ud835")
    assert listing(tmp_path) == []


def test_creating_never_replaces(tmp_path):
    create_bytes(tmp_path / "a", b"first")
    with pytest.raises(FileExistsError):
        create_bytes(tmp_path / "a", b"second")
    assert (tmp_path / "a").read_bytes() == b"first"
    assert listing(tmp_path) == ["a"]


def test_the_user_s_folders_follow_the_environment_then_the_platform(monkeypatch, tmp_path):
    for name in ("PLASTICBENCH_BOARD", "PLASTICBENCH_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    if sys.platform.startswith("linux"):
        assert user_folder("board") == tmp_path / "data" / "plasticbench" / "board"
        assert user_folder("cache") == tmp_path / "cache" / "plasticbench"
    monkeypatch.setenv("PLASTICBENCH_BOARD", "~/mine")
    assert user_folder("board").parts[-1] == "mine"
    assert user_folder("board").is_absolute()
