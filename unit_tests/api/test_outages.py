"""A server that is away for a while."""

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from threading import Event

import pytest

from sandbox import Limiter
from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.api.connections import Connections
from source_customerscanvas.api.failures import Failed
from source_customerscanvas.api.limits import Limit
from source_customerscanvas.api.outages import Outage
from source_customerscanvas.api.retrying import Patience
from source_customerscanvas.errors import NotFound, ServerAway, ServerTrouble, Unreachable
from source_customerscanvas.settings import Settings
from unit_tests.http_server import HTML, PAGE, RESET, Answer, FakeClock, Request, Server, json_answer, serve

SECONDS = [5, 10, 20, 45, 100]
WORKERS = 4


def refuse(clock: FakeClock) -> Answer:
    raise ConnectionRefusedError


def hang(clock: FakeClock) -> Answer:
    end = clock.monotonic() + 60
    clock.wait(0)
    clock.pass_until(end)
    raise TimeoutError


KINDS: dict[str, Callable[[FakeClock], Answer]] = {
    "503": lambda _: Answer(503),
    "503-retry-after": lambda _: Answer(503, b"", {"Retry-After": "1"}),
    "502-page": lambda _: Answer(502, b"<html>"),
    "404-page": lambda _: Answer(404, b"default backend - 404"),
    "page": lambda _: HTML,
    "reset": lambda _: RESET,
    "refused": refuse,
    "silent": hang,
}


@contextmanager
def away(
    monkeypatch: pytest.MonkeyPatch, clock: FakeClock, url: str, kind: str, seconds: float
) -> Iterator[list[float]]:
    """Let a host be away for so many seconds from now on; gives when it was asked in vain."""
    until = clock.monotonic() + seconds
    asked: list[float] = []
    transmit = Connections.transmit

    def transmit_or_fail(self: Connections, method: str, address: str, *rest: object) -> object:
        if not address.startswith(url) or clock.monotonic() >= until:
            return transmit(self, method, address, *rest)  # type: ignore[arg-type]  # passed on as they are
        asked.append(clock.monotonic())
        trouble = KINDS[kind](clock)
        with serve() as other:
            other.answer = other.token_answer = lambda _: trouble
            return transmit(self, method, other.url, *rest)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Connections, "transmit", transmit_or_fail)
        yield asked


@pytest.mark.parametrize("seconds", SECONDS)
@pytest.mark.parametrize("kind", KINDS)
def test_given_an_api_that_is_away_when_workers_ask_then_all_wait_together_and_get_their_answers(
    server: Server, client: ApiClient, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, kind: str, seconds: float
) -> None:
    server.answer = lambda request: json_answer({"items": [{"id": request.path}]})
    client.get_json("first")
    with away(monkeypatch, clock, f"{server.url}/api", kind, seconds) as asked, ThreadPoolExecutor(WORKERS) as workers:
        answers = list(workers.map(client.get_json, [f"x{number}" for number in range(12)]))
    assert [answer["items"][0]["id"] for answer in answers] == [f"/api/x{number}" for number in range(12)]
    assert asked
    # now and then, whatever the number of workers
    assert len(asked) <= 4 * WORKERS + seconds / 5


@pytest.mark.parametrize("seconds", SECONDS)
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "404-page"])
def test_given_an_api_that_is_away_when_it_is_asked_for_the_first_time_then_it_is_waited_for(
    server: Server, client: ApiClient, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, kind: str, seconds: float
) -> None:
    server.answer = lambda _: json_answer(PAGE)
    with away(monkeypatch, clock, server.url, kind, seconds):
        assert client.get_json("x") == PAGE


@pytest.mark.parametrize("kind", KINDS)
def test_given_an_api_that_stays_away_when_two_minutes_are_over_then_each_worker_is_told_the_same(
    server: Server, client: ApiClient, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    server.answer = lambda _: json_answer(PAGE)
    client.get_json("first")
    began = clock.monotonic()

    def ask(number: int) -> str:
        with pytest.raises(ServerAway, match=r"127\.0\.0\.1 is away") as raised:
            client.get_json(f"x{number}")
        assert raised.value.failure_type == "transient_error"
        return raised.value.message

    with away(monkeypatch, clock, server.url, kind, 10_000), ThreadPoolExecutor(WORKERS) as workers:
        assert len(set(workers.map(ask, range(12)))) == 1
    assert clock.monotonic() - began >= 120


@pytest.mark.parametrize("seconds", SECONDS)
@pytest.mark.parametrize("kind", KINDS)
def test_given_an_identity_server_that_is_away_when_a_token_is_renewed_then_it_is_waited_for(
    server: Server, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, kind: str, seconds: float
) -> None:
    with serve() as api:
        # the first token has been given a moment before it is away, and is not good any more
        api.answer = lambda request: Answer(401) if request.headers["Authorization"] == old else json_answer(PAGE)
        client = ApiClient(replace(server.settings(), api_url=api.url), clock)
        old = ""
        client.get_json("first")
        old = api.requests[0].headers["Authorization"]
        with away(monkeypatch, clock, server.url, kind, seconds) as asked, ThreadPoolExecutor(WORKERS) as workers:
            assert list(workers.map(client.get_json, [f"x{number}" for number in range(12)])) == [PAGE] * 12
        assert asked


@pytest.mark.parametrize("seconds", SECONDS)
@pytest.mark.parametrize("kind", ["503", "reset", "refused", "silent"])
def test_given_the_host_of_private_files_is_away_when_they_are_asked_for_then_they_come(
    server: Server, client: ApiClient, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, kind: str, seconds: float
) -> None:
    with serve() as cdn:
        cdn.answer = lambda _: Answer(200, b"abc")
        server.answer = lambda request: (
            Answer(302, b"", {"Location": f"{cdn.url}/f"}) if request.path.endswith("/file") else json_answer(PAGE)
        )

        def download(number: int) -> bytes:
            url = client.address(f"storage/v1/artifacts/{number}/file")
            with client.open_file(url, with_token=True, headers={}) as response:
                return bytes(response.raw.read())

        with away(monkeypatch, clock, cdn.url, kind, seconds), ThreadPoolExecutor(WORKERS) as workers:
            assert list(workers.map(download, range(8))) == [b"abc"] * 8
        assert client.get_json("x") == PAGE


def test_given_a_cdn_that_stays_away_when_asked_then_the_api_goes_on(
    server: Server, client: ApiClient, clock: FakeClock
) -> None:
    server.answer = lambda _: json_answer(PAGE)
    with serve() as cdn:
        gone = cdn.url
    began = clock.monotonic()
    for _ in range(5):
        with pytest.raises(Unreachable), client.open_file(f"{gone}/f", with_token=False, headers={}):
            pass
    # the API has the same files: it is not worth two minutes, and not the same again for each of them
    assert clock.monotonic() - began < 40
    assert client.get_json("x") == PAGE


def test_given_projects_that_always_fail_when_nothing_else_is_asked_then_the_server_is_not_taken_to_be_away(
    server: Server, client: ApiClient, clock: FakeClock
) -> None:
    server.answer = lambda request: Answer(500) if "broken" in request.path else json_answer(PAGE)
    client.get_json("first")
    began = clock.monotonic()

    def ask(number: int) -> None:
        with pytest.raises(ServerTrouble, match="HTTP 500"):
            client.get_json(f"broken{number}")

    with ThreadPoolExecutor(WORKERS) as workers:
        list(workers.map(ask, range(40)))
    assert clock.monotonic() - began < 40 * 16
    # what was answered before is asked again to be sure, but not after each failure
    assert sum(request.path == "/api/first" for request in server.api_requests) < 40 * 6 / 2


def test_given_a_limit_by_the_minute_that_is_told_by_503_when_it_is_met_then_the_server_is_not_taken_to_be_away(
    server: Server, client: ApiClient, clock: FakeClock
) -> None:
    limiter = Limiter(requests_per_second=0.25, window=60, status=503, retry_after=None, clock=clock.monotonic)

    def answer(_: Request) -> Answer:
        if limiter.admit() is not None:
            return Answer(503)
        limiter.leave()
        return json_answer(PAGE)

    server.answer = answer
    # one worker: the waits of several would each move the clock, and a minute would be over after a few of them
    assert [client.get_json(f"x{number}") for number in range(75)] == [PAGE] * 75
    # about ten that look whether the minute is over, in each of five
    assert limiter.refused <= 60


# One outage by itself


@pytest.fixture
def outage(clock: FakeClock) -> Outage:
    return Outage(clock, Event(), "api.example", 120)


def fail() -> None:
    raise Failed(ServerTrouble("x", "HTTP 503"))


FAILED = Failed(ServerTrouble("x", "HTTP 500"))


def test_given_failures_when_others_are_answered_meanwhile_then_the_server_is_there(
    outage: Outage, clock: FakeClock
) -> None:
    for _ in range(100):
        outage.note_answer()
        clock.pass_time(1)
        outage.note_failure(FAILED)
        assert not outage.is_away


def test_given_a_503_that_is_no_limit_any_more_when_the_server_was_away_then_it_may_be_one_again(
    clock: FakeClock,
) -> None:
    patience = Patience(clock)
    limit = Limit(lambda: None, None, is_sure=False, last_served=0.0, last_refused=0.0)
    believed = []
    for _ in range(4):
        believed.append(limit.is_believed(patience.refusals))
        patience.after_refusal(limit)
    assert believed == [True, True, True, False]
    patience.begin_anew()
    assert limit.is_believed(patience.refusals)


def test_given_failures_in_a_row_when_the_known_good_is_refused_in_words_then_the_server_is_there(
    outage: Outage, clock: FakeClock
) -> None:
    def refuse_in_words() -> None:
        raise NotFound("x")

    outage.note_answer(refuse_in_words)
    clock.pass_time(5)
    outage.note_failure(FAILED)
    assert outage.is_away
    assert outage.wait(fail) is False
    assert not outage.is_away


def test_given_a_server_that_was_given_up_when_it_is_back_later_then_it_is_asked_again(
    outage: Outage, clock: FakeClock
) -> None:
    answers = [False] * 100

    def known_good() -> None:
        if not answers.pop():
            fail()

    outage.note_answer(known_good)
    clock.pass_time(5)
    outage.note_failure(FAILED)
    with pytest.raises(ServerAway, match="HTTP 503"):
        outage.wait(fail)
    left = len(answers)
    with pytest.raises(ServerAway):
        outage.wait(fail)
    assert len(answers) == left
    answers.append(True)
    clock.pass_time(40)
    outage.wait(fail)
    assert not outage.is_away


def test_given_a_server_that_was_given_up_when_it_has_answered_again_then_the_next_outage_is_waited_for(
    outage: Outage, clock: FakeClock
) -> None:
    outage.note_answer(fail)
    clock.pass_time(5)
    outage.note_failure(FAILED)
    with pytest.raises(ServerAway):
        outage.wait(fail)
    outage.note_answer(lambda: None)
    clock.pass_time(5)
    outage.note_failure(FAILED)
    assert outage.is_away
    outage.wait(fail)
    assert not outage.is_away


def test_given_a_request_that_takes_the_server_down_each_time_when_asked_then_it_is_given_up(
    server: Server, client: ApiClient, clock: FakeClock
) -> None:
    crashes: list[float] = []

    def answer(request: Request) -> Answer:
        if crashes and clock.monotonic() < crashes[-1] + 5:
            return Answer(502, b"<html>")
        if not request.path.endswith("/bad"):
            return json_answer(PAGE)
        clock.pass_time(3)
        crashes.append(clock.monotonic())
        assert len(crashes) < 20
        return RESET

    server.answer = answer
    client.get_json("x")
    with pytest.raises(Unreachable):
        client.get_json("bad")
    assert len(crashes) <= 7
    assert client.get_json("x") == PAGE


def test_given_what_was_answered_last_is_broken_when_another_request_fails_for_once_then_the_server_is_there(
    server: Server, client: ApiClient, clock: FakeClock
) -> None:
    broken: set[str] = set()
    server.answer = lambda request: Answer(500) if request.path.rpartition("/")[2] in broken else json_answer(PAGE)
    for path in ("a", "b", "c", "d"):
        client.get_json(path)
    clock.pass_time(10)
    broken |= {"d", "a"}
    clock.on_wait = lambda: broken.discard("a")
    assert client.get_json("a") == PAGE
    with pytest.raises(ServerTrouble, match="HTTP 500"):
        client.get_json("d")
    assert client.get_json("b") == PAGE


@pytest.mark.parametrize("reads", [False, True], ids=["at-once", "after-the-hello"])
def test_given_a_balancer_that_closes_before_tls_is_spoken_when_asked_then_it_is_waited_for(
    clock: FakeClock, reads: bool
) -> None:
    def close_each(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    if reads:
                        connection.recv(4096)

    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        pool.submit(close_each, listener)
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        began = clock.monotonic()
        try:
            with pytest.raises(Unreachable, match="the connection broke"):
                ApiClient(Settings("app", "s3cret", url, url), clock).get_json("x")
        finally:
            listener.shutdown(socket.SHUT_RDWR)
        assert clock.monotonic() - began >= 120
