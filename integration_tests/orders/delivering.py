"""A connection that delivers files into a folder with a manifest for each order, and what orders are made of."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from integration_tests.conftest import STOREFRONT, Connection
from integration_tests.shops import MINUTE
from sandbox import Sandbox
from source_customerscanvas.sync.kinds import FILES, RESULTS

KEY = f"order/{STOREFRONT}/5001"
CANCELLED = 5


class Delivering(Connection):
    """A connection that delivers files into a folder, with a manifest for each order."""

    def __init__(self, sandbox: Sandbox, folder: Path, **config: Any) -> None:
        config = {"statuses": {"mode": "except", "codes": [CANCELLED]}, **config}
        super().__init__(sandbox, (RESULTS, FILES), order_manifest=True, files=folder, **config)
        self.folder = folder

    def files(self) -> list[Any]:
        """The keys of the rows of files that a sync brings, in their order."""
        return self.sync().get(FILES, [])

    def written(self, order_id: str = "5001") -> dict[str, Any]:
        """The manifest as it lies there."""
        manifest: dict[str, Any] = json.loads((self.folder / f"{STOREFRONT}/{order_id}/order.json").read_bytes())
        return manifest

    def manifest(self, order_id: str = "5001") -> dict[str, Any]:
        """The manifest as it lies there; every file that it names lies there too, as it says."""
        manifest = self.written(order_id)
        for file in (file for project in manifest["projects"] for file in project["files"]):
            content = (self.folder / file["path"]).read_bytes()
            assert (file["size"], file["sha256"]) == (len(content), sha256(content).hexdigest())
        return manifest

    def named(self, order_id: str = "5001") -> dict[int, list[str]]:
        """The artifacts that the manifest names of each project."""
        projects = self.manifest(order_id)["projects"]
        return {one["id"]: [file["artifactId"] for file in one["files"]] for one in projects}


def order(sandbox: Sandbox, *statuses: Any, **fields: Any) -> list[int]:
    sandbox.advance(MINUTE)
    fields = {"order_id": "5001", "files": 2, **fields}
    return [sandbox.shop.create_project(STOREFRONT, processing=status, **fields) for status in statuses]


def artifacts_of(sandbox: Sandbox, project_id: int) -> list[str]:
    return sorted(one["id"] for one in sandbox.shop.artifacts(project_id))
