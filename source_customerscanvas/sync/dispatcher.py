"""Hands projects and orders out to the workers, and what they find over to the streams.

    lists ──jobs──▶ Dispatcher ──tasks──▶ workers ──outcomes──▶ the stream's reader ──▶ its state

No worker ever waits for another one; a project with files is finished by whichever worker finishes the last of them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from queue import Empty
from threading import Condition, Event, Thread

from source_customerscanvas.errors import CustomersCanvasError, Stopped, as_known_error
from source_customerscanvas.sync.jobs import Batch, Job, Tasks
from source_customerscanvas.sync.kinds import FILES
from source_customerscanvas.sync.manifests import ManifestWriter, take_due_manifests
from source_customerscanvas.sync.order_reader import OrderReader
from source_customerscanvas.sync.outcomes import Found, Outcome, Touching
from source_customerscanvas.sync.progress import StreamProgress
from source_customerscanvas.sync.project_reader import ProjectReader
from source_customerscanvas.sync.slices import Slice

_LOOKING_SECONDS = 1.0
"""How often a long wait looks whether the sync is being ended."""


class Dispatcher:
    """The workers of one sync, `num_workers` threads of their own, and the queues before and behind them."""

    def __init__(
        self,
        num_workers: int,
        stopping: Event,
        streams: Sequence[StreamProgress],
        projects: ProjectReader,
        orders: OrderReader,
        manifests: ManifestWriter | None,
    ) -> None:
        self._num_workers = num_workers
        self._stopping = stopping
        self._streams = {stream.name: stream for stream in streams}
        self._projects = projects
        self._orders = orders
        self._manifests = manifests
        self._tasks = Tasks(2 * num_workers)
        self._handed_over = Condition()
        self._pending = 0

    def start(self) -> None:
        for number in range(self._num_workers):
            Thread(target=self._tasks.work, name=f"worker-{number}", daemon=True).start()

    def end(self) -> None:
        """No more is handed out: the workers end, and so do the streams."""
        self._tasks.end(self._num_workers)
        for stream in self._streams.values():
            stream.outcomes.put(None)

    def fail(self, failure: CustomersCanvasError) -> None:
        """End all streams with an error; what was handed over stays."""
        for stream in self._streams.values():
            stream.fail(failure)
        self._stopping.set()

    def is_broken(self, slice_: Slice) -> bool:
        """Whether none of the slice's projects can be read."""
        return self._projects.health.broken(slice_) is not None

    def take_batch(self, slice_: Slice, jobs: Callable[[Batch], Iterable[Job]]) -> None:
        """Projects of a slice that belong together, to be read, each when there is room for it. Raises `Stopped`."""
        batch = Batch(slice_)
        for job in jobs(batch):
            self.raise_if_stopping()
            batch.add()
            self._tasks.put(partial(self._run, batch, partial(self._projects.read, job)))
        self._done(batch)

    def put(self, outcome: Outcome) -> None:
        """Hand an outcome over to the reader of its stream, when there is room for it."""
        with self._handed_over:
            self._pending += 1
        self._streams[outcome.stream].outcomes.put(outcome)

    def outcomes(self, stream: StreamProgress, patience: float) -> Iterator[Outcome | None]:
        """What was found for a stream, as it comes; None when nothing came for `patience` seconds.

        An outcome is noted in the state only when the reader asks for the next one: by then its records have been
        emitted. If the reader stops asking, the sync ends.
        """
        try:
            while True:
                try:
                    outcome = stream.outcomes.take(patience)
                except Empty:
                    yield None
                    continue
                if outcome is None:
                    return
                yield outcome
                if outcome.note:
                    outcome.note()
                stream.counts.hand_over(outcome)
                with self._handed_over:
                    self._pending -= 1
                    if self._pending == 0:
                        self._handed_over.notify_all()
        except BaseException:
            self.fail(Stopped())
            for one in self._streams.values():
                one.outcomes.close()
            raise

    def drain(self) -> None:
        """Wait until all that was handed out has been handed over and noted. Raises `Stopped`."""
        while True:
            if self._tasks.are_done(_LOOKING_SECONDS):
                with self._handed_over:
                    self._handed_over.wait_for(lambda: self._pending == 0 or self._stopping.is_set(), _LOOKING_SECONDS)
                    if self._pending == 0 and self._tasks.are_done():
                        return
            self.raise_if_stopping()

    def checkpoint(self, *, and_wait: bool) -> None:
        """Emit the state of each stream, and perhaps wait until it has left the connector."""
        for stream in self._streams.values():
            self.put(Outcome(stream.name, checkpoint=True))
        if and_wait:
            self.drain()
            for stream in self._streams.values():
                while not stream.states_out.wait(_LOOKING_SECONDS):
                    self.raise_if_stopping()

    def raise_if_stopping(self) -> None:
        if self._stopping.is_set():
            raise Stopped

    def _run(self, batch: Batch, task: Callable[[], Found]) -> None:
        try:
            for found in task():
                if isinstance(found, Outcome):
                    self.put(found)
                elif isinstance(found, Touching):
                    batch.touch(found)
                else:
                    batch.add()
                    self._tasks.put_file(partial(self._run, batch, found))
        except Exception as error:
            self.fail(as_known_error(error))
        finally:
            self._done(batch)

    def _done(self, batch: Batch) -> None:
        if not batch.end_job():
            return
        for order_id, touched in batch.touched.items():
            for name in touched:
                self._streams[name].counts.expect_rows(1)
            self._add(batch.slice, partial(self._orders.read, batch.slice, order_id, touched))
        if self._manifests:
            # what the projects of the batch have changed is noted by then
            self.put(Outcome(FILES, note=partial(self._look_at_manifests, self._manifests, batch)))

    def _look_at_manifests(self, manifests: ManifestWriter, batch: Batch) -> None:
        stream = self._streams[FILES]
        for order_id in take_due_manifests(stream, batch.slice.key):
            self._add(batch.slice, partial(manifests.write, batch.slice, stream, order_id, batch.results))

    def _add(self, slice_: Slice, task: Callable[[], Found]) -> None:
        """Give the workers a task that follows from what they have read."""
        self._tasks.put_file(partial(self._run, Batch(slice_), task))
