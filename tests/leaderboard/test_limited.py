"""Measuring in a further process: the same bits, an end to what takes too long, and the next rule is measured."""

import numpy as np
import pytest
from small_tasks import SmallTask, make_catalogue

import plasticbench
from plasticbench.errors import PlasticbenchError
from plasticbench.leaderboard import limited
from plasticbench.leaderboard.catalogue import measured
from plasticbench.leaderboard.limited import LimitedMeasure, LimitExceeded
from plasticbench.rules import PathwayRule, Rule, load_rule

SEEDS = [1, 2, 2**61]


@pytest.fixture(scope="module")
def task():
    return plasticbench.task("plasticbench/OjaMini-v0")


@pytest.fixture(scope="module")
def further():
    return LimitedMeasure(measured)


def test_the_further_process_gives_the_same_bits(further, task):
    rules = [load_rule("oja"), Rule("mine", {"ff": PathwayRule.make({"on_step": "0.1*post*(pre - 1/3*w)"})})]
    there, here = further(task, rules, SEEDS, "cpu"), measured(task, rules, SEEDS, "cpu")
    np.testing.assert_array_equal(there.losses, here.losses)
    np.testing.assert_array_equal(there.statuses, here.statuses)
    assert (there.engine, dict(there.versions), dict(there.hardware)) == (
        here.engine, dict(here.versions), dict(here.hardware),
    )  # fmt: skip


def test_it_tells_how_far_it_is(further):
    told = []
    slices = plasticbench.task("plasticbench/SliceL5-v0")
    with further.reporting(lambda done, n: told.append((done, n))):
        further(slices, [load_rule("minimal-triplet-l5")], SEEDS, "cpu")
    further(slices, [load_rule("minimal-triplet-l5")], SEEDS, "cpu")  # no longer
    assert told == [(0, 3), (3, 3)]


def test_so_many_lifetimes_at_a_time_as_an_evaluation_reports():
    from dataclasses import make_dataclass

    class InParts:
        lifetimes_per_report = 2

        def run(self, rules, seeds, **options):
            import torch

            losses = torch.tensor([[float(seed) for seed in seeds] for _ in rules])
            outcome = make_dataclass("Outcome", ["losses", "statuses", "engine"])
            return outcome(losses, np.full(losses.shape, "ok"), "cpu")

    told = []
    found = measured(InParts(), ["a", "b"], [1, 2, 3, 4, 5], "cpu", lambda *given: told.append(given))
    assert told == [(2, 5), (4, 5), (5, 5)]
    assert found.losses.tolist() == [[1.0, 2.0, 3.0, 4.0, 5.0]] * 2
    assert found.statuses.shape == (2, 5)


def test_what_takes_too_long_is_ended_in_one_line_and_the_next_is_measured(further, task, monkeypatch):
    slow = Rule("slow", {"ff": PathwayRule.make({"on_step": " + ".join(f"step(w - {k})" for k in range(300))})})
    with monkeypatch.context() as patch:
        patch.setattr(limited, "SECONDS_BESIDE", 0.1)  # its compiling takes longer
        patch.setattr(limited, "SLOWER", 0.0)
        with pytest.raises(LimitExceeded, match=r"rule: slow on .*OjaMini-v0: no result after 0 s") as caught:
            further(task, [slow], SEEDS, "cpu")
    assert "\n" not in str(caught.value)
    assert further(task, [load_rule("oja")], SEEDS, "cpu").losses.shape == (1, 3)


def test_bad_input_is_the_same_error(further, task):
    with pytest.raises(PlasticbenchError, match="unknown pathway 'ie'"):
        further(task, [load_rule("vogels-2011")], SEEDS, "cpu")


def test_a_task_that_only_this_process_has_is_measured_here(further):
    own = SmallTask("plasticbench/Small-v0")
    catalogue = make_catalogue(own)
    here = LimitedMeasure(catalogue.measure)
    here._process = further._process  # the one that runs
    rule = catalogue.load_rule("reference")
    try:
        found = here(own, [rule], SEEDS, "cpu")
    finally:
        here._process = None
    np.testing.assert_array_equal(found.losses, catalogue.measure(own, [rule], SEEDS, "cpu").losses)


def test_too_much_memory_and_a_defect_are_told_apart(task, monkeypatch):
    def fails(*_):
        raise fails.error

    monkeypatch.setattr(limited, "_bound_memory", lambda engine: None)
    monkeypatch.setattr(limited, "_measured", fails)
    request = {"engine": "cpu", "rules": [{}]}
    errors = {"memory": MemoryError(), "defect": ZeroDivisionError("a\nb"), "input": PlasticbenchError("x")}
    for kind, error in errors.items():
        fails.error = error
        found = limited._answer(request)
        assert found["kind"] == kind
        assert "\n" not in found["error"]
