"""The sandbox: a shop behind three listeners, run in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any

from sandbox.clock import TICKS, ClockMode, Moment
from sandbox.control import Control
from sandbox.serving.api import Api
from sandbox.serving.files import Files
from sandbox.serving.listener import Listener, Manners
from sandbox.serving.messages import Origin
from sandbox.serving.outages import Outage
from sandbox.shop.seed import fill
from sandbox.steering import Steering
from sandbox.switches import Switches

_HOST = "127.0.0.1"


class Sandbox(Steering):
    """A fake of the Customer's Canvas API on loopback; a context manager that serves while it is open."""

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
        hub_port: int = 0,
        files_per_project: int | None = None,
        file_size: int | None = None,
        keep_requests: int | None = None,
    ) -> None:
        """`latency` in seconds for each request; `start`: the first moment of the clock (None: now); ports 0: any
        free one; `keep_requests`: how many records are kept (None: all)."""
        super().__init__(seed, switches, clock, time_factor, start, file_size, keep_requests)
        files = Files(self.shop)
        manners = Manners(
            self.traffic, lambda: self.shop.now_ticks() / TICKS, lambda: self.switches.sets_cookie, latency
        )
        api = Api(self.shop, self.identity, files)
        self._listeners: dict[Origin, Listener] = {
            "api": Listener("api", api.answer, manners, Control(self).answer),
            "hub": Listener("hub", self.identity.hub, manners),
            "cdn": Listener("cdn", files.anonymous, manners),
        }
        self._ports: dict[Origin, int] = {"api": port, "hub": hub_port, "cdn": cdn_port}
        self._refusing: set[asyncio.Task[None]] = set()
        self.traffic.began_outage = self._begin_outage
        if not empty:
            fill(self.shop, projects, files_per_project, file_size)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="sandbox", daemon=True)

    def open(self) -> Sandbox:
        """Start to listen. Raises OSError when a port is taken."""
        self._thread.start()
        try:
            self._wait(self._open())
        except BaseException:
            self.close()
            raise
        self.url = self.shop.show.api_url = self._address("api")
        self.hub_url = self._address("hub")
        self.cdn_url = self.shop.show.cdn_url = self._address("cdn")
        for outage in self.traffic.outages:
            self._begin_outage(outage)
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

    def _address(self, origin: Origin) -> str:
        return f"http://{_HOST}:{self._listeners[origin].port}"  # ignore-https-check

    async def _open(self) -> None:
        for origin, listener in self._listeners.items():
            await listener.open(_HOST, self._ports[origin])

    async def _close(self) -> None:
        for task in self._refusing:
            task.cancel()
        await asyncio.gather(*(listener.close() for listener in self._listeners.values()))
        await self._loop.shutdown_default_executor()

    def _begin_outage(self, outage: Outage) -> None:
        """Connections are refused from when this returns, if the outage begins at once and nobody asked over HTTP."""
        if outage.kind != "refused" or not self._thread.is_alive():
            return
        refuses = [self._listeners[origin].refuse(outage) for origin in outage.origins]
        if threading.current_thread() is self._thread:
            self._refuse(refuses)
        else:
            self._wait(self._refusing_began(refuses))

    def _refuse(self, refuses: list[Coroutine[Any, Any, None]]) -> None:
        for work in refuses:
            task = self._loop.create_task(work)
            self._refusing.add(task)
            task.add_done_callback(self._refusing.discard)

    async def _refusing_began(self, refuses: list[Coroutine[Any, Any, None]]) -> None:
        self._refuse(refuses)
        # One turn of the loop, in which each of them stops listening.
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    def _wait(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()
