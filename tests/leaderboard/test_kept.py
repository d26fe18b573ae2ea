"""What a board remembers is what it would find out again."""

import shutil

import numpy as np
import pytest

from plasticbench.leaderboard import kept, ranking
from plasticbench.leaderboard.board import bundled_folder
from plasticbench.leaderboard.catalogue import installed


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PLASTICBENCH_CACHE", str(tmp_path / "cache"))


def draws():
    rng = np.random.default_rng(0)
    return [{"a": rng.normal(size=20) + k / 3, **({"b": rng.normal(size=8)} if k else {})} for k in range(4)]


def test_a_kept_ranking_is_the_ranking(monkeypatch):
    found = [kept.rank_draws(draws(), [1, 2, 1, 1])]
    monkeypatch.setattr(ranking, "rank_draws", lambda *given: pytest.fail("ranked again"))
    found.append(kept.rank_draws(draws(), [1, 2, 1, 1]))
    for name in kept._ARRAYS:
        assert np.array_equal(*(getattr(one, name) for one in found)), name
    assert found[0].groups == found[1].groups


@pytest.mark.parametrize("change", ["attempts", "loss", "name", "damage"])
def test_anything_else_is_ranked_anew(tmp_path, monkeypatch, change):
    given, attempts = draws(), [1, 2, 1, 1]
    kept.rank_draws(given, attempts)
    calls = []
    true = ranking.rank_draws
    monkeypatch.setattr(ranking, "rank_draws", lambda *given: calls.append(1) or true(*given))
    if change == "attempts":
        attempts = [1, 1, 1, 1]
    elif change == "loss":
        given[0]["a"][3] = np.nextafter(given[0]["a"][3], 1.0)
    elif change == "name":
        given[0] = {"c": given[0]["a"]}
    else:
        (file,) = (tmp_path / "cache" / "board").iterdir()
        file.write_bytes(file.read_bytes()[:100])
    kept.rank_draws(given, attempts)
    assert calls == [1]


def test_an_entry_that_was_found_good_is_checked_again_once_a_byte_differs(tmp_path, monkeypatch):
    source = next(bundled_folder().glob("OjaMini-v0/*"))
    folder = tmp_path / "OjaMini-v0" / source.name
    shutil.copytree(source, folder)
    checked = []
    true = kept.entry_problems
    monkeypatch.setattr(kept, "entry_problems", lambda *given, **more: checked.append(1) or true(*given, **more))
    for _ in range(2):
        assert kept.problems_of(folder, installed()) == []
    assert len(checked) == 1
    entry = folder / "entry.json"
    entry.write_text(entry.read_text().replace('"seeds"', '"sedes"', 1))
    for _ in range(2):  # what is bad is never kept
        assert kept.problems_of(folder, installed()) != []
    assert len(checked) == 3
