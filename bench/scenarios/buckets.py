"""Syncs that bring files straight into a bucket."""

from __future__ import annotations

import sys
from typing import Any

from bench.connector import FILES
from bench.context import Context
from bench.measure import BenchError, Run, alternate, run
from bench.results import TIMES, Check, Result
from bench.s3 import BUCKET, KEY, s3_server, sizes
from bench.shape import Shape
from bench.shop import ShopServer

_KILOBYTE = 1024
_MANY = 16


def large_file_s3(context: Context) -> Result:
    size = context.sizes.large_file
    with (
        s3_server() as url,
        ShopServer(Shape(1, files=1, file_size=_KILOBYTE)) as small,
        ShopServer(Shape(1, files=1, file_size=size)) as large,
    ):

        def library() -> Run:
            taken = run([sys.executable, "-m", "bench.s3", "upload", url, str(size)])
            _expect(url, [size])
            return taken

        done = alternate(
            context.sizes.long_rounds,
            {
                "spec": context.spec,
                "library": library,
                "large": lambda: _deliver(context, large, url, [size]),
                "small": lambda: _deliver(context, small, url, [_KILOBYTE]),
            },
        )
    taken = done["large"].seconds
    checks = [
        Check(
            "time of 1 GiB into S3, of that of the library's own upload", taken / done["library"].seconds, TIMES, 1.2
        ),
        Check("peak memory over that of a file of 1 KB", done["large"].peak - done["small"].peak, "MB", 60),
        Check("the library's own upload", done["library"].seconds, "s"),
        Check("the connector", taken, "s"),
        Check("`spec`", done["spec"].seconds, "s"),
    ]
    details = {name: series.to_json() for name, series in done.items()}
    spread = max(series.spread for series in done.values())
    return Result("large-file-s3", "One large file into a bucket", checks, details, spread)


def many_files_s3(context: Context) -> Result:
    size = context.sizes.many_files
    with (
        s3_server() as url,
        ShopServer(Shape(1, files=1, file_size=_KILOBYTE)) as small,
        ShopServer(Shape(_MANY, files=1, file_size=size)) as large,
    ):
        done = alternate(
            context.sizes.long_rounds,
            {
                "many": lambda: _deliver(context, large, url, [size] * _MANY),
                "small": lambda: _deliver(context, small, url, [_KILOBYTE]),
            },
        )
    over = done["many"].peak - done["small"].peak
    checks = [
        Check(f"peak memory over that of one file of 1 KB, {_MANY} files at once", over, "MB", 120),
        Check("bytes a second", _MANY * size / done["many"].seconds / 1e6, "MB/s"),
    ]
    details = {name: series.to_json() for name, series in done.items()}
    spread = max(series.spread for series in done.values())
    return Result("many-files-s3", "Many files at once into a bucket", checks, details, spread)


def _deliver(context: Context, server: ShopServer, url: str, expected: list[int]) -> Run:
    files: dict[str, Any] = {"delivery": "s3", "bucket": BUCKET, "endpoint": url, **KEY}
    taken, _, _ = context.sync(server, [FILES], {"files": files})
    _expect(url, expected)
    return taken


def _expect(url: str, expected: list[int]) -> None:
    found = sizes(url)
    if found != expected:
        raise BenchError(f"Objects of {expected} bytes were wanted, {found} came.")
