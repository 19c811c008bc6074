"""The queue of what the workers of a sync have to do."""

from collections.abc import Callable
from itertools import count
from queue import PriorityQueue
from threading import Semaphore


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

    def wait_until_done(self) -> None:
        self._queue.join()

    def are_done(self) -> bool:
        with self._queue.all_tasks_done:
            return self._queue.unfinished_tasks == 0

    def end(self, workers: int) -> None:
        for _ in range(workers):
            self._queue.put((self._END, next(self._order), None))
