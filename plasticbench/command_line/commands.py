"""What each subcommand does: call the library, print. Thin on purpose."""

from __future__ import annotations

import importlib
import json
import sys
from argparse import Namespace
from typing import Any

from plasticbench.command_line.describe import (
    describe_cost,
    describe_result,
    describe_rule,
    describe_set,
    describe_spread,
)
from plasticbench.command_line.progress import ProgressBar
from plasticbench.errors import PlasticbenchError
from plasticbench.evaluation import official as evaluation
from plasticbench.evaluation.result import Result
from plasticbench.files import check_output, read_json
from plasticbench.learning.options import describe_learner, options_of
from plasticbench.rules import Rule, families, known_rules
from plasticbench.tasks import registry


def _leaderboard() -> Any:
    """The room that keeps the board; looked up by name, since the core imports no room."""
    return importlib.import_module("plasticbench.leaderboard")


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=1, allow_nan=False))


def run_list(arguments: Namespace) -> None:
    tasks = [registry.task(i) for i in registry.task_ids()]
    if arguments.json:
        _print_json(
            {
                "tasks": [
                    {
                        "id": t.id, "title": t.title, "summary": t.summary, "track": t.track,
                        "pathways": list(t.pathways), "conditions": list(t.condition_names),
                        "families": list(t.families),
                        "ranked": not t.not_ranked_because, "not_ranked_because": t.not_ranked_because or None,
                        "n_official": t.n_official, "null_loss": t.null_loss, "blind_loss": t.blind_loss,
                        "reference": t.reference, "reference_rule": t.reference_rule,
                        "reference_loss": t.reference_loss, "task_hash": t.spec_hash,
                    }
                    for t in tasks
                ],
                "rules": [
                    {"name": n, "reference": r.reference, "provenance": r.provenance, "unverified": r.unverified}
                    for n, r in known_rules().items()
                ],
                "learners": sorted(registry.learners()),
                "learner_options": {
                    name: [
                        {"name": o.name, "default": o.default, "takes": o.allowed, "meaning": o.meaning}
                        for o in options_of(registry.learner(name))
                    ]
                    for name in sorted(registry.learners())
                },
                "families": sorted(families()),
            }
        )  # fmt: skip
        return
    print("tasks")
    width = max(len(t.id) for t in tasks)
    for t in tasks:
        print(f"  {t.id:<{width}}  {t.title}{_not_ranked(t)}")
    print("\nrules")
    width = max(map(len, known_rules()))
    for name, rule in known_rules().items():
        print(f"  {name:<{width}}  {rule.citation}")
    print("\nlearners, or module:Class of your own (plasticbench show LEARNER)")
    for name in sorted(registry.learners()):
        options = (f"{o.name}={_word(o.default)}" for o in options_of(registry.learner(name)))
        print(f"  {name:<{width}}  {', '.join(options)}")
    print(f"\nfamilies  {', '.join(sorted(families()))}")


def _not_ranked(task: Any) -> str:
    return f"; measured, not ranked: {task.not_ranked_because}" if task.not_ranked_because else ""


def _word(default: Any) -> str:
    return "none" if default is None else str(default)


def describe_learners() -> str:
    """Every bundled learner with its options."""
    return "\n\n".join(describe_learner(name) for name in sorted(registry.learners()))


def run_show(arguments: Namespace) -> None:
    from plasticbench.command_line import show

    show.run_show(arguments)


def run_evaluate(arguments: Namespace) -> None:
    conditions = None
    if arguments.conditions:
        conditions = read_json(arguments.conditions)
        if not isinstance(conditions, list):
            raise PlasticbenchError(f"{arguments.conditions}: not a JSON list with one object per lifetime")
    if arguments.out:
        check_output(arguments.out)
    with ProgressBar("evaluating", quiet=arguments.json) as bar:
        result = evaluation.evaluate(
            arguments.rule, arguments.task, arguments.seeds, conditions, arguments.engine, arguments.device,
            progress=bar,
        )  # fmt: skip
    if arguments.out:
        result.save(arguments.out)
    if arguments.json:
        _print_json(result.to_json())
        return
    print(describe_result(result, _same_lifetimes(result, arguments)))
    if arguments.out:
        print(f"result: {arguments.out}")


def _same_lifetimes(result: Result, arguments: Namespace) -> list[Result]:
    """Null and reference rule in the lifetimes of a result that are not the official ones, which have the marks."""
    task = result.specification
    if result.official or not isinstance(result.rule, Rule):
        return []
    others = [rule for rule in ("null", task.reference_rule) if rule != result.rule.name]
    return [
        evaluation.evaluate(rule, task, result.seeds, result.conditions, arguments.engine, arguments.device)
        for rule in others
    ]


def run_compare(arguments: Namespace) -> None:
    from plasticbench.command_line import compare

    compare.run_compare(arguments)


def run_watch(arguments: Namespace) -> None:
    from plasticbench.command_line import watch

    watch.run_watch(arguments)


def run_transfer(arguments: Namespace) -> None:
    from plasticbench.command_line import transfer

    transfer.run_transfer(arguments)


def run_learn(arguments: Namespace) -> None:
    from plasticbench.learning.record import load_run
    from plasticbench.learning.run import learn, named_value, repeat

    options = dict(named_value(text, "option") for text in arguments.option)
    seeds = range(arguments.seed, arguments.seed + arguments.repeat)
    with ProgressBar("learning") as bar:
        settings = {
            "task_id": arguments.task, "learner": arguments.learner, "family": arguments.family,
            "budget": arguments.budget, "options": options, "engine": arguments.engine,
            "device": arguments.device, "resume": arguments.resume, "overwrite": arguments.overwrite,
            "workers": arguments.workers or 0, "progress": bar, "callbacks": arguments.log,
        }  # fmt: skip
        if len(seeds) == 1:
            results = [learn(out=arguments.out, seed=arguments.seed, **settings)]
        else:
            results = repeat(out=arguments.out, seeds=seeds, **settings)
    if len(seeds) > 1:
        print(describe_spread(seeds, results))
        print(f"runs: {arguments.out} (spread.png, spread.csv, summary.json, a folder for each seed)")
        return
    print(describe_rule(results[0].rule))
    print(f"\n{describe_result(results[0])}")
    run = load_run(arguments.out, results[0].specification)
    print(f"\n{describe_cost(run.cost)}")
    if run.rules is not None:
        print(describe_set(run.rules))
    print(f"run: {arguments.out} (rule.json, result.json, history.jsonl, history.csv, learning_curve.png)")


def run_submit(arguments: Namespace) -> None:
    board = _leaderboard()
    about = {"origin": arguments.provenance} if arguments.provenance else None
    entry = board.submit(arguments.result, arguments.board, authors=arguments.authors, about=about)
    if not arguments.authors:
        print("authors: anonymous (on the public board they are named: --authors NAMES)")
    print(f"entry: {entry}\nstate: self-reported (ranked once verified: plasticbench verify {entry})")


def run_validate(arguments: Namespace) -> None:
    problems = _leaderboard().validate_path(arguments.path)
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        raise PlasticbenchError(f"{arguments.path}: {len(problems)} problem(s), listed above")
    print(f"{arguments.path}: valid")


def run_verify(arguments: Namespace) -> None:
    board = _leaderboard()
    if [arguments.all, arguments.rounds, arguments.entry is not None].count(True) != 1:
        raise PlasticbenchError("entry: name one entry, or give --all or --rounds")
    if arguments.task and not arguments.rounds:
        raise PlasticbenchError("task: it chooses among --rounds; an entry's name says its task")
    if arguments.rounds:
        board.live_rounds(arguments.board, [registry.task(arguments.task).id] if arguments.task else ())
    elif arguments.all:
        with ProgressBar("verifying", "entry") as bar:
            errata = board.verify_all(arguments.board, progress=lambda done, n, name: bar(done, n))
        print(errata)
    else:
        with ProgressBar("verifying") as bar:
            found = board.verify(arguments.entry, arguments.board, progress=bar)
        print(found)


def run_board(arguments: Namespace) -> None:
    board = _leaderboard()
    task_id = registry.task(arguments.task).id if arguments.task else None
    opened = board.open_board(arguments.board)
    if not arguments.html and not arguments.json:
        print(board.board_table(opened, task_id))
        return
    if arguments.html:
        print(f"site: {board.write_site(opened, arguments.html)}")
    else:
        _print_json(board.board_json(opened, task_id))
    for name, problem in sorted((opened.broken_of(task_id) if task_id else opened.broken).items()):
        print(f"not shown, broken: {name}: {problem}", file=sys.stderr)


def run_bench(arguments: Namespace) -> None:
    if arguments.engine == "cuda":
        from plasticbench.command_line.cuda_bench import measure
    else:
        from plasticbench.command_line.bench import measure

    with ProgressBar("measuring", "run", quiet=arguments.json) as bar:
        rows = measure(progress=bar)
    if arguments.json:
        _print_json(rows)
        return
    for row in rows:
        print(row["summary"])


def run_quickstart(arguments: Namespace) -> None:
    from plasticbench.command_line.quickstart import quickstart

    quickstart(arguments.out)
