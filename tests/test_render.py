"""Pictures of a life that is being stepped: drawn as often as they differ, and no more."""

import numpy as np
import pytest

import plasticbench
from plasticbench.drawing import painter
from plasticbench.drawing.lives import figure_to_array
from plasticbench.stepping.env import PlasticityEnv


def test_a_video_of_a_whole_life_is_drawn_a_hundred_times_at_most(monkeypatch):
    drawn = []

    def draw(self, figure):
        drawn.append(len(figure.axes))
        return np.full((2, 2, 3), len(drawn), np.uint8)

    monkeypatch.setattr(painter.Painter, "draw", draw)
    monkeypatch.setattr(painter.LifeHistory, "figure", lambda self: type("Figure", (), {"axes": []}))
    env = PlasticityEnv(plasticbench.task("OjaMini-v0"), render_mode="rgb_array")
    env.reset(seed=0)
    frames, over = [env.render()], False
    while not over:
        _, _, over, _, _ = env.step({})
        frames.append(env.render())
    assert len(frames) == 201
    assert len(drawn) == 101
    assert frames[-1][0, 0, 0] == len(drawn)  # the end is always drawn
    frames[-1][:] = 0
    assert env.render()[0, 0, 0] == len(drawn)  # a frame is the caller's own


@pytest.mark.parametrize(("name", "rule"), [("OjaMini-v0", "oja"), ("StabilityIEMini-v0", "vogels-2011")])
def test_panels_that_stay_put_show_the_same_picture(name, rule):
    history = plasticbench.task(name).shortened().record(rule, 0).history()
    settled = figure_to_array(history.figure()).astype(int)
    kept = painter.Painter()
    pictures = [kept.draw(history.figure()).astype(int) for _ in range(3)]
    assert (pictures[0] == settled).all()
    assert np.abs(pictures[2] - settled).mean() < 1.0  # of 255: but for rounding of places
