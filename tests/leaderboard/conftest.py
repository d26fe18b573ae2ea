"""Fixtures of the leaderboard's tests: a catalogue of small tasks, and results on them."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for small_tasks, which other processes import too

from small_tasks import SmallTask, make_catalogue, result_json


@pytest.fixture(autouse=True, scope="session")
def _same_nonces():
    """Verification rejects an honest rule once in a hundred times; in a test the dice fall the same way each time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("plasticbench.leaderboard.verification.secrets.token_hex", lambda n: "5a" * n)
        yield


@pytest.fixture
def catalogue():
    return make_catalogue(
        SmallTask("plasticbench/Small-v0"),
        SmallTask("plasticbench/Other-v0", title="Another task"),
        SmallTask("plasticbench/Spiking-v0", track="spiking"),
    )


@pytest.fixture
def write_result(tmp_path, catalogue):
    """write_result(rule, **changes) -> path of a result file."""

    def write(rule: dict, task_id: str = "plasticbench/Small-v0", **changes) -> Path:
        path = tmp_path / f"result-{rule['name']}-{task_id.split('/')[1]}.json"
        path.write_text(json.dumps(result_json(catalogue, rule, task_id, **changes)))
        return path

    return write
