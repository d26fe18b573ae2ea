"""What a notebook shows of rules, tasks, results and runs: short, and with the numbers that matter."""

import pytest

import plasticbench
from plasticbench.evaluation.result import hardware


@pytest.mark.parametrize("name", sorted(plasticbench.known_rules()))
def test_every_known_rule_is_shown(name):
    rule = plasticbench.load_rule(name)
    latex, html = rule._repr_latex_(), rule._repr_html_()
    assert latex.startswith("$$\\begin{aligned}")
    assert latex.endswith("\\end{aligned}$$")
    assert latex.count("{") == latex.count("}")
    n_changes = sum(len(changes) for changes in rule.latex().values())
    assert latex.count(r"\Delta") == max(1, n_changes)
    assert html.count("<math") == n_changes
    assert name in html
    assert repr(rule) == f"<Rule {name}: {', '.join(rule.pathways)}>"


def test_what_a_stranger_writes_is_escaped():
    rule = plasticbench.Rule(
        "x", plasticbench.load_rule("oja").pathways, reference="<script>alert(1)</script> & others, doi:1"
    )
    assert "<script>" not in rule._repr_html_()
    assert "&lt;script&gt;" in rule._repr_html_()


@pytest.mark.parametrize("name", ["OjaMini-v0", "SliceL5-v0", "StabilityIEMini-v0"])
def test_a_task_is_short_and_says_its_marks(name):
    task = plasticbench.task(name)
    assert repr(task) == f"<Task {task.id}: {task.title}>"
    html = task._repr_html_()
    for told in (task.id, task.reference_rule, f"{task.null_loss:.5g}", *task.pathways):
        assert told in html


def test_a_task_of_ones_own_is_short_too():
    from dataclasses import replace

    own = replace(plasticbench.task("OjaMini-v0"), title="Mine & yours")
    assert repr(own) == "<Task plasticbench/OjaMini-v0: Mine & yours>"
    assert "Mine &amp; yours" in own._repr_html_()


def test_a_result_says_score_loss_and_what_it_took():
    result = plasticbench.evaluate("oja", "OjaMini-v0", seeds=6)
    assert repr(result) == f"<Result: oja on plasticbench/OjaMini-v0, 6 lifetimes, loss {result.loss:.5g}>"
    html = result._repr_html_()
    assert f"{result.score:z.4f} (95 %" in html
    assert "6 of 64" in html
    assert "cpu engine" in html
    few = plasticbench.evaluate("oja", "OjaMini-v0", seeds=2)
    assert "95 %" not in few._repr_html_()


def test_the_result_of_a_policy_is_shown_and_compared():
    rule = plasticbench.load_rule("oja")

    def mine(observation):
        return rule(observation)

    result = plasticbench.evaluate(mine, "OjaMini-v0", seeds=2)
    assert "mine" in repr(result)
    assert "mine" in result._repr_html_()
    assert result.compare(plasticbench.evaluate("oja", "OjaMini-v0", seeds=2)).first == "mine"
    with pytest.raises(plasticbench.PlasticbenchError, match="Python policy, which no file can keep"):
        result.save("nowhere.json")


def test_a_device_is_named_where_it_is_not_the_processor():
    assert "device" not in hardware() | hardware("cpu") | hardware("torch", "cpu")
    assert hardware("torch", "cuda")["device"].startswith("cuda")
    assert hardware("cuda")["device"].startswith("cuda")
    assert hardware("cuda", "cuda:1")["device"].startswith("cuda:1")
    assert hardware("torch", "mps")["device"] == "mps"
