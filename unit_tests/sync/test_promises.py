"""What `state.slice_state` says of its parts, one test for each sentence, whatever happens in the shop and to syncs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from source_customerscanvas.api.projects import Project
from source_customerscanvas.sync.kinds import ARTIFACTS, FILES, OF_ARTIFACTS, RESULTS
from unit_tests.sync.following import HOLDING, Following
from unit_tests.sync.listed_shop import ListedShop

Step = tuple[str, int]
"""What happens, and a number that says to which project."""


def is_running(shop: ListedShop, one: int) -> bool:
    return shop.results.get(one, {}).get("status") != "Completed"


def start(shop: ListedShop, one: int) -> None:
    if not is_running(shop, one):
        # a run that begins and ends between two syncs without a trace is the one that nobody can find
        shop.modify(one)
        shop.run(one, "InProgress")


def finish(shop: ListedShop, one: int) -> None:
    if is_running(shop, one):
        shop.run(one, "Completed")


def finish_unseen(shop: ListedShop, one: int) -> None:
    if is_running(shop, one) and shop.rows[one]["processingStatus"] is not None:
        shop.run(one, "Completed", is_shown=False)


IN_THE_SHOP: dict[str, Callable[[ListedShop], object]] = {
    "minute": lambda shop: shop.pass_time(minutes=1),
    "window": lambda shop: shop.pass_time(minutes=11),
    "pending": lambda shop: shop.create("Pending"),
    "without status": lambda shop: shop.create(None),
    "completed": lambda shop: shop.create("Completed"),
    "without order": lambda shop: shop.create("Completed", orderId=None),
}
TO_A_PROJECT: dict[str, Callable[[ListedShop, int], object]] = {
    "start": start,
    "finish": finish,
    "finish unseen": finish_unseen,
    "show": lambda shop, one: shop.show(one) if one in shop.results else None,
    "modify": lambda shop, one: shop.modify(one, name=shop.time),
    "hold": lambda shop, one: shop.modify(one, status=HOLDING),
    "release": lambda shop, one: shop.modify(one, status=1),
}
IN_A_SYNC: dict[str, Callable[[Following, int], object]] = {
    "look": lambda following, _: following.look(),
    "read": lambda following, number: following.read_one(number),
    "read all": lambda following, _: following.read_all(),
    "save": lambda following, _: following.save(),
    "kill": lambda following, _: following.kill(),
    "end": lambda following, _: following.end_sync(),
}
OFTEN = ["look", "look", "read", "read"]
STEPS = [*IN_THE_SHOP, *TO_A_PROJECT, *IN_A_SYNC, *OFTEN]
steps = st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 7)), max_size=40)
names = st.sampled_from([RESULTS, ARTIFACTS, FILES])
given_a_history = given(name=names, history=steps)
examples = settings(max_examples=60)


def take(following: Following, step: Step) -> None:
    what, number = step
    ids = sorted(following.shop.rows)
    if what in IN_THE_SHOP:
        IN_THE_SHOP[what](following.shop)
    elif what in IN_A_SYNC:
        IN_A_SYNC[what](following, number)
    elif ids:
        TO_A_PROJECT[what](following.shop, ids[number % len(ids)])


def follow(name: str, history: list[Step], holds: Callable[[Following], None]) -> Following:
    following = Following(name)
    holds(following)
    for step in history:
        take(following, step)
        holds(following)
    return following


def finished_and_handed_over(following: Following, project_id: int) -> None:
    """What is said of a project that is nowhere in the state."""
    row = following.listed[project_id]
    project = Project.from_row(row)
    assert project
    assert project.is_completed
    assert project.latest < following.stream.lookback.before(following.state.cursor)
    assert following.was_handed_over(project_id, until=following.state.read)


def nowhere(following: Following) -> set[int]:
    state = following.state
    return {id_ for id_ in following.listed if id_ not in state.known and id_ not in state.owed}


@given_a_history
@examples
def test_given_no_scan_when_a_project_is_nowhere_then_it_has_finished_is_old_and_was_handed_over(
    name: str, history: list[Step]
) -> None:
    def holds(following: Following) -> None:
        if following.state.scan is None:
            for project_id in nowhere(following):
                finished_and_handed_over(following, project_id)

    follow(name, history, holds)


@given_a_history
@examples
def test_given_a_scan_when_a_project_that_it_has_passed_is_nowhere_then_the_same_is_true_of_it(
    name: str, history: list[Step]
) -> None:
    def holds(following: Following) -> None:
        scan = following.state.scan
        if scan is not None:
            assert all(id_ <= scan for id_ in following.listed)
            for project_id in nowhere(following):
                finished_and_handed_over(following, project_id)

    follow(name, history, holds)


@given_a_history
@examples
def test_given_an_open_project_when_it_was_read_then_it_had_not_finished_or_list_and_results_differed(
    name: str, history: list[Step]
) -> None:
    def holds(following: Following) -> None:
        for project_id, texts in following.value.get("open", {}).items():
            found = following.stream.settled[int(project_id)]
            assert found.condition == "open"
            assert texts[0] in {"", *following.shown}
            assert tuple(texts[1:]) == found.emitted

    follow(name, history, holds)


@given_a_history
@examples
def test_given_a_recent_project_when_it_was_read_then_it_had_finished_and_there_is_a_reason_to_remember_it(
    name: str, history: list[Step]
) -> None:
    def holds(following: Following) -> None:
        state, value = following.state, following.value
        boundary = following.stream.lookback.before(state.cursor)
        for project_id in map(int, value.get("recent", {})):
            found = following.stream.settled[project_id]
            assert found.condition == "finished"
            is_listed_again = max(found.latest, following.listed[project_id]["lastModified"] or "") >= boundary
            others = state.once_more.keys() | state.orderless.keys() | state.owed
            assert is_listed_again or project_id in others
        assert set(value.get("onceMore", {})) <= set(value.get("recent", {}))
        for project_id in value.get("orderless", []):
            assert name in OF_ARTIFACTS
            assert str(project_id) in value["recent"]
            assert following.stream.settled[project_id].order_id is None

    follow(name, history, holds)


@given_a_history
@examples
def test_given_a_held_project_when_it_was_read_then_it_had_finished_under_the_status_under_which_it_stands(
    name: str, history: list[Step]
) -> None:
    def holds(following: Following) -> None:
        held = following.value.get("held", {})
        assert set(held) <= {str(HOLDING)}
        assert not held or name in OF_ARTIFACTS
        for project_id in map(int, held.get(str(HOLDING), {})):
            found = following.stream.settled[project_id]
            assert (found.condition, found.business_status) == ("held", str(HOLDING))

    follow(name, history, holds)


@given_a_history
@examples
def test_given_a_project_that_was_listed_as_changed_when_it_is_not_read_yet_then_it_is_owed(
    name: str, history: list[Step]
) -> None:
    def holds(following: Following) -> None:
        waiting = {job.project_id for job in following.jobs if not job.once_more}
        assert waiting <= following.state.owed

    follow(name, history, holds)


@given_a_history
@examples
def test_given_an_owed_project_with_a_time_when_its_files_are_older_then_they_were_handed_over(
    name: str, history: list[Step]
) -> None:
    def holds(following: Following) -> None:
        since = following.value.get("emittedUntil", {})
        for project_id in following.value.get("owed", []):
            if at := since.get(str(project_id)):
                assert following.was_handed_over(project_id, until=at)
            elif not following.state.of(project_id).condition and not following.kills:
                assert not set(following.files_of(project_id)) & following.handed_over.keys()

    follow(name, history, holds)


@given_a_history
@examples
def test_given_a_project_with_a_time_when_its_files_are_older_then_they_were_handed_over(
    name: str, history: list[Step]
) -> None:
    def holds(following: Following) -> None:
        value = following.value
        held = {project_id for some in value.get("held", {}).values() for project_id in some}
        owed = set(map(str, value.get("owed", [])))
        assert value.get("emittedUntil", {}).keys() <= value.get("open", {}).keys() | held | owed
        for project_id, since in value.get("emittedUntil", {}).items():
            assert following.was_handed_over(int(project_id), until=since)

    follow(name, history, holds)


@given_a_history
@examples
def test_given_an_open_project_when_no_list_of_unfinished_ones_can_show_it_then_it_is_unlisted(
    name: str, history: list[Step]
) -> None:
    def holds(following: Following) -> None:
        settled = following.stream.settled
        open_ = {int(id_) for id_ in following.value.get("open", {})}
        assert set(following.value.get("unlisted", [])) == {id_ for id_ in open_ if not settled[id_].has_status}

    follow(name, history, holds)


@given_a_history
@settings(max_examples=150)
def test_given_any_history_when_two_syncs_end_then_everything_came_and_a_third_one_emits_nothing(
    name: str, history: list[Step]
) -> None:
    following = follow(name, history, lambda _: None)
    shop = following.shop
    for project_id in shop.results:
        shop.show(project_id)
    for _ in range(3):
        shop.pass_time(minutes=11)
        following.end_sync()
    for project_id, row in shop.rows.items():
        if row["status"] != HOLDING or name == RESULTS:
            for artifact in following.files_of(project_id):
                assert following.handed_over[artifact]["orderId"] == row["orderId"]
    emitted = following.emitted
    shop.pass_time(minutes=11)
    following.end_sync()
    assert following.emitted == emitted


@pytest.mark.parametrize("name", [RESULTS, ARTIFACTS, FILES])
def test_given_a_history_with_all_conditions_when_followed_then_the_state_has_all_parts(name: str) -> None:
    """The tests above look at parts that may be empty: here none is."""
    following = Following(name)
    shop = following.shop
    finished, running, silent, orderless, held = (
        shop.create(),
        shop.create("InProgress"),
        shop.create(None),
        shop.create(orderId=None),
        shop.create(status=HOLDING),
    )
    following.end_sync()
    new = shop.create("InProgress")
    following.end_sync()
    shop.run(new, "Completed")
    following.end_sync()
    shop.pass_time(minutes=11)
    shop.modify(new)
    following.end_sync()
    shop.pass_time(minutes=1)
    shop.modify(finished)
    shop.run(finished, "InProgress")
    following.end_sync()
    shop.pass_time(minutes=1)
    shop.modify(finished)
    following.look()

    value = following.value
    assert set(value["open"]) == {str(running), str(silent), str(finished)}
    assert value["unlisted"] == [silent]
    assert finished in value["owed"]
    assert value["emittedUntil"].keys() == {str(finished)}
    if name in OF_ARTIFACTS:
        assert value["held"].keys() == {str(HOLDING)}
        assert value["held"][str(HOLDING)].keys() == {str(held)}
        assert value["orderless"] == [orderless]
