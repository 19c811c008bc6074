"""How a pace meets limits that it is not told of, in simulated time: no thread, no sleep."""

import heapq
import math
from collections.abc import Callable
from itertools import count
from threading import Event

import pytest

from source_customerscanvas.errors import Stopped
from source_customerscanvas.pacing import Pace
from unit_tests.http_server import FakeClock

Limit = Callable[[float], "float | None"]
"""Given the time of a request: None if it is served, else the seconds until one would be."""


def token_bucket(rate: float, burst: float) -> Limit:
    level, at = burst, 0.0

    def ask(now: float) -> float | None:
        nonlocal level, at
        level, at = min(burst, level + (now - at) * rate), now
        if level < 1:
            return (1 - level) / rate
        level -= 1
        return None

    return ask


def fixed_window(most: int, seconds: float) -> Limit:
    served: dict[int, int] = {}

    def ask(now: float) -> float | None:
        window = int(now / seconds)
        served[window] = served.get(window, 0) + 1
        return None if served[window] <= most else (window + 1) * seconds - now

    return ask


def simulate(limit: Limit, workers: int, latency: float, total: int, whole_seconds: bool) -> tuple[int, float]:
    """Refusals and seconds that workers need for so many requests, each asking as soon as its last was answered."""
    clock = FakeClock()
    pace = Pace(clock, Event())
    start = clock.monotonic()
    order = count()
    events: list[tuple[float, int, str, float]] = [(start, next(order), "want", 0.0) for _ in range(workers)]
    left, refusals, end = total, 0, start
    while events:
        now, _, event, moment = heapq.heappop(events)
        clock.pass_time(now - clock.monotonic())
        if event == "want":
            if left == 0:
                continue
            left -= 1
        if event in ("want", "again") or (event == "go" and not pace.holds(moment)):
            moment = pace.reserve(now)
            heapq.heappush(events, (moment, next(order), "go", moment))
        elif event == "go":
            heapq.heappush(events, (now + latency, next(order), "answer", now))
        else:
            wait = limit(moment + latency / 2)
            if wait is None:
                pace.served(now)
                end = now
                heapq.heappush(events, (now, next(order), "want", 0.0))
            else:
                refusals += 1
                pace.refused(moment, now, math.floor(wait) + 1 if whole_seconds else wait)
                heapq.heappush(events, (now, next(order), "again", 0.0))
    return refusals, end - start


@pytest.mark.parametrize("workers", [16, 32])
@pytest.mark.parametrize("latency", [0.001, 0.05])
@pytest.mark.parametrize("whole_seconds", [True, False])
@pytest.mark.parametrize("kind", ["bucket", "window"])
def test_given_50_requests_a_second_when_1000_are_made_then_2_percent_are_refused_and_a_tenth_of_the_time_is_lost(
    kind: str, whole_seconds: bool, latency: float, workers: int
) -> None:
    limit = token_bucket(50, 50) if kind == "bucket" else fixed_window(50, 1.0)
    refusals, seconds = simulate(limit, workers, latency, 1000, whole_seconds)
    assert refusals <= 20
    assert seconds <= 1.1 * 1000 / 50


def test_given_a_limit_by_the_minute_when_met_then_the_pace_is_learned_from_the_pause() -> None:
    refusals, seconds = simulate(fixed_window(600, 60.0), 16, 0.05, 3000, whole_seconds=True)
    assert refusals <= 60
    assert seconds <= 1.3 * 300


def test_given_no_limit_when_32_workers_ask_then_at_most_a_fifth_of_a_second_is_lost() -> None:
    refusals, seconds = simulate(lambda _: None, 32, 0.05, 1800, whole_seconds=True)
    assert refusals == 0
    assert seconds <= 1800 * 0.05 / 32 + 0.25


def test_given_a_limit_that_is_lifted_when_time_passes_then_the_full_speed_returns() -> None:
    clock = FakeClock()
    pace = Pace(clock, Event())
    for _ in range(10):
        pace.served(clock.monotonic())
    pace.refused(clock.monotonic(), clock.monotonic(), 1.0)
    clock.pass_time(120.0)
    first = pace.reserve(clock.monotonic())
    for _ in range(300):
        last = pace.reserve(clock.monotonic())
    assert last - first < 1.0


def test_given_a_pause_when_a_request_has_its_moment_already_then_it_waits_for_the_end_of_the_pause() -> None:
    clock = FakeClock()
    pace = Pace(clock, Event())
    sent = clock.monotonic()
    moment = pace.reserve(sent)
    pace.refused(sent, sent, 5.0)
    assert not pace.holds(moment)
    assert pace.wait() >= sent + 5.0


def test_given_refusals_of_requests_under_way_when_one_was_refused_then_they_do_not_slow_the_pace_further() -> None:
    clock = FakeClock()
    once, often = Pace(clock, Event()), Pace(clock, Event())
    sent = clock.monotonic()
    for pace, refusals in ((once, 1), (often, 30)):
        for _ in range(50):
            pace.served(sent)
        for _ in range(refusals):
            pace.refused(sent, sent, 1.0)
    assert [once.reserve(sent) for _ in range(20)] == [often.reserve(sent) for _ in range(20)]


def test_given_the_end_of_a_sync_when_a_request_waits_then_it_is_stopped() -> None:
    clock, stopping = FakeClock(), Event()
    pace = Pace(clock, stopping)
    pace.refused(clock.monotonic(), clock.monotonic(), 60.0)
    clock.on_wait = stopping.set
    with pytest.raises(Stopped):
        pace.wait()
