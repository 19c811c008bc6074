"""The sandbox's process, as the process that measures holds it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any

from bench.measure import ROOT, BenchError, Run
from bench.shape import Shape


@dataclass(frozen=True)
class Served:
    """What the sandbox was asked during a run."""

    requests: int
    pages: int
    """Of the lists of projects and of artifacts, where they were to be counted."""
    admitted: int
    refused: int
    """By the limit, where there is one."""
    first_at: float | None
    busy: float
    """Its processor time, as a share of the run's: near 1, the sandbox itself is the bottleneck."""
    max_in_flight: int


class ShopServer:
    """A shop behind the sandbox, in a process of its own; a context manager."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.server", json.dumps(asdict(shape))],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        ready = self._hear()
        self.url: str = ready["url"]
        self.config: dict[str, Any] = ready["config"]

    def __enter__(self) -> ShopServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Its end of input ends it."""
        if self._process.stdin:
            self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()

    def begin(self, limit: Mapping[str, Any] | None = None, *, pages: bool = False) -> None:
        """Count from here on, under a limit with the settings of `sandbox.Limiter`."""
        self._ask("begin", limit=limit, pages=pages)

    def end(self, run: Run) -> Served:
        """What was asked for since `begin`."""
        answer = self._ask("end")
        if answer["failed"]:
            raise BenchError(f"The sandbox failed {answer['failed']} times.")
        return Served(
            requests=answer["requests"],
            pages=answer["pages"],
            admitted=answer["admitted"],
            refused=answer["refused"],
            first_at=answer["firstAt"],
            busy=answer["cpu"] / run.seconds,
            max_in_flight=answer["maxInFlight"],
        )

    def news(self, count: int) -> None:
        self._ask("news", count=count)

    def _ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        if self._process.stdin is None:
            raise BenchError("The sandbox has no standard input.")
        self._process.stdin.write(json.dumps({"command": command, **arguments}) + "\n")
        self._process.stdin.flush()
        return self._hear()

    def _hear(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise BenchError("The sandbox ended.")
        answer: dict[str, Any] = json.loads(line)
        return answer
