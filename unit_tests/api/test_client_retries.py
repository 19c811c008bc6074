"""When the client tries a request again."""

from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.errors import CustomersCanvasError, ServerTrouble
from unit_tests.http_server import HTML, PAGE, RESET, TOO_MANY, Answer, FakeClock, Request, Server, json_answer


@pytest.mark.parametrize(
    "trouble",
    [
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
    ],
)
def test_given_trouble_that_passes_when_asked_then_the_answer_comes(
    server: Server, client: ApiClient, clock: FakeClock, trouble: Answer
) -> None:
    server.script(trouble, trouble, trouble, trouble, trouble, json_answer(PAGE))
    assert client.get_json("x") == PAGE
    assert client.retries == 5
    assert client.requests == 7
    backed_off = clock.waits[-5:]
    assert all(wait <= 0.5 * 2**index for index, wait in enumerate(backed_off))
    assert sum(backed_off) > 0


@pytest.mark.parametrize(
    ("trouble", "words"), [(Answer(503), "HTTP 503"), (HTML, "not JSON but text/html"), (RESET, "broke")]
)
def test_given_trouble_that_stays_when_asked_then_it_ends_after_six_tries(
    server: Server, client: ApiClient, trouble: Answer, words: str
) -> None:
    server.answer = lambda _: trouble
    with pytest.raises(CustomersCanvasError, match=words) as raised:
        client.get_json("storefront/v1/projects", {"search": "s3cret"})
    assert raised.value.failure_type == "transient_error"
    assert "s3cret" not in raised.value.message
    assert len(server.api_requests) == 6


def test_given_slow_trouble_when_two_minutes_are_over_then_it_ends(
    server: Server, client: ApiClient, clock: FakeClock
) -> None:
    def answer(_: Request) -> Answer:
        clock.pass_time(61)
        return Answer(504)

    server.answer = answer
    with pytest.raises(ServerTrouble):
        client.get_json("x")
    assert len(server.api_requests) == 2


def test_given_retry_after_of_either_form_when_refused_then_it_waits_as_long_as_asked(
    server: Server, client: ApiClient, clock: FakeClock
) -> None:
    server.answer = lambda _: json_answer(PAGE)
    client.get_json("x")
    clock.waits.clear()
    date = format_datetime(clock.now() + timedelta(seconds=11), usegmt=True)
    server.script(TOO_MANY, json_answer(PAGE))
    client.get_json("x")
    assert sum(clock.waits) == pytest.approx(7, abs=0.2)
    clock.waits.clear()
    server.script(Answer(429, b"", {"Retry-After": date}), json_answer(PAGE))
    client.get_json("x")
    assert 3 <= sum(clock.waits) <= 11.2
    assert client.refused_429 == 2


@pytest.mark.parametrize("retry_after", ["", "soon", "-5", "0", "Tue, 05 Mar 2019 00:00:00 GMT"])
def test_given_a_useless_retry_after_when_refused_then_it_backs_off(
    server: Server, client: ApiClient, clock: FakeClock, retry_after: str
) -> None:
    server.script(*[Answer(429, b"", {"Retry-After": retry_after})] * 8, json_answer(PAGE))
    assert client.get_json("x") == PAGE
    assert client.refused_429 == 8
    assert sum(clock.waits) < 120


def test_given_trouble_that_is_to_last_longer_than_its_two_minutes_when_asked_then_it_is_tried_once_more_at_their_end(
    server: Server, client: ApiClient, clock: FakeClock
) -> None:
    server.script(Answer(503, b"", {"Retry-After": "300"}), json_answer(PAGE))
    assert client.get_json("x") == PAGE
    assert sum(clock.waits) == pytest.approx(120, abs=1)


def test_given_a_server_that_never_has_room_when_ten_minutes_are_over_then_it_ends(
    server: Server, client: ApiClient, clock: FakeClock
) -> None:
    server.answer = lambda _: Answer(429, b"", {"Retry-After": "60"})
    with pytest.raises(ServerTrouble, match="429"):
        client.get_json("x")
    assert sum(clock.waits) == pytest.approx(600, abs=5)
    assert len(server.api_requests) == 11


def test_given_minutes_of_waiting_in_a_queue_when_then_in_trouble_then_it_is_tried_again(
    server: Server, client: ApiClient
) -> None:
    server.script(Answer(429, b"", {"Retry-After": "300"}), Answer(500), json_answer(PAGE))
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
    server.answer = lambda _: json_answer({"message": "busy"} if len(server.api_requests) <= failures else PAGE)
    if is_read:
        assert client.get_json("x", None, understood) == PAGE["items"]
    else:
        with pytest.raises(ServerTrouble, match="no page"):
            client.get_json("x", None, understood)
    assert len(server.api_requests) == min(failures + 1, 6)


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
