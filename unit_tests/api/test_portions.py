"""Lists whose rows are wide."""

from functools import partial
from typing import Any

import orjson
import pytest

from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.api.listing import read_page, walk
from source_customerscanvas.api.portions import HEAVY_BYTES
from unit_tests.http_server import Answer, Request, Server


def listed(server: Server, widths: list[int], *, length: bool = True) -> list[tuple[int, int]]:
    """Let the server have a list of rows of so many bytes; gives what is asked of it: rows, and bytes of the answer."""
    asked: list[tuple[int, int]] = []

    def answer(request: Request) -> Answer:
        skip, take = int(request.query["skip"]), int(request.query["take"])
        rows = [{"id": skip + number, "text": "x" * width} for number, width in enumerate(widths[skip : skip + take])]
        body = orjson.dumps({"total": len(widths), "items": rows})
        asked.append((take, len(body)))
        return Answer(200, body, length=length)

    server.answer = answer
    return asked


def ids(client: ApiClient) -> list[Any]:
    fetch = partial(read_page, client.get_json, "storefront/v1/projects", {})
    pages = list(walk(fetch, fetch(0)))
    return sorted({row["id"] for page in pages for row in page.rows})


@pytest.mark.parametrize("length", [True, False])
def test_given_rows_of_a_megabyte_when_listed_then_they_are_asked_for_one_by_one(
    server: Server, client: ApiClient, length: bool
) -> None:
    asked = listed(server, [HEAVY_BYTES] * 30, length=length)
    assert ids(client) == list(range(30))
    assert sum(size > 2 * HEAVY_BYTES for _, size in asked) <= 2
    assert len(asked) <= 3 * 30 + 2  # of one row a page, the one before it has to be looked for too


def test_given_rows_that_are_heavier_than_any_answer_should_be_when_listed_then_they_come_one_by_one(
    server: Server, client: ApiClient
) -> None:
    listed(server, [2 * HEAVY_BYTES] * 4)
    assert ids(client) == list(range(4))


def test_given_rows_that_become_narrow_when_listed_then_as_many_as_wanted_are_asked_for_again(
    server: Server, client: ApiClient
) -> None:
    asked = listed(server, [HEAVY_BYTES] * 10 + [100] * 1000)
    assert ids(client) == list(range(1010))
    assert asked[-2][0] == 100
    assert len(asked) < 3 * 10 + 120


def test_given_narrow_rows_when_listed_then_pages_are_whole(server: Server, client: ApiClient) -> None:
    asked = listed(server, [2000] * 250)
    assert ids(client) == list(range(250))
    assert {take for take, _ in asked} == {100}
    assert len(asked) == 3


def test_given_one_wide_answer_that_is_no_list_when_asked_then_it_is_read_as_it_is(
    server: Server, client: ApiClient
) -> None:
    server.answer = lambda _: Answer(200, orjson.dumps({"text": "x" * (3 * HEAVY_BYTES)}))
    assert len(client.get_json("storefront/v1/projects/5")["text"]) == 3 * HEAVY_BYTES
