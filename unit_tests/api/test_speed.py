"""The least speed of an answer."""

import pytest

from source_customerscanvas.api import answers
from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.api.speed import LeastSpeed, TooSlow
from source_customerscanvas.errors import CustomersCanvasError, ServerTrouble
from unit_tests.http_server import PAGE, Answer, FakeClock, Request, Server, json_answer


@pytest.mark.parametrize(("seconds", "count", "is_too_slow"), [(50, 1, True), (50, 8 * 1024, False), (5, 700, False)])
def test_given_a_body_when_it_comes_slowly_then_it_is_given_up_within_minutes(
    clock: FakeClock, seconds: float, count: int, is_too_slow: bool
) -> None:
    speed = LeastSpeed(clock)
    began = clock.monotonic()

    def read() -> None:
        for _ in range(1000):
            clock.pass_time(seconds)
            speed.note(count)

    if is_too_slow:
        with pytest.raises(TooSlow):
            read()
        assert clock.monotonic() - began <= 180
    else:
        read()


def test_given_a_server_that_drips_when_asked_then_it_is_a_trouble_of_that_answer(
    server: Server, client: ApiClient, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(request: Request) -> Answer:
        if request.path != "/api/x":
            return json_answer(PAGE)
        # all of it comes at once here, and the clock says that it took hours
        clock.pass_time(0)
        return json_answer({"drip": "x"})

    server.answer = answer
    client.get_json("y")
    note = LeastSpeed.note

    def drip(self: LeastSpeed, count: int) -> None:
        if server.requests[-1].path == "/api/x":
            for _ in range(count):
                clock.pass_time(50)
                note(self, 1)

    monkeypatch.setattr(LeastSpeed, "note", drip)
    with pytest.raises(ServerTrouble, match="too slowly"):
        client.get_json("x")
    assert client.get_json("y") == PAGE


@pytest.mark.parametrize("status", [302, 401, 404, 500])
def test_given_an_error_that_drips_when_asked_then_it_is_not_read_to_its_end(
    server: Server, client: ApiClient, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    server.answer = lambda _: Answer(status, b"x" * 100, {"Location": "https://elsewhere.example/"})
    note = LeastSpeed.note
    given_up = []

    def drip(self: LeastSpeed, count: int) -> None:
        for _ in range(count if server.requests[-1].path == "/api/x" else 1):
            clock.pass_time(50)
            try:
                note(self, 1)
            except TooSlow:
                given_up.append(status)
                raise

    monkeypatch.setattr(LeastSpeed, "note", drip)
    with pytest.raises(CustomersCanvasError):
        client.get_json("x")
    assert given_up


def test_given_an_answer_without_end_when_asked_then_it_is_a_trouble_of_the_server(
    server: Server, client: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answer = lambda _: json_answer({"items": ["x" * 5000]})
    monkeypatch.setattr(answers, "_MOST_OF_ALL", 1000)
    with pytest.raises(ServerTrouble, match="no end"):
        client.get_json("x")
