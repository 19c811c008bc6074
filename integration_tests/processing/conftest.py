"""What the tests of processing share: a connection whose waits let the shop's time pass, a diary of what it asks."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import Any

import pytest

from integration_tests.conftest import Connection
from integration_tests.engine import STREAMS, SandboxClock
from sandbox import RequestRecord, Sandbox
from source_customerscanvas.sync.kinds import ARTIFACTS, FILES, PROJECTS, RESULTS

ASKED = r"/projects/\d+/processing-results$"
TRIED = r"/(resume|restart)-processing$"

every_selection = pytest.mark.parametrize(
    "streams", [STREAMS, (RESULTS,), (ARTIFACTS,), (FILES,), (PROJECTS,), (RESULTS, FILES)], ids=" ".join
)

FACTOR = 60
"""A minute of the sandbox and of the connector is a second of ours."""


class Diary:
    """What the connector asked the shop and what came out of it, each with the shop's time in seconds."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._start = sandbox.now()
        self.asked: dict[int, list[float]] = defaultdict(list)
        self.tried: dict[int, list[float]] = defaultdict(list)
        self.taken: list[tuple[float, str, str, dict[str, Any]]] = []
        sandbox.on(ASKED, self._note_question)
        sandbox.on(TRIED, self._note_try, method="POST")

    @property
    def now(self) -> float:
        return (self._sandbox.now() - self._start).total_seconds()

    def take(self, stream: str, kind: str, content: dict[str, Any]) -> None:
        self.taken.append((self.now, stream, kind, content))

    def state_times(self, stream: str) -> list[float]:
        return [at for at, name, kind, _ in self.taken if (name, kind) == (stream, "state")]

    def record_times(self, stream: str) -> list[int]:
        return [round(at) for at, name, kind, _ in self.taken if (name, kind) == (stream, "record")]

    def rounds(self) -> list[int]:
        """The moments at which anything was asked for, to the second."""
        return sorted({round(at) for times in self.asked.values() for at in times})

    def _note_question(self, request: RequestRecord) -> None:
        self.asked[project_of(request)].append(self.now)

    def _note_try(self, request: RequestRecord) -> None:
        self.tried[project_of(request)].append(self.now)


def project_of(request: RequestRecord) -> int:
    return int(request.path.split("/")[-2])


def wait(minutes: int, poll_seconds: int = 120, **processing: Any) -> dict[str, Any]:
    return {"wait_minutes": minutes, "poll_seconds": poll_seconds, **processing}


def assert_no_question_within_a_minute(diary: Diary) -> None:
    for times in diary.asked.values():
        gaps = [later - earlier for earlier, later in pairwise(times)]
        assert all(gap > 59.999 for gap in gaps), times


def failures_named(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "has failed: " in record.getMessage()]


@pytest.fixture
def diary(sandbox: Sandbox) -> Diary:
    return Diary(sandbox)


@pytest.fixture
def connection(sandbox: Sandbox, diary: Diary) -> Connection:
    """A connection that lets the shop's time pass while it waits."""
    connection = Connection(sandbox, taken_by=diary.take)
    connection.clock = SandboxClock(sandbox)
    return connection
