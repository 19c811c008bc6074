"""What a watch finds, what it costs, and in which order it is noted."""

from __future__ import annotations

from typing import Any

import pytest

from source_customerscanvas.api.projects import Project
from source_customerscanvas.settings import Statuses
from source_customerscanvas.state.scope import Scope
from source_customerscanvas.state.slice_state import Known, SliceState
from source_customerscanvas.sync.changes import Changes
from source_customerscanvas.sync.jobs import Batch
from source_customerscanvas.sync.kinds import FILES, PROJECTS, RESULTS
from source_customerscanvas.sync.lists import NEWEST_MODIFIED
from source_customerscanvas.sync.progress import StreamProgress
from source_customerscanvas.sync.watch import Watch
from unit_tests.sync.listed_shop import SLICE, START, ListedShop
from unit_tests.watched import CURSOR, KEY, LONG_AGO, stream, watched

HOUR = 60
PRODUCED = Scope(statuses=Statuses("except", (5,)))


def old_shop(projects: int = 12, page_cap: int = 4, **fields: Any) -> ListedShop:
    """Projects that were finished and handed over long ago."""
    shop = ListedShop(page_cap)
    for _ in range(projects):
        shop.create(created=LONG_AGO, **fields)
    return shop


def watch(shop: ListedShop, *streams: StreamProgress) -> Changes:
    one = Watch(shop.lists(*streams), KEY, streams, shop.time)
    shop.asked.clear()
    one.look(shop.lists(*streams).top(NEWEST_MODIFIED))
    return one.changes


def found(changes: Changes) -> list[int]:
    return [job.project_id for job in changes.jobs(Batch(SLICE))]


def known(*conditions: tuple[int, Known]) -> StreamProgress:
    return stream(watched(known=dict(conditions)))


def as_listed(shop: ListedShop, id_: int, *emitted: str, condition: Any = "open") -> tuple[int, Known]:
    """A project that the stream knows just as the list shows it."""
    return id_, Known(condition, shop.project(id_).fingerprint.followed, emitted)


def test_given_nothing_new_when_watched_then_a_page_of_each_list_is_all_that_it_takes() -> None:
    shop = old_shop(200, page_cap=100)
    assert found(watch(shop, stream())) == []
    assert len(shop.asked) <= 5 + 1


@pytest.mark.parametrize(
    "change",
    [
        lambda shop: shop.modify(3),
        lambda shop: shop.create(),
        lambda shop: shop.create(lastModified="0001-01-01T00:00:00"),
        lambda shop: shop.create(lastModified=LONG_AGO),
        lambda shop: shop.run(3, "InProgress"),
        lambda shop: shop.run(3, "Failed"),
        lambda shop: shop.create("Pending", created=LONG_AGO),
        lambda shop: shop.create(lastModified="2026-01-31T17:00:00Z"),
    ],
    ids=["modified", "new", "modified in year 1", "modified long ago", "restarted", "failed", "pending", "ahead"],
)
def test_given_a_change_when_watched_then_it_is_found_owed_and_the_cursor_does_not_pass_the_shops_clock(
    change: Any,
) -> None:
    shop = old_shop()
    progress = stream()
    shop.pass_time(HOUR)
    id_ = change(shop) or 3
    assert found(watch(shop, progress)) == [id_]
    state = progress.state.slice(KEY)
    assert (state.owed, state.read) == ({id_}, shop.time)
    assert state.cursor <= shop.time


def test_given_a_row_dated_ahead_when_it_was_read_then_it_does_not_come_in_each_sync_and_later_ones_are_found() -> None:
    shop = old_shop()
    ahead = shop.create(lastModified="2026-01-31T17:00:00Z")
    progress = known(as_listed(shop, ahead, condition="recent"))
    assert found(watch(shop, progress)) == []
    shop.pass_time(HOUR)
    shop.modify(5)
    new = shop.create()
    assert found(watch(shop, progress)) == [new, 5]


def test_given_projects_that_are_only_created_when_watched_then_the_cursor_follows_them() -> None:
    shop, progress = old_shop(), stream()
    shop.pass_time(HOUR)
    new = shop.create()
    assert found(watch(shop, progress)) == [new]
    assert progress.state.slice(KEY).cursor == shop.time


def test_given_a_project_that_is_modified_between_the_tops_of_two_lists_when_watched_twice_then_it_is_found() -> None:
    shop, progress = old_shop(lastModified=LONG_AGO), stream(lookback_minutes=0)
    shop.pass_time(HOUR)
    lists = shop.lists(progress)
    modified = lists.top(NEWEST_MODIFIED)
    shop.modify(3)
    shop.pass_time(1)
    new = shop.create()
    one = Watch(lists, KEY, [progress], shop.time)
    one.look(modified)
    progress.state.slice(KEY).owed.clear()
    assert {3, new} <= {*found(one.changes), *found(watch(shop, progress))}


def test_given_an_open_project_when_no_list_shows_it_any_more_then_it_is_asked_for_by_its_id() -> None:
    shop = old_shop()
    progress = known((3, Known("open", "was open")), (99, Known("open", "was open")))
    changes = watch(shop, progress)
    jobs = list(changes.jobs(Batch(SLICE)))
    assert [(job.project_id, job.is_unlisted) for job in jobs] == [(99, True), (3, True)]


def test_given_projects_that_are_modified_while_they_are_listed_when_watched_then_none_is_missed() -> None:
    shop = old_shop()
    shop.pass_time(HOUR)
    for id_ in range(1, 9):
        shop.modify(id_)
    begun: list[int] = []

    def modify_more(path: str, params: Any) -> None:
        # what was to come on the second page moves to the top, where it was not yet
        if params.get("sorting") == NEWEST_MODIFIED and params.get("skip") == 3 and not begun:
            begun.append(1)
            shop.pass_time(seconds=1)
            shop.modify(1)

    shop.on_ask = modify_more
    assert sorted(found(watch(shop, stream()))) == list(range(1, 9))
    assert begun


def test_given_changes_when_noted_then_all_of_it_is_owed_before_the_cursor_moves() -> None:
    moments: list[tuple[str, int]] = []

    class Watched(StreamProgress):
        def keep(self) -> None:
            value = self.snapshot()["slices"][KEY]
            moments.append((value["cursor"], len(value.get("owed", {}))))

        def owe(self, key: str, project: Project | int) -> None:
            super().owe(key, project)
            self.keep()

        def move_cursor(self, key: str, newest: str, read: str, seen: dict[int, str]) -> None:
            super().move_cursor(key, newest, read, seen)
            self.keep()

    shop = old_shop()
    plain = stream()
    progress = Watched(plain.name, plain.state, 10)
    shop.pass_time(HOUR)
    later = shop.time
    for id_ in (7, 8, 9):
        shop.modify(id_)
    watch(shop, progress)
    assert moments == [(CURSOR, 1), (CURSOR, 2), (CURSOR, 3), (later, 3)]


def test_given_several_streams_when_watched_then_the_lists_are_read_once_and_each_takes_what_is_a_change_to_it() -> (
    None
):
    shop = old_shop()
    shop.pass_time(HOUR)
    shop.modify(3, name="changed")
    shop.modify(4)
    results = stream(watched(known=dict([as_listed(shop, 3, condition="recent")])), name=RESULTS)
    projects = stream(watched(known={3: Known("recent", "otherrow")}), name=PROJECTS)
    changes = watch(shop, projects, results)
    jobs = {job.project_id: [one.name for one in job.streams] for job in changes.jobs(Batch(SLICE))}
    assert jobs == {3: [PROJECTS], 4: [PROJECTS, RESULTS]}
    alone = old_shop()
    alone.pass_time(HOUR)
    alone.modify(3, name="changed")
    alone.modify(4)
    watch(alone, stream())
    assert len(shop.asked) == len(alone.asked)


# Once more


@pytest.mark.parametrize(("minutes", "is_asked"), [(0, False), (9, False), (11, True)])
def test_given_a_project_that_was_seen_to_finish_when_a_window_has_passed_then_it_is_asked_for_once_more(
    minutes: int, is_asked: bool
) -> None:
    shop = old_shop()
    progress = stream(watched(known=dict([as_listed(shop, 3, condition="recent")]), once_more={3: START}))
    shop.pass_time(minutes)
    jobs = list(watch(shop, progress).jobs(Batch(SLICE)))
    assert [(job.project_id, job.once_more) for job in jobs] == [(3, True)] * is_asked
    assert progress.state.slice(KEY).owed == set()


def test_given_a_project_that_is_read_anyway_when_it_is_due_once_more_then_it_is_not_asked_for_twice() -> None:
    shop = old_shop()
    progress = stream(watched(known=dict([as_listed(shop, 3, condition="recent")]), once_more={3: START}))
    shop.pass_time(11)
    shop.modify(3)
    jobs = list(watch(shop, progress).jobs(Batch(SLICE)))
    assert [(job.project_id, job.once_more) for job in jobs] == [(3, False)]


# Projects without a status


def silent_shop(projects: int, strewn: bool) -> tuple[ListedShop, StreamProgress]:
    """Projects without a processing status, among the newest ones or strewn over the history."""
    shop = ListedShop(page_cap=100)
    for _ in range(projects):
        shop.create(None, created=LONG_AGO)
        for _ in range(110 if strewn else 0):
            shop.create(created=LONG_AGO)
    ids = [id_ for id_, row in shop.rows.items() if row["processingStatus"] is None]
    progress = stream(watched(known=dict(as_listed(shop, id_) for id_ in ids), unlisted=set(ids)))
    return shop, progress


@pytest.mark.parametrize(("projects", "strewn"), [(5, True), (40, False), (250, False), (30, True)])
def test_given_projects_without_a_status_when_nothing_has_changed_then_it_costs_little_and_few_are_asked_for(
    projects: int, strewn: bool
) -> None:
    shop, progress = silent_shop(projects, strewn)
    assert len(found(watch(shop, progress))) <= 10
    assert len(shop.asked) <= 6 + projects // 100 + 3


@pytest.mark.parametrize(("projects", "strewn"), [(5, True), (40, False), (30, True)])
@pytest.mark.parametrize("status", ["Pending", "Completed"])
def test_given_projects_without_a_status_when_one_of_them_moves_on_then_it_is_found(
    projects: int, strewn: bool, status: str
) -> None:
    shop, progress = silent_shop(projects, strewn)
    one = sorted(progress.state.slice(KEY).unlisted)[3]
    shop.results[one] = {"status": status}
    shop.show(one)
    assert one in found(watch(shop, progress))


def test_given_one_without_a_status_that_finishes_when_another_one_comes_then_their_number_hides_nothing() -> None:
    shop, progress = silent_shop(30, strewn=True)
    one = sorted(progress.state.slice(KEY).unlisted)[3]
    shop.run(one, "Completed")
    new = shop.create(None)
    assert {one, new} <= set(found(watch(shop, progress)))


# Held projects


def holding(shop: ListedShop, *ids: int) -> StreamProgress:
    known = {id_: Known("held", shop.project(id_).fingerprint.followed, held_by="5") for id_ in ids}
    return stream(watched(known=known), PRODUCED, name=FILES)


def held_shop() -> ListedShop:
    shop = old_shop(200, page_cap=100)
    for id_ in (3, 4):
        shop.rows[id_]["status"] = 5
    return shop


def test_given_held_projects_when_nothing_has_changed_then_one_page_of_their_status_tells() -> None:
    shop = held_shop()
    progress = holding(shop, 3, 4)
    assert found(watch(shop, progress)) == []
    assert [params["status"] for _, params in shop.asked if "status" in params] == ["5"]


def test_given_a_held_project_when_its_status_changes_without_a_trace_then_it_is_found() -> None:
    shop = held_shop()
    progress = holding(shop, 3, 4)
    shop.rows[4]["status"] = 1
    assert found(watch(shop, progress)) == [4]


def test_given_a_server_that_does_not_choose_by_status_when_projects_are_held_then_each_is_asked_for() -> None:
    shop = held_shop()
    progress = holding(shop, 3, 4)
    answer = shop.get_json
    shop.get_json = lambda path, params=None, understand=None: answer(  # type: ignore[method-assign]  # it ignores one
        path, {name: value for name, value in (params or {}).items() if name != "status"}, understand
    )
    assert found(watch(shop, progress)) == [4, 3]


# A slice that fits one page


@pytest.mark.parametrize("projects", [0, 4])
def test_given_a_slice_without_projects_when_taken_then_its_scan_is_still_to_come(projects: int) -> None:
    shop = old_shop(projects, page_cap=100)
    progress = stream(SliceState())
    one = Watch(shop.lists(progress), KEY, [progress], shop.time)
    one.take_whole(shop.lists(progress).first(NEWEST_MODIFIED))
    assert progress.state.slice(KEY).scan == (None if projects else -1)


def test_given_a_whole_slice_on_one_page_when_taken_then_it_needs_no_other_list() -> None:
    shop = old_shop(4, page_cap=100)
    progress = stream(watched(known={99: Known("open", "was open")}))
    shop.modify(2)
    one = Watch(shop.lists(progress), KEY, [progress], shop.time)
    page = shop.lists(progress).first(NEWEST_MODIFIED)
    shop.asked.clear()
    one.take_whole(page)
    assert (found(one.changes), shop.asked) == ([99, 2], [])
