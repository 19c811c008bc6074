"""One read of the tracked streams: finds what to look at, looks at it with many hands, and hands it over.

    Tracker (a thread for each unit) ──pages, jobs──▶ workers ──outcomes──▶ StreamProgress ──▶ the stream's reader

The workers are threads of their own, `num_workers` of them: the framework's wait for the outcomes. No worker ever
waits for another one; a project with files is finished by whichever worker finishes the last of them.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from queue import Empty
from threading import Condition, Event, Thread

from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.api.listing import Page
from source_customerscanvas.api.projects import ARTIFACTS, FILES, PROJECTS, Project
from source_customerscanvas.api.storefronts import list_storefronts
from source_customerscanvas.errors import (
    ConfigurationError,
    CustomersCanvasError,
    MissingPermission,
    Stopped,
    Trouble,
    as_known_error,
)
from source_customerscanvas.files.download import Downloader
from source_customerscanvas.settings import Settings
from source_customerscanvas.sync.acknowledging import Acknowledging
from source_customerscanvas.sync.delivery import Delivery
from source_customerscanvas.sync.outcomes import Outcome
from source_customerscanvas.sync.processing import Processing
from source_customerscanvas.sync.progress import StreamProgress
from source_customerscanvas.sync.reporting import Reporter
from source_customerscanvas.sync.tasks import Tasks
from source_customerscanvas.sync.tracker import Job, Tracker, Unit
from source_customerscanvas.times import Clock, format_utc

_TRACKED_AT_ONCE = 4
"""Units whose lists are read at the same time."""


_STOPPING_SECONDS = 1.0
"""How often a long wait looks whether the sync is being ended."""

_CLEARING_SECONDS = 5.0
"""For downloads that are under way when a sync is ended to remove what they have written."""


class Sync:
    """One read of the tracked streams. Nothing is asked of the API before `start`."""

    def __init__(
        self,
        settings: Settings,
        client: ApiClient,
        clock: Clock,
        streams: Sequence[StreamProgress],
        transfer: Downloader | None = None,
    ) -> None:
        self._settings = settings
        self._client = client
        self._clock = clock
        self._streams = streams
        self._tasks = Tasks(2 * settings.num_workers)
        self._transfer = transfer
        self._delivery = Delivery(settings, client, clock, transfer, self)
        self._reporter = Reporter(client, clock, streams)
        self._handed_over = Condition()
        self._pending = 0
        self._has_units = Event()

    def start(self) -> None:
        """Begin to work; outcomes arrive in each stream's queue, which ends with None."""
        for number in range(self._settings.num_workers):
            Thread(target=self._tasks.work, name=f"worker-{number}", daemon=True).start()
        if any(stream.name in (ARTIFACTS, FILES) and not stream.state.units for stream in self._streams):
            self._tasks.put(self._delivery.artifacts.note_newest)  # else the first projects would wait for it
        Thread(target=self._run, name="tracker", daemon=True).start()
        self._reporter.start()

    def wait_for_units(self) -> None:
        """Wait until the storefronts to sync are known, or the sync has ended without them."""
        self._has_units.wait()

    def abandon(self) -> None:
        """End at once, without a file that is not whole."""
        self.fail(Stopped())
        if self._transfer:
            self._transfer.abandon()

    def outcomes(self, stream: StreamProgress, patience: float) -> Iterator[Outcome | None]:
        """What was found for a stream, as it comes; None when nothing came for `patience` seconds.

        The reader emits an outcome's records and comes back for the next one: only then it is remembered.
        """
        while True:
            try:
                outcome = stream.outcomes.take(patience)
            except Empty:
                yield None
                continue
            if outcome is None:
                return
            yield outcome
            stream.remember(outcome)
            with self._handed_over:
                self._pending -= 1
                self._handed_over.notify_all()

    def _run(self) -> None:
        began = format_utc(self._clock.now())
        try:
            units = self._units()
            self._has_units.set()
            self._acknowledge(units, began)
            with ThreadPoolExecutor(min(_TRACKED_AT_ONCE, max(len(units), 1)), "tracker") as pool:
                is_whole = all(list(pool.map(self._track, units)))
            self.drain()
            is_whole = self._note_broken(units) and is_whole
            self._move_artifact_cursors(began)  # the wait for processing may be long, and be cut short
            for stream in self._streams:
                if is_whole:
                    stream.deliveries.note_whole_read(began)
            processing = Processing(self._settings, self._client, self._clock, self._streams, self)
            processing.follow(units, self._delivery.seen)
        except Stopped:
            pass
        except Exception as error:
            self.fail(as_known_error(error))
        finally:
            self._has_units.set()
            self._tasks.end(self._settings.num_workers)
            self._move_artifact_cursors(began)
            if self._transfer:
                self._transfer.end(_CLEARING_SECONDS)
            for stream in self._streams:
                stream.outcomes.put(None)
            self._reporter.stop()

    def _units(self) -> list[Unit]:
        ids = [int(storefront["id"]) for storefront in list_storefronts(self._client, self._settings)]
        units = [Unit(id_, order_id) for id_ in ids for order_id in self._settings.order_ids or [None]]
        for stream in self._streams:
            stream.keep_units(unit.key for unit in units)
        return units

    def _move_artifact_cursors(self, began: str) -> None:
        newest = self._delivery.artifacts.newest
        for stream in self._streams:
            stream.move_artifact_cursors(began if newest is None else newest)

    def _track(self, unit: Unit) -> bool:
        """Follow a unit; what stops it does not stop the others. Gives whether it came to its end."""
        try:
            Tracker(self._client, self._clock, unit, self._streams, self).follow()
        except Stopped:
            return False
        except Exception as error:
            known = as_known_error(error)
            if isinstance(known, ConfigurationError) and not isinstance(known, MissingPermission):
                self.fail(known)
                return False
            for stream in self._streams:
                stream.counts.note_trouble(Trouble(unit.describe(), known), first=True)
            return False
        return True

    def _note_broken(self, units: Sequence[Unit]) -> bool:
        """Tell of the units that were given up; what was not read of them is owed. Gives whether there are none."""
        broken = [(unit, error) for unit in units if (error := self._delivery.health.broken(unit))]
        for unit, error in broken:
            for stream in self._streams:
                stream.counts.note_trouble(Trouble(unit.describe(), error), first=True)
        return not broken

    def _acknowledge(self, units: Sequence[Unit], began: str) -> None:
        projects = next((stream for stream in self._streams if stream.name == PROJECTS), None)
        for stream in self._streams:
            if stream.deliveries.since is None:
                continue
            if Acknowledging(self._settings, self._client, stream, projects, began).acknowledge(units):
                self.checkpoint(and_wait=False)

    def fail(self, failure: CustomersCanvasError) -> None:
        """End all streams with an error; what was handed over stays."""
        for stream in self._streams:
            stream.fail(failure)
        self._client.stopping.set()

    # what the tracker hands out (tracker.Work)

    def expect(self, stream: StreamProgress, projects: int) -> None:
        stream.counts.expect(projects)

    def take_page(self, unit: Unit, page: Page, projects: list[Project], streams: Sequence[StreamProgress]) -> None:
        self._raise_if_stopping()
        if self._delivery.health.broken(unit):
            raise Stopped
        after = max(project.id for project in projects)
        wanted_by: dict[int, list[StreamProgress]] = {}
        for stream in streams:
            if stream.failure is not None:
                continue  # its scan stays where it is: to owe the rest of a shop's history would fill the state
            wanted = [project for project in projects if stream.wants(unit.key, project)]
            if stream.name == PROJECTS:
                self._delivery.put_page(stream, unit, wanted, after, page.skip)
                continue
            stream.owe_page(unit.key, wanted, after, page.skip)
            for project in wanted:
                wanted_by.setdefault(project.id, []).append(stream)
        for project in projects:
            if project.id in wanted_by:
                self.take_job(Job(unit, project.id, project, wanted_by[project.id], from_scan=True))

    def take_job(self, job: Job) -> None:
        self._raise_if_stopping()
        self._tasks.put(partial(self._delivery.do, job))

    def end_scan(self, unit: Unit, stream: StreamProgress) -> None:
        if stream.failure is None:
            self.put(stream, Outcome(remember=partial(stream.end_scan, unit.key)))

    def drain(self) -> None:
        self._tasks.wait_until_done()
        with self._handed_over:
            self._handed_over.wait_for(lambda: self._pending == 0)

    def checkpoint(self, *, and_wait: bool) -> None:
        for stream in self._streams:
            self.put(stream, Outcome(checkpoint=True))
        if and_wait:
            self.drain()
            for stream in self._streams:
                while not stream.wait_until_out(_STOPPING_SECONDS):
                    self._raise_if_stopping()

    def _raise_if_stopping(self) -> None:
        if self._client.stopping.is_set():
            raise Stopped

    # what the workers hand over (delivery.Receiver)

    def put(self, stream: StreamProgress, outcome: Outcome) -> None:
        with self._handed_over:
            self._pending += 1
        stream.outcomes.put(outcome)

    def put_file(self, task: partial[None]) -> None:
        self._tasks.put_file(task)
