"""What lists can be filtered and sorted by."""

from __future__ import annotations

from typing import Any, NamedTuple

from sandbox.clock import TICKS, midnight
from sandbox.shop.deriving import group_of, owner_id, product_reference
from sandbox.shop.rows import Artifact, Project
from sandbox.shop.views import SortKey

PERIOD_DAYS = {"Today": 0, "Last7Days": 7, "Last30Days": 30}
SORTABLE_OF_PROJECTS = ("Id", "Created", "LastModified", "Name")
SORTABLE_OF_ARTIFACTS = ("Id", "LastModified", "Name")


class UnknownSorting(Exception):
    """There is no such field to sort by."""


class ProjectFilter(NamedTuple):
    """None: any. `since` is the first tick of the wanted period."""

    storefront_id: int | None = None
    order_id: str | None = None
    status: int | None = None
    processing_status: str | None = None
    since: int | None = None
    since_looks_at: str = "created"
    include_obsolete: bool = False
    owner_id: str | None = None
    product_reference: str | None = None
    search: str | None = None

    def matches(self, project: Project) -> bool:
        if self.storefront_id is not None and project.storefront_id != self.storefront_id:
            return False
        if self.order_id is not None and project.order_id != self.order_id:
            return False
        if self.status is not None and project.status != self.status:
            return False
        if self.processing_status is not None and project.listed != self.processing_status:
            return False
        if project.obsolete and not self.include_obsolete:
            return False
        if self.since is not None:
            modified = self.since_looks_at == "modified" and project.last_modified is not None
            moment = project.last_modified if modified else project.created
            if moment is None or moment < self.since:
                return False
        if self.owner_id is not None and owner_id(project) != self.owner_id:
            return False
        if self.product_reference is not None and product_reference(project) != self.product_reference:
            return False
        return self.search is None or self._is_found(project, self.search.lower())

    @staticmethod
    def _is_found(project: Project, text: str) -> bool:
        return text in (project.name or "").lower() or text in (project.order_id or "").lower()


class ArtifactFilter(NamedTuple):
    """None: any."""

    group: str | None = None
    type: str | None = None
    alias: str | None = None
    search: str | None = None

    def matches(self, artifact: Artifact) -> bool:
        if self.type is not None and artifact.spec.type != self.type:
            return False
        if self.group is not None and group_of(artifact.run.number) != self.group:
            return False
        if self.alias is not None and artifact.spec.alias != self.alias:
            return False
        return self.search is None or self.search.lower() in (artifact.spec.name or "").lower()


def period_start(period: str | None, now: int) -> int | None:
    """The first tick of a `datePeriod`; None: from the beginning."""
    if period is None or period not in PERIOD_DAYS:
        return None
    return midnight(now) - PERIOD_DAYS[period] * 86_400 * TICKS


def parse_sorting(text: str, sortable: tuple[str, ...], refuse_unknown: bool) -> tuple[SortKey, ...]:
    """`LastModified DESC, Id` as keys. Raises UnknownSorting for other fields unless they are to be ignored."""
    names = {name.lower(): name for name in sortable}
    keys = []
    for part in text.split(","):
        words = part.split()
        if not words:
            continue
        name = names.get(words[0].lower())
        direction = words[1].upper() if len(words) > 1 else "ASC"
        if name is None or direction not in ("ASC", "DESC") or len(words) > 2:
            if refuse_unknown:
                raise UnknownSorting(f"Cannot sort by '{part.strip()}'.")
            continue
        keys.append(SortKey(name, direction == "DESC"))
    return tuple(keys)


def project_field(project: Project, name: str) -> Any:
    if name == "Id":
        return project.id
    if name == "Created":
        return project.created
    return project.last_modified if name == "LastModified" else project.name


def artifact_field(artifact: Artifact, name: str) -> Any:
    if name == "Id":
        return artifact.id
    return artifact.last_modified if name == "LastModified" else artifact.spec.name
