"""Rules that know the official lifetimes by heart, or were lucky in them, gain no rank: on every task."""

import json
from dataclasses import replace

import numpy as np
import pytest
from small_tasks import make_catalogue, measure, result_json, rule_json

import plasticbench
from plasticbench.evaluation import statistics
from plasticbench.leaderboard import equivalence, installed, open_board, submit, verify
from plasticbench.leaderboard.ranking import rank, rank_draws
from plasticbench.leaderboard.rounds import drawn_seeds, live_round
from plasticbench.leaderboard.standings import task_standings
from plasticbench.rules import Rule, load_rule, rule_from_json
from plasticbench.rules.pathway import PathwayRule

MEMORY = 0.1  # what is remembered, in units of the small tasks' losses
N_LEARNED = 16  # lifetimes that the look-up table below has room for


@pytest.fixture
def lenient(monkeypatch):
    """Verification lets everybody through, so that ranks have to stand alone."""
    monkeypatch.setattr(equivalence, "FRESH_LEVEL", 0.0)


# On the data of an experiment every lifetime is the same, and published: to know them is the task.
DRAWN = [i for i in plasticbench.task_ids() if plasticbench.task(i).experiment is None]


@pytest.mark.parametrize("task_id", DRAWN)
def test_what_is_remembered_of_the_official_seeds_counts_on_no_task(tmp_path, lenient, task_id):
    """The rivals differ by less than is remembered; lives are arithmetic, task, seeds and score the task's own."""
    task = plasticbench.task(task_id)

    def by_heart(task, rules, seeds, engine):
        lived = measure(task, rules, seeds, engine)
        knows = rules[0].name == "by-heart" and set(seeds) <= set(task.official_seeds)
        return replace(lived, losses=lived.losses - MEMORY * knows)

    reference = rule_from_json(rule_json("reference", 0.1))
    catalogue = replace(
        make_catalogue(), tasks={task_id: task}, measure=by_heart, check_rule=lambda rule, task: None,
        load_rule=lambda which: reference if which == task.reference_rule else load_rule(which),
    )  # fmt: skip
    kind = {"rate": "on_step", "spiking": "on_pre"}[task.track]
    for name, base in (("by-heart", 0.35), ("honest", 0.3)):
        rule = rule_json(name, base)
        rule["pathways"]["*"] = rule["pathways"].pop("ff")
        rule["pathways"]["*"][kind] = rule["pathways"]["*"].pop("on_step").replace("pre * post", "1")
        claim(tmp_path, catalogue, rule, task, MEMORY * (name == "by-heart"))
    board = open_board(tmp_path / "board", catalogue)
    before = task_standings(board, task_id).ranked
    live_round(board, task_id)
    for rows in (before, task_standings(board, task_id).ranked):
        assert [row.name for row in rows] == ["honest", "by-heart"]
        assert [row.rank for row in rows] == ([None, None] if task.not_ranked_because else [(1, 1), (2, 2)])
        assert rows[1].official_loss < rows[0].official_loss


def claim(tmp_path, catalogue, rule, task, less):
    result = result_json(catalogue, rule, task.id)
    losses = [loss - less for loss in result["losses"]]
    loss = float(np.mean(losses))
    low, high = statistics.mean_interval(np.array(losses))
    told = {"losses": losses, "loss": loss, "score": task.score(loss)}
    told["score_interval"] = [task.score(high), task.score(low)]
    (tmp_path / "result.json").write_text(json.dumps({**result, **told}))
    path = submit(tmp_path / "result.json", tmp_path / "board", catalogue=catalogue)
    assert verify(path, tmp_path / "board", catalogue=catalogue).state == "verified"


def look_up_rule(task):
    """Oja's rule, and a push that a life gets where it shows a number that no other life does.

    The push makes PC1 the fixed point of Oja's rule in that life: Δw = 0 = Oja's change at PC1 + push.
    """
    lives, text = task.draw(task.official_seeds), "0.1 * (pre * post - post**2 * w)"
    worst = np.argsort(-task.losses("oja", task.official_seeds)[0].numpy())[:N_LEARNED]
    for i in worst:
        items, target = lives[i].presentations.items, lives[i].targets["components"][0]
        covariance, w = items.T @ items / len(items), lives[i].w_init["ff"][0]
        for _ in range(task.n_steps):
            w = w + 0.1 * (covariance @ w - (w @ covariance @ w) * w)
        target = target * np.sign(target @ w)
        push = -0.1 * (covariance @ target - (target @ covariance @ target) * target)
        for j, number in enumerate(items[0]):
            text += f" + ({len(items) * push[j]:.6g}) * relu(1 - 1e5 * abs(pre - ({number:.9g})))"
    return Rule("by-heart", {"ff": PathwayRule.make({"on_step": text})})


def test_a_look_up_table_of_official_lifetimes_is_first_by_them_and_gains_no_rank(tmp_path):
    """On real lives of OjaMini: it halves the official loss; fresh lifetimes do not know it."""
    task = plasticbench.task("OjaMini-v0")
    rule = look_up_rule(task)
    official = task.losses([rule, load_rule("oja")], task.official_seeds).numpy()
    assert official[0].mean() < 0.6 * official[1].mean()
    assert rank(official).better[0, 1]
    paths = {}
    for found in (rule, load_rule("oja")):
        plasticbench.evaluate(found, task.id).save(tmp_path / "result.json")
        paths[found.name] = submit(tmp_path / "result.json", tmp_path / "board")
    rejected = verify(paths["by-heart"], tmp_path / "board")
    assert (rejected.state, "fitted to the official seeds" in rejected.reason) == ("rejected", True)
    with pytest.MonkeyPatch.context() as lenient:
        lenient.setattr(equivalence, "FRESH_LEVEL", 0.0)
        for path in paths.values():
            assert verify(path, tmp_path / "board").state == "verified"
    board = open_board(tmp_path / "board", installed())
    live_round(board, task.id)
    rows = {row.name: row for row in task_standings(board, task.id).ranked}
    assert rows["by-heart"].rank == rows["oja"].rank == (1, 2)
    assert rows["by-heart"].loss == pytest.approx(rows["oja"].loss, rel=0.05)
    assert rows["by-heart"].agreement_p < 0.01


def noisy(rule, number):
    """The rule with a small chaotic term of its own: no better than the rule, but for luck."""
    data = rule.to_json()
    chaos = f"tanh(w + {0.1 * number})"
    for _ in range(8):
        chaos = f"(1 - 2 * {chaos}**2)"
    for part in data["pathways"].values():
        for event in ("on_step", "on_pre", "on_post"):
            if isinstance(part.get(event), str):
                part[event] = f"{part[event]} + 1e-3 * {chaos}"
    return rule_from_json({**data, "name": f"noisy-{number}"})


def luckiest_is_not_better(task, n_rules, n_seeds):
    reference = load_rule(task.reference_rule)
    rules = [noisy(reference, k) for k in range(n_rules)]
    official = task.losses(rules, task.official_seeds[:n_seeds])
    picked = rules[int(official.mean(1).argmin())]
    fresh = task.losses([picked, reference], drawn_seeds(f"test {task.id}", n_seeds)).numpy()
    return not rank_draws([{"fresh": row} for row in fresh], [n_rules, 1]).better[0, 1]


@pytest.mark.parametrize("task_id", DRAWN)
def test_the_luckiest_of_noisy_twins_is_no_better_than_the_rule_itself(task_id):
    assert luckiest_is_not_better(plasticbench.task(task_id).shortened(), 6, 6)


@pytest.mark.slow
@pytest.mark.parametrize("task_id", [i for i in plasticbench.task_ids() if "Mini" in i])
def test_the_luckiest_of_noisy_twins_is_no_better_on_whole_lives(task_id):
    assert luckiest_is_not_better(plasticbench.task(task_id), 30, 16)
