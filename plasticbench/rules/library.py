"""Known rules, each with its citation.

One JSON file per rule under `known/`. A new rule is a new file, no other edit.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from plasticbench.errors import RuleError
from plasticbench.files import parse_json
from plasticbench.rules.codec import rule_from_json
from plasticbench.rules.rule import Rule

FOLDER = Path(__file__).parent / "known"


@functools.cache
def known_rules() -> Mapping[str, Rule]:
    """All known rules by name, in alphabetical order."""
    rules: dict[str, Rule] = {}
    for path in sorted(FOLDER.rglob("*.json"), key=lambda path: path.stem):
        rule = rule_from_json(parse_json(path.read_bytes()), path.parent)
        if rule.name != path.stem or rule.name in rules:
            raise RuleError(f"known rule {path.name}: its name {rule.name!r} must be unique and equal the file's")
        rules[rule.name] = rule
    return MappingProxyType(rules)


def known_rule_of(rule_hash: str) -> Rule | None:
    """The known rule with this hash, whatever it is called elsewhere."""
    return _by_hash().get(rule_hash)


@functools.cache
def _by_hash() -> Mapping[str, Rule]:
    return MappingProxyType({rule.hash: rule for rule in known_rules().values()})


def unknown_rule(name: str, is_folder: bool) -> RuleError:
    """The error for a rule that is neither a known name nor a file."""
    if is_folder:
        return RuleError("not a file; name a rule file or a known rule")
    nearest = difflib.get_close_matches(name, known_rules(), n=3)
    hint = f"did you mean {' or '.join(nearest)}? " if nearest else ""
    return RuleError(f"neither a rule file nor a known rule; {hint}`plasticbench list` shows the known ones")
