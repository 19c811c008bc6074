"""How the client comes by its token."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from source_customerscanvas.api.access_token import AccessToken
from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.api.secrets import Secrets
from source_customerscanvas.errors import (
    CustomersCanvasError,
    Refused,
    ServerAway,
    ServerTrouble,
    WrongClient,
    WrongHost,
)
from unit_tests.http_server import HTML, PAGE, RESET, Answer, FakeClock, Request, Server, json_answer, serve


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


@pytest.mark.parametrize("lifetime", [0, 1, 3])
def test_given_an_answer_that_takes_longer_than_its_token_lives_when_asked_then_the_token_is_tried(
    server: Server, client: ApiClient, clock: FakeClock, lifetime: int
) -> None:
    def token_answer(_: Request) -> Answer:
        clock.pass_time(5)
        assert len(server.token_requests) < 5
        return json_answer({"access_token": "token-1", "expires_in": lifetime})

    server.token_answer = token_answer
    server.answer = lambda _: json_answer(PAGE)
    assert client.get_json("x") == PAGE
    assert len(server.token_requests) == 1


def test_given_an_expired_token_when_8_workers_ask_then_it_is_renewed_once(server: Server, client: ApiClient) -> None:
    server.answer = lambda _: json_answer(PAGE)
    client.get_json("x")
    barrier = threading.Barrier(8)

    def answer(request: Request) -> Answer:
        if request.headers["Authorization"] == "Bearer token-1":
            barrier.wait(timeout=10)
            return Answer(401)
        return json_answer(PAGE)

    server.answer = answer
    with ThreadPoolExecutor(8) as workers:
        assert list(workers.map(client.get_json, ["x"] * 8)) == [PAGE] * 8
    assert len(server.token_requests) == 2


def test_given_tokens_that_are_never_accepted_when_asked_then_the_environment_is_wrong(
    server: Server, client: ApiClient, clock: FakeClock
) -> None:
    server.answer = lambda _: Answer(401)
    began = clock.monotonic()
    with pytest.raises(WrongHost, match="does not accept the tokens"):
        client.get_json("x")
    assert 120 <= clock.monotonic() - began < 150
    assert len(server.token_requests) < 10


@pytest.mark.parametrize("seconds", [3, 20])
def test_given_a_new_token_that_is_not_known_at_first_when_asked_then_it_is_waited_for(
    server: Server, client: ApiClient, clock: FakeClock, seconds: float
) -> None:
    given: dict[str, float] = {}

    def token_answer(_: Request) -> Answer:
        text = f"token-{len(given) + 1}"
        given[text] = clock.monotonic()
        return json_answer({"access_token": text, "expires_in": 60})

    def answer(request: Request) -> Answer:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        return json_answer(PAGE) if clock.monotonic() >= given[token] + seconds else Answer(401)

    server.token_answer, server.answer = token_answer, answer
    for _ in range(3):
        assert client.get_json("x") == PAGE
        clock.pass_time(60)
    assert len(given) <= 6


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


def failing_for(clock: FakeClock, seconds: float, trouble: Answer, answer: Callable[[Request], Answer]) -> Any:
    until = clock.monotonic() + seconds
    return lambda request: trouble if clock.monotonic() < until else answer(request)


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (json_answer({"error": "invalid_client"}, 400), WrongClient, "client id and secret"),
        (json_answer({"error": "invalid_client"}, 401), WrongClient, "client id and secret"),
        (Answer(400, b'\xef\xbb\xbf{"error": "invalid_client"}'), WrongClient, "client id and secret"),
        (Answer(401, b"<html>Unauthorized</html>", {"Content-Type": "text/html"}), WrongClient, "client id and secret"),
        (Answer(401), WrongClient, "client id and secret"),
        (json_answer({"error": "invalid_scope"}, 400), Refused, "invalid_scope"),
        (
            json_answer({"error": "unauthorized_client", "error_description": "The grant is not allowed."}, 400),
            Refused,
            "unauthorized_client: The grant is not allowed",
        ),
    ],
)
def test_given_a_hub_that_refuses_when_asked_then_it_says_why_at_once(
    server: Server, client: ApiClient, answer: Answer, kind: type[CustomersCanvasError], words: str
) -> None:
    server.token_answer = lambda _: answer
    with pytest.raises(kind, match=words) as raised:
        client.get_json("x")
    assert raised.value.failure_type == "config_error"
    assert len(server.requests) == 1


NO_TOKENS = {
    "web-page": (HTML, "HTTP 200"),
    "404": (Answer(404), "HTTP 404"),
    "403-page": (Answer(403, b"<html>"), "HTTP 403"),
    "no-token": (json_answer({"hello": "world"}), "no token"),
    "redirect": (Answer(302, b"", {"Location": "https://elsewhere.example/"}), "HTTP 302"),
}


@pytest.mark.parametrize("name", NO_TOKENS)
@pytest.mark.parametrize(("patience", "least", "most"), [(120, 120, 150), (15, 15, 20)])
def test_given_a_hub_that_never_gives_a_token_when_asked_then_the_environment_is_wrong(
    server: Server, clock: FakeClock, name: str, patience: float, least: float, most: float
) -> None:
    answer, words = NO_TOKENS[name]
    server.token_answer = lambda _: answer
    began = clock.monotonic()
    with pytest.raises(WrongHost, match=words):
        ApiClient(server.settings(), clock, patience=patience).get_json("x")
    assert least <= clock.monotonic() - began < most
    assert server.api_requests == []


PASSING = {
    **{name: answer for name, (answer, _) in NO_TOKENS.items()},
    "401-page": Answer(401, b"<html>Unauthorized</html>", {"Content-Type": "text/html"}),
    "503": Answer(503),
    "429": Answer(429),
    "429-with-seconds": Answer(429, b"", {"Retry-After": "7"}),
    "reset": RESET,
    "empty": Answer(200),
    "cut": Answer(200, b'{"access_'),
}


@pytest.mark.parametrize("name", PASSING)
@pytest.mark.parametrize("seconds", [5, 45, 100])
def test_given_a_hub_in_trouble_when_a_token_is_renewed_then_it_is_waited_for(
    server: Server, client: ApiClient, clock: FakeClock, name: str, seconds: float
) -> None:
    server.answer = lambda _: json_answer(PAGE)
    client.get_json("x")
    clock.pass_time(4000)
    server.token_answer = failing_for(clock, seconds, PASSING[name], server.token_answer)
    assert client.get_json("x") == PAGE
    assert len(server.token_requests) < 40


def test_given_a_hub_that_is_away_for_longer_when_a_token_is_renewed_then_no_setting_is_blamed(
    server: Server, client: ApiClient, clock: FakeClock
) -> None:
    server.answer = lambda _: json_answer(PAGE)
    client.get_json("x")
    clock.pass_time(4000)
    server.token_answer = lambda _: Answer(404, b"default backend - 404")
    with pytest.raises(ServerAway, match=r"127\.0\.0\.1 is away: HTTP 404"):
        client.get_json("x")


def test_given_a_mark_before_the_json_when_a_token_comes_then_it_is_read(server: Server, client: ApiClient) -> None:
    server.token_answer = lambda _: Answer(200, b'\xef\xbb\xbf{"access_token": "t", "expires_in": 60}')
    server.answer = lambda _: json_answer(PAGE)
    assert client.get_json("x") == PAGE


def test_given_a_hub_without_tokens_when_the_gateway_has_them_then_they_are_asked_of_it(
    server: Server, clock: FakeClock
) -> None:
    server.answer = lambda _: json_answer(PAGE)
    with serve() as hub:
        hub.token_answer = lambda _: Answer(404)
        client = ApiClient(server.settings(hub_url=hub.url), clock)
        assert client.get_json("x") == PAGE
        clock.pass_time(4000)
        assert client.get_json("x") == PAGE
        assert (len(hub.requests), len(server.token_requests)) == (1, 2)


def test_given_a_hub_without_tokens_when_the_gateway_knows_no_such_client_then_it_is_told(
    server: Server, clock: FakeClock
) -> None:
    server.token_answer = lambda _: json_answer({"error": "invalid_client"}, 400)
    with serve() as hub:
        hub.token_answer = lambda _: Answer(404)
        with pytest.raises(WrongClient, match=server.url):
            ApiClient(server.settings(hub_url=hub.url), clock).get_json("x")


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
    assert len(server.token_requests) < 40


class Overtaken:
    """The lock of a token, before which others do something while somebody is about to take it."""

    def __init__(self, token: AccessToken, others: Callable[[], None]) -> None:
        self._token = token
        self._lock = token._lock
        self._others = others
        token._lock = self  # type: ignore[assignment]  # it stands before the lock

    def __enter__(self) -> None:
        self._token._lock = self._lock
        self._others()
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


@pytest.mark.parametrize("is_back", [False, True])
def test_given_a_renewal_that_failed_when_somebody_waited_for_it_then_he_gets_what_the_last_one_gave(
    is_back: bool,
) -> None:
    answers: list[dict[str, Any] | None] = [None, {"access_token": "t", "expires_in": 60}]

    def request() -> dict[str, Any]:
        if answer := answers.pop(0):
            return answer
        raise ServerTrouble("POST", "HTTP 500")

    token = AccessToken(request, FakeClock(), Secrets("s3cret"))

    def others() -> None:
        with pytest.raises(ServerTrouble):
            token.get()
        if is_back:
            token.get()

    Overtaken(token, others)
    if is_back:
        assert token.get() == "t"
    else:
        with pytest.raises(ServerTrouble):
            token.get()
        assert len(answers) == 1
