"""The documentation: every page has its place, the journeys are there, the command line describes itself.

That the pages build without a warning and the journeys run from start to end is a step of .ci/run.
"""

import ast
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from plasticbench.command_line.cli import build_parser, main

DOCS = Path(__file__).parents[1] / "docs"
JOURNEYS = sorted((DOCS / "notebooks").glob("*.py"))


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.stem)
def test_a_page_opens_with_its_title_by_which_the_navigation_lists_it(page):
    lines = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL).splitlines()
    assert lines[0].startswith("# ")
    assert sum(line.startswith("# ") for line in lines) == 1


def test_the_five_users_have_a_journey_each():
    titles = [ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))).splitlines()[0] for path in JOURNEYS]
    assert titles == [
        "My STDP rule, from equation to board",
        "My learner",
        "My task and neuron model",
        "Reading a task page",
        "From slice data to function",
    ]


def test_what_the_reference_names_exists():
    text = (DOCS / "reference" / "api.md").read_text(encoding="utf-8")
    named = re.findall(r"auto(?:function|class):: ([\w.]+)", text)
    assert len(named) > 25
    for name in named:
        place, _, attribute = name.rpartition(".")
        thing = getattr(importlib.import_module(place), attribute)
        assert thing.__doc__, name


@pytest.fixture
def extension(monkeypatch):
    """An extension of the documentation's own, by name."""

    def load(name: str):
        found = importlib.util.spec_from_file_location(name, DOCS / "extensions" / f"{name}.py")
        module = importlib.util.module_from_spec(found)
        found.loader.exec_module(module)
        return module

    return load


def test_a_link_out_of_the_folder_leads_to_its_page_or_becomes_words(extension):
    pages = extension("pages_from_files")
    led = lambda text: pages._LINK.sub(lambda link: pages._led(link, DOCS, DOCS), text)  # noqa: E731
    assert led("[how](../leaderboard/SUBMITTING.md)") == "[how](reference/submitting.md)"
    assert led("[a test](../tests/test_docs.py)") == "a test"
    assert led("[trust](trust.md#rounds)") == "[trust](trust.md#rounds)"
    assert led("[doi](https://doi.org/10.1)") == "[doi](https://doi.org/10.1)"


def test_a_field_s_shape_stands_on_its_page(extension):
    from plasticbench.tasks.outcome import Outcome

    fields = "\n".join(extension("plain_docstrings")._fields(Outcome))
    assert re.search(r"``losses: .*\(n\\_rules, n\\_", fields), fields


def test_a_shell_completes_commands_and_options(capsys):
    for shell in ("bash", "zsh", "fish"):
        with pytest.raises(SystemExit) as stop:
            build_parser().parse_args(["--print-completion", shell])
        assert stop.value.code == 0
        script = capsys.readouterr().out
        assert "evaluate" in script
        assert "conditions" in script


def test_a_bash_that_reads_the_script_offers_the_commands(tmp_path):
    script = subprocess.run(
        [sys.executable, "-m", "plasticbench", "--print-completion", "bash"], capture_output=True, text=True, check=True
    ).stdout
    (tmp_path / "completion").write_text(script)
    asked = "source ./completion; COMP_WORDS=(plasticbench eva); COMP_CWORD=1; _shtab_plasticbench; echo $COMPREPLY"
    done = subprocess.run(["bash", "-c", asked], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["evaluate"], done.stderr


def test_show_says_what_a_task_is(capsys):
    assert main(["show", "OjaMini-v0"]) == 0
    short = capsys.readouterr().out
    assert "plasticbench/OjaMini-v0" in short
    assert "## Loss" in short
    assert main(["show", "plasticbench/OjaMini-v0"]) == 0
    assert capsys.readouterr().out == short
    assert main(["show", "OjaMini-v0", "--png", "x.png"]) == 2
    assert "is a task" in capsys.readouterr().err
