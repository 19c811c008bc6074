"""Syncs of rows: as fast as they can be, and as fast as a server lets them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from bench.connector import PROJECTS, RESULTS, STOCK
from bench.context import Context
from bench.measure import BenchError, Run, Series, alternate
from bench.results import TIMES, Check, Result
from bench.shape import Shape
from bench.shop import Served, ShopServer

_CONNECTIONS = 32
_LOAD_SECONDS = 5.0
_RATE = 50
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
    with ShopServer(shape) as server:

        def connector() -> Run:
            taken, written, served["connector"] = context.sync(server, [PROJECTS], {})
            return _expect(taken, written.records[PROJECTS])

        def stock() -> Run:
            taken, written, served["stock"] = context.sync(server, [PROJECTS], {}, command=STOCK)
            return _expect(taken, written.records[PROJECTS])

        def _expect(taken: Run, records: int) -> Run:
            if records != shape.projects:
                raise BenchError(f"{records} of {shape.projects} projects came.")
            return taken

        done = alternate(context.sizes.long_rounds, {"stock": stock, "connector": connector})
    checks = [
        Check(
            "records a second, of those of a stock manifest",
            done["stock"].seconds / done["connector"].seconds,
            TIMES,
            1.5,
            True,
        ),
        Check("records a second", shape.projects / done["connector"].seconds, "/s"),
        Check("records a second, stock manifest", shape.projects / done["stock"].seconds, "/s"),
        Check("the sandbox was busy", 100 * served["connector"].busy, "%"),
    ]
    details: dict[str, Any] = {who: {**done[who].to_json(), **asdict(served[who])} for who in done}
    title = f"{shape.projects:,} projects without latency"
    return Result("projects", title, checks, details, max(series.spread for series in done.values()))


def rate_limit(context: Context) -> Result:
    """The ideal is what the server answered, at its rate: the requests that it refused were not worth making."""
    # a token, the storefronts, and the pages of the list come on top of one request for each project
    wanted = context.sizes.limited - 3 - context.sizes.limited // 99
    checks: list[Check] = []
    details: dict[str, Any] = {}
    noise = 0.0
    with ShopServer(Shape(wanted)) as server:
        for shape, burst in (("a second's burst", None), ("a burst of 5", 5.0)):
            runs, served = [], []
            for _ in range(min(2, context.sizes.long_rounds)):
                taken, written, seen = context.sync(server, [RESULTS], {}, limit=_RATE, burst=burst)
                if written.records[RESULTS] != wanted:
                    raise BenchError(f"{written.records[RESULTS]} of {wanted} results came.")
                runs.append(taken)
                served.append(seen)
            series = Series(runs)
            answered = max(one.requests - one.refused for one in served)
            refused = max(one.refused / one.requests for one in served)
            checks += [
                Check(f"time, of the ideal ({shape})", series.seconds / (answered / _RATE), TIMES, 1.1),
                Check(f"requests answered 429 ({shape})", 100 * refused, "%", 2),
            ]
            details[shape] = {**series.to_json(), "answered": answered, **asdict(served[-1])}
            noise = max(noise, series.spread)
    title = f"{context.sizes.limited:,} requests to a server that allows {_RATE} a second"
    return Result("rate-limit", title, checks, details, noise)
