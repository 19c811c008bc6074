"""What the workers are given: projects to read, in batches after which their orders are looked at; and its queue."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count, islice
from queue import PriorityQueue
from threading import Lock, Semaphore

from source_customerscanvas.api.listing import Row
from source_customerscanvas.api.projects import Project, Results
from source_customerscanvas.errors import Trouble
from source_customerscanvas.sync.outcomes import Outcome, Touching
from source_customerscanvas.sync.progress import StreamProgress
from source_customerscanvas.sync.settling import Settled
from source_customerscanvas.sync.slices import Slice

_MOST_ROWS = 500
"""Rows of one project that are handed over together: it may have hundreds of thousands."""


Touched = dict[str, list[Touching]]
"""What touches an order, by stream."""


class Batch:
    """Jobs that belong together: a page of a scan, a watch, a round of polls.

    The orders that its projects touch are looked at when the last of the jobs is done, once each. Shared by workers.
    """

    def __init__(self, slice_: Slice) -> None:
        self.slice = slice_
        self._lock = Lock()
        self._left = 1
        self.touched: dict[str, Touched] = {}
        """By order."""
        self.results: dict[int, Results] = {}
        """By project, those that the manifests of their orders need."""

    def add(self) -> None:
        """One more job, or a file of one."""
        with self._lock:
            self._left += 1

    def touch(self, one: Touching) -> None:
        """Have the orders that a project touches looked at."""
        with self._lock:
            for order_id in one.order_ids:
                self.touched.setdefault(order_id, {}).setdefault(one.stream, []).append(one)

    def end_job(self) -> bool:
        """Note that a job is done; whether it was the last one.

        Whoever fills the batch counts as one job, so that it cannot end before all were added.
        """
        with self._lock:
            self._left -= 1
            return self._left == 0


@dataclass(frozen=True)
class Job:
    """A project to read for some of the streams; `project` is None where it has to be asked for first.

    A scan comes from the oldest projects, a watch from the newest ones.
    """

    batch: Batch
    project_id: int
    project: Project | None
    streams: Sequence[StreamProgress]
    from_scan: bool = False
    is_unlisted: bool = False
    """Whether it is open, and no list showed it."""
    once_more: bool = False
    """Whether it is finished and asked for once more, as a later run may have added files."""

    @property
    def slice(self) -> Slice:
        return self.batch.slice

    @property
    def key(self) -> str:
        """The name of its slice in the state."""
        return self.batch.slice.key

    def hand_over(self, stream: StreamProgress, settled: Settled, rows: Iterable[Row]) -> Iterator[Outcome]:
        """Rows of a stream, however many, and with the last ones what to note of the project."""
        rows = iter(rows)
        portion = list(islice(rows, _MOST_ROWS))
        while following := list(islice(rows, _MOST_ROWS)):
            yield Outcome(stream.name, [(row, None) for row in portion])
            portion = following
        yield self.settle(stream, settled, portion)

    def settle(self, stream: StreamProgress, settled: Settled, rows: Iterable[Row] = ()) -> Outcome:
        """Rows of a stream with which all that it was owed of the project is handed over."""
        note = partial(stream.settle, self.key, settled)
        return Outcome(stream.name, [(row, None) for row in rows], note, finished=1)

    def leave(self, stream: StreamProgress, trouble: Trouble) -> Outcome:
        """The project could not be read for a stream, and is left to the next sync."""
        return Outcome(stream.name, note=partial(stream.leave, self.key, self.project_id, trouble), finished=1)

    def describe(self) -> str:
        return self.project.describe() if self.project else f"{self.slice.describe()}, project {self.project_id}"


class Tasks:
    """What the workers have to do. Files come first: so the projects that are begun stay few."""

    _FILE, _JOB, _END = range(3)

    def __init__(self, most_jobs: int) -> None:
        self._queue: PriorityQueue[tuple[int, int, Callable[[], None] | None]] = PriorityQueue()
        self._room = Semaphore(most_jobs)
        self._order = count()

    def put(self, job: Callable[[], None]) -> None:
        """Add a job, when there is room for it."""
        self._room.acquire()
        self._queue.put((self._JOB, next(self._order), job))

    def put_file(self, task: Callable[[], None]) -> None:
        """Add what a worker found to do while it did a job; never waits, as it is called by workers."""
        self._queue.put((self._FILE, next(self._order), task))

    def work(self) -> None:
        """Do tasks until there will be no more."""
        while True:
            kind, _, task = self._queue.get()
            if kind == self._JOB:
                self._room.release()
            try:
                if task is None:
                    return
                task()
            finally:
                self._queue.task_done()

    def are_done(self, patience: float = 0.0) -> bool:
        """Whether there is nothing left to do, which is waited for so many seconds."""
        with self._queue.all_tasks_done:
            return self._queue.all_tasks_done.wait_for(lambda: self._queue.unfinished_tasks == 0, patience)

    def end(self, workers: int) -> None:
        for _ in range(workers):
            self._queue.put((self._END, next(self._order), None))
