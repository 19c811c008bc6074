"""Writes `order.json` when all files of an order are delivered, and again when one of them has changed.

A manifest names only files that are stored. Those that were delivered since the last one are in the state. Any other
was delivered earlier: it is looked for in the store, and fetched once more to be hashed. If it does not lie under the
path that it has now (which another file of that name changes, or a setting), it is delivered there.
"""

import logging
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import orjson

from source_customerscanvas.api.artifacts import Artifact, Artifacts
from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.api.projects import Project, Results
from source_customerscanvas.errors import NotFound, Stopped, StoreAway, StoreUnavailable, Trouble, as_known_error
from source_customerscanvas.files.artifact_file import ArtifactFile, DeliveredFile
from source_customerscanvas.files.download import Downloader
from source_customerscanvas.settings import Settings
from source_customerscanvas.state.slice_state import ManifestFiles
from source_customerscanvas.sync.files_reader import FilesReader
from source_customerscanvas.sync.lists import projects_in_order
from source_customerscanvas.sync.outcomes import Outcome
from source_customerscanvas.sync.progress import StreamProgress
from source_customerscanvas.sync.records import (
    file_record,
    manifest_document,
    manifest_entry,
    manifest_project,
    manifest_record,
)
from source_customerscanvas.sync.reporting import warn_of_trouble
from source_customerscanvas.sync.results_reader import ResultsReader
from source_customerscanvas.sync.slices import Slice

logger = logging.getLogger("airbyte.source-customerscanvas")

NAME = "order.json"

_Earlier = tuple[str, str, str | None]
"""A file as the last manifest named it: its artifact, path and SHA-256."""


@dataclass(frozen=True)
class _Order:
    """An order that is looked at; `results` are those of its projects that were just read."""

    slice: Slice
    stream: StreamProgress
    id: str
    results: Mapping[int, Results]
    files: dict[str, tuple[str, int, str]] = field(default_factory=dict)
    """What was delivered of it since the last manifest."""

    def describe(self) -> str:
        return f"storefront {self.slice.storefront_id}, order {self.id}"


class ManifestWriter:
    """Shared by the workers of a sync."""

    def __init__(
        self,
        settings: Settings,
        client: ApiClient,
        results: ResultsReader,
        artifacts: Artifacts,
        files: FilesReader,
        downloader: Downloader,
    ) -> None:
        self._settings = settings
        self._client = client
        self._results = results
        self._artifacts = artifacts
        self._files = files
        self._downloader = downloader

    def write(
        self, slice_: Slice, stream: StreamProgress, order_id: str, results: Mapping[int, Results]
    ) -> Iterator[Outcome]:
        """Write the manifest of an order if it is complete, and something was delivered since the last one.

        Only for an order of which all that was delivered has been noted in the state. `results` are those of its
        projects that were just read.
        """
        order = _Order(slice_, stream, order_id, results)
        try:
            yield from self._write(order)
        except Stopped:
            return
        except (StoreUnavailable, StoreAway) as error:
            stream.fail(error)
        except Exception as error:
            trouble = Trouble(f"{order.describe()}, {NAME}", as_known_error(error))
            warn_of_trouble(trouble)
            yield Outcome(stream.name, note=partial(stream.counts.note_trouble, trouble))

    def _write(self, order: _Order) -> Iterator[Outcome]:
        with order.stream.slice(order.slice.key) as state:
            pending = state.manifests.get(order.id)
        if pending is None or order.stream.failure:
            return
        order.files.update(pending.files)
        projects = projects_in_order(self._client, order.slice, order.id)
        if not projects:
            # nothing will ever complete it, and the state is to forget what has ended
            yield Outcome(order.stream.name, note=partial(_written, order))
            return
        produced = [project for project in projects if self._settings.statuses.includes(project.business_status)]
        try:
            if not produced:
                raise _NotComplete(projects[0])
            artifacts = self._artifacts_of(order, produced)
        except _NotComplete as error:
            yield Outcome(order.stream.name, note=partial(_wait, order, error.project, error.is_late))
            return
        path = f"{self._files.order_folder(produced[0])}/{NAME}"
        earlier = self._earlier_files(path)
        contents = []
        for project in produced:
            paths = self._files.paths(project, artifacts[project.id], lambda: projects)
            entries = yield from self._entries(order, project, artifacts[project.id], paths, earlier)
            contents.append(manifest_project(project, entries))
        document = manifest_document(order.slice.storefront_id, order.id, produced[0], contents)
        content = orjson.dumps(document, option=orjson.OPT_INDENT_2)
        delivered = self._downloader.put(path, content, "application/json")
        updated_at = max(project.updated_at for project in projects)
        row = manifest_record(order.slice.storefront_id, order.id, projects, delivered, updated_at)
        logger.info(f"Complete: {order.describe()}: {delivered.relative_path}.")
        yield Outcome(order.stream.name, [(row, delivered)], partial(_written, order))

    def _artifacts_of(self, order: _Order, produced: Sequence[Project]) -> dict[int, list[Artifact]]:
        """The final artifacts of each produced project. Raises `_NotComplete` while one is not delivered wholly."""
        for project in produced:
            is_late = not _is_delivered(order, project)
            if is_late or not project.is_completed:
                raise _NotComplete(project, is_late=is_late)
        found = {}
        for project in produced:
            results = order.results.get(project.id) or self._results.of(project)
            if results is None or not results.is_completed:
                raise _NotComplete(project)
            found[project.id] = self._finals(results)
        return found

    def _finals(self, results: Results) -> list[Artifact]:
        """The final artifacts; their details are asked for only where the results do not name a file."""
        files = {str(file["artifactId"]): file for file in results.files or [] if file.get("artifactId")}
        nameless = [id_ for id_, file in files.items() if not file.get("name") or not file.get("format")]
        details = dict(self._artifacts.details(nameless, newest_first=True))
        return [Artifact(id_, files[id_], details.get(id_, {})) for id_ in sorted(files)]

    def _earlier_files(self, path: str) -> Mapping[str, list[_Earlier]]:
        """The files of the last manifest, by artifact and by path; none if it cannot be read: others may write it."""
        found: dict[str, list[_Earlier]] = {}
        with suppress(ValueError, KeyError, TypeError):
            projects = orjson.loads(self._downloader.read(path) or b"")["projects"]
            for file in (file for project in projects for file in project["files"]):
                one = (str(file["artifactId"]), str(file["path"]), file.get("sha256"))
                found.setdefault(one[0], []).append(one)
                found.setdefault(one[1], []).append(one)
            return found
        return {}

    def _find(
        self, file: ArtifactFile, path: str, earlier: Mapping[str, Sequence[_Earlier]]
    ) -> tuple[str, int, str | None] | None:
        """Path, size and SHA-256 of a file that was stored earlier; None if anything else may lie there.

        Its size does not tell it from another one, nor from what it was before: the last manifest does.
        """
        then = [*earlier.get(file.id, ()), *earlier.get(path, ())]
        if any(one[:2] != (file.id, path) for one in then):
            return None
        found = self._downloader.find(file, path)
        if found and found[1] and any(one[2] != found[1] for one in then):
            return None
        return (path, *found) if found else None

    def _with_details(self, artifact: Artifact) -> Artifact:
        details = dict(self._artifacts.details([artifact.id], newest_first=True))
        return replace(artifact, details=details.get(artifact.id, {}))

    def _entries(
        self,
        order: _Order,
        project: Project,
        artifacts: Sequence[Artifact],
        paths: Mapping[str, str],
        earlier: Mapping[str, Sequence[_Earlier]],
    ) -> Generator[Outcome, None, list[dict[str, Any]]]:
        """What the manifest says of a project's files; one that is delivered again is added to those of the order."""
        entries = []
        for artifact in artifacts:
            if not order.stream.scope.has_kind(artifact.format):
                continue
            path, file = paths[artifact.id], ArtifactFile.from_row(artifact.id, artifact.listed)
            stored: tuple[str, int, str | None] | None = order.files.get(artifact.id)
            try:
                stored = stored or self._find(file, path, earlier)
                if stored is None:
                    delivered = self._downloader.deliver(file, path)
                    stored = order.files[artifact.id] = (path, delivered.size, delivered.sha256)
                    row = file_record(project, self._with_details(artifact), delivered)
                    note = partial(_add_file, order, artifact.id, delivered)
                    yield Outcome(order.stream.name, [(row, delivered)], note)
            except NotFound:
                where = f"{project.describe()}, artifact {artifact.id}"
                logger.warning(f"{NAME} does not name the file of {where}: it is gone, and does not lie at {path}.")
                continue
            entries.append(manifest_entry(artifact, *stored))
        return entries


class _NotComplete(Exception):
    """The order waits for a project that is to be delivered (a late one), or that has to change first."""

    def __init__(self, project: Project, *, is_late: bool = False) -> None:
        super().__init__(str(project.id))
        self.project = project
        self.is_late = is_late


def _is_delivered(order: _Order, project: Project) -> bool:
    if order.stream.wants(order.slice.key, project):
        return False  # a scan has not come to it yet, or it has changed since the lists were read
    with order.stream.slice(order.slice.key) as state:
        return project.id not in state.owed and state.of(project.id).condition != "open"


def _add_file(order: _Order, artifact_id: str, delivered: DeliveredFile) -> None:
    with order.stream.slice(order.slice.key) as state:
        manifest = state.manifests.setdefault(order.id, ManifestFiles())
        manifest.add(artifact_id, delivered.relative_path, delivered.size, delivered.sha256)


def _wait(order: _Order, project: Project, was_late: bool) -> None:
    with order.stream.slice(order.slice.key) as state:
        pending = state.manifests.get(order.id)
        if pending and was_late and _is_delivered(order, project):
            # it was delivered since the order was looked at, may never change again, and so would end no waiting
            pending.look_again()
        elif pending:
            pending.waits_for = project.id


def _written(order: _Order) -> None:
    """Forget what the manifest names; a file that was delivered while it was written is for the next one."""
    with order.stream.slice(order.slice.key) as state:
        pending = state.manifests.get(order.id)
        if pending is None:
            return  # two pages of a scan had projects of the order, and the other one's manifest was noted before
        pending.files = {id_: file for id_, file in pending.files.items() if order.files.get(id_) != file}
        if not pending.files:
            del state.manifests[order.id]


def take_due_manifests(stream: StreamProgress, key: str) -> list[str]:
    """The orders that may be complete by now, each once: whoever takes them looks at them.

    Those that a killed sync has taken are due again in the next one.
    """
    with stream.slice(key) as state:
        due = {order_id: one for order_id, one in state.manifests.items() if one.is_due}
        for one in due.values():
            one.is_looked_at = True
    return list(due)


def forget_manifests(streams: Iterable[StreamProgress]) -> None:
    """Forget what was delivered since the last manifests: while none are written, nobody notes what changes of it."""
    for stream in streams:
        for state in stream.state.slices.values():
            state.manifests.clear()
