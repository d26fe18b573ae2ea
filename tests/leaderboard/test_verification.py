"""Verification: honest entries pass, an edit is named by its row, luck on the official seeds is found out."""

import contextlib
import json
from dataclasses import replace

import numpy as np
import pytest
from small_tasks import life, measure, newer, result_json, rule_json

from plasticbench.errors import PlasticbenchError
from plasticbench.evaluation import statistics
from plasticbench.leaderboard import equivalence, open_board, submit, validate_path, verify
from plasticbench.leaderboard.errata import errata_table, verify_all
from plasticbench.leaderboard.verification import LOOKS, fresh_seeds, look_until_clear
from plasticbench.rules.codec import rule_from_json

TASK = "plasticbench/Small-v0"


def put(tmp_path, catalogue, rule, **changes):
    result = tmp_path / "result.json"
    result.write_text(json.dumps(result_json(catalogue, rule, **changes)))
    return submit(result, tmp_path / "board", catalogue=catalogue)


def edited(catalogue, rule, row, factor):
    """A result with one loss changed, and every aggregate made to fit."""
    result = result_json(catalogue, rule)
    result["losses"][row] *= factor
    score = catalogue.tasks[TASK].score
    loss = float(np.mean(result["losses"]))
    low, high = statistics.mean_interval(result["losses"])
    return {
        "losses": result["losses"], "loss": loss, "score": score(loss), "score_interval": [score(high), score(low)],
    }  # fmt: skip


def test_an_honest_entry_is_verified_to_the_bit(tmp_path, catalogue):
    path = put(tmp_path, catalogue, rule_json("honest", 0.3))
    found = verify(path, tmp_path / "board", catalogue=catalogue)
    assert found.state == "verified"
    assert found.record["reproduction"]["kind"] == "bits"
    assert validate_path(path, catalogue=catalogue) == []
    assert open_board(tmp_path / "board", catalogue).entries[0].state(catalogue.tasks[TASK].spec_hash) == "verified"


def test_a_changed_loss_is_named_by_its_row(tmp_path, catalogue):
    rule = rule_json("edited", 0.3)
    path = put(tmp_path, catalogue, rule, **edited(catalogue, rule, 17, 0.9))
    found = verify(path, tmp_path / "board", catalogue=catalogue)
    assert found.state == "rejected"
    assert "row 17 (seed 1000017)" in found.reason
    assert found.record["reproduction"]["differing_rows"] == [17]
    assert found.record["fresh"] is None


def test_on_another_machine_rounding_passes_and_an_edit_does_not(tmp_path, catalogue):
    def elsewhere(task, rules, seeds, engine):
        here = measure(task, rules, seeds, engine)
        return replace(here, losses=here.losses * (1 + 1e-7), hardware={"machine": "arm64"})

    other = replace(catalogue, measure=elsewhere)
    rule = rule_json("honest", 0.3)
    honest = verify(put(tmp_path, catalogue, rule), tmp_path / "board", catalogue=other)
    assert honest.state == "verified"
    assert honest.record["reproduction"]["kind"] == "paired"
    rule = rule_json("edited", 0.31)
    path = put(tmp_path, catalogue, rule, **edited(catalogue, rule, 3, 0.01))
    found = verify(path, tmp_path / "board", catalogue=other)
    assert found.record["reproduction"]["differing_rows"] == [3]


def test_lives_that_diverge_elsewhere_must_agree_in_the_mean():
    generator = np.random.default_rng(0)
    claimed = generator.gamma(8.0, size=400)
    diverged = claimed * (1 + 0.1 * generator.normal(size=400))
    agrees = equivalence.reproduction(claimed, diverged, same_machine=False)
    assert agrees.agrees
    assert len(agrees.differing_rows) > 300
    assert not equivalence.reproduction(claimed, 1.2 * diverged, same_machine=False).agrees
    assert not equivalence.reproduction(claimed, diverged, same_machine=True).agrees


def luckiest_of(n: int, catalogue, round_number: int) -> dict:
    """The rule with the lowest official mean among n that differ in nothing but their noise."""
    task = catalogue.tasks[TASK]
    own = np.empty(n)
    rules = [rule_json(f"noise-{round_number}-{k}", 0.3 + 1e-12 * (n * round_number + k), 1.0) for k in range(n)]
    for k, rule in enumerate(rules):
        parsed = rule_from_json(rule)
        own[k] = np.mean([life(task, parsed, seed) for seed in task.official_seeds])
    return rules[int(own.argmin())]


def test_the_best_of_1000_noise_candidates_is_caught_by_fresh_seeds(tmp_path, catalogue):
    path = put(tmp_path, catalogue, luckiest_of(1000, catalogue, 0))
    found = verify(path, tmp_path / "board", catalogue=catalogue)
    assert found.state == "rejected"
    assert "fresh seeds" in found.reason
    assert found.record["fresh"]["p_value"] < equivalence.FRESH_LEVEL


def test_luck_is_caught_9_times_in_10_and_honesty_suffers_1_time_in_100():
    generator = np.random.default_rng(1)
    n, m = 64, 16 * 64
    caught, wronged = 0, 0
    for _ in range(40):
        difficulty = generator.normal(size=n + m)  # of the seeds, shared with the reference rule
        noise = generator.gamma(2.0, size=(1000, n))
        lucky = 5 + difficulty + np.concatenate([noise[noise.mean(axis=1).argmin()], generator.gamma(2.0, size=m)])
        reference = 4 + difficulty + 0.1 * generator.normal(size=n + m)
        split = [lucky[:n], lucky[n:], reference[:n], reference[n:]]
        caught += equivalence.fresh_gap(*split)[1] < equivalence.FRESH_LEVEL
        split[0] = 5 + difficulty[:n] + noise[0]
        wronged += equivalence.fresh_gap(*split)[1] < equivalence.FRESH_LEVEL
    assert caught >= 35
    assert wronged <= 2


def test_official_seeds_that_are_easy_for_everybody_are_nobodys_fault():
    generator = np.random.default_rng(2)
    easy, usual = generator.normal(size=64) - 2.0, generator.normal(size=256)
    noise = 0.1 * generator.normal(size=320)
    _, p_value = equivalence.fresh_gap(easy + noise[:64], usual + noise[64:], easy, usual)
    assert p_value > 0.01
    assert equivalence.fresh_gap(easy, usual, 0 * easy, 0 * usual)[1] < 0.01


def test_equal_losses_everywhere_are_no_gap():
    same = np.full(10, 0.3)
    assert equivalence.fresh_gap(same, np.full(20, 0.3), same, np.full(20, 0.3)) == (0.0, 1.0)


def test_fresh_seeds_follow_from_entry_and_nonce_and_are_never_official():
    seeds = fresh_seeds("a" * 64, "b" * 32, 500)
    assert seeds[:10] == fresh_seeds("a" * 64, "b" * 32, 10)
    assert seeds != fresh_seeds("a" * 64, "c" * 32, 500)
    assert len(set(seeds)) == 500
    assert min(seeds) >= 2**61
    assert max(seeds) < 2**62


def test_the_nonce_is_drawn_once_so_that_nobody_verifies_until_it_suits(tmp_path, catalogue):
    path = put(tmp_path, catalogue, rule_json("honest", 0.3))
    first = verify(path, tmp_path / "board", catalogue=catalogue)
    second = verify(path, tmp_path / "board", catalogue=catalogue)
    assert first.record["fresh"]["seeds"] == second.record["fresh"]["seeds"]
    assert [first.path.name, second.path.name] == ["verification-0001.json", "verification-0002.json"]


def test_an_entry_edited_after_verification_is_not_shown(tmp_path, catalogue):
    path = put(tmp_path, catalogue, rule_json("honest", 0.3))
    verify(path, tmp_path / "board", catalogue=catalogue)
    (path / "entry.json").write_text((path / "entry.json").read_text().replace('"cores": 2', '"cores": 4'))
    assert [p.path for p in validate_path(path, catalogue=catalogue)] == ["verification-0001.json: entry_hash"]
    assert open_board(tmp_path / "board", catalogue).entries == ()


def test_errata_take_entries_out_and_verify_all_brings_them_back(tmp_path, catalogue):
    path = put(tmp_path, catalogue, rule_json("honest", 0.35))
    board = tmp_path / "board"
    verify(path, board, catalogue=catalogue)
    changed = newer(catalogue, TASK)
    hash_now = changed.tasks[TASK].spec_hash
    (entry,) = open_board(board, changed).entries
    assert entry.state(hash_now) == "stale"
    (change,) = verify_all(open_board(board, changed)).changes
    assert (change.state_before, change.state_after) == ("stale", "verified")
    assert change.loss_before != change.loss_after
    table = errata_table([change])
    assert entry.name in table
    assert f"{change.loss_after:.6g}" in table
    (entry,) = open_board(board, changed).entries
    assert entry.state(hash_now) == "verified"
    assert np.isclose(entry.measured(hash_now)[0].mean(), change.loss_after)
    assert verify_all(open_board(board, changed)).changes == ()


def test_one_entry_that_cannot_run_does_not_stop_the_others(tmp_path, catalogue):
    for name, base in (("good", 0.3), ("bad", 0.4)):
        put(tmp_path, catalogue, rule_json(name, base))

    def breaks(task, rules, seeds, engine):
        if rules[0].name == "bad":
            raise PlasticbenchError("rule: no engine can run it")
        return measure(task, rules, seeds, engine)

    changes = verify_all(open_board(tmp_path / "board", replace(catalogue, measure=breaks))).changes
    assert {change.name.split("/")[1][:3]: change.state_after for change in changes} == {
        "bad": "self-reported",
        "goo": "verified",
    }


def test_a_verification_counts_the_lifetimes_of_all_its_calls(tmp_path, catalogue):
    class Measure:
        report = None

        @contextlib.contextmanager
        def reporting(self, report):
            self.report = report
            yield
            self.report = None

        def __call__(self, task, rules, seeds, engine):
            self.report(0, len(seeds))
            self.report(len(seeds) // 2, len(seeds))
            self.report(len(seeds), len(seeds))
            return catalogue.measure(task, rules, seeds, engine)

    told = []
    counted = replace(catalogue, measure=Measure())
    path = put(tmp_path, catalogue, rule_json("honest", 0.3))
    found = verify(path, tmp_path / "board", catalogue=counted, progress=lambda *given: told.append(given))
    done = [done for done, _ in told]
    n = len(catalogue.tasks[TASK].official_seeds)
    assert done == sorted(done)
    assert done[-1] == 2 * n + 2 * len(found.record["fresh"]["seeds"])
    assert all(total >= max(4 * n, so_far) for so_far, total in told)


def test_an_entry_that_is_not_there_is_one_clear_line(tmp_path, catalogue):
    put(tmp_path, catalogue, rule_json("honest", 0.3))
    with pytest.raises(PlasticbenchError, match="nonsense"):
        verify("nonsense", tmp_path / "board", catalogue=catalogue)
    slug = open_board(tmp_path / "board", catalogue).entries[0].slug
    assert verify(slug, tmp_path / "board", catalogue=catalogue).state == "verified"
    with pytest.raises(PlasticbenchError, match="Small-v0/honest-"):
        verify("honest", tmp_path / "board", catalogue=catalogue)


def test_the_luckiest_of_a_thousand_rules_seldom_passes():
    """On 16 official lifetimes of normal losses."""
    draw, n, caught = np.random.default_rng(1), 16, 0
    for _ in range(200):
        candidates = draw.standard_normal((1000, n))
        official, reference = candidates[candidates.mean(axis=1).argmin()], draw.standard_normal(n)
        fresh, reference_fresh = draw.standard_normal((2, LOOKS[-1] * n))
        _, p_value = look_until_clear(official, reference, lambda m, a=fresh, b=reference_fresh: (a[:m], b[:m]))
        caught += p_value < equivalence.FRESH_LEVEL
    assert caught >= 0.9 * 200
