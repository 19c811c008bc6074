"""What the synced tables say of each order."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any, TypeAlias

Row: TypeAlias = Mapping[str, Any]
Tables: TypeAlias = Mapping[str, Sequence[Row]]
"""Rows by stream. PyAirbyte writes the names of columns in lower case."""

OrderKey: TypeAlias = tuple[int, str]
"""Storefront and order: an order's id alone is not unique."""

STATES = {"Ready": "ready", "InProgress": "in progress", "Failed": "failed", "Held": "held"}
"""The states of orders and projects, each with the words for it."""

OF_PROJECTS = {
    "projects": "id",
    "processing_results": "projectid",
    "artifacts": "projectid",
    "artifact_files": "projectid",
}
"""The streams whose rows belong to a project, each with the column that names it."""

OF_ORDERS = ("orders", "shop_orders")
"""The streams that have a row an order."""

_RAW_ID = "_airbyte_raw_id"


@dataclass(frozen=True)
class PrintFile:
    """A delivered file; `path` is relative to the place where files go, `size` in bytes."""

    name: str
    format: str
    size: int
    sha256: str
    path: str


@dataclass(frozen=True)
class Project:
    """One personalized line item; `state` is one of `STATES`."""

    id: int
    name: str
    product: str
    quantity: int | None
    business_status: str
    state: str
    reason: str | None
    files: tuple[PrintFile, ...]


@dataclass(frozen=True)
class Order:
    """A row of `orders` with what the other streams say of its projects; `manifest` is its `order.json`."""

    key: OrderKey
    storefront: str
    customer: str
    updated: datetime | None
    state: str
    projects: tuple[Project, ...]
    manifest: PrintFile | None

    @property
    def id(self) -> str:
        return self.key[1]

    @property
    def files(self) -> list[PrintFile]:
        return [file for project in self.projects for file in project.files]

    def count(self, state: str) -> int:
        return sum(project.state == state for project in self.projects)

    @property
    def description(self) -> str:
        """The state in words, such as `2 of 3 ready, 1 in progress`."""
        if not self.projects:
            return "no projects any more"
        ready = f"{self.count('Ready')} of {len(self.projects)} ready" if self.count("Ready") else ""
        others = [f"{self.count(state)} {STATES[state]}" for state in ("Failed", "InProgress", "Held")]
        if self.state == "Ready":
            ready = "ready for print" if self.files else "ready, without a file"
        parts = [ready, *others]
        return ", ".join(part for part in parts if part and not part.startswith("0 "))


def read_orders(tables: Tables) -> list[Order]:
    """The orders of the tables, by storefront and id."""
    storefronts = {row["id"]: str(row["name"]) for row in tables["storefronts"]}
    statuses = {row["code"]: str(row["displayname"]) for row in tables["project_statuses"]}
    projects = {row["id"]: row for row in tables["projects"]}
    reasons = {row["projectid"]: row["statusdescription"] for row in tables["processing_results"]}
    files, manifests = _files(tables["artifact_files"])

    def project(row: Row) -> Project:
        details = projects.get(row["id"], {})
        items = _parsed(details.get("items")) or []
        return Project(
            id=row["id"],
            name=row.get("name") or f"Project {row['id']}",
            product=details.get("productreference") or "",
            quantity=sum(item.get("quantity") or 0 for item in items) or None,
            business_status=statuses.get(row.get("status"), ""),
            state=row["state"],
            reason=reasons.get(row["id"]),
            files=tuple(files[row["id"]]),
        )

    orders = [
        Order(
            key=_order_key(row),
            storefront=storefronts.get(row["storefrontid"], str(row["storefrontid"])),
            customer=row["customername"] or "",
            updated=row["updatedat"],
            state=row["state"],
            projects=tuple(map(project, _parsed(row["projects"]))),
            manifest=manifests.get(_order_key(row)),
        )
        for row in tables["orders"]
    ]
    return sorted(orders, key=lambda order: order.key)


def is_manifest(row: Row) -> bool:
    """Whether a row of `artifact_files` is an order's `order.json`, which belongs to no project."""
    return row["projectid"] is None


def written_projects(before: Tables, after: Tables, stream: str) -> set[int]:
    """The projects of which the sync between two readings wrote rows, changed or not."""
    column = OF_PROJECTS[stream]
    return {row[column] for row in _written(before, after, stream) if row[column] is not None}


def written_orders(before: Tables, after: Tables, stream: str) -> set[OrderKey]:
    """The orders of which the sync between two readings wrote rows; of `artifact_files`, their manifests."""
    rows = _written(before, after, stream)
    return {_order_key(row) for row in rows if stream != "artifact_files" or is_manifest(row)}


def _written(before: Tables, after: Tables, stream: str) -> list[Row]:
    known = {row[_RAW_ID] for row in before[stream]}
    return [row for row in after[stream] if row[_RAW_ID] not in known]


def _files(rows: Sequence[Row]) -> tuple[Mapping[int, list[PrintFile]], Mapping[OrderKey, PrintFile]]:
    """The files of each project, what is printed first, and the manifest of each order."""
    files: dict[int, list[PrintFile]] = defaultdict(list)
    manifests = {}
    for row in rows:
        if is_manifest(row):
            manifests[_order_key(row)] = _file(row)
        else:
            files[row["projectid"]].append(_file(row))
    for of_project in files.values():
        of_project.sort(key=lambda file: (file.format != "pdf", file.name))
    return files, manifests


def _file(row: Row) -> PrintFile:
    return PrintFile(
        name=PurePosixPath(row["filepath"]).name,
        format=(row["format"] or "").lower(),
        size=row["size"],
        sha256=row["sha256"],
        path=row["filepath"],
    )


def _order_key(row: Row) -> OrderKey:
    return row["storefrontid"], row["orderid"]


def _parsed(value: Any) -> Any:
    """Lists and objects, which some databases give as text."""
    return json.loads(value) if isinstance(value, str) else value
