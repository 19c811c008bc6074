"""Runs whole processes and says what they took."""

from __future__ import annotations

import os
import re
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TypeVar

Key = TypeVar("Key")

ROOT = Path(__file__).resolve().parents[1]

# Linux counts the peak in kilobytes, macOS in bytes
_PEAK_UNIT = 1024 if os.uname().sysname == "Linux" else 1

_PEAK = re.compile(r"VmHWM:\s*(\d+) kB")
_LOOKED_AT_EVERY = 0.05

_LONGEST_SECONDS = 1800
"""After which a run counts as hanging, and is ended."""


class BenchError(Exception):
    """A run did not do what it was to be measured by."""


@dataclass(frozen=True)
class Run:
    """One process from its start to its end."""

    seconds: float
    cpu: float
    """Seconds, user and system."""
    peak: float
    """The greatest resident memory, in MB (10⁶ bytes), of the process and those that it has begun together."""
    began: float
    """Of the monotonic clock, which all processes share."""


def run(command: Sequence[str | Path], output: Path | None = None, environment: Mapping[str, str] | None = None) -> Run:
    """Run a command to its end, its standard output into a file. Raises BenchError when it fails.

    The peak is at least that of the process that measures: a child begins as its copy. Elsewhere than on Linux it is
    that of the greatest process.
    """
    errors = Path(f"{output}.err") if output else None
    with open(output or os.devnull, "wb") as out, open(errors or os.devnull, "wb") as err:
        began = time.monotonic()
        process = subprocess.Popen(
            [str(word) for word in command],
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        )
        alarm = threading.Timer(_LONGEST_SECONDS, process.kill)
        alarm.start()
        memory = _Memory(process.pid)
        memory.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.monotonic() - began
        except BaseException:
            process.kill()
            raise
        finally:
            alarm.cancel()
            memory.end()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        said = errors.read_bytes()[-2000:].decode("utf-8", "replace") if errors else ""
        said = said or (output.read_bytes()[-2000:].decode("utf-8", "replace") if output else "")
        raise BenchError(f"{Path(command[0]).name} ended with {process.returncode}: {said}")
    peak = max(usage.ru_maxrss * _PEAK_UNIT, memory.peak())
    return Run(seconds, usage.ru_utime + usage.ru_stime, peak / 1e6, began)


class _Memory(threading.Thread):
    """Looks at the memory of a process and of those that it begins, until its end.

    Linux keeps the peak of each process, so that only what it grows by in its last moment can be missed.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._ended = threading.Event()
        self._pid = pid
        self._peaks: dict[str, int] = {}

    def end(self) -> None:
        self._ended.set()
        self.join()

    def peak(self) -> int:
        """Bytes, rather too many than too few: the peaks of the processes may have been at different times."""
        return sum(self._peaks.values())

    def run(self) -> None:
        while not self._ended.wait(_LOOKED_AT_EVERY):
            self._look_at(str(self._pid))

    def _look_at(self, pid: str) -> None:
        process = Path("/proc", pid)
        with suppress(OSError):  # another system, or it has ended
            matched = _PEAK.search((process / "status").read_text())
            if matched:
                self._peaks[pid] = int(matched[1]) * 1024
            for child in (process / "task" / pid / "children").read_text().split():
                self._look_at(child)


class Series:
    """Several runs of the same thing."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self.runs = list(runs)

    @property
    def seconds(self) -> float:
        return median(run.seconds for run in self.runs)

    @property
    def cpu(self) -> float:
        return median(run.cpu for run in self.runs)

    @property
    def peak(self) -> float:
        return median(run.peak for run in self.runs)

    @property
    def spread(self) -> float:
        """How far the slowest run lies above the fastest one, as a share of the median: the noise of the machine."""
        return (max(run.seconds for run in self.runs) - min(run.seconds for run in self.runs)) / self.seconds

    def to_json(self) -> dict[str, object]:
        return {
            "seconds": round(self.seconds, 3),
            "cpuSeconds": round(self.cpu, 3),
            "peakMB": round(self.peak, 1),
            "allSeconds": [round(run.seconds, 3) for run in self.runs],
        }


def alternate(rounds: int, runs: Mapping[Key, Callable[[], Run]]) -> dict[Key, Series]:
    """Do all of them in turn, so many rounds: what slows the machine down for a while slows down each of them."""
    done: dict[Key, list[Run]] = {key: [] for key in runs}
    for _ in range(rounds):
        for key, once in runs.items():
            done[key].append(once())
    return {key: Series(taken) for key, taken in done.items()}
