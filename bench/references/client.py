"""The reference for downloads: a bare asyncio client that fetches all files of a shop, without anything around it.

It asks for a token, lists the projects, asks for each project's results and streams the files to disk, under the
names that the connector gives them. Nothing is retried, resumed, checked, hashed or remembered, no record is written.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import aiohttp

_PAGE = 100
_CHUNK = 1 << 16


async def main(url: str, client_id: str, secret: str, folder: Path, connections: int) -> None:
    connector = aiohttp.TCPConnector(limit=connections)
    async with aiohttp.ClientSession(connector=connector) as session:
        form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
        async with session.post(f"{url}/connect/token", data=form) as answer:
            token = (await answer.json())["access_token"]
        session.headers["Authorization"] = f"Bearer {token}"
        storefronts = await _get(session, f"{url}/api/storefront/v1/storefronts")
        queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

        async def work() -> None:
            while (project := await queue.get()) is not None:
                await _fetch_project(session, url, folder, project)

        workers = [asyncio.create_task(work()) for _ in range(connections)]
        for storefront in storefronts["items"]:
            await _list(session, url, storefront["id"], queue)
        for _ in workers:
            queue.put_nowait(None)
        await asyncio.gather(*workers)


async def _list(
    session: aiohttp.ClientSession, url: str, storefront: int, queue: asyncio.Queue[dict[str, Any] | None]
) -> None:
    skip, total = 0, 1
    while skip < total:
        query = f"storefrontId={storefront}&sorting=Id%20ASC&skip={skip}&take={_PAGE}"
        page = await _get(session, f"{url}/api/storefront/v1/projects?{query}")
        total = page["total"]
        skip += len(page["items"])
        for project in page["items"]:
            queue.put_nowait(project)


async def _fetch_project(session: aiohttp.ClientSession, url: str, folder: Path, project: dict[str, Any]) -> None:
    results = await _get(session, f"{url}/api/storefront/v1/projects/{project['id']}/processing-results")
    place = folder / str(project["storefrontId"]) / str(project["orderId"]) / str(project["id"])
    place.mkdir(parents=True, exist_ok=True)
    for file in results["outputFileDetails"] or ():
        address = f"{url}/api/storage/v1/artifacts/{file['artifactId']}/file?attachment=true"
        async with session.get(address) as answer:
            answer.raise_for_status()
            with (place / file["name"]).open("wb") as target:
                async for chunk in answer.content.iter_chunked(_CHUNK):
                    target.write(chunk)


async def _get(session: aiohttp.ClientSession, url: str) -> Any:
    async with session.get(url) as answer:
        answer.raise_for_status()
        return await answer.json()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4]), int(sys.argv[5])))
