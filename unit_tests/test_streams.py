"""When the partition of a tracked stream emits its state."""

from collections.abc import Iterator
from itertools import pairwise
from typing import cast

import pytest
from airbyte_cdk.models import AirbyteMessage, Type

from source_customerscanvas.state.stream_state import Scope, StreamState
from source_customerscanvas.streams import TrackedPartition
from source_customerscanvas.sync.emissions import emissions
from source_customerscanvas.sync.outcomes import Outcome
from source_customerscanvas.sync.progress import StreamProgress
from source_customerscanvas.sync.sync import Sync
from unit_tests.http_server import FakeClock


class PlannedSync:
    """A sync that finds something, or nothing, every so many seconds."""

    def __init__(self, clock: FakeClock, found: list[Outcome | None], seconds: float | None = None) -> None:
        self._clock = clock
        self._found = found
        self._seconds = seconds

    def outcomes(self, stream: StreamProgress, patience: float) -> Iterator[Outcome | None]:
        for outcome in self._found:
            self._clock.pass_time(patience if self._seconds is None else self._seconds)
            yield outcome
            if outcome:
                stream.remember(outcome)


def messages(clock: FakeClock, found: list[Outcome | None], seconds: float | None = None) -> list[tuple[float, str]]:
    """What the partition emits, each with its moment: "state" or "record"."""
    progress = StreamProgress("projects", StreamState(Scope(), "2026-01-31T12:00:00.000000Z"), lambda _: "", 10)
    partition = TrackedPartition("projects", emissions(progress, cast(Sync, PlannedSync(clock, found, seconds)), clock))
    emitted = []
    for message in partition.read():
        if not isinstance(message, AirbyteMessage):
            emitted.append((clock.monotonic(), "record"))
        elif message.type == Type.STATE:
            emitted.append((clock.monotonic(), "state"))
    return emitted


def one_project() -> Outcome:
    return Outcome([({"id": 1}, None)], finished=1)


@pytest.mark.parametrize(
    ("found", "seconds"),
    [([None] * 40, None), ([one_project() for _ in range(100)], 1.0), ([one_project() for _ in range(30)], 4.9)],
    ids=["nothing found", "one a second", "slowly"],
)
def test_given_a_long_sync_when_read_then_there_is_a_state_at_least_every_15_seconds(
    found: list[Outcome | None], seconds: float | None
) -> None:
    clock = FakeClock()
    moments = [clock.monotonic(), *(at for at, kind in messages(clock, found, seconds) if kind == "state")]
    assert max(after - before for before, after in pairwise(moments)) <= 15


def test_given_many_projects_at_once_when_read_then_there_is_a_state_every_200_of_them() -> None:
    kinds = [kind for _, kind in messages(FakeClock(), [one_project() for _ in range(1000)], 0.001)]
    batches = "".join("|" if kind == "state" else "." for kind in kinds).strip("|").split("|")
    assert [len(batch) for batch in batches] == [200] * 5
