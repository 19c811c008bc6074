"""First syncs with many small files, beside a client that does nothing but download them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.api import CLIENT_ID, CLIENT_SECRET
from bench.connector import ALL, FILES, RESULTS, into_folder
from bench.context import Context
from bench.measure import BenchError, Run, alternate, run
from bench.results import TIMES, Check, Result
from bench.shape import PROJECTS_OF_AN_ORDER, Shape
from bench.shop import Served, ShopServer

_LATENCY_MS = 50
_WORKERS = 32


def first_sync(context: Context) -> Result:
    return _against_client(context, "first-sync", "First sync with files", [RESULTS, FILES], 1.3)


def all_streams(context: Context) -> Result:
    return _against_client(context, "all-streams", "First sync of all streams, with files", ALL, 1.5)


def _against_client(context: Context, name: str, title: str, streams: Sequence[str], goal: float) -> Result:
    shape = Shape(context.sizes.projects, files=2, latency_ms=_LATENCY_MS)
    count = shape.projects * shape.files
    served: dict[str, Served] = {}
    with ShopServer(shape) as server:

        def connector() -> Run:
            folder = context.new_folder()
            config = {**into_folder(folder), "num_workers": _WORKERS}
            taken, written, served["connector"] = context.sync(server, streams, config)
            if written.records[FILES] != count:
                raise BenchError(f"{written.records[FILES]} rows of {count} files came.")
            _expect_files(folder, count)
            return taken

        def client() -> Run:
            folder = context.new_folder()
            server.begin()
            words = [server.url, CLIENT_ID, CLIENT_SECRET, str(folder), str(_WORKERS)]
            taken = run([sys.executable, "-m", "bench.references.client", *words], context.folder / "client.txt")
            served["client"] = server.end(taken)
            _expect_files(folder, count)
            return taken

        done = alternate(context.sizes.rounds, {"client": client, "connector": connector})
    ratio = done["connector"].seconds / done["client"].seconds
    checks = [
        Check("time, of that of a bare asyncio client", ratio, TIMES, goal),
        Check("requests", served["connector"].requests, "", _most_requests(shape) if streams is ALL else None),
        Check("requests of the client", served["client"].requests),
    ]
    checks += [Check(f"time of the {who}", done[who].seconds, "s") for who in ("connector", "client")]
    checks += [Check(f"processor time of the {who}", done[who].cpu, "s") for who in ("connector", "client")]
    checks.append(Check("the sandbox was busy", 100 * max(one.busy for one in served.values()), "%"))
    details: dict[str, Any] = {who: {**done[who].to_json(), **asdict(served[who])} for who in done}
    return Result(name, title, checks, details, max(series.spread for series in done.values()))


def _most_requests(shape: Shape) -> int:
    """The goal with all streams: each project, file and order, the pages of the lists, and twenty."""
    files = shape.projects * shape.files
    pages = -(-shape.projects // 99) + -(-files // 99)
    return round(1.03 * shape.projects + files + 2 * shape.projects / PROJECTS_OF_AN_ORDER + 20 + pages)


def _expect_files(folder: Path, count: int) -> None:
    found = sum(1 for path in folder.rglob("*") if path.is_file())
    if found != count:
        raise BenchError(f"{found} files instead of {count} were written.")
