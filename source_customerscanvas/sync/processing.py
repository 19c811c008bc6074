"""Tries failed processing again, and waits for what is unfinished, once everything else of a sync is done.

https://customerscanvas.com/dev/backoffice/howto/download-artifacts.html: ask again after a minute at the earliest,
leave several minutes between two tries.
"""

import logging
from collections.abc import Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from math import inf
from threading import Lock
from typing import Protocol

from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.api.projects import HIDDEN, LEAST_SECONDS_BETWEEN_QUESTIONS, Results, Seen, ask_results
from source_customerscanvas.errors import (
    Conflict,
    CustomersCanvasError,
    MissingPermission,
    NotFound,
    Stopped,
    TransientError,
)
from source_customerscanvas.settings import Settings
from source_customerscanvas.state.stream_state import Try
from source_customerscanvas.sync.progress import StreamProgress
from source_customerscanvas.sync.tracker import Job, Unit
from source_customerscanvas.times import Clock, format_utc

logger = logging.getLogger("airbyte.source-customerscanvas")

_TOLERANCE = 1.0
"""Seconds by which the last question may come after the minutes are over."""

_HOPELESS = 25
"""Questions in a row without an answer after which a round of them is given up."""

_DONE = {"resume": "resumed", "restart": "restarted"}


class Work(Protocol):
    """What the processing needs of a sync (see `sync.Sync`)."""

    def take_job(self, job: Job) -> None:
        """Look at a project."""

    def drain(self) -> None:
        """Wait until all that was handed out has been handed over and remembered."""

    def checkpoint(self, *, and_wait: bool) -> None:
        """Emit the state of each stream, and wait until it has left the connector."""


@dataclass(frozen=True)
class _Waiting:
    """A project that may move on while the sync waits."""

    unit: Unit
    project_id: int

    def describe(self) -> str:
        return f"{self.unit.describe()}, project {self.project_id}"


class Processing:
    """The unfinished projects of a sync after all others were read. Used once, by one thread."""

    def __init__(
        self, settings: Settings, client: ApiClient, clock: Clock, streams: Sequence[StreamProgress], work: Work
    ) -> None:
        self._settings = settings.processing
        self._workers = settings.num_workers
        self._client = client
        self._clock = clock
        self._streams = streams
        self._work = work
        self._unfinished: set[_Waiting] = set()
        self._failed: set[_Waiting] = set()
        self._asked: dict[_Waiting, float] = {}
        self._without_run: set[_Waiting] = set()
        self._gone: set[_Waiting] = set()
        self._lock = Lock()
        self._may_try = settings.processing.on_failure != "report"
        self._unanswered = 0

    def follow(self, units: Sequence[Unit], seen: Mapping[int, Seen]) -> None:
        """Try again what has failed, then ask for the unfinished projects until all have finished or time is up.

        `seen` is what this sync saw of their processing results, by id; of the others, the lists told enough.
        """
        self._begin(units, seen)
        self._try_again()
        if self._settings.wait_minutes and self._unfinished:
            self._wait()

    def _begin(self, units: Sequence[Unit], seen: Mapping[int, Seen]) -> None:
        reading = [stream for stream in self._streams if stream.failure is None]
        for unit in units:
            for stream in reading:
                for project_id, mark in stream.open_marks(unit.key).items():
                    if mark.owed or mark.status == HIDDEN:
                        continue  # it could not be read in this sync, or is about to be removed
                    one = _Waiting(unit, project_id)
                    known = seen.get(project_id)
                    if known:
                        self._asked[one] = known.at
                    if known.results.is_failed if known else mark.status == "F":
                        self._failed.add(one)
                    elif not (known and known.results.is_completed):
                        self._unfinished.add(one)
        self._unfinished -= self._failed

    # trying again

    def _try_again(self) -> None:
        """Resume or restart those whose time has come; what is under way then is unfinished."""
        due = {one for one in self._failed if self._is_due(one)}
        if not due:
            return
        now = self._clock.monotonic()
        # a restart of what somebody else has made good meanwhile would do all of it once more
        known_for_long = {one for one in due if now - self._asked.get(one, -inf) >= LEAST_SECONDS_BETWEEN_QUESTIONS}
        answers = self._ask(known_for_long)
        moved_on = {one for one, results in answers.items() if not results.is_failed}
        self._settle({one: answers[one] for one in moved_on})
        tries = {one: self._tries(one) for one in due if one in answers or one not in known_for_long}
        for one in moved_on:
            del tries[one]
        if not tries:
            return
        self._note_tries(tries)
        # a try that no state knows of would be repeated without end by syncs that are killed
        self._work.checkpoint(and_wait=True)
        with ThreadPoolExecutor(self._workers, "retry") as pool:
            is_under_way = dict(zip(tries, pool.map(lambda one: self._try(one, tries[one]), tries), strict=True))
        under_way = {one for one in tries if is_under_way[one]}
        # the state may have been long in leaving, and a request in getting through: the delay counts from its end
        self._note_tries({one: tries[one] for one in under_way})
        self._failed -= under_way
        self._unfinished |= under_way

    def _note_tries(self, before: Mapping[_Waiting, Try]) -> None:
        """Note that each of the projects is tried now, once more than before."""
        at = format_utc(self._clock.now())
        for one, known in before.items():
            for stream in self._streams:
                stream.note_try(one.unit.key, one.project_id, Try(known.count + 1, at))

    def _is_due(self, one: _Waiting) -> bool:
        if not self._may_try:
            return False
        tries = self._tries(one)
        earliest = format_utc(self._clock.now() - timedelta(minutes=self._settings.retry_delay_minutes))
        return tries.count < self._settings.max_attempts and tries.at <= earliest

    def _tries(self, one: _Waiting) -> Try:
        return max(stream.tries(one.unit.key, one.project_id) for stream in self._streams)

    def _try(self, one: _Waiting, before: Try) -> bool:
        """Whether the project is being processed now, or may be; `before` is the try before this one."""
        verb = self._settings.on_failure
        where = one.describe()
        if not self._may_try:
            self._take_back(one, before)
            return False
        try:
            self._client.post(f"storefront/v1/projects/{one.project_id}/{verb}-processing")
        except Conflict:
            logger.info(f"{where}: it is being processed already, or has not failed any more.")
        except NotFound:
            logger.warning(f"{where}: it is gone and cannot be processed again.")
            return False
        except MissingPermission as error:
            self._take_back(one, before)
            self._stop_trying(error)
            return False
        except CustomersCanvasError as error:
            if not isinstance(error, Stopped):
                logger.warning(f"{where}: it has failed and could not be {_DONE[verb]}: {error.message}")
            # a server that broke down while it answered may have begun all the same: only asking tells
            return isinstance(error, TransientError)
        else:
            logger.info(f"{where}: it has failed and was {_DONE[verb]}.")
        return True

    def _take_back(self, one: _Waiting, before: Try) -> None:
        for stream in self._streams:
            stream.take_back_try(one.unit.key, one.project_id, before)

    def _stop_trying(self, error: MissingPermission) -> None:
        with self._lock:
            may_try, self._may_try = self._may_try, False
        if may_try:
            logger.warning(f"Failed processing stays failed: {error.message}")

    # waiting

    def _wait(self) -> None:
        minutes = self._settings.wait_minutes
        deadline = self._clock.monotonic() + minutes * 60
        logger.info(f"Waiting up to {minutes} minutes for {len(self._unfinished)} unfinished projects.")
        # what finishes, only a stream that has not failed can emit
        while self._unfinished and any(stream.failure is None for stream in self._streams):
            left = deadline - self._clock.monotonic()
            if left < LEAST_SECONDS_BETWEEN_QUESTIONS - _TOLERANCE:
                break
            self._pause(max(min(self._settings.poll_seconds, left), LEAST_SECONDS_BETWEEN_QUESTIONS))
            before = len(self._unfinished)
            self._settle(self._ask(self._unfinished))
            logger.info(f"{before - len(self._unfinished)} of {before} projects that were waited for have ended.")
            self._try_again()
            self._work.checkpoint(and_wait=False)
        if self._unfinished:
            logger.info(f"{len(self._unfinished)} projects are unfinished and left to the next sync.")

    def _pause(self, seconds: float) -> None:
        self._clock.wait(seconds, self._client.stopping)
        if self._client.stopping.is_set():
            raise Stopped

    def _ask(self, projects: Set[_Waiting]) -> dict[_Waiting, Results]:
        """The results of those projects that have any."""
        self._unanswered = 0
        with ThreadPoolExecutor(self._workers, "poll") as pool:
            answers = dict(zip(projects, pool.map(self._results, projects), strict=True))
        now = self._clock.monotonic()
        self._asked.update(dict.fromkeys(projects, now))
        for one in self._gone:
            self._unfinished.discard(one)
            self._failed.discard(one)
            self._look_at(one, None)
        self._gone.clear()
        return {one: results for one, results in answers.items() if results}

    def _settle(self, answers: Mapping[_Waiting, Results]) -> None:
        """Sort projects by what they answered, and let the streams look at those that have ended."""
        for one, results in answers.items():
            has_ended = results.is_completed or results.is_failed
            (self._unfinished.discard if has_ended else self._unfinished.add)(one)
            (self._failed.add if results.is_failed else self._failed.discard)(one)
            if has_ended:
                self._look_at(one, results)
        self._work.drain()

    def _look_at(self, one: _Waiting, results: Results | None) -> None:
        streams = [stream for stream in self._streams if stream.has_mark(one.unit.key, one.project_id)]
        if streams:
            self._work.take_job(Job(one.unit, one.project_id, None, streams, results=results))

    def _results(self, one: _Waiting) -> Results | None:
        """The results, None while there are none: a project that cannot be asked for is simply waited for."""
        if self._unanswered >= _HOPELESS:
            return None
        path = f"storefront/v1/projects/{one.project_id}"
        try:
            results = ask_results(self._client.get_json, one.project_id)
        except Stopped:
            raise
        except NotFound:
            self._look_whether_gone(one, path)
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

    def _look_whether_gone(self, one: _Waiting, path: str) -> None:
        """Tell a project that has no run yet from one that was removed; asked once, until it has had a run."""
        if one in self._without_run:
            return
        try:
            self._client.get_json(path)
        except Stopped:
            raise
        except NotFound:
            with self._lock:
                self._gone.add(one)
        except CustomersCanvasError:
            return
        else:
            with self._lock:
                self._without_run.add(one)
