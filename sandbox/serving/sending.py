"""Sends an answer: whole, in pieces, slowly, broken off or without an end."""

from __future__ import annotations

import asyncio
import socket
import struct
import zlib
from collections.abc import AsyncIterator, Iterator

import orjson
from aiohttp import web
from multidict import CIMultiDict

from sandbox.serving.faults import Action
from sandbox.serving.messages import FileBody, Reply

_BOM = b"\xef\xbb\xbf"
_FILLER = bytes(1 << 16)
_SLOW_STEPS = 20
"""Pieces in a second of a slowed body."""


async def send(request: web.BaseRequest, reply: Reply, headers: CIMultiDict[str], action: Action) -> web.StreamResponse:
    """The reply with further headers, as the action does it."""
    headers.extend(reply.headers)
    if reply.file is not None:
        headers.setdefault("Content-Type", reply.content_type)
        return await _send_file(request, reply.status, headers, reply.file, action)
    body = orjson.dumps(reply.payload) if reply.is_json else reply.body
    if body or reply.status == 200:
        headers.setdefault("Content-Type", reply.content_type)
    if action.bom:
        body = _BOM + body
    if action.broken_json:
        body = body[: max(len(body) // 2, 1)]
    if action.truncate_to is not None:
        body = body[: action.truncate_to]
    if action.slow or action.endless or action.stall_after is not None or action.truncate_after is not None:
        return await _send_pieces(request, reply.status, headers, iter((body,)), len(body), action)
    return web.Response(status=reply.status, headers=headers, body=body)


def reset(request: web.BaseRequest) -> web.StreamResponse:
    """The connection is reset."""
    if request.transport is not None:
        # Without lingering, closing sends a reset instead of an orderly end.
        no_linger = struct.pack("ii", 1, 0)
        request.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
        request.transport.abort()
    return web.Response(status=500)


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
    if length is not None and not action.endless:
        response.content_length = length
    else:
        response.enable_chunked_encoding()
    await response.prepare(request)
    if request.method == "HEAD":
        await response.write_eof()
        return response
    end = action.truncate_after if action.stall_after is None else action.stall_after
    sent = 0
    async for piece in _paced(_endless(pieces) if action.endless else pieces, action.slow):
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


def _endless(pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield from pieces
    while True:
        yield _FILLER


def _gzip(pieces: Iterator[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(6, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    for piece in pieces:
        packed = packer.compress(piece)
        if packed:
            yield packed
    yield packer.flush()
