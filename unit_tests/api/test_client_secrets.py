"""No secret gets into an error or a log."""

import logging
import re

import pytest

from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.errors import Refused, ServerTrouble, WrongHost
from unit_tests.http_server import PAGE, Answer, FakeClock, Server, json_answer


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


@pytest.mark.parametrize(
    "repeated",
    [
        "p%40s+s%2fw%25%2b%22%c3%bc",
        "p%40s%20s/w%25+%22%C3%BC",
        'p@s s/w%+\\"ü',
        "p@s s\\/w%\\u002B\\u0022\\u00fc",
    ],
)
def test_given_a_server_that_escapes_secrets_when_it_refuses_then_they_are_hidden(
    server: Server, clock: FakeClock, repeated: str
) -> None:
    client = ApiClient(server.settings(client_secret='p@s s/w%+"ü'), clock)
    server.token_answer = lambda _: json_answer({"access_token": "to/ken+=", "expires_in": 3600})
    server.answer = lambda _: json_answer({"detail": f"<{repeated}> <to%2Fken%2b%3D> <to\\/ken\\u002b=>"}, 400)
    with pytest.raises(Refused, match=r"<\*\*\*> <\*\*\*> <\*\*\*>"):
        client.get_json("x")


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
