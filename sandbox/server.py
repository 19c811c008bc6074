"""The sandbox: a shop behind two listeners, run in a thread of its own."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any

from sandbox.api import Api
from sandbox.clock import Clock, ClockMode, Moment, to_datetime
from sandbox.control import Control
from sandbox.faults import Fault, Limiter, make_fault
from sandbox.files import Files
from sandbox.identity import CLIENT_ID, CLIENT_SECRET, Identity
from sandbox.listener import Listener
from sandbox.messages import Origin, RequestRecord
from sandbox.seed import fill
from sandbox.shop import Shop
from sandbox.switches import Switches
from sandbox.traffic import Hook, Traffic

_HOST = "127.0.0.1"


class Sandbox:
    """A fake of the Customer's Canvas API on loopback; a context manager that serves while it is open.

    `shop`, `switches` and the methods below may be used from any thread while it serves.
    """

    def __init__(
        self,
        projects: int = 120,
        seed: int = 1,
        latency: float = 0.0,
        switches: Switches | None = None,
        empty: bool = False,
        clock: ClockMode = "manual",
        time_factor: float = 1.0,
        start: Moment | None = None,
        port: int = 0,
        cdn_port: int = 0,
        files_per_project: int | None = None,
        file_size: int | None = None,
        keep_requests: int | None = None,
    ) -> None:
        """`latency` in seconds for each request; `start`: the first moment of the clock (None: now); ports 0: any
        free one; `keep_requests`: how many records are kept (None: all)."""
        self.switches = switches if switches is not None else Switches()
        self.clock = Clock(clock, time_factor, start)
        self.shop = Shop(self.clock, self.switches, seed, file_size)
        self.identity = Identity(self.clock, self.switches)
        self.traffic = Traffic(keep_requests)
        files = Files(self.shop)
        api = Api(self.shop, self.identity, files)
        self._ports = (port, cdn_port)
        self._api_listener = Listener(
            "api", api.answer, self.traffic, latency, Control(self).answer, lambda: self.switches.sets_cookie
        )
        self._cdn_listener = Listener(
            "cdn", files.anonymous, self.traffic, latency, cookie=lambda: self.switches.sets_cookie
        )
        if not empty:
            fill(self.shop, projects, files_per_project, file_size)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="sandbox", daemon=True)
        self.url = ""
        self.cdn_url = ""

    def open(self) -> Sandbox:
        """Start to listen. Raises OSError when a port is taken."""
        self._thread.start()
        try:
            self._wait(self._open())
        except BaseException:
            self.close()
            raise
        self.url = self.shop.show.api_url = f"http://{_HOST}:{self._api_listener.port}"  # ignore-https-check
        self.cdn_url = self.shop.show.cdn_url = f"http://{_HOST}:{self._cdn_listener.port}"  # ignore-https-check
        return self

    def close(self) -> None:
        self._wait(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Sandbox:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if error is None and self.traffic.errors:
            raise self.traffic.errors[0]

    async def _open(self) -> None:
        await self._api_listener.open(_HOST, self._ports[0])
        await self._cdn_listener.open(_HOST, self._ports[1])

    async def _close(self) -> None:
        await asyncio.gather(self._api_listener.close(), self._cdn_listener.close())
        await self._loop.shutdown_default_executor()

    def _wait(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def config(self, **overrides: Any) -> dict[str, Any]:
        """A connector config for this server."""
        return {
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "environment": {"region": "custom", "hub_url": self.url, "api_url": self.url},
            **overrides,
        }

    # Time

    def now(self) -> datetime:
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
        **action: Any,
    ) -> Fault:
        """Misbehave as `action` says (see `faults.Action`) for the requests that match."""
        fault = make_fault(path, method, query, origin, skip, times, **action)
        self.traffic.add_fault(fault)
        return fault

    def clear_faults(self) -> None:
        self.traffic.clear_faults()

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
        self, requests_per_second: float | None, retry_after: str | None = "seconds", burst: float | None = None
    ) -> None:
        """Answer 429 to what comes faster; None: no limit."""
        self.traffic.limiter = None if requests_per_second is None else Limiter(requests_per_second, retry_after, burst)
