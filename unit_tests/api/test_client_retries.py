"""When the client tries a request again, while its server is there."""

from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import pytest

from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.errors import CustomersCanvasError, ServerAway, ServerTrouble
from unit_tests.http_server import HTML, PAGE, RESET, TOO_MANY, Answer, FakeClock, Request, Server, json_answer


def others_are_served(server: Server, client: ApiClient, *answers: Answer) -> None:
    """Give these answers to `x`, the last one for ever; whatever else is asked is there."""
    left = list(answers)

    def answer(request: Request) -> Answer:
        if request.path != "/api/x":
            return json_answer(PAGE)
        return left.pop(0) if len(left) > 1 else left[0]

    server.answer = answer
    client.get_json("other")


def asked_for_x(server: Server) -> int:
    return sum(request.path == "/api/x" for request in server.api_requests)


TROUBLES = [
    Answer(500),
    Answer(502, b"<html>"),
    Answer(503),
    Answer(408),
    Answer(425),
    Answer(304),
    RESET,
    HTML,
    Answer(200, b'{"total": 1, "it'),
    Answer(200),
    Answer(200, b'{"total": 1}', cut=5),
    Answer(200, b"not gzip", {"Content-Encoding": "gzip"}),
    Answer(200, b"-5\r\n{}", {"Transfer-Encoding": "chunked"}, length=False),
    Answer(200, b"{}", {"Content-Length": "9" * 26}, cut=2),
    Answer(200, b"{}", {"Content-Length": "9" * 15}, cut=2),
    Answer(503, b"", {"Retry-After": "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"}),
]


@pytest.mark.parametrize("trouble", TROUBLES)
def test_given_trouble_that_passes_when_asked_then_the_answer_comes(
    server: Server, client: ApiClient, clock: FakeClock, trouble: Answer
) -> None:
    others_are_served(server, client, *[trouble] * 5, json_answer(PAGE))
    began = clock.monotonic()
    assert client.get_json("x") == PAGE
    assert asked_for_x(server) == 6
    assert client.retries == 5
    assert 2 <= clock.monotonic() - began <= 30


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (Answer(500), "HTTP 500"),
        (HTML, "not JSON but text/html"),
        (Answer(200, b"{", {"Content-Type": "application/json"}), "is not the JSON that it is said to be"),
        (Answer(200, b"", {"Content-Type": "application/json"}), "is empty"),
        (RESET, "broke"),
    ],
)
def test_given_trouble_that_stays_when_others_are_served_then_it_ends_after_six_tries(
    server: Server, client: ApiClient, trouble: Answer, words: str
) -> None:
    others_are_served(server, client, trouble)
    with pytest.raises(CustomersCanvasError, match=words) as raised:
        client.get_json("x", {"search": "s3cret"})
    assert raised.value.failure_type == "transient_error"
    assert "s3cret" not in raised.value.message
    assert asked_for_x(server) == 6
    assert client.get_json("other") == PAGE


def test_given_a_503_that_stays_when_others_are_served_then_it_ends_and_they_are_asked_as_fast_as_before(
    server: Server, client: ApiClient, clock: FakeClock
) -> None:
    others_are_served(server, client, Answer(503))
    for _ in range(200):
        client.get_json("other")
    with pytest.raises(ServerTrouble, match="HTTP 503"):
        client.get_json("x")
    assert asked_for_x(server) <= 9
    clock.pass_time(10)
    began = clock.monotonic()
    for _ in range(100):
        client.get_json("other")
    assert clock.monotonic() - began < 30


def test_given_a_slow_server_when_one_thing_fails_then_looking_whether_it_is_there_costs_no_further_tries(
    server: Server, client: ApiClient, clock: FakeClock
) -> None:
    def answer(request: Request) -> Answer:
        clock.pass_time(1.5)
        return json_answer(PAGE) if request.path != "/api/x" else Answer(500)

    server.answer = answer
    client.get_json("other")
    with pytest.raises(ServerTrouble):
        client.get_json("x")
    assert asked_for_x(server) == 6


def test_given_slow_trouble_when_two_minutes_are_over_since_it_first_failed_then_it_ends(
    server: Server, client: ApiClient, clock: FakeClock
) -> None:
    def answer(request: Request) -> Answer:
        if request.path != "/api/x":
            return json_answer(PAGE)
        clock.pass_time(61)
        client.get_json("other")
        return Answer(504)

    server.answer = answer
    with pytest.raises(ServerTrouble):
        client.get_json("x")
    assert asked_for_x(server) == 3


def test_given_a_request_that_fails_late_when_others_are_served_meanwhile_then_it_is_tried_again(
    server: Server, client: ApiClient, clock: FakeClock
) -> None:
    def answer(request: Request) -> Answer:
        if request.path != "/api/x" or asked_for_x(server) > 1:
            return json_answer(PAGE)
        clock.pass_time(150)
        client.get_json("other")
        return Answer(504)

    server.answer = answer
    assert client.get_json("x") == PAGE


def test_given_seconds_to_wait_when_refused_then_it_waits_as_long_as_asked(
    server: Server, client: ApiClient, clock: FakeClock
) -> None:
    others_are_served(server, client, TOO_MANY, json_answer(PAGE))
    began = clock.monotonic()
    client.get_json("x")
    assert clock.monotonic() - began == pytest.approx(7, abs=0.2)


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(minutes=5), timedelta(hours=-2), timedelta(days=400)])
def test_given_a_date_to_wait_for_when_refused_then_it_is_measured_by_the_servers_own_clock(
    server: Server, client: ApiClient, clock: FakeClock, ahead: timedelta
) -> None:
    date = datetime(2024, 3, 5, tzinfo=timezone.utc) + ahead
    headers = {
        "Date": format_datetime(date, usegmt=True),
        "Retry-After": format_datetime(date + timedelta(seconds=3), usegmt=True),
    }
    others_are_served(server, client, Answer(429, b"", headers), json_answer(PAGE))
    began = clock.monotonic()
    client.get_json("x")
    assert clock.monotonic() - began == pytest.approx(3, abs=0.2)


@pytest.mark.parametrize("retry_after", ["", "soon", "-5", "0", "Tue, 05 Mar 2019 00:00:00 GMT"])
def test_given_a_useless_retry_after_when_refused_then_it_backs_off(
    server: Server, client: ApiClient, clock: FakeClock, retry_after: str
) -> None:
    others_are_served(server, client, *[Answer(429, b"", {"Retry-After": retry_after})] * 6, json_answer(PAGE))
    assert client.get_json("x") == PAGE
    assert sum(clock.waits) < 120


@pytest.mark.parametrize("status", [429, 503])
def test_given_more_than_ten_minutes_to_wait_when_refused_then_it_ends_at_once_and_tells_how_long(
    server: Server, client: ApiClient, clock: FakeClock, status: int
) -> None:
    others_are_served(server, client, Answer(status, b"", {"Retry-After": "3600"}))
    began = clock.monotonic()
    with pytest.raises(ServerAway, match="60 minutes"):
        client.get_json("x")
    assert clock.monotonic() - began < 1
    assert asked_for_x(server) == 1


def test_given_a_503_with_minutes_to_wait_when_refused_then_it_waits_as_long_as_asked(
    server: Server, client: ApiClient, clock: FakeClock
) -> None:
    others_are_served(server, client, Answer(503, b"", {"Retry-After": "300"}), json_answer(PAGE))
    assert client.get_json("x") == PAGE
    assert sum(clock.waits) == pytest.approx(300, abs=1)


def test_given_a_server_that_never_has_room_when_ten_minutes_are_over_then_it_ends(
    server: Server, client: ApiClient, clock: FakeClock
) -> None:
    server.answer = lambda _: Answer(429, b"", {"Retry-After": "60"})
    with pytest.raises(ServerTrouble, match="429"):
        client.get_json("x")
    assert sum(clock.waits) == pytest.approx(600, abs=5)
    assert len(server.api_requests) == 11


@pytest.mark.parametrize("before", [[], [Answer(500)]])
def test_given_minutes_of_waiting_in_a_queue_when_then_in_trouble_then_it_is_tried_again(
    server: Server, client: ApiClient, before: list[Answer]
) -> None:
    queue = Answer(429, b"", {"Retry-After": "300"})
    others_are_served(server, client, *before, queue, Answer(500), json_answer(PAGE))
    assert client.get_json("x") == PAGE


def test_given_a_pause_asked_of_one_worker_when_another_asks_then_it_waits_too(
    server: Server, client: ApiClient, clock: FakeClock
) -> None:
    server.answer = lambda _: json_answer(PAGE)
    client.get_json("x")
    start = clock.monotonic()
    other: list[float] = []

    def ask_beside() -> None:
        # the worker that was refused waits outside the lock; the clock has moved only for itself
        clock.on_wait = lambda: None
        clock.pass_time(-7)
        client.get_json("beside")
        other.append(clock.monotonic())

    clock.on_wait = ask_beside
    server.script(TOO_MANY, json_answer(PAGE))
    client.get_json("refused")
    assert [request.path for request in server.api_requests[-2:]] == ["/api/beside", "/api/refused"]
    assert other[0] >= start + 7


# Answers that are not understood


def understood(answer: Any) -> Any:
    if "items" not in answer:
        raise ServerTrouble("the list", "no page")
    return answer["items"]


@pytest.mark.parametrize(("failures", "is_read"), [(0, True), (5, True), (6, False)])
def test_given_an_answer_that_is_not_understood_when_asked_then_it_is_tried_six_times(
    server: Server, client: ApiClient, failures: int, is_read: bool
) -> None:
    others_are_served(server, client, *[json_answer({"title": "busy"})] * failures, json_answer(PAGE))
    if is_read:
        assert client.get_json("x", None, understood) == PAGE["items"]
    else:
        with pytest.raises(ServerTrouble, match="no page"):
            client.get_json("x", None, understood)
    assert asked_for_x(server) == min(failures + 1, 6)


# Changes


@pytest.mark.parametrize("sure", [TOO_MANY, Answer(503, b"", {"Retry-After": "3"}), Answer(401), Answer(425)])
def test_given_a_change_that_surely_did_not_happen_when_posted_then_it_is_tried_again(
    server: Server, client: ApiClient, sure: Answer
) -> None:
    server.script(sure, Answer(204))
    client.post("storefront/v1/projects/5/restart-processing")
    assert len(server.api_requests) == 2


@pytest.mark.parametrize("done", [Answer(204), Answer(200), json_answer({"code": 2})])
def test_given_a_change_that_was_made_when_posted_then_whatever_it_answers_is_left_alone(
    server: Server, client: ApiClient, done: Answer
) -> None:
    server.answer = lambda _: done
    client.post("storefront/v1/projects/5/statuses/2")
    assert len(server.api_requests) == 1


@pytest.mark.parametrize(
    "unsure",
    [Answer(500), Answer(503), Answer(503, b"", {"Retry-After": "0"}), RESET, Answer(200, b"abc", cut=1), HTML],
)
def test_given_a_change_that_may_have_happened_when_posted_then_it_is_not_repeated(
    server: Server, client: ApiClient, unsure: Answer
) -> None:
    server.script(unsure, Answer(204))
    with pytest.raises(CustomersCanvasError) as raised:
        client.post("storefront/v1/projects/5/restart-processing")
    assert raised.value.failure_type == "transient_error"
    assert len(server.api_requests) == 1
