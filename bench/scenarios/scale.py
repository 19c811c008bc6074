"""What grows with the shop, and what does not."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from bench.connector import ALL, PROJECTS, ROWS_ONLY, TRACKED, Written
from bench.context import Context
from bench.measure import BenchError, Run, alternate
from bench.results import TIMES, Check, Result
from bench.shape import Shape
from bench.shop import Served, ShopServer

_NEWS = 100
_UNFINISHED = 0.1
_MOST_MEMORY = 250
_STATE_OF_5000 = 250_000
_MEGABYTE = 1_000_000


def _shop(projects: int) -> Shape:
    return Shape(projects, files=2)


def no_news(context: Context) -> Result:
    shop = context.synced(_shop(context.sizes.history))
    served: list[Served] = []

    def sync() -> Run:
        taken, written, seen = context.sync(shop.server, TRACKED, ROWS_ONLY, shop.states)
        if written.records:
            raise BenchError(f"Nothing was new, and yet there came {dict(written.records)}.")
        served.append(seen)
        return taken

    done = alternate(context.sizes.rounds, {"spec": context.spec, "sync": sync})
    checks = [
        Check("time, of that of `spec`", done["sync"].seconds / done["spec"].seconds, TIMES, 1.3),
        Check("requests", max(one.requests for one in served), "", 7),
    ]
    details = {name: series.to_json() for name, series in done.items()}
    title = f"A sync without news, {context.sizes.history:,} projects"
    return Result("no-news", title, checks, details, max(series.spread for series in done.values()))


def memory(context: Context) -> Result:
    sizes = (context.sizes.scale[0], context.sizes.scale[-1])
    small, large = (context.synced(_shop(projects)).first for projects in sizes)
    wide = Shape(context.sizes.wide, files=2, row_padding=_MEGABYTE)
    with ShopServer(wide) as server:
        taken, written, _ = context.sync(server, ALL, ROWS_ONLY)
    if written.records[PROJECTS] != wide.projects:
        raise BenchError(f"{written.records[PROJECTS]} of {wide.projects} wide rows came.")
    checks = [
        Check(f"peak, {sizes[1]:,} projects, of that of {sizes[0]:,}", large.peak / small.peak, TIMES, 1.5),
        Check(f"peak, {sizes[1]:,} projects", large.peak, "MB", _MOST_MEMORY),
        Check(f"peak, {wide.projects:,} projects with rows of 1 MB", taken.peak, "MB", _MOST_MEMORY),
        Check(f"peak, {sizes[0]:,} projects", small.peak, "MB"),
    ]
    return Result("memory", "Memory of a first sync", checks)


def scale(context: Context) -> Result:
    rows: list[dict[str, Any]] = []
    for projects in context.sizes.scale:
        shop = context.synced(_shop(projects))
        rows.append(_row(projects, "first", shop.first, shop.written, shop.served))
        taken, written, seen = context.sync(shop.server, ALL, ROWS_ONLY, shop.states)
        rows.append(_row(projects, "no news", taken, written, seen))
        shop.server.news(_NEWS)
        taken, written, seen = context.sync(shop.server, ALL, ROWS_ONLY, written.states)
        if written.records["projects"] < _NEWS:
            raise BenchError(f"Of {_NEWS} changed projects came {written.records['projects']}.")
        rows.append(_row(projects, "100 news", taken, written, seen))
        context.forget(_shop(projects))
    unfinished = [
        _unfinished(context, projects) for projects in (*context.sizes.scale[:-1], context.sizes.scale[-1] // 2)
    ]
    most = max(unfinished[-1]["stateBytes"].values())
    quiet = [row for row in rows if row["sync"] == "no news"]
    bound = _STATE_OF_5000 * unfinished[-1]["unfinished"] / 5_000
    checks = [
        Check(
            f"greatest state of a stream, {unfinished[-1]['unfinished']:,} unfinished", most / 1000, "KB", bound / 1000
        ),
        Check("requests without news, most of all sizes", max(row["requests"] for row in quiet)),
        Check(
            "greatest state without unfinished ones", max(max(row["stateBytes"].values()) for row in rows) / 1000, "KB"
        ),
    ]
    return Result("scale", "What grows with the shop", checks, {"syncs": rows, "unfinished": unfinished})


def _unfinished(context: Context, projects: int) -> dict[str, Any]:
    shape = Shape(projects, files=1, unfinished=_UNFINISHED)
    shop = context.synced(shape)
    row = _row(projects, "first", shop.first, shop.written, shop.served)
    taken, written, seen = context.sync(shop.server, TRACKED, ROWS_ONLY, shop.states)
    row["again"] = _row(projects, "no news", taken, written, seen)
    context.forget(shape)
    return {**row, "unfinished": round(projects * _UNFINISHED)}


def _row(projects: int, sync: str, taken: Run, written: Written, served: Served) -> dict[str, Any]:
    return {
        "projects": projects,
        "sync": sync,
        "seconds": round(taken.seconds, 2),
        "cpuSeconds": round(taken.cpu, 2),
        "peakMB": round(taken.peak, 1),
        "requests": served.requests,
        "records": sum(written.records.values()),
        "stateBytes": written.state_bytes,
        "sandbox": {key: value for key, value in asdict(served).items() if key in ("busy", "max_in_flight")},
    }
