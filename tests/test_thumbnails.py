"""Small pictures of lives: what they show is what was lived, and pages carry them."""

import io

import numpy as np
import pytest
from PIL import Image

import plasticbench
from plasticbench.leaderboard import lives
from plasticbench.leaderboard.draw_lives import draw, main

SOME = {"OjaMini-v0": "oja", "SliceL5-v0": "minimal-triplet-l5", "StabilityIEMini-v0": "vogels-2011"}


@pytest.mark.parametrize(("name", "rule"), SOME.items())
def test_a_thumbnail_says_which_life_and_which_rule(name, rule):
    task = plasticbench.task(name).shortened()
    picture = draw(task, plasticbench.load_rule(rule))
    assert len(picture) < 100_000
    with Image.open(io.BytesIO(picture)) as image:
        words = image.info["Description"]
        pixels = np.asarray(image.convert("RGBA"))
    assert f"under {rule} (loss {task.record(rule).loss:.3g})" in words
    assert pixels[0, 0, 3] == 0  # no background: it suits a light page and a dark one
    left, right = np.array_split(pixels[..., 3] > 0, 2, 1)
    assert left.any()
    assert right.any()


def test_a_page_carries_its_picture_with_its_words_escaped(tmp_path, monkeypatch):
    monkeypatch.setattr(lives, "FOLDER", tmp_path)
    assert lives.picture_of("plasticbench/Some-v0") == ""
    from PIL.PngImagePlugin import PngInfo

    words = PngInfo()
    words.add_text("Description", 'a <b> "rule"')
    Image.new("RGBA", (4, 3)).save(tmp_path / "Some-v0.png", pnginfo=words)
    found = str(lives.picture_of("plasticbench/Some-v0"))
    assert "a &lt;b&gt; &#34;rule&#34;" in found
    assert 'width="4" height="3"' in found
    assert "data:image/png;base64," in found


def test_every_bundled_picture_is_of_a_task_that_exists():
    tasks = {task_id.split("/")[1] for task_id in plasticbench.task_ids()}
    found = sorted(lives.FOLDER.glob("*.png"))
    assert found
    for path in found:
        assert path.stem in tasks
        assert "frozen weights" in str(lives.picture_of(f"plasticbench/{path.stem}"))


def test_an_unknown_task_is_one_line(capsys):
    assert main(["--task", "plasticbench/Nothing-v0"]) == 2
    assert "Nothing-v0" in capsys.readouterr().err
