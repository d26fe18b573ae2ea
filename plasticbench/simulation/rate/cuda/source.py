"""Device source of a rate network's lives: sizes, what the rules change, and the fixed rest in `kernel/live.cu`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.resources import files

from plasticbench.language.emission import dialect, emit_values
from plasticbench.networks.life import Modulator
from plasticbench.networks.rate import RateNetwork
from plasticbench.rules.batch import PathwayStructure, Structure
from plasticbench.rules.event import Event
from plasticbench.simulation.change_source import MOST_SCALARS, Registers, change_lines
from plasticbench.simulation.cuda.structs import declaration, fields
from plasticbench.simulation.rate.event_source import OF_ITEMS, sides_of
from plasticbench.simulation.rate.lives import MEMORY_AND_WEIGHTS

ARRAYS = (  # of doubles, then of integers: where each begins
    "x w_init u_init w1 b1 w2 b2 parameters rates signals "
    "w u dw du y m value fresh readout modulation w_sampled u_sampled",
    "order acting anew delivery sampled_at lived blown_up",
)
LAUNCH = [
    *fields("long long", " ".join(ARRAYS)),
    *fields("double", "limit"),
    *fields("int", "first n_seeds n_steps n_items n_slow n_deliveries n_samples padding"),
]
SHARED_BYTES = 16
_MOST_THREADS = 256
_INDENT = "    "


@dataclass(frozen=True)
class Kernel:
    """What a kernel is made for: a network, the items of a step, rules of one structure, a modulator."""

    network: RateNetwork
    n_presented: int
    stream: bool
    structure: Structure
    n_parameters: int  # places of each pathway's
    n_rates: int
    modulator: Modulator | None

    @property
    def threads(self) -> int:
        """Of a block: as many as there are items or synapses to share out, in whole warps."""
        net = self.network
        most = max(net.n_outputs * net.n_inputs, net.n_outputs**2 if net.lateral else 0, self.n_presented)
        return min(_MOST_THREADS, max(32, -(-most // 32) * 32))

    @cached_property
    def pathways(self) -> list[_Pathway]:
        found, kept = [], 0
        for k, structure in enumerate(self.structure.pathways):
            found.append(_Pathway(self, structure, k, kept))
            kept += found[-1].n_kept
        return found

    @property
    def n_kept(self) -> int:
        """Numbers that a life's rules remember."""
        return sum(pathway.n_kept for pathway in self.pathways)

    def source(self) -> str:
        """CUDA C++, but for `nvrtc.CUDA_HEAD`."""
        net = self.network
        sizes = {
            "THREADS": self.threads, "N_IN": net.n_inputs, "N_OUT": net.n_outputs, "N_ITEMS": self.n_presented,
            "STREAM": int(self.stream), "LATERAL": int(net.lateral is not None), "SIGMOID": int(net.has_readout),
            "TANH": int(net.activation == "tanh"),
            "N_KEPT": self.n_kept, "MEMORY_AND_WEIGHTS": MEMORY_AND_WEIGHTS,
            "N_PARAMETERS": self.n_parameters, "N_RATES": self.n_rates,
        }  # fmt: skip
        fixed = _fixed()
        head, _, body = fixed.partition('extern "C"')
        return "".join(
            [
                *(f"#define {name} {value}\n" for name, value in sizes.items()),
                declaration("Launch", LAUNCH),
                head,
                *(pathway.functions() for pathway in self.pathways),
                _function("deliver", "const Place& p, double signal, double* kept", self._delivery()),
                _function("change", "const Place& p, int acts_0, int acts_1, bool delivered", self._calls()),
                _function("settle", "const Place& p", [f"settle_{k}(p);" for k in range(len(self.pathways))]),
                f'extern "C"{body}',
            ]
        )

    def _calls(self) -> list[str]:
        lines = []
        for pathway in self.pathways:
            for event in pathway.events:
                when = " && delivered" if event == "on_modulator" else ""
                lines.append(f"if (acts_{pathway.k}{when}) {event}_{pathway.k}(p);")
        return lines

    def _delivery(self) -> list[str]:
        """`m` of every output, and the recording of this delivery; an output's activity is its mean over the items."""
        if self.modulator is None:
            return []
        body, values = emit_values(
            self.modulator.expression.program.lowered, {}, ("signal", "total", "activity"),
            dialect("cuda", "float64"),
        )  # fmt: skip
        activity = [
            "double activity = 0.0;",
            "for (int s = 0; s < N_ITEMS; ++s) activity += p.y[i * N_ITEMS + s];",
            "activity = activity / N_ITEMS;",
        ]
        return [
            "double total = 0.0;",
            *_loop("int i = 0; i < N_OUT; ++i", [*activity, "total += activity;"]),
            *_loop("int i = 0; i < N_OUT; ++i", [*activity, *body, f"p.m[i] = {values[-1]};", "kept[i] = p.m[i];"]),
        ]


@lru_cache(maxsize=1)
def _fixed() -> str:
    return (files(__package__) / "kernel" / "live.cu").read_text(encoding="utf-8")


def _inside(lines: Iterable[str]) -> list[str]:
    return [_INDENT + line for line in lines]


def _loop(head: str, lines: Iterable[str]) -> list[str]:
    return [f"for ({head}) {{", *_inside(lines), "}"]


def _each(name: str, count: int, lines: Iterable[str]) -> list[str]:
    return [f"EACH({name}, {count}) {{", *_inside(lines), "}"]


def _function(name: str, parameters: str, lines: Iterable[str]) -> str:
    body = "".join(f"{line}\n" for line in _inside(lines))
    return f"__device__ __forceinline__ void {name}({parameters}) {{\n{body}}}\n"


@dataclass(frozen=True)
class _Pathway:
    """The functions of one pathway: its events and `settle`. `_j` is the presynaptic neuron, `_i` the postsynaptic."""

    kernel: Kernel
    structure: PathwayStructure
    k: int
    first: int  # of what it remembers, among the life's

    @property
    def is_lateral(self) -> bool:
        return self.structure.pathway == self.kernel.network.lateral

    @property
    def shape(self) -> tuple[int, int]:
        return self.kernel.network.shape(self.structure.pathway)

    @property
    def events(self) -> list[str]:
        return [event for event in ("on_step", "on_modulator") if self.structure.targets(event)]

    @cached_property
    def sides(self) -> Mapping[str, str]:
        return sides_of(self.structure)

    @cached_property
    def target(self) -> Registers:
        return Registers("cuda", "float64", len(self.structure.parameters) <= MOST_SCALARS)

    def _size(self, side: str) -> int:
        n_post, n_pre = self.shape
        return {"pre": n_pre, "post": n_post, "synapse": n_post * n_pre}[side]

    @cached_property
    def remembered(self) -> list[str]:
        """States, then traces."""
        return [item.name for item in self.structure.states] + [trace.name for trace in self.structure.traces]

    @cached_property
    def places(self) -> dict[str, int]:
        """Where each state and trace begins among what the life remembers."""
        found, place = {}, self.first
        for name in self.remembered:
            found[name] = place
            place += self._size(self.sides[name])
        return found

    @property
    def n_kept(self) -> int:
        return sum(self._size(self.sides[name]) for name in self.remembered)

    def functions(self) -> str:
        parts = [_function(f"{event}_{self.k}", "const Place& p", self._event(event)) for event in self.events]
        return "".join([*parts, _function(f"settle_{self.k}", "const Place& p", self._settle())])

    # ------------------------------------------------------------ events

    def _event(self, event: str) -> list[str]:
        changes = self.structure.targets(event)
        at_synapses = {n: c for n, c in changes.items() if self.sides[n] == "synapse"}
        lines = self._head() + self._synapses(at_synapses)
        for side in ("pre", "post"):
            lines += self._neurons({n: c for n, c in changes.items() if self.sides[n] == side}, side)
        return lines

    def _head(self) -> list[str]:
        weights, inputs = ("p.u", "p.y") if self.is_lateral else ("p.w", "p.x")
        lines = [
            f"const double* const w = {weights};",
            f"const double* const pre = {inputs};",
            "const double* const post = p.y;",
            f"const double* const parameters = p.parameters + {self.k} * N_PARAMETERS;",
        ]
        if self.target.in_registers:
            lines += [f"const double p{c} = parameters[{c}];" for c in range(len(self.structure.parameters))]
        return lines

    def _synapses(self, changes: Mapping[str, Event]) -> list[str]:
        if not changes:
            return []
        n_post, n_pre = self.shape
        read = frozenset().union(*(change.variables for change in changes.values()))
        inner = [f"const int _i = _k / {n_pre}, _j = _k % {n_pre};"]
        if self.is_lateral:
            inner.append("if (_i <= _j) continue;")
        inner += ["const double v_w = w[_k];", *self._loads(read, ("pre", "post", "synapse"))]
        for name, change in changes.items():
            inner += self._mean(change, f"mean_{name}")
        dw = "p.du" if self.is_lateral else "p.dw"
        for name in changes:
            place = f"{dw}[_k]" if name == "w" else f"p.fresh[{self.places[name]} + _k]"
            inner.append(f"{place} += mean_{name};")
        return _each("_k", n_post * n_pre, inner)

    def _neurons(self, changes: Mapping[str, Event], side: str) -> list[str]:
        if not changes:
            return []
        neuron = "_j" if side == "pre" else "_i"
        inner = self._loads(frozenset().union(*(c.variables for c in changes.values())), (side,))
        for name, change in changes.items():
            inner += [*self._mean(change, f"mean_{name}"), f"p.fresh[{self.places[name]} + {neuron}] += mean_{name};"]
        return _each(neuron, self._size(side), inner)

    def _loads(self, read: frozenset[str], sides: tuple[str, ...]) -> list[str]:
        """States, traces and the modulator, at these sides of the synapse."""
        index = {"pre": "_j", "post": "_i", "synapse": "_k"}
        lines = [
            f"const double v_{name} = p.value[{self.places[name]} + {index[self.sides[name]]}];"
            for name in sorted(read & set(self.places)) if self.sides[name] in sides
        ]  # fmt: skip
        return [*lines, "const double v_m = p.m[_i];"] if "post" in sides and "m" in read else lines

    def _mean(self, change: Event, name: str) -> list[str]:
        """The mean over the items of a step, in four partial sums, where the change differs between them."""
        if not change.variables & OF_ITEMS:
            return self._assigned(name, change_lines(change, "_d", self.sides, self.target))
        loads = []
        if "pre" in change.variables:
            loads.append("const double v_pre = pre[_j * N_ITEMS + _s];")
        if "post" in change.variables:
            loads.append("const double v_post = post[_i * N_ITEMS + _s];")
        if "reconstruction" in change.variables:
            n_pre = self.shape[1]
            loads += [
                "double v_reconstruction = 0.0;",
                f"for (int _r = 0; _r <= _i; ++_r) v_reconstruction += w[_r * {n_pre} + _j] * post[_r * N_ITEMS + _s];",
            ]
        whole = self.kernel.n_presented // 4 * 4
        return [
            f"double {name};",
            "{",
            *_inside(
                [
                    "double _t[4] = {0.0, 0.0, 0.0, 0.0};",
                    *_loop(
                        "int _s = 0; _s < N_ITEMS; ++_s",
                        [
                            *loads, *change_lines(change, "_d", self.sides, self.target),
                            f"_t[_s < {whole} ? _s & 3 : 0] += _d;",
                        ],
                    ),
                    f"{name} = ((_t[0] + _t[1]) + (_t[2] + _t[3])) / N_ITEMS;",
                ]
            ),
            "}",
        ]  # fmt: skip

    @staticmethod
    def _assigned(name: str, lines: list[str]) -> list[str]:
        """The number `_d` under another name; what leads to it stays in a block."""
        return [f"double {name};", "{", *_inside([*lines, f"{name} = _d;"]), "}"]

    # ------------------------------------------------------------ the end of a step

    def _settle(self) -> list[str]:
        """Traces move, states take their changes, then decay."""
        rates = {name: f"p.rates[{self.k} * N_RATES + {q}]" for q, name in enumerate(self.remembered)}
        lines = self._head() if self.structure.traces else []
        for trace in self.structure.traces:
            assert trace.of is not None
            neuron = "_j" if trace.side == "pre" else "_i"
            value = f"p.value[{self.places[trace.name]} + {neuron}]"
            moved = [*self._mean(trace.of, "mean"), f"{value} += (mean - {value}) * {rates[trace.name]};"]
            lines += _each(neuron, self._size(trace.side), moved)
        for state in self.structure.states:
            at = f"[{self.places[state.name]} + _k]"
            taken = f"p.value{at} = (p.value{at} + p.fresh{at}) * {rates[state.name]};"
            lines += _each("_k", self._size(state.scope), [taken])
        return lines
