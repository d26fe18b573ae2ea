"""Who may import whom: the rooms of the house, walked from the source."""

import ast
from pathlib import Path

import pytest

import plasticbench
import plasticbench.baselines
import plasticbench.envs
import plasticbench.leaderboard

CORE = Path(plasticbench.__file__).parent
ROOMS = {
    "envs": Path(plasticbench.envs.__file__).parent,
    "baselines": Path(plasticbench.baselines.__file__).parent,
    "leaderboard": Path(plasticbench.leaderboard.__file__).parent,
}
# A module may import modules of its own layer and of those to its left.
LAYERS = [
    {"errors", "rules", "networks", "files"},
    {"simulation", "losses", "statistics", "render", "spiking_render", "window", "pictures", "rule_map"},
    {
        "task",
        "rate_task",
        "rate_lifetimes",
        "spiking_task",
        "spiking_lifetimes",
        "spiking_gradient",
        "registry",
        "env",
        "vector_env",
    },
    {"result", "evaluation", "learning", "run_directory", "runs", "benchmarks", "spiking_benchmark"},
    {"cli", "commands", "progress", "quickstart", "__main__", "__init__"},
]


def imported_modules(path: Path, package: str) -> set[str]:
    """Absolute names of what a file imports; relative imports resolved against its package."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            found |= {f"{module}.{alias.name}" for alias in node.names} | {module}
    return found


def layer_of(name: str) -> int:
    return next((i for i, layer in enumerate(LAYERS) if name in layer), -1)


def core_files() -> list[Path]:
    return [p for p in sorted(CORE.rglob("*.py")) if "__pycache__" not in p.parts]


def test_the_core_imports_no_room():
    for path in core_files():
        package = ".".join(["plasticbench", *path.relative_to(CORE).parts[:-1]])
        for name in imported_modules(path, package):
            room = name.removeprefix("plasticbench.").split(".")[0]
            allowed = path.name == "registry.py"  # it lists the modules of the rooms, inside functions
            assert allowed or not (name.startswith("plasticbench.") and room in ROOMS), f"{path.name}: {name}"


def test_the_core_imports_only_downwards():
    for path in core_files():
        parts = path.relative_to(CORE).parts
        here = layer_of(parts[0].removesuffix(".py"))
        assert here >= 0, f"{parts[0]} belongs to no layer: add it to this test"
        package = ".".join(["plasticbench", *parts[:-1]])
        for name in imported_modules(path, package):
            if name.startswith("plasticbench.") and (there := layer_of(name.split(".")[1])) >= 0:
                assert there <= here, f"{'/'.join(parts)} imports {name}, a layer above"


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_rooms_do_not_import_each_other(room):
    others = set(ROOMS) - {room}
    for path in sorted(ROOMS[room].rglob("*.py")):
        for name in imported_modules(path, f"plasticbench.{room}"):
            assert name.removeprefix("plasticbench.").split(".")[0] not in others or not name.startswith(
                "plasticbench."
            ), f"{room}/{path.name}: {name}"
