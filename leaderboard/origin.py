"""Where a rule comes from, in one of five declared ways (`plasticbench.rules.rule.PROVENANCES`).

Whoever submits a rule declares it. An entry from before it was a field has what the rule library says of a rule with
its hash; a rule that a learner found was learned here; of any other nobody says that it is published.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from plasticbench.rules.library import known_rule_of
from plasticbench.rules.rule import AS_PUBLISHED, LEARNED, NUMBERS_LEARNED, UNPUBLISHED, VARIANT
from plasticbench.schema_errors import Problem


def origin_of(provenance: Mapping[str, Any], rule: Mapping[str, Any], rule_hash: str) -> str:
    """Of an entry's provenance, its rule as JSON and the rule's hash."""
    declared = provenance.get("origin") or rule.get("provenance")
    if declared:
        return declared
    if "learner" in provenance:
        return LEARNED
    known = known_rule_of(rule_hash)
    return (known.provenance if known is not None else "") or UNPUBLISHED


def unverified_of(rule: Mapping[str, Any], rule_hash: str) -> str:
    """What of a rule was not checked against its source; empty where all was, or nobody says."""
    known = known_rule_of(rule_hash)
    return rule.get("unverified") or (known.unverified if known is not None else "")


def origin_problems(provenance: Mapping[str, Any]) -> Iterator[Problem]:
    """What a declared origin cannot be beside the rest of a schema-valid provenance."""
    origin, place = provenance.get("origin"), "provenance.origin"
    if origin == AS_PUBLISHED and "learner" in provenance:
        yield Problem(place, f"is {origin!r}, but a learner found the rule; {NUMBERS_LEARNED!r} or {LEARNED!r} wanted")
    if origin in (AS_PUBLISHED, VARIANT, NUMBERS_LEARNED) and not provenance.get("reference"):
        yield Problem(place, f"is {origin!r}, but no publication is named; give the rule its reference")
