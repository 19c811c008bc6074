"""One shop in several shards, each a process of its own, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bench.connector import ALL, RESULTS, ROWS_ONLY, Written, read
from bench.context import Context
from bench.measure import BenchError, Run
from bench.results import TIMES, Check, Result
from bench.shape import Shape
from bench.shop import ShopServer

_COUNTS = (1, 2, 4)
_FEW_WORKERS = 8
_LATENCY_MS = 50


def shards(context: Context) -> Result:
    """First syncs of all streams without files, without latency: what each shard pays."""
    shape = Shape(context.sizes.scale[-1], files=2)
    with ShopServer(shape) as server:
        rows = [_row(context, server, count, ALL, ROWS_ONLY) for count in _COUNTS]
    # where answers take their time, a process waits, and another one can wait beside it
    waiting = Shape(context.sizes.waiting, files=2, latency_ms=_LATENCY_MS)
    with ShopServer(waiting) as server:
        slow = [
            _row(context, server, count, [RESULTS], {**ROWS_ONLY, "num_workers": _FEW_WORKERS}) for count in _COUNTS
        ]
    one, most = rows[0], rows[-1]
    checks = [
        Check(
            f"requests of {most['shards']} shards, of those of one process", most["requests"] / one["requests"], TIMES
        ),
        Check(f"pages of lists of {most['shards']} shards, of those of one", most["pages"] / one["pages"], TIMES),
        Check("peak memory of a shard, the greatest", max(row["peakMB"] for row in rows), "MB", 250),
        Check("greatest state of a stream of a shard", max(row["stateBytes"] for row in rows) / 1000, "KB"),
        Check(
            f"speed of {most['shards']} shards of {_FEW_WORKERS} workers at {_LATENCY_MS} ms latency, of that of one",
            slow[0]["seconds"] / slow[-1]["seconds"],
            TIMES,
        ),
    ]
    return Result("shards", f"{shape.projects:,} projects in shards", checks, {"shards": rows, "waiting": slow})


def _row(
    context: Context, server: ShopServer, count: int, streams: list[str] | tuple[str, ...], config: Mapping[str, Any]
) -> dict[str, Any]:
    def one(index: int) -> tuple[Run, Written]:
        shard = {"shard": {"count": count, "index": index}} if count > 1 else {}
        return read(context.new_folder(), {**server.config, **config, **shard}, streams)

    server.begin(pages=True)
    with ThreadPoolExecutor(count) as pool:
        done = list(pool.map(one, range(count)))
    runs = [taken for taken, _ in done]
    seconds = max(run.began + run.seconds for run in runs) - min(run.began for run in runs)
    served = server.end(Run(seconds, sum(run.cpu for run in runs), max(run.peak for run in runs), runs[0].began))
    records = sum(written.records[RESULTS] for _, written in done)
    if records != server.shape.projects:
        raise BenchError(f"{records} of {server.shape.projects} results came from {count} shards.")
    return {
        "projects": server.shape.projects,
        "shards": count,
        "seconds": round(seconds, 1),
        "cpuSeconds": [round(run.cpu, 1) for run in runs],
        "peakMB": round(max(run.peak for run in runs), 1),
        "requests": served.requests,
        "pages": served.pages,
        "stateBytes": max(max(written.state_bytes.values()) for _, written in done),
    }
