"""What a rule file means, by stepping one synapse here in plain Python: windows, triplets, thresholds, eligibility."""

import math

import pytest

from plasticbench.drawing.timing import timing_window
from plasticbench.rules import PathwayRule, load_rule


class Synapse:
    """One synapse of a spiking rule: exact decay between events, every event reads the values from before it."""

    def __init__(self, part):
        self.part, self.now_s = part, 0.0
        self.values = dict.fromkeys(("w", *part.traces, *part.states), 0.0)

    def happens(self, time_s, event, m=0.0):
        for name in (*self.part.traces, *self.part.states):
            item = self.part.traces.get(name) or self.part.states[name]
            if item.tau_s is not None:
                self.values[name] *= math.exp(-(time_s - self.now_s) / self.part.time_constant_s(name))
        self.now_s = time_s
        before = {**self.part.parameters, **self.values, "m": m}
        for target, change in self.part.events.get(event, {}).items():
            self.values[target] += change.program.number(before)
        for name, trace in self.part.traces.items():
            if event == f"on_{trace.side}":
                self.values[name] = 1.0 if trace.nearest else self.values[name] + 1.0

    def live(self, pre_s=(), post_s=(), modulator=()):
        """Spike times and (time, m) pairs; the change of the weight."""
        events = [(t, 0, "on_pre", 0.0) for t in pre_s] + [(t, 1, "on_post", 0.0) for t in post_s]
        for time_s, _, event, m in sorted([*events, *((t, 2, "on_modulator", m) for t, m in modulator)]):
            self.happens(time_s, event, m)
        return self.values["w"]


def known(name):
    return load_rule(name).pathways["*"]


@pytest.mark.parametrize("delay_s", [-0.05, -0.01, -0.002, 0.002, 0.01, 0.05])
@pytest.mark.parametrize("name", ["song-2000", "pair-stdp-nearest"])
def test_one_pair_gives_the_exponential_window(name, delay_s):
    expected = 0.003 * math.exp(-delay_s / 0.02) if delay_s > 0 else -0.00315 * math.exp(delay_s / 0.02)
    assert Synapse(known(name)).live([0.1], [0.1 + delay_s]) == pytest.approx(expected, rel=1e-12)


def test_nearest_spikes_pair_once_and_all_spikes_pair_with_all():
    pre, post = [0.0, 0.012, 0.03], [0.05]
    pairs = [0.003 * math.exp(-(0.05 - time) / 0.02) for time in pre]
    assert Synapse(known("song-2000")).live(pre, post) == pytest.approx(sum(pairs), rel=1e-12)
    assert Synapse(known("pair-stdp-nearest")).live(pre, post) == pytest.approx(pairs[-1], rel=1e-12)
    later = [-0.00315 * math.exp(-(0.05 - time) / 0.02) for time in pre]
    assert Synapse(known("song-2000")).live(post, pre) == pytest.approx(sum(later), rel=1e-12)
    assert Synapse(known("pair-stdp-nearest")).live(post, pre) == pytest.approx(later[-1], rel=1e-12)


def test_the_triplet_rule_is_its_sum_over_pairs_and_triplets():
    part = known("triplet-full")
    n = part.parameters
    pre, post = [0.0, 0.021, 0.07, 0.085], [0.005, 0.024, 0.06, 0.1]

    def sums(time, spikes, tau):
        return sum(math.exp(-(time - spike) / n[tau]) for spike in spikes if spike < time)

    expected = sum(
        n["scale"] * sums(t, pre, "tau_plus") * (n["A2_plus"] + n["A3_plus"] * sums(t, post, "tau_y")) for t in post
    )
    expected -= sum(
        n["scale"] * sums(t, post, "tau_minus") * (n["A2_minus"] + n["A3_minus"] * sums(t, pre, "tau_x")) for t in pre
    )
    assert Synapse(part).live(pre, post) == pytest.approx(expected, rel=1e-12)


def test_the_triplet_rule_fits_the_frequency_data_of_visual_cortex():
    # Sjöström et al. 2001, as in Pfister & Gerstner 2006: frequency (Hz), change at +10 and at -10 ms, each with SEM.
    data = {
        0.1: ((-0.04, 0.05), (-0.29, 0.08)),
        10: ((0.14, 0.10), (-0.41, 0.11)),
        20: ((0.29, 0.14), (-0.34, 0.10)),
        40: ((0.53, 0.11), (0.56, 0.32)),
        50: ((0.56, 0.26), (0.75, 0.19)),
    }
    errors = []
    for rate_hz, measured in data.items():
        for delay_s, (change, sem) in zip((0.01, -0.01), measured, strict=True):
            pre = [1.0 + k / rate_hz for k in range(60)]
            found = Synapse(known("triplet-full")).live(pre, [t + delay_s for t in pre])
            errors.append(((found / known("triplet-full").parameters["scale"] - change) / sem) ** 2)
    assert sum(errors) / len(errors) == pytest.approx(0.34, abs=0.01)  # of an independent implementation


def test_an_eligibility_waits_for_its_modulator():
    part = known("reward-modulated-stdp")
    assert Synapse(part).live([0.1], [0.11]) == 0.0
    expected = 0.003 * 2.0 * math.exp(-0.01 / 0.02) * math.exp(-(0.9 - 0.11) / 1.0)
    assert Synapse(part).live([0.1], [0.11], [(0.9, 2.0)]) == pytest.approx(expected, rel=1e-12)
    assert Synapse(part).live([0.11], [0.1], [(0.9, 1.0)]) < 0.0


def test_the_window_that_is_drawn_is_the_one_that_is_stepped():
    for name in ("pair-stdp-nearest", "triplet-full", "reward-modulated-stdp"):
        window = timing_window(load_rule(name), "ee", 20.0, 8)
        for delay_s, change in zip(window.delay_s, window.change, strict=True):
            synapse, before = Synapse(known(name)), 0.0
            for k in range(40):  # pairs at 20 Hz; the last one's change
                before = synapse.values["w"]
                first, second = ("on_pre", "on_post") if delay_s > 0 else ("on_post", "on_pre")
                synapse.happens(k / 20.0, first)
                synapse.happens(k / 20.0 + abs(delay_s), second)
                synapse.happens(k / 20.0 + abs(delay_s), "on_modulator", 1.0)
            assert change == pytest.approx(synapse.values["w"] - before, rel=1e-9)


def test_all_changes_of_an_event_read_the_values_from_before_it():
    part = PathwayRule.make({"on_pre": {"a": "1 - b", "b": "1 + a", "w": "a + b"}}, states={"a": {}, "b": {}})
    synapse = Synapse(part)
    synapse.live([0.0, 1.0])
    assert synapse.values == {"w": 2.0, "a": 1.0, "b": 3.0}


def lived(part, inputs, w, n_steps, step_s):
    """A linear neuron, post = w . pre, under a rate rule: weights, and the trace `theta`, after many steps.

    One presentation a step, drawn in turn from `inputs`.
    """
    theta, mix = 0.0, 1.0 - math.exp(-step_s / part.time_constant_s("theta"))
    for step in range(n_steps):
        pre = inputs[step % len(inputs)]
        post = sum(a * b for a, b in zip(w, pre, strict=True))
        seen = {**part.parameters, "theta": theta, "post": post}
        change = part.events["on_step"]["w"].program
        w = [a + change.number({**seen, "pre": b, "w": a}) for a, b in zip(w, pre, strict=True)]
        theta += mix * (part.traces["theta"].of.program.number({**part.parameters, "post": post}) - theta)
    return w, theta


def test_a_bcm_neuron_becomes_selective_and_its_threshold_slides_to_its_mean_square():
    """Two orthogonal inputs in turn: the neuron answers one of them, with post = theta; between, theta decays by a.

    theta = a/(1 + a) post**2 before each answer, hence post = (1 + a)/a: the two of the continuous limit, one over
    the probability of the input (Cooper & Intrator).
    """
    part = known("bcm-sliding").with_numbers({"tau_theta": 2.0, "eta": 0.005})
    w, theta = lived(part, [(1.0, 0.0), (0.0, 1.0)], [0.6, 0.5], 20_000, 0.1)
    decay = math.exp(-0.1 / 2.0)
    assert w == pytest.approx([(1.0 + decay) / decay, 0.0], rel=1e-9, abs=1e-9)
    assert theta == pytest.approx(w[0], rel=1e-9)
    # A threshold that does not slide lets the same start run away.
    away, _ = lived(part.with_numbers({"tau_theta": 1e9}), [(1.0, 0.0), (0.0, 1.0)], [0.6, 0.5], 600, 0.1)
    assert max(away) > 3.0
