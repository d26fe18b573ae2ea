"""What a start costs and survives: heavy modules wait for their use; streams, encodings and backends do not matter."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("torch", "numba", "matplotlib", "evotorch", "ray")
C_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": ""}
STREAMS = {
    "c": C_LOCALE,
    "cp1252": {"PYTHONIOENCODING": "cp1252"},
    "iso-8859-15": {"PYTHONIOENCODING": "iso-8859-15"},
}
needs_a_full_device = pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has none")
GREEK = "Δw after Οja, 1982, η → 0"


def python(code: str, **changes: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], env={**os.environ, **changes}, capture_output=True, check=False
    )


def program(*arguments: str, shell: str = "", **changes: str) -> subprocess.CompletedProcess:
    """`plasticbench ARGUMENTS`, behind which the shell's words stand as they are."""
    command = ["sh", "-c", f'exec "$0" -m plasticbench "$@" {shell}', sys.executable, *arguments]
    return subprocess.run(command, env={**os.environ, **changes}, capture_output=True, check=False)


def loaded_after(code: str) -> set[str]:
    done = python(f"{code}\nimport sys\nprint('loaded', *sys.modules)")
    assert done.returncode == 0, done.stderr.decode()
    return set(done.stdout.decode().splitlines()[-1].split()[1:])


@pytest.fixture
def rule_file(tmp_path: Path) -> Path:
    rule = {
        "format": "plasticbench/rule@1",
        "name": "mine",
        "reference": GREEK,
        "pathways": {"ff": {"on_step": "eta*post*(pre-post*w)", "parameters": {"eta": 0.2}}},
    }
    path = tmp_path / "rule.json"
    path.write_text(json.dumps(rule, ensure_ascii=False), encoding="utf-8")
    return path


def test_the_package_and_its_version_load_neither_numpy_nor_gymnasium():
    version = "from plasticbench.command_line.cli import main\nmain(['--version'])"
    for code in ("import plasticbench", version, "import plasticbench\nplasticbench.__version__"):
        assert not loaded_after(code) & {*HEAVY, "numpy", "gymnasium", "jsonschema", "safetensors"}


def test_a_task_s_ranking_is_shown_without_a_simulator():
    code = "from plasticbench.command_line.cli import main\nassert main(['board', '--task', 'OjaMini-v0']) == 0"
    assert not loaded_after(code) & set(HEAVY)


def test_tasks_load_no_simulator_and_no_reader_of_rule_files():
    code = "import plasticbench\n[plasticbench.task(i).spec_hash for i in plasticbench.task_ids()[:3]]"
    loaded = loaded_after(code)
    assert "plasticbench.envs.oja" in loaded
    assert not loaded & {*HEAVY, "jsonschema", "safetensors"}


@pytest.mark.parametrize("arguments", [["list"], ["list", "--json"], ["show", "oja"]])
def test_looking_loads_no_simulator(arguments):
    loaded = loaded_after(f"from plasticbench.command_line.cli import main\nassert main({arguments}) == 0")
    assert "plasticbench.rules.codec" in loaded
    assert not loaded & set(HEAVY)


@pytest.mark.parametrize(
    "imports",
    [
        "import plasticbench, gymnasium",
        "import gymnasium, plasticbench",
        "import plasticbench.tasks.registry, gymnasium",
        "import plasticbench.envs.oja, gymnasium",
        "import plasticbench; plasticbench.task_ids(); import gymnasium",
        "import plasticbench, importlib.util; importlib.util.find_spec('gymnasium'); import gymnasium",
        "import gymnasium, plasticbench, importlib; importlib.reload(plasticbench)",
    ],
)
def test_tasks_are_environments_whatever_is_imported_first(imports):
    code = (
        f"{imports}\nimport plasticbench\n"
        "own = [i for i in gymnasium.registry if i.startswith('plasticbench/')]\n"
        "assert tuple(own) == plasticbench.task_ids() and len(own) > 10, own\n"
        "assert gymnasium.make('plasticbench/OjaMini-v0').unwrapped.task is plasticbench.task('OjaMini-v0')"
    )
    done = python(code)
    assert done.returncode == 0, done.stderr.decode()


def test_every_public_name_is_there():
    code = (
        "import plasticbench as p\n"
        "assert all(hasattr(p, name) and name in dir(p) for name in p.__all__)\n"
        "assert p.learn is p.learning.run.learn and p.rules.Rule is p.Rule\n"
        "assert not hasattr(p, 'nonsense')"
    )
    done = python(code)
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize("streams", STREAMS)
def test_output_replaces_what_the_terminal_cannot_show(streams, rule_file, tmp_path):
    out = tmp_path / "result.json"
    for arguments in (
        ["show", str(rule_file)],
        ["list"],
        ["evaluate", str(rule_file), "--task", "OjaMini-v0", "--seeds", "2", "--out", str(out)],
    ):
        done = program(*arguments, **STREAMS[streams])
        assert done.returncode == 0, done.stderr.decode("latin-1")
        assert done.stderr == b""
        text = done.stdout.decode("ascii" if streams == "c" else streams)
        if arguments[0] == "show":
            assert "?w = 0.2*post*(pre - post*w)" in text
    assert "loss   0.0052762" in text
    assert json.loads(out.read_text(encoding="utf-8"))["rule"]["reference"] == GREEK


def test_json_output_is_ascii(rule_file):
    done = program("evaluate", str(rule_file), "--task", "OjaMini-v0", "--seeds", "2", "--json", **C_LOCALE)
    assert done.returncode == 0, done.stderr.decode("latin-1")
    assert json.loads(done.stdout.decode("ascii"))["rule"]["reference"] == GREEK


@needs_a_full_device
@pytest.mark.parametrize(("shell", "n_lines"), [(">&-", 1), (">/dev/full", 1), (">/dev/full 2>/dev/full", 0)])
def test_a_lost_output_is_told_in_a_line_where_there_is_one_to_tell(shell, n_lines):
    done = program("list", shell=shell)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == n_lines, done.stderr


@pytest.mark.parametrize("shell", [">&- 2>&-", pytest.param(">/dev/full", marks=needs_a_full_device)])
def test_a_lost_output_loses_no_result(shell, rule_file, tmp_path):
    out = tmp_path / "result.json"
    done = program(
        *("evaluate", str(rule_file), "--task", "OjaMini-v0", "--seeds", "2", "--out", str(out)), shell=shell
    )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) <= 1
    assert json.loads(out.read_text(encoding="utf-8"))["losses"][0] > 0


def test_a_reader_that_leaves_ends_the_output_silently():
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as pipe:
        done = subprocess.run(
            [sys.executable, "-m", "plasticbench", "list"], stdout=pipe, stderr=subprocess.PIPE, check=False
        )
    assert (done.returncode, done.stderr) == (1, b"")


def test_bad_input_keeps_its_exit_code_where_nothing_can_be_said():
    for shell in ("2>&-", "2>/dev/full") if Path("/dev/full").exists() else ("2>&-",):
        assert program("evaluate", "oja", "--task", "nonsense", shell=shell).returncode == 2
        assert program("nonsense", shell=shell).returncode == 2


def test_the_result_file_does_not_take_the_number_of_a_closed_stream(tmp_path):
    """What else writes to descriptor 1 would land in the file."""
    code = (
        "import os\n"
        "from plasticbench.command_line.streams import kept_streams\n"
        "os.close(1)\n"
        "with kept_streams():\n"
        f"    assert open({str(tmp_path / 'file')!r}, 'w', encoding='utf-8').fileno() > 2\n"
        "os._exit(0)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_inherited_plotting_backend_does_not_matter(tmp_path):
    backend = "nonsense"  # matplotlib refuses to be imported, as it does with a notebook's that is not installed
    code = (
        "from plasticbench.command_line.cli import main\n"
        "assert main(['list']) == 0\n"
        f"assert main(['show', 'oja', '--png', {str(tmp_path / 'oja.png')!r}]) == 0\n"
        "import gymnasium, plasticbench\n"
        "env = gymnasium.make('plasticbench/OjaMini-v0', render_mode='rgb_array')\n"
        "env.reset(seed=0)\n"
        "assert env.render().shape[2] == 3\n"
        "import os\n"
        f"assert os.environ['MPLBACKEND'] == {backend!r}"
    )
    done = python(code, MPLBACKEND=backend)
    assert done.returncode == 0, done.stderr.decode()
    assert (tmp_path / "oja.png").read_bytes().startswith(b"\x89PNG")


def test_an_inherited_backend_that_exists_stays_the_users():
    code = (
        "from plasticbench.drawing.figures import new_figure\n"
        "new_figure(1.0, 1.0, dpi=50)\n"
        "import matplotlib\nassert matplotlib.get_backend() == 'svg'"
    )
    done = python(code, MPLBACKEND="svg")
    assert done.returncode == 0, done.stderr.decode()
