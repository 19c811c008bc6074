"""Servers that are away, clocks that are off, and an identity server with troubles of its own."""

from __future__ import annotations

import socket
import time
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from sandbox import Sandbox

RESULTS = "/api/storefront/v1/projects/1/processing-results"
FORM = {"grant_type": "client_credentials", "client_id": "sandbox", "client_secret": "sandbox-secret"}


def token_from(url: str) -> httpx.Response:
    return httpx.post(f"{url}/connect/token", data=FORM, trust_env=False)


def wait_for_port(port: int) -> None:
    deadline = time.monotonic() + 60
    with socket.socket() as probe:
        while probe.connect_ex(("127.0.0.1", port)) and time.monotonic() < deadline:
            time.sleep(0.01)


def test_given_an_outage_when_its_seconds_are_over_then_the_server_is_back(
    sandbox: Sandbox, client: httpx.Client
) -> None:
    outage = sandbox.outage("503", ["api"], seconds=1800)
    away = client.get(RESULTS)
    assert (away.status_code, away.headers["Content-Type"]) == (503, "text/html")
    assert token_from(sandbox.hub_url).status_code == 200
    sandbox.advance(1800)
    assert client.get(RESULTS).status_code == 200
    assert outage.is_over


def test_given_an_outage_that_resets_when_ended_then_the_server_is_back(sandbox: Sandbox, client: httpx.Client) -> None:
    outage = sandbox.outage("reset")
    for url in (sandbox.url + RESULTS, sandbox.hub_url, sandbox.cdn_url):
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            client.get(url)
    outage.end()
    assert client.get(RESULTS).status_code == 200


def test_given_refused_connections_when_the_outage_ends_then_the_same_port_listens_again(
    sandbox: Sandbox, client: httpx.Client
) -> None:
    assert client.get(RESULTS).status_code == 200
    outage = sandbox.outage("refused", ["api"])
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError, httpx.ConnectError)):
        client.get(RESULTS)
    for _ in range(2):
        with pytest.raises(httpx.ConnectError):
            client.get(RESULTS)
    assert token_from(sandbox.hub_url).status_code == 200
    outage.end()
    wait_for_port(int(sandbox.url.rpartition(":")[2]))
    assert client.get(RESULTS).status_code == 200


def test_given_an_outage_from_before_when_opened_then_connections_are_refused() -> None:
    sandbox = Sandbox(empty=True)
    sandbox.outage("refused", ["cdn"])
    with sandbox, pytest.raises(httpx.ConnectError):
        httpx.get(sandbox.cdn_url, trust_env=False)


def test_given_a_sandbox_that_refuses_when_closed_then_it_ends() -> None:
    with Sandbox(empty=True) as sandbox:
        sandbox.outage("refused")


def test_given_an_outage_that_hangs_when_called_then_nothing_is_answered(
    sandbox: Sandbox, client: httpx.Client
) -> None:
    sandbox.outage("hang", ["cdn"])
    with pytest.raises(httpx.ReadTimeout):
        client.get(sandbox.cdn_url, timeout=0.1)
    sandbox.clear_faults()
    assert client.get(sandbox.cdn_url).status_code == 404


def test_given_a_later_fault_when_its_window_comes_then_only_then_it_strikes(
    sandbox: Sandbox, client: httpx.Client
) -> None:
    sandbox.fault("results", page="default backend", after=3600, seconds=3600)
    sandbox.switches.token_lifetime = 10**6
    client.headers["Authorization"] = f"Bearer {token_from(sandbox.url).json()['access_token']}"
    seen = []
    for _ in range(3):
        seen.append(client.get(RESULTS).text.startswith("default backend - 404"))
        sandbox.advance(3601)
    assert seen == [False, True, False]


@pytest.mark.parametrize("ahead", [0, 300, -10_800])
def test_given_a_shops_clock_when_anything_is_answered_then_date_follows_it(
    sandbox: Sandbox, client: httpx.Client, ahead: int
) -> None:
    sandbox.shop.set_clock(ahead)
    sandbox.fault("results", times=1, status=429, retry_after_date=3)
    expected = int(sandbox.now().timestamp()) + ahead
    limited = client.get(RESULTS)
    answers = [limited, client.get(RESULTS), client.get("/nothing"), client.get(sandbox.cdn_url)]
    assert {int(parsedate_to_datetime(one.headers["Date"]).timestamp()) for one in answers} == {expected}
    assert parsedate_to_datetime(limited.headers["Retry-After"]).timestamp() == expected + 3
    sandbox.shop.modify_project(1)
    modified = client.get("/api/storefront/v1/projects/1").json()["lastModified"]
    assert modified.startswith(sandbox.shop.now().isoformat()[:19])


@pytest.mark.parametrize(("where", "hub", "api"), [("both", 200, 200), ("hub", 200, 404), ("api", 404, 200)])
def test_given_where_tokens_are_given_when_asked_then_the_other_server_has_a_page(
    sandbox: Sandbox, where: Any, hub: int, api: int
) -> None:
    sandbox.switches.token_at = where
    assert [token_from(url).status_code for url in (sandbox.hub_url, sandbox.url)] == [hub, api]


@pytest.mark.parametrize(
    ("answer", "status", "kind"),
    [("400", 400, "application/json; charset=utf-8"), ("401 page", 401, "text/html"), ("401 empty", 401, None)],
)
def test_given_a_wrong_client_when_refused_then_the_switch_says_how(
    sandbox: Sandbox, answer: Any, status: int, kind: str | None
) -> None:
    sandbox.switches.wrong_client_answer = answer
    refused = httpx.post(f"{sandbox.hub_url}/connect/token", data={**FORM, "client_secret": "no"}, trust_env=False)
    assert refused.status_code == status
    assert kind is None or refused.headers["Content-Type"] == kind
    assert kind is not None or refused.content == b""


def test_given_a_fresh_token_when_the_api_does_not_know_it_yet_then_it_is_refused_for_some_seconds(
    sandbox: Sandbox, client: httpx.Client
) -> None:
    sandbox.switches.token_valid_after = 1000
    assert client.get(RESULTS).status_code == 401
    sandbox.advance(1000)
    assert client.get(RESULTS).status_code == 200


def test_given_a_renewal_that_goes_wrong_when_asked_again_then_it_is_read(sandbox: Sandbox) -> None:
    sandbox.fault("connect/token", skip=1, times=1, page="not found")
    sandbox.fault("connect/token", times=1, bom=True)
    first, second, third = (token_from(sandbox.hub_url) for _ in range(3))
    assert first.content.startswith(b"\xef\xbb\xbf{")
    assert (second.status_code, second.headers["Content-Type"]) == (404, "text/html")
    assert third.json()["token_type"] == "Bearer"
