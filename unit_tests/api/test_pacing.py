"""How a pace meets limits that it is not told of, in simulated time: no thread, no sleep."""

import heapq
import math
import random
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from itertools import count
from threading import Condition, Event, Thread

import pytest

from source_customerscanvas.api import pacing
from source_customerscanvas.api.limits import limit_told_by
from source_customerscanvas.api.pacing import Pace
from source_customerscanvas.api.retrying import Patience
from source_customerscanvas.errors import Stopped
from unit_tests.http_server import FakeClock

Limit = Callable[[float, int], "float | None"]
"""Given the seconds since the start and the requests under way: None if one is served, else the seconds until then."""
Telling = Callable[[float, float], "float | None"]
"""What the server asks for, given the time of a refusal and the seconds until it would serve one."""

BEGINNING = 1000.0
TICKS = 2**30
"""Of a second."""
PATIENCE = 10.0
"""Seconds after which a thread that should have gone on is given up."""


def silent(now: float, wait: float) -> None:
    return None


def whole_seconds(now: float, wait: float) -> float:
    return math.floor(wait) + 1


def date(now: float, wait: float) -> float:
    return math.floor(now + wait + 1) - now


TELLING: dict[str, Telling] = {"silent": silent, "seconds": whole_seconds, "date": date}


def bucket(rate: float, burst: float) -> Limit:
    return changing_bucket([(0.0, rate)], burst)


def changing_bucket(rates: list[tuple[float, float | None]], burst: float) -> Limit:
    """Each rate (None: unlimited) from a time on."""
    level, at = burst, 0.0

    def ask(now: float, _: int) -> float | None:
        nonlocal level, at
        rate = [rate for since, rate in rates if since <= now][-1]
        passed, at = now - at, now
        if rate is None:
            return None
        level = min(burst, level + passed * rate)
        if level >= 1 - 1e-9:
            level -= 1
            return None
        return (1 - level) / rate

    return ask


def window(most: float, seconds: float, phase: float) -> Limit:
    """The first has begun before the sync, by `phase` of its length."""
    served: dict[int, int] = {}

    def ask(now: float, _: int) -> float | None:
        since = now + phase * seconds
        number = int(since / seconds)
        if served.get(number, 0) < most:
            served[number] = served.get(number, 0) + 1
            return None
        return (number + 1) * seconds - since

    return ask


def at_once(most: int) -> Limit:
    return lambda now, under_way: None if under_way <= most else 0.05


def no_limit(now: float, _: int) -> None:
    return None


@dataclass(frozen=True)
class Asked:
    """One request."""

    patience: Patience
    is_broken: bool


class Simulation:
    """Workers that each ask as soon as their last request was answered, as `ApiClient` does; times from the start.

    `status` tells of the limit. The requests of the numbers in `broken` are always answered by it.
    """

    def __init__(
        self,
        limit: Limit,
        workers: int,
        latency: float,
        total: int,
        telling: Telling = silent,
        late: float = 0.0,
        status: int = 429,
        broken: Collection[int] = (),
    ) -> None:
        self.sent: list[float] = []
        self.served: list[float] = []
        self.refused: list[float] = []
        self._limit = limit
        self._latency = latency
        self._left = total
        self._telling = telling
        self._late = late
        self._status = status
        self._broken = {total - number for number in broken}
        random.seed(1)
        self._clock = FakeClock()
        self._pace = Pace(self._clock, Event())
        self._queue: deque[Asked] = deque()
        self._under_way = 0
        self._turn: object = None
        self._order = count()
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        for _ in range(workers):
            self._at(0.0, self._want)
        while self._events:
            now, _, happen = heapq.heappop(self._events)
            self._clock.pass_until(BEGINNING + now)
            happen(now)

    @property
    def seconds(self) -> float:
        return self.served[-1]

    def rate(self, since: float, until: float) -> float:
        return sum(since <= moment < until for moment in self.served) / (until - since)

    def _at(self, moment: float, happen: Callable[[float], None]) -> None:
        # to ticks of a clock that are exact in binary, so that nothing comes early by a rounding
        heapq.heappush(self._events, (math.ceil(moment * TICKS) / TICKS, next(self._order), happen))

    def _want(self, now: float) -> None:
        if self._left:
            self._left -= 1
            self._queue.append(Asked(Patience(self._clock), self._left in self._broken))
            self._go(now)

    def _go(self, now: float) -> None:
        """Let leave what may."""
        self._turn = turn = object()
        while self._queue:
            pause = self._pace.take(BEGINNING + now)
            if pause is None:
                return  # an answer calls again
            if pause > 0:
                self._at(now + pause, lambda moment: self._go(moment) if turn is self._turn else None)
                return
            self.sent.append(now)
            self._at(now + self._way(), partial(self._arrive, sent=now, asked=self._queue.popleft()))

    def _way(self) -> float:
        late = random.expovariate(1 / LATE_SECONDS) if random.random() < self._late else 0.0
        return self._latency / 2 + random.uniform(0, SPREAD) + late

    def _arrive(self, now: float, sent: float, asked: Asked) -> None:
        self._under_way += 1
        wait = 0.0 if asked.is_broken else self._limit(now, self._under_way)
        self._at(now + self._way(), lambda moment: self._answer(moment, sent, wait, asked))

    def _answer(self, now: float, sent: float, wait: float | None, asked: Asked) -> None:
        self._under_way -= 1
        self._pace.end()
        if wait is None:
            self.served.append(now)
            self._pace.note_served(BEGINNING + sent, BEGINNING + now)
            self._want(now)
        else:
            self.refused.append(now)
            seconds = self._telling(now, wait)
            limit = limit_told_by(self._status, seconds, self._pace, BEGINNING + sent, BEGINNING + now)
            if limit is not None and limit.is_believed(asked.patience.refusals):
                pause = asked.patience.after_refusal(limit)
            else:
                pause = asked.patience.after_failure()
            if pause is None:
                self._want(now)
            else:
                self._at(now + pause, lambda moment: self._again(moment, asked))
        self._go(now)

    def _again(self, now: float, asked: Asked) -> None:
        self._queue.append(asked)
        self._go(now)


RATES = [2, 10, 50, 200]
LATENCIES = [0.005, 0.05, 0.2]
WORKERS = [2, 16, 64]
BUCKETS: dict[str, tuple[int, Callable[[float, float], Limit]]] = {
    "burst 1": (1, lambda rate, phase: bucket(rate, 1)),
    "burst 5": (5, lambda rate, phase: bucket(rate, 5)),
    "burst 50": (50, lambda rate, phase: bucket(rate, 50)),
    "by the second": (0, lambda rate, phase: window(rate, 1.0, phase)),
}
SECONDS = 40
"""That a limit is met for: what it costs to learn a rate is to be a small part of it."""

LATE_SECONDS = 0.005
"""By which, in the mean, a share of the requests comes later still, where a simulation has late ones."""

SPREAD = 0.0005
"""Seconds by which a request comes early or late: what has to come one by one needs as much more between two."""


def most_seconds(limit: str, rate: int, ideal: float, total: int, latency: float) -> float:
    if limit != "burst 1":
        return 1.25 * ideal
    # with nothing saved up, each refusal costs a second's pause and twice the way to the server and back: the four that
    # it takes cost 6 s of 40, and the search, from one request a second on, 4 (5 up to 200 a second)
    return (1.3 if latency >= 0.2 or rate >= 200 else 1.25) * (ideal + total * SPREAD)


def most_refused(sent: int, workers: int) -> float:
    """A twentieth, or as many as there are workers.

    When a limit is met first, all that is under way may be refused. Of a few hundred requests, that is all that would
    be allowed: nothing could be learned afterwards.
    """
    if sent < 2000:
        return workers + 0.05 * sent + 5
    return max(0.05 * sent, workers)


def meet(limit: str, rate: int, telling: str, latency: float, workers: int, status: int) -> None:
    burst, make = BUCKETS[limit]
    total = SECONDS * rate + burst
    run = Simulation(make(rate, 0.3), workers, latency, total, TELLING[telling], status=status)
    assert len(run.served) == total
    ideal = max(SECONDS, total * latency / workers)
    assert run.seconds <= most_seconds(limit, rate, ideal, total, latency)
    assert len(run.refused) <= most_refused(len(run.sent), workers)


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("latency", LATENCIES)
@pytest.mark.parametrize("telling", TELLING)
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("limit", BUCKETS)
def test_given_a_limit_when_a_sync_meets_it_then_at_most_a_quarter_of_the_time_is_lost_and_a_twentieth_refused(
    limit: str, rate: int, telling: str, latency: float, workers: int
) -> None:
    meet(limit, rate, telling, latency, workers, 429)


@pytest.mark.parametrize("workers", [16, 64])  # where two alone share the work, chance decides how often one is refused
@pytest.mark.parametrize("latency", LATENCIES)
@pytest.mark.parametrize("telling", ["silent", "seconds"])
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("limit", BUCKETS)
def test_given_a_limit_that_is_told_by_503_when_a_sync_meets_it_then_it_is_kept_as_well(
    limit: str, rate: int, telling: str, latency: float, workers: int
) -> None:
    meet(limit, rate, telling, latency, workers, 503)


@pytest.mark.parametrize("workers", [2, 16])
@pytest.mark.parametrize("telling", ["silent", "seconds"])
@pytest.mark.parametrize("rate", [2, 10, 50])
def test_given_requests_that_come_late_when_each_has_to_keep_its_distance_then_the_next_one_keeps_it(
    rate: int, telling: str, workers: int
) -> None:
    run = Simulation(bucket(rate, 1), workers, 0.005, SECONDS * rate, TELLING[telling], late=0.03)
    assert run.seconds <= 1.4 * SECONDS


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("latency", LATENCIES)
@pytest.mark.parametrize("telling", TELLING)
@pytest.mark.parametrize("rate", [2, 10, 50])
@pytest.mark.parametrize(("seconds", "windows"), [(10.0, 2.5), (10.0, 11.5), (60.0, 1.5), (60.0, 3.5)])
def test_given_a_limit_by_windows_when_met_then_they_are_used_up_and_little_is_refused(
    seconds: float, windows: float, rate: int, telling: str, latency: float, workers: int
) -> None:
    total = round(windows * rate * seconds)
    run = Simulation(window(rate * seconds, seconds, 0.0), workers, latency, total, TELLING[telling])
    assert run.seconds <= 1.25 * max(math.ceil(windows) * seconds, total * latency / workers)
    assert len(run.refused) <= most_refused(len(run.sent), workers)


@pytest.mark.parametrize("workers", [8, 32, 64])
@pytest.mark.parametrize("latency", LATENCIES)
@pytest.mark.parametrize("telling", ["silent", "seconds"])
def test_given_4_at_once_when_met_then_it_takes_at_most_two_and_a_half_times_as_long(
    telling: str, latency: float, workers: int
) -> None:
    total = round(30 * 4 / latency)
    run = Simulation(at_once(4), workers, latency, total, TELLING[telling])
    assert run.seconds <= 2.5 * 30
    assert len(run.refused) <= max(0.05 * total, workers)


@pytest.mark.parametrize(("workers", "latency"), [(16, 0.05), (32, 0.05), (32, 0.005), (64, 0.05)])
def test_given_no_limit_when_many_workers_ask_then_a_fifth_of_a_second_is_lost(workers: int, latency: float) -> None:
    run = Simulation(no_limit, workers, latency, 1900, whole_seconds)
    assert not run.refused
    assert run.seconds <= math.ceil(1900 / workers) * (latency + 0.0005) + 0.22


@pytest.mark.parametrize("telling", TELLING)
def test_given_a_limit_that_begins_later_when_met_then_it_is_kept(telling: str) -> None:
    run = Simulation(changing_bucket([(0, None), (3, 50)], 50), 32, 0.05, 3000, TELLING[telling])
    assert run.rate(0, 3) >= 550
    assert run.rate(20, 30) >= 25
    assert len(run.refused) <= 150


@pytest.mark.parametrize("telling", TELLING)
def test_given_somebody_else_who_used_up_a_window_when_the_next_begins_then_the_pause_is_no_measure_of_its_rate(
    telling: str,
) -> None:
    rest = bucket(50, 50)
    run = Simulation(
        lambda now, under_way: 20 - now if now < 20 else rest(now, under_way), 16, 0.05, 2000, TELLING[telling]
    )
    begun = run.served[0]
    assert begun <= 30
    assert run.seconds <= begun + 1.25 * 40


@pytest.mark.parametrize("telling", TELLING)
def test_given_a_limit_that_is_lifted_when_time_passes_then_the_full_speed_returns(telling: str) -> None:
    run = Simulation(changing_bucket([(0, 50), (20, None)], 50), 32, 0.05, 30_000, TELLING[telling])
    assert run.rate(run.seconds - 5, run.seconds - 1) >= 550
    assert run.seconds < 120


def test_given_an_outage_told_by_503_when_it_is_over_then_the_full_speed_returns() -> None:
    run = Simulation(lambda now, under_way: 1.0 if 3 <= now < 43 else None, 32, 0.05, 10_000)
    assert run.rate(43, 120) >= 50
    assert run.seconds <= 160


def test_given_a_rare_refusal_when_there_is_no_limit_then_little_more_than_its_pause_is_lost() -> None:
    asked = count(1)
    run = Simulation(lambda *_: 0.5 if next(asked) == 3000 else None, 32, 0.05, 6000)
    assert len(run.refused) == 1
    assert run.seconds <= 6000 * 0.0505 / 32 + 1.5


@pytest.mark.parametrize(("asked", "most"), [(None, 6), (60, 150)])
def test_given_a_request_that_503_always_answers_when_others_are_served_then_they_pause_once(
    asked: float | None, most: float
) -> None:
    run = Simulation(no_limit, 16, 0.05, 1000, lambda now, wait: asked, status=503, broken=[333])
    assert len(run.served) == 999
    # without it 3 s; after the pause, nobody knows yet what it was for, and the rate grows from what it was in the mean
    assert run.seconds <= most


@pytest.mark.parametrize("latency", [0.005, 0.05, 0.2])
def test_given_a_long_pause_when_asked_then_no_request_leaves_before_its_end_and_one_leaves_at_it(
    latency: float,
) -> None:
    run = Simulation(window(100, 30.0, 0.3), 32, latency, 300, lambda now, wait: 30.0)
    first = run.refused[0]
    # those refused meanwhile asked for 30 seconds from then on
    end = max(moment for moment in run.refused if moment <= first + latency * 1.1) + 30
    assert not [moment for moment in run.sent if first < moment < end - 1e-6]
    leaving = [moment for moment in run.sent if first < moment <= end + 1e-6]
    assert len(leaving) == 1


# The line in which workers wait


def test_given_a_pause_when_a_request_waits_already_then_it_waits_for_the_end_of_the_pause() -> None:
    clock = FakeClock()
    pace = Pace(clock, Event())
    start = clock.monotonic()
    pace.note_refused(start, start, 1.0)

    def refuse_once() -> None:
        clock.on_wait = lambda: None
        pace.note_refused(clock.monotonic(), clock.monotonic(), 5.0)

    clock.on_wait = refuse_once
    assert pace.wait() >= start + 6.0


def test_given_refusals_of_requests_under_way_when_one_was_refused_then_they_do_not_slow_the_pace_further() -> None:
    clock = FakeClock()
    start = clock.monotonic()
    moments = []
    for refusals in (1, 30):
        pace = Pace(clock, Event())
        for _ in range(100):
            pace.take(start)
            pace.end()
            pace.note_served(start, start)
        for _ in range(refusals):
            pace.note_refused(start, start, 1.0)
        first = pace.take(start), pace.take(start + 1.0)
        pace.end()
        pace.note_served(start + 1.0, start + 1.0)
        moments.append((*first, pace.take(start + 1.0)))
    assert moments[0] == moments[1]


def test_given_as_many_requests_under_way_as_may_be_when_one_is_answered_then_the_next_leaves_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    is_waiting = Event()

    class OnlyWhenNotified(Condition):
        def wait(self, timeout: float | None = None) -> bool:
            is_waiting.set()
            return super().wait(PATIENCE)

    monkeypatch.setattr(pacing, "Condition", OnlyWhenNotified)
    clock = FakeClock()
    pace = Pace(clock, Event())
    while pace.take(clock.monotonic()) == 0:
        pass
    following = Thread(target=pace.wait)
    following.start()
    assert is_waiting.wait(PATIENCE)
    pace.end()
    following.join(PATIENCE / 2)
    has_left = not following.is_alive()
    following.join()
    assert has_left


def test_given_the_end_of_a_sync_when_a_request_waits_then_it_is_stopped() -> None:
    clock, stopping = FakeClock(), Event()
    pace = Pace(clock, stopping)
    pace.note_refused(clock.monotonic(), clock.monotonic(), 60.0)
    clock.on_wait = stopping.set
    with pytest.raises(Stopped):
        pace.wait()
