"""The real compiler, without a GPU: machine code of every architecture, and what it takes of a card."""

import sys

import pytest
from cuda_cases import WITH_STATES, batch_of, life_of_all_sources, modulated_life, pair, rule_of
from emulation_build import IN_CI

import plasticbench
from plasticbench.networks.spiking import SpikingNetwork
from plasticbench.rules import known_rules, load_rule
from plasticbench.simulation.cuda.driver import CudaError
from plasticbench.simulation.cuda.nvrtc import compiled, compiler, resources
from plasticbench.simulation.spiking.cuda.limits import not_known
from plasticbench.simulation.spiking.cuda.plan import Plan
from plasticbench.simulation.spiking.cuda.source import kernel_source
from plasticbench.simulation.spiking.cuda.wiring import wiring_source

ARCHITECTURES = ("sm_80", "sm_90", "sm_100", "sm_120")
MOST_SPILLED = 256  # bytes


def _has_compiler() -> bool:
    try:
        return bool(compiler().version)
    except CudaError:
        return False


pytestmark = pytest.mark.skipif(
    not _has_compiler() and not (IN_CI and sys.platform == "linux"), reason="needs the wheel nvidia-cuda-nvrtc"
)


def source_of(life, rule):
    return kernel_source(Plan.of(life, batch_of(life.network, rule).structure))


def check(source, architecture):
    image, log = compiler().compile(source, architecture)
    assert image[:4] == b"\x7fELF"
    assert resources(log)["spill_stores"] <= MOST_SPILLED, (architecture, log)


@pytest.mark.parametrize(
    ("name", "architecture"), [("StabilityIE", "sm_80"), ("StabilityEE", "sm_90"), ("StabilityIIMini", "sm_120")]
)
def test_a_network_of_the_suite_compiles_and_spills_little(name, architecture):
    (life,) = plasticbench.task(f"plasticbench/{name}-v0").draw([0])
    source = source_of(life, pair())
    check(source, architecture)


@pytest.mark.parametrize("life", [modulated_life(), life_of_all_sources()], ids=["modulated", "all sources"])
def test_states_modulators_and_every_source_compile(life):
    part = WITH_STATES if life.modulator else None
    check(source_of(life, rule_of(part) if part else pair()), "sm_100")


def test_wiring_compiles():
    for wide in (False, True):
        check(wiring_source(wide), "sm_90")


def test_what_was_compiled_is_kept_and_damage_is_noticed(monkeypatch, tmp_path):
    monkeypatch.setattr("plasticbench.simulation.cuda.nvrtc.cache_dir", lambda: tmp_path)
    image = compiled(wiring_source(False), "sm_90")
    (kept,) = tmp_path.iterdir()
    monkeypatch.setattr(type(compiler()), "compile", lambda *_: (b"anew", ""))
    assert compiled(wiring_source(False), "sm_90") == image
    kept.write_bytes(kept.read_bytes()[:-1])
    assert compiled(wiring_source(False), "sm_90") == b"anew"


def test_a_slip_in_a_source_is_one_line():
    with pytest.raises(CudaError, match=r"nvrtc: .*error") as caught:
        compiler().compile('extern "C" __global__ void live() { nonsense; }', "sm_90")
    assert "\n" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_known_rule_on_every_network_of_the_suite_compiles(architecture):
    sources = {}
    for task_id in plasticbench.task_ids():
        task = plasticbench.task(task_id)
        (life,) = task.draw([0])
        if not isinstance(life.network, SpikingNetwork):
            continue
        for name in known_rules():
            try:
                ((_, batch),) = task.group(load_rule(name))
            except plasticbench.PlasticbenchError:
                continue  # of another kind of networks
            if not_known([life], batch) is not None:
                continue
            sources[kernel_source(Plan.of(life, batch.structure))] = f"{task_id} {name}"
    assert len(sources) > 20
    for source in sources:
        check(source, architecture)
