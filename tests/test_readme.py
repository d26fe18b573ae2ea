"""What the README shows is run as it stands: its Python, its rule file, and its commands' spelling."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from plasticbench.command_line.cli import build_parser

README = Path(__file__).parents[1] / "README.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(), re.DOTALL)


@pytest.mark.parametrize("code", blocks("python"), ids=lambda code: code.strip().splitlines()[0][:40])
def test_python_blocks_run_from_an_empty_folder(tmp_path, code):
    (tmp_path / "example.py").write_text(code)
    done = subprocess.run([sys.executable, "example.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_the_rule_file_loads():
    from plasticbench.rules import rule_from_json

    assert [rule_from_json(json.loads(text)).name for text in blocks("json")] == ["mine"]


def test_every_command_is_spelled_as_the_parser_wants_it():
    commands = re.findall(r"^(?:.*&& )?plasticbench (.+)$", "\n".join(blocks("bash")), re.MULTILINE)
    assert len(commands) >= 5
    for command in commands:
        for part in command.split(" && "):
            words = shlex.split(part.removeprefix("plasticbench "), comments=True)
            build_parser().parse_args(words)


def test_the_install_and_test_commands_stand_alone_on_their_lines():
    lines = [line for block in blocks("bash") for line in block.splitlines()]
    assert "pip install -e . && plasticbench quickstart" in lines
    assert 'pip install -e ".[test]" && pytest' in lines
