"""Tries failed processing again, and waits for what is unfinished, once everything else of a sync is done.

https://customerscanvas.com/dev/backoffice/howto/download-artifacts.html: ask again after a minute at the earliest,
leave several minutes between two tries.
"""

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from source_customerscanvas.client import ApiClient
from source_customerscanvas.errors import Conflict, CustomersCanvasError, MissingPermission, NotFound, Stopped
from source_customerscanvas.progress import StreamProgress
from source_customerscanvas.projects import Results
from source_customerscanvas.settings import Settings
from source_customerscanvas.state import Try
from source_customerscanvas.times import Clock, format_utc
from source_customerscanvas.tracker import Job, Unit

logger = logging.getLogger("airbyte.source-customerscanvas")

LEAST_SECONDS_BETWEEN_QUESTIONS = 60
"""How long a project is left alone after it was asked about: the API's own rule."""


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


class Processing:
    """The unfinished projects of a sync after all others were read."""

    def __init__(
        self, settings: Settings, client: ApiClient, clock: Clock, streams: Sequence[StreamProgress], work: Work
    ) -> None:
        self._settings = settings.processing
        self._workers = settings.num_workers
        self._client = client
        self._clock = clock
        self._streams = streams
        self._work = work
        self._may_try = settings.processing.on_failure != "report"

    def follow(self, units: Sequence[Unit], statuses: Mapping[tuple[str, int], str | None]) -> None:
        """Try again what has failed, then ask for the unfinished projects until all have finished or time is up.

        `statuses` are those that this sync saw in processing results; of the others, the lists told enough.
        """
        unfinished, failed = self._unfinished(units, statuses)
        tried = self._try_again(failed)
        if self._settings.wait_minutes and (unfinished or tried):
            self._wait(unfinished | tried, failed - tried)

    def _unfinished(
        self, units: Sequence[Unit], statuses: Mapping[tuple[str, int], str | None]
    ) -> tuple[set[_Waiting], set[_Waiting]]:
        unfinished, failed = set(), set()
        for unit in units:
            for stream in self._streams:
                for project_id, mark in stream.open_marks(unit.key).items():
                    if mark.owed:
                        continue  # it could not be read in this sync
                    status = statuses.get((unit.key, project_id), "Failed" if mark.status == "F" else "")
                    if status == "Failed":
                        failed.add(_Waiting(unit, project_id))
                    elif status != "Completed":
                        unfinished.add(_Waiting(unit, project_id))
        return unfinished - failed, failed

    def _try_again(self, failed: set[_Waiting]) -> set[_Waiting]:
        """Resume or restart those whose time has come; gives those that are under way now."""
        if not self._may_try:
            return set()
        now = self._clock.now()
        earliest = format_utc(now - timedelta(minutes=self._settings.retry_delay_minutes))
        due = []
        for one in failed:
            tries = max(stream.tries(one.unit.key, one.project_id) for stream in self._streams)
            if tries.count < self._settings.max_attempts and tries.at <= earliest:
                due.append(one)
                for stream in self._streams:
                    stream.note_try(one.unit.key, one.project_id, Try(tries.count + 1, format_utc(now)))
        if not due:
            return set()
        # a try that no state knows of would be repeated without end by syncs that are killed
        self._work.checkpoint(and_wait=True)
        with ThreadPoolExecutor(self._workers, "retry") as pool:
            under_way = pool.map(self._try, due)
            return {one for one, is_under_way in zip(due, under_way, strict=True) if is_under_way}

    def _try(self, one: _Waiting) -> bool:
        """Whether the project is being processed now, or may be."""
        if not self._may_try:
            return False
        verb = self._settings.on_failure
        where = f"{one.unit.describe()}, project {one.project_id}"
        try:
            self._client.post(f"storefront/v1/projects/{one.project_id}/{verb}-processing")
        except Conflict:
            logger.info(f"{where} is being processed already, or has not failed any more: looked at again later.")
        except NotFound:
            logger.warning(f"{where} is gone: it cannot be processed again.")
            return False
        except MissingPermission as error:
            self._stop_trying(error)
            return False
        except Stopped:
            return False
        except CustomersCanvasError as error:
            logger.warning(f"{where} could not be {verb}d: {error.message}")
            return False
        else:
            logger.info(f"{where} has failed and was {verb}d.".replace("restartd", "restarted"))
        return True

    def _stop_trying(self, error: MissingPermission) -> None:
        if self._may_try:
            self._may_try = False
            logger.warning(f"Failed processing stays failed: {error.message}")

    def _wait(self, waiting: set[_Waiting], failed: set[_Waiting]) -> None:
        deadline = self._clock.monotonic() + self._settings.wait_minutes * 60
        logger.info(f"Waiting up to {self._settings.wait_minutes} minutes for {len(waiting)} unfinished projects.")
        while waiting:
            now = self._clock.monotonic()
            pause = min(self._settings.poll_seconds, deadline - now)
            if pause < LEAST_SECONDS_BETWEEN_QUESTIONS:
                break
            self._client.wait(pause)
            finished, failed_now = self._ask(waiting)
            waiting = waiting - finished - failed_now
            failed |= failed_now
            tried = self._try_again(failed)
            failed -= tried
            waiting |= tried
            self._work.checkpoint(and_wait=False)
            logger.info(f"{len(finished)} projects have finished, {len(waiting)} are still waited for.")
        if waiting:
            logger.info(f"{len(waiting)} projects are unfinished and left to the next sync.")

    def _ask(self, waiting: set[_Waiting]) -> tuple[set[_Waiting], set[_Waiting]]:
        """Ask for the results of each project and look at those that have ended; gives the finished and the failed."""
        with ThreadPoolExecutor(self._workers, "poll") as pool:
            statuses = dict(zip(waiting, pool.map(self._results, waiting), strict=True))
        finished = {one for one, results in statuses.items() if results and results.is_completed}
        failed = {one for one, results in statuses.items() if results and results.is_failed}
        for one in finished | failed:
            streams = [stream for stream in self._streams if stream.has_mark(one.unit.key, one.project_id)]
            if streams:
                self._work.take_job(Job(one.unit, one.project_id, None, streams, results=statuses[one]))
        self._work.drain()
        return finished, failed

    def _results(self, one: _Waiting) -> Results | None:
        """The results, None while there are none: a project that cannot be asked for is simply waited for."""
        try:
            answer = self._client.get_json(f"storefront/v1/projects/{one.project_id}/processing-results")
        except Stopped:
            raise
        except CustomersCanvasError as error:
            if not isinstance(error, NotFound):
                logger.warning(f"{one.unit.describe()}, project {one.project_id}: {error.message}")
            return None
        return Results.from_answer(answer) if isinstance(answer, dict) else None
