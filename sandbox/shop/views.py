"""Sorted views of rows for each filter and sorting that was asked for, kept up to date row by row."""

from __future__ import annotations

import random
from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from typing import Any, Generic, NamedTuple, TypeVar

Row = TypeVar("Row")
Key = tuple[Any, ...]

_KEPT_VIEWS = 32


class SortKey(NamedTuple):
    field: str
    descending: bool


class Query(NamedTuple):
    """What one view shows: `condition` names the filter, `nulls` says where nulls sort."""

    condition: Hashable
    sorting: tuple[SortKey, ...]
    nulls: str


def key_part(value: Any, descending: bool, nulls: str) -> Key:
    """A part of a sort key that puts nulls where they belong and turns the order round when descending."""
    if value is None:
        first = nulls == "first" or nulls == ("high" if descending else "low")
        return (0 if first else 2, 0)
    if not descending:
        return (1, value)
    if isinstance(value, str):
        return (1, (*(-ord(character) for character in value), 1))
    return (1, -value)


class _View(Generic[Row]):
    """One sorted list of (key, id)."""

    def __init__(self, query: Query, matches: Callable[[Row], bool], field_of: Callable[[Row, str], Any]) -> None:
        self._query = query
        self._matches = matches
        self._field_of = field_of
        self._entries: list[tuple[Key, Any]] = []
        self._key_of: dict[Any, Key] = {}

    def _key(self, row: Row) -> Key:
        key: Key = ()
        for name, descending in self._query.sorting:
            key += key_part(self._field_of(row, name), descending, self._query.nulls)
        return key

    def fill(self, rows: Iterable[tuple[Any, Row]]) -> None:
        self._key_of = {identity: self._key(row) for identity, row in rows if self._matches(row)}
        self._entries = sorted((key, identity) for identity, key in self._key_of.items())

    def changed(self, identity: Any, row: Row | None) -> None:
        old = self._key_of.pop(identity, None)
        if old is not None:
            del self._entries[bisect_left(self._entries, (old, identity))]
        if row is not None and self._matches(row):
            key = self._key(row)
            self._key_of[identity] = key
            insort(self._entries, (key, identity))

    def page(self, skip: int, take: int) -> list[Any]:
        return [identity for _, identity in self._entries[skip : skip + take]]

    def shuffled_page(self, skip: int, take: int, order: random.Random) -> list[Any]:
        """The page, each group of rows with equal keys in another order."""
        page: list[Any] = []
        start = skip
        while len(page) < take and start < len(self._entries):
            key = self._entries[start][0]
            low = bisect_left(self._entries, (key,))
            # The least tuple that is greater than every (key, identity).
            high = bisect_left(self._entries, ((*key, 0),), lo=start)
            group = [identity for _, identity in self._entries[low:high]]
            order.shuffle(group)
            page += group[start - low : start - low + take - len(page)]
            start = high
        return page

    def __len__(self) -> int:
        return len(self._entries)


class Views(Generic[Row]):
    """The views of one kind of row; the least recently used are forgotten."""

    def __init__(
        self, rows: Callable[[], Iterable[tuple[Any, Row]]], field_of: Callable[[Row, str], Any], seed: int
    ) -> None:
        self._rows = rows
        self._field_of = field_of
        self._views: OrderedDict[Query, _View[Row]] = OrderedDict()
        self._order = random.Random(seed)

    def __bool__(self) -> bool:
        return bool(self._views)

    def page(
        self, query: Query, matches: Callable[[Row], bool], skip: int, take: int, stable: bool
    ) -> tuple[int, list[Any]]:
        """How many rows match, and the ids of one page of them."""
        view = self._views.get(query)
        if view is None:
            view = self._views[query] = _View(query, matches, self._field_of)
            view.fill(self._rows())
            if len(self._views) > _KEPT_VIEWS:
                self._views.popitem(last=False)
        self._views.move_to_end(query)
        ids = view.page(skip, take) if stable else view.shuffled_page(skip, take, self._order)
        return len(view), ids

    def changed(self, identity: Any, row: Row | None) -> None:
        """A row was added, changed, or (None) removed."""
        for view in self._views.values():
            view.changed(identity, row)

    def clear(self) -> None:
        self._views.clear()
