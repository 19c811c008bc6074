"""What no list of a watch shows: open projects that have finished, were removed, or have no status.

A project without a status stands on no list of unfinished ones. Those that are known (`unlisted` in the state) are
looked for among the newest projects as long as a page shows several of them, and asked for singly while they are few.
Of many that are strewn over a history, only their number is asked for: while it is what it was, and each new one was
seen to come, none of them has moved on.
"""

from collections.abc import Sequence

from source_customerscanvas.api.listing import walk
from source_customerscanvas.api.projects import COMPLETED
from source_customerscanvas.sync.changes import Changes
from source_customerscanvas.sync.lists import BY_ID, NEWEST_ID, ProjectLists
from source_customerscanvas.sync.progress import StreamProgress

_FEW = 3
"""Projects without a status that are asked for singly in each sync; of more, their number has to differ first."""


def add_unlisted(
    lists: ProjectLists, key: str, streams: Sequence[StreamProgress], changes: Changes, others: int | None
) -> None:
    """Take up the open projects that no list showed. `others` is how many projects are not unfinished, if known."""
    wanted = {stream.name: stream.open_projects(key) for stream in streams}
    silent = {id_ for stream in streams for id_ in _silent(stream, key)} - changes.seen.keys()
    left_alone = _still_silent(lists, silent, changes, others) if silent else set()
    for stream in streams:
        own = _silent(stream, key)
        for project_id in wanted[stream.name]:
            if project_id not in changes.seen and not (project_id in own and project_id in left_alone):
                changes.add_unlisted(project_id, stream)


def _silent(stream: StreamProgress, key: str) -> set[int]:
    with stream.lock:
        state = stream.slice(key)
        return state.unlisted - state.owed


def _still_silent(lists: ProjectLists, silent: set[int], changes: Changes, others: int | None) -> set[int]:
    """Those of the projects without a status that need not be asked for; the lists are considered on the way."""
    left = silent - _newest_of(lists, silent, changes)
    if len(left) <= _FEW or others is None:
        return set()
    completed = lists.first(BY_ID, processingStatus=COMPLETED).total
    if completed is None or others - completed != len(silent | changes.without_status):
        return set()
    return left


def _newest_of(lists: ProjectLists, silent: set[int], changes: Changes) -> set[int]:
    """Those that are found among the newest projects, as long as a page shows more than one of them."""
    found: set[int] = set()
    fetch = lists.fetch(NEWEST_ID)
    for page in walk(fetch, fetch(0)):
        projects = [project for project in lists.projects(page) if project.id in silent - found]
        found |= {project.id for project in projects}
        for project in projects:
            changes.consider(project)
        if len(projects) <= 1 or silent <= found:
            break
    return found
