"""A bucket to upload to, as the process that measures holds it."""

from __future__ import annotations

import json
import subprocess
import sys
from types import TracebackType
from typing import Any
from urllib.request import urlopen

from bench.measure import ROOT, BenchError

BUCKET = "print-files"


class BucketServer:
    """A server that speaks S3, in a process of its own; a context manager."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.s3"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        port = self._process.stdout.readline().strip() if self._process.stdout else ""
        if not port:
            raise BenchError("The S3 server did not start.")
        self.url = f"http://127.0.0.1:{port}"  # ignore-https-check

    def __enter__(self) -> BucketServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=20)

    def settings(self) -> dict[str, Any]:
        """With which the connector stores files here."""
        keys = {"access_key_id": "bench", "secret_access_key": "bench-secret"}
        return {"files": {"delivery": "s3", "bucket": BUCKET, "region": "us-east-1", "endpoint": self.url, **keys}}

    def expect(self, size: int, count: int) -> None:
        """Raises `BenchError` unless so many objects of that size came since it was asked last."""
        with urlopen(self.url, timeout=20) as answer:
            sizes = json.load(answer)
        if sizes != [size] * count:
            raise BenchError(f"{count} objects of {size} bytes were wanted, {sizes} came.")
