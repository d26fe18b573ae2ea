"""Lifetimes side by side that did not all begin at the same step: those of one reset advance together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from plasticbench.stepping.lifetimes import Lifetimes


class Cohorts:
    """`n` places, each with a lifetime of some cohort; a place that begins anew leaves its lifetime unfinished."""

    def __init__(self, life: Lifetimes):
        self._n = len(life.lives)
        self._lives: list[Lifetimes] = [life]
        self._of = [(life, row) for row in range(self._n)]

    def begin(self, places: Sequence[int], life: Lifetimes) -> None:
        """New lifetimes at these places, in their order."""
        for row, place in enumerate(places):
            left, old_row = self._of[place]
            left.abandon(old_row)
            self._of[place] = (life, row)
        self._lives = [each for each in (*self._lives, life) if any(each is of for of, _ in self._of)]

    def at(self, place: int) -> tuple[Lifetimes, int]:
        """The lifetimes of a place's cohort, and which of them is its own."""
        return self._of[place]

    @property
    def finished(self) -> bool:
        return all(life.finished for life in self._lives)

    @property
    def over(self) -> Tensor:
        """Which lifetimes have ended, (n,) bool."""
        return self._gathered({id(life): life.over for life in self._lives})

    def observe(self) -> dict[str, dict[str, Tensor]]:
        """As `Lifetimes.observe`, with a leading axis of places."""
        if len(self._lives) == 1:
            return self._lives[0].observe()
        seen = {id(life): life.observe() for life in self._lives}
        first = seen[id(self._lives[0])]
        return {
            pathway: {
                name: self._gathered({key: each[pathway][name] for key, each in seen.items()}) for name in variables
            }
            for pathway, variables in first.items()
        }

    def advance(self, action: Mapping[str, Tensor]) -> Tensor:
        """Each lifetime's part of the loss, (n,); 0 of those that are over."""
        if len(self._lives) == 1:
            return self._lives[0].advance(action)
        parts = {}
        for life in self._lives:
            if life.finished:
                parts[id(life)] = torch.zeros(len(life.lives), dtype=torch.float64, device=life.over.device)
                continue
            parts[id(life)] = life.advance({name: self._of_cohort(life, delta) for name, delta in action.items()})
        return self._gathered(parts)

    def _of_cohort(self, life: Lifetimes, delta: Tensor) -> Tensor:
        """The rows of a cohort's lifetimes; zeros for those whose place has begun anew."""
        if delta.dim() == 0 or len(delta) != self._n:
            return delta  # it broadcasts, or is refused with its shape
        places = {row: place for place, (of, row) in enumerate(self._of) if of is life}
        zero = torch.zeros_like(delta[0])
        return torch.stack([delta[places[row]] if row in places else zero for row in range(len(life.lives))])

    def _gathered(self, by_cohort: Mapping[int, Any]) -> Tensor:
        """One row a place, from tensors with a leading axis of a cohort's lifetimes."""
        if len(by_cohort) == 1:
            (only,) = by_cohort.values()
            return only
        return torch.stack([by_cohort[id(life)][row] for life, row in self._of])
