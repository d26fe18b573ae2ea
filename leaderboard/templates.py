"""The site's templates, and how its pages write numbers. What is not Markup is escaped."""

from __future__ import annotations

from functools import cache
from typing import Any

import jinja2

from .entry import ENTRY_FILE, entry_slug, task_slug
from .prose import breakable, indexed, linked, prose
from .standings import Standing
from .tables import rank_text


def render(template: str, **context: Any) -> str:
    """A page from `site/<template>`; a name that the template needs and does not get is an error."""
    return _environment().get_template(template).render(**context)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__, "site"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "breakable": breakable,
        "heat": heat,
        "indexed": indexed,
        "interval": interval_text,
        "entry_file": entry_file,
        "record_file": record_file,
        "reason": reason_text,
        "rule_link": rule_link,
        "task_slug": task_slug,
        "two_digits": two_digits,
        "two_figures": two_figures,
        "linked": linked,
        "lives": lives_text,
        "number": number,
        "prose": prose,
        "rank": lambda rank: rank_text(rank).replace("-", "–"),
        "score": score_text,
        "short_score": short_score_text,
        "value": lambda value, digits=4: f"{value:.{digits}g}".replace("-", "−"),
    }
    return environment


def rule_link(standing: Standing) -> str:
    """From a page one folder below the root to a rule's page."""
    return f"../rules/{entry_slug(standing.name, standing.entry.data['rule_hash'])}.html"


def entry_file(standing: Standing) -> str:
    """From the site's root to what an entry claims."""
    return f"entries/{standing.entry.name}/{ENTRY_FILE}"


def record_file(standing: Standing) -> str:
    """From the site's root to what its newest verification found; empty where there is none."""
    names = standing.entry.record_names
    return f"entries/{standing.entry.name}/{names[-1]}" if names else ""


def reason_text(standing: Standing) -> str:
    """Why an entry is not ranked."""
    if standing.state == "rejected":
        return standing.entry.records[-1]["reason"]
    if standing.state == "stale":
        return "measured under another version of this task; not measured again yet"
    return "nobody has simulated it again yet"


def number(value: float) -> str:
    """A value to sort by."""
    return f"{value:.9g}"


def two_digits(value: float | None) -> str:
    """A number of order one; "none" where there is none."""
    return "none" if value is None else f"{value:.2f}".replace("-", "−")


def two_figures(value: float) -> str:
    """A difference in few characters; without an exponent where it is neither huge nor tiny."""
    return (f"{value:.0f}" if 100 <= abs(value) < 1e5 else f"{value:.2g}").replace("-", "−")


def score_text(value: float) -> str:
    """A score in a few characters, whatever its size."""
    if abs(value) < 0.0005:
        return "0.000"
    if abs(value) >= 1000:
        text = f"{value:.1e}".replace("e+0", "e").replace("e+", "e")
    elif abs(value) >= 100:
        text = f"{value:.0f}"
    elif abs(value) >= 10:
        text = f"{value:.1f}"
    else:
        text = f"{value:.3f}"
    return text.replace("-", "−")


def short_score_text(value: float) -> str:
    """Two digits, or the sign of a score too far away to matter."""
    if abs(value) >= 10:
        return "≫ 1" if value > 0 else "≪ 0"
    return f"{value:z.2f}".replace("-", "−")


def heat(score: float) -> int:
    """How strongly a score's ground is coloured, in percent: blue-green towards 1 and beyond, red below 0."""
    return round(100 * (min(max(score, 0.0), 1.25) / 1.25 if score > -0.0005 else min(-score, 1.0)))


def interval_text(interval: tuple[float, float]) -> str:
    """Both ends, short."""
    return f"{score_text(interval[0])} to {score_text(interval[1])}"


def lives_text(n: int) -> str:
    """A number of lifetimes, with thin spaces between thousands."""
    return f"{n:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
