"""What a person gets to see of a task: in a notebook, and of a life in it."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plasticbench.tasks.record import LifeRecord


class Shown:
    """Mixed into `Task`."""

    def __init_subclass__(cls, **options: Any):
        super().__init_subclass__(**options)
        if "__repr__" not in cls.__dict__:
            cls.__repr__ = _short  # type: ignore[method-assign]  # else a dataclass writes one that prints all fields

    def record(self, rule: Any, seed: int | None = None, **options: Any) -> LifeRecord:
        """One lifetime to be looked at: spikes, rates, weights over time. See `record_life` for options and errors.

        `rule`: a rule, its name or file, or a Python policy. `seed`: the first official one unless given.
        """
        from plasticbench.tasks.record import record_life

        return record_life(self, rule, seed, **options)  # type: ignore[arg-type]

    def _repr_html_(self) -> str:
        task: Any = self
        rows = {
            "track": task.track,
            "plastic pathways": ", ".join(task.pathways),
            "rules read": "; ".join(f"{name}: {', '.join(sorted(task.variables(name)))}" for name in task.pathways),
            "conditions": ", ".join(task.condition_names) or "none",
            "official lifetimes": task.n_official,
            "null loss": f"{task.null_loss:.5g}",
            "best uninformed loss": None if task.blind_loss is None else f"{task.blind_loss:.5g}",
            f"{task.reference_rule} (score 1)": f"{task.reference_loss:.5g}",
            "not ranked": task.not_ranked_because or None,
            "reference": task.reference,
        }
        return (
            f"<p><b>{html.escape(task.id)}</b> · {html.escape(task.title)}</p><p>{html.escape(task.summary)}</p>"
            f"{html_table(rows)}"
        )


def _short(task: Any) -> str:
    return f"<Task {task.id}: {task.title}>"


def html_table(rows: dict[str, Any]) -> str:
    """Two columns; rows whose value is None are left out."""
    cells = (
        f"<tr><th style='text-align:left'>{html.escape(name)}</th><td style='text-align:left'>{html.escape(str(value))}"
        "</td></tr>"
        for name, value in rows.items()
        if value is not None
    )
    return f"<table>{''.join(cells)}</table>"
