"""The settings that choose some projects of a shop: statuses and shards."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_customerscanvas.settings import ALL_STATUSES, Settings, Shard, Statuses

codes = st.lists(st.integers(0, 5), max_size=4, unique=True).map(tuple)
statuses = st.just(ALL_STATUSES) | st.builds(Statuses, st.sampled_from(["only", "except"]), codes)
OTHER_CODES = (6, 7)


@pytest.mark.parametrize(
    ("chosen", "included"),
    [
        (ALL_STATUSES, {1, 2, 3}),
        (Statuses("only", (1, 2)), {1, 2}),
        (Statuses("except", (1, 2)), {3}),
        (Statuses("only"), set()),
        (Statuses("except"), {1, 2, 3}),
    ],
)
def test_given_a_choice_of_statuses_when_asked_then_it_includes_what_it_says(
    chosen: Statuses, included: set[int]
) -> None:
    assert {code for code in (1, 2, 3) if chosen.includes(code)} == included


def test_given_codes_of_another_choice_when_all_statuses_are_chosen_then_they_name_nothing() -> None:
    config = {"client_id": "app", "client_secret": "s3cret", "statuses": {"mode": "all", "codes": [9]}}
    assert Settings.from_config(config).statuses == ALL_STATUSES


@pytest.mark.parametrize(("mode", "is_included"), [("all", True), ("only", False), ("except", True)])
def test_given_a_project_without_a_status_when_asked_then_it_is_none_of_those_that_are_named(
    mode: str, is_included: bool
) -> None:
    assert Statuses(mode, (1,)).includes(None) is is_included  # type: ignore[arg-type]  # one of the three


@given(statuses, statuses)
def test_given_two_choices_when_one_covers_the_other_then_it_includes_all_that_the_other_does(
    one: Statuses, other: Statuses
) -> None:
    every = [*range(6), *OTHER_CODES]  # there is always a status that neither of them names
    is_covered = all(one.includes(code) for code in every if other.includes(code))
    assert one.covers(other) is is_covered


@given(st.integers(2, 20), st.integers(1, 1000), st.text(min_size=1, max_size=12), st.integers(1, 10**9))
def test_given_any_order_when_shards_are_asked_then_it_belongs_to_one_of_them_whichever_project_it_is_of(
    count: int, storefront_id: int, order_id: str, project_id: int
) -> None:
    shards = [Shard(count, index) for index in range(count)]
    (owner,) = [shard for shard in shards if shard.has(storefront_id, order_id, project_id)]
    assert owner.has(storefront_id, order_id, project_id + 1)
    assert sum(shard.has(storefront_id, None, project_id) for shard in shards) == 1


def test_given_many_orders_when_four_shards_share_them_then_each_gets_about_a_quarter() -> None:
    counts = Counter(index for order in range(4000) for index in range(4) if Shard(4, index).has(11, str(order), 1))
    assert all(800 < counts[index] < 1200 for index in range(4))


def test_given_orders_when_asked_in_another_release_then_they_belong_to_the_same_shard() -> None:
    """The state of each shard is its own: an order that moved to another one would be delivered twice."""
    assert [[Shard(4, index).has(11, order, 1) for index in range(4)].index(True) for order in ("5001", "5002")] == [
        3,
        3,
    ]
    assert [Shard(4, index).has(11, None, 4711) for index in range(4)].index(True) == 2
