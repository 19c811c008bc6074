"""Waits for what is unfinished, once everything else of a sync is done, and has failed processing tried again.

https://customerscanvas.com/dev/backoffice/howto/download-artifacts.html: ask again after a minute at the earliest,
leave several minutes between two tries.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Lock

from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.api.projects import Results
from source_customerscanvas.errors import CustomersCanvasError, Stopped
from source_customerscanvas.settings import Settings
from source_customerscanvas.sync.dispatcher import Dispatcher
from source_customerscanvas.sync.jobs import Batch, Job
from source_customerscanvas.sync.progress import StreamProgress
from source_customerscanvas.sync.results_reader import LEAST_SECONDS_BETWEEN_QUESTIONS, ResultsReader
from source_customerscanvas.sync.retries import Retries, Waited
from source_customerscanvas.sync.slices import Slice
from source_customerscanvas.times import Clock

logger = logging.getLogger("airbyte.source-customerscanvas")

_TOLERANCE = 1.0
"""Seconds by which the last question may come after the minutes are over."""

_HOPELESS = 25
"""Questions in a row without an answer after which a round of them is given up."""


class Waiting:
    """The unfinished projects of a sync after all others were read. Used once, by one thread."""

    def __init__(
        self,
        settings: Settings,
        client: ApiClient,
        clock: Clock,
        streams: Sequence[StreamProgress],
        dispatcher: Dispatcher,
        retries: Retries,
        results: ResultsReader,
    ) -> None:
        """`results`: what this sync has seen of processing results; of other projects the lists have told enough."""
        self._settings = settings
        self._client = client
        self._clock = clock
        self._streams = streams
        self._dispatcher = dispatcher
        self._retries = retries
        self._results = results
        self._unfinished: set[Waited] = set()
        self._failed: set[Waited] = set()
        self._lock = Lock()
        self._unanswered = 0

    def follow(self, slices: Sequence[Slice]) -> None:
        """Try again what has failed, then ask for the unfinished projects until all have finished or time is up."""
        for stream in self._streams:
            if stream.failure is None:
                for slice_ in slices:
                    self._collect(stream, slice_)
        self._unfinished -= self._failed
        self._try_again()
        if self._settings.processing.wait_minutes and self._unfinished:
            self._wait()

    def _collect(self, stream: StreamProgress, slice_: Slice) -> None:
        with stream.slice(slice_.key) as state:
            open_ = [id_ for id_, _ in state.having("open") if id_ not in state.owed]
        for project_id in open_:
            if self._results.has_failed(slice_.key, project_id):
                self._failed.add(Waited(slice_, project_id))
            elif not ((results := self._results.seen(project_id)) and results.is_completed):
                self._unfinished.add(Waited(slice_, project_id))

    def _try_again(self) -> None:
        """Resume or restart those whose time has come; what is under way then is unfinished."""
        due = {one for one in self._failed if self._retries.is_due(one)}
        if not due:
            return
        # somebody may have resumed it by hand since: ask once more before a restart, which is paid for
        stale = {one for one in due if self._results.may_ask(one.project_id)}
        answers = self._ask(stale)
        self._settle({one: results for one, results in answers.items() if not results.is_failed})
        unanswered = stale - answers.keys()
        tried = (due & self._failed) - unanswered
        under_way = self._retries.make({one: self._results.seen(one.project_id) for one in tried})
        self._failed -= under_way
        self._unfinished |= under_way

    def _wait(self) -> None:
        minutes = self._settings.processing.wait_minutes
        deadline = self._clock.monotonic() + minutes * 60
        logger.info(f"Waiting up to {minutes} minutes for {len(self._unfinished)} unfinished projects.")
        # what finishes, only a stream that has not failed can emit
        while self._unfinished and any(stream.failure is None for stream in self._streams):
            left = deadline - self._clock.monotonic()
            if left < LEAST_SECONDS_BETWEEN_QUESTIONS - _TOLERANCE:
                break
            self._pause(max(min(self._settings.processing.poll_seconds, left), LEAST_SECONDS_BETWEEN_QUESTIONS))
            before = len(self._unfinished)
            self._settle(self._ask(self._unfinished))
            logger.info(f"{before - len(self._unfinished)} of {before} projects that were waited for have ended.")
            self._try_again()
            self._dispatcher.checkpoint(and_wait=False)
        if self._unfinished:
            logger.info(f"{len(self._unfinished)} projects are unfinished and left to the next sync.")

    def _pause(self, seconds: float) -> None:
        self._clock.wait(seconds, self._client.stopping)
        self._dispatcher.raise_if_stopping()

    def _ask(self, projects: Set[Waited]) -> dict[Waited, Results]:
        """The results of these projects, as far as they can be asked; the streams hear of those that are gone."""
        self._unanswered = 0
        answers: dict[Waited, Results | None] = {}
        with ThreadPoolExecutor(self._settings.num_workers, "poll") as pool:
            for answer in pool.map(self._answer, projects):
                answers |= answer
        gone = {one for one, results in answers.items() if results is None}
        self._unfinished -= gone
        self._failed -= gone
        self._read(gone)
        return {one: results for one, results in answers.items() if results}

    def _answer(self, one: Waited) -> dict[Waited, Results | None]:
        """What a project's results say, None where it is gone; nothing where it cannot be asked, and is waited for."""
        if self._unanswered >= _HOPELESS:
            return {}
        try:
            results = self._results.ask(one.project_id)
        except Stopped:
            raise
        except CustomersCanvasError as error:
            with self._lock:
                self._unanswered += 1
            logger.warning(f"{one.describe()}: {error.message}")
            return {}
        self._unanswered = 0
        return {one: results}

    def _settle(self, answers: Mapping[Waited, Results]) -> None:
        """Sort projects by what they answered, and let the streams read those that have ended."""
        ended = {one for one, results in answers.items() if results.is_completed or results.is_failed}
        failed = {one for one in ended if answers[one].is_failed}
        self._unfinished = (self._unfinished | answers.keys()) - ended
        self._failed = (self._failed - answers.keys()) | failed
        self._read(ended)
        self._dispatcher.drain()

    def _read(self, projects: Set[Waited]) -> None:
        for slice_ in {one.slice for one in projects}:
            ids = [one.project_id for one in projects if one.slice == slice_]
            self._dispatcher.take_batch(slice_, partial(self._jobs, ids))

    def _jobs(self, project_ids: Sequence[int], batch: Batch) -> Iterator[Job]:
        for project_id in project_ids:
            if streams := [stream for stream in self._streams if _knows(stream, batch.slice.key, project_id)]:
                yield Job(batch, project_id, None, streams)


def _knows(stream: StreamProgress, key: str, project_id: int) -> bool:
    with stream.slice(key) as state:
        return project_id in state.known
