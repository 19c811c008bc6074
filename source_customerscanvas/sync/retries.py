"""Resumes or restarts failed processing.

https://customerscanvas.com/dev/backoffice/howto/download-artifacts.html
"""

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from threading import Lock

from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.api.projects import PATH, Results, ask_project, failed_items
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
from source_customerscanvas.sync.dispatcher import Dispatcher
from source_customerscanvas.sync.progress import StreamProgress
from source_customerscanvas.sync.slices import Slice
from source_customerscanvas.times import format_utc

logger = logging.getLogger("airbyte.source-customerscanvas")

_DONE = {"resume": "resumed", "restart": "restarted"}


@dataclass(frozen=True)
class Waited:
    """A project that may move on while the sync waits."""

    slice: Slice
    project_id: int

    def describe(self) -> str:
        return f"{self.slice.describe()}, project {self.project_id}"


class Tries:
    """The tries of a sync's projects; `before` are those of the states that it began with, of other streams too."""

    def __init__(self, streams: Sequence[StreamProgress], before: Mapping[int, Try]) -> None:
        self._streams = streams
        self._before = dict(before)
        self._owed_for_a_try: set[tuple[str, str, int]] = set()
        """By stream, slice and project: what nothing but a try has made owed."""

    def of(self, project_id: int) -> Try:
        """The last try of a project that any stream knows of."""
        found = [self._before.get(project_id, Try())]
        for stream in self._streams:
            with stream.lock:
                found.append(stream.state.tries.get(project_id, Try()))
        return max(found)

    def note(self, key: str, project_id: int, one: Try) -> None:
        """Note a try before it is made; whatever comes of it, the project is read in the next sync."""
        for stream in self._streams:
            with stream.slice(key) as state:
                if project_id in state.known or project_id in state.owed:
                    stream.state.tries[project_id] = one
                    if project_id not in state.owed:
                        self._owed_for_a_try.add((stream.name, key, project_id))
                    state.owe(project_id)

    def take_back(self, key: str, project_id: int, before: Try) -> None:
        """Note that a try was not made after all; `before` is the one before it."""
        for stream in self._streams:
            with stream.slice(key) as state:
                if stream.state.tries.pop(project_id, None):
                    if (stream.name, key, project_id) in self._owed_for_a_try:
                        state.owed.discard(project_id)
                    if before.count:
                        stream.state.tries[project_id] = before


class Retries:
    """Tries failed projects again. Used by one thread."""

    def __init__(self, settings: Settings, client: ApiClient, tries: Tries, dispatcher: Dispatcher) -> None:
        self._processing = settings.processing
        self._verb = settings.processing.on_failure
        self._statuses = settings.statuses
        self._workers = settings.num_workers
        self._client = client
        self._tries = tries
        self._dispatcher = dispatcher
        self._lock = Lock()
        self._is_permitted = self._verb != "report"

    def is_due(self, one: Waited) -> bool:
        if not self._is_permitted:
            return False
        known = self._of(one)
        earliest = format_utc(self._client.shop_now() - timedelta(minutes=self._processing.retry_delay_minutes))
        return known.count < self._processing.max_attempts and known.at <= earliest

    def make(self, projects: Mapping[Waited, Results | None]) -> set[Waited]:
        """Try these projects again, each with its results if they are known.

        Gives those that are being processed now, or may be.
        """
        with ThreadPoolExecutor(self._workers, "retry") as pool:
            looked_at = zip(projects, pool.map(self._look, projects, projects.values()), strict=True)
        found = {one: seen for one, seen in looked_at if seen is not None}
        before = {one: self._of(one) for one in found}
        if not before:
            return set()
        self._note(before)
        # a try that no state knows of would be repeated without end by syncs that are killed
        self._dispatcher.checkpoint(and_wait=True)
        with ThreadPoolExecutor(self._workers, "retry") as pool:
            made = pool.map(lambda one: self._try(one, before[one], *found[one]), before)
            return {one for one, is_under_way in zip(before, made, strict=True) if is_under_way}

    def _of(self, one: Waited) -> Try:
        return self._tries.of(one.project_id)

    def _note(self, before: Mapping[Waited, Try]) -> None:
        """Note that each of the projects is tried now, once more than before."""
        at = format_utc(self._client.shop_now())
        for one, known in before.items():
            self._tries.note(one.slice.key, one.project_id, Try(known.count + 1, at))

    def _look(self, one: Waited, results: Results | None) -> tuple[str, list[int]] | None:
        """Where the project is, and those of its items that have failed; without items, the project as a whole has.

        None: leave it.
        """
        try:
            project = ask_project(self._client.get_json, one.project_id)
            if project is None or not self._statuses.includes(project.business_status):
                return None
            return project.describe(), failed_items(self._client.get_json, project, results) if results else []
        except Stopped:
            raise
        except CustomersCanvasError as error:
            logger.warning(f"{one.describe()}: it has failed and is not {_DONE[self._verb]} now: {error.message}")
            return None

    def _try(self, one: Waited, before: Try, where: str, items: list[int]) -> bool:
        """Whether the project is being processed now, or may be; `before` is the try before this one."""
        # each item for itself: what is said of one is not said of the others
        parts: Sequence[int | None] = items or [None]
        under_way = [self._post(one, before, where, part) for part in parts]
        if any(under_way):
            # the delay counts from now: the state may have taken long to leave, and the request too
            self._note({one: before})
        return any(under_way)

    def _post(self, one: Waited, before: Try, where: str, item: int | None) -> bool:
        """As `_try`, for one item; None: the project as a whole."""
        where += f", item {item}" if item is not None else ""
        if not self._is_permitted:
            self._tries.take_back(one.slice.key, one.project_id, before)
            return False
        try:
            params = {"itemId": item} if item is not None else None
            self._client.post(f"{PATH}/{one.project_id}/{self._verb}-processing", params)
        except Conflict:
            logger.info(f"{where}: it is being processed already, or has not failed any more.")
        except NotFound:
            logger.warning(f"{where}: it is gone and cannot be processed again.")
            return False
        except MissingPermission as error:
            self._tries.take_back(one.slice.key, one.project_id, before)
            self._stop_trying(error)
            return False
        except CustomersCanvasError as error:
            if not isinstance(error, Stopped):
                logger.warning(f"{where}: it has failed and could not be {_DONE[self._verb]}: {error.message}")
            # a server that broke down while it answered may have begun all the same: only asking tells
            return isinstance(error, TransientError)
        else:
            logger.info(f"{where}: it has failed and was {_DONE[self._verb]}.")
        return True

    def _stop_trying(self, error: MissingPermission) -> None:
        with self._lock:
            is_first, self._is_permitted = self._is_permitted, False
        if is_first:
            logger.warning(f"Failed processing stays failed: {error.message}")
