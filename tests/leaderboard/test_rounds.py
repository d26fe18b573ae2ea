"""Ranking rounds: nobody knows the lifetimes that count, and nobody buys a draw of them."""

import json
from dataclasses import replace

import numpy as np
import pytest
from small_tasks import SmallTask, make_catalogue, measure, result_json, rule_json

from plasticbench.command_line.cli import main
from plasticbench.leaderboard import board_table, equivalence, open_board, submit, validate_path, verify, write_site
from plasticbench.leaderboard.ranking import level_of, rank, rank_draws
from plasticbench.leaderboard.rounds import complete_rounds, live_round, live_rounds, round_is_due, rounds_of
from plasticbench.leaderboard.standings import place_of, task_standings

SMALL = "plasticbench/Small-v0"


@pytest.fixture
def catalogue():
    return make_catalogue(SmallTask(SMALL))


@pytest.fixture(autouse=True)
def _nonces(monkeypatch):
    """As in real life every round has a nonce of its own; here always the same ones."""
    drawn = iter(f"{k:032x}" for k in range(1000))
    monkeypatch.setattr("plasticbench.leaderboard.rounds.secrets.token_hex", lambda n: next(drawn))


def put(tmp_path, catalogue, *rules):
    for rule in rules:
        (tmp_path / "result.json").write_text(json.dumps(result_json(catalogue, rule)))
        path = submit(tmp_path / "result.json", tmp_path / "board", catalogue=catalogue)
        assert verify(path, tmp_path / "board", catalogue=catalogue).state == "verified"
    return open_board(tmp_path / "board", catalogue)


def standing(board, name):
    return next(row for row in task_standings(board, SMALL).ranked if row.name == name)


def test_a_round_is_lived_by_all_and_due_again_when_an_entry_comes_in(tmp_path, catalogue):
    board = put(tmp_path, catalogue, rule_json("first", 0.3), rule_json("second", 0.4))
    lived = live_round(board, SMALL)
    assert set(lived.losses) == {entry.hash for entry in board.entries}
    assert lived.n_lives == len(set(lived.seeds)) == 50
    assert not set(lived.seeds) & {*catalogue.tasks[SMALL].official_seeds}
    assert live_round(board, SMALL) is None
    assert not round_is_due(board, SMALL)
    board = put(tmp_path, catalogue, rule_json("third", 0.5))
    assert round_is_due(board, SMALL)
    again = live_round(board, SMALL)
    assert len(again.losses) == 3
    assert not set(again.seeds) & set(lived.seeds)
    assert {row.n_lifetimes for row in task_standings(board, SMALL).ranked} == {50, 100}
    assert validate_path(tmp_path / "board", catalogue=catalogue) == []


def test_common_lifetimes_tell_apart_what_lifetimes_of_ones_own_do_not(tmp_path, catalogue):
    """The seeds' difficulty (up to 0.05) hides a difference of 0.002 unless it is shared."""
    board = put(tmp_path, catalogue, rule_json("better", 0.3, 0.001), rule_json("worse", 0.302, 0.001))
    table = task_standings(board, SMALL)
    assert {row.rank for row in table.ranked} == {(1, 2)}
    assert "unpaired" in table.comparison
    live_round(board, SMALL)
    table = task_standings(board, SMALL)
    assert [(row.name, row.rank) for row in table.ranked] == [("better", (1, 1)), ("worse", (2, 2))]
    assert all(row.is_paired for row in table.ranked)
    assert "compared in pairs" in board_table(board, SMALL)


def test_an_entry_that_comes_later_cannot_have_known_its_lifetimes(tmp_path, catalogue):
    board = put(tmp_path, catalogue, rule_json("early", 0.3))
    known = live_round(board, SMALL)
    board = put(tmp_path, catalogue, rule_json("late", 0.3, eta=0.2))
    late = next(entry for entry in board.entries if entry.data["rule"] == "late")
    assert late.hash not in known.losses
    assert standing(board, "late").drawn == "its own fresh seeds"
    live_round(board, SMALL)
    assert late.hash not in rounds_of(board, catalogue.tasks[SMALL])[0].losses
    assert standing(board, "late").drawn == "1 common round"
    assert standing(board, "early").drawn == "2 common rounds"


def test_a_round_that_was_broken_off_goes_on_with_its_own_draw_and_counts_when_it_is_whole(tmp_path, catalogue):
    board = put(tmp_path, catalogue, *(rule_json(f"rule-{k}", 0.3 + 0.01 * k) for k in range(4)))
    n_lived = []

    def breaks(task, rules, seeds, engine):
        n_lived.append(1)
        if len(n_lived) == 3:
            raise KeyboardInterrupt
        return measure(task, rules, seeds, engine)

    with pytest.raises(KeyboardInterrupt):
        live_round(replace(board, catalogue=replace(catalogue, measure=breaks)), SMALL)
    task = catalogue.tasks[SMALL]
    (half,) = rounds_of(board, task)
    assert (len(half.losses), len(half.missing)) == (2, 2)
    assert complete_rounds(board, task) == ()
    assert standing(board, "rule-0").drawn == "its own fresh seeds"
    whole = live_round(board, SMALL)
    assert (whole.nonce, whole.missing) == (half.nonce, ())
    assert all(np.array_equal(whole.losses[e], half.losses[e]) for e in half.losses)
    assert len(complete_rounds(board, task)) == 1


def test_a_rule_that_breaks_an_engine_keeps_no_other_from_its_round(tmp_path, catalogue):
    board = put(tmp_path, catalogue, rule_json("good", 0.3), rule_json("bad", 0.4))

    def breaks(task, rules, seeds, engine):
        if rules[0].name == "bad":
            raise MemoryError("too large")
        return measure(task, rules, seeds, engine)

    lived = live_round(replace(board, catalogue=replace(catalogue, measure=breaks)), SMALL)
    assert (len(lived.losses), list(lived.failures.values())) == (1, ["MemoryError: too large"])
    assert standing(board, "good").drawn == "1 common round"
    assert standing(board, "bad").drawn == "its own fresh seeds"


def test_a_rule_that_knows_the_official_seeds_by_heart_gains_no_rank(tmp_path, catalogue):
    """Half of its lead on them is memory; verification lets it through, and ranks do not see it."""

    def by_heart(task, rules, seeds, engine):
        lived = measure(task, rules, seeds, engine)
        if rules[0].name == "by-heart" and set(seeds) <= set(task.official_seeds):
            lived = replace(lived, losses=lived.losses - 0.02)
        return lived

    knowing = replace(catalogue, measure=by_heart)
    rule = rule_json("by-heart", 0.31, 0.1)
    result = result_json(catalogue, rule)
    losses = [loss - 0.02 for loss in result["losses"]]
    loss, score = float(np.mean(losses)), catalogue.tasks[SMALL].score
    interval = [score(loss + 1), score(loss - 1)]
    changes = {"losses": losses, "loss": loss, "score": score(loss), "score_interval": interval}
    put(tmp_path, catalogue, rule_json("honest", 0.34, 0.1))
    (tmp_path / "result.json").write_text(json.dumps({**result, **changes}))
    path = submit(tmp_path / "result.json", tmp_path / "board", catalogue=catalogue)
    with pytest.MonkeyPatch.context() as lenient:
        lenient.setattr(equivalence, "FRESH_LEVEL", 0.0)
        assert verify(path, tmp_path / "board", catalogue=knowing).state == "verified"
    board = open_board(tmp_path / "board", catalogue)
    live_round(replace(board, catalogue=knowing), SMALL)
    row = standing(board, "by-heart")
    assert row.loss - row.official_loss == pytest.approx(0.02, abs=0.01)
    assert row.agreement_p < 0.1
    (lived,) = complete_rounds(board, catalogue.tasks[SMALL])
    true = [np.mean(measure(catalogue.tasks[SMALL], [rule_of(board, name)], lived.seeds, "cpu").losses)
            for name in ("by-heart", "honest")]  # fmt: skip
    assert [standing(board, name).loss for name in ("by-heart", "honest")] == pytest.approx(true)


def rule_of(board, name):
    entry = next(entry for entry in board.entries if entry.data["rule"] == name)
    return board.catalogue.load_rule(entry.folder / "rule.json")


def test_the_luckiest_of_a_thousand_gains_no_rank_even_where_verification_lets_it_through():
    """Equal rules but for luck: picked by official lifetimes, it is the best there and one of many afterwards."""
    draw, places, leads_officially, leads = np.random.default_rng(3), [], 0, 0
    for _ in range(40):
        own = draw.gamma(2.0, size=(1000, 50))
        picked, rivals = int(own.mean(axis=1).argmin()), [0, 1, 2, 3]
        official = rank(own[[picked, *rivals]])
        fresh = rank(draw.gamma(2.0, size=(5, 50)))
        leads_officially += official.better[0, 1:].any()
        leads += fresh.better[0, 1:].any()
        places.append(int(np.flatnonzero(fresh.order == 0)[0]))
    assert leads_officially >= 36
    assert leads <= 8  # four comparisons at 0.025 each, 40 times: 4 expected
    assert 1.3 < np.mean(places) < 2.7  # of 0 to 4


def test_submitting_again_buys_no_draw(tmp_path, catalogue):
    """The same rule under 6 disguises: nobody's place changes, the copies are tied, and the attempts are told."""
    board = put(tmp_path, catalogue, rule_json("rival", 0.3, 0.0), rule_json("again", 0.3, 0.0, eta=0.2))
    live_round(board, SMALL)
    before = standing(board, "rival")
    copies = [rule_json(f"again-{k}", 0.3, 0.0, eta=0.2 + 1e-6 * (k + 1)) for k in range(5)]
    for copy in copies:
        board = put(tmp_path, catalogue, copy)
        live_round(board, SMALL)
    rows = task_standings(board, SMALL).ranked
    assert {row.rank for row in rows} == {(1, 7)}
    assert before.rank == (1, 2)
    assert {row.attempts for row in rows} == {7}  # the tests' authors are all the same
    first = standing(board, "again")
    assert (first.n_lifetimes, standing(board, "again-4").n_lifetimes) == (300, 50)
    assert "would be" not in str(place_of(first.entry, board))


def test_draws_of_ones_own_are_judged_by_how_many_were_tried():
    """Without common lifetimes the best of 40 copies looks better than the original; the corrected level says no."""
    draw, wrong = np.random.default_rng(4), {1: 0, 40: 0}
    for k in range(100):
        copies, original = draw.gamma(4.0, size=(40, 50)), draw.gamma(4.0, size=50)
        best = copies[copies.mean(axis=1).argmin()]
        for tried in wrong:
            lived = [{f"{k} best": best}, {f"{k} original": original}]
            wrong[tried] += bool(rank_draws(lived, [tried, 1]).better[0, 1])
    assert wrong[1] > 15
    assert wrong[40] <= 5
    assert level_of(1) == 0.95
    assert level_of(40) ** 40 == pytest.approx(0.95)


def test_a_broken_round_is_named_and_hides_nothing_else(tmp_path, catalogue):
    board = put(tmp_path, catalogue, rule_json("good", 0.3))
    lived = live_round(board, SMALL)
    (life,) = (path for path in lived.folder.iterdir() if path.name != "draw.json")
    data = json.loads(life.read_text())
    life.write_text(json.dumps({**data, "losses": [0.0]}))
    told = "_rounds/Small-v0/0001"
    assert "losses: 1 lifetimes, 50 wanted" in str(validate_path(tmp_path / "board", catalogue=catalogue)[0])
    (lived.folder / "draw.json").write_text("{")
    board = open_board(tmp_path / "board", catalogue)
    text = board_table(board)
    assert "good" in text
    assert f"{told}: draw.json" in text
    assert told in (write_site(board, tmp_path / "site").parent / "index.html").read_text()


def test_the_command_lives_what_is_due_and_says_so(tmp_path, catalogue, capsys):
    board = put(tmp_path, catalogue, rule_json("good", 0.3))
    assert "verify --rounds" in board_table(board, SMALL)
    live_rounds(board)
    assert f"{SMALL}: round 0001: 1 entries, 50 lifetimes each" in capsys.readouterr().out
    assert "verify --rounds" not in board_table(board, SMALL)
    assert main(["verify", "--rounds", "--board", str(tmp_path / "nothing")]) == 0
    assert "no round is due" in capsys.readouterr().out
    for wrong in (["--rounds", "--all"], ["--task", "OjaMini-v0", "--all"], []):
        assert main(["verify", *wrong]) == 2
        assert capsys.readouterr().err.count("\n") == 1
