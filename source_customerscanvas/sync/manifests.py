"""Writes `order.json` when all files of an order are delivered, and again when one of them has changed.

A manifest names only files that are stored. Those that were delivered since the last one are in the state. Any other
was delivered earlier: it is looked for in the store, and fetched once more to be hashed. If it does not lie under the
path that it has now (which another file of that name changes, or a setting), it is delivered there.
"""

import logging
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import orjson

from source_customerscanvas.api.artifacts import Artifact, Artifacts
from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.api.projects import Project, Results, ask_results
from source_customerscanvas.errors import NotFound, Stopped, StoreAway, StoreUnavailable, Trouble, as_known_error
from source_customerscanvas.files.artifact_file import ArtifactFile, DeliveredFile
from source_customerscanvas.files.download import Downloader
from source_customerscanvas.settings import Settings
from source_customerscanvas.state.slice_state import ManifestFiles
from source_customerscanvas.sync.files_reader import FilesReader
from source_customerscanvas.sync.lists import projects_in_order
from source_customerscanvas.sync.outcomes import Outcome
from source_customerscanvas.sync.progress import StreamProgress
from source_customerscanvas.sync.records import file_record, manifest_record
from source_customerscanvas.sync.reporting import warn_of_trouble
from source_customerscanvas.sync.slices import Slice

logger = logging.getLogger("airbyte.source-customerscanvas")

NAME = "order.json"

_Earlier = tuple[str, str, str | None]
"""A file as the last manifest named it: its artifact, path and SHA-256."""


class ManifestWriter:
    """Shared by the workers of a sync."""

    def __init__(
        self, settings: Settings, client: ApiClient, artifacts: Artifacts, files: FilesReader, downloader: Downloader
    ) -> None:
        self._settings = settings
        self._client = client
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
        try:
            yield from self._write(slice_, stream, order_id, results)
        except Stopped:
            return
        except (StoreUnavailable, StoreAway) as error:
            stream.fail(error)
        except Exception as error:
            trouble = Trouble(f"storefront {slice_.storefront_id}, order {order_id}, {NAME}", as_known_error(error))
            warn_of_trouble(trouble)
            yield Outcome(stream.name, note=partial(stream.counts.note_trouble, trouble))

    def _write(
        self, slice_: Slice, stream: StreamProgress, order_id: str, results: Mapping[int, Results]
    ) -> Iterator[Outcome]:
        with stream.slice(slice_.key) as state:
            pending = state.manifests.get(order_id)
        if pending is None or stream.failure:
            return
        delivered_files = dict(pending.files)
        projects = projects_in_order(self._client, slice_, order_id)
        if not projects:
            # nothing will ever complete it, and the state is to forget what has ended
            yield Outcome(stream.name, note=partial(_written, stream, slice_.key, order_id, delivered_files))
            return
        produced = [project for project in projects if self._settings.statuses.includes(project.business_status)]
        try:
            if not produced:
                raise _NotComplete(projects[0])
            artifacts = self._artifacts_of(slice_, stream, produced, results)
        except _NotComplete as error:
            note = partial(_wait, slice_, stream, order_id, error.project, error.is_late)
            yield Outcome(stream.name, note=note)
            return
        path = f"{self._files.order_folder(produced[0])}/{NAME}"
        line_items = self._files.line_items(lambda: projects)
        earlier = self._earlier_files(path)
        entries = {}
        for project in produced:
            finals = artifacts[project.id]
            paths = self._files.paths(project, finals, line_items)
            entries[project.id] = yield from self._entries(
                slice_, stream, project, finals, paths, earlier, delivered_files
            )
        content = orjson.dumps(_document(slice_, order_id, produced, entries), option=orjson.OPT_INDENT_2)
        delivered = self._downloader.put(path, content, "application/json")
        updated_at = max(project.updated_at for project in projects)
        row = manifest_record(slice_.storefront_id, order_id, projects, delivered, updated_at)
        logger.info(f"Complete: storefront {slice_.storefront_id}, order {order_id}: {delivered.relative_path}.")
        yield Outcome(stream.name, [(row, delivered)], partial(_written, stream, slice_.key, order_id, delivered_files))

    def _artifacts_of(
        self, slice_: Slice, stream: StreamProgress, produced: Sequence[Project], read: Mapping[int, Results]
    ) -> dict[int, list[Artifact]]:
        """The final artifacts of each produced project. Raises `_NotComplete` while one is not delivered wholly."""
        for project in produced:
            is_late = not _is_delivered(slice_, stream, project)
            if is_late or not project.is_completed:
                raise _NotComplete(project, is_late=is_late)
        found = {}
        for project in produced:
            results = read.get(project.id) or self._results_of(project)
            if results is None or not results.is_completed:
                raise _NotComplete(project)
            found[project.id] = self._finals(results)
        return found

    def _results_of(self, project: Project) -> Results | None:
        try:
            return ask_results(self._client.get_json, project.id)
        except NotFound:
            return None

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
        slice_: Slice,
        stream: StreamProgress,
        project: Project,
        artifacts: Sequence[Artifact],
        paths: Mapping[str, str],
        earlier: Mapping[str, Sequence[_Earlier]],
        delivered_files: dict[str, tuple[str, int, str]],
    ) -> Generator[Outcome, None, list[dict[str, Any]]]:
        """What the manifest says of a project's files; one that is delivered again is added to `delivered_files`."""
        entries = []
        for artifact in artifacts:
            if not stream.scope.has_kind(artifact.format):
                continue
            path, file = paths[artifact.id], ArtifactFile.from_row(artifact.id, artifact.listed)
            stored: tuple[str, int, str | None] | None = delivered_files.get(artifact.id)
            try:
                stored = stored or self._find(file, path, earlier)
                if stored is None:
                    delivered = self._downloader.deliver(file, path)
                    stored = delivered_files[artifact.id] = (path, delivered.size, delivered.sha256)
                    row = file_record(project, self._with_details(artifact), delivered)
                    note = partial(_add_file, stream, slice_.key, project, artifact.id, delivered)
                    yield Outcome(stream.name, [(row, delivered)], note)
            except NotFound:
                where = f"{project.describe()}, artifact {artifact.id}"
                logger.warning(f"{NAME} does not name the file of {where}: it is gone, and does not lie at {path}.")
                continue
            entries.append(_entry(artifact, *stored))
        return entries


class _NotComplete(Exception):
    """The order waits for a project that is to be delivered (a late one), or that has to change first."""

    def __init__(self, project: Project, *, is_late: bool = False) -> None:
        super().__init__(str(project.id))
        self.project = project
        self.is_late = is_late


def _is_delivered(slice_: Slice, stream: StreamProgress, project: Project) -> bool:
    if stream.wants(slice_.key, project):
        return False  # a scan has not come to it yet, or it has changed since the lists were read
    with stream.slice(slice_.key) as state:
        return project.id not in state.owed and state.of(project.id).condition != "open"


def _entry(artifact: Artifact, path: str, size: int, sha256: str | None) -> dict[str, Any]:
    return {
        "artifactId": artifact.id,
        **artifact.item,
        "name": artifact.listed.get("name"),
        "format": artifact.listed.get("format"),
        "path": path,
        "size": size,
        "sha256": sha256,
    }


def _document(
    slice_: Slice, order_id: str, produced: Sequence[Project], entries: Mapping[int, Sequence[dict[str, Any]]]
) -> dict[str, Any]:
    first = produced[0].row
    return {
        "version": 1,
        "storefrontId": slice_.storefront_id,
        "orderId": order_id,
        **{name: first.get(name) for name in ("orderNumber", "orderName", "customerId", "customerName")},
        "projects": [_project(project, entries[project.id]) for project in produced],
    }


def _project(project: Project, files: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": project.id,
        "name": project.row.get("name"),
        "status": project.business_status,
        "items": _items(project),
        "files": files,
    }


def _items(project: Project) -> list[dict[str, Any]]:
    items = project.row.get("items")
    fields = ("id", "name", "quantity", "sku", "orderLineItemId", "orderLineItemIndex")
    found = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    return [{name: item.get(name) for name in fields} for item in found]


def _add_file(stream: StreamProgress, key: str, project: Project, artifact_id: str, delivered: DeliveredFile) -> None:
    with stream.slice(key) as state:
        manifest = state.manifests.setdefault(project.order_id or "", ManifestFiles())
        manifest.add(artifact_id, delivered.relative_path, delivered.size, delivered.sha256)


def _wait(slice_: Slice, stream: StreamProgress, order_id: str, project: Project, was_late: bool) -> None:
    with stream.slice(slice_.key) as state:
        pending = state.manifests.get(order_id)
        if pending:
            # one that was delivered since the order was looked at may never change again, and so end no waiting
            is_over = was_late and _is_delivered(slice_, stream, project)
            if is_over:
                pending.look_again()
            else:
                pending.waits_for = project.id


def _written(stream: StreamProgress, key: str, order_id: str, written: Mapping[str, Any]) -> None:
    """Forget what the manifest names; a file that was delivered while it was written is for the next one."""
    with stream.slice(key) as state:
        pending = state.manifests.get(order_id)
        if pending is None:
            return  # two pages of a scan had projects of the order, and the other one's manifest was noted before
        pending.files = {id_: file for id_, file in pending.files.items() if written.get(id_) != file}
        if not pending.files:
            del state.manifests[order_id]


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
