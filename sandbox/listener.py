"""One HTTP listener: takes a request in, lets faults and hooks at it, and sends the answer."""

from __future__ import annotations

import asyncio
import inspect
import socket
import struct
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from time import monotonic

import orjson
from aiohttp import web
from multidict import CIMultiDict

from sandbox.faults import Action, altered
from sandbox.messages import FileBody, Origin, Reply, RequestRecord, problem
from sandbox.traffic import Hook, Traffic

_SLOW_STEPS = 20
"""Pieces in a second of a slowed body."""
_NO_ACTION = Action()

Handler = Callable[[RequestRecord], Reply]


class Listener:
    """Serves one origin. `control` answers what is meant for the sandbox itself, untouched by faults and limits."""

    def __init__(
        self,
        origin: Origin,
        handler: Handler,
        traffic: Traffic,
        latency: float = 0.0,
        control: Handler | None = None,
        cookie: Callable[[], bool] = lambda: False,
    ) -> None:
        self._origin = origin
        self._handler = handler
        self._traffic = traffic
        self._latency = latency
        self._control = control
        self._cookie = cookie
        self._runner: web.ServerRunner | None = None
        self.port = 0

    async def open(self, host: str, port: int) -> None:
        server = web.Server(self._serve, access_log=None, keepalive_timeout=300, handler_cancellation=True)
        self._runner = web.ServerRunner(server, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, backlog=1024)
        await site.start()
        self.port = self._runner.addresses[0][1]

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
            return await self._pass(request, record)

    async def _pass(self, request: web.BaseRequest, record: RequestRecord) -> web.StreamResponse:
        try:
            for hook in self._traffic.hooks_for(record):
                # In another thread: a hook may call the server.
                await asyncio.get_running_loop().run_in_executor(None, _call, hook, record)
            fault = self._traffic.fault_for(record)
            action = fault.action if fault is not None else _NO_ACTION
            if action.delay or self._latency:
                await asyncio.sleep(action.delay + self._latency)
            if action.hang:
                await asyncio.Event().wait()
            if action.reset:
                return _reset(request)
            refusal = self._traffic.refusal() if self._origin == "api" else None
            if refusal is not None:
                reply = refusal
            elif fault is not None:
                reply = altered(action, lambda: self._handler(record))
            else:
                reply = self._handler(record)
        except Exception as error:
            self._traffic.errors.append(error)
            reply, action = problem(500, "The sandbox failed", repr(error)), _NO_ACTION
        return await self._send(request, record, reply, action)

    async def _send(
        self, request: web.BaseRequest, record: RequestRecord, reply: Reply, action: Action
    ) -> web.StreamResponse:
        record.status = reply.status
        headers = CIMultiDict(reply.headers)
        if self._cookie():
            headers.add("Set-Cookie", f"sandbox-session={self._origin}; Path=/; HttpOnly")
        if reply.file is not None:
            headers.setdefault("Content-Type", reply.content_type)
            return await _send_file(request, reply.status, headers, reply.file, action)
        body = orjson.dumps(reply.payload) if reply.is_json else reply.body
        if body or reply.status == 200:
            headers.setdefault("Content-Type", reply.content_type)
        if action.broken_json:
            body = body[: max(len(body) // 2, 1)]
        if action.truncate_to is not None:
            body = body[: action.truncate_to]
        if action.slow or action.stall_after is not None or action.truncate_after is not None:
            return await _send_pieces(request, reply.status, headers, iter((body,)), len(body), action)
        return web.Response(status=reply.status, headers=headers, body=body)


async def _send_file(
    request: web.BaseRequest, status: int, headers: CIMultiDict[str], file: FileBody, action: Action
) -> web.StreamResponse:
    stop = file.stop if action.truncate_to is None else min(file.stop, file.start + action.truncate_to)
    pieces = file.content.read(file.start, stop)
    length: int | None = stop - file.start
    if file.gzipped:
        pieces, length = _gzip(pieces), None
    return await _send_pieces(request, status, headers, pieces, length if file.sends_length else None, action)


async def _send_pieces(
    request: web.BaseRequest,
    status: int,
    headers: CIMultiDict[str],
    pieces: Iterator[bytes],
    length: int | None,
    action: Action,
) -> web.StreamResponse:
    response = web.StreamResponse(status=status, headers=headers)
    if length is not None:
        response.content_length = length
    else:
        response.enable_chunked_encoding()
    await response.prepare(request)
    if request.method == "HEAD":
        await response.write_eof()
        return response
    end = action.truncate_after if action.stall_after is None else action.stall_after
    sent = 0
    async for piece in _paced(pieces, action.slow):
        if end is not None and sent + len(piece) > end:
            await response.write(piece[: end - sent])
            if action.stall_after is not None:
                await asyncio.Event().wait()
            # Closed without an end, after what was written has left.
            response.force_close()
            if request.transport is not None:
                request.transport.close()
            return response
        sent += len(piece)
        await response.write(piece)
    await response.write_eof()
    return response


async def _paced(pieces: Iterator[bytes], rate: float | None) -> AsyncIterator[bytes]:
    if rate is None:
        for piece in pieces:
            yield piece
        return
    step = max(int(rate / _SLOW_STEPS), 1)
    for piece in pieces:
        for start in range(0, len(piece), step):
            part = piece[start : start + step]
            yield part
            await asyncio.sleep(len(part) / rate)


def _gzip(pieces: Iterator[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(6, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    for piece in pieces:
        packed = packer.compress(piece)
        if packed:
            yield packed
    yield packer.flush()


def _query(request: web.BaseRequest) -> dict[str, str]:
    """The query; a name that comes several times has its values joined by commas, as ASP.NET does."""
    if not request.rel_url.raw_query_string:
        return {}
    values: dict[str, str] = {}
    for name, value in request.rel_url.query.items():
        values[name] = f"{values[name]},{value}" if name in values else value
    return values


def _reset(request: web.BaseRequest) -> web.StreamResponse:
    if request.transport is not None:
        # Without lingering, closing sends a reset instead of an orderly end.
        no_linger = struct.pack("ii", 1, 0)
        request.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
        request.transport.abort()
    return web.Response(status=500)


def _call(hook: Hook, record: RequestRecord) -> None:
    """With the request where the function takes one."""
    if inspect.signature(hook.call).parameters:
        hook.call(record)
    else:
        hook.call()
