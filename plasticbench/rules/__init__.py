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
    check_rule,
    group_rules,
    runs_on,
)
from plasticbench.rules.codec import load_rule, rule_from_json
from plasticbench.rules.event import Event
from plasticbench.rules.families import Coordinate, Family, TemplateFamily, WithArrays, families, make_family
from plasticbench.rules.library import known_rules
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
    "StateStructure",
    "Structure",
    "TemplateFamily",
    "TraceStructure",
    "WithArrays",
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
]
