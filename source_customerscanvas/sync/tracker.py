"""Finds the projects that a sync has to look at, at a cost that does not grow with the shop's history.

A unit (a storefront, or one order of it) is *scanned* once: all of its projects in the order of their ids, which
never change, so that no modification can move a row past the reader. From then on it is *watched*. The API cannot be
asked for what was modified since, therefore each sync looks at

- the projects by `LastModified`, newest first, until the look-back window is passed;
- the projects by `Created`, newest first, since `lastModified` is null until the first modification;
- all that are `Pending`, `InProgress` and `Failed`: processing moves on without a trace in `lastModified`;
- the marked projects that none of these lists showed: they have finished, were removed, or have no status at all;
  those that turn out to be hidden from the lists are then asked for once a day.

What is news to a stream, `progress.StreamProgress` says. A watch collects all of it first, then notes at once that it
is owed and that the cursor has moved: a killed sync finds each project owed, or the cursor where it was.
"""

import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import orjson

from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.api.listing import PAGE_SIZE, FetchPage, Page, first_with, read_page, walk
from source_customerscanvas.api.projects import COMPLETED, HIDDEN, NO_STATUS, UNFINISHED_LISTS, Project, Results
from source_customerscanvas.sync.progress import StreamProgress
from source_customerscanvas.sync.reporting import pass_over
from source_customerscanvas.times import ABSURD, Clock, format_utc, to_utc

NEWEST_MODIFIED = "LastModified DESC,Id DESC"
NEWEST_CREATED = "Created DESC,Id DESC"
TIME_OF = {NEWEST_MODIFIED: "lastModified", NEWEST_CREATED: "created"}
BY_ID = "Id ASC"
NEWEST_ID = "Id DESC"

_PASSES = 10
"""How often the newest projects are listed again because some were modified while they were listed."""

_HIDDEN_FOR = timedelta(days=1)
"""How long a project that no list shows is left alone."""


@dataclass(frozen=True)
class Unit:
    """What is listed together: a storefront, or one order of it. `key` names it in the state."""

    storefront_id: int
    order_id: str | None = None

    @property
    def key(self) -> str:
        return str(self.storefront_id) if self.order_id is None else f"{self.storefront_id}/{self.order_id}"

    def describe(self) -> str:
        return f"storefront {self.storefront_id}" + (f", order {self.order_id}" if self.order_id is not None else "")

    @property
    def params(self) -> dict[str, str | int]:
        """What a list of the API is asked for to show its projects only."""
        params: dict[str, str | int] = {"storefrontId": self.storefront_id}
        return params if self.order_id is None else {**params, "orderId": self.order_id}

    def has(self, project: Project) -> bool:
        """Whether a project that was asked for singly (still) belongs here."""
        same_storefront = project.storefront_id in (None, self.storefront_id, str(self.storefront_id))
        return same_storefront and self.order_id in (None, project.order_id)


@dataclass(frozen=True)
class Job:
    """A project to look at for some of the streams; `project` is None where it has to be asked for first.

    A scan comes from the oldest projects, a watch from the newest ones.
    """

    unit: Unit
    project_id: int
    project: Project | None
    streams: Sequence[StreamProgress]
    from_scan: bool = False
    results: Results | None = None
    """Where they have been asked for already."""
    is_unlisted: bool = False
    """Whether it is marked, and no list showed it."""


class _News:
    """What the lists of a unit showed in one watch. Rows are kept packed: after a long pause there may be very many."""

    def __init__(self) -> None:
        self.seen: dict[int, str] = {}
        self.without_status: set[int] = set()
        self.counted_without_status: int | None = None
        """How many there are in the unit, where that is not what was expected."""
        self.asks_hidden = False
        """Whether all marked projects that no list shows are looked at, the hidden ones too."""
        self._packed: dict[int, bytes | None] = {}
        self._wanted_by: dict[int, set[str]] = {}

    def see(self, project: Project, wanted_by: set[str]) -> None:
        self.seen[project.id] = project.updated_at
        if project.status_code == NO_STATUS:
            self.without_status.add(project.id)
        if wanted_by:
            self._packed[project.id] = zlib.compress(orjson.dumps(project.row), 1)
            self._wanted_by[project.id] = wanted_by

    def miss(self, project_id: int, wanted_by: str) -> None:
        self._packed.setdefault(project_id, None)
        self._wanted_by.setdefault(project_id, set()).add(wanted_by)

    @property
    def has_missed(self) -> bool:
        """Whether there are marked projects to look at that no list shows."""
        return None in self._packed.values()

    def jobs(self, unit: Unit, streams: Sequence[StreamProgress]) -> Iterator[Job]:
        """Newest first: in the order in which the list of artifacts shows their files."""
        for project_id in sorted(self._packed, reverse=True):
            packed = self._packed[project_id]
            project = Project(orjson.loads(zlib.decompress(packed)), project_id) if packed else None
            wanting = [stream for stream in streams if stream.name in self._wanted_by[project_id]]
            yield Job(unit, project_id, project, wanting, is_unlisted=project is None)


class Work(Protocol):
    """Where the tracker hands out what it finds (see `sync.Sync`)."""

    def expect(self, stream: StreamProgress, projects: int) -> None:
        """So many projects more will be handed out for a stream."""

    def take_page(self, unit: Unit, page: Page, projects: list[Project], streams: Sequence[StreamProgress]) -> None:
        """A page of a scan: each of the streams takes from it what is news, and notes that it has come past it."""

    def take_job(self, job: Job) -> None:
        """A project of a watch, already owed to its streams."""

    def end_scan(self, unit: Unit, stream: StreamProgress) -> None:
        """The last page of a scan was handed out."""

    def drain(self) -> None:
        """Wait until all that was handed out has been handed over and remembered."""


class Tracker:
    """Walks one unit for all selected streams at once and hands out what each of them has to look at."""

    def __init__(
        self, client: ApiClient, clock: Clock, unit: Unit, streams: Sequence[StreamProgress], work: Work
    ) -> None:
        self._client = client
        now = clock.now()
        self._now, self._yesterday = format_utc(now), format_utc(now - _HIDDEN_FOR)
        self._absurd = format_utc(now + ABSURD)
        self._unit = unit
        self._key = unit.key
        self._streams = streams
        self._work = work
        self._has_nameless = False

    def follow(self) -> None:
        """Hand out all that is news in the unit."""
        scanning = [(stream, scan) for stream in self._streams if (scan := stream.scan(self._key))]
        with ThreadPoolExecutor(1, "tracker") as pool:
            # nobody has anything to do before a first sync knows both
            created = pool.submit(self._page, NEWEST_CREATED) if scanning else None
            first = self._page(NEWEST_MODIFIED)
        if first.total is not None and first.is_last:
            self._take_whole(first)
            return
        if created:
            is_fresh = len(scanning) == len(self._streams) and all(
                scan.after < 0 and not stream.boundary(self._key) for stream, scan in scanning
            )
            newest = self._newest(self._top(NEWEST_MODIFIED, first), self._top(NEWEST_CREATED, created.result()))
            for stream, _ in scanning:
                stream.start_watch(self._key, newest)
            self._scan([stream for stream, _ in scanning])
            if is_fresh:
                return  # what changed meanwhile lies behind the cursor and is the next sync's
            self._work.drain()
            first = self._page(NEWEST_MODIFIED)
        self._watch(self._top(NEWEST_MODIFIED, first))

    def _take_whole(self, page: Page) -> None:
        """A list that fits one page is a snapshot: it shows all there is, at the price of one request."""
        news = _News()
        for project in self._projects(page):
            self._consider(project, news)
        self._consider_unseen(news, None)
        self._hand_out(news, self._newest(page), ends_scan=bool(page.rows))

    def _scan(self, streams: Sequence[StreamProgress]) -> None:
        """Hand out, in the order of their ids, all projects that one of these streams has not read yet."""
        scans = [scan for stream in streams if (scan := stream.scan(self._key))]
        after = min(scan.after for scan in scans)
        fetch = self._fetch(BY_ID)
        first = self._page_before(fetch, after, min(scan.at for scan in scans))
        for stream in streams:
            self._work.expect(stream, max((first.total or 0) - first.skip, 0))
        for page in walk(fetch, first, to_the_end=True):
            projects = [project for project in self._projects(page) if project.id > after]
            if projects:
                after = max(project.id for project in projects)
                # those that were read before take what is news to them, so that no project is asked for twice
                self._work.take_page(self._unit, page, projects, self._streams)
        for stream in streams:
            self._work.end_scan(self._unit, stream)

    def _page_before(self, fetch: FetchPage, after: int, hint: int) -> Page:
        """The page at an offset before the first project with a greater id than `after`, near a hint gone stale."""
        back = PAGE_SIZE
        while True:
            page = fetch(hint)
            projects = self._projects(page)
            if hint == 0 or (projects and projects[0].id <= after):
                return page
            hint = max(hint - back, 0)
            back *= 4

    def _watch(self, modified: Page) -> None:
        """Hand out what changed since the cursors, and what is unfinished and has moved on.

        `modified` is the top of the list by `LastModified`. All that was modified until it was read, it shows with what
        follows it, and all that was created until then, the list by `Created` shows, which is read after it.
        """
        news = _News()
        created = self._top(NEWEST_CREATED)
        newest, newest_created = self._newest(modified), self._newest(created)
        if newest_created > max(newest, min(stream.cursor(self._key) for stream in self._streams)):
            # what was modified between the two pages may lie before this cursor, and the first one does not show it
            newest, modified = newest_created, self._top(NEWEST_MODIFIED)
        boundary = min(stream.boundary(self._key) for stream in self._streams)
        self._list_newest(NEWEST_CREATED, created, boundary, news)
        pages = self._list_newest(NEWEST_MODIFIED, modified, boundary, news)
        # what was modified while it was listed has moved to the top, perhaps unseen; one page is a snapshot
        for _ in range(_PASSES):
            if pages <= 1:
                break
            pages = self._list_newest(NEWEST_MODIFIED, self._top(NEWEST_MODIFIED), boundary, news, until_seen=True)
        others = modified.total
        for status in UNFINISHED_LISTS:
            fetch = self._fetch(BY_ID, processingStatus=status)
            start = fetch(0)
            others = None if others is None or start.total is None else others - start.total
            for page in walk(fetch, start):
                for project in self._projects(page):
                    self._consider(project, news)
        self._consider_unseen(news, others)
        self._hand_out(news, newest, ends_scan=False)
        if news.counted_without_status is not None:
            self._work.drain()  # only now it is known which of those that no list shows have moved on
            for stream in self._streams:
                left = stream.marked_without_status(self._key) | news.without_status
                # fewer than none: some of the marked ones are hidden
                stream.note_others_without_status(self._key, news.counted_without_status - len(left))

    def _list_newest(self, sorting: str, top: Page, boundary: str, news: _News, *, until_seen: bool = False) -> int:
        """Consider the projects on top of a list, down to the boundary (or to a page that shows nothing unseen).

        Gives the number of pages read.
        """
        pages = 0
        for page in walk(self._fetch(sorting), top):
            pages += 1
            projects = self._projects(page)
            recent = [project for project in projects if project.updated_at >= boundary]
            unseen = [project for project in recent if news.seen.get(project.id) != project.updated_at]
            for project in unseen:
                self._consider(project, news)
            times = [to_utc(project.row.get(TIME_OF[sorting])) for project in projects]
            while times and times[0] is None:
                del times[0]
            is_past = any(time is None or time < boundary for time in times)
            if is_past or (until_seen and projects and not unseen):
                break
        return pages

    def _top(self, sorting: str, first: Page | None = None) -> Page:
        """The page of a list on which the rows with a time begin, where those without one come before them.

        `first` is the first page of the list, where that is known. Empty where no row has a time.
        """
        fetch, field = self._fetch(sorting), TIME_OF[sorting]
        first = first or fetch(0)
        start = first_with(fetch, first, field)
        if start is None:
            return Page(first.total or 0, [], first.total)
        if start == 0:
            return first
        back = 1
        while True:
            page = fetch(max(start - back, 0))
            # a row that got its time just now has moved from before the edge to right behind it
            if page.skip == 0 or not page.rows or page.rows[0].get(field) is None:
                return page
            back *= 4

    def _consider(self, project: Project, news: _News) -> None:
        news.see(project, {stream.name for stream in self._streams if stream.wants(self._key, project)})

    def _consider_unseen(self, news: _News, others: int | None) -> None:
        """Take up the marked projects that no list showed: finished, gone, hidden, or without a status."""
        marks = {stream.name: stream.open_marks(self._key) for stream in self._streams}
        hidden = {
            id_ for marked in marks.values() for id_, mark in marked.items() if mark.status == HIDDEN and not mark.owed
        }
        asked = [stream.hidden_asked(self._key) for stream in self._streams]
        news.asks_hidden = not hidden or not all(self._yesterday < at <= self._now for at in asked)
        silent = {
            id_
            for marked in marks.values()
            for id_, mark in marked.items()
            if mark.status == NO_STATUS and not mark.owed and id_ not in news.seen
        }
        if silent:
            silent -= self._silent_still(silent, hidden, news, others)
        for stream, marked in marks.items():
            for id_, mark in marked.items():
                is_left_alone = (mark.status == NO_STATUS and id_ not in silent) or (
                    mark.status == HIDDEN and not news.asks_hidden
                )
                if id_ not in news.seen and (mark.owed or not is_left_alone):
                    news.miss(id_, stream)

    def _silent_still(self, silent: set[int], hidden: set[int], news: _News, others: int | None) -> set[int]:
        """Those of the projects without a status that have not moved on; no list shows them.

        While the number of the `others`, less the completed ones, is what it was, none of them has: one request for
        all. Otherwise they are looked for among the newest projects, as long as a page shows more than one of them.
        """
        completed = None if others is None else self._page(BY_ID, processingStatus=COMPLETED).total
        without = None if others is None or completed is None else others - completed
        elsewhere = max(stream.others_without_status(self._key) for stream in self._streams)
        if without == len(silent | news.without_status) + elsewhere:
            return silent
        found: set[int] = set()
        fetch = self._fetch(NEWEST_ID)
        for page in walk(fetch, fetch(0)):
            projects = [project for project in self._projects(page) if project.id in (silent | hidden) - found]
            found |= {project.id for project in projects}
            for project in projects:
                self._consider(project, news)
            if len(projects) <= 1 or silent <= found:
                break
        news.counted_without_status = without
        return found

    def _hand_out(self, news: _News, newest: str, *, ends_scan: bool) -> None:
        """Owe first, then move the cursor, then hand out: at no moment does a state claim what nobody will read."""
        wanted: dict[str, int] = {}
        for job in news.jobs(self._unit, self._streams):
            for stream in job.streams:
                stream.owe(self._key, job.project_id, job.project)
                wanted[stream.name] = wanted.get(stream.name, 0) + 1
        for stream in self._streams:
            if ends_scan:
                stream.end_scan(self._key)
            stream.move_cursor(self._key, newest, news.seen)
            if news.asks_hidden:
                stream.note_hidden_asked(self._key, self._now if news.has_missed else "")
            self._work.expect(stream, wanted.get(stream.name, 0))
        for job in news.jobs(self._unit, self._streams):
            self._work.take_job(job)

    def _newest(self, *pages: Page) -> str:
        """The latest time that the first pages of the lists show: the end of what this sync can know of."""
        times = {project.updated_at for page in pages for project in self._projects(page)}
        return max((time for time in times if time < self._absurd), default="")

    def _page(self, sorting: str, **filters: str) -> Page:
        return self._fetch(sorting, **filters)(0)

    def _fetch(self, sorting: str, **filters: str) -> FetchPage:
        params = {**self._unit.params, "sorting": sorting, **filters}
        return lambda skip: read_page(self._client.get_json, "storefront/v1/projects", params, skip)

    def _projects(self, page: Page) -> list[Project]:
        projects = [project for row in page.rows if (project := Project.from_row(row))]
        if len(projects) < len(page.rows) and not self._has_nameless:
            self._has_nameless = True
            pass_over(self._streams, f"{self._unit.describe()}: projects that are listed without a usable id")
        return projects
