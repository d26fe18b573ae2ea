"""The leaderboard: entries as data, verified by re-simulation, ranked with their uncertainty."""

from .board import Board, open_board
from .catalogue import Catalogue, Measurement, installed
from .entry import Entry
from .intake import validate_path
from .schema import Problem
from .submission import DuplicateEntry, SubmissionError, submit
from .verification import Verification, verify

__all__ = [
    "Board",
    "Catalogue",
    "DuplicateEntry",
    "Entry",
    "Measurement",
    "Problem",
    "SubmissionError",
    "Verification",
    "installed",
    "open_board",
    "submit",
    "validate_path",
    "verify",
]
