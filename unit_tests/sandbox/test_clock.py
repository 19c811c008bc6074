"""Times in all the spellings of .NET."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.clock import Clock, format_ticks, to_ticks


@pytest.mark.parametrize(
    ("style", "text"),
    [
        ("7Z", "2024-03-05T10:11:12.1234567Z"),
        ("0", "2024-03-05T10:11:12Z"),
        ("+00:00", "2024-03-05T10:11:12.1234567+00:00"),
        ("offset", "2024-03-05T12:11:12.1234567+02:00"),
        ("none", "2024-03-05T10:11:12.1234567"),
    ],
)
def test_given_a_moment_when_formatted_then_it_reads_back_as_the_same_moment(style: Any, text: str) -> None:
    ticks = to_ticks("2024-03-05T10:11:12.1234567Z")
    assert format_ticks(ticks, style) == text
    assert to_ticks(text) == (ticks if style != "0" else ticks - 1234567)


def test_given_a_manual_clock_when_advanced_then_only_that_much_time_passed() -> None:
    clock = Clock("manual", start="2024-03-05")
    clock.advance(90)
    assert clock.now() == to_ticks("2024-03-05T00:01:30Z")
