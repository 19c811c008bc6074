"""The sandbox's modules: no circle, arrows from serving to shop only."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[2]


def modules() -> dict[str, Path]:
    found = {}
    for path in (ROOT / "sandbox").rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(path: Path, known: set[str]) -> set[str]:
    """The modules that a module imports anywhere; a name from a package is the package's or a module in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            parts = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= parts & known or {node.module}
    return names & known


def test_given_the_modules_when_followed_then_no_path_leads_back() -> None:
    found = modules()
    graph = {name: imported(path, set(found)) for name, path in found.items()}
    assert graph["sandbox.server"] >= {"sandbox.control", "sandbox.steering"}
    TopologicalSorter(graph).prepare()


def test_given_the_shop_when_its_imports_are_followed_then_none_is_about_http() -> None:
    found = modules()
    for name, path in found.items():
        if name.startswith("sandbox.shop"):
            assert not [one for one in imported(path, set(found)) if one.startswith("sandbox.serving")]
