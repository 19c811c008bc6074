"""Reads what a server has answered."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from email.utils import parsedate_to_datetime
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import orjson
import requests
import urllib3.exceptions

from source_customerscanvas.api.failures import Failed, network_failure
from source_customerscanvas.api.packed import LONG_LIST, Packed
from source_customerscanvas.api.speed import LeastSpeed
from source_customerscanvas.errors import ServerTrouble

_MOST_OF_ALL = 512 * 1024 * 1024
"""Bytes of an answer's body after which it is taken to have no end: those of 200,000 files are an eighth of it."""

_CHUNK = 256 * 1024
_MUCH_MORE = 8
"""A body that was cut off is assumed to be so many times what was read: the next request asks for few enough rows."""

_WORDS = ("title", "detail", "description", "error", "error_description")
_PROBLEM: Mapping[str, type] = {"type": str, "title": str, "status": int, "detail": str, "description": str}
_DIGITS = re.compile(r"\d{1,18}\Z", re.ASCII)

_LONG = 1024 * 1024
"""Bytes of an answer that is parsed a portion at a time."""
_BEGINNING_OF_LIST = re.compile(rb'"%b"\s*:\s*\[' % LONG_LIST.encode())
_BETWEEN_ROWS = re.compile(rb"\}\s*,\s*\{")
_PORTION = 64 * 1024


class TooHeavy(Exception):
    """The body is larger than wanted: `size` is about what it has, in bytes."""

    def __init__(self, size: int) -> None:
        super().__init__(f"{size} bytes")
        self.size = size


def read_body(response: requests.Response, speed: LeastSpeed, most: int | None = None) -> bytes:
    """The whole body, its compression undone. Raises `Failed` where it breaks off, `TooHeavy` beyond `most` bytes."""
    announced = response.headers.get("Content-Length", "")
    if most is not None and _DIGITS.match(announced) and int(announced) > most:
        raise TooHeavy(int(announced))
    body = BytesIO()
    size = 0
    try:
        while chunk := response.raw.read1(_CHUNK, decode_content=True):
            body.write(chunk)
            size += len(chunk)
            if most is not None and size > most:
                raise TooHeavy(_MUCH_MORE * size)
            if size > _MOST_OF_ALL:
                raise Failed(ServerTrouble(urlsplit(response.url).hostname or "", "its answer has no end"))
            speed.note(len(chunk))
    except (OSError, urllib3.exceptions.HTTPError, ValueError, OverflowError, MemoryError) as error:
        # the last three: a length that is negative, or more than a machine can hold
        raise network_failure(error, urlsplit(response.url).hostname or "") from None
    return body.getvalue()  # without a copy


def parsed(body: bytes) -> Any:
    """The JSON of a body. Raises `ValueError` where it is none.

    One bad value does not spoil the others: NaN and infinity become null. Half of a surrogate pair becomes a question
    mark; software that cuts names by length leaves such halves.
    """
    for parse in (_in_portions, orjson.loads) if len(body) > _LONG else (orjson.loads,):
        with suppress(ValueError, TypeError):
            return parse(body)
    try:
        text = body.decode(json.detect_encoding(body), "replace")
        value = json.loads(text, strict=False, parse_int=_integer, parse_float=_number, parse_constant=_no_number)
        text = json.dumps(value, ensure_ascii=False)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return orjson.loads(text.encode("utf-8", "replace"))


def _in_portions(body: bytes) -> Any:
    """The JSON of a long body, with its long list packed: parsed at once, the rows take several times the body's room.

    Raises `ValueError` where it has no such list, or is no JSON.
    """
    beginning = _BEGINNING_OF_LIST.search(body)
    if beginning is None:
        raise ValueError("there is no long list in it")
    start = beginning.end()
    orjson.loads(body[:start] + b"]}")  # the list of another object within it is not meant
    answer: dict[str, Any] = {}

    def rows() -> Iterator[Any]:
        rest, size = start, _PORTION
        while between := _BETWEEN_ROWS.search(body, rest + size):
            try:
                portion = orjson.loads(b"[%b]" % body[rest : between.start() + 1])
            except ValueError:
                size *= 2  # that was within a text or a row: what is whole up to a comma ends with a row
                continue
            yield from portion
            rest, size = between.end() - 1, _PORTION
        answer.update(orjson.loads(body[:start] + body[rest:]))
        yield from answer[LONG_LIST]

    packed = Packed(rows())
    return answer | {LONG_LIST: packed}


def _integer(digits: str) -> int | float | None:
    # Python refuses to read a number of thousands of digits
    return int(digits) if len(digits) < 25 else _number(digits)


def _number(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


def _no_number(_: str) -> None:
    return None


def is_problem(answer: Any) -> bool:
    """Whether a parsed answer is a problem or conflict document, as the API writes them (RFC 9457)."""
    return isinstance(answer, dict) and any(
        isinstance(answer.get(name), kind) and not isinstance(answer[name], bool) for name, kind in _PROBLEM.items()
    )


def document_of(body: bytes) -> dict[str, Any] | None:
    """The JSON object that a body is; None where it is anything else."""
    try:
        document = parsed(body)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def words_of(body: bytes) -> str:
    """What a problem or conflict document says; nothing where it is none."""
    document = document_of(body) or {}
    words = [document.get(key) for key in _WORDS]
    return ": ".join(word for word in words if isinstance(word, str) and word)


def retry_after(response: requests.Response, now: datetime) -> float | None:
    """Seconds to wait, from either form of `Retry-After`; None where it is absent or says nothing.

    A date is counted from the one that the answer bears: the server's clock may be hours from ours. `now` is for an
    answer without one.
    """
    text = response.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text), 1e9) or None
    until = moment_of(text)
    if until is None:
        return None
    seconds = (until - (moment_of(response.headers.get("Date", "")) or now)).total_seconds()
    return seconds if seconds > 0 else None


def moment_of(text: str) -> datetime | None:
    """The time of a header such as `Date`, aware; None where it is none."""
    try:
        moment = parsedate_to_datetime(text)
        return moment if moment.tzinfo and moment.utcoffset() is not None else None
    except (TypeError, ValueError, OverflowError):
        return None
