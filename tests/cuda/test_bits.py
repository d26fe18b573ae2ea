"""The cuda engine without a GPU: every recording has the bits of the cpu engine with integer arrivals."""

import dataclasses

import numpy as np
import pytest
from cuda_cases import (
    FOUR,
    WITH_STATES,
    batch_of,
    differences,
    four_pathways,
    life_of_all_sources,
    modulated_life,
    n_spikes,
    of_task,
    on_card,
    on_cpu,
    pair,
    rule_of,
)
from emulation_build import needs_compiler
from fake_card import FORWARD, REVERSE, SHUFFLED
from spiking_cases import life_of, small_network

from plasticbench.networks.neurons import EscapeLIF
from plasticbench.networks.recordings import PopulationRate, Recording
from plasticbench.rules import load_rule

pytestmark = needs_compiler

MINIS = [(name, f"confavreux-2025-stability-{name.lower()}") for name in ("IE", "EE", "EI", "II")]


@pytest.mark.parametrize(("name", "rule"), MINIS)
def test_a_mini_network_has_the_bits_of_the_cpu_engine(name, rule, fake_card):
    life = of_task(f"Stability{name}Mini", 2000, input_hz=8.0)
    batch = batch_of(life.network, load_rule(rule))
    expected = on_cpu([life], batch)
    assert differences(expected, on_card([life], batch, fake_card)) == []
    assert n_spikes(expected) > 1500


def test_the_full_network_has_the_bits_of_the_cpu_engine(fake_card):
    life = of_task("StabilityIE", 200, input_hz=60.0)
    batch = batch_of(life.network, load_rule("confavreux-2025-stability-ie"))
    expected = on_cpu([life], batch)
    assert differences(expected, on_card([life], batch, fake_card)) == []
    assert n_spikes(expected) > 8000  # 6000 of them inputs


def test_no_bit_depends_on_the_order_of_threads_the_block_size_or_the_chunks(fake_card):
    lives = [four_pathways(2000, seed=7), four_pathways(1500, seed=8)]
    batch = batch_of(FOUR, pair(), pair(alpha=-0.2, kappa=0.3))
    expected = on_cpu(lives, batch)
    for how in (
        {"order": FORWARD, "threads": 64},
        {"order": REVERSE, "threads": 64, "chunk_steps": 300},
        {"order": SHUFFLED, "threads": 64, "seed": 2, "chunk_steps": 777},
        {"order": SHUFFLED, "threads": 128, "chunk_steps": 64},
    ):
        assert differences(expected, on_card(lives, batch, fake_card, **how)) == [], how


def test_more_lives_than_blocks_share_them_chunk_by_chunk(fake_card):
    lives = [four_pathways(n, seed=s) for s, n in enumerate((700, 650, 900, 300))]
    batch = batch_of(FOUR, pair(), pair(gamma=0.3))
    launches, blocks = fake_card.n_launches, fake_card.n_blocks
    assert differences(on_cpu(lives, batch), on_card(lives, batch, fake_card, threads=64, chunk_steps=100)) == []
    setting_up = len(FOUR.pathways) * 4 + len(FOUR.plastic_pathways) * 8
    living = fake_card.n_blocks - blocks - setting_up
    assert living <= 3 * (fake_card.n_launches - launches - 2)  # three blocks at once, for eight lives


def test_lives_that_end_early_end_at_the_same_step(fake_card):
    band = PopulationRate("e", 1.0, (49.9, 50.3))
    lives = [
        four_pathways(1500, seed=1),
        dataclasses.replace(four_pathways(1500, seed=2), recordings=_with(four_pathways().recordings, band)),
    ]
    rules = (pair(), pair(spoil=1.0, most=1.0), pair(tau_pre=1e-5, tau_post=3e-5))  # well, not a number, renewed often
    batch = batch_of(FOUR, *rules)
    for life in lives:
        expected = on_cpu([life], batch)
        assert differences(expected, on_card([life], batch, fake_card, threads=64)) == []
        early = [values["lived"][0] < 1500 for values in expected.values()]
        assert early == [life is lives[1], True, life is lives[1]]


def _with(recordings: tuple[Recording, ...], rate: PopulationRate) -> tuple[Recording, ...]:
    return tuple(rate if isinstance(r, PopulationRate) else r for r in recordings)


def test_a_rule_that_ends_as_no_number_is_a_blow_up(fake_card):
    life = four_pathways(120)
    late = rule_of({"traces": {"x_post": 0.02}, "on_pre": "0*x_post", "on_post": "0.1*sqrt(-1e-30 - x_post)"})
    batch = batch_of(FOUR, late)
    assert differences(on_cpu([life], batch), on_card([life], batch, fake_card, threads=64)) == []


def test_plasticity_that_ends(fake_card):
    life = four_pathways(2000, plastic_until_step=1001)
    batch = batch_of(FOUR, pair())
    assert differences(on_cpu([life], batch), on_card([life], batch, fake_card, threads=64)) == []


def test_states_modulators_resets_phases_and_every_recording(fake_card):
    lives = [modulated_life(3), modulated_life(4)]
    batch = batch_of(lives[0].network, rule_of(WITH_STATES))
    expected = on_cpu(lives, batch)
    for how in ({"threads": 64, "chunk_steps": 700}, {"threads": 96}):
        assert differences(expected, on_card(lives, batch, fake_card, **how)) == []


def test_every_source_before_plastic_synapses(fake_card):
    life = life_of_all_sources()
    batch = batch_of(life.network, pair(tau_pre=1e-5))
    expected = on_cpu([life], batch)
    assert differences(expected, on_card([life], batch, fake_card)) == []
    assert n_spikes(expected) > 5000


def test_neurons_that_spike_at_random(fake_card):
    currents = dict.fromkeys(("ee", "ei", "ie", "ii"), 2e-10)
    network = small_network(("ie",), EscapeLIF(), rate_hz=60.0, w_max=1e-9, weights=currents)
    inputs = tuple(dataclasses.replace(p, weight=6e-10) if p.pre == "in" else p for p in network.pathways)
    life = life_of(dataclasses.replace(network, pathways=inputs), 1000)
    batch = batch_of(life.network, pair(eta=1e-12))
    expected = on_cpu([life], batch)
    assert differences(expected, on_card([life], batch, fake_card)) == []
    assert n_spikes(expected) > 1000


def test_a_full_log_of_spikes_is_emptied_on_the_way(fake_card, monkeypatch):
    life = four_pathways(2000)
    batch = batch_of(FOUR, pair())
    expected = on_cpu([life], batch)
    launches = fake_card.n_launches
    monkeypatch.setattr("plasticbench.simulation.spiking.cuda.arrays.LOG_ROOM", 0)
    assert differences(expected, on_card([life], batch, fake_card, threads=64)) == []
    (values,) = expected.values()
    rows = next(value for r, value in values.items() if type(r).__name__ == "SpikeTrains")
    assert fake_card.n_launches - launches > len(rows) / 160 > 2


def test_populations_that_do_not_fit_are_split(fake_card, monkeypatch):
    lives = [four_pathways(300, seed=s) for s in range(3)]
    batch = batch_of(FOUR, pair(), pair(gamma=0.5))
    launches = fake_card.n_launches
    monkeypatch.setenv("FAKE_CUDA_MEMORY", str(2_000_000))
    assert differences(on_cpu(lives, batch), on_card(lives, batch, fake_card, threads=64)) == []
    assert fake_card.n_launches - launches > 5
    assert fake_card.n_allocations == 0


def test_wiring_drawn_on_the_device_is_that_of_the_cpu(fake_card):
    """Also where rows are full, columns are long, and a pathway is given by the host: weights in order of synapses."""
    life = life_of_all_sources(1)
    found = on_card([life], batch_of(life.network, pair()), fake_card)
    expected = on_cpu([life], batch_of(life.network, pair()))
    assert differences(expected, found) == []
    ((_, values),) = found.items()
    assert {len(value) for value in values.values() if isinstance(value, np.ndarray)} >= {40 * 70, 20 * 70}
