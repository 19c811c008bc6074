"""Scans a slice once: all of its projects in the order of their ids, which never change.

So no modification can move a row past the reader. From then on the slice is watched (see `watch`).
"""

from collections.abc import Iterable, Iterator, Sequence

from source_customerscanvas.api.listing import walk
from source_customerscanvas.api.projects import Project
from source_customerscanvas.sync.jobs import Batch, Job
from source_customerscanvas.sync.kinds import PROJECTS
from source_customerscanvas.sync.lists import BY_ID, ProjectLists
from source_customerscanvas.sync.outcomes import Outcome, Records
from source_customerscanvas.sync.progress import StreamProgress
from source_customerscanvas.sync.records import project_record
from source_customerscanvas.sync.settling import Settled


def scan_pages(lists: ProjectLists, key: str, streams: Sequence[StreamProgress]) -> Iterator[list[Project]]:
    """The projects of each page, from where the least advanced of these scans has come to."""
    after = min(_after(stream, key) for stream in streams)
    first = lists.page_before(after)
    for stream in streams:
        stream.counts.expect(max((first.total or 0) - first.skip, 0))
    for page in walk(lists.fetch(BY_ID), first, to_the_end=True):
        projects = [project for project in lists.projects(page) if project.id > after]
        if projects:
            after = max(project.id for project in projects)
            yield projects


class ScannedPage:
    """A page of a scan: what of it each stream is owed, which it notes together with having come past the page."""

    def __init__(self, key: str, projects: Sequence[Project]) -> None:
        self._key = key
        self._projects = projects
        self._after = max(project.id for project in projects)
        self._wanted_by: dict[int, list[StreamProgress]] = {}

    def take(self, streams: Sequence[StreamProgress]) -> Iterator[Outcome]:
        """Note what each stream is owed; gives what is emitted at once, of the stream that needs no more than the row.

        A stream that has failed is not owed further pages: its state would grow with the history.
        """
        for stream in streams:
            if stream.failure is not None:
                continue
            wanted = [project for project in self._projects if stream.wants(self._key, project)]
            if stream.name == PROJECTS:
                yield self._rows(stream, wanted)
                continue
            with stream.lock:
                for project in wanted:
                    stream.owe(self._key, project)
                    self._wanted_by.setdefault(project.id, []).append(stream)
                _pass(stream, self._key, self._after)

    def jobs(self, batch: Batch) -> Iterator[Job]:
        """The projects to read."""
        for project in self._projects:
            if streams := self._wanted_by.get(project.id):
                yield Job(batch, project.id, project.without_bulk(), streams, from_scan=True)

    def _rows(self, stream: StreamProgress, wanted: Iterable[Project]) -> Outcome:
        settled = [Settled.of(stream.name, project, None, "") for project in wanted]

        def note() -> None:
            with stream.lock:
                for one in settled:
                    stream.settle(self._key, one)
                _pass(stream, self._key, self._after)

        rows: Records = [(project_record(project), None) for project in wanted]
        return Outcome(stream.name, rows, note, finished=len(rows))


def end_of_scan(stream: StreamProgress, key: str) -> Outcome:
    """What is noted when all that a scan has found before was noted."""

    def note() -> None:
        with stream.slice(key) as state:
            state.scan = None

    return Outcome(stream.name, note=note)


def scanning(streams: Sequence[StreamProgress], key: str) -> list[StreamProgress]:
    """The streams that have not read all of a slice yet."""
    found = []
    for stream in streams:
        with stream.slice(key) as state:
            if state.scan is not None:
                found.append(stream)
    return found


def start_watch(streams: Sequence[StreamProgress], key: str, newest: str, read: str) -> None:
    """Note, before the first scan of a slice begins, from when on its changes have to be looked for afterwards."""
    for stream in streams:
        with stream.slice(key) as state:
            if state.scan is None or state.scan >= 0:
                continue  # a resumed scan keeps its first cursor: changes since then would be missed otherwise
            state.cursor = state.cursor or newest
            if not state.covered:
                state.read = read


def is_fresh(streams: Sequence[StreamProgress], key: str) -> bool:
    """Whether nobody has read anything of a slice for any of these streams."""
    return all(_after(stream, key) < 0 and not stream.cursor(key) for stream in streams)


def _after(stream: StreamProgress, key: str) -> int:
    with stream.slice(key) as state:
        return -1 if state.scan is None else state.scan


def _pass(stream: StreamProgress, key: str, after: int) -> None:
    """Note that a scan has come past the project `after`."""
    with stream.slice(key) as state:
        if state.scan is not None:
            state.scan = max(state.scan, after)
