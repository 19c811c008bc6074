"""Reads the API's lists while they change under the reader.

Offsets are counted on the live list: a row that is removed while a client pages through it pulls the rows behind it
forward, and one of them slips past the edge between two pages. Therefore each page is asked for from the last row of
the one before, and only joins it when they share a row; where they do not, the reader steps back until they do. A row
without an id joins nothing, as it may be any other such row.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from source_customerscanvas.errors import ServerTrouble

PAGE_SIZE = 100
"""Rows asked for at once. A server may give fewer; reading goes on from what came."""

_FEW_NAMELESS, _MOST_NAMELESS = 3, 100
"""Pages of rows without an id after which a list is taken to have ended, though it may say that it goes on."""

Row = dict[str, Any]

_GREATEST_ID = 2**63 - 1


@dataclass(frozen=True)
class Page:
    """Part of a list as one answer gave it; `total` is None where the server did not say or contradicted itself."""

    skip: int
    rows: list[Row]
    total: int | None

    @property
    def end(self) -> int:
        return self.skip + len(self.rows)

    @property
    def anchor(self) -> int:
        """Offset of the last row with an id: the next page is asked for from there, and has to show it again."""
        ids = [row.get("id") for row in self.rows]
        while ids and ids[-1] is None:
            ids.pop()
        return self.skip + len(ids) - 1

    @property
    def is_last(self) -> bool:
        # by rows with an id: others may have been added to the page and not be counted; not by the total of a full
        # page, which may be the number of its rows
        is_whole = self.total is not None and self.anchor + 1 >= self.total
        return not self.rows or (is_whole and len(self.rows) < PAGE_SIZE)


_MOST_STEPS_BACK = 1000
"""Times that a reader steps back to before the page it comes from, as it does where many rows are removed."""

FetchPage = Callable[[int], Page]
"""Gives the page that begins at an offset."""


def read_page(
    get_json: Callable[..., Page], path: str, params: Mapping[str, Any], skip: int, take: int = PAGE_SIZE
) -> Page:
    """Ask for the page of a list that begins at `skip`. An item that is no object becomes an empty row.

    Raises `ServerTrouble` for an answer that is no page, even when asked again: taking it for an empty one would lose
    rows without a word.
    """
    return get_json(path, {**params, "skip": skip, "take": take}, partial(_page, f"the list {path}", skip))


def read_unpaged(get_json: Callable[..., Page], path: str) -> Iterator[Page]:
    """A list that is documented without `skip` and `take`: asked for once without them.

    Where its `total` is more than what came, the rest is asked for in pages all the same. Raises like `read_page`.
    """
    page = get_json(path, None, partial(_page, f"the list {path}", 0))
    has_more = page.total is not None and page.total > page.end
    return walk(partial(read_page, get_json, path, {}), page) if has_more else iter([page])


def _page(where: str, skip: int, answer: Any) -> Page:
    rows = answer.get("items") if isinstance(answer, dict) else None
    is_page = isinstance(answer, dict) and ("items" in answer or "total" in answer)
    if not is_page or not isinstance(rows, (list, type(None))):
        raise ServerTrouble(where, "the answer is not a page of a list")
    rows = [row if isinstance(row, dict) else {} for row in rows or []]
    total = answer.get("total")
    trusted = isinstance(total, int) and not isinstance(total, bool) and total >= skip + len(rows)
    if trusted and total > skip == 0 and not rows:
        # further on, rows may have been removed since their number was told
        raise ServerTrouble(where, f"the answer has none of the {total} rows that it tells of")
    return Page(skip, rows, total if trusted else None)


def row_id(row: Row) -> int | None:
    """The number that a row is known by; None where it has none that could be asked for or remembered."""
    try:
        number = int(row["id"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return number if 0 <= number <= _GREATEST_ID else None


def walk(fetch: FetchPage, page: Page, *, to_the_end: bool = False) -> Iterator[Page]:
    """Yield a page and those that follow it, each joined to the one before it.

    Rows may come more than once, never too seldom. `to_the_end` asks on past the announced total until nothing new
    comes: for a list that is read once and has to be whole, a wrong total must not end it early.
    """
    yield page
    steps_back = 0
    while page.rows and (to_the_end or not page.is_last):
        following = _joined(fetch, page)
        if _is_stuck(following, page) and not following.is_last:
            # a server that gives one row a page cannot show the shared row too, so it is looked for afterwards
            *nameless, beyond = _beyond(fetch, page)
            following = _joined(fetch, page)
            if _is_stuck(following, page):
                yield from nameless
                following = beyond
        elif following.skip <= page.skip and _ids(following) == _ids(page):
            direct = fetch(page.anchor)
            if direct.rows and direct.rows[0].get("id") is None:
                following = direct  # nothing was removed: the row that they share has lost its id
        if _brings_more(following, page):
            yield following
        elif following.skip >= page.anchor:
            return
        # else rows were removed meanwhile: reading goes on from the page that was found
        steps_back += following.skip <= page.skip
        if steps_back > _MOST_STEPS_BACK:
            raise ServerTrouble("a list", "its pages do not hold together")
        page = following


def _joined(fetch: FetchPage, page: Page) -> Page:
    """The page after `page`, beginning at its last row, or before it where rows were removed in between."""
    seen = _ids(page)
    back = 1
    while True:
        skip = max(page.anchor + 1 - back, 0)
        following = fetch(skip)
        if skip == 0 or seen & _ids(following):
            return following
        back *= 4


def _beyond(fetch: FetchPage, page: Page) -> list[Page]:
    """The pages behind the last row of `page`, as long as they hold nothing but rows without an id, and the next one.

    Where the list does not say that it goes on, a few such pages are its end: a server may add such a row to each page.
    """
    pages = [fetch(max(page.anchor + 1, 0))]
    while pages[-1].rows and not _ids(pages[-1]):
        is_sure = pages[-1].total is not None and pages[-1].end < pages[-1].total
        if len(pages) > (_MOST_NAMELESS if is_sure else _FEW_NAMELESS):
            break
        pages.append(fetch(pages[-1].end))
    return pages


def first_with(fetch: FetchPage, page: Page, field: str) -> int | None:
    """The offset of the first row whose `field` is not null, given the first page of a list that may begin with nulls.

    A binary search, as the rows with a null may be the whole history. None where the last row is null too, and so all
    are.
    """

    def position(rows: list[Row]) -> int | None:
        return next((index for index, row in enumerate(rows) if row.get(field) is not None), None)

    found = position(page.rows)
    if found is not None or page.is_last or page.total is None:
        return page.skip + (found or 0)
    low, high = page.end, page.total
    last = fetch(high - 1)
    if last.rows and position(last.rows) is None:
        return None
    while low < high:
        middle = fetch((low + high) // 2)
        found = position(middle.rows)
        if found:
            return middle.skip + found
        if found == 0 or not middle.rows:
            high = (low + high) // 2
        else:
            low = middle.end
    return high


def _ids(page: Page) -> set[str]:
    return {str(row["id"]) for row in page.rows if row.get("id") is not None}


def _brings_more(following: Page, page: Page) -> bool:
    return not _ids(following) <= _ids(page)


def _is_stuck(following: Page, page: Page) -> bool:
    return following.skip == max(page.anchor, 0) and not _brings_more(following, page)
