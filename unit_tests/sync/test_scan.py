"""What of a scan's page each stream is owed, and when it has come past the page."""

from __future__ import annotations

from source_customerscanvas.errors import ServerTrouble
from source_customerscanvas.state.scope import Scope
from source_customerscanvas.sync.jobs import Batch
from source_customerscanvas.sync.kinds import PROJECTS, RESULTS
from source_customerscanvas.sync.progress import StreamProgress
from source_customerscanvas.sync.scan import ScannedPage, start_watch
from unit_tests.sync.listed_shop import SLICE
from unit_tests.watched import AFTER, CURSOR, KEY, project, stream, watched


def scanned(name: str) -> StreamProgress:
    return stream(watched(scan=-1), name=name)


def test_given_a_page_of_a_scan_when_it_is_taken_then_what_it_shows_is_owed_and_the_page_is_passed() -> None:
    progress = scanned(RESULTS)
    page = ScannedPage(KEY, [project(5), project(9)])
    assert list(page.take([progress])) == []
    value = progress.snapshot()["slices"][KEY]
    assert (value["scan"], value["owed"]) == ({"after": 9}, [5, 9])
    jobs = list(page.jobs(Batch(SLICE)))
    assert [(job.project_id, job.from_scan, job.streams) for job in jobs] == [
        (5, True, [progress]),
        (9, True, [progress]),
    ]


def test_given_a_stream_that_has_failed_when_a_page_is_taken_then_its_scan_stays_where_it_is() -> None:
    progress = scanned(RESULTS)
    progress.fail(ServerTrouble("GET", "HTTP 500"))
    page = ScannedPage(KEY, [project(5)])
    assert list(page.take([progress])) == []
    value = progress.snapshot()["slices"][KEY]
    assert (value["scan"], "owed" in value) == ({"after": -1}, False)
    assert list(page.jobs(Batch(SLICE))) == []


def test_given_the_stream_of_rows_alone_when_a_page_is_taken_then_it_is_passed_only_when_its_rows_are_out() -> None:
    progress = scanned(PROJECTS)
    [outcome] = ScannedPage(KEY, [project(5), project(9)]).take([progress])
    assert ([row["id"] for row, _ in outcome.records], outcome.finished) == ([5, 9], 2)
    assert progress.snapshot()["slices"][KEY]["scan"] == {"after": -1}
    assert outcome.note
    outcome.note()
    assert progress.snapshot()["slices"][KEY]["scan"] == {"after": 9}


def test_given_a_scan_that_began_without_any_time_when_it_is_resumed_then_what_changed_since_is_still_looked_for() -> (
    None
):
    begun, resumed = (stream(watched(cursor="", read="", scan=after)) for after in (-1, 5))
    start_watch([begun, resumed], KEY, AFTER, AFTER)
    assert [(one.state.slice(KEY).cursor, one.state.slice(KEY).read) for one in (begun, resumed)] == [
        (AFTER, AFTER),
        ("", ""),
    ]


def test_given_a_scan_in_a_wider_scope_when_it_begins_then_what_changed_since_the_last_watch_is_still_looked_for() -> (
    None
):
    widened = stream(watched(scan=-1, covered=Scope(kinds=("pdf",))))
    start_watch([widened], KEY, AFTER, AFTER)
    assert (widened.state.slice(KEY).cursor, widened.state.slice(KEY).read) == (CURSOR, CURSOR)
