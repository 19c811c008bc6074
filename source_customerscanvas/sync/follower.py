"""Follows one slice for all streams of a sync: scans what was never read, then watches the rest."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.api.listing import Page
from source_customerscanvas.errors import Stopped
from source_customerscanvas.sync.dispatcher import Dispatcher
from source_customerscanvas.sync.lists import NEWEST_CREATED, NEWEST_MODIFIED, ProjectLists
from source_customerscanvas.sync.progress import StreamProgress
from source_customerscanvas.sync.scan import ScannedPage, end_of_scan, is_fresh, scan_pages, scanning, start_watch
from source_customerscanvas.sync.slices import Slice
from source_customerscanvas.sync.watch import Watch
from source_customerscanvas.times import format_utc


class Follower:
    """Used once, by one thread."""

    def __init__(
        self, client: ApiClient, slice_: Slice, streams: Sequence[StreamProgress], dispatcher: Dispatcher
    ) -> None:
        self._client = client
        self._slice = slice_
        self._streams = streams
        self._dispatcher = dispatcher
        self._lists = ProjectLists(client, slice_, streams)
        self.failed: set[int] = set()
        """The projects that a list showed as failed."""
        self.has_projects = False

    def follow(self) -> None:
        """Hand out all that is a change in the slice."""
        key = self._slice.key
        scans = scanning(self._streams, key)
        with ThreadPoolExecutor(1, "lists") as pool:
            # a first sync needs the tops of both lists before it can begin, so they are asked for at once
            created = pool.submit(self._lists.first, NEWEST_CREATED) if scans else None
            first = self._lists.first(NEWEST_MODIFIED)
        self.has_projects = bool(first.rows)
        now = format_utc(self._client.shop_now())
        if first.total is not None and first.is_last:
            self._take(Watch(self._lists, key, self._streams, now), first, is_whole=True)
            return
        if created:
            fresh = len(scans) == len(self._streams) and is_fresh(scans, key)
            tops = self._lists.top(NEWEST_MODIFIED, first), self._lists.top(NEWEST_CREATED, created.result())
            start_watch(scans, key, self._lists.newest(*tops, until=now), now)
            # streams that have scanned already take their changes from these pages too: no project is read twice
            for projects in scan_pages(self._lists, key, scans):
                self._take_page(ScannedPage(key, projects))
            for stream in scans:
                if stream.failure is None:
                    self._dispatcher.put(end_of_scan(stream, key))
            if fresh:
                return  # what changed during the scan is newer than the cursor, so the next sync finds it
            self._dispatcher.drain()
            first = self._lists.first(NEWEST_MODIFIED)
            now = format_utc(self._client.shop_now())
        top = self._lists.top(NEWEST_MODIFIED, first)
        self._take(Watch(self._lists, key, self._streams, now), top, is_whole=False)

    def _take_page(self, page: ScannedPage) -> None:
        self._dispatcher.raise_if_stopping()
        if self._dispatcher.is_broken(self._slice):
            raise Stopped
        for outcome in page.take(self._streams):
            self._dispatcher.put(outcome)
        self._dispatcher.take_batch(self._slice, page.jobs)

    def _take(self, watch: Watch, modified: Page, *, is_whole: bool) -> None:
        (watch.take_whole if is_whole else watch.look)(modified)
        self.failed = watch.changes.failed
        self._dispatcher.take_batch(self._slice, watch.changes.jobs)
