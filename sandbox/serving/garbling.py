"""Answers that are almost right: rows and statuses in a form that the API's models do not have."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Collection
from typing import Any

from sandbox.shop.rows import PROCESSING_STATUSES

_STATUS_FIELDS = ("status", "processingStatus")


def garbled(payload: Any, form: str, row: int | None = None) -> Any:
    """The payload in another form; `row` is the id of the row that is concerned (None: the first)."""
    return FORMS[form](copy.deepcopy(payload), row)


def without(payload: Any, ids: Collection[int]) -> Any:
    """A page that leaves these rows out, and does not count them."""
    items = [row for row in payload["items"] or () if row["id"] not in ids]
    return {"total": payload["total"] - len(payload["items"] or ()) + len(items), "items": items}


def encoded(payload: Any) -> bytes:
    """JSON as some servers write it, with `NaN` and `Infinity`, which are no JSON."""
    return json.dumps(payload, separators=(",", ":")).encode()


def _rows(payload: Any, row: int | None) -> list[dict[str, Any]]:
    rows = payload["items"] if isinstance(payload, dict) and "total" in payload else [payload]
    rows = rows or []
    return rows[:1] if row is None else [one for one in rows if one.get("id") == row]


def _with_number(number: float) -> Callable[[Any, int | None], Any]:
    def form(payload: Any, row: int | None) -> Any:
        for one in _rows(payload, row):
            items = one.get("items")
            place = items[0].setdefault("fields", {}) if items else one
            place["weight"] = number
        return payload

    return form


def _with_status(spell: Callable[[str], Any]) -> Callable[[Any, int | None], Any]:
    def form(payload: Any, row: int | None) -> Any:
        for one in _rows(payload, row):
            for name in _STATUS_FIELDS:
                if one.get(name) in PROCESSING_STATUSES:
                    one[name] = spell(one[name])
        return payload

    return form


FORMS: dict[str, Callable[[Any, int | None], Any]] = {
    "list": lambda payload, row: [payload],
    "empty list": lambda payload, row: {"total": 0, "items": []},
    "lower status": _with_status(str.lower),
    "number status": _with_status(PROCESSING_STATUSES.index),
    "nan": _with_number(math.nan),
    "infinity": _with_number(math.inf),
    "-infinity": _with_number(-math.inf),
}
"""A list where an object belongs, a page without rows, statuses in small letters or as numbers, no JSON numbers."""
