"""Misbehaviour on command: which requests it meets, and what the server does to them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from typing import Any

import orjson

from sandbox.messages import Origin, Reply, RequestRecord, problem

GATEWAY_PAGE = b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
UNSET: Any = object()


@dataclass(frozen=True)
class Action:
    """What a fault does. Several can be combined, such as `status` with `headers`, `body` and `delay`."""

    delay: float = 0.0
    """Seconds before anything else."""
    hang: bool = False
    """No answer, until the client leaves."""
    reset: bool = False
    """The connection is reset without an answer."""
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | str | None = None
    html: bool = False
    """The HTML page of a gateway, with 200 unless a status is given."""
    broken_json: bool = False
    """The first half of the real answer's JSON, as if it were whole."""
    json: Any = UNSET
    retry_after: str | int | None = None
    """A `Retry-After` header; without a status, 429."""
    retry_after_date: float | None = None
    """The same as an HTTP date, so many seconds from now."""
    redirect: str | None = None
    edit: Callable[[Any], Any] | None = None
    """Changes the JSON of the real answer."""
    truncate_after: int | None = None
    """The connection ends after so many bytes of the real body."""
    truncate_to: int | None = None
    """The real body cut to so many bytes, as if that were all."""
    slow: float | None = None
    """Bytes of the body in a second."""
    stall_after: int | None = None
    """Nothing follows so many bytes of the real body, until the client leaves."""


@dataclass(eq=False)
class Fault:
    """An action and the requests that it meets: after `skip` that match, the next `times` (None: all)."""

    path: re.Pattern[str]
    action: Action
    method: str | None = None
    query: dict[str, re.Pattern[str]] = field(default_factory=dict)
    origin: Origin | None = None
    skip: int = 0
    times: int | None = None
    hits: int = 0
    seen: int = 0
    removed: bool = False

    def remove(self) -> None:
        self.removed = True

    def matches(self, request: RequestRecord) -> bool:
        if self.removed or not self.path.search(request.path):
            return False
        if self.origin not in (None, request.origin) or self.method not in (None, request.method):
            return False
        return all(
            name in request.query and pattern.search(request.query[name]) for name, pattern in self.query.items()
        )

    def strikes(self, request: RequestRecord) -> bool:
        """Whether it meets this request; counts it."""
        if not self.matches(request):
            return False
        self.seen += 1
        if self.seen <= self.skip or (self.times is not None and self.hits >= self.times):
            return False
        self.hits += 1
        return True


def make_fault(
    path: str = "",
    method: str | None = None,
    query: Mapping[str, str] | None = None,
    origin: Origin | None = None,
    skip: int = 0,
    times: int | None = None,
    **action: Any,
) -> Fault:
    """A fault from its description; `path` and the values of `query` are regular expressions."""
    unknown = set(action) - set(Action.__dataclass_fields__)
    if unknown:
        raise ValueError(f"There is no fault {', '.join(sorted(unknown))}.")
    patterns = {name: re.compile(pattern) for name, pattern in (query or {}).items()}
    return Fault(re.compile(path), Action(**action), method, patterns, origin, skip, times)


def altered(action: Action, answer: Callable[[], Reply]) -> Reply:
    """The reply under a fault: made up, or the real one (asked for only then), perhaps edited."""
    headers = dict(action.headers)
    if action.retry_after is not None:
        headers["Retry-After"] = str(action.retry_after)
    if action.retry_after_date is not None:
        headers["Retry-After"] = formatdate(time.time() + action.retry_after_date, usegmt=True)
    if action.redirect is not None:
        return Reply(action.status or 302, headers={"Location": action.redirect, **headers})
    if action.html:
        return Reply(action.status or 200, body=GATEWAY_PAGE, headers=headers, content_type="text/html")
    if action.json is not UNSET:
        return Reply(action.status or 200, body=orjson.dumps(action.json), headers=headers)
    status = action.status
    if status is None and "Retry-After" in headers:
        status = 429
    if action.body is not None:
        body = action.body.encode() if isinstance(action.body, str) else action.body
        return Reply(status or 200, body=body, headers=headers)
    if status is not None:
        reply = problem(status, "Misbehaving on command")
        reply.headers.update(headers)
        return reply
    reply = answer()
    reply.headers.update(headers)
    if action.edit is not None and reply.is_json:
        reply = replace(reply, payload=action.edit(reply.payload))
    return reply


class Limiter:
    """A token bucket: `rate` requests a second, and at once no more than `burst`."""

    def __init__(self, rate: float, retry_after: str | None = "seconds", burst: float | None = None) -> None:
        if retry_after not in ("seconds", "date", None):
            raise ValueError("retry_after is 'seconds', 'date' or None.")
        self._rate = rate
        self._burst = max(rate if burst is None else burst, 1.0)
        self._retry_after = retry_after
        self._left = self._burst
        self._at = time.monotonic()

    def refusal(self) -> Reply | None:
        now = time.monotonic()
        self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left >= 1:
            self._left -= 1
            return None
        reply = problem(429, "Too Many Requests")
        wait = (1 - self._left) / self._rate
        if self._retry_after == "seconds":
            reply.headers["Retry-After"] = str(int(wait) + 1)
        elif self._retry_after == "date":
            reply.headers["Retry-After"] = formatdate(time.time() + wait + 1, usegmt=True)
        return reply
