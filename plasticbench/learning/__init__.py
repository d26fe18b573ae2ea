"""Learners, the problems they are given, and their runs."""

from plasticbench.learning.problem import Learner, Problem
from plasticbench.learning.run import learn, repeat

__all__ = ["Learner", "Problem", "learn", "repeat"]
