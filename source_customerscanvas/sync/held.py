"""Finds the held projects whose business status may have changed, though nothing else says so.

Whether a change of the business status moves `lastModified` is unspecified: https://customerscanvas.com/dev/backoffice/
concepts/projects.html. So the held projects are looked for on the lists of the statuses that hold them, a page for each
hundred. One that stands on none of these lists any more has changed.
"""

from collections.abc import Iterable, Sequence

from source_customerscanvas.api.listing import walk
from source_customerscanvas.sync.changes import Changes
from source_customerscanvas.sync.lists import BY_ID, ProjectLists
from source_customerscanvas.sync.progress import StreamProgress


def add_changed_held(lists: ProjectLists, key: str, streams: Sequence[StreamProgress], changes: Changes) -> None:
    """Take up the held projects that no list of the statuses which hold them shows."""
    held = {stream.name: _held(stream, key) for stream in streams}
    missing = {id_ for ids in held.values() for id_ in ids} - changes.seen.keys()
    if not missing:
        return
    for code in sorted({code for ids in held.values() for code in ids.values()}):
        _consider_listed(lists, code, missing, changes)
    add_missing_held(key, streams, changes)


def add_missing_held(key: str, streams: Sequence[StreamProgress], changes: Changes) -> None:
    """Take up the held projects that no list showed."""
    held = {stream.name: _held(stream, key) for stream in streams}
    for stream in streams:
        for project_id in held[stream.name]:
            if project_id not in changes.seen:
                changes.add_unlisted(project_id, stream)


def _held(stream: StreamProgress, key: str) -> dict[int, str]:
    """The held projects of a stream, each with the status that holds it."""
    with stream.lock:
        state = stream.slice(key)
        return {id_: state.held_by.get(id_, "") for id_, _ in state.having("held")}


def _consider_listed(lists: ProjectLists, code: str, wanted: Iterable[int], changes: Changes) -> None:
    fetch = lists.fetch(BY_ID, status=code)
    wanted = set(wanted)
    for page in walk(fetch, fetch(0)):
        for project in lists.projects(page):
            if str(project.business_status) != code:
                return  # the server does not choose by status: each project is asked for
            if project.id in wanted:
                changes.consider(project)
