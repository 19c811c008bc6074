"""Misbehaviour on command: which requests it meets, and what the server does to them."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from typing import Any

import orjson

from sandbox.serving.garbling import FORMS, encoded, garbled, without
from sandbox.serving.messages import Origin, Reply, RequestRecord, page, problem

GATEWAY_PAGE = b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
UNSET: Any = object()

PAGES: dict[str, Reply] = {
    "default backend": Reply(404, body=b"default backend - 404", content_type="text/plain; charset=utf-8"),
    "not found": page(404, "Not Found"),
    "forbidden": page(403, "Forbidden"),
    "bad gateway": page(502, "Bad Gateway"),
    "unavailable": page(503, "Service Temporarily Unavailable"),
    "expired": Reply(410, body=b"Request has expired", content_type="text/plain"),
}
"""What gateways, web servers and CDNs answer in the API's place."""


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
    """Alone: the API's own error, with a problem document."""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | str | None = None
    html: bool = False
    """The HTML page of a gateway, with 200 unless a status is given."""
    page: str | None = None
    """One of `PAGES`, with its status unless another is given."""
    problem: int | None = None
    """A problem document about this status, with 200 unless a status is given."""
    broken_json: bool = False
    """The first half of the real answer's JSON, as if it were whole."""
    json: Any = UNSET
    retry_after: str | int | None = None
    """A `Retry-After` header; without a status, 429."""
    retry_after_date: float | None = None
    """The same as an HTTP date, so many seconds from the answer's own `Date`."""
    redirect: str | None = None
    edit: Callable[[Any], Any] | None = None
    """Changes the JSON of the real answer."""
    garble: str | None = None
    """One of `garbling.FORMS` for the JSON of the real answer."""
    row: int | None = None
    """The id of the row that `garble` concerns; None: the first."""
    without: Collection[int] = ()
    """Ids that the real answer's list leaves out."""
    bom: bool = False
    """A byte order mark before the real answer's JSON."""
    truncate_after: int | None = None
    """The connection ends after so many bytes of the real body."""
    truncate_to: int | None = None
    """The real body cut to so many bytes, as if that were all."""
    slow: float | None = None
    """Bytes of the body in a second; may be less than one."""
    stall_after: int | None = None
    """Nothing follows so many bytes of the real body, until the client leaves."""
    endless: bool = False
    """The body, without a length, goes on after its end, until the client leaves."""


@dataclass(eq=False)
class Fault:
    """An action and the requests that it meets: after `skip` that match, the next `times` (None: all), from `begins`
    until `ends` (None: for ever) by a clock in seconds."""

    path: re.Pattern[str]
    action: Action
    method: str | None
    query: Mapping[str, re.Pattern[str]]
    origin: Origin | None
    skip: int
    times: int | None
    begins: float
    ends: float | None
    clock: Callable[[], float]
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
        now = self.clock()
        if now < self.begins or (self.ends is not None and now >= self.ends):
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


def make_action(description: Mapping[str, Any]) -> Action:
    """Raises ValueError: there is no such action, or it has no such value."""
    unknown = set(description) - set(Action.__dataclass_fields__)
    if unknown:
        raise ValueError(f"There is no fault {', '.join(sorted(unknown))}.")
    for name, known in (("page", PAGES), ("garble", FORMS)):
        if description.get(name) is not None and description[name] not in known:
            raise ValueError(f"{name} is one of {', '.join(known)}.")
    return Action(**description)


def altered(action: Action, answer: Callable[[], Reply], now: float) -> Reply:
    """The reply under a fault: made up, or the real one (asked for only then), perhaps edited. `now`: the server's."""
    headers = dict(action.headers)
    if action.retry_after is not None:
        headers["Retry-After"] = str(action.retry_after)
    if action.retry_after_date is not None:
        headers["Retry-After"] = formatdate(now + action.retry_after_date, usegmt=True)
    reply = _made_up(action, 429 if "Retry-After" in headers else None)
    if reply is None:
        reply = _edited(action, answer())
    reply.headers.update(headers)
    return reply


def _made_up(action: Action, status: int | None) -> Reply | None:
    """`status`: where the action gives none. None: the real answer is wanted."""
    if action.redirect is not None:
        return Reply(action.status or 302, headers={"Location": action.redirect})
    if action.html:
        return Reply(action.status or 200, body=GATEWAY_PAGE, content_type="text/html")
    if action.page is not None:
        known = PAGES[action.page]
        return replace(known, status=action.status or known.status, headers={})
    if action.problem is not None:
        return replace(problem(action.problem, "Misbehaving on command"), status=action.status or 200)
    if action.json is not UNSET:
        return Reply(action.status or 200, body=orjson.dumps(action.json))
    status = action.status or status
    if action.body is not None:
        body = action.body.encode() if isinstance(action.body, str) else action.body
        return Reply(status or 200, body=body)
    return None if status is None else problem(status, "Misbehaving on command")


def _edited(action: Action, reply: Reply) -> Reply:
    if not reply.is_json:
        return reply
    if action.edit is not None:
        reply = replace(reply, payload=action.edit(reply.payload))
    if action.without:
        reply = replace(reply, payload=without(reply.payload, action.without))
    if action.garble is not None:
        reply = replace(reply, payload=None, body=encoded(garbled(reply.payload, action.garble, action.row)))
    return reply
