"""The storefronts that a sync covers."""

from contextlib import suppress

import pytest

from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.api.storefronts import list_storefronts, visible_storefronts
from source_customerscanvas.errors import (
    MissingPermission,
    NotTheApi,
    Refused,
    ServerAway,
    UnknownStorefront,
    WrongHost,
)
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


PAGE_404 = Answer(404, b"<html>default backend - 404</html>", {"Content-Type": "text/html"})


def test_given_a_page_in_place_of_the_list_when_nothing_was_answered_before_then_the_environment_is_wrong(
    server: Server, clock: FakeClock
) -> None:
    server.answer = lambda _: PAGE_404
    for ask in (list_storefronts, visible_storefronts):
        with pytest.raises(WrongHost, match="no list of storefronts"):
            ask(client_for(server, clock, None), server.settings())


@pytest.mark.parametrize("before", [json_answer({"total": 0, "items": []}), json_answer({"title": "No"}, 400)])
def test_given_a_page_in_place_of_the_list_when_the_api_has_answered_before_then_no_setting_is_blamed(
    server: Server, clock: FakeClock, before: Answer
) -> None:
    client = client_for(server, clock, None)
    server.answer = lambda request: PAGE_404 if request.path.endswith("/storefronts") else before
    with suppress(Refused):
        client.get_json("storefront/v1/projects")
    with pytest.raises((NotTheApi, ServerAway)) as raised:
        list_storefronts(client, server.settings())
    assert raised.value.failure_type == "transient_error"


def test_given_a_page_in_place_of_the_list_when_a_state_knows_the_installation_then_no_setting_is_blamed(
    server: Server, clock: FakeClock
) -> None:
    server.answer = lambda _: PAGE_404
    with pytest.raises(NotTheApi):
        visible_storefronts(client_for(server, clock, None), server.settings(), is_known=True)
