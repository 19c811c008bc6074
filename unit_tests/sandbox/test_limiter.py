"""Limits in each form, on a clock that only the test moves."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox import Limiter


class Time:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def admitted(limiter: Limiter, tries: int) -> int:
    """How many of so many requests at once go through; each is answered at once."""
    count = 0
    for _ in range(tries):
        if limiter.admit() is None:
            limiter.leave()
            count += 1
    return count


@pytest.mark.parametrize("burst", [1, 5, 50])
def test_given_a_bucket_when_it_is_empty_then_requests_come_through_at_its_rate(burst: int) -> None:
    time = Time()
    limiter = Limiter(10, burst=burst, clock=time)
    assert admitted(limiter, 100) == burst
    assert limiter.admit() == pytest.approx(0.1)
    time.seconds += 0.1001
    assert admitted(limiter, 100) == 1
    time.seconds += 3600
    assert admitted(limiter, 100) == burst
    assert (limiter.served, limiter.refused) == (2 * burst + 1, 300 - 2 * burst - 1 + 1)


@pytest.mark.parametrize("window", [1, 10, 60])
def test_given_a_window_when_its_requests_are_used_up_then_the_next_window_lets_as_many_through(window: int) -> None:
    time = Time()
    time.seconds = 1200 + window * 0.9
    limiter = Limiter(2, window=window, clock=time)
    assert admitted(limiter, 1000) == 2 * window
    assert limiter.admit() == pytest.approx(window * 0.1)
    time.seconds += window * 0.11
    assert admitted(limiter, 1000) == 2 * window


def test_given_four_at_once_when_one_is_answered_then_another_one_goes_through() -> None:
    limiter = Limiter(at_once=4)
    assert [limiter.admit() for _ in range(5)] == [None, None, None, None, 0.0]
    limiter.leave()
    assert [limiter.admit() for _ in range(2)] == [None, 0.0]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"at_once": 0},
        {"requests_per_second": 0},
        {"requests_per_second": 1, "retry_after": "minutes"},
        {"requests_per_second": 1, "window": 10, "burst": 2},
    ],
)
def test_given_a_limit_that_makes_no_sense_when_set_then_it_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"A limit|retry_after"):
        Limiter(**settings)
