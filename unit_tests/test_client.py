"""The API client against a real server, without ever waiting for real."""

import gzip
import logging
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotDoneError
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from source_customerscanvas.calls import path_segment
from source_customerscanvas.client import ApiClient, shared_client
from source_customerscanvas.errors import (
    Conflict,
    CustomersCanvasError,
    MissingPermission,
    NotFound,
    Refused,
    ServerTrouble,
    Stopped,
    Unreachable,
    WrongClient,
    WrongHost,
)
from unit_tests.http_server import RESET, Answer, FakeClock, Request, Server, json_answer, serve

PAGE = {"total": 1, "items": [{"id": 1}]}
HTML = Answer(200, b"<html>Bad gateway</html>", {"Content-Type": "text/html"})
TOO_MANY = Answer(429, b"", {"Retry-After": "7"})


# Requests


def test_given_parameters_when_asked_then_path_query_token_and_tenant_are_sent(
    server: Server, clock: FakeClock
) -> None:
    server.answer = lambda _: json_answer(PAGE)
    client = ApiClient(server.settings(tenant_id=7), clock)
    answer = client.get_json("storefront/v1/projects", {"take": 100, "search": "a&b ü", "no": None, "flag": True})
    assert answer == PAGE
    (request,) = server.api_requests
    assert (request.method, request.path) == ("GET", "/api/storefront/v1/projects")
    assert request.query == {"take": "100", "search": "a&b ü", "flag": "true", "tenantId": "7"}
    assert request.headers["Authorization"] == "Bearer token-1"


def test_given_a_body_when_posted_then_it_is_json(server: Server, client: ApiClient) -> None:
    server.answer = lambda _: Answer(204)
    client.post("storefront/v1/projects/5/order-data", {"itemId": 1}, json=[{"key": "a", "value": "ü"}])
    (request,) = server.api_requests
    assert (request.method, request.query) == ("POST", {"itemId": "1"})
    assert request.headers["Content-Type"] == "application/json"
    assert request.body == '[{"key":"a","value":"ü"}]'.encode()


def test_given_no_body_when_posted_then_its_length_is_0(server: Server, client: ApiClient) -> None:
    server.answer = lambda _: Answer(204)
    client.post("storefront/v1/projects/5/resume-processing")
    assert server.api_requests[0].headers["Content-Length"] == "0"


@pytest.mark.parametrize("answer", [Answer(204), json_answer(None)])
def test_given_nothing_when_asked_then_it_is_none(server: Server, client: ApiClient, answer: Answer) -> None:
    server.answer = lambda _: answer
    assert client.get_json("storefront/v1/projects/1/order") is None


def test_given_a_compressed_page_when_asked_then_it_is_read(server: Server, client: ApiClient) -> None:
    server.answer = lambda _: Answer(200, gzip.compress(b'{"total": 0}'), {"Content-Encoding": "gzip"})
    assert client.get_json("x") == {"total": 0}


@pytest.mark.parametrize(
    ("body", "value"),
    [(rb'{"name": "cut \ud83d"}', {"name": "cut ?"}), (b'\xef\xbb\xbf{"name": "bom"}', {"name": "bom"})],
)
def test_given_json_that_only_looks_broken_when_asked_then_it_is_read(
    server: Server, client: ApiClient, body: bytes, value: Any
) -> None:
    server.answer = lambda _: Answer(200, body)
    assert client.get_json("x") == value


@pytest.mark.parametrize(
    ("text", "segment"), [("7f", "7f"), ("a/b?c#d", "a%2Fb%3Fc%23d"), ("..", "%2E%2E"), ("ü", "%C3%BC")]
)
def test_given_an_id_when_made_a_segment_then_it_asks_for_nothing_else(text: str, segment: str) -> None:
    assert path_segment(text) == segment


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


# The token


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


# Trouble


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


@pytest.mark.parametrize("unsure", [Answer(500), Answer(503), RESET, Answer(200, b"abc", cut=1), HTML])
def test_given_a_change_that_may_have_happened_when_posted_then_it_is_not_repeated(
    server: Server, client: ApiClient, unsure: Answer
) -> None:
    server.script(unsure, Answer(204))
    with pytest.raises(CustomersCanvasError) as raised:
        client.post("storefront/v1/projects/5/restart-processing")
    assert raised.value.failure_type == "transient_error"
    assert len(server.api_requests) == 1


# Refusals


@pytest.mark.parametrize(
    ("method", "path", "permission"),
    [
        ("GET", "storefront/v1/projects", "Projects: Read"),
        ("GET", "storefront/v1/storefronts", "Projects: Read"),
        ("GET", "storage/v1/artifacts", "Artifacts: Read"),
        ("POST", "storefront/v1/projects/5/resume-processing", "Projects: Full"),
    ],
)
def test_given_a_403_when_asked_then_the_missing_permission_is_named(
    server: Server, client: ApiClient, method: str, path: str, permission: str
) -> None:
    server.answer = lambda _: Answer(403)
    ask = client.get_json if method == "GET" else client.post
    with pytest.raises(MissingPermission, match=permission):
        ask(path)
    assert len(server.api_requests) == 1


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (Answer(404), NotFound, "/api/storefront/v1/projects/5"),
        (Answer(410), NotFound, "does not exist"),
        (json_answer({"type": "GeneralConflict", "description": "It is\x1b running."}, 409), Conflict, "It is running"),
        (json_answer({"title": "Bad", "detail": "x" * 500}, 400), Refused, "Bad: xxx"),
        (Answer(418, b"<html>"), Refused, "no reason given"),
    ],
)
def test_given_a_refusal_when_asked_then_it_is_told_at_once_and_in_the_servers_words(
    server: Server, client: ApiClient, answer: Answer, kind: type[CustomersCanvasError], words: str
) -> None:
    server.answer = lambda _: answer
    with pytest.raises(kind, match=words) as raised:
        client.get_json("storefront/v1/projects/5", {"search": "private"})
    assert len(raised.value.message) < 400
    assert "private" not in raised.value.message
    assert "\x1b" not in raised.value.message
    assert len(server.api_requests) == 1


def test_given_a_server_that_repeats_secrets_when_it_refuses_then_they_are_hidden(
    server: Server, client: ApiClient
) -> None:
    server.answer = lambda request: json_answer({"detail": f"s3cret {request.headers['Authorization']}"}, 400)
    with pytest.raises(Refused) as raised:
        client.get_json("x")
    assert "s3cret" not in raised.value.message
    assert "token-1" not in raised.value.message


@pytest.mark.parametrize("repeated", ["cannot read {body}", "client_secret={secret}"])
def test_given_a_hub_that_repeats_the_form_when_it_refuses_then_the_secret_is_hidden(
    server: Server, clock: FakeClock, repeated: str
) -> None:
    secret = "p@s s/w%+"
    client = ApiClient(server.settings(client_secret=secret), clock)
    server.token_answer = lambda request: json_answer(
        {"error": "invalid_request", "detail": repeated.format(body=request.body.decode(), secret=secret)}, 400
    )
    with pytest.raises(Refused, match="client_secret=\\*\\*\\*") as raised:
        client.get_json("x")
    assert not re.search("p@s|p%40s|w%", raised.value.message)


def test_given_a_server_that_repeats_a_token_of_before_when_it_refuses_then_it_is_hidden(
    server: Server, client: ApiClient
) -> None:
    client.token_scopes()
    client.token_scopes()
    server.answer = lambda _: json_answer({"detail": "token-1 is not token-2"}, 400)
    with pytest.raises(Refused, match=r"\*\*\* is not \*\*\*"):
        client.get_json("x")


def test_given_a_token_in_the_type_of_an_answer_when_it_is_no_json_then_it_is_hidden(
    server: Server, client: ApiClient
) -> None:
    server.answer = lambda request: Answer(200, b"<", {"Content-Type": request.headers["Authorization"]})
    with pytest.raises(ServerTrouble, match=r"not JSON but Bearer \*\*\*"):
        client.get_json("x")


def test_given_a_signed_address_in_a_servers_words_when_it_refuses_then_its_query_is_left_out(
    server: Server, client: ApiClient
) -> None:
    server.answer = lambda _: json_answer({"detail": "GET https://blob.example/x?sig=xyz failed"}, 400)
    with pytest.raises(Refused, match=r"GET https://blob\.example/x failed"):
        client.get_json("x")


@pytest.mark.parametrize("token", ["", "private\n", "pri vate", "private\u65e5"])
def test_given_a_token_that_no_header_can_hold_when_asked_then_it_is_not_told(
    server: Server, client: ApiClient, token: str
) -> None:
    server.token_answer = lambda _: json_answer({"access_token": token})
    with pytest.raises(WrongHost, match="no token"):
        client.get_json("x")
    assert server.api_requests == []


def test_given_headers_that_cannot_be_read_when_logged_then_they_are_not_told(
    server: Server, client: ApiClient, caplog: pytest.LogCaptureFixture
) -> None:
    server.answer = lambda _: Answer(200, b"{}", {"no header\r\nLocation": "/y?sig=xyz"}, length=False)
    with caplog.at_level(logging.DEBUG):
        client.get_json("x")
    assert "Failed to parse headers" in caplog.text
    assert "xyz" not in caplog.text


# No connection


def test_given_nobody_listening_when_asked_then_the_host_is_named_and_not_the_query(clock: FakeClock) -> None:
    with serve() as server:
        settings = server.settings()
    client = ApiClient(settings, clock)
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1: it refuses connections"):
        client.get_json("x", {"search": "private"})
    assert client.requests == 6


def test_given_a_host_that_does_not_exist_when_asked_then_it_says_so(server: Server, clock: FakeClock) -> None:
    client = ApiClient(server.settings(hub_url="https://no-such-host.invalid"), clock)
    with pytest.raises(Unreachable, match=r"no-such-host\.invalid: there is no such host"):
        client.get_json("x")


def test_given_a_server_without_tls_when_asked_by_https_then_it_says_so_at_once(
    server: Server, clock: FakeClock
) -> None:
    client = ApiClient(server.settings(hub_url=server.url.replace("http:", "https:")), clock)
    with pytest.raises(Unreachable, match="TLS"):
        client.get_json("x")
    assert client.requests == 1


def test_given_any_request_when_sent_then_both_time_outs_are_set(
    server: Server, client: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    send = client._connections.send

    def watch(*args: Any, **named: Any) -> Any:
        seen.append(named["timeout"])
        return send(*args, **named)

    monkeypatch.setattr(client._connections, "send", watch)
    server.answer = lambda _: json_answer(PAGE)
    client.get_json("x")
    assert seen == [(10, 60), (10, 60)]


# Who sees the token


def test_given_a_redirect_within_the_api_when_followed_then_the_token_goes_along(
    server: Server, client: ApiClient
) -> None:
    server.script(Answer(307, b"", {"Location": "/api/y?a=b"}), json_answer(PAGE))
    assert client.get_json("x") == PAGE
    assert [request.path for request in server.api_requests] == ["/api/x", "/api/y"]
    assert server.api_requests[1].headers["Authorization"] == "Bearer token-1"


def test_given_a_redirect_to_another_origin_when_followed_then_no_token_or_cookie_goes_along_or_comes_back(
    server: Server, client: ApiClient
) -> None:
    with serve() as stranger:
        stranger.script(Answer(302, b"", {"Location": f"{server.url}/api/z", "Set-Cookie": "a=b"}))
        server.answer = lambda request: (
            json_answer(PAGE)
            if request.path == "/api/z"
            else Answer(302, b"", {"Location": f"{stranger.url}/y", "Set-Cookie": "session=1"})
        )
        assert client.get_json("x") == PAGE
        headers = [request.headers for request in (*stranger.requests, server.api_requests[-1])]
    assert len(headers) == 2
    assert not any({"Authorization", "Cookie"} & set(one) for one in headers)


def test_given_an_api_that_is_elsewhere_when_it_names_an_address_of_this_machine_then_it_is_refused(
    server: Server, clock: FakeClock
) -> None:
    client = ApiClient(server.settings(api_url="https://api.example"), clock)
    with (
        pytest.raises(Refused, match="not https"),
        client.open_file(f"{server.url}/card.pdf", with_token=False, headers={}),
    ):
        pass
    assert server.requests == []


@pytest.mark.parametrize(
    "target", ["http://cdn.example/x", "ftp://cdn.example/x", "file:///etc/passwd", "https://", "https://[::1/x"]
)
def test_given_a_redirect_to_an_address_that_is_not_https_when_asked_then_it_is_refused(
    server: Server, client: ApiClient, target: str
) -> None:
    server.answer = lambda _: Answer(302, b"", {"Location": target})
    with pytest.raises(Refused, match="not https"):
        client.get_json("x")


def test_given_a_redirect_with_a_foreign_letter_when_followed_then_it_is_sent_as_utf_8(
    server: Server, client: ApiClient
) -> None:
    location = "/api/é".encode().decode("latin-1")
    server.answer = lambda r: Answer(302, b"", {"Location": location}) if r.path == "/api/x" else Answer(200, b"{}")
    client.get_json("x")
    assert server.api_requests[-1].path == "/api/%C3%A9"


def test_given_redirects_without_end_when_asked_then_it_stops_after_five(server: Server, client: ApiClient) -> None:
    server.answer = lambda _: Answer(302, b"", {"Location": "/api/x"})
    with pytest.raises(ServerTrouble, match="without end"):
        client.get_json("x")
    assert len(server.api_requests) == 6


def test_given_cookies_when_asked_again_then_none_are_sent(server: Server, client: ApiClient) -> None:
    server.answer = lambda _: Answer(200, b"{}", {"Set-Cookie": "session=1; Path=/"})
    client.get_json("x")
    client.get_json("x")
    assert not any("Cookie" in request.headers for request in server.requests)


def test_given_a_netrc_when_a_stranger_is_asked_then_its_password_stays_at_home(
    server: Server, client: ApiClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login a password b")
    monkeypatch.setenv("NETRC", str(netrc))
    server.answer = lambda _: Answer(200, b"abc")
    with client.open_file(f"{server.url}/file", with_token=False, headers={}) as response:
        assert response.raw.read() == b"abc"
    assert "Authorization" not in server.requests[0].headers


def test_given_a_token_to_send_when_the_address_is_not_the_apis_then_nothing_is_asked(
    server: Server, client: ApiClient
) -> None:
    with (
        serve() as stranger,
        pytest.raises(Refused, match="for the API only"),
        client.open_file(f"{stranger.url}/file", with_token=True, headers={}),
    ):
        pass
    assert stranger.requests == []


def test_given_debug_logs_when_asked_then_neither_token_nor_secret_nor_query_is_in_them(
    server: Server, client: ApiClient, caplog: pytest.LogCaptureFixture
) -> None:
    server.script(Answer(500), json_answer(PAGE), Answer(200, b"abc"))
    with caplog.at_level(logging.DEBUG):
        client.get_json("x", {"search": "private"})
        with client.open_file(f"{server.url}/file?signature=xyz", with_token=False, headers={}):
            pass
    logged = "\n".join(record.getMessage() for record in caplog.records)
    assert "/api/x" in logged
    assert "/file" in logged
    assert not re.search("s3cret|token-1|private|xyz", logged)


def test_given_a_proxy_in_the_environment_when_asked_then_it_is_used(
    server: Server, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("http_proxy", server.url)
    server.answer = lambda _: json_answer(PAGE)
    client = ApiClient(server.settings(hub_url="http://127.0.0.2:1", api_url="http://127.0.0.2:1"), clock)
    server.token_answer = server.answer
    with pytest.raises(WrongHost):
        client.get_json("x")
    assert server.requests[0].headers["Host"] == "127.0.0.2:1"


# In flight


def test_given_4_workers_when_32_threads_ask_and_download_then_4_requests_are_under_way(server: Server) -> None:
    client = ApiClient(server.settings(num_workers=4))
    full = threading.Event()

    def answer(_: Request) -> Answer:
        if server.in_flight == 4:
            full.set()
        full.wait(timeout=10)
        return json_answer(PAGE)

    def work(index: int) -> None:
        if index % 2:
            client.get_json("x")
        else:
            with client.open_file(f"{server.url}/file", with_token=True, headers={}) as response:
                response.raw.read()

    server.answer = answer
    with ThreadPoolExecutor(32) as threads:
        list(threads.map(work, range(32)))
    assert server.most_in_flight == 4
    assert client.requests == 33


def test_given_a_download_that_is_open_when_another_asks_then_it_waits_for_its_end(server: Server) -> None:
    client = ApiClient(server.settings(num_workers=1))
    server.answer = lambda _: json_answer(PAGE)
    with ThreadPoolExecutor(1) as threads:
        with client.open_file(f"{server.url}/file", with_token=True, headers={}):
            other = threads.submit(client.get_json, "x")
            with pytest.raises(NotDoneError):
                other.result(timeout=0.05)
        assert other.result(timeout=10) == PAGE


def test_given_failed_downloads_when_others_ask_then_no_slot_is_lost(server: Server, clock: FakeClock) -> None:
    client = ApiClient(server.settings(num_workers=1), clock)
    for answer in (Answer(404), Answer(500), RESET):
        server.answer = lambda _, answer=answer: answer  # type: ignore[misc]  # bound at once
        with pytest.raises(CustomersCanvasError), client.open_file(f"{server.url}/f", with_token=True, headers={}):
            pass
    server.answer = lambda _: json_answer(PAGE)
    assert client.get_json("x") == PAGE


# Ending


def test_given_the_end_of_a_sync_when_a_request_waits_or_begins_then_it_is_stopped(
    server: Server, client: ApiClient, clock: FakeClock
) -> None:
    server.answer = lambda _: TOO_MANY
    clock.on_wait = client.stopping.set
    with pytest.raises(Stopped):
        client.get_json("x")
    with pytest.raises(Stopped):
        client.get_json("x")
    assert len(server.api_requests) == 1


def test_given_equal_settings_when_a_client_is_shared_then_it_is_the_same(server: Server) -> None:
    assert shared_client(server.settings()) is shared_client(server.settings())
    assert shared_client(server.settings()) is not shared_client(server.settings(tenant_id=2))
