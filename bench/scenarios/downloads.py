"""Syncs that bring files."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.api import CLIENT_ID, CLIENT_SECRET, authorization, ids
from bench.connector import ALL, CONNECTOR, FILES, RESULTS, arguments
from bench.context import Context
from bench.measure import ROOT, BenchError, Run, alternate, run
from bench.results import TIMES, Check, Result
from bench.shape import FIRST_STOREFRONT, Shape
from bench.shop import Served, ShopServer

_LATENCY_MS = 50
_WORKERS = 32
_KILOBYTE = 1024
_MANY = 16


def first_sync(context: Context) -> Result:
    return _against_client(context, "first-sync", "First sync with files", [RESULTS, FILES], 1.2)


def all_streams(context: Context) -> Result:
    return _against_client(context, "all-streams", "First sync of all streams, with files", ALL, 1.3)


def _against_client(context: Context, name: str, title: str, streams: Sequence[str], goal: float) -> Result:
    shape = Shape(context.sizes.projects, files=2, latency_ms=_LATENCY_MS)
    count = shape.projects * shape.files
    served: dict[str, Served] = {}
    with ShopServer(shape) as server:

        def connector() -> Run:
            folder = context.new_folder()
            config = {"files": into(folder), "num_workers": _WORKERS}
            taken, written, served["connector"] = context.sync(server, streams, config)
            if written.records[FILES] != count:
                raise BenchError(f"{written.records[FILES]} rows of {count} files came.")
            _expect_files(folder, count)
            return taken

        def client() -> Run:
            folder = context.new_folder()
            server.begin()
            words = [server.url, CLIENT_ID, CLIENT_SECRET, str(folder), str(_WORKERS)]
            taken = run([sys.executable, "-m", "bench.client", *words], context.folder / "client.txt")
            served["client"] = server.end(taken)
            _expect_files(folder, count)
            return taken

        done = alternate(context.sizes.rounds, {"client": client, "connector": connector})
    checks = [
        Check("time, of that of a bare asyncio client", done["connector"].seconds / done["client"].seconds, TIMES, goal)
    ]
    requests = served["connector"].requests
    pages = -(-shape.projects // 99) + (-(-count // 99) if FILES in streams else 0)
    most = 1.03 * shape.projects + 1.0 * count + 20 + pages
    checks.append(Check("requests", requests, "", round(most) if streams is ALL else None))
    checks.append(Check("requests of the client", served["client"].requests))
    checks += [Check(f"processor time of the {who}", done[who].cpu, "s") for who in ("connector", "client")]
    checks.append(Check("the sandbox was busy", 100 * max(one.busy for one in served.values()), "%"))
    details: dict[str, Any] = {who: {**done[who].to_json(), **asdict(served[who])} for who in done}
    return Result(name, title, checks, details, max(series.spread for series in done.values()))


def into(folder: Path) -> dict[str, str]:
    """The setting that has files delivered to a folder."""
    return {"delivery": "folder", "path": str(folder)}


def _expect_files(folder: Path, count: int) -> None:
    found = sum(1 for path in folder.rglob("*") if path.is_file())
    if found != count:
        raise BenchError(f"{found} files instead of {count} were written.")


def large_file(context: Context) -> Result:
    size = context.sizes.large_file
    with (
        ShopServer(Shape(1, files=1, file_size=_KILOBYTE)) as small,
        ShopServer(Shape(1, files=1, file_size=size)) as large,
    ):
        header = authorization(large.url)
        artifact = ids(large.url, "storage/v1/artifacts?take=1", header)[0]
        address = f"{large.url}/api/storage/v1/artifacts/{artifact}/file?attachment=true"
        flushed: list[float] = []

        def curl() -> Run:
            target = context.only_folder() / "file"
            taken = run(["curl", "-sSf", "-o", target, "-H", f"Authorization: {header}", address])
            if target.stat().st_size != size:
                raise BenchError(f"curl brought {target.stat().st_size} bytes.")
            flushed.append(taken.seconds + _flush(target))
            return taken

        done = alternate(
            context.sizes.long_rounds,
            {
                "spec": context.spec,
                "curl": curl,
                "large": lambda: _download(context, large, size),
                "small": lambda: _download(context, small, _KILOBYTE),
            },
        )
        context.only_folder()
    curl_seconds = done["curl"].seconds
    checks = [
        Check(
            f"time of {_size(size)} less that of `spec`, of that of curl",
            (done["large"].seconds - done["spec"].seconds) / curl_seconds,
            TIMES,
            1.2,
        ),
        Check(
            f"peak memory over that of a file of 1 KB, {_size(size)}", done["large"].peak - done["small"].peak, "MB", 30
        ),
        Check("curl, with the file on the disk and not only in its cache", sorted(flushed)[len(flushed) // 2], "s"),
        Check("curl", curl_seconds, "s"),
        Check("the connector", done["large"].seconds, "s"),
    ]
    details = {name: series.to_json() for name, series in done.items()}
    return Result("large-file", "One large file", checks, details, max(series.spread for series in done.values()))


def many_files(context: Context) -> Result:
    size = context.sizes.many_files
    shape = Shape(_MANY, files=1, file_size=size)
    with ShopServer(Shape(1, files=1, file_size=_KILOBYTE)) as small, ShopServer(shape) as large:
        done = alternate(
            context.sizes.long_rounds,
            {
                "many": lambda: _download(context, large, size, _MANY),
                "small": lambda: _download(context, small, _KILOBYTE),
            },
        )
        context.only_folder()
    over = done["many"].peak - done["small"].peak
    checks = [
        Check(f"peak memory over that of one file of 1 KB, {_MANY} {TIMES} {_size(size)}", over, "MB", 30),
        Check("bytes a second", _MANY * size / done["many"].seconds / 1e6, "MB/s"),
    ]
    details = {name: series.to_json() for name, series in done.items()}
    return Result("many-files", "Many files at once", checks, details, max(series.spread for series in done.values()))


def _download(context: Context, server: ShopServer, size: int, count: int = 1) -> Run:
    folder = context.only_folder()
    taken, _, _ = context.sync(server, [FILES], {"files": into(folder)})
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    if sizes != [size] * count:
        raise BenchError(f"{count} files of {size} bytes were wanted, {sizes} came.")
    return taken


def _flush(path: Path) -> float:
    """Seconds until a file is on the disk."""
    began = time.monotonic()
    subprocess.run(["sync", str(path)], check=True)
    return time.monotonic() - began


def _size(count: int) -> str:
    return "1 GiB" if count == 1 << 30 else f"{count >> 20} MiB"


def side_by_side(context: Context) -> Result:
    """Two processes, each with one of two storefronts, and one process with both."""
    shape = Shape(2 * context.sizes.projects, files=2, latency_ms=_LATENCY_MS, storefronts=2)
    count = shape.projects * shape.files
    storefronts = [FIRST_STOREFRONT, FIRST_STOREFRONT + 1]
    with ShopServer(shape) as server:

        def sync(*shares: list[int]) -> Run:
            folder = context.new_folder()
            began = time.monotonic()
            running = []
            for share in shares:
                place = context.new_folder()
                config = {
                    **server.config,
                    "storefront_ids": share,
                    "files": into(folder),
                }
                words = arguments(place, config, [RESULTS, FILES])
                running.append(subprocess.Popen([str(CONNECTOR), "read", *words], cwd=ROOT, stdout=subprocess.DEVNULL))
            # each is waited for, whatever the others say
            codes = [process.wait() for process in running]
            if any(codes):
                raise BenchError("A process failed.")
            _expect_files(folder, count)
            return Run(time.monotonic() - began, 0.0, 0.0, began)

        done = alternate(
            context.sizes.long_rounds,
            {"one": lambda: sync(storefronts), "two": lambda: sync(*([id_] for id_ in storefronts))},
        )
    checks = [
        Check("time of two processes, of that of one", done["two"].seconds / done["one"].seconds, TIMES),
        Check("files a second, one process", count / done["one"].seconds),
        Check("files a second, two processes", count / done["two"].seconds),
    ]
    details = {name: series.to_json() for name, series in done.items()}
    spread = max(series.spread for series in done.values())
    return Result("side-by-side", "Two processes on disjoint storefronts", checks, details, spread)
