"""What can be done with a sandbox while it serves: its shop, its time, what came in, and its misbehaviour."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any

from sandbox.clock import Clock, ClockMode, Moment, to_datetime
from sandbox.serving.faults import Fault, make_action
from sandbox.serving.identity import CLIENT_ID, CLIENT_SECRET, Identity
from sandbox.serving.limiter import Limiter
from sandbox.serving.messages import ORIGINS, Origin, RequestRecord
from sandbox.serving.outages import Outage, OutageKind, make_outage
from sandbox.serving.traffic import Hook, Traffic
from sandbox.shop import Shop
from sandbox.switches import Switches


class Steering:
    """`shop`, `switches` and the methods may be used from any thread. The addresses are known once it serves."""

    def __init__(
        self,
        seed: int,
        switches: Switches | None,
        clock: ClockMode,
        time_factor: float,
        start: Moment | None,
        file_size: int | None,
        keep_requests: int | None,
    ) -> None:
        self.switches = switches if switches is not None else Switches()
        self.clock = Clock(clock, time_factor, start)
        self.shop = Shop(self.clock, self.switches, seed, file_size)
        self.identity = Identity(self.clock, self.switches)
        self.traffic = Traffic(keep_requests)
        self.url = ""
        self.hub_url = ""
        self.cdn_url = ""

    def config(self, **overrides: Any) -> dict[str, Any]:
        """A connector config for this server."""
        return {
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "environment": {"region": "custom", "hub_url": self.hub_url, "api_url": self.url},
            **overrides,
        }

    # Time

    def now(self) -> datetime:
        """By the sandbox's clock; `shop.now()` is the shop's."""
        return to_datetime(self.clock.now())

    def advance(self, seconds: float) -> None:
        """Let time pass, and what is due happen."""
        self.clock.advance(seconds)
        with self.shop.lock:
            self.shop.catch_up()

    def expire_tokens(self) -> None:
        """No access token given out so far is good any more."""
        self.identity.expire_tokens()

    # What came in

    @property
    def requests(self) -> list[RequestRecord]:
        return self.traffic.requests

    def clear_requests(self) -> None:
        self.traffic.clear()

    def count(self, path: str = "", method: str | None = None) -> int:
        """How many requests came whose path matches the regular expression somewhere."""
        pattern = re.compile(path)
        return sum(
            1 for one in self.traffic.requests if method in (None, one.method) and pattern.search(one.path) is not None
        )

    @property
    def max_in_flight(self) -> int:
        """The most requests that were under way at once, since the start or the last `clear_requests`."""
        return self.traffic.max_in_flight

    # Misbehaviour

    def fault(
        self,
        path: str = "",
        method: str | None = None,
        query: Mapping[str, str] | None = None,
        origin: Origin | None = None,
        skip: int = 0,
        times: int | None = None,
        seconds: float | None = None,
        after: float = 0.0,
        **action: Any,
    ) -> Fault:
        """Misbehave as `action` says (see `faults.Action`) for the requests that match; `path` and the values of
        `query` are regular expressions. It begins `after` seconds from now and lasts `seconds` (None: until it is
        removed); these are real seconds and those of `advance`."""
        begins = self.clock.lifetime() + after
        fault = Fault(
            path=re.compile(path),
            action=make_action(action),
            method=method,
            query={name: re.compile(pattern) for name, pattern in (query or {}).items()},
            origin=origin,
            skip=skip,
            times=times,
            begins=begins,
            ends=None if seconds is None else begins + seconds,
            clock=self.clock.lifetime,
        )
        self.traffic.add_fault(fault)
        return fault

    def clear_faults(self) -> None:
        """Faults and outages."""
        self.traffic.clear_faults()
        self.traffic.clear_outages()

    def outage(
        self,
        kind: OutageKind = "503",
        where: Collection[Origin] = ORIGINS,
        seconds: float | None = None,
        after: float = 0.0,
    ) -> Outage:
        """Servers are away: each request gets 503, is reset, refused a connection, or hangs. Seconds as for faults."""
        outage = make_outage(self.clock.lifetime, kind, where, seconds, after)
        self.traffic.add_outage(outage)
        return outage

    def on(
        self,
        path: str,
        call: Callable[[], object] | Callable[[RequestRecord], object],
        nth: int | None = None,
        method: str | None = None,
    ) -> Hook:
        """Call a function before the nth matching request from now on (None: each) is answered."""
        hook = Hook(re.compile(path), nth, call, method)
        self.traffic.add_hook(hook)
        return hook

    def limit(
        self,
        requests_per_second: float | None,
        retry_after: str | None = "seconds",
        burst: float | None = None,
        window: float | None = None,
        at_once: int | None = None,
        status: int = 429,
        origin: Origin = "api",
    ) -> Limiter | None:
        """Refuse what comes faster, or more than `at_once`, at one of the servers (see `Limiter`); None: no limit."""
        if requests_per_second is None and at_once is None:
            self.traffic.limiters.pop(origin, None)
            return None
        limiter = Limiter(requests_per_second, retry_after, burst, window, at_once, status)
        self.traffic.limiters[origin] = limiter
        return limiter
