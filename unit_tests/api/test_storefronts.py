"""The storefronts that a sync covers."""

import pytest

from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.api.storefronts import list_storefronts, visible_storefronts
from source_customerscanvas.errors import MissingPermission, UnknownStorefront
from unit_tests.http_server import Answer, FakeClock, Server, json_answer

ROWS = [{"id": 11, "name": "Shop"}, {"id": 12, "name": "Portal"}, {"name": "nameless"}]


@pytest.fixture
def shop(server: Server) -> Server:
    server.answer = lambda _: json_answer({"total": len(ROWS), "items": ROWS})
    return server


def client_for(server: Server, clock: FakeClock, ids: tuple[int, ...] | None) -> ApiClient:
    return ApiClient(server.settings(storefront_ids=ids), clock)


@pytest.mark.parametrize(("ids", "found"), [(None, [11, 12]), ((12,), [12])])
def test_given_storefronts_when_listed_then_those_wanted_are_given(
    shop: Server, clock: FakeClock, ids: tuple[int, ...] | None, found: list[int]
) -> None:
    client, settings = client_for(shop, clock, ids), shop.settings(storefront_ids=ids)
    assert [row["id"] for row in list_storefronts(client, settings)] == found
    assert [row["id"] for row in visible_storefronts(client, settings)] == [11, 12]


def test_given_a_storefront_that_is_missing_when_listed_then_it_is_named_or_left_out(
    shop: Server, clock: FakeClock
) -> None:
    client, settings = client_for(shop, clock, (12, 99)), shop.settings(storefront_ids=(12, 99))
    with pytest.raises(UnknownStorefront, match="99"):
        list_storefronts(client, settings)
    assert visible_storefronts(client, settings) == ROWS[:2]


@pytest.mark.parametrize("ids", [None, (11,)])
def test_given_an_empty_list_when_listed_then_it_is_an_error(
    server: Server, clock: FakeClock, ids: tuple[int, ...] | None
) -> None:
    server.answer = lambda _: json_answer({"total": 0, "items": []})
    for ask in (list_storefronts, visible_storefronts):
        with pytest.raises(UnknownStorefront, match="can see no storefront"):
            ask(client_for(server, clock, ids), server.settings(storefront_ids=ids))


def test_given_storefronts_that_may_not_be_listed_when_they_are_named_then_they_are_taken_at_their_word(
    server: Server, clock: FakeClock
) -> None:
    server.answer = lambda _: Answer(403)
    for ask in (list_storefronts, visible_storefronts):
        named = ask(client_for(server, clock, (42,)), server.settings(storefront_ids=(42,)))
        assert named == [{"id": 42}]
        with pytest.raises(MissingPermission, match="Storefronts: Read"):
            ask(client_for(server, clock, None), server.settings())
