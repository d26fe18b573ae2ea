"""A recorded life is the life that is scored, and what is drawn of it is what a stepped one draws."""

import json
import shutil

import numpy as np
import pytest

import plasticbench
from plasticbench.command_line.cli import main
from plasticbench.drawing.lives import LifeHistory
from plasticbench.errors import PlasticbenchError
from plasticbench.stepping.lifetimes import lifetimes
from plasticbench.tasks import record as record_module

# A task of every kind: linear, with lateral weights, with a readout, clamped, spiking with one neuron and with many.
SOME = {
    "OjaMini-v0": "oja",
    "PrincipalComponentsMini-v0": "oja-anti-hebb",
    "ContinualFamiliarityMini-v0": "anti-hebbian-decay-mini",
    "SliceL5-v0": "minimal-triplet-l5",
    "InhibitoryBalanceMini-v0": "vogels-2011",
    "StabilityIEMini-v0": "vogels-2011",
}


def short(name):
    return plasticbench.task(name).shortened()


def stepped(task, rule, seed):
    """The history of the same life, stepped by hand."""
    life = lifetimes(task, [seed], rule=rule)
    history = LifeHistory(life)
    while not life.finished:
        life.advance(rule(life.observe()))
        history.record()
    return history


@pytest.mark.parametrize("name", SOME)
def test_a_recorded_life_is_the_one_that_is_scored(name):
    task = short(name)
    record = task.record(SOME[name], 3)
    assert record.loss == float(task.losses(SOME[name], [3])[0, 0])
    metrics = task.run(SOME[name], [3]).metrics
    assert list(record.metrics) == list(metrics)


@pytest.mark.parametrize("name", SOME)
def test_it_has_what_a_stepped_life_has(name):
    task, rule = short(name), plasticbench.load_rule(SOME[name])
    record, history = task.record(rule, 5), stepped(short(name), rule, 5)
    recorded = record.history()
    assert recorded.steps[0] == 0
    assert recorded.steps[-1] == history.steps[-1] == task.draw([5])[0].n_steps
    places = [history.steps.index(step) for step in recorded.steps]
    names = set(history.snapshots[0]) - ({"loss"} if task.track == "rate" else set())
    for series in names:
        there = history.series(series)[places]
        assert recorded.series(series) == pytest.approx(there, rel=1e-5, abs=1e-9), series
    if task.track == "rate":
        assert recorded.series("loss") == pytest.approx(history.series("loss")[places], rel=1e-9)
    for pathway, w in recorded.life.weights.items():
        there = np.ravel(history.life.weights[pathway].numpy())[: w.numel()]  # padded, if sparse
        assert np.ravel(w.numpy()) == pytest.approx(there, rel=1e-5, abs=1e-9)
    if task.track == "spiking":
        assert np.array_equal(recorded.life.recent_spikes(), history.life.recent_spikes())


def test_outputs_are_those_of_the_weights_at_their_moments():
    task = short("OjaMini-v0")
    record = task.record("oja", 0)
    items = record.life.presentations.items
    assert record.outputs[..., 0] == pytest.approx(record.weights["ff"][:, 0] @ items.T, rel=1e-12)


def test_rates_are_the_spikes_of_all_neurons(monkeypatch):
    task = short("StabilityIEMini-v0")
    record = task.record("vogels-2011", 1)
    time_s, rates = record.rates
    n = record.life.spiking_network.size("e")
    assert n <= record_module.N_NEURONS  # else the raster has a part of the spikes alone
    width_s = time_s[1] - time_s[0]
    assert sum(rates["e"]) * width_s * n == pytest.approx(len(record.spikes["e"][0]))
    assert record.time_s[-1] == record.life.n_steps * record.life.dt_s


def test_of_a_long_life_the_last_steps_are_recorded_and_nothing_changes(monkeypatch):
    task = short("StabilityIEMini-v0")
    whole = task.record("vogels-2011", 1)
    monkeypatch.setattr(record_module, "MOST_STEPS", whole.life.n_steps // 3)
    part = task.record("vogels-2011", 1)
    assert part.loss == whole.loss
    start_s = (whole.life.n_steps - whole.life.n_steps // 3) * whole.life.dt_s
    assert part.rates[0][0] > start_s
    times_s, neurons = whole.spikes["e"]
    assert np.array_equal(part.spikes["e"][1], neurons[times_s >= start_s - 1e-9])
    assert np.array_equal(part.weights["ie"], whole.weights["ie"])
    assert part.phases == whole.phases
    assert part.png()[:4] == b"\x89PNG"


def test_a_policy_is_recorded_as_a_rule_is():
    task, rule = short("OjaMini-v0"), plasticbench.load_rule("oja")

    def mine(observation):
        return rule(observation)

    record = task.record(mine, 2)
    assert record.rule == "mine"
    assert record.loss == pytest.approx(task.record(rule, 2).loss, rel=1e-9)
    assert short("SliceL5-v0").record(lambda seen: {"ee": 0.0 * seen["ee"]["w"]}, 0).weights["ee"].shape[0] == 2


def test_a_blow_up_is_recorded_up_to_it():
    rule = plasticbench.rules.rule_from_json(
        {"format": "plasticbench/rule@1", "name": "up", "pathways": {"ff": {"on_step": "1 + w"}}}
    )
    record = short("OjaMini-v0").record(rule, 0)
    assert record.status == "blow-up"
    assert record.kept.steps[-1] == record.n_steps_lived < record.life.n_steps
    assert record.png()[:4] == b"\x89PNG"


@pytest.mark.parametrize("name", ["OjaMini-v0", "SliceL5-v0", "StabilityIEMini-v0"])
def test_a_saved_record_is_read_without_pickles(name, tmp_path):
    record = short(name).record(SOME[name], 0)
    record.save(tmp_path / "life.npz")
    with np.load(tmp_path / "life.npz", allow_pickle=False) as arrays:
        about = json.loads(str(arrays["about"]))
        pathway = record.task.pathways[0]
        assert np.array_equal(arrays[f"weights_{pathway}"], record.weights[pathway])
    assert (about["loss"], about["rule"], about["seed"]) == (record.loss, SOME[name], 0)
    assert "<img" in record._repr_html_()
    assert name in repr(record)


def test_an_xarray_has_the_same_numbers():
    pytest.importorskip("xarray")
    record = short("StabilityIEMini-v0").record("vogels-2011", 0)
    found = record.to_xarray()
    assert found["weights_ie"].dims == ("weights_time_s", "synapse_ie")
    assert found.attrs["loss"] == record.loss
    assert short("SliceL5-v0").record("minimal-triplet-l5", 0).to_xarray()["weights_ee"].dims == ("moment", "protocol")


def test_without_xarray_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "xarray", None)
    with pytest.raises(PlasticbenchError, match=r'pip install "plasticbench\[xarray\]"'):
        short("OjaMini-v0").record("oja", 0).to_xarray()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rule": ["oja", "null"]}, "one rule"),
        ({"rule": "oja", "seed": -1}, "seed"),
        ({"rule": "oja", "conditions": {"nonsense": 1}}, "nonsense"),
        ({"rule": "oja", "engine": "gpu9"}, "engine"),
        ({"rule": "vogels-2011"}, "pathway"),
    ],
)
def test_what_cannot_be_recorded_is_one_line(options, words):
    with pytest.raises(PlasticbenchError, match=words):
        short("OjaMini-v0").record(**options)


# ------------------------------------------------------------------------ plasticbench watch


def test_watch_tells_and_writes(tmp_path, capsys):
    names = {kind: str(tmp_path / f"life.{kind}") for kind in ("png", "npz")}
    arguments = ["watch", "oja", "--task", "OjaMini-v0", "--null", "--seed", "7"]
    assert main([*arguments, *(part for kind, path in names.items() for part in (f"--{kind}", path))]) == 0
    told = capsys.readouterr().out
    assert "oja on plasticbench/OjaMini-v0, seed 7: ok" in told
    assert "null on plasticbench/OjaMini-v0, seed 7: ok" in told
    assert (tmp_path / "life.png").read_bytes()[:4] == b"\x89PNG"
    with np.load(tmp_path / "life-null.npz") as arrays:
        assert (arrays["weights_ff"] == arrays["weights_ff"][0]).all()


def test_a_life_moves(tmp_path, monkeypatch):
    from PIL import Image

    monkeypatch.setattr(record_module, "N_FRAMES", 3)
    record = short("OjaMini-v0").record("oja", 0)
    frames = list(record.frames(3))
    assert len(frames) == 3
    assert (frames[0] != frames[-1]).any()
    from plasticbench.drawing.movies import gif

    (tmp_path / "life.gif").write_bytes(gif(frames))
    with Image.open(tmp_path / "life.gif") as image:
        assert image.n_frames == 3


def test_without_ffmpeg_an_mp4_is_refused_before_anything_is_lived(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setitem(__import__("sys").modules, "imageio_ffmpeg", None)
    assert main(["watch", "oja", "--task", "OjaMini-v0", "--mp4", str(tmp_path / "life.mp4")]) == 2
    assert "--gif FILE" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_an_mp4_is_written_where_there_is_ffmpeg(tmp_path):
    from plasticbench.drawing.movies import ffmpeg, mp4

    try:
        ffmpeg()
    except PlasticbenchError:
        pytest.skip("no ffmpeg here")
    assert mp4(short("OjaMini-v0").record("oja", 0).frames(2))[4:8] == b"ftyp"


@pytest.mark.parametrize("content", ["[1, 2]", "[]", "3"])
def test_conditions_of_one_life_are_one_object(tmp_path, capsys, content):
    (tmp_path / "conditions.json").write_text(content)
    assert main(["watch", "oja", "--task", "OjaMini-v0", "--conditions", str(tmp_path / "conditions.json")]) == 2
    assert "conditions of one lifetime" in capsys.readouterr().err
