"""Waits for what is unfinished, once everything else of a sync is done, and has failed processing tried again.

https://customerscanvas.com/dev/backoffice/howto/download-artifacts.html: ask again after a minute at the earliest,
leave several minutes between two tries.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from math import inf
from threading import Lock

from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.api.projects import Results, ask_project, ask_results
from source_customerscanvas.errors import CustomersCanvasError, NotFound, Stopped
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
    ) -> None:
        self._settings = settings
        self._client = client
        self._clock = clock
        self._streams = streams
        self._dispatcher = dispatcher
        self._retries = retries
        self._unfinished: set[Waited] = set()
        self._failed: set[Waited] = set()
        self._asked: dict[Waited, float] = {}
        self._known: dict[Waited, Results] = {}
        self._without_run: set[Waited] = set()
        self._gone: set[Waited] = set()
        self._lock = Lock()
        self._unanswered = 0

    def follow(self, slices: Sequence[Slice], results: ResultsReader, failed: Set[tuple[str, int]]) -> None:
        """Try again what has failed, then ask for the unfinished projects until all have finished or time is up.

        `results` is what this sync saw of their processing results; of the others, the lists told enough, which showed
        those in `failed`, by slice and id, as failed.
        """
        self._begin(slices, results, failed)
        self._try_again()
        if self._settings.processing.wait_minutes and self._unfinished:
            self._wait()

    def _begin(self, slices: Sequence[Slice], results: ResultsReader, failed: Set[tuple[str, int]]) -> None:
        reading = [stream for stream in self._streams if stream.failure is None]
        for slice_ in slices:
            for stream in reading:
                with stream.lock:
                    state = stream.slice(slice_.key)
                    open_ = [id_ for id_, _ in state.having("open") if id_ not in state.owed]
                for project_id in open_:
                    self._sort(Waited(slice_, project_id), results, (slice_.key, project_id) in failed)
        self._unfinished -= self._failed

    def _sort(self, one: Waited, results: ResultsReader, is_listed_as_failed: bool) -> None:
        known = results.seen(one.project_id)
        if known is None:
            (self._failed if is_listed_as_failed else self._unfinished).add(one)
            return
        self._asked[one] = known.at
        self._known[one] = known.results
        if known.results.is_failed:
            self._failed.add(one)
        elif not known.results.is_completed:
            self._unfinished.add(one)

    # trying again

    def _try_again(self) -> None:
        """Resume or restart those whose time has come; what is under way then is unfinished."""
        due = {one for one in self._failed if self._retries.is_due(one)}
        if not due:
            return
        now = self._clock.monotonic()
        # a restart of what somebody else has made good meanwhile would do all of it once more
        known_for_long = {one for one in due if now - self._asked.get(one, -inf) >= LEAST_SECONDS_BETWEEN_QUESTIONS}
        answers = self._ask(known_for_long)
        moved_on = {one for one, results in answers.items() if not results.is_failed}
        self._settle({one: answers[one] for one in moved_on})
        tried = [one for one in due if (one in answers or one not in known_for_long) and one not in moved_on]
        under_way = self._retries.make({one: self._known.get(one) for one in tried})
        self._failed -= under_way
        self._unfinished |= under_way

    # waiting

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
        """The results of those projects that have any."""
        self._unanswered = 0
        with ThreadPoolExecutor(self._settings.num_workers, "poll") as pool:
            answers = dict(zip(projects, pool.map(self._results, projects), strict=True))
        now = self._clock.monotonic()
        self._asked.update(dict.fromkeys(projects, now))
        self._unfinished -= self._gone
        self._failed -= self._gone
        self._read(dict.fromkeys(self._gone))
        self._gone.clear()
        found = {one: results for one, results in answers.items() if results}
        self._known.update(found)
        return found

    def _settle(self, answers: Mapping[Waited, Results]) -> None:
        """Sort projects by what they answered, and let the streams read those that have ended."""
        ended: dict[Waited, Results | None] = {}
        for one, results in answers.items():
            has_ended = results.is_completed or results.is_failed
            (self._unfinished.discard if has_ended else self._unfinished.add)(one)
            (self._failed.add if results.is_failed else self._failed.discard)(one)
            if has_ended:
                ended[one] = results
        self._read(ended)
        self._dispatcher.drain()

    def _read(self, projects: Mapping[Waited, Results | None]) -> None:
        for slice_ in {one.slice for one in projects}:
            some = {one: results for one, results in projects.items() if one.slice == slice_}
            self._dispatcher.take_batch(slice_, partial(self._jobs, some))

    def _jobs(self, projects: Mapping[Waited, Results | None], batch: Batch) -> Iterator[Job]:
        for one, results in projects.items():
            streams = [stream for stream in self._streams if self._knows(stream, one)]
            if streams:
                yield Job(batch, one.project_id, None, streams, results=results)

    def _knows(self, stream: StreamProgress, one: Waited) -> bool:
        with stream.lock:
            return one.project_id in stream.slice(one.slice.key).known

    def _results(self, one: Waited) -> Results | None:
        """The results, None while there are none: a project that cannot be asked for is simply waited for."""
        if self._unanswered >= _HOPELESS:
            return None
        try:
            results = ask_results(self._client.get_json, one.project_id)
        except Stopped:
            raise
        except NotFound:
            self._look_whether_gone(one)
            return None
        except CustomersCanvasError as error:
            with self._lock:
                self._unanswered += 1
            logger.warning(f"{one.describe()}: {error.message}")
            return None
        self._unanswered = 0
        with self._lock:
            self._without_run.discard(one)
        return results

    def _look_whether_gone(self, one: Waited) -> None:
        """Tell a project that has no run yet from one that was removed; asked once, until it has had a run."""
        if one in self._without_run:
            return
        try:
            is_there = ask_project(self._client.get_json, one.project_id)
        except Stopped:
            raise
        except CustomersCanvasError:
            return
        with self._lock:
            (self._without_run if is_there else self._gone).add(one)
