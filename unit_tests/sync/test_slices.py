"""What is listed together, and what belongs to it."""

from __future__ import annotations

from typing import Any

import pytest

from source_customerscanvas.api.projects import Project
from source_customerscanvas.settings import Shard
from source_customerscanvas.sync.slices import Slice, is_order


def project(**row: Any) -> Project:
    found = Project.from_row({"id": 7, **row})
    assert found
    return found


@pytest.mark.parametrize(
    ("slice_", "storefront_id", "order_id", "belongs"),
    [
        (Slice(11), 11, "5001", True),
        (Slice(11), "11", None, True),
        (Slice(11), None, None, True),  # the answer for a project may leave its storefront out
        (Slice(11), 12, "5001", False),
        (Slice(11, "5001"), 11, "5001", True),
        (Slice(11, "5001"), 11, 5001, True),
        (Slice(11, "5001"), 11, "5002", False),
        (Slice(11, "5001"), 11, None, False),
        (Slice(11, "5001"), 12, "5001", False),
    ],
)
def test_given_a_project_that_was_asked_for_when_it_is_taken_up_then_only_if_it_belongs_to_the_slice(
    slice_: Slice, storefront_id: Any, order_id: Any, belongs: bool
) -> None:
    assert slice_.has(project(storefrontId=storefront_id, orderId=order_id)) is belongs


def test_given_shards_when_a_project_is_asked_for_then_it_belongs_to_one_of_them_with_all_of_its_order() -> None:
    shards = [Slice(11, shard=Shard(4, index)) for index in range(4)]
    for order in range(50):
        projects = [project(storefrontId=11, orderId=str(order)) for _ in range(3)]
        assert [sum(slice_.has(one) for slice_ in shards) for one in projects] == [1, 1, 1]
        assert {tuple(slice_.in_shard(one) for slice_ in shards) for one in projects} in [
            {tuple(index == place for index in range(4))} for place in range(4)
        ]


@pytest.mark.parametrize(
    ("slice_", "key", "params", "is_one_order"),
    [
        (Slice(11), "11", {"storefrontId": 11}, False),
        (Slice(11, "50/01"), "11/50/01", {"storefrontId": 11, "orderId": "50/01"}, True),
    ],
)
def test_given_a_slice_when_it_is_named_and_listed_then_by_its_storefront_and_order(
    slice_: Slice, key: str, params: dict[str, Any], is_one_order: bool
) -> None:
    assert (slice_.key, slice_.params, is_order(slice_.key)) == (key, params, is_one_order)
