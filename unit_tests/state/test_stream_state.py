"""What a stream remembers from one sync to the next: read, widened, refused when damaged."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from source_customerscanvas.errors import UnreadableState
from source_customerscanvas.state.scope import Scope
from source_customerscanvas.state.slice_state import Known, SliceState
from source_customerscanvas.state.stream_state import StreamState, Try, tries_of
from unit_tests.state.states import ids, scopes, slice_states, times, tries
from unit_tests.state.test_scope import NOT_WIDER, WIDER

NOW = "2026-02-01T00:00:00.000000Z"
EARLIER, LATER = "2026-01-01T00:00:00.000000Z", "2026-01-15T00:00:00.000000Z"
STREAM = "processing_results"

STATE: dict[str, Any] = {
    "version": 2,
    "began": "2026-01-30T09:00:00.000000Z",
    "scope": {
        "startDate": EARLIER,
        "kinds": ["Final"],
        "statuses": {"mode": "except", "codes": [5]},
        "shard": "0/2",
        "files": "folder:/out",
    },
    "slices": {
        "11": {
            "cursor": "2026-01-31T12:00:00.000000Z",
            "read": "2026-01-31T12:00:03.000000Z",
            "newest": "2026-01-31T11:59:00.000000Z",
            "scan": {"after": 4711},
            "covered": {"startDate": LATER, "kinds": None},
            "open": {"4690": ["k3Jd92mQ"], "4691": ["", "p0Zx71cc"]},
            "recent": {"4698": ["k3Jd92mQ", "p0Zx71cc"]},
            "held": {"5": {"4655": ["Zk0q81ab"]}},
            "owed": [4690, 4713, 4714],
            "emittedUntil": {"4690": "2026-01-31T11:50:00.000000Z", "4713": "2026-01-31T11:50:00.000000Z"},
            "unlisted": [4691],
            "orderless": [4698],
            "onceMore": {"4698": "2026-01-31T11:58:00.000000Z"},
            "delivered": {"5001": [4698, 4699]},
            "waiting": {"5001": 4690},
            "manifests": {"5001": {"files": {"7f": ["11/5001/4698/a.pdf", 1024, "9f86"]}}},
        },
        "11/50/01": {"cursor": None},
    },
    "tries": {"4690": [1, "2026-01-31T11:30:00.000000Z"]},
}


def read(value: Any, scope: Scope | None = None, *, full_refresh: bool = False) -> StreamState:
    given = Scope.from_json(STATE["scope"]) if scope is None else scope
    return StreamState.from_json(STREAM, value, given, full_refresh=full_refresh)


def damaged(path: str, value: Any) -> dict[str, Any]:
    """The state with another value at a path such as `slices/11/cursor`; ... removes what is there."""
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


@given(
    scopes,
    st.just("") | times,
    st.dictionaries(st.sampled_from(["11", "12", "11/50/01"]), slice_states()),
    st.dictionaries(ids, tries, max_size=3),
)
def test_given_any_state_when_written_and_read_in_its_scope_then_it_is_the_same(
    scope: Scope, began: str, slices: dict[str, SliceState], tries: dict[int, Try]
) -> None:
    state = StreamState(scope, began, slices, tries=tries)
    assert read(json.loads(json.dumps(state.to_json())), scope) == state


def test_given_no_state_when_read_then_it_is_empty_and_no_sync_has_begun() -> None:
    state = read({})
    assert (state.slices, state.began, state.refresh) == ({}, "", "")


def test_given_a_slice_that_nobody_has_read_when_asked_for_then_all_of_it_is_to_be_scanned() -> None:
    assert read({}).slice("11").to_json() == {"cursor": None, "scan": {"after": -1}}


DAMAGED = [
    ("version", 0),
    ("version", 1),
    ("version", 3),
    ("version", "2"),
    ("version", None),
    ("version", ...),
    ("began", ...),
    ("began", "long ago"),
    ("scope", ...),
    ("scope", None),
    ("scope", []),
    ("scope", "everything"),
    ("scope/startDate", ...),
    ("scope/startDate", "soon"),
    ("scope/startDate", 2026),
    ("scope/kinds", ...),
    ("scope/kinds", "Final"),
    ("scope/kinds", {"Final": 1}),
    ("scope/kinds", 3),
    ("scope/statuses", "all"),
    ("scope/statuses/mode", "some"),
    ("scope/statuses/codes", ...),
    ("scope/statuses/codes", ["one"]),
    ("scope/shard", 2),
    ("scope/files", True),
    ("slices", ...),
    ("slices", None),
    ("slices", []),
    ("slices", "11"),
    ("slices", {"shop": {"cursor": None}}),
    ("slices", {"": {"cursor": None}}),
    ("slices/11", None),
    ("slices/11", []),
    ("slices/11", "x"),
    ("slices/11/cursor", ...),
    ("slices/11/cursor", ""),
    ("slices/11/cursor", "yesterday"),
    ("slices/11/cursor", "now"),
    ("slices/11/cursor", 1_700_000_000),
    ("slices/11/cursor", ["2026-01-31T12:00:00.000000Z"]),
    ("slices/11/read", "2026-13-31"),
    ("slices/11/scan", []),
    ("slices/11/scan", {}),
    ("slices/11/scan", ""),
    ("slices/11/scan", "done"),
    ("slices/11/scan", False),
    ("slices/11/scan/after", ...),
    ("slices/11/scan/after", None),
    ("slices/11/scan/after", "all"),
    ("slices/11/scan/after", [4711]),
    ("slices/11/covered", {}),
    ("slices/11/covered", "x"),
    ("slices/11/covered", []),
    ("slices/11/newest", "soon"),
    ("slices/11/orderless", 7),
    ("slices/11/orderless", ["x"]),
    ("slices/11/open", None),
    ("slices/11/open", []),
    ("slices/11/open", "4690"),
    ("slices/11/open", [4690]),
    ("slices/11/open/4690", None),
    ("slices/11/open/4690", "k3Jd92mQ"),
    ("slices/11/open/4690", []),
    ("slices/11/open/4690", [None]),
    ("slices/11/open/4690", ["k3Jd92mQ", 7]),
    ("slices/11/open", {"x": ["k3Jd92mQ"]}),
    ("slices/11/recent", {"": ["k3Jd92mQ"]}),
    ("slices/11/recent/4698", []),
    ("slices/11/held", []),
    ("slices/11/held/5", []),
    ("slices/11/held/5/4655", {}),
    ("slices/11/owed", {"4713": None}),
    ("slices/11/owed", None),
    ("slices/11/owed", ["🎁"]),
    ("slices/11/owed", [None]),
    ("slices/11/emittedUntil", []),
    ("slices/11/emittedUntil/4690", "soon"),
    ("slices/11/emittedUntil/4690", None),
    ("slices/11/unlisted", None),
    ("slices/11/unlisted", ["x"]),
    ("slices/11/orderless", 7),
    ("slices/11/onceMore", []),
    ("slices/11/onceMore/4698", "soon"),
    ("slices/11/onceMore/4698", None),
    ("tries", []),
    ("tries", {"x": [1, NOW]}),
    ("tries", {"4711": 1}),
    ("tries", {"4711": [1, "soon"]}),
    ("tries", {"4711": [1, None]}),
    ("slices/11/delivered", []),
    ("slices/11/delivered", {"5001": 4711}),
    ("slices/11/delivered", {"5001": ["x"]}),
    ("slices/11/waiting", []),
    ("slices/11/waiting/5001", "x"),
    ("slices/11/manifests", []),
    ("slices/11/manifests/5001/files", ...),
    ("slices/11/manifests/5001/waitsFor", "x"),
    ("slices/11/manifests/5001/files/7f", ["a.pdf", 1]),
    ("slices/11/manifests/5001/files/7f", ["a.pdf", "many", "9f86"]),
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


def test_given_a_damaged_state_when_refreshed_wholly_then_it_is_refused_too() -> None:
    with pytest.raises(UnreadableState, match=STREAM):
        read({**damaged("slices/11/cursor", "now"), "refresh": "ended"}, full_refresh=True)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
paths = st.sampled_from(sorted({path for path, _ in DAMAGED}))


@given(path=paths, value=json_values)
@settings(max_examples=500)
def test_given_anything_anywhere_in_a_state_when_read_then_it_is_refused_or_can_be_written(
    path: str, value: Any
) -> None:
    try:
        state = read(damaged(path, value))
    except UnreadableState:
        return
    again = json.loads(json.dumps(state.to_json()))
    assert read(again).to_json() == again


def test_given_5000_unfinished_projects_when_written_then_they_take_less_than_250_kilobytes() -> None:
    state = StreamState(Scope(), NOW, {"11": SliceState(cursor=NOW, scan=None)})
    for number in range(5000):
        state.slice("11").settle(7_000_000 + 3 * number, Known("open", "k3Jd92mQ", ("p0Zx71ccZk0q81ab",)))
    assert len(json.dumps(state.to_json())) < 250_000


# A changed scope


def state_with(scope: Scope, scan: int | None = None, **parts: Any) -> dict[str, Any]:
    value = StreamState(scope, NOW, {"11": SliceState(cursor=NOW, scan=scan)}).to_json()
    value["slices"]["11"] |= parts
    return value


@pytest.mark.parametrize(("before", "now"), WIDER)
def test_given_a_wider_scope_when_read_then_each_slice_is_scanned_for_what_the_earlier_one_did_not_cover(
    before: Scope, now: Scope
) -> None:
    one = read(state_with(before), now).slices["11"]
    assert (one.scan, one.covered) == (-1, before)


@pytest.mark.parametrize(("before", "now"), NOT_WIDER)
def test_given_a_scope_that_is_no_wider_when_read_then_no_slice_is_scanned_again(before: Scope, now: Scope) -> None:
    state = read(state_with(before), now)
    assert state.slices["11"].scan is None
    assert state.to_json()["scope"] == now.to_json()


def test_given_a_wider_scope_when_a_first_scan_was_interrupted_then_everything_is_scanned_anew() -> None:
    one = read(state_with(Scope(LATER), 4711), Scope(EARLIER)).slices["11"]
    assert (one.scan, one.covered) == (-1, None)


def test_given_a_wider_scope_when_the_scan_of_another_was_interrupted_then_what_the_first_covered_still_counts() -> (
    None
):
    covered = Scope(kinds=("pdf",)).to_json()
    value = state_with(Scope(kinds=("pdf", "png")), 4711, covered=covered, owed=[7], emittedUntil={"7": EARLIER})
    one = read(value, Scope()).slices["11"]
    assert (one.scan, one.covered) == (-1, Scope(kinds=("pdf",)))
    assert (one.owed, one.of(7)) == ({7}, Known(emitted_until=EARLIER))


@pytest.mark.parametrize("before", [None, "folder:/elsewhere"])
def test_given_files_are_wanted_when_they_were_not_or_went_elsewhere_then_all_is_delivered_again_but_no_run_is_new(
    before: str | None,
) -> None:
    recent = {"7": ["k3Jd92mQ", "p0Zx71cc", "Zk0q81ab"]}
    value = state_with(Scope(LATER, destination=before), recent=recent) | {"tries": {"8": [2, EARLIER]}}
    state = read(value, Scope(EARLIER, destination="folder:/out"))
    one = state.slices["11"]
    assert (one.scan, one.covered) == (-1, Scope(LATER, kinds=(), destination=before))
    assert one.known == {7: Known("recent", "k3Jd92mQ", ("p0Zx71cc",))}
    assert (state.tries, state.began) == ({8: Try(2, EARLIER)}, NOW)


def of_order(project_id: int) -> SliceState:
    """An order that was read alone, with a project that is delivered and one for which the order waits."""
    known = {project_id: Known("recent", "k3Jd92mQ", ("p0Zx71cc",))}
    one = SliceState(cursor=NOW, scan=None, known=known, owed={project_id + 1}, delivered={project_id: "5001"})
    one.wait("5001", project_id + 1)
    return one


def test_given_orders_that_were_read_alone_when_their_storefront_is_new_then_it_begins_with_what_is_known_of_them() -> (
    None
):
    state = StreamState(Scope(), NOW, {"11/5001": of_order(7), "11/50/01": of_order(17), "112/5001": of_order(27)})
    state.keep_slices(["11"])
    ((key, one),) = state.slices.items()
    assert (key, one.scan, one.cursor) == ("11", -1, "")
    assert (set(one.known), one.owed, set(one.delivered)) == ({7, 17}, {8, 18}, {7, 17})
    assert one.waiting == {"5001": 18}


def test_given_slices_when_some_are_kept_then_a_new_order_begins_with_nothing() -> None:
    state = StreamState(Scope(), NOW, {"11": of_order(7), "11/50/01": of_order(17)})
    state.keep_slices(["11/50", "11/50/01"])
    assert state.slices == {"11/50": SliceState(), "11/50/01": of_order(17)}


# A full refresh


@pytest.mark.parametrize("refresh", [{}, {"refresh": "ended"}])
def test_given_a_full_refresh_when_the_last_one_had_ended_then_it_begins_anew(refresh: dict[str, str]) -> None:
    state = read({**STATE, **refresh}, full_refresh=True)
    assert (state.slices, state.refresh) == ({}, "running")


def test_given_a_full_refresh_when_it_begins_anew_then_the_tries_of_failed_projects_still_count() -> None:
    assert read(STATE, full_refresh=True).tries == {4690: Try(1, "2026-01-31T11:30:00.000000Z")}


def test_given_a_full_refresh_when_it_was_interrupted_then_it_goes_on() -> None:
    state = read({**STATE, "refresh": "running"}, full_refresh=True)
    assert state.to_json() == {**STATE, "refresh": "running"}


@pytest.mark.parametrize("refresh", ["running", "ended"])
def test_given_the_state_of_a_full_refresh_when_an_incremental_sync_is_given_it_then_it_goes_on_from_there(
    refresh: str,
) -> None:
    assert read({**STATE, "refresh": refresh}).to_json() == STATE


# Tries


def test_given_tries_when_compared_then_more_of_them_come_later_and_of_as_many_the_latest() -> None:
    assert max(Try(1, LATER), Try(2, EARLIER), Try(2, LATER)) == Try(2, LATER)


def test_given_several_states_when_asked_for_tries_then_the_most_of_each_project_count() -> None:
    results = {"tries": {"7": [1, EARLIER], "8": [2, EARLIER], "9": [1, LATER]}}
    files = {"tries": {"7": [2, EARLIER], "8": [2, LATER]}}
    assert tries_of([results, {}, files]) == {7: Try(2, EARLIER), 8: Try(2, LATER), 9: Try(1, LATER)}


@pytest.mark.parametrize("broken", [None, [], "x", {"tries": 7}, {"tries": None}, {"tries": {"7": 1}}])
def test_given_a_state_that_cannot_be_read_when_asked_for_tries_then_the_others_count(broken: Any) -> None:
    sound = {"tries": {"7": [1, EARLIER]}}
    assert tries_of([broken, sound]) == {7: Try(1, EARLIER)}
