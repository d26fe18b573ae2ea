"""Who may import whom: the rooms of the house, walked from the source."""

import ast
import tomllib
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
# A folder may import those of its own layer and of the layers above it in this list.
LAYERS = (
    ("errors", "files", "schema_errors", "language", "networks"),
    ("rules",),
    ("simulation",),
    ("drawing",),
    ("tasks",),
    ("stepping", "evaluation", "learning"),
    ("command_line", "__main__", "__init__"),
)


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


def edges() -> set[tuple[str, str]]:
    """(folder, folder that one of its modules imports), the names of the core's top level."""
    found = set()
    for path in core_files():
        parts = path.relative_to(CORE).parts
        package = ".".join(["plasticbench", *parts[:-1]])
        for name in imported_modules(path, package):
            there = name.split(".")[1] if name.startswith("plasticbench.") else ""
            if layer_of(there) >= 0:
                found.add((parts[0].removesuffix(".py"), there))
    return found


def test_every_folder_of_the_core_has_a_layer():
    for path in core_files():
        name = path.relative_to(CORE).parts[0].removesuffix(".py")
        assert layer_of(name) >= 0, f"{name} belongs to no layer: add it to this test"


def test_the_core_imports_only_downwards():
    for here, there in sorted(edges()):
        assert layer_of(there) <= layer_of(here), f"{here} imports {there}, a layer above"


def test_no_folder_imports_itself_in_a_circle():
    graph: dict[str, set[str]] = {}
    for here, there in edges():
        graph.setdefault(here, set()).add(there)
    for start in graph:
        seen, pending = set(), [name for name in graph[start] if name != start]
        while pending:
            name = pending.pop()
            assert name != start, f"{start} imports itself through others"
            if name not in seen:
                seen.add(name)
                pending.extend(graph.get(name, set()) - {name})


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_rooms_do_not_import_each_other(room):
    others = set(ROOMS) - {room}
    for path in sorted(ROOMS[room].rglob("*.py")):
        for name in imported_modules(path, f"plasticbench.{room}"):
            assert name.removeprefix("plasticbench.").split(".")[0] not in others or not name.startswith(
                "plasticbench."
            ), f"{room}/{path.name}: {name}"


def test_every_package_goes_into_the_wheel():
    listed = tomllib.loads((CORE.parent / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"][
        "packages"
    ]
    found = {".".join(path.parent.relative_to(CORE.parent).parts) for path in CORE.rglob("__init__.py")}
    for room in ("envs", "baselines", "leaderboard"):
        found |= {
            "plasticbench." + ".".join(path.parent.relative_to(CORE.parent).parts)
            for path in (CORE.parent / room).rglob("__init__.py")
        }
    assert found == set(listed)
