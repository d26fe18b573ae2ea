"""The tables: who is ranked, who is not and why, and where an entry stands."""

import json

from small_tasks import SmallTask, life, make_catalogue, newer, result_json, rule_json

from plasticbench.leaderboard import board_json, board_table, open_board, place_of, submit, verify
from plasticbench.leaderboard.standings import task_standings
from plasticbench.leaderboard.tracks import track_standings

SMALL, OTHER = "plasticbench/Small-v0", "plasticbench/Other-v0"


def fill(tmp_path, catalogue, rules, task_ids=(SMALL,), verified=True):
    for task_id in task_ids:
        for rule in rules:
            result = tmp_path / "result.json"
            result.write_text(json.dumps(result_json(catalogue, rule, task_id)))
            path = submit(result, tmp_path / "board", catalogue=catalogue)
            if verified:
                verify(path, tmp_path / "board", catalogue=catalogue)
    return open_board(tmp_path / "board", catalogue)


def test_only_verified_entries_are_ranked(tmp_path, catalogue):
    fill(tmp_path, catalogue, [rule_json("good", 0.2), rule_json("bad", 0.5)])
    board = fill(tmp_path, catalogue, [rule_json("best-if-true", 0.1)], verified=False)
    table = task_standings(board, SMALL)
    assert [row.name for row in table.ranked] == ["good", "bad"]
    assert [(row.name, row.state, row.rank) for row in table.unranked] == [("best-if-true", "self-reported", None)]
    assert "not ranked, self-reported" in board_table(board, SMALL)


def test_an_entry_of_an_older_task_leaves_the_ranking_by_itself(tmp_path, catalogue):
    fill(tmp_path, catalogue, [rule_json("good", 0.2)])
    board = open_board(tmp_path / "board", newer(catalogue, SMALL))
    assert task_standings(board, SMALL).ranked == ()
    assert task_standings(board, SMALL).unranked[0].state == "stale"


def test_a_track_orders_rules_by_what_they_are_best_at(tmp_path, catalogue):
    """A specialist stands above one that lives through everything; one that changes nothing stands apart."""
    fill(tmp_path, catalogue, [rule_json("everywhere", 0.3), rule_json("worse", 0.5)], (SMALL, OTHER))
    fill(tmp_path, catalogue, [frozen_json("frozen", 0.35)], (SMALL, OTHER))
    board = fill(tmp_path, catalogue, [rule_json("specialist", 0.1)])
    table = track_standings(board, "rate")
    assert [row.name for row in table.rows] == ["specialist", "everywhere", "worse"]
    assert [row.name for row in table.frozen] == ["frozen"]
    specialist, everywhere, worse = table.rows
    assert (specialist.leads_on, specialist.beats_bar_on) == ({SMALL}, {SMALL})
    assert everywhere.within(table.tasks) == (1, 2, 2)
    assert worse.within(table.tasks) == (0, 0, 2)
    assert list(table.families) == ["Small"]


def frozen_json(name, base):
    """A rule that changes nothing. (In the tests' arithmetic it may still have any loss.)"""
    rule = rule_json(name, base)
    rule["pathways"]["ff"].pop("on_step")
    return rule


def test_nobody_is_best_where_nothing_is_better_than_knowing_nothing(tmp_path):
    catalogue = make_catalogue(SmallTask(SMALL, blind_loss=0.2), SmallTask(OTHER))
    table = task_standings(fill(tmp_path, catalogue, [rule_json("first", 0.3), rule_json("second", 0.4)]), SMALL)
    assert table.ranked[0].is_first
    assert table.leaders == ()
    assert table.best == "none better than the best rule that knows nothing"
    assert table.verdict.startswith("No rule is better than the best rule that knows nothing. 0 of 2 have")
    tied = [rule_json("a", 0.1), rule_json("b", 0.1, eta=0.2)]
    table = task_standings(fill(tmp_path, catalogue, tied), SMALL)
    assert table.best == "2 tied for the best"
    table = task_standings(fill(tmp_path, catalogue, [rule_json("top", 0.02)]), SMALL)
    assert table.best == "best: top"


def test_easy_seeds_lift_nobody_over_frozen_weights(tmp_path, catalogue):
    """The bar is of the official seeds; where others are easier, even frozen weights lose less than it says."""
    rules = [frozen_json("frozen", 0.5), rule_json("no-better", 0.5, eta=0.2), rule_json("good", 0.3)]
    table = task_standings(fill(tmp_path, catalogue, rules), SMALL)
    assert table.bar == 1.0
    assert {row.name: table.beats_bar(row) for row in table.ranked} == {
        "frozen": False, "no-better": False, "good": True,
    }  # fmt: skip
    assert "1 of 3 have" in table.verdict
    assert "better than frozen weights" in table.verdict


def test_the_verdict_names_the_first_and_counts_those_that_learn(tmp_path, catalogue):
    null_loss = catalogue.tasks[SMALL].null_loss
    rules = [rule_json("best", 0.1), rule_json("worse", 0.3), rule_json("useless", null_loss + 0.5)]
    alone = task_standings(fill(tmp_path, catalogue, rules), SMALL).verdict
    interval = "have their whole 95\N{NO-BREAK SPACE}% interval below the loss of frozen weights"
    assert alone == f"Best: best. 2 of 3 {interval} ({null_loss:.4g})."
    tied = task_standings(fill(tmp_path, catalogue, [rule_json("twin", 0.1, eta=0.2)]), SMALL).verdict
    assert tied.startswith("No rule is better than best and twin. 3 of 4 have")


def test_one_unbounded_failure_does_not_decide_a_track(tmp_path):
    catalogue = make_catalogue(SmallTask(SMALL), SmallTask(OTHER, fails="brilliant-once"))
    rules = [rule_json("brilliant-once", 0.9), rule_json("bad", 2.5)]
    rows = track_standings(fill(tmp_path, catalogue, rules, (SMALL, OTHER)), "rate").rows
    assert [row.name for row in rows] == ["brilliant-once", "bad"]
    assert rows[0].mean_score > -1.0


def test_rules_of_equal_losses_share_rank_and_group_on_the_board(tmp_path, catalogue):
    rules = [rule_json("original", 0.2), rule_json("equal", 0.2, eta=0.2), rule_json("other", 0.5)]
    rows = task_standings(fill(tmp_path, catalogue, rules), SMALL).ranked
    by_name = {row.name: (row.rank, row.group) for row in rows}
    assert by_name["original"] == by_name["equal"] == ((1, 2), ("a",))
    assert by_name["other"] == ((3, 3), ("b",))


def test_place_of_a_new_entry_among_the_verified(tmp_path, catalogue):
    fill(tmp_path, catalogue, [rule_json("good", 0.2), rule_json("bad", 0.5)])
    board = fill(tmp_path, catalogue, [rule_json("mine", 0.3)], verified=False)
    mine = next(e for e in board.entries if e.data["rule"] == "mine")
    place = place_of(mine, board)
    assert (place.rank, place.n_ranked, place.tied_with) == ((2, 2), 3, ())
    assert str(place).startswith("would be 2 of 3 on plasticbench/Small-v0")
    verify(mine, board)
    assert str(place_of(mine.slug, open_board(tmp_path / "board", catalogue))).startswith("is 2 of 3")


def test_board_json_is_json_and_complete(tmp_path, catalogue):
    board = fill(tmp_path, catalogue, [rule_json("good", 0.2)], (SMALL, OTHER))
    data = json.loads(json.dumps(board_json(board), allow_nan=False))
    assert [task["id"] for task in data["tasks"]] == list(catalogue.tasks)
    assert data["tracks"][0]["rules"][0]["rule"] == "good"
    task = catalogue.tasks[SMALL]
    rule = board.entries[0].folder / "rule.json"
    losses = [life(task, catalogue.load_rule(rule), seed) for seed in task.official_seeds]
    (entry,) = data["tasks"][0]["entries"]
    assert abs(entry["official_loss"] - sum(losses) / len(losses)) < 1e-12
    assert entry["loss"] != entry["official_loss"]
    assert 0 < entry["agreement_p"] <= 1
    assert (entry["lifetimes_drawn"], entry["paired"], entry["attempts"]) == ("its own fresh seeds", False, 1)


def test_a_task_that_tells_nothing_apart_has_losses_and_no_ranks(tmp_path):
    """In words wherever it is shown, and never in what counts over tasks."""
    why = "the reference rule loses no less than a constant weight"
    catalogue = make_catalogue(SmallTask(SMALL, not_ranked_because=why), SmallTask(OTHER))
    board = fill(tmp_path, catalogue, [rule_json("good", 0.1), rule_json("bad", 0.5)], (SMALL, OTHER))
    table = task_standings(board, SMALL)
    assert [(row.name, row.rank, row.group) for row in table.ranked] == [("good", None, ()), ("bad", None, ())]
    assert (table.leaders, table.best, table.verdict) == ((), "no ranking", f"No ranking here: {why}.")
    assert f"No ranking here: {why}" in board_table(board, SMALL)
    good, bad = track_standings(board, "rate").rows
    assert set(good.standings) == set(bad.standings) == {OTHER}
    assert good.leads_on == {OTHER}
    data = board_json(board)
    assert [(task["ranked"], task["not_ranked_because"]) for task in data["tasks"]] == [(False, why), (True, None)]
    assert SMALL not in data["tracks"][0]["rules"][0]["scores"]


def test_the_more_a_form_of_rule_is_tried_the_stricter_it_is_judged(tmp_path, catalogue):
    rules = [rule_json(f"try-{k}", 0.3 + 1e-9 * k) for k in range(4)]
    other = {**rule_json("other", 0.3), "pathways": {"ff": {**rule_json("", 0.3)["pathways"]["ff"], "on_step": "eta"}}}
    rows = task_standings(fill(tmp_path, catalogue, [*rules, other]), SMALL).ranked
    tried = {row.name: row.attempts for row in rows}
    assert tried == {**{f"try-{k}": 4 for k in range(4)}, "other": 1}
    for row in rows:
        assert (row.highest_loss > row.loss_interval[1]) == (row.attempts > 1)


def test_an_empty_board_says_how_to_fill_it(tmp_path, catalogue):
    assert "submit" in board_table(open_board(tmp_path / "none", catalogue))


def test_a_broken_entry_is_named_and_hides_nothing_else(tmp_path, catalogue):
    board = fill(tmp_path, catalogue, [rule_json("good", 0.2), rule_json("broken", 0.5)])
    broken = next(e for e in board.entries if e.data["rule"] == "broken")
    (broken.folder / "entry.json").write_text("{")
    text = board_table(open_board(tmp_path / "board", catalogue))
    assert "good" in text
    assert f"{broken.name}: entry.json: not JSON" in text
