"""One shop in several shards, each a process of its own, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bench.bucket import BucketServer
from bench.connector import ALL, FILES, RESULTS, ROWS_ONLY, Written, read
from bench.context import Context
from bench.measure import BenchError, Run
from bench.results import TIMES, Check, Result
from bench.shape import Shape
from bench.shop import ShopServer

_COUNTS = (1, 2, 4)
_FEW_WORKERS = 8
_LATENCY_MS = 50
_SLOW = 10e6
"""Bytes a second of each download."""


Row = dict[str, Any]


def shards(context: Context) -> Result:
    """First syncs of all streams without files, without latency: what each shard pays."""
    shape = Shape(context.sizes.scale[-1], files=2)
    with ShopServer(shape) as server:
        rows = [_row(context, server, count, ALL, ROWS_ONLY) for count in _COUNTS]
    # where answers take their time, a process waits, and another one can wait beside it
    waiting = Shape(context.sizes.waiting, files=2, latency_ms=_LATENCY_MS)
    with ShopServer(waiting) as server:
        few = {**ROWS_ONLY, "num_workers": _FEW_WORKERS}
        slow = [_row(context, server, count, [RESULTS], few) for count in _COUNTS]
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


def shard_files(context: Context) -> Result:
    """First syncs of large files into a bucket: what moving the bytes takes, and what each shard adds."""
    files, size = context.sizes.shared_files
    done: dict[int, list[Row]] = {count: [] for count in _COUNTS}
    with BucketServer() as bucket:
        with ShopServer(Shape(files, files=1, file_size=size)) as server:
            # in turn, so that what slows the machine down for a while slows down each of them
            for _ in range(context.sizes.long_rounds):
                for count, found in done.items():
                    found.append(_bytes_row(context, server, bucket, count))
        # where the bytes come slowly, a process waits, and another one can wait beside it
        with ShopServer(Shape(files // 4, files=1, file_size=size, bytes_per_second=_SLOW)) as server:
            slow = [_bytes_row(context, server, bucket, count) for count in _COUNTS]
    rows, spreads = [], []
    for found in done.values():
        found.sort(key=lambda row: float(row["seconds"]))
        rows.append(found[len(found) // 2])
        spreads.append((found[-1]["seconds"] - found[0]["seconds"]) / rows[-1]["seconds"])
    one, most = rows[0], rows[-1]
    many = f"{most['shards']} shards"
    checks = [
        Check("bytes a second, one process", one["megabytesPerSecond"], "MB/s"),
        Check(f"bytes a second, {many} together", most["megabytesPerSecond"], "MB/s"),
        Check("processor time for each GB, one process", one["cpuSecondsPerGigabyte"], "s"),
        Check(f"processor time for each GB, {many} together", most["cpuSecondsPerGigabyte"], "s"),
        Check("the sandbox was busy, one process", 100 * one["sandboxBusy"], "%"),
        Check(f"requests of {many}, of those of one process", most["requests"] / one["requests"], TIMES),
        Check("peak memory of a shard, the greatest", max(row["peakMB"] for row in rows), "MB"),
        Check(
            f"speed of {many} at {_SLOW / 1e6:.0f} MB/s of each download, of that of one process",
            slow[0]["seconds"] / slow[-1]["seconds"],
            TIMES,
        ),
    ]
    title = f"{files} files of {size >> 20} MiB into a bucket, in shards"
    return Result("shard-files", title, checks, {"shards": rows, "slow": slow}, max(spreads))


def _bytes_row(context: Context, server: ShopServer, bucket: BucketServer, count: int) -> Row:
    row = _row(context, server, count, [RESULTS, FILES], bucket.settings())
    files, size = server.shape.projects, server.shape.file_size or 0
    bucket.expect(size, files)
    return {
        **row,
        "bytes": files * size,
        "megabytesPerSecond": round(files * size / row["seconds"] / 1e6, 1),
        "cpuSecondsPerGigabyte": round(sum(row["cpuSeconds"]) / (files * size) * 1e9, 2),
    }


def _row(context: Context, server: ShopServer, count: int, streams: Sequence[str], config: Mapping[str, Any]) -> Row:
    """So many shards side by side, from the start of the first one to the end of the last one."""

    def one(index: int) -> tuple[Run, Written]:
        shard = {"shard": {"count": count, "index": index}} if count > 1 else {}
        return read(context.new_folder(), {**server.config, **config, **shard}, streams)

    server.begin(pages=True)
    with ThreadPoolExecutor(count) as pool:
        done = list(pool.map(one, range(count)))
    runs = [taken for taken, _ in done]
    seconds = max(run.began + run.seconds for run in runs) - min(run.began for run in runs)
    peak = max(run.peak for run in runs)
    served = server.end(Run(seconds, sum(run.cpu for run in runs), peak, runs[0].began))
    records = sum(written.records[RESULTS] for _, written in done)
    if records != server.shape.projects:
        raise BenchError(f"{records} of {server.shape.projects} results came from {count} shards.")
    return {
        "projects": server.shape.projects,
        "shards": count,
        "seconds": round(seconds, 2),
        "cpuSeconds": [round(run.cpu, 1) for run in runs],
        "peakMB": round(peak, 1),
        "peaksMB": [round(run.peak, 1) for run in runs],
        "requests": served.requests,
        "pages": served.pages,
        "sandboxBusy": round(served.busy, 3),
        "stateBytes": max(max(written.state_bytes.values()) for _, written in done),
    }
