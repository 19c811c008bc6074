"""How the client comes by its token."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.errors import CustomersCanvasError, Refused, ServerTrouble, WrongClient, WrongHost
from unit_tests.http_server import HTML, PAGE, Answer, FakeClock, Request, Server, json_answer


def test_given_a_client_when_the_token_is_asked_for_then_the_form_holds_the_credentials(
    server: Server, client: ApiClient
) -> None:
    server.answer = lambda _: json_answer(PAGE)
    client.get_json("x")
    client.get_json("x")
    (request,) = server.token_requests
    assert request.body == b"grant_type=client_credentials&client_id=app&client_secret=s3cret"


@pytest.mark.parametrize(("lifetime", "still_good", "due"), [(3600, 3569.0, 3571.0), (2, 0.9, 1.1), ("20", 9.0, 11.0)])
def test_given_a_lifetime_when_it_nears_its_end_then_a_new_token_is_asked_for(
    server: Server, client: ApiClient, clock: FakeClock, lifetime: Any, still_good: float, due: float
) -> None:
    server.token_answer = lambda _: json_answer({"access_token": "t", "expires_in": lifetime})
    server.answer = lambda _: json_answer(PAGE)
    client.get_json("x")
    clock.pass_time(still_good)
    client.get_json("x")
    assert len(server.token_requests) == 1
    clock.pass_time(due - still_good)
    client.get_json("x")
    assert len(server.token_requests) == 2


def test_given_a_slow_answer_with_a_token_when_its_lifetime_is_over_then_it_is_counted_from_the_request(
    server: Server, client: ApiClient, clock: FakeClock
) -> None:
    def answer(_: Request) -> Answer:
        clock.pass_time(50)
        return json_answer({"access_token": "t", "expires_in": 3600})

    server.token_answer = answer
    server.answer = lambda _: json_answer(PAGE)
    client.get_json("x")
    clock.pass_time(3600 - 30 - 50)
    client.get_json("x")
    assert len(server.token_requests) == 2


def test_given_an_expired_token_when_16_workers_ask_then_it_is_renewed_once(server: Server, client: ApiClient) -> None:
    server.answer = lambda _: json_answer(PAGE)
    client.get_json("x")
    barrier = threading.Barrier(16)

    def answer(request: Request) -> Answer:
        if request.headers["Authorization"] == "Bearer token-1":
            barrier.wait(timeout=10)
            return Answer(401)
        return json_answer(PAGE)

    server.answer = answer
    with ThreadPoolExecutor(16) as workers:
        assert list(workers.map(client.get_json, ["x"] * 16)) == [PAGE] * 16
    assert len(server.token_requests) == 2


def test_given_new_tokens_that_are_refused_when_asked_then_it_ends_after_two(server: Server, client: ApiClient) -> None:
    server.answer = lambda _: Answer(401)
    with pytest.raises(WrongHost, match="does not accept the tokens"):
        client.get_json("x")
    assert len(server.api_requests) == 2


def test_given_a_pause_that_a_token_does_not_live_through_when_it_is_over_then_a_new_one_is_sent(
    server: Server, client: ApiClient, clock: FakeClock
) -> None:
    server.token_answer = lambda _: json_answer(
        {"access_token": f"token-{len(server.token_requests)}", "expires_in": 40}
    )

    def ask_beside() -> None:
        # the pause is for all, and has only begun for whoever asks beside
        clock.on_wait = lambda: None
        clock.pass_time(-60)
        client.get_json("beside")

    clock.on_wait = ask_beside
    server.script(Answer(429, b"", {"Retry-After": "60"}), json_answer(PAGE))
    client.get_json("refused")
    sent = {request.path: request.headers["Authorization"] for request in server.api_requests}
    assert sent["/api/beside"] == "Bearer token-2"


def test_given_scopes_when_a_token_is_asked_for_then_they_are_told(server: Server, client: ApiClient) -> None:
    server.token_answer = lambda _: json_answer({"access_token": "t", "scope": "Projects_full Artifacts_read"})
    assert client.token_scopes() == frozenset({"Projects_full", "Artifacts_read"})
    server.token_answer = lambda _: json_answer({"access_token": "t"})
    assert client.token_scopes() is None


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (json_answer({"error": "invalid_client"}, 400), WrongClient, "client id and secret"),
        (json_answer({"error": "invalid_client"}, 401), WrongClient, "client id and secret"),
        (json_answer({"error": "invalid_scope"}, 400), Refused, "invalid_scope"),
        (Answer(404), WrongHost, "HTTP 404"),
        (json_answer({"hello": "world"}), WrongHost, "no token"),
        (Answer(302, b"", {"Location": "https://elsewhere.example/"}), WrongHost, "HTTP 302"),
    ],
)
def test_given_a_hub_that_gives_no_token_when_asked_then_it_says_why_at_once(
    server: Server, client: ApiClient, answer: Answer, kind: type[CustomersCanvasError], words: str
) -> None:
    server.token_answer = lambda _: answer
    with pytest.raises(kind, match=words) as raised:
        client.get_json("x")
    assert raised.value.failure_type == "config_error"
    assert len(server.requests) == 1


@pytest.mark.parametrize("page", [HTML, Answer(200), Answer(200, b'{"access_')], ids=["html", "empty", "cut"])
def test_given_a_hub_that_answers_with_a_page_when_asked_then_it_is_tried_again(
    server: Server, client: ApiClient, page: Answer
) -> None:
    server.token_answer = lambda _: (
        page if len(server.token_requests) < 6 else json_answer({"access_token": "t", "expires_in": 60})
    )
    server.answer = lambda _: json_answer(PAGE)
    assert client.get_json("x") == PAGE


def test_given_a_hub_that_is_a_web_site_when_asked_then_it_says_so_after_six_tries(
    server: Server, client: ApiClient
) -> None:
    server.token_answer = lambda _: HTML
    with pytest.raises(WrongHost, match="HTTP 200"):
        client.get_json("x")
    assert len(server.token_requests) == 6


def test_given_a_hub_in_trouble_when_16_workers_wait_then_they_share_its_error(
    server: Server, client: ApiClient
) -> None:
    server.token_answer = lambda _: Answer(500)
    started = threading.Barrier(16)

    def ask(_: int) -> str:
        started.wait(timeout=10)
        with pytest.raises(ServerTrouble) as raised:
            client.get_json("x")
        return raised.value.message

    with ThreadPoolExecutor(16) as workers:
        assert len(set(workers.map(ask, range(16)))) == 1
    assert len(server.token_requests) < 16 * 6
