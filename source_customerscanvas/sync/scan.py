"""Scans a slice once: all of its projects in the order of their ids, which never change.

So no modification can move a row past the reader. From then on the slice is watched (see `watch`).
"""

from collections.abc import Iterator, Sequence

from source_customerscanvas.api.listing import walk
from source_customerscanvas.api.projects import Project
from source_customerscanvas.sync.lists import BY_ID, ProjectLists
from source_customerscanvas.sync.progress import StreamProgress


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


def scanning(streams: Sequence[StreamProgress], key: str) -> list[StreamProgress]:
    """The streams that have not read all of a slice yet."""
    found = []
    for stream in streams:
        with stream.lock:
            if stream.slice(key).scan is not None:
                found.append(stream)
    return found


def start_watch(streams: Sequence[StreamProgress], key: str, newest: str, read: str) -> None:
    """Note, before the first scan of a slice begins, from when on its changes have to be looked for afterwards."""
    for stream in streams:
        with stream.lock:
            state = stream.slice(key)
            state.cursor = state.cursor or newest
            if state.scan and not state.covered and state.scan.after < 0:
                state.read = read


def is_fresh(streams: Sequence[StreamProgress], key: str) -> bool:
    """Whether nobody has read anything of a slice for any of these streams."""
    return all(_after(stream, key) < 0 and not _cursor(stream, key) for stream in streams)


def _cursor(stream: StreamProgress, key: str) -> str:
    with stream.lock:
        return stream.slice(key).cursor


def _after(stream: StreamProgress, key: str) -> int:
    with stream.lock:
        scan = stream.slice(key).scan
        return -1 if scan is None else scan.after
