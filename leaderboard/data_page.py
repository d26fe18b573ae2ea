"""Fit to experiments against function: every rule that changes an excitatory synapse as a point, and the Pareto front.

For each task whose data were measured in tissue: across, the loss on the data; up, the best score over the functional
tasks whose networks have the same pathway plastic. All of it, the sentences too, from verified entries alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from markupsafe import Markup

from .charts.scatter import Axis, Spot, decades_axis, linear_axis, scatter_plot
from .entry import entry_slug, task_slug
from .standings import Standing, TaskStandings
from .templates import render, score_text
from .tracks import SCORE_FLOOR

_HIGHEST = 1.5  # a score beyond it is drawn at the edge


@dataclass(frozen=True)
class Point:
    """One rule on one experiment, and where it does best in networks."""

    on_data: Standing
    in_network: Standing | None  # None: no verified entry on a functional task
    network_task: str = ""  # id
    works: bool = False  # better than knowing nothing on a functional task

    @property
    def name(self) -> str:
        return self.on_data.name

    @property
    def link(self) -> str:
        """From the site's root."""
        return f"rules/{entry_slug(self.name, self.on_data.entry.data['rule_hash'])}.html"

    @property
    def loss(self) -> float:
        return self.on_data.loss

    @property
    def score(self) -> float:
        """On function, at least SCORE_FLOOR; of rules that have lived a functional task."""
        assert self.in_network is not None
        return max(self.in_network.score, SCORE_FLOOR)

    @property
    def network_score(self) -> str:
        """On function, as text."""
        assert self.in_network is not None
        return score_text(self.in_network.score)

    def beats(self, other: Point) -> bool:
        """Whether it is as good in both and better in one."""
        better = self.loss < other.loss or self.score > other.score
        return better and self.loss <= other.loss and self.score >= other.score


@dataclass(frozen=True)
class DataAndFunction:
    """One experiment's picture; `points` with the best fit of the data first, rules that change nothing left out."""

    table: TaskStandings
    points: tuple[Point, ...]

    @cached_property
    def both(self) -> tuple[Point, ...]:
        """The points with a place in both."""
        return tuple(point for point in self.points if point.in_network is not None)

    @cached_property
    def front(self) -> tuple[Point, ...]:
        """Those that no other beats, the best fit of the data first."""
        return tuple(p for p in self.both if not any(other.beats(p) for other in self.both))

    @property
    def sentences(self) -> str:
        """What the picture comes to."""
        task = self.table.task
        if not self.both:
            return "No rule has lived both this and a network yet."
        best = self.both[0]
        working = [point for point in self.both if point.works]
        said = [
            f"Of the {len(self.both)} rules with a place in both, {best.name} fits the data best (loss "
            f"{best.loss:.3g}, where no plasticity loses {task.null_loss:.3g} and {task.reference_rule}, refitted, "
            f"{task.reference_loss:.3g}); in networks its best score is {best.network_score}."
        ]
        if not working:
            return f"{said[0]} None is better than knowing nothing in a network."
        fits = [point for point in working if self.table.beats_bar(point.on_data)]
        idle = [point for point in working if point.loss >= 0.98 * task.null_loss]
        top = max(working, key=lambda point: point.score)
        said.append(
            f"Of the {len(working)} that are better than knowing nothing in a network, {_count(len(fits))} on the data "
            f"(loss below {self.table.bar:.3g}), and {len(idle)} of {len(working)} fit them no better than no "
            f"plasticity at all. The best in networks, {top.name} (score {top.network_score} on "
            f"{task_slug(top.network_task)}), loses {top.loss:.3g}."
        )
        return " ".join(said)

    @property
    def drawing(self) -> Markup:
        """The scatter with its front."""
        losses = [point.loss for point in self.both] + [self.table.task.null_loss]
        scores = [point.score for point in self.both] + [0.0, 1.0]
        x, y = decades_axis(losses), linear_axis(min(scores), min(max(scores), _HIGHEST))
        spots = [
            Spot(p.name, p.link, _title(p), p.loss, p.score, None, "learner" in p.on_data.entry.provenance)
            for p in (*self.front, *(p for p in self.both if p not in self.front))
        ]
        label = f"score in networks against loss on {self.table.task.title}"
        return scatter_plot(spots, x, y, label, _ground(self, x, y), ("fits and works", ""))


def _count(n: int) -> str:
    return "none is" if n == 0 else "one is" if n == 1 else f"{n} are"


def _title(point: Point) -> str:
    return f"{point.name}: loss {point.loss:.3g} on the data, score {point.network_score} on {point.network_task}"


def _ground(picture: DataAndFunction, x: Axis, y: Axis) -> str:
    """The loss of no plasticity, and the stairs of the front."""
    null = x.left(picture.table.task.null_loss)
    lines = [f'<line class="null-line" x1="{null:.2f}%" x2="{null:.2f}%" y1="12" y2="300"/>']
    front = picture.front
    for here, following in itertools.pairwise(front):
        left, right = x.left(here.loss), x.left(following.loss)
        low, high = y.down(here.score), y.down(following.score)
        lines.append(f'<line class="front" x1="{left:.2f}%" x2="{right:.2f}%" y1="{low:.1f}" y2="{low:.1f}"/>')
        lines.append(f'<line class="front" x1="{right:.2f}%" x2="{right:.2f}%" y1="{low:.1f}" y2="{high:.1f}"/>')
    return "".join(lines)


def pictures(tables: Mapping[str, TaskStandings]) -> tuple[DataAndFunction, ...]:
    """One of each task with measured data that has entries."""
    return tuple(
        DataAndFunction(table, tuple(_points(table, tables))) for table in tables.values()
        if table.task.experiment is not None and table.ranked
    )  # fmt: skip


def _points(table: TaskStandings, tables: Mapping[str, TaskStandings]) -> Sequence[Point]:
    functional = [
        other for other in tables.values()
        if other.task.track == "spiking" and set(table.task.pathways) & set(other.task.pathways)
    ]  # fmt: skip
    found = []
    for standing in table.ranked:
        if standing.entry.changes_nothing:
            continue
        rule_hash = standing.entry.data["rule_hash"]
        lived = [
            (row, other) for other in functional for row in other.ranked if row.entry.data["rule_hash"] == rule_hash
        ]
        best = max(lived, key=lambda pair: pair[0].score, default=None)
        works = any(other.beats_bar(row) for row, other in lived)
        found.append(
            Point(standing, None) if best is None else Point(standing, best[0], best[1].task.id, works)
        )  # fmt: skip
    return sorted(found, key=lambda point: (point.loss, point.name))


def data_page(tables: Mapping[str, TaskStandings]) -> str:
    """The HTML of the page."""
    return render("data.html", stem="data", root="", current="Data", pictures=pictures(tables))
