"""The command line: parse, call, print. Exit code 0 = done, 2 = bad input (one line on stderr), 1 = failure."""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib.metadata import version

from plasticbench.command_line.streams import kept_streams
from plasticbench.errors import PlasticbenchError

_PROVENANCE_HELP = (
    "where the rule comes from: 'as published', 'variant of a published rule', 'published form, numbers learned here', "
    "'learned here' or 'unpublished' (default: what the rule says, or how it was learned)"
)
_SHELLS = ("bash", "zsh", "fish", "tcsh", "powershell")
_EXIT_DONE, _EXIT_FAILURE, _EXIT_BAD_INPUT = 0, 1, 2


class _Parser(argparse.ArgumentParser):
    """`describe_more` gives text that is made only when help is asked for."""

    describe_more: Callable[[], str] | None = None

    def format_help(self) -> str:
        more = "" if self.describe_more is None else f"\n{self.describe_more()}\n"
        return super().format_help() + more

    def error(self, message: str):  # one line, like every other piece of bad input
        self.exit(_EXIT_BAD_INPUT, f"{self.prog}: {message} (see {self.prog} --help)\n")


class _PrintCompletion(argparse.Action):
    """Prints what a shell needs to complete commands and options, and stops."""

    def __call__(self, parser, namespace, values, option_string=None):
        import shtab

        print(shtab.complete(parser, shell=values))
        parser.exit(_EXIT_DONE)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not a positive number")
    return value


def _add_import(parser: argparse.ArgumentParser, destination: str) -> None:
    help_text = "first import a module that registers tasks or families; repeatable"
    parser.add_argument("--import", dest=destination, action="append", default=[], metavar="MODULE", help=help_text)


def _learners() -> str:
    from plasticbench.command_line.commands import describe_learners

    return describe_learners()


def build_parser() -> argparse.ArgumentParser:
    """Every subcommand with its handler, `handler(arguments)`, as a name in `plasticbench.commands`."""
    parser = _Parser(prog="plasticbench", description="A benchmark of synaptic plasticity rules.")
    parser.add_argument("--version", action="store_true", help="print the version and stop")
    parser.add_argument(
        "--print-completion", action=_PrintCompletion, choices=_SHELLS, help="print a completion script"
    )
    _add_import(parser, "imports")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    def command(name: str, text: str) -> _Parser:
        made = commands.add_parser(name, help=text, description=text)
        _add_import(made, "more_imports")  # argparse would let it replace what stands before the command
        return made

    p = command("quickstart", "learn a rule for the first principal component and place it on the board")
    p.add_argument("--out", metavar="DIR", default="quickstart", help="run folder (default: ./quickstart)")

    p = command("list", "tasks, known rules, learners and families")
    p.add_argument("--json", action="store_true", help="one JSON object")

    p = command("show", "a rule's equations, parameters and picture, a learner's options, what a task is, or a run")
    p.add_argument(
        "rule",
        metavar="RULE|LEARNER|TASK|RUN",
        help="a rule's name or file; a learner or module:Class; a task's id; a run folder of `learn`",
    )
    p.add_argument(
        "--png",
        metavar="FILE",
        help="write the rate map, the spike-timing window with triplets and rates, or a run's set of rules",
    )
    p.add_argument("--task", metavar="ID", help="the picture is of synapses as they start on this task")
    p.add_argument("--w", type=float, metavar="W", help="the picture is of synapses of this weight")

    p = command("watch", "look at one lifetime under a rule: spikes, rates and weights over time")
    p.add_argument("rule", metavar="RULE", help="a known rule's name or a rule file")
    p.add_argument("--task", required=True, metavar="ID")
    p.add_argument("--seed", type=int, metavar="S", help="of the lifetime (default: the first official one)")
    p.add_argument("--conditions", metavar="FILE", help="JSON object that fixes the lifetime's conditions by name")
    p.add_argument("--null", action="store_true", help="the same lifetime with frozen weights beside it")
    p.add_argument("--reference", action="store_true", help="the same lifetime under the reference rule beside it")
    p.add_argument("--png", metavar="FILE", help="write the task's picture of the life")
    p.add_argument("--gif", metavar="FILE", help="write the life as a picture that moves")
    p.add_argument("--mp4", metavar="FILE", help="the same as MP4; needs ffmpeg")
    p.add_argument("--npz", metavar="FILE", help="write the arrays; those of null and reference beside it")
    p.add_argument("--engine", default="auto", metavar="E", help="auto, cpu, torch, cuda")
    p.add_argument("--device", metavar="D", help="of the torch engine, as cpu or cuda; of the cuda engine, as cuda:1")

    p = command("evaluate", "run a rule on a task's official lifetimes")
    p.add_argument("rule", metavar="RULE", help="a known rule's name or a rule file")
    p.add_argument("--task", required=True, metavar="ID")
    p.add_argument("--seeds", type=_positive, metavar="N", help="only the first N official seeds")
    p.add_argument("--conditions", metavar="FILE", help="JSON list of objects, one per lifetime, fixing its conditions")
    p.add_argument("--engine", default="auto", metavar="E", help="auto, cpu, torch, cuda")
    p.add_argument("--device", metavar="D", help="of the torch engine, as cpu or cuda; of the cuda engine, as cuda:1")
    p.add_argument("--json", action="store_true", help="print the result as one JSON object")
    p.add_argument("--out", metavar="FILE", help="write the result, as `submit` takes it")

    p = command("compare", "two rules over the same lifetimes of a task: the paired difference and how sure it is")
    p.add_argument("first", metavar="A", help="a known rule's name, a rule file or a result file")
    p.add_argument("second", metavar="B", help="the same")
    p.add_argument("--task", metavar="ID", help="needed where a rule has to be evaluated")
    p.add_argument("--seeds", type=_positive, metavar="N", help="only the first N official seeds")
    p.add_argument("--engine", default="auto", metavar="E", help="auto, cpu, torch, cuda")
    p.add_argument("--json", action="store_true", help="print one JSON object")

    p = command("transfer", "every rule on every task that it suits: which work beyond what they were made for")
    p.add_argument("rule", metavar="RULE", nargs="*", help="known rules or rule files (default: all known rules)")
    p.add_argument("--task", action="append", metavar="ID", help="repeatable (default: all)")
    p.add_argument("--track", metavar="T", help="only tasks of this track")
    p.add_argument("--seeds", type=_positive, metavar="N", help="only the first N official seeds of each task")
    p.add_argument("--json", action="store_true", help="print the cells and the answer as one JSON object")
    p.add_argument("--out", required=True, metavar="DIR", help="folder; what lies there already is not measured again")

    p = command("learn", "let a learner find a rule")
    p.describe_more = _learners
    p.add_argument("--task", required=True, metavar="ID")
    p.add_argument("--learner", required=True, metavar="NAME|module:Class")
    p.add_argument("--family", metavar="F[,K=V…]", help="search space (default: the task's first)")
    p.add_argument("--budget", type=_positive, default=20_000, metavar="LIFETIMES")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--repeat", type=_positive, default=1, metavar="N", help="seeds SEED, SEED+1, …; one curve of all")
    p.add_argument("--option", action="append", default=[], metavar="K=V", help="of the learner; repeatable")
    p.add_argument("--engine", default="auto", metavar="E", help="auto, cpu, torch, cuda")
    p.add_argument("--device", metavar="D", help="of the torch engine, as cpu or cuda; of the cuda engine, as cuda:1")
    p.add_argument("--workers", type=_positive, metavar="N", help="Ray actors that share the lifetimes")
    p.add_argument("--log", action="append", default=[], metavar="WHERE", help="tensorboard, wandb; repeatable")
    p.add_argument("--out", required=True, metavar="DIR", help="run folder")
    p.add_argument("--resume", action="store_true", help="go on with the run in DIR; the budget may be larger")
    p.add_argument("--overwrite", action="store_true", help="replace the run in DIR")

    p = command("validate", "list everything that is wrong with an entry or a result file")
    p.add_argument("path", metavar="FILE")

    p = command("submit", "add a result to a board")
    p.add_argument("result", metavar="RESULT", help="a file written by `evaluate --out` or `learn`")
    p.add_argument("--board", metavar="DIR")
    p.add_argument("--authors", metavar="NAMES", default="", help="who found the rule")
    p.add_argument("--provenance", metavar="P", help=_PROVENANCE_HELP)

    p = command("verify", "re-simulate an entry on official and fresh seeds")
    p.add_argument("entry", metavar="ENTRY", nargs="?", help="an entry's path or name")
    p.add_argument("--all", action="store_true", help="every entry, with a table of before and after")
    p.add_argument("--rounds", action="store_true", help="live the common lifetimes that rankings wait for")
    p.add_argument("--task", metavar="ID", help="only this task's rounds")
    p.add_argument("--board", metavar="DIR")

    p = command("board", "the ranking")
    p.add_argument("--task", metavar="ID")
    p.add_argument("--board", metavar="DIR")
    p.add_argument("--html", metavar="DIR", help="write the site")
    p.add_argument("--json", action="store_true")

    p = command("bench", "throughput of the engines on this machine")
    p.add_argument("--engine", choices=["cuda"], help="the self-check of the cuda engine on this card, and its speed")
    p.add_argument("--json", action="store_true")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code, 1 where its output could not be written."""
    with kept_streams() as (output, _):
        code = _run(arguments)
        output.flush()
        if output.error is not None and not isinstance(output.error, BrokenPipeError):  # `| head` has what it wants
            print(f"plasticbench: the output could not be written ({output.lost})", file=sys.stderr)
    return code or (_EXIT_DONE if output.error is None else _EXIT_FAILURE)


def _run(arguments: Sequence[str] | None) -> int:
    try:
        parsed = build_parser().parse_args(arguments)
        if parsed.version:  # before anything is imported that takes time
            print(version("plasticbench"))
        elif parsed.command is None:
            build_parser().print_help()
        else:
            from plasticbench.command_line import commands

            for module in (*parsed.imports, *parsed.more_imports):
                commands.registry.import_module(module)
            getattr(commands, f"run_{parsed.command}")(parsed)
        return _EXIT_DONE
    except SystemExit as stop:  # the parser's: help, or bad input
        return stop.code if isinstance(stop.code, int) else _EXIT_DONE
    except PlasticbenchError as error:
        print(f"plasticbench: {' '.join(str(error).split())}", file=sys.stderr)
        return _EXIT_BAD_INPUT
    except KeyboardInterrupt:
        print("plasticbench: interrupted", file=sys.stderr)
        return _EXIT_FAILURE
    except Exception:
        traceback.print_exc()
        return _EXIT_FAILURE


if __name__ == "__main__":
    sys.exit(main())
