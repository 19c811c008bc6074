"""What the client says of a request that fails."""

import pytest

from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.errors import (
    Conflict,
    CustomersCanvasError,
    MissingPermission,
    NotFound,
    Refused,
    Unreachable,
)
from unit_tests.http_server import Answer, FakeClock, Server, json_answer, serve


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
