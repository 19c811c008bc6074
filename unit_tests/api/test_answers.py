"""What is read of the body of an answer."""

from __future__ import annotations

import json
from typing import Any
from unittest import mock

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_customerscanvas.api import answers
from source_customerscanvas.api.packed import Packed
from unit_tests.json_values import json_values

NAMES = st.sampled_from(["a", '"},{"', '\\"},{\\"', "},{", "]}", '"outputFileDetails":[', "Größe\u2028"])
ROWS = st.dictionaries(NAMES, st.one_of(json_values, NAMES, st.lists(st.dictionaries(NAMES, NAMES))), max_size=4)


def parsed(body: bytes) -> Any:
    """The answer, read in the smallest portions; what is packed as a list again."""
    with mock.patch.multiple(answers, _LONG=0, _PORTION=1):
        answer = answers.parsed(body)
    if isinstance(answer, dict):
        return {name: list(value) if isinstance(value, Packed) else value for name, value in answer.items()}
    return answer


@given(st.dictionaries(NAMES, json_values), st.lists(ROWS), st.dictionaries(NAMES, json_values), st.booleans())
def test_given_any_list_of_rows_when_read_in_portions_then_it_is_what_it_is_read_at_once(
    before: dict[str, Any], rows: list[Any], after: dict[str, Any], is_wide: bool
) -> None:
    answer = {**before, "outputFileDetails": rows, **after}
    body = json.dumps(answer, indent=1).encode() if is_wide else orjson.dumps(answer)
    assert parsed(body) == orjson.loads(body)


@pytest.mark.parametrize(
    "answer",
    [
        [],
        {"status": "Failed"},
        {"outputFileDetails": None},
        {"outputFileDetails": [{"a": 1}, 3, None, {"a": 2}, [{}, {}], {}, {}]},
        {"inner": {"outputFileDetails": [{}, {}]}, "outputFileDetails": [{"a": 1}, {"a": 2}]},
        [{"outputFileDetails": [{}, {}, {}]}],
    ],
)
def test_given_an_answer_of_another_form_when_read_in_portions_then_it_is_what_it_is_read_at_once(answer: Any) -> None:
    assert parsed(orjson.dumps(answer)) == answer


def test_given_a_value_that_is_none_in_a_long_list_when_read_then_the_others_come() -> None:
    body = b'{"outputFileDetails": [{"size": 1}, {"size": NaN}, {"size": 3}]}'
    assert parsed(body) == {"outputFileDetails": [{"size": 1}, {"size": None}, {"size": 3}]}


@pytest.mark.parametrize("body", [b'{"outputFileDetails": [{}, {}', b'{"outputFileDetails": [{}, {}]', b"<html>"])
def test_given_a_body_that_is_no_json_when_read_then_that_is_told(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each parser has words of its own
        parsed(body)


def test_given_a_long_answer_when_read_then_its_list_is_packed() -> None:
    rows = [{"artifactId": f"{number:024x}", "name": "print.pdf"} for number in range(30_000)]
    answer = answers.parsed(orjson.dumps({"status": "Completed", "outputFileDetails": rows}))
    assert isinstance(answer["outputFileDetails"], Packed)
    assert list(answer["outputFileDetails"]) == rows
