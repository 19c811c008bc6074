"""How much the sandbox bears: requests made up beforehand, over as many connections as a sync has, nothing parsed."""

from __future__ import annotations

import asyncio
import sys
import time
from itertools import cycle
from urllib.parse import urlsplit

from bench.api import authorization, ids


async def main(url: str, what: str, connections: int, seconds: float) -> float:
    """Requests a second: `files` are a project's results and two files in turn, `pages` are pages of projects."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 80
    header = authorization(url)
    paths = _pages() if what == "pages" else _files(url, header)
    requests = cycle(
        [f"GET /api/{path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {header}\r\n\r\n".encode() for path in paths]
    )
    end = time.monotonic() + seconds

    async def ask() -> int:
        reader, writer = await asyncio.open_connection(host, port, limit=1 << 20)
        done = 0
        while time.monotonic() < end:
            writer.write(next(requests))
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(head.decode("ascii", "replace"))
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(int(length[15:]))
            done += 1
        writer.close()
        return done

    began = time.monotonic()
    done = sum(await asyncio.gather(*(ask() for _ in range(connections))))
    return done / (time.monotonic() - began)


def _files(url: str, header: str) -> list[str]:
    projects = ids(url, "storefront/v1/projects?take=100", header)
    artifacts = ids(url, "storage/v1/artifacts?take=100", header)
    results = [f"storefront/v1/projects/{id_}/processing-results" for id_ in projects]
    files = [f"storage/v1/artifacts/{id_}/file?attachment=true" for id_ in artifacts]
    return [path for one in zip(results, files[::2], files[1::2], strict=False) for path in one]


def _pages() -> list[str]:
    return [f"storefront/v1/projects?sorting=Id%20ASC&skip={100 * page}&take=100" for page in range(20)]


if __name__ == "__main__":
    sys.stdout.write(f"{asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))}\n")
