"""Device source of a network's neurons: their states in registers, a step of all of them, the end of refractoriness."""

from __future__ import annotations

from collections.abc import Iterator

from plasticbench.simulation.spiking.cuda.plan import Bank, Plan
from plasticbench.simulation.spiking.neuron_device import device_step_source
from plasticbench.simulation.spiking.random_spikes import spike_stream

_DEVICE = "__device__ __forceinline__"


def populations_source(plan: Plan) -> str:
    """`Neurons` with load_neurons, store_neurons, step_neurons; `release`."""
    models = [
        f"namespace bank_{b} {{\n{device_step_source(bank.neuron, 'float32')}}}\n"
        for b, bank in enumerate(plan.banks)
    ]  # fmt: skip
    return "".join(
        [*models, _struct(plan), _copy(plan, load=True), _copy(plan, load=False), _step(plan), _release(plan)]
    )


def _function(head: str, lines: Iterator[str]) -> str:
    return f"{_DEVICE} {head} {{\n" + "".join(f"    {line}\n" for line in lines) + "}\n"


def _struct(plan: Plan) -> str:
    members = [
        f"    float {name}_{b}[{bank.n_each}];\n" for b, bank in enumerate(plan.banks) for name in bank.neuron.state
    ]
    return "struct Neurons {\n" + "".join(members) + "};\n"


def _loop(bank: Bank, threads: int) -> list[str]:
    """Over a thread's neurons of a bank: `k` of its own, `n` of the bank."""
    last = [f"if (k == {bank.n_each - 1} && n >= {bank.size}) break;"] if bank.size % threads else []
    return [
        "#pragma unroll" if bank.unrolled else "#pragma unroll 1",
        f"for (int k = 0; k < {bank.n_each}; ++k) {{",
        f"    const int n = k * {threads} + b.tid;",
        *(f"    {line}" for line in last),
    ]


def _copy(plan: Plan, load: bool) -> str:
    def lines() -> Iterator[str]:
        yield "float* const state = b.at<float>(b.s.life.state);"
        for b, bank in enumerate(plan.banks):
            yield from _loop(bank, plan.threads)
            for row, name in enumerate(bank.neuron.state):
                mine, kept = f"x.{name}_{b}[k]", f"state[{bank.first_state + row * bank.size} + n]"
                yield f"    {mine} = {kept};" if load else f"    {kept} = {mine};"
            yield "}"

    name, kind = ("load_neurons", "Neurons&") if load else ("store_neurons", "const Neurons&")
    return _function(f"void {name}({kind} x, const Block& b)", lines())


def _step(plan: Plan) -> str:
    """All neurons integrate step `now` with what has arrived up to the step before."""

    def lines() -> Iterator[str]:
        if plan.seen:
            yield f"float* const seen = b.at<float>(b.s.life.seen) + (now & 1) * {plan.n_seen};"
        yield "const unsigned held = b.s.held[b.tid];"
        yield "unsigned fired = 0;"
        yield "bool bad = false;"
        for b, bank in enumerate(plan.banks):
            yield from _bank_step(plan, b, bank)
        yield "if (bad) atomicOr(&b.s.nan_voltage, 1);"
        yield "if (fired) {"
        hold = "".join(f"{_bits(bank):#x}u | " for bank in plan.banks if bank.refractory_steps > 0)
        if hold:
            yield f"    b.s.held[b.tid] = held | (fired & ({hold.removesuffix(' | ')}));"
        yield "    do {"
        yield "        const int k = __ffs(fired) - 1;"
        yield "        fired &= fired - 1;"
        yield from (f"        {line}" for line in _emit(plan))
        yield "    } while (fired);"
        yield "}"

    return _function("void step_neurons(Neurons& x, const Block& b, int now, const Launch& launch)", lines())


def _bits(bank: Bank) -> int:
    return ((1 << bank.n_each) - 1) << bank.bit


def _bank_step(plan: Plan, b: int, bank: Bank) -> Iterator[str]:
    yield from _loop(bank, plan.threads)
    for row, name in enumerate(bank.receptors):
        at = f"b.sums[{bank.first_sum + row * bank.size} + n]"
        yield f"    const int sum_{name} = {at};"
        unit = f"b.s.life.unit_sum[{bank.first_receptor + row}]"
        yield f"    x.{name}_{b}[k] = x.{name}_{b}[k] + (float)sum_{name} * {unit};"
        yield f"    if (sum_{name}) {at} = 0;"
    yield f"    int ready = held >> ({bank.bit} + k) & 1u ? now + 1 : now;"
    states = ", ".join(f"x.{name}_{b}[k]" for name in bank.neuron.state)
    draw = ""
    if bank.neuron.hazard_hz is not None:
        population = plan.network.populations[bank.populations[0]].name
        draw = f"spike_draw(b.s.life.seed, {spike_stream(population)}u, now, n), "
    arguments = f"launch.constant + {bank.first_constant}, now, ready, {draw}{states}"
    yield f"    const bool spikes = bank_{b}::step_neuron({arguments});"
    yield f"    bad |= x.v_{b}[k] != x.v_{b}[k];"
    yield f"    fired |= (unsigned)spikes << ({bank.bit} + k);"
    for (q, name), first in plan.seen.items():
        if q in bank.populations:
            low = plan.population_first[q] - bank.first
            high = low + plan.network.populations[q].size
            yield f"    if (n >= {low} && n < {high}) seen[{first - low} + n] = x.{name}_{b}[k];"
    yield "}"


def _emit(plan: Plan) -> Iterator[str]:
    """Neuron `k` of this thread joins the spikes of its population."""
    yield "int population = 0, first = 0, n = 0;"
    for b, bank in enumerate(plan.banks):
        inside = f"k < {bank.bit + bank.n_each}"
        yield f"{'else ' if b else ''}if ({inside}) {{" if b + 1 < len(plan.banks) or b == 0 else "else {"
        yield f"    n = (k - {bank.bit}) * {plan.threads} + b.tid + {bank.first};"
        for q in bank.populations:
            condition = f"if (n >= {plan.population_first[q]}) " if q != bank.populations[0] else ""
            yield f"    {condition}{{ population = {q}; first = {plan.population_first[q]}; }}"
        yield "}"
    yield "const int place = atomicAdd(&b.s.n_spikes[SLOT(now)][population], 1);"
    yield "b.at<INDEX>(b.s.life.ring)[SLOT(now) * N_NEURONS + first + place] = (INDEX)(n - first);"


def _release(plan: Plan) -> str:
    """Neurons that integrate again at the step after t."""

    def lines() -> Iterator[str]:
        for bank in plan.banks:
            if bank.refractory_steps < 1:
                continue
            for q in bank.populations:
                offset = plan.population_first[q] - bank.first
                yield "{"
                yield (
                    f"    const List spikes = neurons_at(b, {q}, {plan.population_first[q]}, "
                    f"t - {bank.refractory_steps});"
                )
                yield "    #pragma unroll 1"
                yield "    for (int s = b.tid; s < spikes.n; s += THREADS) {"
                yield f"        const unsigned n = spikes.at[s] + {offset};"
                yield f"        atomicAnd(&b.s.held[n % THREADS], ~(1u << ({bank.bit} + n / THREADS)));"
                yield "    }"
                yield "}"

    return _function("void release(const Block& b, int t)", lines())
