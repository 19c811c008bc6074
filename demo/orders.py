"""What the synced tables say, put together by order."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

Row: TypeAlias = Mapping[str, Any]
Tables: TypeAlias = Mapping[str, Sequence[Row]]
"""Rows by stream. PyAirbyte writes the names of columns in lower case."""

PROJECT_KEYS = {
    "projects": ("id", "id"),
    "processing_results": ("projectid", "projectid"),
    "artifacts": ("id", "projectid"),
    "artifact_files": ("artifactid", "projectid"),
}
"""The streams that follow projects, each with its primary key and the column that names the project."""

_STATES = {"Completed": "ready", "InProgress": "rendering", "Pending": "waiting", "Failed": "failed"}
_RAW_ID = "_airbyte_raw_id"


@dataclass(frozen=True)
class PrintFile:
    """A file on disk; `path` is relative to the output folder, `size` in bytes."""

    name: str
    format: str
    size: int
    sha256: str
    path: Path


@dataclass(frozen=True)
class Project:
    """One personalized line item; `state` is ready, rendering, waiting or failed."""

    id: int
    name: str
    product: str
    quantity: int | None
    business_status: str
    state: str
    reason: str | None
    files: tuple[PrintFile, ...]

    @property
    def preview(self) -> PrintFile | None:
        return next((file for file in self.files if file.format == "png"), None)


@dataclass(frozen=True)
class Order:
    """An order of one storefront: its id alone is not unique."""

    storefront: str
    id: str
    customer: str
    created: datetime | None
    projects: tuple[Project, ...]

    @property
    def files(self) -> list[PrintFile]:
        return [file for project in self.projects for file in project.files]

    def count(self, state: str) -> int:
        return sum(project.state == state for project in self.projects)

    @property
    def state(self) -> str:
        """`failed` if any project is, else `unfinished` if any is not ready."""
        if self.count("failed"):
            return "failed"
        return "ready" if self.count("ready") == len(self.projects) else "unfinished"

    @property
    def description(self) -> str:
        """The state in words, such as `2 of 3 ready, 1 rendering`."""
        if self.state == "ready":
            return "ready for print"
        parts = [f"{self.count(state)} {state}" for state in ("failed", "rendering", "waiting") if self.count(state)]
        if self.count("ready"):
            parts.insert(0, f"{self.count('ready')} of {len(self.projects)} ready")
        return ", ".join(parts)


def read_orders(tables: Tables, files_folder: Path) -> list[Order]:
    """The orders of the tables, by storefront and id; `files_folder` is what `filePath` is relative to."""
    storefronts = {row["id"]: str(row["name"]) for row in tables["storefronts"]}
    business = {row["code"]: str(row["displayname"]) for row in tables["project_statuses"]}
    results = {row["projectid"]: row for row in tables["processing_results"]}
    files: dict[int, list[PrintFile]] = defaultdict(list)
    for row in tables["artifact_files"]:
        if row["filepath"] is not None:
            files[row["projectid"]].append(_file(row, files_folder))
    for of_project in files.values():
        # what is printed first; of two with one name, the one that kept it
        of_project.sort(key=lambda file: (file.format != "pdf", len(file.name), file.name))
    grouped: dict[tuple[int, str], list[Row]] = defaultdict(list)
    for row in sorted(tables["projects"], key=lambda row: int(row["id"])):
        grouped[row["storefrontid"], row["orderid"] or "no order"].append(row)
    return [
        Order(
            storefront=storefronts.get(storefront_id, str(storefront_id)),
            id=order_id,
            customer=rows[0]["customername"] or "",
            created=rows[0]["created"],
            projects=tuple(
                _project(row, results.get(row["id"], {}), business, tuple(files[row["id"]])) for row in rows
            ),
        )
        for (storefront_id, order_id), rows in sorted(grouped.items())
    ]


def delivered(before: Tables, after: Tables, stream: str) -> set[int]:
    """The projects of which the sync between two readings wrote rows, changed or not."""
    known = {row[_RAW_ID] for row in before[stream]}
    return _projects(stream, (row for row in after[stream] if row[_RAW_ID] not in known))


def changed(before: Tables, after: Tables, stream: str) -> set[int]:
    """The projects of which rows are new, or differ from what they were."""
    key = PROJECT_KEYS[stream][0]
    known = {row[key]: _content(row) for row in before[stream]}
    return _projects(stream, (row for row in after[stream] if known.get(row[key]) != _content(row)))


def _projects(stream: str, rows: Iterable[Row]) -> set[int]:
    return {row[PROJECT_KEYS[stream][1]] for row in rows}


def _content(row: Row) -> dict[str, Any]:
    return {name: value for name, value in row.items() if not name.startswith("_airbyte_")}


def _project(row: Row, result: Row, business: Mapping[int, str], files: tuple[PrintFile, ...]) -> Project:
    items = row["items"]
    if isinstance(items, str):
        items = json.loads(items)
    return Project(
        id=row["id"],
        name=row["name"] or f"Project {row['id']}",
        product=row["productreference"] or "",
        quantity=items[0].get("quantity") if items else None,
        business_status=business.get(row["status"], ""),
        state=_STATES.get(result.get("status") or "Pending", "waiting"),
        reason=result.get("statusdescription"),
        files=files,
    )


def _file(row: Row, folder: Path) -> PrintFile:
    return PrintFile(
        name=Path(row["filepath"]).name,
        format=(row["format"] or "").lower(),
        size=row["size"],
        sha256=row["sha256"],
        path=folder / row["filepath"],
    )
