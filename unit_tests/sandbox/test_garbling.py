"""Answers that are almost right, as bytes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.serving.garbling import encoded, garbled, without


def page() -> dict[str, Any]:
    row = {"status": 3, "processingStatus": "InProgress"}
    return {"total": 2, "items": [{"id": number, **row, "items": [{"fields": {}}]} for number in (1, 2)]}


@pytest.mark.parametrize(("form", "text"), [("nan", "NaN"), ("infinity", "Infinity"), ("-infinity", "-Infinity")])
def test_given_a_number_that_is_no_json_when_sent_then_it_is_in_the_one_row(form: str, text: str) -> None:
    answer = encoded(garbled(page(), form, row=2)).decode()
    before, _, after = answer.partition('"id":2')
    assert f'"weight":{text}' in after
    assert "weight" not in before


@pytest.mark.parametrize(("form", "spelled"), [("lower status", "inprogress"), ("number status", 1)])
def test_given_another_spelling_when_sent_then_only_processing_statuses_have_it(form: str, spelled: object) -> None:
    first, second = garbled(page(), form)["items"]
    assert (first["processingStatus"], first["status"]) == (spelled, 3)
    assert second["processingStatus"] == "InProgress"
    assert garbled({"status": "InProgress"}, form) == {"status": spelled}


def test_given_other_shapes_when_sent_then_they_are_lists_or_pages_without_rows() -> None:
    assert garbled({"id": 1}, "list") == [{"id": 1}]
    assert garbled(page(), "empty list") == {"total": 0, "items": []}
    assert json.loads(encoded(without(page(), [1])))["total"] == 1
    assert [row["id"] for row in without(page(), [1])["items"]] == [2]
