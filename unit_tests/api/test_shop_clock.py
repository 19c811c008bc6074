"""The shop's clock."""

from datetime import timedelta
from email.utils import format_datetime

import pytest

from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.api.shop_clock import ShopClock
from unit_tests.http_server import Answer, FakeClock, Server, serve


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(hours=3), timedelta(hours=-3), timedelta(seconds=42)])
def test_given_a_shop_whose_clock_differs_when_it_has_answered_then_its_time_is_known(
    server: Server, client: ApiClient, clock: FakeClock, ahead: timedelta
) -> None:
    date = format_datetime(clock.now() + ahead, usegmt=True)
    server.answer = lambda _: Answer(200, b"{}", {"Date": date})
    client.get_json("x")
    assert client.shop_now() == clock.now() + ahead
    clock.pass_time(90)
    assert client.shop_now() == clock.now() + ahead


def test_given_another_host_that_answers_when_its_clock_is_wrong_then_it_does_not_count(
    server: Server, client: ApiClient, clock: FakeClock
) -> None:
    date = format_datetime(clock.now() + timedelta(hours=1), usegmt=True)
    server.answer = lambda _: Answer(200, b"{}", {"Date": date})
    client.get_json("x")
    with serve() as cdn:
        cdn.answer = lambda _: Answer(200, b"x", {"Date": "Tue, 01 Jan 2030 00:00:00 GMT"})
        with client.open_file(f"{cdn.url}/f", with_token=False, headers={}):
            pass
    assert client.shop_now() == clock.now() + timedelta(hours=1)


@pytest.mark.parametrize("date", ["", "soon", "Tue, 99 Jan 2030 00:00:00 GMT", "Tue, 01 Jan 2030 00:00:00"])
def test_given_an_answer_that_tells_no_time_when_asked_then_it_is_the_connectors_own(
    clock: FakeClock, date: str
) -> None:
    shop = ShopClock(clock)
    shop.note(date)
    assert shop.now() == clock.now()


def test_given_answers_that_tell_another_time_each_when_asked_then_the_last_one_counts(clock: FakeClock) -> None:
    shop = ShopClock(clock)
    for hours in (5, -2, 1):
        shop.note(format_datetime(clock.now() + timedelta(hours=hours), usegmt=True))
    assert shop.now() == clock.now() + timedelta(hours=1)
