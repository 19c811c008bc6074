"""Long lists that take little memory, and are the same lists."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_customerscanvas.api.packed import Packed, compact, size_of, those, unpacked
from unit_tests.json_values import json_values


def rows(count: int) -> list[dict[str, Any]]:
    return [{"artifactId": f"{number:024x}", "name": f"Größe {number}.pdf"} for number in range(count)]


@given(st.lists(json_values), st.integers(0, 250))
def test_given_any_values_when_packed_then_they_come_out_as_they_were(some: list[Any], more: int) -> None:
    values = some + rows(more)
    packed = Packed(values)
    assert list(packed) == values
    assert [packed[number] for number in range(len(packed))] == values
    assert orjson.loads(orjson.dumps(packed.as_json())) == values
    assert packed.size == len(orjson.dumps(values)) or not values  # an empty one is a byte longer


def test_given_a_packed_list_when_looked_at_from_its_end_then_it_is_like_any_other() -> None:
    packed = Packed(rows(250))
    assert (packed[-1], packed[98:102]) == (rows(250)[-1], rows(250)[98:102])
    with pytest.raises(IndexError):
        packed[250]


def test_given_few_values_when_made_compact_then_they_are_a_plain_list() -> None:
    assert compact(iter(rows(3))) == rows(3)
    many = compact(iter(rows(1001)))
    assert isinstance(many, Packed)
    assert list(many) == rows(1001)


def test_given_a_row_with_a_packed_list_when_it_is_written_then_it_is_as_long_as_it_was_said_to_be() -> None:
    row = {"projectId": 7, "outputFileDetails": Packed(rows(1001)), "status": "Completed"}
    written = orjson.dumps(unpacked(row))
    assert orjson.loads(written) == {"projectId": 7, "outputFileDetails": rows(1001), "status": "Completed"}
    assert size_of(row) == len(written)
    assert size_of({"projectId": 7}) == len('{"projectId":7}')


@pytest.mark.parametrize("count", [10, 1001])
def test_given_values_of_which_some_are_meant_when_gone_through_twice_then_the_same_ones_come(count: int) -> None:
    values = compact(range(count), str, int)
    odd = those(values, lambda number: number % 2 == 1)
    assert [list(odd), list(odd)] == [list(range(1, count, 2))] * 2
    assert list(values) == list(range(count))
