"""The shipped table for other simulators is what this code computes, and says what a synapse does."""

import csv
import json
from pathlib import Path

import pytest

from plasticbench.evaluation import conformance

FOLDER = Path(__file__).parents[1] / "docs" / "conformance"


@pytest.fixture(scope="module")
def files():
    return conformance.files()


def test_the_shipped_table_is_what_this_code_computes(files):
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(files)
    shipped, found = (
        list(csv.DictReader(text.splitlines()))
        for text in ((FOLDER / "conformance.csv").read_text(encoding="utf-8"), files["conformance.csv"].decode())
    )
    keys = ("task", "protocol", "rule", "initial_weight", "w_max")
    assert [[row[key] for key in keys] for row in shipped] == [[row[key] for key in keys] for row in found]
    for old, new in zip(shipped, found, strict=True):
        assert float(old["final_weight"]) == pytest.approx(float(new["final_weight"]), rel=1e-9, abs=1e-12)
    assert (FOLDER / "spikes.csv").read_bytes() == files["spikes.csv"]


def test_the_json_holds_the_same_rows_and_every_rule(files):
    content = json.loads((FOLDER / "conformance.json").read_text(encoding="utf-8"))
    rows = list(csv.DictReader(files["conformance.csv"].decode().splitlines()))
    assert len(content["rows"]) == len(rows)
    assert {rule["name"] for rule in content["rules"]} == {row["rule"] for row in rows}
    assert content["format"] == conformance.FORMAT


def test_every_rule_of_an_excitatory_synapse_that_needs_no_neuron_is_in_it():
    rules = {row.rule for row in conformance.expected()}
    wanted = {"song-2000", "pair-stdp-nearest", "triplet-full", "van-rossum-2000", "confavreux-2025-familiarity-eeie"}
    assert wanted <= rules
    assert not rules & {"vogels-2011", "oja", "reward-modulated-stdp"}


def test_a_table_of_spikes_and_a_loop_of_ten_lines_give_the_same_weights():
    """What a reader would do: song-2000 from the files alone."""
    from math import exp

    with open(FOLDER / "spikes.csv", encoding="utf-8") as file:
        times = {(r["task"], r["protocol"], r["neuron"]): r["times_ms"].split() for r in csv.DictReader(file)}
    with open(FOLDER / "conformance.csv", encoding="utf-8") as file:
        rows = [r for r in csv.DictReader(file) if r["rule"] == "song-2000" and not r["protocol"].endswith(".0ms")]
    assert len(rows) == 54
    for row in rows:
        events = [(float(t), side) for side in ("pre", "post") for t in times[row["task"], row["protocol"], side]]
        w, trace, last = float(row["initial_weight"]), {"pre": 0.0, "post": 0.0}, 0.0
        for t, side in sorted(events):
            trace = {name: value * exp(-(t - last) / 20.0) for name, value in trace.items()}
            w += 0.003 * trace["pre"] if side == "post" else -0.00315 * trace["post"]
            w, last = max(w, 0.0), t
            trace[side] += 1.0
        assert w == pytest.approx(float(row["final_weight"]), rel=conformance.TOLERANCE)


def test_the_command_writes_the_files_and_names_what_it_cannot_write(tmp_path, capsys):
    assert conformance.main(["--out", str(tmp_path / "table")]) == 0
    written, shipped = (sorted(path.name for path in folder.iterdir()) for folder in (tmp_path / "table", FOLDER))
    assert written == shipped
    (tmp_path / "file").write_text("")
    assert conformance.main(["--out", str(tmp_path / "file")]) == 2
    assert capsys.readouterr().err.startswith("conformance: ")
