"""Which addresses the client asks, with the token or without."""

from pathlib import Path

import pytest

from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.errors import Refused, ServerTrouble, WrongHost
from unit_tests.http_server import PAGE, Answer, FakeClock, Server, json_answer, serve


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


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_given_a_change_that_is_redirected_when_posted_then_it_is_sent_nowhere_else(
    server: Server, client: ApiClient, status: int
) -> None:
    server.script(Answer(status, b"", {"Location": "/api/y"}), Answer(204))
    with pytest.raises(WrongHost, match="redirects"):
        client.post("x")
    assert [request.path for request in server.api_requests] == ["/api/x"]


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
    client: ApiClient,
) -> None:
    with (
        serve() as stranger,
        pytest.raises(Refused, match="for the API only"),
        client.open_file(f"{stranger.url}/file", with_token=True, headers={}),
    ):
        pass
    assert stranger.requests == []


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
