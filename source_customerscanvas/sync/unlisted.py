"""What the lists by time and of unfinished projects do not show, although it may have changed.

Open projects that have finished, were removed, or have no status: those without a status stand on no list of unfinished
ones. The known ones (`unlisted` in the state) are looked for among the newest projects as long as a page shows several
of them, and asked for singly while they are few. Of many that are strewn over a history, only their number is asked
for: while it is what it was, and each new one was seen to come, none of them has moved on.

Held projects: whether a change of the business status moves `lastModified` is unspecified
(https://customerscanvas.com/dev/backoffice/concepts/projects.html). So they are looked for on the lists of the statuses
that hold them, a page for each hundred. One that stands on none of these any more has changed. No list can be asked for
those without a status: each of them is asked for singly.
"""

from collections.abc import Sequence

from source_customerscanvas.api.listing import walk
from source_customerscanvas.api.projects import COMPLETED
from source_customerscanvas.sync.changes import Changes
from source_customerscanvas.sync.lists import BY_ID, NEWEST_ID, ProjectLists
from source_customerscanvas.sync.progress import StreamProgress

_FEW = 3
"""Projects without a status that are asked for singly in each sync; of more, their number has to differ first."""


def consider_held(lists: ProjectLists, key: str, streams: Sequence[StreamProgress], changes: Changes) -> None:
    """Consider the held projects that the lists of the statuses which hold them still show."""
    held: dict[int, str] = {}
    for stream in streams:
        with stream.slice(key) as state:
            held |= {id_: known.held_by for id_, known in state.having("held") if id_ not in changes.seen}
    for code in sorted(filter(str.isdigit, set(held.values()))):
        fetch = lists.fetch(BY_ID, status=code)
        for page in walk(fetch, fetch(0)):
            projects = lists.projects(page)
            if any(str(project.business_status) != code for project in projects):
                break  # the server does not choose by status: each project is asked for
            for project in projects:
                if project.id in held:
                    changes.consider(project)


def add_unlisted(
    lists: ProjectLists, key: str, streams: Sequence[StreamProgress], changes: Changes, others: int | None
) -> None:
    """Take up what no list showed and is still to be heard of. `others`: how many are not unfinished, if known."""
    silent = {id_ for stream in streams for id_ in _silent(stream, key)} - changes.seen.keys()
    left_alone = _still_silent(lists, silent, changes, others) if silent else set()
    for stream in streams:
        left = changes.seen.keys() | (_silent(stream, key) & left_alone)
        for project_id in stream.unsettled(key) - left:
            changes.add_unlisted(project_id, stream)


def _silent(stream: StreamProgress, key: str) -> set[int]:
    with stream.slice(key) as state:
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
