"""What kernels take of a card, as the tables of docs/gpu.md: `python tests/cuda/kernel_table.py [NVDISASM]`.

Instructions are counted where nvdisasm (the wheel nvidia-cuda-nvdisasm) is given: those of a neuron's step, from the
machine code's line table.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import plasticbench
from plasticbench.simulation.cuda.nvrtc import CUDA_HEAD, compiler, resources
from plasticbench.simulation.spiking.cuda.plan import Plan
from plasticbench.simulation.spiking.cuda.source import kernel_source, shared_bytes

CASES = [
    (f"Stability{pathway}{size}", f"confavreux-2025-stability-{pathway.lower()}")
    for pathway in ("IE", "EE", "EI", "II")
    for size in ("Mini", "")
]
ARCHITECTURES = ("sm_80", "sm_90", "sm_100", "sm_120")


def main(nvdisasm: str | None) -> None:
    names = ("network", "threads", "neurons a thread", "shared memory", "architecture", "registers", "spill stores",
             "instructions a neuron")  # fmt: skip
    print(f"| {' | '.join(names)} |")
    print("|---|---|---|---|---|---|---|---|")
    for name, rule in CASES:
        task = plasticbench.task(f"plasticbench/{name}-v0")
        (life,) = task.draw([0])
        ((_, batch),) = task.group(rule)
        plan = Plan.of(life, batch.structure)
        for architecture in ARCHITECTURES:
            source = kernel_source(plan)
            image, log = compiler().compile(source, architecture, "--generate-line-info")
            found = resources(log)
            each = sum(bank.n_each for bank in plan.banks)
            count = f"{instructions(image, source, nvdisasm) / each:.0f}" if nvdisasm else ""
            print(
                f"| {name} | {plan.threads} | {each} | {shared_bytes(plan) / 1024:.1f} KiB | {architecture} | "
                f"{found['registers']} | {found['spill_stores']} B | {count} |",
                flush=True,
            )


def instructions(image: bytes, source: str, nvdisasm: str) -> int:
    """Of one thread's neurons in one step, spikes apart."""
    lines = (CUDA_HEAD + source).splitlines()
    first = next(k for k, line in enumerate(lines, 1) if line.startswith("namespace bank_0"))
    step = next(k for k, line in enumerate(lines, 1) if "void step_neurons(" in line)
    last = next(k for k, line in enumerate(lines, 1) if k > step and line.strip() == "if (fired) {")
    load = next(k for k, line in enumerate(lines, 1) if "void load_neurons(" in line)
    model_ends = next(k for k, line in enumerate(lines, 1) if k > first and line.startswith("struct Neurons"))
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        Path(file.name).write_bytes(image)
        listing = subprocess.run([nvdisasm, "-c", "-g", file.name], capture_output=True, text=True, check=True).stdout
    assert load > model_ends
    found = line = 0
    for text in listing.splitlines():
        at = re.search(r'//## File ".*?", line (\d+)', text)
        if at:
            line = int(at.group(1))
        elif re.match(r"\s+/\*[0-9a-f]{4,}\*/\s+\S", text) and (first <= line < model_ends or step <= line < last):
            found += 1
    return found


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
