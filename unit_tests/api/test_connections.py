"""The kept connections, over real HTTP."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import requests

from source_customerscanvas.api import connections, speed
from source_customerscanvas.api.connections import Connections
from source_customerscanvas.api.failures import network_failure
from unit_tests.http_server import Answer, Server, serve


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    with serve() as first, serve() as second, serve() as third:
        yield [first, second, third]


def _ask(kept: Connections, server: Server) -> bytes:
    response = kept.transmit("GET", f"{server.url}/x", {}, None)
    return bytes(response.raw.read())


def test_given_more_hosts_than_are_kept_when_asked_in_turn_then_each_answers(
    servers: list[Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_MOST_HOSTS", 2)
    kept = Connections(at_once=2)
    for server in servers:
        server.answer = lambda request: Answer(200, request.headers["Host"].encode())
    assert [_ask(kept, server) for server in servers * 3] == [server.url[7:].encode() for server in servers] * 3


def test_given_cookies_when_asked_again_then_none_were_kept(servers: list[Server]) -> None:
    kept = Connections(at_once=2)
    servers[0].answer = lambda _: Answer(200, b"", {"Set-Cookie": "session=1; Path=/"})
    response = kept.transmit("GET", f"{servers[0].url}/x", {}, None)
    response.raw.read()
    assert list(response.cookies) == []
    _ask(kept, servers[0])
    assert "Cookie" not in servers[0].requests[-1].headers


def test_given_requests_one_after_the_other_when_sent_then_one_connection_serves_them(servers: list[Server]) -> None:
    kept = Connections(at_once=2)
    servers[0].answer = lambda _: Answer(200, b"x")
    for _ in range(3):
        _ask(kept, servers[0])
    assert len({request.port for request in servers[0].requests}) == 1


def test_given_answers_that_only_announce_another_when_asked_then_each_request_gets_its_own(
    servers: list[Server],
) -> None:
    kept = Connections(at_once=2)
    servers[0].script(*(Answer(200, str(number).encode(), early=(102, 103, 103)) for number in range(4)))
    assert [_ask(kept, servers[0]) for _ in range(4)] == [b"0", b"1", b"2", b"3"]
    assert len({request.port for request in servers[0].requests}) == 1


def _drip(listener: socket.socket, beginning: bytes) -> None:
    """Sends a byte now and then, until the client has enough; at last the head ends, so that no test hangs."""
    connection, _ = listener.accept()
    with connection, suppress(OSError):
        connection.recv(65536)
        connection.sendall(beginning)
        for _ in range(1000):
            connection.sendall(b"x")
            time.sleep(0.02)
        connection.sendall(b": x\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize("beginning", [b"HTTP/1.1 200 O", b"HTTP/1.1 200 OK\r\nServer: slow\r\nX-"])
def test_given_a_head_that_drips_when_asked_then_it_is_given_up(
    beginning: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speed, "WITHIN_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        done = pool.submit(_drip, listener, beginning)
        with pytest.raises(requests.ConnectionError) as error:
            Connections(at_once=1).transmit("GET", f"http://127.0.0.1:{listener.getsockname()[1]}/x", {}, None)
        done.result()
    assert "too slowly" in network_failure(error.value, "127.0.0.1").error.message


def test_given_heads_of_many_lines_when_asked_again_then_each_is_whole(servers: list[Server]) -> None:
    kept = Connections(at_once=1)
    headers = {f"X-{number}": "v" * 700 * (number % 3) for number in range(60)}
    servers[0].answer = lambda _: Answer(200, b"body", headers)
    for _ in range(2):
        response = kept.transmit("GET", f"{servers[0].url}/x", {}, None)
        assert {name: response.headers[name] for name in headers} == headers
        assert response.raw.read() == b"body"
    assert len({request.port for request in servers[0].requests}) == 1
