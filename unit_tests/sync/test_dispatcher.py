"""The workers and the queues around them: what is noted when, and what ends them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Event, Thread
from typing import Any, cast

import pytest

from source_customerscanvas.errors import InternalError, ServerTrouble, Stopped
from source_customerscanvas.state.slice_state import ManifestFiles
from source_customerscanvas.sync.dispatcher import Dispatcher
from source_customerscanvas.sync.jobs import Batch, Job
from source_customerscanvas.sync.kinds import FILES, RESULTS
from source_customerscanvas.sync.manifests import ManifestWriter
from source_customerscanvas.sync.order_reader import OrderReader
from source_customerscanvas.sync.outcomes import Outcome
from source_customerscanvas.sync.project_reader import ProjectReader
from unit_tests.sync.listed_shop import SLICE
from unit_tests.watched import stream, watched

LONG = 60.0
A_WHILE = 0.2
MANY = 3000


class Healthy:
    """Whether the projects of a slice can be read: they can."""

    def broken(self, _: object) -> None:
        return None


class PlannedReader:
    """Reads projects as a test says."""

    def __init__(self, find: Callable[[Job], Iterator[Any]]) -> None:
        self.read = find
        self.health = Healthy()


class Machine:
    """A dispatcher with four workers and one stream."""

    def __init__(self, find: Callable[[Job], Iterator[Any]]) -> None:
        self.stopping = Event()
        self.stream = stream(name=RESULTS)
        reader = cast(ProjectReader, PlannedReader(find))
        self.dispatcher = Dispatcher(4, self.stopping, [self.stream], reader, cast(OrderReader, None), None)
        self.dispatcher.start()
        self.failure: BaseException | None = None

    def hand_out(self, projects: int) -> Thread:
        """From a thread of its own, as the lists do."""

        def jobs(batch: Batch) -> Iterator[Job]:
            return (Job(batch, number, None, [self.stream]) for number in range(projects))

        def run() -> None:
            try:
                self.dispatcher.take_batch(SLICE, jobs)
                self.dispatcher.drain()
            except Stopped as error:
                self.failure = error
            finally:
                self.dispatcher.end()

        thread = Thread(target=run, daemon=True)
        thread.start()
        return thread

    def outcomes(self) -> Iterator[Outcome]:
        return (found for found in self.dispatcher.outcomes(self.stream, patience=LONG) if found)


def one_row(job: Job) -> Iterator[Outcome]:
    yield Outcome(RESULTS, [({"id": job.project_id}, None)], finished=1)


def test_given_many_projects_when_read_by_several_workers_then_each_comes_once_and_the_stream_ends() -> None:
    machine = Machine(one_row)
    lists = machine.hand_out(MANY)
    assert sorted(row["id"] for found in machine.outcomes() for row, _ in found.records) == list(range(MANY))
    lists.join(LONG)
    assert (machine.failure, machine.stream.counts.finished, machine.stream.counts.emitted) == (None, MANY, MANY)


def test_given_an_outcome_when_its_reader_comes_back_then_it_is_noted_and_not_before() -> None:
    noted: list[int] = []

    def find(job: Job) -> Iterator[Outcome]:
        yield Outcome(RESULTS, [({"id": job.project_id}, None)], lambda: noted.append(job.project_id), finished=1)

    machine = Machine(find)
    machine.hand_out(3)
    taken: list[int] = []
    for found in machine.outcomes():
        assert noted == taken
        taken.append(found.records[0][0]["id"])
    assert noted == taken


@pytest.mark.parametrize("how", ["raises", "is closed"])
def test_given_a_reader_that_ends_in_the_middle_when_workers_wait_for_it_then_all_of_them_end(how: str) -> None:
    machine = Machine(one_row)
    lists = machine.hand_out(MANY)
    emitting = machine.dispatcher.outcomes(machine.stream, patience=LONG)
    assert next(emitting)
    if how == "raises":
        with pytest.raises(KeyError):
            emitting.throw(KeyError("a mistake"))  # type: ignore[attr-defined]  # it is a generator
    else:
        emitting.close()  # type: ignore[attr-defined]  # as above
    lists.join(LONG)
    assert not lists.is_alive()
    assert isinstance(machine.failure, Stopped)
    assert machine.stopping.is_set()


def test_given_a_note_that_raises_when_it_is_made_then_nobody_waits_for_ever() -> None:
    def note() -> None:
        raise KeyError("a mistake")

    def find(job: Job) -> Iterator[Outcome]:
        yield Outcome(RESULTS, [({"id": job.project_id}, None)], note, finished=1)

    machine = Machine(find)
    lists = machine.hand_out(MANY)
    with pytest.raises(KeyError):
        list(machine.outcomes())
    lists.join(LONG)
    assert not lists.is_alive()


def test_given_a_worker_that_fails_when_others_are_at_work_then_the_stream_ends_with_that_error() -> None:
    def find(job: Job) -> Iterator[Outcome]:
        if job.project_id == 7:
            raise ServerTrouble("GET", "HTTP 500")
        yield from one_row(job)

    machine = Machine(find)
    lists = machine.hand_out(MANY)
    list(machine.outcomes())
    lists.join(LONG)
    assert isinstance(machine.stream.failure, ServerTrouble)
    assert isinstance(machine.failure, Stopped)


def test_given_a_mistake_of_a_worker_when_it_happens_then_it_is_told_as_one_of_the_connector() -> None:
    def find(job: Job) -> Iterator[Outcome]:
        yield from one_row(cast(Job, None))  # has no project

    machine = Machine(find)
    machine.hand_out(1).join(LONG)
    list(machine.outcomes())
    assert isinstance(machine.stream.failure, InternalError)


def test_given_a_project_with_files_when_they_are_found_then_any_worker_takes_them_before_the_next_project() -> None:
    begun: list[str] = []

    def find(job: Job) -> Iterator[Any]:
        begun.append(f"project {job.project_id}")

        def file(number: int) -> Callable[[], Iterator[Outcome]]:
            def fetch() -> Iterator[Outcome]:
                begun.append(f"file {number}")
                yield Outcome(RESULTS, [({"id": number}, None)], finished=number)

            return fetch

        yield from (file(number) for number in (0, 1))

    machine = Machine(find)
    machine.hand_out(20)
    assert sum(found.finished for found in machine.outcomes()) == 20
    assert len(begun) == 60


def test_given_a_manifest_that_is_still_to_be_looked_at_when_drained_then_it_is_waited_for() -> None:
    may_write, written = Event(), Event()

    class Writer:
        def write(self, *_: object) -> Iterator[Outcome]:
            may_write.wait(LONG)
            written.set()
            yield Outcome(FILES)

    files = stream(watched(manifests={"5001": ManifestFiles()}), name=FILES)
    reader = cast(ProjectReader, PlannedReader(one_row))
    dispatcher = Dispatcher(2, Event(), [files], reader, cast(OrderReader, None), cast(ManifestWriter, Writer()))
    dispatcher.start()
    dispatcher.take_batch(SLICE, lambda batch: [])
    drain = Thread(target=dispatcher.drain, daemon=True)
    drain.start()
    drain.join(A_WHILE)  # it waits for what is to be noted, and not for any task yet
    Thread(target=lambda: list(dispatcher.outcomes(files, LONG)), daemon=True).start()
    drain.join(A_WHILE)
    assert drain.is_alive()
    may_write.set()
    drain.join(LONG)
    assert (drain.is_alive(), written.is_set()) == (False, True)
    dispatcher.end()


def test_given_a_worker_that_hangs_when_the_sync_is_ended_then_what_drains_does_not_wait_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hangs, may_end = Event(), Event()
    monkeypatch.setattr("source_customerscanvas.sync.dispatcher._LOOKING_SECONDS", 0.01)

    def find(job: Job) -> Iterator[Outcome]:
        hangs.set()
        may_end.wait(LONG)
        yield from one_row(job)

    machine = Machine(find)
    lists = machine.hand_out(1)
    assert hangs.wait(LONG)
    machine.stopping.set()
    lists.join(LONG)
    assert isinstance(machine.failure, Stopped)
    may_end.set()


def test_given_a_checkpoint_when_it_is_waited_for_then_until_the_state_has_left_the_connector() -> None:
    machine = Machine(one_row)
    taken: list[Outcome] = []

    def read() -> None:
        for found in machine.outcomes():
            if found.checkpoint:
                machine.stream.states_out.note_made()
                machine.stream.states_out.note_out()
            taken.append(found)

    reader = Thread(target=read, daemon=True)
    reader.start()
    machine.dispatcher.checkpoint(and_wait=True)
    assert [found.checkpoint for found in taken] == [True]
    machine.dispatcher.end()
    reader.join(LONG)
