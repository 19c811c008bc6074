"""What is remembered of one slice: each part, the transitions between them, and the form in which it is written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_customerscanvas.state.scope import Scope
from source_customerscanvas.state.slice_state import Condition, Known, ManifestFiles, SliceState
from unit_tests.state.states import digests, slice_states, times

CURSOR, BEFORE, EARLIER = (
    "2026-01-31T12:00:00.000000Z",
    "2026-01-31T11:50:00.000000Z",
    "2026-01-30T00:00:00.000000Z",
)
CONDITIONS: list[Condition] = ["open", "recent", "held"]
each_condition = pytest.mark.parametrize("condition", CONDITIONS)


def again(state: SliceState) -> SliceState:
    return SliceState.from_json(json.loads(json.dumps(state.to_json())))


@given(slice_states())
def test_given_any_state_when_written_and_read_then_it_is_the_same(state: SliceState) -> None:
    read = again(state)
    assert read == state
    assert list(read.orderless) == list(state.orderless)
    assert read.to_json() == state.to_json()


@given(slice_states())
def test_given_any_state_when_written_then_a_person_finds_each_project_where_the_module_says(state: SliceState) -> None:
    value = state.to_json()
    for condition in ("open", "recent"):
        expected = {str(id_): [known.seen, *known.emitted] for id_, known in state.having(condition)}
        assert value.get(condition, {}) == expected
    held = {(code, id_): texts for code, some in value.get("held", {}).items() for id_, texts in some.items()}
    assert held == {(known.held_by, str(id_)): [known.seen, *known.emitted] for id_, known in state.having("held")}
    assert set(value.get("owed", [])) == state.owed


@given(slice_states(), st.data())
def test_given_any_state_when_changed_after_it_was_written_then_what_was_written_stays(
    state: SliceState, data: st.DataObject
) -> None:
    written = state.to_json()
    before = json.dumps(written)
    for project_id in list(state.known):
        data.draw(st.sampled_from([state.owe, state.forget]))(project_id)
    for manifest in state.manifests.values():
        manifest.files["new"] = ("a.pdf", 1, "9f")
    state.delivered[1] = "5001"
    assert json.dumps(written) == before


# What is owed


@given(st.lists(st.just("") | times, min_size=1, max_size=5))
def test_given_a_project_that_is_owed_again_and_again_when_asked_then_the_first_word_counts(since: list[str]) -> None:
    state = SliceState(cursor=CURSOR, scan=None)
    for moment in since:
        state.owe(7, moment)
    assert again(state).of(7).emitted_until == since[0]
    assert again(state).to_json()["owed"] == [7]


@each_condition
def test_given_something_known_of_a_project_when_it_is_owed_then_that_stays_and_no_age_is_told(
    condition: Condition,
) -> None:
    known = Known(condition, "seenseen", ("aaaaaaaa",))
    state = SliceState(cursor=CURSOR, scan=None)
    state.settle(7, known)
    state.owe(7, BEFORE)
    assert (again(state).of(7), again(state).owed) == (known, {7})


def test_given_an_open_project_that_had_finished_before_when_owed_then_the_earlier_time_is_kept() -> None:
    state = SliceState(cursor=CURSOR, scan=None)
    state.settle(7, Known("open", "seenseen", ("aaaaaaaa",), BEFORE))
    state.owe(7, CURSOR)
    value = state.to_json()
    assert (value["emittedUntil"], value["owed"]) == ({"7": BEFORE}, [7])
    assert again(state).of(7).emitted_until == BEFORE


def test_given_files_that_arrive_one_by_one_when_noted_then_the_project_stays_owed_and_counts_as_open() -> None:
    state = SliceState(cursor=CURSOR, scan=None)
    state.owe(7, BEFORE)
    state.add_emitted(7, "aaaaaaaa")
    state.add_emitted(7, "bbbbbbbb")
    read = again(state)
    assert read.owed == {7}
    assert read.of(7) == Known("open", "", ("", "aaaaaaaa", "bbbbbbbb"), BEFORE)


# When it was handed over


@given(slice_states(), digests)
def test_given_any_project_when_settled_then_nothing_is_owed_of_it_and_only_the_new_word_is_known(
    state: SliceState, seen: str
) -> None:
    for project_id in [*state.known, *state.owed, 7]:
        state.settle(project_id, Known("open", seen))
        assert state.of(project_id) == Known("open", seen)
        assert project_id not in state.owed
        assert project_id not in state.orderless.keys() | state.once_more.keys()
        assert project_id not in state.unlisted


@given(slice_states())
def test_given_any_projects_when_forgotten_then_no_part_names_them(state: SliceState) -> None:
    for project_id in [*state.known, *state.owed, *state.waiting.values()]:
        state.forget(project_id)
    value = state.to_json()
    parts = {"open", "recent", "held", "owed", "emittedUntil", "unlisted", "orderless", "onceMore"}
    assert value.keys().isdisjoint(parts | {"waiting"})


def test_given_orders_that_wait_for_a_project_when_it_is_read_then_they_do_not_and_no_other_is_looked_at() -> None:
    state = SliceState()
    for order, project_id in (("5001", 8), ("5002", 8), ("5003", 9), ("5001", 9)):
        state.wait(order, project_id)

    class Untouched(dict[str, int]):
        def items(self) -> Any:
            raise AssertionError("there may be thousands of them")

    state.waiting = Untouched(state.waiting)
    state.end_waiting(7)
    state.end_waiting(8)
    assert state.waiting == {"5001": 9, "5003": 9}
    state.end_waiting(9)
    assert state.waiting == {}


def test_given_a_finished_project_when_it_is_settled_as_recent_then_what_was_to_be_asked_once_more_still_is() -> None:
    state = SliceState(cursor=CURSOR, scan=None, once_more={7: BEFORE}, orderless={7: None})
    state.settle(7, Known("recent", "seenseen"))
    assert (state.once_more, state.orderless) == ({7: BEFORE}, {7: None})


# When the scope is widened


def test_given_a_wider_scope_when_the_slice_was_scanned_then_the_scan_knows_what_was_covered() -> None:
    state = SliceState(cursor=CURSOR, scan=None)
    state.restart_scan(Scope(kinds=("pdf",)))
    assert (again(state).scan, again(state).covered) == (-1, Scope(kinds=("pdf",)))


@pytest.mark.parametrize("scan", [4711, None])
def test_given_a_second_widening_before_all_of_the_first_was_read_when_noted_then_what_the_first_covered_still_counts(
    scan: int | None,
) -> None:
    state = SliceState(cursor=CURSOR, scan=scan, covered=Scope(kinds=("pdf",)))
    state.owe(7, BEFORE)
    state.restart_scan(Scope(kinds=("pdf", "png")))
    assert (again(state).scan, again(state).covered) == (-1, Scope(kinds=("pdf",)))
    assert again(state).of(7) == Known(emitted_until=BEFORE)


@pytest.mark.parametrize("covered", [None, Scope(kinds=("zip",))], ids=["first-scan", "first-scope-left"])
def test_given_a_wider_scope_when_a_scan_has_not_ended_and_no_scope_was_read_wholly_then_everything_is_read_as_if_new(
    covered: Scope | None,
) -> None:
    state = SliceState(cursor=CURSOR, scan=4711, covered=covered)
    state.owe(7, BEFORE)
    state.settle(8, Known("open", "seenseen", (), BEFORE))
    state.restart_scan(Scope(kinds=("pdf",)))
    assert (state.scan, state.covered) == (-1, None)
    assert (state.of(7), state.of(8), state.owed) == (Known(), Known("open", "seenseen"), {7})


@pytest.mark.parametrize(("is_owed", "is_covered"), [(True, True), (False, False)])
def test_given_a_scan_in_a_wider_scope_that_has_ended_when_read_then_what_was_covered_counts_while_something_is_owed(
    is_owed: bool, is_covered: bool
) -> None:
    state = SliceState(cursor=CURSOR, scan=None, covered=Scope(kinds=("pdf",)))
    if is_owed:
        state.owe(7, BEFORE)
    assert (again(state).covered == Scope(kinds=("pdf",))) is is_covered


def test_given_an_order_without_a_delivered_project_when_written_then_it_waits_for_none() -> None:
    state = SliceState(cursor=CURSOR, scan=None, delivered={7: "5001"}, waiting={"5001": 8, "5002": 9})
    assert state.to_json()["waiting"] == {"5001": 8}


def test_given_files_that_go_somewhere_else_when_all_is_read_once_more_then_no_manifest_names_where_they_were() -> None:
    state = SliceState(scan=None, manifests={"5001": ManifestFiles({"7f": ("11/5001/7/card.pdf", 1024, "9f")})})
    state.deliver_again(Scope())
    assert (state.scan, state.manifests) == (-1, {})
