"""Writes `order.json` when all files of an order are delivered, and again when one of them has changed.

A manifest names only files that are stored. What was delivered since the last one is in the state, which is kept for
orders that are not complete yet; a file that is not there was delivered earlier, and is fetched once more to be hashed.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import orjson

from source_customerscanvas.api.artifacts import Artifact, Artifacts
from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.api.projects import Project, Results, ask_results
from source_customerscanvas.errors import NotFound, Stopped, Trouble, as_known_error
from source_customerscanvas.files.artifact_file import ArtifactFile
from source_customerscanvas.files.download import Downloader
from source_customerscanvas.settings import Settings
from source_customerscanvas.sync.files_reader import FilesReader
from source_customerscanvas.sync.lists import projects_in_order
from source_customerscanvas.sync.outcomes import Outcome
from source_customerscanvas.sync.progress import StreamProgress
from source_customerscanvas.sync.records import manifest_record
from source_customerscanvas.sync.reporting import warn_of_trouble
from source_customerscanvas.sync.slices import Slice

logger = logging.getLogger("airbyte.source-customerscanvas")

NAME = "order.json"


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

    def write(self, slice_: Slice, stream: StreamProgress, order_id: str) -> Iterator[Outcome]:
        """Write the manifest of an order if it is complete, and something was delivered since the last one.

        Only for an order of which all that was delivered has been noted in the state.
        """
        try:
            yield from self._write(slice_, stream, order_id)
        except Stopped:
            return
        except Exception as error:
            trouble = Trouble(f"storefront {slice_.storefront_id}, order {order_id}, {NAME}", as_known_error(error))
            warn_of_trouble(trouble)
            yield Outcome(stream.name, note=partial(stream.counts.note_trouble, trouble))

    def _write(self, slice_: Slice, stream: StreamProgress, order_id: str) -> Iterator[Outcome]:
        with stream.lock:
            pending = stream.slice(slice_.key).manifests.get(order_id)
            delivered_files = dict(pending.files) if pending else {}
        if not delivered_files or stream.failure:
            return
        projects = projects_in_order(self._client, slice_, order_id)
        if not projects:
            # nothing will ever complete it, and the state is to forget what has ended
            yield Outcome(stream.name, note=partial(_written, stream, slice_.key, order_id, delivered_files))
            return
        produced = [project for project in projects if self._settings.statuses.includes(project.business_status)]
        try:
            entries = self._entries(slice_, stream, produced, delivered_files)
        except _NotComplete as error:
            yield Outcome(stream.name, note=partial(_wait, stream, slice_.key, order_id, error.project_id))
            return
        folder = self._files.order_folder(produced[0])
        content = orjson.dumps(_document(slice_, order_id, produced, entries), option=orjson.OPT_INDENT_2)
        delivered = self._downloader.put(f"{folder}/{NAME}", content, "application/json")
        updated_at = max(project.updated_at for project in projects)
        row = manifest_record(slice_.storefront_id, order_id, projects, delivered, updated_at)
        logger.info(f"Complete: storefront {slice_.storefront_id}, order {order_id}: {delivered.relative_path}.")
        yield Outcome(stream.name, [(row, delivered)], partial(_written, stream, slice_.key, order_id, delivered_files))

    def _entries(
        self, slice_: Slice, stream: StreamProgress, produced: Sequence[Project], delivered_files: Mapping[str, Any]
    ) -> dict[int, list[dict[str, Any]]]:
        """The files of each produced project. Raises `_NotComplete` while one of them is not delivered wholly."""
        if not produced:
            raise _NotComplete(None)
        for project in produced:
            if not (project.is_completed and _is_delivered(slice_, stream, project)):
                raise _NotComplete(project.id)
        entries = {}
        for project in produced:
            results = self._results_of(project)
            if results is None or not results.is_completed:
                raise _NotComplete(project.id)
            finals = self._finals(results)
            paths = self._files.paths(project, finals)
            in_scope = [artifact for artifact in finals if stream.scope.has_kind(artifact.format)]
            found = [self._entry(artifact, paths[artifact.id], delivered_files) for artifact in in_scope]
            entries[project.id] = [entry for entry in found if entry]
        return entries

    def _results_of(self, project: Project) -> Results | None:
        kept = self._files.take_results(project.id)
        try:
            return kept or ask_results(self._client.get_json, project.id)
        except NotFound:
            return None

    def _finals(self, results: Results) -> list[Artifact]:
        """The final artifacts; their details are asked for only where the results do not name a file."""
        files = {str(file["artifactId"]): file for file in results.files or [] if file.get("artifactId")}
        nameless = [id_ for id_, file in files.items() if not file.get("name") or not file.get("format")]
        details = dict(self._artifacts.details(nameless, newest_first=True))
        return [Artifact(id_, files[id_], details.get(id_, {})) for id_ in sorted(files)]

    def _entry(self, artifact: Artifact, path: str, delivered_files: Mapping[str, Any]) -> dict[str, Any] | None:
        if artifact.id in delivered_files:
            path, size, sha256 = delivered_files[artifact.id]
        else:
            try:
                size, sha256 = self._downloader.measure(ArtifactFile.from_row(artifact.id, artifact.listed))
            except NotFound:
                return None  # it is gone, and was never delivered
        return {
            "artifactId": artifact.id,
            "name": artifact.listed.get("name"),
            "format": artifact.listed.get("format"),
            "path": path,
            "size": size,
            "sha256": sha256,
        }


class _NotComplete(Exception):
    """The order waits for a project, or, where that is None, for one that is produced."""

    def __init__(self, project_id: int | None) -> None:
        super().__init__(str(project_id))
        self.project_id = project_id


def _is_delivered(slice_: Slice, stream: StreamProgress, project: Project) -> bool:
    with stream.lock:
        state = stream.slice(slice_.key)
        return project.id not in state.owed and state.of(project.id).condition != "open"


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


def _wait(stream: StreamProgress, key: str, order_id: str, project_id: int | None) -> None:
    with stream.lock:
        pending = stream.slice(key).manifests.get(order_id)
        if pending:
            pending.due = False
            pending.waits_for = project_id


def _written(stream: StreamProgress, key: str, order_id: str, written: Mapping[str, Any]) -> None:
    """Forget what the manifest names; a file that was delivered while it was written is for the next one."""
    with stream.lock:
        manifests = stream.slice(key).manifests
        pending = manifests.get(order_id)
        if pending is None:
            return  # two pages of a scan had projects of the order, and the other one's manifest was noted before
        pending.files = {id_: file for id_, file in pending.files.items() if written.get(id_) != file}
        if not pending.files:
            del manifests[order_id]


def due_manifests(stream: StreamProgress, key: str) -> list[str]:
    """The orders whose last file may have been delivered by a sync that was ended before it wrote the manifest."""
    with stream.lock:
        return [order for order, one in stream.slice(key).manifests.items() if one.due and one.files]
