"""Rows of one list, as fast as they can be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.connector import DLT, PROJECTS, STOCK
from bench.context import Context
from bench.installed import CONNECTOR, install_dlt
from bench.measure import BenchError, Run, alternate
from bench.results import TIMES, Check, Result
from bench.shape import Shape
from bench.shop import Served, ShopServer

_CONNECTIONS = 32
_LOAD_SECONDS = 5.0
_PAGE = 100


def sandbox(context: Context) -> Result:
    """What the fake server bears, since nothing else can be measured beyond it."""
    with ShopServer(Shape(context.sizes.projects * 5)) as server:
        files, _ = context.load(server, "files", _CONNECTIONS, _LOAD_SECONDS)
        pages, _ = context.load(server, "pages", _CONNECTIONS, _LOAD_SECONDS)
    checks = [
        Check(f"requests a second for results and small files, {_CONNECTIONS} connections", files, "/s"),
        Check("projects a second in pages of 100", pages * _PAGE, "/s"),
    ]
    return Result("sandbox", "What the sandbox bears", checks)


def projects(context: Context) -> Result:
    shape = Shape(context.sizes.listed, files=1)
    served: dict[str, Served] = {}
    commands: dict[str, Sequence[str | Path]] = {"stock": STOCK, "connector": (CONNECTOR,)}
    if install_dlt():
        commands["dlt"] = DLT
    with ShopServer(shape) as server:

        def reading(who: str) -> Callable[[], Run]:
            def once() -> Run:
                taken, written, served[who] = context.sync(server, [PROJECTS], {}, command=commands[who])
                if written.records[PROJECTS] != shape.projects:
                    raise BenchError(f"{written.records[PROJECTS]} of {shape.projects} projects came from {who}.")
                return taken

            return once

        done = alternate(context.sizes.long_rounds, {who: reading(who) for who in commands})
    ratio = done["stock"].seconds / done["connector"].seconds
    checks = [Check("records a second, of those of a stock manifest", ratio, TIMES, 1.5, True)]
    names = {"connector": "", "stock": ", stock manifest", "dlt": ", dlt's REST source"}
    checks += [
        Check(f"records a second{name}", shape.projects / done[who].seconds, "/s")
        for who, name in names.items()
        if who in done
    ]
    checks.append(Check("the sandbox was busy", 100 * served["connector"].busy, "%"))
    details: dict[str, Any] = {who: {**done[who].to_json(), **asdict(served[who])} for who in done}
    title = f"{shape.projects:,} projects without latency"
    return Result("projects", title, checks, details, max(series.spread for series in done.values()))
