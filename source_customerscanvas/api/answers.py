"""Reads what a server has answered."""

import json
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import orjson
import requests
import urllib3.exceptions

from source_customerscanvas.api.failures import network_failure

_MOST_OF_AN_ERROR = 64 * 1024
_ERROR_CHUNK = 8 * 1024
_WORDS = ("title", "detail", "description", "error")


def read_body(response: requests.Response) -> bytes:
    """The whole body. Raises `Failed` where it breaks off."""
    try:
        return response.raw.read(decode_content=True) or b""
    except (OSError, urllib3.exceptions.HTTPError, ValueError, OverflowError, MemoryError) as error:
        # beside what breaks: a length that is negative, or more than a machine can hold
        raise network_failure(error, urlsplit(response.url).hostname or "") from None


def read_beginning(response: requests.Response) -> bytes:
    """Of a body that nobody asked for, as much as a problem document needs: the rest may have no end.

    One that is read whole leaves its connection to the next request.
    """
    body = b""
    try:
        while len(body) < _MOST_OF_AN_ERROR and (chunk := response.raw.read1(_ERROR_CHUNK, decode_content=True)):
            body += chunk
    except (OSError, urllib3.exceptions.HTTPError):
        pass  # the status has come, and says more than its explanation
    return body


def parsed(body: bytes) -> Any:
    """The JSON of a body. Raises `ValueError` where it is none."""
    try:
        return orjson.loads(body)
    except ValueError:
        pass
    try:
        # half an emoji, as software that cuts names by length leaves it, is no error of a whole page
        text = json.dumps(json.loads(body), ensure_ascii=False)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return orjson.loads(text.encode("utf-8", "replace"))


def words_of(body: bytes) -> str:
    """What a problem or conflict document says; nothing where it is none."""
    try:
        document = orjson.loads(body)
    except ValueError:
        return ""
    if not isinstance(document, dict):
        return ""
    words = [document.get(key) for key in _WORDS]
    return ": ".join(word for word in words if isinstance(word, str) and word)


def retry_after(response: requests.Response, now: datetime) -> float | None:
    """Seconds to wait, from either form of `Retry-After`; None where it is absent or says nothing."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text) or None
    try:
        seconds = (parsedate_to_datetime(text) - now).total_seconds()
    except (TypeError, ValueError, OverflowError):
        return None
    return seconds if seconds > 0 else None
