"""What a stream remembers: packed and read again, widened, refused when damaged."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from source_customerscanvas.errors import UnreadableState
from source_customerscanvas.state.stream_state import (
    OWED,
    OWED_AGAIN,
    OWED_MORE,
    OWED_MORE_AGAIN,
    Mark,
    Marks,
    Scan,
    Scope,
    StreamState,
    Try,
    Unit,
    tries_of,
)

NOW = "2026-02-01T00:00:00.000000Z"
EARLIER, LATER = "2026-01-01T00:00:00.000000Z", "2026-01-15T00:00:00.000000Z"
STREAM = "processing_results"

STATE: dict[str, Any] = {
    "version": 1,
    "firstSync": "2026-01-30T09:00:00.000000Z",
    "scope": {"startDate": EARLIER, "kinds": ["Final"], "files": True},
    "units": {
        "11": {
            "cursor": "2026-01-31T12:00:00.000000Z",
            "artifactCursor": "2026-01-31T11:58:00.000000Z",
            "withoutStatus": 3,
            "hiddenAsked": "2026-01-31T09:00:00.000000Z",
            "scan": {"after": 4711, "at": 300},
            "covered": {"startDate": LATER, "kinds": None, "files": False},
            "projects": ["4711Pxxxxxyyyy 4712! 4713? 4714+ 4715* 4716Hxxxxxyyyy", "9000CabcdeAAAABBBB"],
        },
        "11/50/01": {"cursor": None, "projects": []},
    },
}


def read(value: Any, scope: Scope | None = None) -> StreamState:
    given = Scope.from_json(STATE["scope"]) if scope is None else scope
    return StreamState.from_json(STREAM, value, given, NOW)


def damaged(path: str, value: Any) -> dict[str, Any]:
    """The state with another value at a path such as `units/11/cursor`; ... removes what is there."""
    state = copy.deepcopy(STATE)
    *parents, last = path.split("/")
    inner = state
    for name in parents:
        inner = inner[name]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return state


def test_given_a_state_when_read_and_written_then_it_is_the_same() -> None:
    assert read(STATE).to_json() == STATE


def test_given_no_state_when_read_then_it_is_empty_and_its_first_sync_is_now() -> None:
    state = read({})
    assert (state.units, state.first_sync) == ({}, NOW)


def test_given_a_state_when_taken_and_changed_afterwards_then_what_was_taken_stays() -> None:
    state = read(STATE)
    taken = state.to_json()
    before = json.dumps(taken)
    unit = state.units["11"]
    unit.marks.owe(4711)
    unit.marks.set(1, Mark("P", "abcde"))
    unit.cursor = NOW
    assert unit.scan
    unit.scan.after = 5000
    assert json.dumps(taken) == before


DAMAGED = [
    ("version", 0),
    ("version", 2),
    ("version", "1"),
    ("version", None),
    ("version", ...),
    ("firstSync", ...),
    ("firstSync", "long ago"),
    ("scope", ...),
    ("scope", None),
    ("scope", []),
    ("scope", "everything"),
    ("scope/startDate", "soon"),
    ("scope/startDate", 2026),
    ("scope/kinds", ...),
    ("scope/kinds", "Final"),
    ("scope/kinds", {"Final": 1}),
    ("scope/kinds", 3),
    ("scope/files", ...),
    ("scope/files", "no"),
    ("units", ...),
    ("units", None),
    ("units", []),
    ("units", "11"),
    ("units/11", None),
    ("units/11", []),
    ("units/11", "x"),
    ("units/11/cursor", ...),
    ("units/11/cursor", ""),
    ("units/11/cursor", "yesterday"),
    ("units/11/cursor", "now"),
    ("units/11/cursor", 1_700_000_000),
    ("units/11/cursor", ["2026-01-31T12:00:00.000000Z"]),
    ("units/11/artifactCursor", "2026-13-31"),
    ("units/11/scan", []),
    ("units/11/scan", {}),
    ("units/11/scan", ""),
    ("units/11/scan", False),
    ("units/11/scan", "done"),
    ("units/11/scan/after", ...),
    ("units/11/scan/after", None),
    ("units/11/scan/after", "all"),
    ("units/11/scan/after", [4711]),
    ("units/11/scan/at", ...),
    ("units/11/scan/at", -1),
    ("units/11/covered", {}),
    ("units/11/covered", "x"),
    ("units/11/covered", []),
    ("units/11/withoutStatus", None),
    ("units/11/withoutStatus", "many"),
    ("units/11/hiddenAsked", "yesterday"),
    ("units/11/projects", ...),
    ("units/11/projects", None),
    ("units/11/projects", {}),
    ("units/11/projects", "4711"),
    ("units/11/projects", [4711]),
    ("units/11/projects", [None]),
    ("units/11/projects", [["4711!"]]),
    ("units/11/projects", ["P"]),
    ("units/11/projects", ["4711X12345"]),
    ("units/11/projects", ["4711P123"]),
    ("units/11/projects", ["4711P12345abc"]),
    ("units/11/projects", ["-4711!"]),
    ("units/11/projects", ["4711!P12345abcd,4712!"]),
    ("units/11/projects", ["🎁"]),
    ("units/11/tries", []),
    ("units/11/tries", {"x": [1, NOW]}),
    ("units/11/tries", {"4711": 1}),
    ("units/11/tries", {"4711": [1, "soon"]}),
    ("units/11/delivered", []),
    ("units/11/delivered", {"5001": 4711}),
    ("units/11/delivered", {"5001": ["x"]}),
]


@pytest.mark.parametrize(("path", "value"), DAMAGED, ids=[f"{path}={value!r}" for path, value in DAMAGED])
def test_given_a_damaged_state_when_read_then_it_is_refused_with_the_name_of_the_stream(path: str, value: Any) -> None:
    with pytest.raises(UnreadableState, match=STREAM) as refused:
        read(damaged(path, value))
    assert refused.value.failure_type == "config_error"


@pytest.mark.parametrize("value", [[], [1], "x", "", 0, 1, False, {"cursor": "2026-01-31"}, {"states": []}])
def test_given_something_that_is_no_state_when_read_then_it_is_refused(value: Any) -> None:
    with pytest.raises(UnreadableState, match=STREAM):
        read(value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
paths = st.sampled_from(sorted({path for path, _ in DAMAGED if path.split("/")[-1] not in ("tries", "delivered")}))


@given(path=paths, value=json_values)
@settings(max_examples=300)
def test_given_anything_anywhere_in_a_state_when_read_then_it_is_refused_or_can_be_written(
    path: str, value: Any
) -> None:
    try:
        state = read(damaged(path, value))
    except UnreadableState:
        return
    again = json.loads(json.dumps(state.to_json()))
    assert read(again).to_json() == again


ids = st.integers(min_value=0, max_value=2**40)
packed_characters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
digests = st.text(alphabet=packed_characters, min_size=5, max_size=5)
contents = st.lists(st.text(alphabet=packed_characters, min_size=4, max_size=4), max_size=5).map("".join)
marks = st.builds(
    Mark, st.sampled_from("PIFNCRH"), digests, contents, st.sampled_from(["", OWED, OWED_AGAIN, OWED_MORE])
)


@given(st.dictionaries(ids, marks, max_size=50))
def test_given_any_marks_when_packed_and_read_again_then_they_are_the_same(given_marks: dict[int, Mark]) -> None:
    packed = Marks()
    for project_id, mark in given_marks.items():
        packed.set(project_id, mark)
    again = Marks(json.loads(json.dumps(packed.packed())))
    assert {project_id: again.get(project_id) for project_id in again} == given_marks
    assert len(again) == len(given_marks)
    assert all(project_id in again for project_id in given_marks)


@given(st.lists(st.tuples(ids, st.none() | marks | st.just("owe")), max_size=60))
def test_given_marks_that_change_when_packed_in_between_then_it_is_always_what_they_are(
    changes: list[tuple[int, Any]],
) -> None:
    packed, expected = Marks(), dict[int, Mark]()
    for project_id, change in changes:
        if change == "owe":
            packed.owe(project_id)
            known = expected.get(project_id, Mark())
            expected[project_id] = Mark(known.status, known.row, known.content, known.owed or OWED)
        elif change is None:
            packed.set(project_id, None)
            expected.pop(project_id, None)
        else:
            packed.set(project_id, change)
            expected[project_id] = change
        again = Marks(packed.packed())
        assert {project_id: again.get(project_id) for project_id in again} == expected


def test_given_5000_marks_of_unfinished_projects_when_packed_then_they_take_less_than_100_kilobytes() -> None:
    unit = Unit(cursor=NOW, scan=None)
    for number in range(5000):
        unit.marks.set(7_000_000 + 3 * number, Mark("I", "abcde", "wxyz"))
    state = StreamState(Scope(), NOW, {"11": unit})
    assert len(json.dumps(state.to_json())) < 100_000


WIDER = [
    (Scope(LATER), Scope(EARLIER)),
    (Scope(LATER), Scope(None)),
    (Scope(None, ("Final",)), Scope(None, ("Final", "Service"))),
    (Scope(None, ("pdf",)), Scope(None, None)),
    (Scope(EARLIER, ("pdf",)), Scope(LATER, ("png",))),
]
NOT_WIDER = [
    (Scope(None), Scope(LATER)),
    (Scope(EARLIER), Scope(LATER)),
    (Scope(None, ("Final", "Service")), Scope(None, ("Final",))),
    (Scope(None, None), Scope(None, ("pdf",))),
    (Scope(LATER, ("pdf",), True), Scope(LATER, ("pdf",), False)),
]


def state_with(scope: Scope, scan: Scan | None = None) -> dict[str, Any]:
    return StreamState(scope, NOW, {"11": Unit(cursor=NOW, scan=scan)}).to_json()


@pytest.mark.parametrize(("before", "now"), WIDER)
def test_given_a_wider_scope_when_read_then_each_unit_is_scanned_for_what_the_earlier_one_did_not_cover(
    before: Scope, now: Scope
) -> None:
    unit = read(state_with(before), now).units["11"]
    assert (unit.scan, unit.covered) == (Scan(), before)


@pytest.mark.parametrize(("before", "now"), NOT_WIDER)
def test_given_a_scope_that_is_no_wider_when_read_then_no_unit_is_scanned_again(before: Scope, now: Scope) -> None:
    state = read(state_with(before), now)
    assert state.units["11"].scan is None
    assert state.to_json()["scope"] == now.to_json()


def test_given_a_wider_scope_when_a_scan_was_interrupted_then_everything_is_scanned_anew() -> None:
    unit = read(state_with(Scope(LATER), Scan(4711, 300)), Scope(EARLIER)).units["11"]
    assert (unit.scan, unit.covered) == (Scan(-1, 0), None)


@pytest.mark.parametrize(
    ("meanwhile", "known"), [(("pdf", "png"), ("pdf", "zip")), (("pdf", "png", "zip"), ("pdf", "zip"))]
)
def test_given_a_wider_scope_when_the_scan_of_another_one_was_interrupted_then_what_was_read_before_it_stays_covered(
    meanwhile: tuple[str, ...], known: tuple[str, ...]
) -> None:
    value = state_with(Scope(LATER, meanwhile), Scan(4711, 300))
    value["units"]["11"] |= {"projects": ["7+"], "covered": Scope(LATER, known).to_json()}
    unit = read(value, Scope(LATER, None)).units["11"]
    # what became of the other kinds while a scope without them was read, nobody knows
    expected = (Scope(LATER, known), ["7+"]) if set(known) <= set(meanwhile) else (None, ["7!"])
    assert (unit.scan, unit.covered, unit.marks.packed()) == (Scan(-1, 0), *expected)


@pytest.mark.parametrize("sign", [OWED_MORE, OWED_MORE_AGAIN])
def test_given_a_scope_widened_twice_when_more_was_still_owed_of_a_project_then_all_of_it_is(sign: str) -> None:
    value = state_with(Scope(LATER, ("pdf", "png")))
    value["units"]["11"] |= {"projects": [f"7{sign}"], "covered": Scope(LATER, ("pdf",)).to_json()}
    assert read(value, Scope(LATER, None)).units["11"].marks.packed() == ["7!"]


def test_given_files_are_wanted_after_rows_only_when_read_then_all_is_read_as_new() -> None:
    state = read(state_with(Scope(None, None, False)), Scope(None, None, True))
    assert (state.units, state.first_sync) == ({}, NOW)


def test_given_several_states_when_asked_for_tries_then_the_most_of_each_project_count() -> None:
    results = {"units": {"11": {"tries": {"7": [1, EARLIER], "8": [2, EARLIER]}}, "12": {"tries": {"9": [1, LATER]}}}}
    files = {"units": {"11/5001": {"tries": {"7": [2, EARLIER], "8": [2, LATER]}}}}
    assert tries_of([results, {}, files]) == {7: Try(2, EARLIER), 8: Try(2, LATER), 9: Try(1, LATER)}


@pytest.mark.parametrize(
    "damaged", [None, [], "x", {"units": 7}, {"units": {"11": None}}, {"units": {"11": {"tries": {"7": 1}}}}]
)
def test_given_a_state_that_cannot_be_read_when_asked_for_tries_then_the_others_count(damaged: Any) -> None:
    sound = {"units": {"11": {"tries": {"7": [1, EARLIER]}}}}
    assert tries_of([damaged, sound]) == {7: Try(1, EARLIER)}
