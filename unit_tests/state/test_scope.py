"""What a stream was asked for: written, read, compared."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_customerscanvas.settings import Shard, Statuses
from source_customerscanvas.state.scope import Scope
from unit_tests.state.states import scopes, times

EARLIER, LATER = "2026-01-01T00:00:00.000000Z", "2026-01-15T00:00:00.000000Z"
PDF, BOTH = ("pdf",), ("pdf", "png")
ONLY, MORE = Statuses("only", (1,)), Statuses("only", (1, 2))
EXCEPT, EXCEPT_MORE = Statuses("except", (1,)), Statuses("except", (1, 2))

# each is wider than the one before it
WIDER = [
    (Scope(LATER), Scope(EARLIER)),
    (Scope(LATER), Scope(None)),
    (Scope(kinds=PDF), Scope(kinds=BOTH)),
    (Scope(kinds=PDF), Scope(kinds=None)),
    (Scope(EARLIER, kinds=PDF), Scope(LATER, kinds=("png",))),
    (Scope(statuses=ONLY), Scope(statuses=MORE)),
    (Scope(statuses=ONLY), Scope()),
    (Scope(statuses=EXCEPT_MORE), Scope(statuses=EXCEPT)),
    (Scope(statuses=EXCEPT), Scope()),
    (Scope(statuses=ONLY), Scope(statuses=EXCEPT)),
    (Scope(shard=Shard(2, 0)), Scope()),
    (Scope(shard=Shard(2, 0)), Scope(shard=Shard(4, 0))),
    (Scope(shard=Shard(2, 0)), Scope(shard=Shard(2, 1))),
]
NOT_WIDER = [
    (Scope(), Scope(LATER)),
    (Scope(EARLIER), Scope(LATER)),
    (Scope(kinds=BOTH), Scope(kinds=PDF)),
    (Scope(), Scope(kinds=PDF)),
    (Scope(statuses=MORE), Scope(statuses=ONLY)),
    (Scope(), Scope(statuses=ONLY)),
    (Scope(), Scope(statuses=EXCEPT)),
    (Scope(statuses=EXCEPT), Scope(statuses=Statuses("only", (2,)))),
    (Scope(), Scope(shard=Shard(2, 0))),
    (Scope(shard=Shard(2, 0)), Scope(shard=Shard(2, 0))),
    (Scope(destination="folder:/out"), Scope()),
]


@pytest.mark.parametrize(("before", "now"), WIDER)
def test_given_a_wider_scope_when_compared_then_the_earlier_one_does_not_cover_it(before: Scope, now: Scope) -> None:
    assert not before.covers(now)


@pytest.mark.parametrize(("before", "now"), NOT_WIDER)
def test_given_a_scope_that_is_no_wider_when_compared_then_the_earlier_one_covers_it(before: Scope, now: Scope) -> None:
    assert before.covers(now)


@given(scopes)
def test_given_any_scope_when_written_and_read_then_it_is_the_same_and_covers_itself(scope: Scope) -> None:
    assert Scope.from_json(json.loads(json.dumps(scope.to_json()))) == scope
    assert scope.covers(scope)


@given(scopes, scopes, times, st.sampled_from(["pdf", "png", "zip"]), st.integers(0, 9))
def test_given_a_scope_that_covers_another_when_a_project_is_in_the_other_then_it_is_in_this_one(
    one: Scope, other: Scope, moment: str, kind: str, code: int
) -> None:
    if one.covers(other):
        assert one.includes(moment) or not other.includes(moment)
        assert one.has_kind(kind) or not other.has_kind(kind)
        assert one.statuses.includes(code) or not other.statuses.includes(code)


@pytest.mark.parametrize(
    ("before", "now", "is_elsewhere"),
    [
        (None, "folder:/out", True),
        ("folder:/out", "s3://prints/", True),
        ("folder:/out", "folder:/out", False),
        ("folder:/out", None, False),
        (None, None, False),
    ],
)
def test_given_a_place_for_files_when_there_was_none_or_another_then_it_is_elsewhere(
    before: str | None, now: str | None, is_elsewhere: bool
) -> None:
    assert Scope(destination=now).is_elsewhere(Scope(destination=before)) is is_elsewhere


@pytest.mark.parametrize(
    "value",
    [
        {"kinds": None},
        {"startDate": None},
        {"startDate": "soon", "kinds": None},
        {"startDate": 2026, "kinds": None},
        {"startDate": None, "kinds": "Final"},
        {"startDate": None, "kinds": {"Final": 1}},
        {"startDate": None, "kinds": [3]},
        {"startDate": None, "kinds": None, "statuses": {"mode": "some", "codes": []}},
        {"startDate": None, "kinds": None, "statuses": {"mode": "only"}},
        {"startDate": None, "kinds": None, "statuses": {"mode": "only", "codes": ["one"]}},
        {"startDate": None, "kinds": None, "shard": 1},
        {"startDate": None, "kinds": None, "files": True},
    ],
)
def test_given_what_is_no_scope_when_read_then_it_is_refused(value: Any) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        Scope.from_json(value)
