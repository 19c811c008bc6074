"""How a pace meets limits that it is not told of, in simulated time: no thread, no sleep."""

import heapq
import math
import random
from collections import deque
from collections.abc import Callable
from itertools import count, pairwise
from threading import Event

import pytest

from source_customerscanvas.api.pacing import Pace
from source_customerscanvas.errors import Stopped
from unit_tests.http_server import FakeClock

Limit = Callable[[float], "float | None"]
"""Given the seconds since the start: None if a request is served, else the seconds until one would be."""
RetryAfter = Callable[[float, float], "float | None"]
"""What the server asks for, given the time of a refusal and the seconds until it would serve one."""

BEGINNING = 1000.0


def silent(now: float, wait: float) -> None:
    return None


def whole_seconds(now: float, wait: float) -> float:
    return math.floor(wait) + 1


def date(now: float, wait: float) -> float | None:
    return math.floor(now + wait + 1) - now


RETRY_AFTER = [silent, whole_seconds, date]


def token_bucket(rate: float, burst: float, *, refused_count: bool = False) -> Limit:
    return changing_bucket([(0.0, rate)], burst, refused_count=refused_count)


def changing_bucket(rates: list[tuple[float, float | None]], burst: float, *, refused_count: bool = False) -> Limit:
    """Each rate (None: unlimited) from a time on."""
    level, at = burst, 0.0

    def ask(now: float) -> float | None:
        nonlocal level, at
        rate = [rate for since, rate in rates if since <= now][-1]
        passed, at = now - at, now
        if rate is None:
            return None
        level = min(burst, level + passed * rate)
        if level >= 1:
            level -= 1
            return None
        wait = (1 - level) / rate
        if refused_count:
            level = max(level - 1, -burst)
        return wait

    return ask


def fixed_window(most: int, seconds: float) -> Limit:
    served: dict[int, int] = {}

    def ask(now: float) -> float | None:
        window = int(now / seconds)
        served[window] = served.get(window, 0) + 1
        return None if served[window] <= most else (window + 1) * seconds - now

    return ask


def sliding_window(most: int, seconds: float) -> Limit:
    served: deque[float] = deque()

    def ask(now: float) -> float | None:
        while served and served[0] <= now - seconds:
            served.popleft()
        if len(served) >= most:
            return served[0] + seconds - now
        served.append(now)
        return None

    return ask


def no_limit(now: float) -> None:
    return None


class Simulation:
    """Workers that each ask as soon as their last request was answered, as `ApiClient` does; times from the start."""

    def __init__(
        self, limit: Limit, workers: int, latency: float, total: int, retry_after: RetryAfter, jitter: float = 0.0
    ) -> None:
        self.sent: list[float] = []
        self.served: list[float] = []
        self.refused: list[float] = []
        self._limit = limit
        self._latency = latency
        self._left = total
        self._retry_after = retry_after
        self._jitter = jitter
        self._random = random.Random(1)
        self._clock = FakeClock()
        self._pace = Pace(self._clock, Event())
        self._queue: deque[int] = deque()
        self._order = count()
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        for _ in range(workers):
            self._at(0.0, self._want)
        while self._events:
            now, _, happen = heapq.heappop(self._events)
            self._clock.pass_time(BEGINNING + now - self._clock.monotonic())
            happen(now)

    @property
    def seconds(self) -> float:
        return self.served[-1]

    def rate(self, since: float, until: float) -> float:
        return sum(since <= moment < until for moment in self.served) / (until - since)

    def _at(self, moment: float, happen: Callable[[float], None]) -> None:
        heapq.heappush(self._events, (moment, next(self._order), happen))

    def _want(self, now: float) -> None:
        if self._left:
            self._left -= 1
            self._enqueue(now, 0)

    def _enqueue(self, now: float, refusals: int) -> None:
        self._queue.append(refusals)
        if len(self._queue) == 1:
            self._at(now, self._front)

    def _front(self, now: float) -> None:
        pause = self._pace.take(BEGINNING + now)
        if pause > 0:
            self._at(now + pause, self._front)
            return
        self.sent.append(now)
        refusals = self._queue.popleft()
        self._at(now + self._way(), lambda moment: self._arrive(moment, now, refusals))
        if self._queue:
            self._at(now, self._front)

    def _way(self) -> float:
        return self._latency / 2 * self._random.uniform(1 - self._jitter, 1 + self._jitter)

    def _arrive(self, now: float, sent: float, refusals: int) -> None:
        wait = self._limit(now)
        self._at(now + self._way(), lambda moment: self._answer(moment, sent, wait, refusals))

    def _answer(self, now: float, sent: float, wait: float | None, refusals: int) -> None:
        if wait is None:
            self.served.append(now)
            self._pace.served(BEGINNING + sent, BEGINNING + now)
            self._want(now)
            return
        self.refused.append(now)
        asked = self._retry_after(now, wait)
        self._pace.refused(BEGINNING + sent, BEGINNING + now, asked)
        pause = asked or self._random.uniform(0, min(30.0, 0.5 * 2.0**refusals))
        self._at(now + pause, lambda moment: self._enqueue(moment, refusals + 1))


BUCKETS: dict[str, Callable[[], Limit]] = {
    "burst 5": lambda: token_bucket(50, 5),
    "burst 5, refused count": lambda: token_bucket(50, 5, refused_count=True),
    "burst 10": lambda: token_bucket(50, 10),
    "burst 25": lambda: token_bucket(50, 25),
    "burst 50": lambda: token_bucket(50, 50),
}
LIMITS: dict[str, Callable[[], Limit]] = {
    **BUCKETS,
    "burst 1": lambda: token_bucket(50, 1),
    "burst 100": lambda: token_bucket(50, 100),
    "windows": lambda: fixed_window(50, 1.0),
    "sliding window": lambda: sliding_window(50, 1.0),
}


@pytest.mark.parametrize("workers", [2, 16, 32])
@pytest.mark.parametrize("latency", [0.0005, 0.005])
@pytest.mark.parametrize("retry_after", RETRY_AFTER)
@pytest.mark.parametrize("limit", BUCKETS)
def test_given_50_requests_a_second_when_1000_are_made_then_2_percent_are_refused_and_a_tenth_of_the_time_is_lost(
    limit: str, retry_after: RetryAfter, latency: float, workers: int
) -> None:
    run = Simulation(BUCKETS[limit](), workers, latency, 1000, retry_after)
    assert len(run.refused) <= 20
    assert run.seconds <= 1.1 * 1000 / 50


@pytest.mark.parametrize("workers", [16, 32])
@pytest.mark.parametrize("latency", [0.005, 0.05])
@pytest.mark.parametrize("retry_after", RETRY_AFTER)
@pytest.mark.parametrize("limit", LIMITS)
def test_given_50_requests_a_second_of_any_shape_when_1000_are_made_then_hardly_more_is_lost(
    limit: str, retry_after: RetryAfter, latency: float, workers: int
) -> None:
    run = Simulation(LIMITS[limit](), workers, latency, 1000, retry_after)
    assert len(run.refused) <= 20 + workers / 2
    assert run.seconds <= 1.15 * 1000 / 50


@pytest.mark.parametrize("retry_after", RETRY_AFTER)
@pytest.mark.parametrize("limit", LIMITS)
def test_given_50_requests_a_second_when_a_long_sync_is_made_then_hardly_more_is_lost(
    limit: str, retry_after: RetryAfter
) -> None:
    run = Simulation(LIMITS[limit](), 16, 0.02, 10_000, retry_after)
    assert len(run.refused) <= 60
    assert run.seconds <= 1.2 * 10_000 / 50


@pytest.mark.parametrize("workers", [16, 32, 64])
@pytest.mark.parametrize("latency", [0.05, 0.2])
@pytest.mark.parametrize("retry_after", RETRY_AFTER)
@pytest.mark.parametrize("limit", LIMITS)
def test_given_50_requests_a_second_when_the_latency_is_long_and_varies_then_the_time_stays_close(
    limit: str, retry_after: RetryAfter, latency: float, workers: int
) -> None:
    run = Simulation(LIMITS[limit](), workers, latency, 1000, retry_after, jitter=0.1)
    # a burst of 1 bears no request that comes early: the jitter has to be left between them
    spread = latency * 0.1 if limit == "burst 1" else 0.0
    assert run.seconds <= 1.6 * 1000 * (1 / 50 + spread)
    assert len(run.refused) <= 20 + 1.5 * workers


@pytest.mark.parametrize(
    "limit",
    [
        lambda: token_bucket(10, 10),
        lambda: token_bucket(10, 1),
        lambda: token_bucket(10, 5),
        lambda: fixed_window(10, 1),
    ],
)
@pytest.mark.parametrize("latency", [0.005, 0.05])
def test_given_10_requests_a_second_when_met_then_it_is_found(limit: Callable[[], Limit], latency: float) -> None:
    run = Simulation(limit(), 16, latency, 1000, whole_seconds)
    assert len(run.refused) <= 50
    assert run.seconds <= 1.6 * 1000 / 10


@pytest.mark.parametrize(
    "limit", [lambda: token_bucket(200, 200), lambda: token_bucket(200, 400), lambda: fixed_window(200, 1)]
)
@pytest.mark.parametrize("latency", [0.005, 0.05])
def test_given_200_requests_a_second_when_met_then_it_is_found(limit: Callable[[], Limit], latency: float) -> None:
    run = Simulation(limit(), 32, latency, 1000, whole_seconds)
    assert len(run.refused) <= 40
    assert run.seconds <= 1.6 * 1000 / 200


def test_given_a_limit_by_the_minute_when_met_then_few_are_refused() -> None:
    run = Simulation(fixed_window(600, 60.0), 16, 0.05, 3000, whole_seconds)
    assert len(run.refused) <= 60
    assert run.seconds <= 300


@pytest.mark.parametrize("latency", [0.0005, 0.05, 0.2])
def test_given_a_long_pause_when_asked_then_no_request_leaves_before_its_end_and_one_leaves_at_it(
    latency: float,
) -> None:
    run = Simulation(fixed_window(100, 30.0), 32, latency, 300, lambda now, wait: 30.0)
    first = run.refused[0]
    # those refused meanwhile asked for 30 seconds from then on
    end = max(moment for moment in run.refused if moment <= first + latency * 1.01) + 30
    assert not [moment for moment in run.sent if first < moment < end - 1e-6]
    assert min(moment for moment in run.sent if moment > first) == pytest.approx(end)


@pytest.mark.parametrize(("workers", "latency"), [(16, 0.05), (32, 0.05), (32, 0.005)])
def test_given_no_limit_when_many_workers_ask_then_at_most_a_sixth_of_a_second_is_lost(
    workers: int, latency: float
) -> None:
    run = Simulation(no_limit, workers, latency, 1900, whole_seconds)
    assert not run.refused
    assert run.seconds <= math.ceil(1900 / workers) * latency + 0.16


@pytest.mark.parametrize("retry_after", RETRY_AFTER)
def test_given_a_limit_that_begins_later_when_met_then_it_is_kept(retry_after: RetryAfter) -> None:
    run = Simulation(changing_bucket([(0, None), (3, 50)], 50), 32, 0.05, 3000, retry_after)
    assert run.rate(0, 3) >= 580
    assert run.rate(8, 20) >= 45
    assert len(run.refused) <= 3 * 32


@pytest.mark.parametrize("retry_after", RETRY_AFTER)
@pytest.mark.parametrize("latency", [0.005, 0.05])
def test_given_a_limit_that_changes_when_time_passes_then_the_pace_follows(
    latency: float, retry_after: RetryAfter
) -> None:
    run = Simulation(changing_bucket([(0, 50), (30, 25), (60, 100)], 25), 32, latency, 6000, retry_after)
    assert run.rate(10, 30) >= 43
    assert run.rate(35, 60) >= 22
    assert run.rate(90, 100) >= 75
    assert len(run.refused) <= 60


@pytest.mark.parametrize("retry_after", RETRY_AFTER)
def test_given_a_limit_that_is_lifted_when_time_passes_then_the_full_speed_returns(retry_after: RetryAfter) -> None:
    run = Simulation(changing_bucket([(0, 50), (20, None)], 50), 32, 0.05, 20000, retry_after)
    assert run.rate(45, 50) >= 600


def test_given_a_rare_refusal_when_there_is_no_limit_then_only_its_pause_is_lost() -> None:
    asked = count(1)
    run = Simulation(lambda _: 0.5 if next(asked) % 1000 == 5 else None, 32, 0.05, 6000, silent, jitter=0.05)
    assert len(run.refused) == 7
    assert run.seconds <= 6000 * 0.05 / 32 + 7 * 0.3


def test_given_a_pause_when_a_request_waits_already_then_it_waits_for_the_end_of_the_pause() -> None:
    clock = FakeClock()
    pace = Pace(clock, Event())
    start = clock.monotonic()
    pace.refused(start, start, 1.0)

    def refuse_once() -> None:
        clock.on_wait = lambda: None
        pace.refused(clock.monotonic(), clock.monotonic(), 5.0)

    clock.on_wait = refuse_once
    assert pace.wait() >= start + 6.0


def test_given_refusals_of_requests_under_way_when_one_was_refused_then_they_do_not_slow_the_pace_further() -> None:
    clock = FakeClock()
    start = clock.monotonic()
    moments = []
    for refusals in (1, 30):
        pace = Pace(clock, Event())
        for _ in range(100):
            pace.served(start, start)
        for _ in range(refusals):
            pace.refused(start, start, 1.0)
        moments.append((pace.take(start), pace.take(start + 1.0), pace.take(start + 1.0)))
    assert moments[0] == moments[1]


def test_given_a_slow_refusal_of_a_request_from_before_when_it_comes_then_the_rate_stays_and_its_pause_is_kept() -> (
    None
):
    clock = FakeClock()
    pace = Pace(clock, Event())
    start = clock.monotonic()
    for _ in range(100):
        pace.served(start, start)
    pace.refused(start, start, 1.0)
    pace.served(start, start + 1.0)
    pace.refused(start, start + 3.0, 1.0)
    assert pace.take(start + 3.0) == pytest.approx(1.0)
    assert pace.take(start + 4.0) == 0.0
    assert pace.take(start + 4.0) == pytest.approx(1 / 98, rel=0.05)


def test_given_a_server_that_never_serves_when_it_names_no_pause_then_the_pauses_grow() -> None:
    clock = FakeClock()
    pace = Pace(clock, Event())
    moments = []
    for _ in range(12):
        moments.append(pace.wait())
        pace.refused(moments[-1], moments[-1], None)
    pauses = [later - earlier for earlier, later in pairwise(moments)]
    assert pauses[0] == pytest.approx(0.2)
    assert pauses == sorted(pauses)
    assert pauses[-1] == pytest.approx(30.0)


def test_given_the_end_of_a_sync_when_a_request_waits_then_it_is_stopped() -> None:
    clock, stopping = FakeClock(), Event()
    pace = Pace(clock, stopping)
    pace.refused(clock.monotonic(), clock.monotonic(), 60.0)
    clock.on_wait = stopping.set
    with pytest.raises(Stopped):
        pace.wait()
