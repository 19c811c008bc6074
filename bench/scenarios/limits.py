"""How near a sync comes to what a server allows, over all the forms in which servers limit requests."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from bench.connector import RESULTS
from bench.context import Context
from bench.measure import BenchError, Run
from bench.results import TIMES, Check, Result
from bench.shape import Shape
from bench.shop import Served, ShopServer

_RATES = (2, 10, 50, 200)
_BURSTS = (1, 10, 50)
_TELLINGS: dict[str, dict[str, Any]] = {
    "429 with Retry-After": {},
    "429": {"retry_after": None},
    "503": {"status": 503, "retry_after": None},
}
_MOST, _WINDOWS_MOST, _AT_ONCE_MOST = 1.25, 1.25, 2.5
"""Times the ideal."""

_MOST_REFUSED, _WORKERS = 0.05, 16
"""A share of the requests, or as many as there are workers, whichever is more."""

_SECONDS = 40
"""Of a bucket, of windows of a second, and of so many at once: learning the limit is to be the beginning only."""

_WINDOWS = {1: float(_SECONDS), 10: 2.5, 60: 1.5}
"""How many windows are needed."""

_AT_ONCE, _AT_ONCE_LATENCY_MS = 4, 50

_FAST = 200
_SIDE_BY_SIDE, _FAST_SIDE_BY_SIDE = 10, 4
"""Syncs that wait most of their time disturb each other less than those that the processor keeps from waiting."""


@dataclass(frozen=True)
class Cell:
    """One limit: its form, its rate, how it is told, and how many requests of a sync meet it."""

    form: str
    telling: str
    rate: int | None
    requests: int
    most: float
    limit: dict[str, Any]
    ideal: Callable[[int], float] = field(repr=False)
    """Seconds that so many answers take at least."""
    latency_ms: float = 0


def rate_limits(context: Context) -> Result:
    cells = list(_corner() if context.sizes.limits == "corner" else _grid())
    slow = [cell for cell in cells if cell.rate != _FAST]
    fast = [cell for cell in cells if cell.rate == _FAST]
    rows: list[dict[str, Any]] = []
    for some, at_once in ((slow, _SIDE_BY_SIDE), (fast, _FAST_SIDE_BY_SIDE)):
        # the longest first, so that none is left alone at the end
        some.sort(key=lambda cell: -cell.ideal(cell.requests))
        with ThreadPoolExecutor(at_once) as pool:
            rows += pool.map(lambda cell: _measured(context, cell), some)
    rows.sort(key=lambda row: (row["form"], row["rate"] or 0, row["telling"]))
    slowest = max(rows, key=lambda row: row["ratio"] / row["most"])
    most_refused = max(rows, key=lambda row: row["refused"] / row["mostRefused"])
    checks = [
        Check(f"limits of {len(rows)} that are met", sum(row["isMet"] for row in rows), "", len(rows), True),
        Check(f"time, of the ideal: the worst ({_named(slowest)})", slowest["ratio"], TIMES, slowest["most"]),
        Check(
            f"refused requests: the worst ({_named(most_refused)})",
            most_refused["refused"],
            "",
            most_refused["mostRefused"],
        ),
    ]
    return Result("rate-limits", "Limits on requests", checks, {"cells": rows})


def _grid() -> Iterable[Cell]:
    for telling in _TELLINGS:
        for rate in _RATES:
            for window in _WINDOWS:
                # so many requests as to fill a long window fast say nothing new
                if rate != _FAST or window != max(_WINDOWS):
                    yield _windows(window, rate, telling)
            for burst in _BURSTS:
                yield _bucket(burst, rate, telling)
        yield _at_once(telling)


def _corner() -> Iterable[Cell]:
    for telling in ("429 with Retry-After", "503"):
        for rate in (10, 50):
            yield _windows(1, rate, telling)
            yield _bucket(10, rate, telling)
        yield _at_once(telling)


def _windows(seconds: int, rate: int, telling: str) -> Cell:
    limit = {"requests_per_second": rate, "window": seconds, **_TELLINGS[telling]}
    allowed = rate * seconds

    def ideal(answered: int) -> float:
        return ceil(answered / allowed) * seconds

    form = "by the second" if seconds == 1 else f"windows of {seconds} s"
    return Cell(form, telling, rate, round(_WINDOWS[seconds] * allowed), _WINDOWS_MOST, limit, ideal)


def _bucket(burst: int, rate: int, telling: str) -> Cell:
    limit = {"requests_per_second": rate, "burst": burst, **_TELLINGS[telling]}

    def ideal(answered: int) -> float:
        return (answered - burst) / rate

    return Cell(f"burst of {burst}", telling, rate, burst + _SECONDS * rate, _MOST, limit, ideal)


def _at_once(telling: str) -> Cell:
    limit = {"requests_per_second": None, "at_once": _AT_ONCE, **_TELLINGS[telling]}
    answer = _AT_ONCE_LATENCY_MS / 1000 / _AT_ONCE

    def ideal(answered: int) -> float:
        return answered * answer

    requests = round(_SECONDS / answer)
    return Cell(
        f"{_AT_ONCE} at once", telling, None, requests, _AT_ONCE_MOST, limit, ideal, latency_ms=_AT_ONCE_LATENCY_MS
    )


def _measured(context: Context, cell: Cell) -> dict[str, Any]:
    # the storefronts and the pages of the list come on top of one request for each project
    shape = Shape(max(cell.requests - 2 - cell.requests // 99, 1), latency_ms=cell.latency_ms)
    with ShopServer(shape) as server:
        folder = context.new_folder()
        config = {"num_workers": _WORKERS}
        taken, written, served = context.sync(server, [RESULTS], config, limit=cell.limit, folder=folder)
    if written.records[RESULTS] != shape.projects:
        raise BenchError(f"{written.records[RESULTS]} of {shape.projects} results came under {cell}.")
    return _row(cell, taken, served)


def _row(cell: Cell, taken: Run, served: Served) -> dict[str, Any]:
    ideal = cell.ideal(served.admitted)
    ratio = taken.seconds / ideal
    most_refused = max(_WORKERS, round(_MOST_REFUSED * (served.admitted + served.refused)))
    return {
        "form": cell.form,
        "rate": cell.rate,
        "telling": cell.telling,
        "answered": served.admitted,
        "refused": served.refused,
        "mostRefused": most_refused,
        "seconds": round(taken.seconds, 2),
        "ideal": round(ideal, 2),
        "ratio": round(ratio, 3),
        "most": cell.most,
        "isMet": ratio <= cell.most and served.refused <= most_refused,
    }


def _named(row: dict[str, Any]) -> str:
    rate = f"{row['rate']}/s, " if row["rate"] else ""
    return f"{rate}{row['form']}, {row['telling']}"
