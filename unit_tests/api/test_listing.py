"""Reading lists that change while they are read, without network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from source_customerscanvas.api.listing import PAGE_SIZE, Page, Row, first_with, read_page, walk
from source_customerscanvas.errors import ServerTrouble


class LiveList:
    """A list on a server, sorted by id, with something that happens before each page is given."""

    def __init__(self, ids: list[int], cap: int, before: Callable[[LiveList], None] | None = None) -> None:
        self.ids = ids
        self.cap = cap
        self.before = before
        self.asked: list[int] = []

    def fetch(self, skip: int) -> Page:
        self.asked.append(skip)
        if self.before:
            self.before(self)
        rows: list[Row] = [{"id": id_} for id_ in self.ids[skip : skip + self.cap]]
        return Page(skip, rows, len(self.ids))

    def walk(self) -> list[int]:
        return [row["id"] for page in walk(self.fetch, self.fetch(0), to_the_end=True) for row in page.rows]


def pages_of(answers: Mapping[int, list[int]], total: int | None) -> Callable[[int], Page]:
    return lambda skip: Page(skip, [{"id": id_} for id_ in answers.get(skip, [])], total)


@given(
    size=st.integers(0, 60),
    cap=st.integers(1, 12),
    changes=st.lists(st.lists(st.integers(0, 10**6), max_size=14), max_size=12),
    grows=st.booleans(),
)
@settings(max_examples=1000)
def test_given_rows_that_are_removed_and_added_at_any_page_when_walked_then_each_that_was_always_there_comes(
    size: int, cap: int, changes: list[list[int]], grows: bool
) -> None:
    pending = iter(changes)

    def change(served: LiveList) -> None:
        for number in next(pending, []):
            if served.ids:
                del served.ids[number % len(served.ids)]
            if grows:
                served.ids.append(1000 + len(served.asked) * 100 + number % 100)

    served = LiveList(list(range(size)), cap, change)
    walked = served.walk()
    assert set(range(size)) & set(served.ids) <= set(walked)


@pytest.mark.parametrize("at_request", [2, 3, 4, 5])
@pytest.mark.parametrize(("cap", "removed"), [(3, 1), (3, 2), (100, 1), (100, 70), (100, 100), (100, 150), (20, 30)])
def test_given_the_first_rows_are_removed_at_once_when_walked_then_each_row_that_stays_comes(
    cap: int, removed: int, at_request: int
) -> None:
    def change(served: LiveList) -> None:
        if len(served.asked) == at_request:
            del served.ids[:removed]

    served = LiveList(list(range(5 * cap)), cap, change)
    assert set(range(removed, 5 * cap)) <= set(served.walk())


@given(size=st.integers(0, 300), cap=st.integers(2, 120))
def test_given_a_list_that_stays_when_walked_then_each_row_comes_and_each_page_brings_all_but_one_new_row(
    size: int, cap: int
) -> None:
    served = LiveList(list(range(size)), cap)
    assert sorted(set(served.walk())) == list(range(size))
    more = max(size - cap, 0)
    assert len(served.asked) <= 2 + -(-more // (cap - 1)) + 1


@pytest.mark.parametrize("total", [None, 0, 3, 10**9])
def test_given_a_page_that_repeats_for_ever_when_walked_then_it_ends(total: int | None) -> None:
    def fetch(skip: int) -> Page:
        return Page(skip, [{"id": 1}, {"id": 2}, {"id": 3}], total)

    pages = list(walk(fetch, fetch(0), to_the_end=True))
    assert {row["id"] for page in pages for row in page.rows} == {1, 2, 3}
    assert len(pages) <= 2


@pytest.mark.parametrize("total", [None, 3, 7, 10**9])
@pytest.mark.parametrize("cap", [2, 3, 100])
def test_given_a_wrong_total_when_walked_to_the_end_then_each_row_comes(total: int | None, cap: int) -> None:
    ids = list(range(7))

    def fetch(skip: int) -> Page:
        rows: list[Row] = [{"id": id_} for id_ in ids[skip : skip + cap]]
        return Page(skip, rows, total)

    walked = {row["id"] for page in walk(fetch, fetch(0), to_the_end=True) for row in page.rows}
    assert walked == set(ids)


@pytest.mark.parametrize("size", [99, 100, 101, 250])
def test_given_a_total_that_is_of_the_page_when_a_list_is_walked_then_each_row_comes(size: int) -> None:
    def fetch(skip: int) -> Page:
        rows: list[Row] = [{"id": id_} for id_ in range(size)[skip : skip + PAGE_SIZE]]
        return Page(skip, rows, skip + len(rows))

    assert {row["id"] for page in walk(fetch, fetch(0)) for row in page.rows} == set(range(size))


def test_given_rows_without_an_id_when_walked_then_it_ends() -> None:
    def fetch(skip: int) -> Page:
        return Page(skip, [{}, {"id": None}] if skip < 10 else [], None)

    assert len(list(walk(fetch, fetch(0)))) <= 10


@pytest.mark.parametrize("size", [7, 12])
@pytest.mark.parametrize("at", range(7))
@pytest.mark.parametrize("nameless", [1, 3])
@pytest.mark.parametrize("cap", [1, 2, 3, 4, 100])
@pytest.mark.parametrize("with_total", [True, False])
def test_given_neighbours_without_an_id_when_walked_then_each_other_row_comes_and_they_are_shown(
    size: int, at: int, nameless: int, cap: int, with_total: bool
) -> None:
    rows: list[Row] = [{"id": id_} for id_ in range(size)]
    rows[at:at] = [{"id": None}] * nameless
    asked = []

    def fetch(skip: int) -> Page:
        asked.append(skip)
        return Page(skip, rows[skip : skip + cap], len(rows) if with_total else None)

    walked = [row["id"] for page in walk(fetch, fetch(0), to_the_end=True) for row in page.rows]
    assert set(walked) == {*range(size), None}
    assert len(asked) <= 3 * len(rows) + 10


def test_given_many_neighbours_without_an_id_when_the_list_says_that_it_goes_on_then_each_other_row_comes() -> None:
    rows: list[Row] = [{"id": 1}, *[{}] * 50, {"id": 2}]

    def fetch(skip: int) -> Page:
        return Page(skip, rows[skip : skip + 1], len(rows))

    walked = [row.get("id") for page in walk(fetch, fetch(0), to_the_end=True) for row in page.rows]
    assert {1, 2} <= set(walked)


@pytest.mark.parametrize("total", [None, 12, 10**9])
@pytest.mark.parametrize("cap", [1, 2, 5])
def test_given_a_row_without_an_id_on_each_page_for_ever_when_walked_then_each_other_row_comes_and_it_ends(
    cap: int, total: int | None
) -> None:
    asked = []

    def fetch(skip: int) -> Page:
        asked.append(skip)
        rows: list[Row] = [*[{"id": id_} for id_ in range(12)][skip : skip + cap], {}]
        return Page(skip, rows, total if total and total >= skip + len(rows) else None)

    walked = [row.get("id") for page in walk(fetch, fetch(0), to_the_end=True) for row in page.rows]
    assert {*range(12), None} <= set(walked)
    assert len(asked) <= 200


def answer(value: Any, skip: int = 5) -> Page:
    return read_page(lambda path, params, understand: understand(value), "things", {"a": 1}, skip=skip, take=3)


def test_given_a_page_when_read_then_it_asks_for_it_by_skip_and_take() -> None:
    asked: list[Any] = []

    def get_json(path: str, params: Mapping[str, Any], understand: Callable[[Any], Page]) -> Page:
        asked.append((path, dict(params)))
        return understand({"total": 7, "items": [{"id": 6}, {"id": 7}]})

    page = read_page(get_json, "things", {"sorting": "Id"}, skip=5, take=3)
    assert asked == [("things", {"sorting": "Id", "skip": 5, "take": 3})]
    assert (page.end, page.total, page.is_last) == (7, 7, True)


@pytest.mark.parametrize(
    "value",
    [None, [], "x", 3, {}, {"message": "busy"}, {"items": "x"}, {"items": {}}, {"items": 3, "total": 1}],
)
@pytest.mark.parametrize("skip", [0, 5])
def test_given_an_answer_that_is_no_page_when_read_then_it_is_trouble_and_not_an_empty_list(
    value: Any, skip: int
) -> None:
    with pytest.raises(ServerTrouble, match="things"):
        answer(value, skip)


@pytest.mark.parametrize("value", [{"total": 3}, {"total": 3, "items": None}, {"total": 1, "items": []}])
def test_given_a_first_page_that_lacks_the_rows_it_tells_of_when_read_then_it_is_trouble(value: Any) -> None:
    with pytest.raises(ServerTrouble, match="none of the"):
        answer(value, skip=0)


@pytest.mark.parametrize(
    ("value", "skip"),
    [
        ({"total": 0}, 0),
        ({"total": 0, "items": None}, 0),
        ({"items": None}, 0),
        ({"total": True, "items": []}, 0),
        ({"total": 9, "items": []}, 5),  # its last rows were removed
    ],
)
def test_given_a_page_without_rows_when_read_then_the_list_ends_there(value: Any, skip: int) -> None:
    assert answer(value, skip).rows == []


@pytest.mark.parametrize("total", [None, "many", True, 6, -1, 6.5, [7]])
def test_given_a_total_that_cannot_be_when_read_then_the_page_has_none(total: Any) -> None:
    page = answer({"total": total, "items": [{"id": 1}, {"id": 2}]})
    assert page.total is None
    assert not page.is_last


def test_given_items_that_are_no_rows_when_read_then_they_come_without_an_id() -> None:
    assert answer({"total": 10, "items": [{"id": 1}, None, 3, "x", []]}) == Page(5, [{"id": 1}, {}, {}, {}, {}], 10)


@given(nulls=st.integers(0, 400), others=st.integers(1, 400), cap=st.integers(1, 100))
def test_given_nulls_in_front_when_the_first_other_row_is_looked_for_then_it_is_found_in_few_requests(
    nulls: int, others: int, cap: int
) -> None:
    rows: list[Row] = [{"id": n, "at": None} for n in range(nulls)] + [
        {"id": nulls + n, "at": "x"} for n in range(others)
    ]
    asked: list[int] = []

    def fetch(skip: int) -> Page:
        asked.append(skip)
        return Page(skip, rows[skip : skip + cap], len(rows))

    assert first_with(fetch, fetch(0), "at") == nulls
    assert len(asked) <= 2 + (nulls + others).bit_length()


@pytest.mark.parametrize("size", [1, 3, 4, 100])
def test_given_nothing_but_nulls_when_another_row_is_looked_for_then_one_more_request_tells_that_there_is_none(
    size: int,
) -> None:
    asked: list[int] = []

    def fetch(skip: int) -> Page:
        asked.append(skip)
        return Page(skip, [{"id": skip, "at": None}] * min(3, size - skip), size)

    found = first_with(fetch, fetch(0), "at")
    assert found is None or size <= 3
    assert len(asked) <= 2


@pytest.mark.parametrize("cap", [1, 2, 3, 4, 5, 100])
def test_given_pages_whose_first_row_has_lost_its_id_when_walked_then_the_walk_ends(cap: int) -> None:
    def fetch(skip: int) -> Page:
        rows: list[Row] = [{"id": id_} for id_ in range(12)][skip : skip + cap]
        return Page(skip, [{}, *rows[1:]] if rows else [], 12)

    with suppress(ServerTrouble):
        for number, _ in enumerate(walk(fetch, fetch(0), to_the_end=True)):
            assert number < 10_000
