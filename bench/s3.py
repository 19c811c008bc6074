"""A server that speaks as much of S3 as an upload needs, in a process of its own.

It reads every byte and keeps the sizes only, as neither its disk nor its memory is what is measured. `GET /` tells the
sizes of all objects and forgets them.
"""

from __future__ import annotations

import asyncio
import sys
from itertools import count

from aiohttp import web

_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"  # ignore-https-check


class Objects:
    """What was uploaded: the size of each object, and those of the parts of uploads under way."""

    def __init__(self) -> None:
        self._sizes: dict[str, int] = {}
        self._parts: dict[str, dict[str, int]] = {}
        self._numbers = count(1)

    async def put(self, request: web.Request) -> web.Response:
        size = 0
        async for chunk in request.content.iter_any():
            size += len(chunk)
        upload = request.query.get("uploadId")
        if upload is None:
            self._sizes[request.path] = size
        else:
            self._parts[upload][request.query["partNumber"]] = size
        return web.Response(headers={"ETag": f'"{next(self._numbers)}"'})

    async def post(self, request: web.Request) -> web.Response:
        await request.read()
        if "uploads" in request.query:
            upload = str(next(self._numbers))
            self._parts[upload] = {}
            return _xml("InitiateMultipartUploadResult", UploadId=upload)
        parts = self._parts.pop(request.query["uploadId"])
        self._sizes[request.path] = sum(parts.values())
        return _xml("CompleteMultipartUploadResult", Key=request.path, ETag=f'"{next(self._numbers)}"')

    async def head(self, request: web.Request) -> web.Response:
        size = self._sizes.get(request.path)
        if size is None:
            return web.Response(status=404)
        headers = {"Content-Length": str(size), "Last-Modified": "Sat, 01 Aug 2026 12:00:00 GMT", "ETag": '"1"'}
        return web.Response(headers=headers)

    async def delete(self, request: web.Request) -> web.Response:
        self._parts.pop(request.query.get("uploadId", ""), None)
        return web.Response(status=204)

    async def tell(self, request: web.Request) -> web.Response:
        sizes, self._sizes = self._sizes, {}
        return web.json_response(list(sizes.values()))


def _xml(name: str, **values: str) -> web.Response:
    inner = "".join(f"<{key}>{value}</{key}>" for key, value in values.items())
    text = f'<?xml version="1.0" encoding="UTF-8"?><{name} xmlns="{_NAMESPACE}">{inner}</{name}>'
    return web.Response(text=text, content_type="application/xml")


async def main() -> None:
    objects = Objects()
    app = web.Application()
    app.router.add_get("/", objects.tell, allow_head=False)
    app.router.add_put("/{path:.+}", objects.put)
    app.router.add_post("/{path:.+}", objects.post)
    app.router.add_head("/{path:.+}", objects.head)
    app.router.add_delete("/{path:.+}", objects.delete)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    sys.stdout.write(f"{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    # the end of its input is its own
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main())
