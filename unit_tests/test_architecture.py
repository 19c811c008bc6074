"""The house: which room may use which, and how large a module and a class may grow."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = "source_customerscanvas"

LAYERS = (
    ("addresses", "errors", "times"),
    ("settings",),
    ("api",),
    ("files", "state"),
    ("sync",),
    ("run", "source", "streams", "components", "checks"),
)
"""Rooms and the modules beside them, from the ground up: each may use what lies below it."""

SAME_LAYER = {("run", "source"), ("run", "streams"), ("source", "streams"), ("source", "components")}
SAME_LAYER |= {("source", "checks"), ("components", "streams")}
"""What a module of Airbyte's side uses of it: the command line the source, the source its streams."""

AIRBYTES_SIDE = LAYERS[-1]

MOST_LINES = 400
MOST_METHODS = 14


def modules(folder: str) -> dict[str, ast.Module]:
    """The modules of a package by their full names."""
    found = {}
    for path in sorted((ROOT / folder).rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """All statements but those that only a type checker reads."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for other in child.orelse:
                yield other
                yield from statements(other)
            continue
        yield child
        yield from statements(child)


def imports(tree: ast.Module) -> set[str]:
    """The full names of what a module imports, wherever in it."""
    found = set()
    for node in statements(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "an import is written with its full name"
            found |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def graph(folder: str) -> dict[str, set[str]]:
    """Which modules of a package each of them imports."""
    trees = modules(folder)
    return {name: {one for one in imports(tree) if one in trees and one != name} for name, tree in trees.items()}


def room(module: str) -> str:
    """The room of a module, or the module itself where it lies beside the rooms."""
    return module.split(".")[1] if "." in module else ""


def circle(edges: Mapping[str, set[str]]) -> list[str]:
    """Modules that use each other in a circle; empty where there are none."""
    done: set[str] = set()

    def visit(name: str, way: list[str]) -> list[str]:
        if name in way:
            return [*way[way.index(name) :], name]
        if name not in done:
            for other in sorted(edges[name]):
                if found := visit(other, [*way, name]):
                    return found
            done.add(name)
        return []

    return next((found for name in edges if (found := visit(name, []))), [])


@pytest.mark.parametrize("folder", [PACKAGE, "sandbox"])
def test_given_the_modules_of_a_package_when_their_imports_are_followed_then_they_never_lead_back(folder: str) -> None:
    edges = graph(folder)
    assert len(edges) > 10
    assert circle(edges) == []


def test_given_the_rooms_when_one_uses_another_then_it_lies_below_it() -> None:
    height = {name: number for number, layer in enumerate(LAYERS) for name in layer}
    edges = graph(PACKAGE)
    assert {room(module) for module in edges} - {""} == set(height)
    upwards = [
        f"{module} uses {used}"
        for module, others in edges.items()
        for used in others
        if room(used) and room(used) != room(module) and height[room(used)] >= height[room(module)]
        if (room(module), room(used)) not in SAME_LAYER
    ]
    assert upwards == []


def test_given_the_framework_when_it_is_imported_then_only_on_airbytes_side() -> None:
    users = {
        module for module, tree in modules(PACKAGE).items() for name in imports(tree) if name.startswith("airbyte")
    }
    assert {room(module) for module in users} <= set(AIRBYTES_SIDE)
    assert users


@pytest.mark.parametrize("folder", [PACKAGE, "sandbox"])
def test_given_a_module_when_it_is_read_then_it_fits_one_sitting(folder: str) -> None:
    sizes = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in (ROOT / folder).rglob("*.py")}
    assert {path.relative_to(ROOT).as_posix() for path, lines in sizes.items() if lines > MOST_LINES} == set()


@pytest.mark.parametrize("folder", [PACKAGE, "sandbox"])
def test_given_a_class_when_its_methods_are_counted_then_they_are_under_fifteen(folder: str) -> None:
    large = set()
    for module, tree in modules(folder).items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                functions = [one for one in node.body if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef))]
                own = [one for one in functions if not one.name.startswith("__")]
                if len(own) > MOST_METHODS:
                    large.add(f"{module}.{node.name}")
    assert large == set()


def test_given_the_rooms_when_their_tests_are_looked_for_then_they_are_laid_out_the_same_way() -> None:
    tested = {path.name for path in (ROOT / "unit_tests").iterdir() if path.is_dir() and path.name != "__pycache__"}
    rooms = {path.name for path in (ROOT / PACKAGE).iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert rooms <= tested
