"""What a request asks for: its parameters, and the page of a list."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sandbox.serving.messages import Reply, RequestRecord
from sandbox.shop import Refused
from sandbox.shop.listing import parse_sorting
from sandbox.shop.views import SortKey
from sandbox.switches import Switches

_GREATEST_ID = 2**31 - 1


def number(request: RequestRecord, name: str) -> int | None:
    """Raises Refused."""
    text = request.query.get(name)
    if not text:
        return None
    try:
        value = int(text)
    except ValueError:
        raise Refused(f"{name} has to be a number.") from None
    if abs(value) > _GREATEST_ID:
        raise Refused(f"{name} is too great.")
    return value


def choice(request: RequestRecord, name: str, values: tuple[str, ...]) -> str | None:
    """One of the values, in the spelling that they have here. Raises Refused."""
    text = request.query.get(name)
    if not text:
        return None
    for value in values:
        if value.lower() == text.lower():
            return value
    raise Refused(f"{name} is one of {', '.join(values)}.")


class Lists:
    """Pages as the switches make them."""

    def __init__(self, switches: Switches) -> None:
        self._switches = switches

    def bounds(self, request: RequestRecord) -> tuple[int, int]:
        """How many rows are skipped, and how many come at most."""
        cap = self._switches.page_cap
        default = cap if self._switches.default_take is None else self._switches.default_take
        skip, take = number(request, "skip"), number(request, "take")
        return max(skip or 0, 0), max(min(default if take is None else take, cap), 0)

    def page(self, total: int, items: list[dict[str, Any]]) -> Reply:
        empty = self._switches.items_null_when_empty and not items
        return Reply(payload={"total": total, "items": None if empty else items})

    def sorting(self, request: RequestRecord, sortable: tuple[str, ...]) -> tuple[SortKey, ...]:
        """Raises UnknownSorting where the switch says so."""
        asked = request.query.get("sorting", "")
        keys = parse_sorting(asked, sortable, self._switches.unknown_sort == "refuse")
        return keys or parse_sorting(self._switches.default_sorting, sortable, False)

    def table(self, request: RequestRecord, rows: Iterable[dict[str, Any]], text_field: str) -> Reply:
        """A page of a short table that is sorted by id, or by name when asked."""
        search = request.query.get("search", "").lower()
        found = [row for row in rows if search in str(row[text_field]).lower()]
        keys = parse_sorting(request.query.get("sorting", ""), ("Id", "Name"), self._switches.unknown_sort == "refuse")
        for name, descending in reversed(keys):
            by = "id" if name == "Id" else text_field
            found.sort(key=lambda row: row[by], reverse=descending)
        skip, take = self.bounds(request)
        return self.page(len(found), found[skip : skip + take])
