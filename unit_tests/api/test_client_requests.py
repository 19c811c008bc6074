"""A single request of the client."""

import gzip
from typing import Any

import pytest
from requests.adapters import HTTPAdapter

from source_customerscanvas.api.calls import path_segment
from source_customerscanvas.api.client import ApiClient
from unit_tests.http_server import PAGE, Answer, FakeClock, Server, json_answer


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
    [
        (rb'{"name": "cut \ud83d"}', {"name": "cut ?"}),
        (b'\xef\xbb\xbf{"name": "bom"}', {"name": "bom"}),
        (b'{"a": NaN, "b": -Infinity, "c": Infinity, "d": 1}', {"a": None, "b": None, "c": None, "d": 1}),
        (b'{"a": 1e999, "b": -1e999, "c": 2}', {"a": None, "b": None, "c": 2}),
        (b'{"a": NaN, "b": 1' + b"0" * 30 + b"}", {"a": None, "b": 1e30}),
        (b'{"a": NaN, "b": 1' + b"0" * 5000 + b"}", {"a": None, "b": None}),
        (b'{"a": NaN, "b": 18446744073709551615, "c": -1}', {"a": None, "b": 18446744073709551615, "c": -1}),
        (b'{"a": 18446744073709551616}', {"a": 18446744073709551616.0}),
        (b'{"a": "two\nlines", "b": "\xff"}', {"a": "two\nlines", "b": "\ufffd"}),
    ],
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


def test_given_any_request_when_sent_then_both_time_outs_are_set(
    server: Server, client: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    send = HTTPAdapter.send

    def watch(*args: Any, **named: Any) -> Any:
        seen.append(named["timeout"])
        return send(*args, **named)

    monkeypatch.setattr(HTTPAdapter, "send", watch)
    server.answer = lambda _: json_answer(PAGE)
    client.get_json("x")
    assert seen == [(10, 60), (10, 60)]
