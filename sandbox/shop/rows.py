"""What a shop consists of: storefronts, projects, pipeline runs and the files that runs make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, get_args, overload

from sandbox.clock import Moment
from sandbox.switches import Link

ProcessingStatus = Literal["Pending", "InProgress", "Completed", "Failed"]
ArtifactType = Literal["Final", "Temporary", "Service"]
PROCESSING_STATUSES = ("Pending", "InProgress", "Completed", "Failed")
LINKS = get_args(Link)


@dataclass(frozen=True)
class FileSpec:
    """A file that a pipeline run makes.

    `size` None is a small real document of its format; a number is exactly that many bytes, made while they are sent.
    `listed_size` is what the API says; "actual" tells the truth, None leaves it out.
    `content_encoding`: packed on the way for who accepts it; or `stored-gzip`, packed where it lies, with the length
    and the listed size of the packed bytes.
    `item` is the position of the project's item that the file belongs to; None: none; "own": the pipeline's own (the
    first one for a pipeline of the whole project, none for a post-processing pipeline).
    `link` is what a public file's `url` is like; None: as the switch `public_links` says.
    """

    name: str | None = "print.pdf"
    format: str | None = "pdf"
    size: int | None = None
    type: ArtifactType = "Final"
    anonymous: bool = False
    listed_size: int | Literal["actual"] | None = "actual"
    content_encoding: Literal["gzip", "stored-gzip"] | None = None
    id: str | None = None
    alias: str | None = None
    description: str | None = None
    descriptor: str | None = None
    custom_fields: Mapping[str, Any] | None = None
    item: int | Literal["own"] | None = "own"
    link: Link | None = None


@dataclass(frozen=True)
class PipelineSpec:
    """A pipeline of one item, or the post-processing one, when a project is created: how its runs go.

    `processing` is the status of its run now; None: no run exists. It starts `start_after` seconds from now (None:
    never by itself; for post-processing: after all items are processed), runs for `run_for` seconds (None: until told
    otherwise) and ends as `outcome` says. `sets_status`: the business status that a completed run gives the project.
    """

    files: Sequence[FileSpec] | int = 1
    processing: ProcessingStatus | None = None
    start_after: float | None = None
    run_for: float | None = None
    outcome: ProcessingStatus | Sequence[ProcessingStatus] = "Completed"
    status_description: str | None = None
    started: Moment | None = None
    finished: Moment | None = None
    sets_status: int | None = None


@dataclass
class Storefront:
    """`listed` False: the API leaves it out of its list, though it and its projects are there."""

    id: int
    name: str
    type: str
    created: int
    status: str = "Prod"
    listed: bool = True


@dataclass
class Run:
    """A pipeline run. `item` is the position of the item whose pipeline it is; None: of none."""

    __slots__ = ("description", "ended", "files", "item", "number", "project_id", "started", "status")

    number: int
    project_id: int
    item: int | None
    files: Sequence[FileSpec]
    status: ProcessingStatus
    description: str | None
    started: int
    ended: int

    def makes_visible(self, spec: FileSpec, early: bool) -> bool:
        """Whether the artifact exists: temporary ones live while the run does, final ones from its end."""
        if spec.type == "Temporary":
            return self.status == "InProgress"
        if spec.type == "Service":
            return self.status != "Pending"
        return self.status == "Completed" or (early and self.status == "InProgress")

    @property
    def has_ended(self) -> bool:
        return self.status in ("Completed", "Failed")


@dataclass
class Pipeline:
    """A pipeline of a project with its current run.

    `item` is the position of its item; None: it is the whole project's or, with `is_post`, the post-processing one.
    `plan` numbers the timelines, so that an old one ends when a new one begins; `outcomes` are those of the runs to
    come, the last one for all that follow; `start_after` counts for post-processing only, which begins by itself.
    """

    __slots__ = ("files", "is_post", "item", "outcomes", "plan", "run", "run_for", "sets_status", "start_after")

    item: int | None
    is_post: bool
    files: Sequence[FileSpec]
    run: Run | None
    run_for: float | None
    outcomes: tuple[ProcessingStatus, ...]
    plan: int
    start_after: float | None
    sets_status: int | None


@dataclass
class Project:
    """A project. `listed` is its `processingStatus`. While processing results lag behind, `stale` is what they say
    (empty: nothing yet) and `awaited` counts the changes that they do not show. `is_whole_order`: its items, not the
    project, are the order's line items; `item_count` None: derived from its id."""

    __slots__ = (
        "awaited",
        "created",
        "extra",
        "id",
        "is_whole_order",
        "item_count",
        "last_modified",
        "line",
        "listed",
        "name",
        "obsolete",
        "order_id",
        "order_number",
        "pipelines",
        "stale",
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
    pipelines: list[Pipeline]
    item_count: int | None
    is_whole_order: bool
    stale: dict[str, Any] | None
    awaited: int
    obsolete: bool
    extra: dict[str, Any] | None

    @property
    def main_pipelines(self) -> list[Pipeline]:
        """All but the post-processing ones."""
        return [one for one in self.pipelines if not one.is_post]


@dataclass(frozen=True)
class Artifact:
    """An artifact as it is now; `revision` counts how often it was made anew under the same id."""

    id: str
    project: Project
    run: Run
    spec: FileSpec
    last_modified: int
    revision: int
    gone: int | None
    """The status that its file answers with, when the file is gone."""
    link: Link | None
    links: int
    """How many links it was given before."""


class PrintFiles(Sequence[FileSpec]):
    """As many plain print files as asked, made up when looked at: a project may have hundreds of thousands."""

    def __init__(self, count: int, size: int | None = None) -> None:
        self._count = count
        self._size = size

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> FileSpec: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[FileSpec]: ...
    def __getitem__(self, index: int | slice) -> FileSpec | Sequence[FileSpec]:
        if isinstance(index, slice):
            return [self._spec(number) for number in range(self._count)[index]]
        return self._spec(range(self._count)[index])

    def _spec(self, number: int) -> FileSpec:
        return _print_file("print.pdf" if self._count == 1 else f"print-{number + 1}.pdf", self._size)


@lru_cache(maxsize=4096)
def _print_file(name: str, size: int | None) -> FileSpec:
    return FileSpec(name=name, size=size)


def print_files(files: Sequence[FileSpec] | int, size: int | None = None) -> Sequence[FileSpec]:
    """The files, or that many plain print files."""
    return _plain_files(files, size) if isinstance(files, int) else tuple(files)


@lru_cache(maxsize=64)
def _plain_files(count: int, size: int | None) -> PrintFiles:
    return PrintFiles(count, size)


def outcomes_of(outcome: ProcessingStatus | Sequence[ProcessingStatus]) -> tuple[ProcessingStatus, ...]:
    """One outcome for every run, or one after the other."""
    return (outcome,) if isinstance(outcome, str) else tuple(outcome)
