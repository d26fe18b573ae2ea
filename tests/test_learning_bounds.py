"""Every bundled learner keeps to the bounds of its family, also from a start on one of them."""

import pytest
from optional_learners import skip_without

import plasticbench
from plasticbench.learning import learn
from plasticbench.rules import rule_from_json
from plasticbench.rules.families import Coordinate, TemplateFamily
from plasticbench.tasks.registry import learner, learners

TASK = plasticbench.task("OjaMini-v0")
SMALL = {
    "gradient": {"budget": 8 * 30, "options": {"lifetimes": 8, "l1": 0.0}},
    "random-search": {"budget": 8 * 8 * 4, "options": {"population": 8, "spread": 10.0}},
    "evotorch": {"budget": 8 * 2 * 12 + 8 * 8, "options": {"population": 8, "lifetimes": 2, "l1": 0.0}},
    "optuna": {"budget": 4 * 40 + 5 * 8, "options": {"width": 10.0}},
    "persistent-es": {"budget": 16 * 2 * 24, "options": {"particles": 16, "std": 1.0}},
    "map-elites": {"budget": 8 * 20 + 8 * 8, "options": {"emitters": 1, "descriptors": {"ff.d": [0.25, 0.75]}}},
    "sbi": {"budget": 2 * 64 + 8 * 8, "options": {"rounds": 2, "epochs": 10, "width": 10.0}},
}
OJA_WITH_DECAY = {
    "format": "plasticbench/rule@1", "name": "own",
    "pathways": {"ff": {"on_step": "0.1 * (post*pre - d * post**2 * w)", "parameters": {"d": 0.0}}},
}  # fmt: skip


class Decay(TemplateFamily):
    """Oja's rule with less decay than its own, 1, which lies outside."""

    name = "decay"

    def template(self, pathway):
        return rule_from_json(OJA_WITH_DECAY).pathways["ff"]

    def coordinates(self, pathway):
        return [Coordinate("d", 0.25, 0.75, start=0.25)]


def test_every_bundled_learner_that_searches_a_family_is_tried():
    assert set(SMALL) == {name for name in learners() if getattr(learner(name), "SEARCHES_FAMILY", True)}


@pytest.mark.parametrize("name", SMALL)
def test_a_search_from_a_bound_stays_within_the_bounds_and_comes_near_the_other(tmp_path, name):
    skip_without(name)
    found = learn(TASK, name, tmp_path, family=Decay(("ff",)), **SMALL[name])
    d = found.rule.pathways["ff"].parameters["d"]
    assert 0.6 < d <= 0.75
