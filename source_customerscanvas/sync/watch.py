"""Watches a slice that was scanned once: finds what changed since, at a cost that does not grow with its history.

The API cannot be asked for what was modified since, therefore each sync looks at

- the projects by `LastModified`, newest first, until the look-back window is passed;
- the projects by `Created`, newest first, since `lastModified` is null until the first modification;
- all that are `Pending`, `InProgress` and `Failed`: processing moves on without a trace in `lastModified`;
- the open projects that none of these lists showed: they have finished, were removed, or have no status at all;
- the held projects, by the business statuses that hold them;
- those that were seen to finish a look-back window ago: a later run may have added files.

All of it is collected first. Then it is noted at once that it is owed and that the cursor has moved: a killed sync
finds each project owed, or the cursor where it was.
"""

from collections.abc import Sequence

from source_customerscanvas.api.listing import Page, walk
from source_customerscanvas.api.projects import UNFINISHED_LISTS
from source_customerscanvas.sync.changes import Changes
from source_customerscanvas.sync.lists import BY_ID, NEWEST_CREATED, NEWEST_MODIFIED, TIME_OF, ProjectLists
from source_customerscanvas.sync.progress import StreamProgress
from source_customerscanvas.sync.settling import set_back
from source_customerscanvas.sync.unlisted import add_unlisted, consider_held
from source_customerscanvas.times import to_utc

_PASSES = 10
"""How often the newest projects are listed again because some were modified while they were listed."""


class Watch:
    """One watch of a slice for all of its streams; used by one thread. `now` is the shop's time at its beginning."""

    def __init__(self, lists: ProjectLists, key: str, streams: Sequence[StreamProgress], now: str) -> None:
        self._lists = lists
        self._key = key
        self._streams = streams
        self._now = now
        for stream in streams:
            with stream.slice(key) as state:
                set_back(state, stream.lookback, now)
        self.changes = Changes(key, streams)

    def take_whole(self, page: Page) -> None:
        """A list that fits one page is a snapshot: it shows all there is, at the price of one request."""
        for project in self._lists.projects(page):
            self.changes.consider(project)
        add_unlisted(self._lists, self._key, self._streams, self.changes, others=None)
        self._note(self._lists.newest(page, until=self._now), ends_scan=bool(page.rows))

    def look(self, modified: Page) -> None:
        """Find what changed since the cursors, and what is open and has moved on.

        `modified` is the top of the list by `LastModified`, which is read before the list by `Created`. Together they
        show every change up to the moment at which each was read.
        """
        created = self._lists.top(NEWEST_CREATED)
        newest, newest_created = (self._lists.newest(page, until=self._now) for page in (modified, created))
        with_cursors = min(stream.cursor(self._key) for stream in self._streams)
        if newest_created > max(newest, with_cursors):
            # what was modified between the two may be older than the new cursor and on neither page: read it again
            newest, modified = newest_created, self._lists.top(NEWEST_MODIFIED)
        boundary = min(stream.lookback.before(stream.cursor(self._key)) for stream in self._streams)
        self._list_newest(NEWEST_CREATED, created, boundary)
        pages = self._list_newest(NEWEST_MODIFIED, modified, boundary)
        # what was modified while it was listed has moved to the top, perhaps unseen; one page is a snapshot
        for _ in range(_PASSES):
            if pages <= 1:
                break
            pages = self._list_newest(NEWEST_MODIFIED, self._lists.top(NEWEST_MODIFIED), boundary, until_seen=True)
        others = modified.total
        for status in UNFINISHED_LISTS:
            fetch = self._lists.fetch(BY_ID, processingStatus=status)
            start = fetch(0)
            others = None if others is None or start.total is None else others - start.total
            for page in walk(fetch, start):
                for project in self._lists.projects(page):
                    self.changes.consider(project)
        consider_held(self._lists, self._key, self._streams, self.changes)
        add_unlisted(self._lists, self._key, self._streams, self.changes, others)
        self._note(newest, ends_scan=False)

    def _list_newest(self, sorting: str, top: Page, boundary: str, *, until_seen: bool = False) -> int:
        """Consider the projects on top of a list, down to the boundary (or to a page that shows nothing unseen).

        Gives the number of pages read.
        """
        pages = 0
        for page in walk(self._lists.fetch(sorting), top):
            pages += 1
            projects = self._lists.projects(page)
            recent = [project for project in projects if project.latest >= boundary]
            unseen = [project for project in recent if self.changes.seen.get(project.id) != project.latest]
            for project in unseen:
                self.changes.consider(project)
            times = [to_utc(row.get(TIME_OF[sorting])) for row in page.rows]
            while times and times[0] is None:
                del times[0]
            is_past = any(time is None or time < boundary for time in times)
            if is_past or (until_seen and page.rows and not unseen):
                break
        return pages

    def _note(self, newest: str, *, ends_scan: bool) -> None:
        """Owe first, then move the cursor: at no moment does a state claim what nobody will read."""
        self.changes.add_once_more(self._now)
        self.changes.owe()
        for stream in self._streams:
            with stream.slice(self._key) as state:
                if ends_scan:
                    state.scan = None
                stream.move_cursor(self._key, newest, self._now, self.changes.seen)
