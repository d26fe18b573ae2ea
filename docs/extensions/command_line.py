"""The directive `command-line`: every command's own help, as its parser prints it."""

import argparse
import os
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive

from plasticbench.command_line.cli import build_parser


class CommandLine(Directive):
    """A section a command, with its help as it stands."""

    def run(self) -> list[nodes.Node]:
        os.environ["COLUMNS"] = "100"  # what argparse wraps at
        commands = next(a for a in build_parser()._actions if isinstance(a, argparse._SubParsersAction)).choices
        return [self._section(name, parser) for name, parser in commands.items()]

    def _section(self, name: str, parser: argparse.ArgumentParser) -> nodes.Node:
        section = nodes.section(ids=[f"plasticbench-{name}"], names=[name])
        help_text = argparse.ArgumentParser.format_help(parser)  # without what is made only when it is asked for
        section += [nodes.title(text=name), nodes.literal_block(help_text, help_text, language="text")]
        return section


def setup(app: Any) -> dict[str, bool]:
    """Make the directive known."""
    app.add_directive("command-line", CommandLine)
    return {"parallel_read_safe": True}
