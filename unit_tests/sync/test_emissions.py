"""When the state of a stream is emitted, and what comes before it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from typing import cast

import pytest

from source_customerscanvas.errors import CustomersCanvasError, ProjectsFailed, ServerTrouble, Trouble
from source_customerscanvas.sync.counts import Estimate
from source_customerscanvas.sync.dispatcher import Dispatcher
from source_customerscanvas.sync.emissions import Emission, State, emissions
from source_customerscanvas.sync.kinds import PROJECTS
from source_customerscanvas.sync.outcomes import Outcome
from source_customerscanvas.sync.progress import StreamProgress
from unit_tests.http_server import FakeClock
from unit_tests.watched import KEY, project, settled, stream


class PlannedDispatcher:
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
                if outcome.note:
                    outcome.note()
                stream.counts.hand_over(outcome)


def emitted(
    clock: FakeClock,
    found: list[Outcome | None],
    seconds: float | None = None,
    progress: StreamProgress | None = None,
) -> Iterator[tuple[float, Emission]]:
    planned = cast(Dispatcher, PlannedDispatcher(clock, found, seconds))
    for emission in emissions(progress or stream(name=PROJECTS), planned, clock):
        yield clock.monotonic(), emission


def one_project() -> Outcome:
    return Outcome(PROJECTS, [({"id": 1}, None)], finished=1)


@pytest.mark.parametrize(("projects", "seconds"), [(100, 1.0), (30, 4.9)], ids=["one a second", "slowly"])
def test_given_a_state_that_changes_when_read_then_it_is_emitted_at_least_every_15_seconds(
    projects: int, seconds: float
) -> None:
    clock, progress = FakeClock(), stream(name=PROJECTS)
    found: list[Outcome | None] = [
        Outcome(PROJECTS, [({"id": id_}, None)], partial(progress.owe, KEY, id_), finished=1)
        for id_ in range(1, projects + 1)
    ]
    states = [at for at, emission in emitted(clock, found, seconds, progress) if isinstance(emission, State)]
    moments = [1000.0, *states]
    assert max(after - before for before, after in pairwise(moments)) <= 15


def test_given_a_state_that_stays_as_it_is_when_read_then_it_is_emitted_seldom() -> None:
    clock = FakeClock()
    hour = [None] * round(3600 / 2.5)
    states = [at for at, emission in emitted(clock, [*hour], None) if isinstance(emission, State)]
    assert 6 <= len(states) <= 8
    assert max(after - before for before, after in pairwise([1000.0, *states])) <= 610


def test_given_a_state_that_was_not_emitted_as_nothing_has_changed_when_waited_for_then_nobody_waits() -> None:
    progress = stream(name=PROJECTS)
    for _, emission in emitted(FakeClock(), [None] * 40, None, progress):
        if isinstance(emission, State):
            progress.states_out.note_out()
    assert progress.states_out.wait(0)


def test_given_many_projects_at_once_when_read_then_there_is_a_state_every_200_of_them() -> None:
    found: list[Outcome | None] = [one_project() for _ in range(1000)]
    kinds = [emission for _, emission in emitted(FakeClock(), found, 0.001) if not isinstance(emission, Estimate)]
    batches = "".join("|" if isinstance(one, State) else "." for one in kinds).strip("|").split("|")
    assert [len(batch) for batch in batches] == [200] * 5


def test_given_a_page_that_finishes_many_projects_at_once_when_read_then_no_state_covers_more_than_200() -> None:
    page = Outcome(PROJECTS, [({"id": number}, None) for number in range(150)], finished=150)
    kinds = [one for _, one in emitted(FakeClock(), [page] * 4, 0.001) if not isinstance(one, Estimate)]
    rows = [len(one.records) if isinstance(one, Outcome) else None for one in kinds]
    assert rows == [150, None, 150, None, 150, None, 150, None]


def test_given_a_project_when_a_state_is_emitted_then_it_never_covers_a_record_that_was_not_yet() -> None:
    progress = stream(name=PROJECTS)
    outcomes: list[Outcome | None] = []
    for id_ in range(1, 500):
        progress.owe(KEY, id_)

        def note(id_: int = id_) -> None:
            progress.settle(KEY, settled(progress, project(id_, "Pending")))

        outcomes.append(Outcome(PROJECTS, [({"id": id_}, None)], note, finished=1))
    out: set[int] = set()
    for _, emission in emitted(FakeClock(), outcomes, 0.001, progress):
        if isinstance(emission, State):
            value = emission.content["slices"][KEY]
            assert {int(id_) for id_ in value.get("open", {})} <= out
            assert set(value.get("owed", [])) == set(range(1, 500)) - out
        elif isinstance(emission, Outcome):
            out |= {row["id"] for row, _ in emission.records}
    assert len(out) == 499


def test_given_a_checkpoint_when_it_comes_then_a_state_is_emitted_whatever_the_time() -> None:
    found: list[Outcome | None] = [one_project(), Outcome(PROJECTS, checkpoint=True)]
    kinds = [type(one) for _, one in emitted(FakeClock(), found, 0.001) if not isinstance(one, Estimate)]
    assert kinds == [Outcome, State, State]


@pytest.mark.parametrize(
    ("failure", "troubles", "expected"),
    [
        (None, [], None),
        (ServerTrouble("GET", "HTTP 500"), [], ServerTrouble),
        (None, [Trouble("project 7", ServerTrouble("GET", "HTTP 500"))], ProjectsFailed),
    ],
)
def test_given_what_ended_a_sync_when_it_is_read_then_it_is_raised_after_the_last_state(
    failure: CustomersCanvasError | None, troubles: list[Trouble], expected: type[Exception] | None
) -> None:
    progress = stream(name=PROJECTS)
    if failure:
        progress.fail(failure)
    progress.counts.troubles = troubles
    reading = emitted(FakeClock(), [one_project()], 0.001, progress)
    taken: list[Emission] = []
    if expected is None:
        taken += [emission for _, emission in reading]
    else:
        with pytest.raises(expected):
            taken.extend(emission for _, emission in reading)
    assert isinstance(taken[-1], State)
