"""Lists: sorting, nulls, ties, filters, and offsets on a list that moves."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.clock import Clock
from sandbox.shop import Shop
from sandbox.shop.listing import (
    SORTABLE_OF_PROJECTS,
    ArtifactFilter,
    ProjectFilter,
    UnknownSorting,
    parse_sorting,
    period_start,
)
from sandbox.shop.rows import FileSpec
from sandbox.switches import Switches

EVERYTHING = 1000
ANY = ProjectFilter()


def ids(
    shop: Shop, sorting: str = "Id", skip: int = 0, take: int = EVERYTHING, wanted: ProjectFilter = ANY
) -> list[int]:
    keys = parse_sorting(sorting, SORTABLE_OF_PROJECTS, refuse_unknown=True)
    return [project["id"] for project in shop.project_page(wanted, keys, skip, take)[1]]


def test_given_a_page_read_when_a_row_behind_it_moves_to_the_front_then_the_next_page_repeats_a_row(
    shop: Shop,
) -> None:
    for minute in range(4):
        shop.create_project(last_modified=f"2024-03-01T00:0{minute}:00Z")
    assert ids(shop, "LastModified DESC", 0, 2) == [4, 3]
    shop.modify_project(1, name="changed")
    assert ids(shop, "LastModified DESC", 2, 2) == [3, 2]


def test_given_a_page_read_when_a_row_on_it_is_removed_then_the_next_page_misses_a_row(shop: Shop) -> None:
    for _ in range(4):
        shop.create_project()
    assert ids(shop, "Id", 0, 2) == [1, 2]
    shop.remove_project(1)
    assert ids(shop, "Id", 2, 2) == [4]


@pytest.mark.parametrize(
    ("nulls", "ascending", "descending"),
    [
        ("low", [1, 2, 3], [3, 2, 1]),
        ("high", [2, 3, 1], [1, 3, 2]),
        ("first", [1, 2, 3], [1, 3, 2]),
        ("last", [2, 3, 1], [3, 2, 1]),
    ],
)
def test_given_a_null_time_when_sorted_then_it_comes_where_the_switch_says(
    shop: Shop, switches: Switches, nulls: Any, ascending: list[int], descending: list[int]
) -> None:
    switches.nulls_first = nulls
    shop.create_project()
    shop.create_project(last_modified="2024-03-01")
    shop.create_project(last_modified="2024-03-02")
    assert ids(shop, "LastModified") == ascending
    assert ids(shop, "LastModified DESC") == descending


def test_given_unstable_ties_when_pages_are_read_again_then_only_rows_with_equal_keys_change_places(
    shop: Shop, switches: Switches
) -> None:
    switches.tie_break = "unstable"
    shop.create_project(last_modified="2024-03-02")
    for _ in range(20):
        shop.create_project(last_modified="2024-03-01")
    shop.create_project(last_modified="2024-02-29")
    orders = {tuple(ids(shop, "LastModified DESC")) for _ in range(5)}
    assert len(orders) > 1
    assert all((order[0], order[-1], len(set(order))) == (1, 22, 22) for order in orders)
    assert ids(shop, "lastmodified desc, ID desc", 1, 3) == [21, 20, 19]


def test_given_an_unknown_field_when_sorted_by_it_then_it_is_ignored_or_refused() -> None:
    assert parse_sorting("Title ASC, Id DESC", SORTABLE_OF_PROJECTS, refuse_unknown=False) == (("Id", True),)
    with pytest.raises(UnknownSorting):
        parse_sorting("Title ASC", SORTABLE_OF_PROJECTS, refuse_unknown=True)


def test_given_two_storefronts_with_the_same_order_when_filtered_then_their_projects_do_not_mix(shop: Shop) -> None:
    shop.create_project(storefront_id=1, order_id="7")
    shop.create_project(storefront_id=2, order_id="7")
    assert ids(shop, wanted=ProjectFilter(storefront_id=2, order_id="7")) == [2]
    assert ids(shop, wanted=ProjectFilter(storefront_id=3)) == []


def test_given_a_period_when_filtered_then_it_looks_at_creation_or_modification(shop: Shop, clock: Clock) -> None:
    shop.create_project(created="2024-01-01", last_modified="2024-03-05T09:00:00")
    today = period_start("Today", clock.now())
    assert ids(shop, wanted=ProjectFilter(since=today)) == []
    assert ids(shop, wanted=ProjectFilter(since=today, since_looks_at="modified")) == [1]


def test_given_artifacts_of_several_runs_when_listed_by_group_then_only_that_runs_come(shop: Shop) -> None:
    shop.create_project(processing="Completed", files=[FileSpec(), FileSpec(name="log", type="Service")])
    shop.create_project(processing="Completed")
    group = shop.artifacts(1)[0]["group"]
    keys = parse_sorting("Id", ("Id",), refuse_unknown=True)
    assert shop.artifact_page(ArtifactFilter(group=group), keys, 0, EVERYTHING)[0] == 2
    assert shop.artifact_page(ArtifactFilter(group=group, type="Final"), keys, 0, EVERYTHING)[0] == 1
    assert shop.artifact_page(ArtifactFilter(group="nonsense"), keys, 0, EVERYTHING)[0] == 0


@given(
    changes=st.lists(st.tuples(st.sampled_from(["create", "modify", "remove"]), st.integers(1, 12))),
    sorting=st.sampled_from(["Id DESC", "LastModified DESC", "Name, Id DESC", "Name DESC,LastModified"]),
)
def test_given_any_changes_when_a_kept_view_is_read_then_it_equals_a_fresh_one(
    changes: list[tuple[str, int]], sorting: str
) -> None:
    clock = Clock("manual", start="2024-03-05T10:00:00Z")
    shop = Shop(clock, Switches())
    for change, number in changes:
        ids(shop, sorting)
        if change == "create":
            shop.create_project(name=f"name {number}")
        elif number in shop.project_ids():
            if change == "modify":
                shop.modify_project(number, name=f"name {number % 3}")
            else:
                shop.remove_project(number)
        clock.advance(number % 2)
    kept = ids(shop, sorting)
    shop.forget_views()
    assert kept == ids(shop, sorting)
