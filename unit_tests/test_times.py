"""Times as the API writes them, compared with what the standard library makes of them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_customerscanvas.times import SYSTEM_CLOCK, as_far_before, format_utc, minutes_before, parse_utc, to_utc

moments = st.datetimes(min_value=datetime(1000, 1, 1), max_value=datetime(9999, 12, 30))  # noqa: DTZ001 - a zone is added
offsets = st.integers(-14 * 60, 14 * 60)


@given(
    moment=moments, ticks=st.integers(0, 9), digits=st.integers(0, 7), zone=st.sampled_from(["", "Z", "z", "+00:00"])
)
def test_given_any_time_in_utc_when_read_then_its_digits_are_cut_to_six(
    moment: datetime, ticks: int, digits: int, zone: str
) -> None:
    fraction = f"{moment.microsecond:06d}{ticks}"[:digits]
    text = f"{moment:%Y-%m-%dT%H:%M:%S}" + (f".{fraction}" if fraction else "") + zone
    assert to_utc(text) == f"{moment:%Y-%m-%dT%H:%M:%S}.{fraction[:6]:0<6}Z"


@given(moment=moments, minutes=offsets, colon=st.booleans())
def test_given_any_time_with_an_offset_when_read_then_it_is_the_same_moment_in_utc(
    moment: datetime, minutes: int, colon: bool
) -> None:
    local = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    sign, (hours, rest) = "-" if minutes < 0 else "+", divmod(abs(minutes), 60)
    text = f"{local:%Y-%m-%dT%H:%M:%S.%f}7{sign}{hours:02d}{':' if colon else ''}{rest:02d}"
    try:
        expected = local.astimezone(timezone.utc)
    except OverflowError:
        return
    if expected.year >= 1000:
        assert to_utc(text) == expected.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@given(first=moments, second=moments)
def test_given_two_times_when_compared_as_text_then_they_are_in_the_order_of_the_times(
    first: datetime, second: datetime
) -> None:
    one, other = to_utc(first.isoformat()), to_utc(second.isoformat())
    assert one is not None
    assert other is not None
    assert (one < other) == (first < second)


@given(moment=moments)
def test_given_any_time_when_written_and_read_then_it_is_the_same(moment: datetime) -> None:
    aware = moment.replace(tzinfo=timezone.utc)
    text = format_utc(aware)
    assert parse_utc(text) == aware
    assert to_utc(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-03-05T10:11:12.1234567Z", "2024-03-05T10:11:12.123456Z"),
        ("2024-03-05T10:11:12.9999999Z", "2024-03-05T10:11:12.999999Z"),
        ("2024-03-05T10:11:12", "2024-03-05T10:11:12.000000Z"),
        ("2024-03-05 10:11:12", "2024-03-05T10:11:12.000000Z"),
        ("2024-03-05T10:11:12.5", "2024-03-05T10:11:12.500000Z"),
        ("2024-03-05T10:11:12.1234567+02:00", "2024-03-05T08:11:12.123456Z"),
        ("2024-12-31T23:30:00-01:00", "2025-01-01T00:30:00.000000Z"),
        ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000000Z"),
        ("0001-01-01T00:00:00", "0001-01-01T00:00:00.000000Z"),
    ],
)
def test_given_a_time_of_the_api_when_read_then_it_is_in_the_connectors_form(text: str, expected: str) -> None:
    assert to_utc(text) == expected


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        " ",
        "yesterday",
        "2023-02-29T00:00:00Z",
        "2024-03-05T24:00:00Z",
        "2024-03-05T10:11:60Z",
        "2024-13-01T00:00:00Z",
        "P1D",
        1709633472,
        True,
        ["2024-03-05T10:11:12Z"],
        {"date": "2024-03-05"},
        "x" * 100_000,
    ],
)
def test_given_something_that_is_no_time_when_read_then_it_is_none(value: Any) -> None:
    assert to_utc(value) is None


odd_texts = st.text(max_size=30) | st.from_regex(
    r"[1-8][0-9]{3}-[0-9]{1,2}-[0-9]{1,2}[T ][0-9]{1,2}:[0-9]{1,2}(:[0-9]{1,2})?(\.[0-9]*)?([+-][0-9]{2}:?[0-9]{2}|Z)?",
    fullmatch=True,
)


@given(odd_texts)
def test_given_any_text_when_read_then_it_is_none_or_a_time_of_the_connectors_form(text: str) -> None:
    read = to_utc(text)
    assert read is None or to_utc(read) == read


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+02:00", "9999-12-31T23:59:59-02:00"])
def test_given_a_time_that_its_offset_moves_out_of_the_calendar_when_read_then_it_is_none(text: str) -> None:
    assert to_utc(text) is None


def test_given_an_early_year_with_an_offset_when_read_then_it_has_four_digits() -> None:
    assert to_utc("0500-01-01T00:00:00+02:00") == "0499-12-31T22:00:00.000000Z"


@pytest.mark.parametrize("text", ["now", "12:34", "2024-03-05T10:11:12.\u0661\u0662Z"])
def test_given_a_text_that_only_a_lenient_parser_reads_when_read_then_it_is_none(text: str) -> None:
    assert to_utc(text) is None


@given(moment=moments, minutes=st.integers(0, 10**6))
def test_given_a_time_when_minutes_are_taken_from_it_then_it_lies_so_much_earlier(
    moment: datetime, minutes: int
) -> None:
    try:
        expected = moment.replace(tzinfo=timezone.utc) - timedelta(minutes=minutes)
    except OverflowError:
        return
    if expected.year >= 1000:
        assert minutes_before(format_utc(moment.replace(tzinfo=timezone.utc)), minutes) == format_utc(expected)


def test_given_the_system_clock_when_read_twice_then_it_does_not_go_back_and_knows_its_zone() -> None:
    before = SYSTEM_CLOCK.monotonic()
    assert SYSTEM_CLOCK.monotonic() >= before
    assert SYSTEM_CLOCK.now().utcoffset() == timedelta()


@pytest.mark.parametrize(
    ("moment", "other", "before"),
    [
        ("2026-01-31T12:00:00.000000Z", "2026-01-31T15:00:00.000001Z", "2026-01-31T08:59:59.999999Z"),
        ("2026-01-31T12:00:00.000000Z", "9999-12-31T23:59:59.999999Z", ""),
    ],
)
def test_given_a_time_after_a_moment_when_mirrored_then_it_lies_as_far_before_it(
    moment: str, other: str, before: str
) -> None:
    assert as_far_before(moment, other) == before
