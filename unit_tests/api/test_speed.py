"""The least speed of an answer."""

import pytest

from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.api.speed import LeastSpeed, TooSlow
from source_customerscanvas.errors import ServerTrouble
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
