"""One HTTP listener: takes a request in, lets faults, outages, limits and hooks at it, and sends the answer."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from time import monotonic

from aiohttp import web
from multidict import CIMultiDict

from sandbox.serving.faults import Action, altered
from sandbox.serving.limiter import Limiter
from sandbox.serving.messages import Origin, Reply, RequestRecord, page, problem
from sandbox.serving.outages import Outage
from sandbox.serving.sending import reset, send
from sandbox.serving.traffic import Hook, Traffic

_NO_ACTION = Action()
_OUTAGE_ACTIONS = {
    "503": Action(page="unavailable"),
    "reset": Action(reset=True),
    # A connection that was kept from before; new ones are refused.
    "refused": Action(reset=True),
    "hang": Action(hang=True),
}
_LOOK_AGAIN = 0.01
"""Seconds between two looks at the clock while an outage refuses connections."""

Handler = Callable[[RequestRecord], Reply]


@dataclass(frozen=True)
class Manners:
    """What all listeners of a sandbox have in common. `date`: the shop's time in seconds since 1970."""

    traffic: Traffic
    date: Callable[[], float]
    sets_cookie: Callable[[], bool]
    latency: float = 0.0


class Listener:
    """Serves one origin. `control` answers what is meant for the sandbox itself, untouched by faults and limits."""

    def __init__(self, origin: Origin, handler: Handler, manners: Manners, control: Handler | None = None) -> None:
        self._origin = origin
        self._handler = handler
        self._manners = manners
        self._traffic = manners.traffic
        self._control = control
        self._runner: web.ServerRunner | None = None
        self._site: web.TCPSite | None = None
        self._host = ""
        self.port = 0

    async def open(self, host: str, port: int) -> None:
        server = web.Server(self._serve, access_log=None, keepalive_timeout=300, handler_cancellation=True)
        self._host = host
        self._runner = web.ServerRunner(server, shutdown_timeout=0.2)
        await self._runner.setup()
        await self._listen(self._runner, port)
        self.port = self._runner.addresses[0][1]

    async def _listen(self, runner: web.ServerRunner, port: int) -> None:
        self._site = web.TCPSite(runner, self._host, port, backlog=1024)
        await self._site.start()

    async def refuse(self, outage: Outage) -> None:
        """Refuse connections while the outage lasts."""
        await _until(lambda: outage.is_on or outage.is_over)
        if self._site is None or self._runner is None or outage.is_over:
            return
        await self._site.stop()
        self._site = None
        await _until(lambda: outage.is_over)
        await self._listen(self._runner, self.port)

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        url = request.rel_url
        record = RequestRecord(
            order=self._traffic.next_order(),
            origin=self._origin,
            method=request.method,
            # Undecoded, so that an encoded slash in an id stays one.
            path=url.raw_path,
            query=_query(request),
            headers=request.headers,
            body=await request.read() if request.body_exists else b"",
            at=monotonic(),
        )
        if self._control is not None and record.path.startswith("/sandbox"):
            return await self._send(request, record, self._control(record), _NO_ACTION)
        with self._traffic.passing(record):
            limiter = self._traffic.limiters.get(self._origin)
            wait = limiter.admit() if limiter is not None else None
            try:
                refusal = self._refusal(limiter, wait) if limiter is not None and wait is not None else None
                return await self._pass(request, record, refusal)
            finally:
                if limiter is not None and wait is None:
                    limiter.leave()

    async def _pass(self, request: web.BaseRequest, record: RequestRecord, refusal: Reply | None) -> web.StreamResponse:
        try:
            for hook in self._traffic.hooks_for(record):
                # In another thread: a hook may call the server.
                await asyncio.get_running_loop().run_in_executor(None, _call, hook, record)
            outage = self._traffic.outage_at(self._origin)
            fault = self._traffic.fault_for(record) if outage is None else None
            action = fault.action if fault is not None else _NO_ACTION
            if outage is not None:
                action = _OUTAGE_ACTIONS[outage.kind]
            if action.delay or self._manners.latency:
                await asyncio.sleep(action.delay + self._manners.latency)
            if action.hang:
                await asyncio.Event().wait()
            if action.reset:
                return reset(request)
            if refusal is not None:
                reply = refusal
            elif action is not _NO_ACTION:
                reply = altered(action, lambda: self._handler(record), self._manners.date())
            else:
                reply = self._handler(record)
        except Exception as error:
            self._traffic.errors.append(error)
            reply, action = problem(500, "The sandbox failed", repr(error)), _NO_ACTION
        return await self._send(request, record, reply, action)

    def _refusal(self, limiter: Limiter, wait: float) -> Reply:
        reply = problem(429, "Too Many Requests") if limiter.status == 429 else _unavailable(limiter.status)
        if limiter.retry_after == "seconds":
            reply.headers["Retry-After"] = str(int(wait) + 1)
        elif limiter.retry_after == "date":
            reply.headers["Retry-After"] = formatdate(self._manners.date() + wait + 1, usegmt=True)
        return reply

    async def _send(
        self, request: web.BaseRequest, record: RequestRecord, reply: Reply, action: Action
    ) -> web.StreamResponse:
        record.status = reply.status
        headers = CIMultiDict[str]()
        if "Date" not in reply.headers:
            headers["Date"] = formatdate(self._manners.date(), usegmt=True)
        if self._manners.sets_cookie():
            headers.add("Set-Cookie", f"sandbox-session={self._origin}; Path=/; HttpOnly")
        return await send(request, reply, headers, action)


async def _until(is_so: Callable[[], bool]) -> None:
    while not is_so():
        await asyncio.sleep(_LOOK_AGAIN)


def _unavailable(status: int) -> Reply:
    """As a gateway says it, which has no problem documents."""
    return page(status, "Service Temporarily Unavailable")


def _query(request: web.BaseRequest) -> dict[str, str]:
    """The query; a name that comes several times has its values joined by commas, as ASP.NET does."""
    if not request.rel_url.raw_query_string:
        return {}
    values: dict[str, str] = {}
    for name, value in request.rel_url.query.items():
        values[name] = f"{values[name]},{value}" if name in values else value
    return values


def _call(hook: Hook, record: RequestRecord) -> None:
    """With the request where the function takes one."""
    if inspect.signature(hook.call).parameters:
        hook.call(record)
    else:
        hook.call()
