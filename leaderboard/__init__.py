"""The leaderboard: entries as data, verified by re-simulation, ranked with their uncertainty."""

from plasticbench.schema_errors import Problem

from .board import Board, open_board
from .catalogue import Catalogue, Measurement, installed
from .entry import Entry
from .errata import verify_all
from .intake import validate_path
from .rounds import live_rounds
from .standings import place_of
from .submission import DuplicateEntry, SubmissionError, submit
from .tables import board_json, board_table
from .verification import Verification, verify
from .website import write_site

__all__ = [
    "Board",
    "Catalogue",
    "DuplicateEntry",
    "Entry",
    "Measurement",
    "Problem",
    "SubmissionError",
    "Verification",
    "board_json",
    "board_table",
    "installed",
    "live_rounds",
    "open_board",
    "place_of",
    "submit",
    "validate_path",
    "verify",
    "verify_all",
    "write_site",
]
