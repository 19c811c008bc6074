"""What a shop consists of: storefronts, projects, pipeline runs and the files that runs make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

ProcessingStatus = Literal["Pending", "InProgress", "Completed", "Failed"]
ArtifactType = Literal["Final", "Temporary", "Service"]
PROCESSING_STATUSES = ("Pending", "InProgress", "Completed", "Failed")


@dataclass(frozen=True)
class FileSpec:
    """A file that a pipeline run makes.

    `size` None is a small real document of its format; a number is exactly that many bytes, made while they are sent.
    `listed_size` is what the API says; "actual" tells the truth, None leaves it out.
    `item` is the position of the project's item that the file belongs to; None: none.
    """

    name: str | None = "print.pdf"
    format: str | None = "pdf"
    size: int | None = None
    type: ArtifactType = "Final"
    anonymous: bool = False
    listed_size: int | Literal["actual"] | None = "actual"
    content_encoding: Literal["gzip"] | None = None
    id: str | None = None
    alias: str | None = None
    description: str | None = None
    descriptor: str | None = None
    custom_fields: Mapping[str, Any] | None = None
    item: int | None = 0


@dataclass
class Storefront:
    id: int
    name: str
    type: str
    created: int
    status: str = "Prod"


@dataclass
class Run:
    """A pipeline run. While processing results lag behind, `stale` is what they say (empty: nothing yet) and
    `awaited` counts the changes that they do not show."""

    __slots__ = ("awaited", "description", "ended", "files", "number", "project_id", "stale", "started", "status")

    number: int
    project_id: int
    files: tuple[FileSpec, ...]
    status: ProcessingStatus
    description: str | None
    started: int
    ended: int
    stale: dict[str, Any] | None
    awaited: int

    def makes_visible(self, spec: FileSpec, early: bool) -> bool:
        """Whether the artifact exists: temporary ones live while the run does, final ones from its end."""
        if spec.type == "Temporary":
            return self.status == "InProgress"
        if spec.type == "Service":
            return self.status != "Pending"
        return self.status == "Completed" or (early and self.status == "InProgress")


@dataclass
class Project:
    """A project. `listed` is its `processingStatus`; `plan` numbers the timelines, so that an old one ends when a
    new one begins; `outcomes` are those of the runs to come, the last one for all that follow."""

    __slots__ = (
        "created",
        "extra",
        "id",
        "last_modified",
        "line",
        "listed",
        "name",
        "obsolete",
        "order_id",
        "order_number",
        "outcomes",
        "plan",
        "run",
        "run_files",
        "run_for",
        "status",
        "storefront_id",
    )

    id: int
    storefront_id: int
    order_id: str | None
    order_number: int | None
    line: int
    name: str | None
    status: int | None
    created: int
    last_modified: int | None
    listed: ProcessingStatus | None
    run: Run | None
    run_files: tuple[FileSpec, ...]
    run_for: float | None
    outcomes: tuple[ProcessingStatus, ...]
    plan: int
    obsolete: bool
    extra: dict[str, Any] | None


@dataclass(frozen=True)
class Artifact:
    """An artifact as it is now; `revision` counts how often it was made anew under the same id."""

    id: str
    project: Project
    run: Run
    spec: FileSpec
    last_modified: int
    revision: int
    gone: int | None = None
    """The status that its file answers with, when the file is gone."""


@dataclass
class ArtifactChange:
    """What happened to an artifact after its run."""

    revision: int = 0
    last_modified: int | None = None
    gone: int | None = None


@dataclass
class OrderData:
    """One attachment of data to an order."""

    project_id: int
    item_id: int | None
    entries: list[dict[str, Any]] = field(default_factory=list)


@lru_cache(maxsize=64)
def print_files(count: int, size: int | None = None) -> tuple[FileSpec, ...]:
    """As many plain print files as asked."""
    if count == 1:
        return (FileSpec(size=size),)
    return tuple(FileSpec(name=f"print-{number}.pdf", size=size) for number in range(1, count + 1))
