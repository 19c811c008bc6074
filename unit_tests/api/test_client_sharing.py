"""How the workers of a sync share one client."""

import threading
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotDoneError

import pytest

from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.errors import CustomersCanvasError, Stopped
from unit_tests.http_server import PAGE, RESET, TOO_MANY, Answer, FakeClock, Request, Server, json_answer


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
    for answer in (Answer(404), Answer(418), Answer(500), RESET):
        server.answer = lambda _, answer=answer: answer  # type: ignore[misc]  # bound at once
        with pytest.raises(CustomersCanvasError), client.open_file(f"{server.url}/f", with_token=True, headers={}):
            pass
    server.answer = lambda _: json_answer(PAGE)
    assert client.get_json("x") == PAGE


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
