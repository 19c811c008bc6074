"""What the client says of a request that fails."""

import re

import pytest

from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.errors import (
    Conflict,
    CustomersCanvasError,
    MissingPermission,
    NotFound,
    NotTheApi,
    Refused,
    ServerTrouble,
    Unreachable,
)
from unit_tests.http_server import PAGE, Answer, FakeClock, Server, api_404, json_answer, serve


@pytest.mark.parametrize(
    ("method", "path", "permissions"),
    [
        ("GET", "storefront/v1/projects", ["Projects: Read"]),
        ("GET", "storefront/v1/projects/5/processing-results", ["Projects: Read"]),
        ("GET", "storefront/v1/projects/5/order", ["Projects: Read"]),
        ("GET", "storefront/v1/storefronts", ["Storefronts: Read", "Projects: Read"]),
        ("GET", "storefront/v1/projects/statuses", ["Storefronts: Read", "Projects: Read"]),
        ("GET", "storefront/v1/projects/transitions", ["Storefronts: Read", "Projects: Read"]),
        ("GET", "storefront/v1/processing-pipelines", ["Storefronts: Read", "Projects: Read"]),
        ("GET", "storage/v1/artifacts", ["Artifacts: Read"]),
        ("POST", "storefront/v1/projects/5/resume-processing", ["Projects: Full"]),
    ],
)
def test_given_a_403_when_asked_then_the_missing_permission_is_named(
    server: Server, client: ApiClient, method: str, path: str, permissions: list[str]
) -> None:
    server.answer = lambda _: Answer(403)
    ask = client.get_json if method == "GET" else client.post
    with pytest.raises(MissingPermission) as raised:
        ask(path)
    assert re.findall("“(.*?)”", raised.value.message) == permissions
    assert len(server.api_requests) == 1


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (Answer(404), NotFound, "/api/storefront/v1/projects/5"),
        (api_404(), NotFound, "does not exist"),
        (json_answer({"description": "gone"}, 410), NotFound, "does not exist"),
        (Answer(501), Refused, "HTTP 501"),
        (json_answer({"type": "GeneralConflict", "description": "It is\x1b running."}, 409), Conflict, "It is running"),
        (json_answer({"title": "Bad", "detail": "x" * 500}, 400), Refused, "Bad: xxx"),
        (Answer(418, b"<html>"), Refused, "no reason given"),
        # a body that may have no end is read only so far
        (json_answer({"title": "Bad", "more": "x" * 1_000_000}, 400), Refused, "no reason given"),
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


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("headers", [{}, {"Content-Type": "text/html; charset=utf-8"}])
def test_given_a_403_of_a_firewall_when_asked_then_it_is_tried_again_and_no_permission_is_missing(
    server: Server, client: ApiClient, method: str, headers: dict[str, str]
) -> None:
    firewall = Answer(403, b"<html>Request blocked</html>", headers)
    ask = client.get_json if method == "GET" else client.post
    server.script(firewall, json_answer(PAGE))
    ask("storefront/v1/projects/4")
    server.answer = lambda request: firewall if request.path.endswith("/5") else json_answer(PAGE)
    with pytest.raises(ServerTrouble, match=r"HTTP 403 by a web page.*“Projects: (Read|Full)”") as raised:
        ask("storefront/v1/projects/5")
    assert type(raised.value) is ServerTrouble


@pytest.mark.parametrize(
    "body", [b"", b'{"title": "Forbidden", "status": 403}', b'{"detail": "No."}', b'{"message": "Forbidden"}', b"No."]
)
def test_given_a_403_of_the_api_when_asked_then_a_permission_is_missing(
    server: Server, client: ApiClient, body: bytes
) -> None:
    server.answer = lambda _: Answer(403, body)
    with pytest.raises(MissingPermission, match="Projects: Read"):
        client.get_json("storefront/v1/projects/5")


FOREIGN = [
    Answer(404, b"default backend - 404", {"Content-Type": "text/plain"}),
    Answer(404, b"<html>404 Not Found</html>", {"Content-Type": "text/html"}),
    Answer(404, b"<?xml version='1.0'?><Error/>", {"Content-Type": "application/xml"}),
    Answer(410, b"Request has expired"),
    json_answer({"message": "no Route matched with those values"}, 404),
    json_answer({"title": 5, "status": "404", "type": None}, 404),
    json_answer([{"title": "no"}], 404),
]


@pytest.mark.parametrize("foreign", FOREIGN)
def test_given_a_404_of_a_gateway_when_it_passes_then_the_answer_comes(
    server: Server, client: ApiClient, foreign: Answer
) -> None:
    server.script(foreign, json_answer(PAGE))
    assert client.get_json("storefront/v1/projects/5") == PAGE


@pytest.mark.parametrize(
    "path",
    ["storefront/v1/projects/5/processing-results", "storefront/v1/projects/statuses", "storage/v1/artifacts/7/file"],
)
def test_given_an_empty_404_of_what_is_no_thing_of_its_own_when_asked_then_it_is_not_taken_as_gone(
    server: Server, client: ApiClient, path: str
) -> None:
    server.answer = lambda request: Answer(404) if request.path == f"/api/{path}" else json_answer(PAGE)
    client.get_json("x")
    with pytest.raises(NotTheApi, match="HTTP 404"):
        client.get_json(path)
    with pytest.raises(NotTheApi), client.open_file(client.address(path), with_token=True, headers={}):
        pass


@pytest.mark.parametrize("status", [404, 410])
def test_given_a_public_link_that_is_no_good_any_more_when_asked_then_it_says_so_at_once(
    client: ApiClient, status: int
) -> None:
    with serve() as stranger:
        stranger.answer = lambda _: json_answer({"title": "Not Found"}, status)
        with (
            pytest.raises(NotTheApi, match=f"HTTP {status}"),
            client.open_file(f"{stranger.url}/f.pdf", with_token=False, headers={}),
        ):
            pass
        assert len(stranger.requests) == 1


def test_given_one_address_that_always_answers_401_when_others_are_served_then_it_is_one_trouble(
    server: Server, client: ApiClient
) -> None:
    server.answer = lambda request: Answer(401) if request.path == "/api/x" else json_answer(PAGE)
    client.get_json("y")
    with pytest.raises(ServerTrouble, match="HTTP 401"):
        client.get_json("x")
    assert client.get_json("y") == PAGE
    assert len(server.token_requests) == 2


# No connection


def test_given_nobody_listening_when_asked_then_the_host_is_named_and_not_the_query(clock: FakeClock) -> None:
    with serve() as server:
        settings = server.settings()
    client = ApiClient(settings, clock)
    began = clock.monotonic()
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1: it refuses connections"):
        client.get_json("x", {"search": "private"})
    assert 120 <= clock.monotonic() - began < 150


def test_given_little_patience_when_nobody_listens_then_it_ends_soon(clock: FakeClock) -> None:
    with serve() as server:
        settings = server.settings()
    began = clock.monotonic()
    with pytest.raises(Unreachable):
        ApiClient(settings, clock, patience=15).get_json("x")
    assert clock.monotonic() - began < 20


def test_given_a_host_that_does_not_exist_when_asked_then_it_says_so(server: Server, clock: FakeClock) -> None:
    client = ApiClient(server.settings(hub_url="https://no-such-host.invalid"), clock)
    began = clock.monotonic()
    with pytest.raises(Unreachable, match=r"no-such-host\.invalid: there is no such host"):
        client.get_json("x")
    assert clock.monotonic() - began < 20


def test_given_a_server_without_tls_when_asked_by_https_then_it_says_so_at_once(
    server: Server, clock: FakeClock
) -> None:
    client = ApiClient(server.settings(hub_url=server.url.replace("http:", "https:")), clock)
    with pytest.raises(Unreachable, match="TLS"):
        client.get_json("x")
    assert client.requests == 1
