"""The rule language.

Parse, check, print, evaluate, lower to source; families of rules; known rules with citations.
"""

from plasticbench.errors import RuleError
from plasticbench.files import parse_json
from plasticbench.language.parse import parse_expression
from plasticbench.language.program import Expression
from plasticbench.rules.batch import (
    PathwayStructure,
    RuleBatch,
    StateStructure,
    Structure,
    TraceStructure,
    group_rules,
)
from plasticbench.rules.check import check_rule, runs_on
from plasticbench.rules.codec import load_rule, rule_from_json
from plasticbench.rules.equivalence import canonical_form, same_rule
from plasticbench.rules.event import Event
from plasticbench.rules.families import Coordinate, Family, TemplateFamily, WithArrays, families, make_family
from plasticbench.rules.library import known_rules
from plasticbench.rules.memory import State, Trace
from plasticbench.rules.neural import Network, NetworkShape
from plasticbench.rules.pathway import PathwayRule
from plasticbench.rules.rule import Rule

__all__ = [
    "Coordinate",
    "Event",
    "Expression",
    "Family",
    "Network",
    "NetworkShape",
    "PathwayRule",
    "PathwayStructure",
    "Rule",
    "RuleBatch",
    "RuleError",
    "State",
    "StateStructure",
    "Structure",
    "TemplateFamily",
    "Trace",
    "TraceStructure",
    "WithArrays",
    "canonical_form",
    "check_rule",
    "families",
    "group_rules",
    "known_rules",
    "load_rule",
    "make_family",
    "parse_expression",
    "parse_json",
    "rule_from_json",
    "runs_on",
    "same_rule",
]
