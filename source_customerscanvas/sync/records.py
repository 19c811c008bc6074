"""The rows of each stream that follows projects and orders, and what `order.json` says, made from what the API says."""

from collections.abc import Callable, Sequence
from typing import Any

from source_customerscanvas.api.artifacts import Artifact
from source_customerscanvas.api.listing import Row
from source_customerscanvas.api.projects import COMPLETED, FAILED, Project, Results, items_of
from source_customerscanvas.files.artifact_file import DeliveredFile
from source_customerscanvas.settings import Statuses
from source_customerscanvas.times import to_utc


def project_record(project: Project) -> Row:
    """The project with its times in the connector's form and `updatedAt`."""
    return {
        **project.row,
        "id": project.id,
        "storefrontId": project.storefront_id,
        "orderId": project.order_id,
        "status": project.business_status,
        "created": project.created or None,
        "lastModified": project.last_modified or None,
        "updatedAt": project.updated_at or None,
    }


def results_record(project: Project, results: Results) -> Row:
    """The row of `processing_results`."""
    return {
        **project.order_keys,
        "updatedAt": project.updated_at or None,
        "status": results.status,
        "statusDescription": results.description,
        "outputFileDetails": results.files,
    }


def artifact_record(project: Project, artifact: Artifact) -> Row:
    """The row of `artifacts`: the artifact itself and where it belongs."""
    return {
        **artifact.details,
        "id": artifact.id,
        "lastModified": artifact.last_modified,
        **project.order_keys,
        **artifact.item,
    }


def file_record(project: Project, artifact: Artifact, delivered: DeliveredFile | None) -> Row:
    """The row of `artifact_files`; where the file was not delivered, the size is the listed one."""
    listed = artifact.listed
    return {
        **project.order_keys,
        "artifactId": artifact.id,
        "name": listed.get("name"),
        "format": listed.get("format"),
        "size": delivered.size if delivered else listed.get("size"),
        "sha256": delivered.sha256 if delivered else None,
        "filePath": delivered.relative_path if delivered else None,
        "fileUrl": delivered.url if delivered else None,
        "lastModified": to_utc(listed.get("lastModified")),
    }


def order_record(
    storefront_id: int,
    order_id: str,
    projects: Sequence[Project],
    statuses: Statuses,
    status_of: Callable[[Project], str | None],
    updated_at: str,
) -> Row:
    """The row of `orders`. `updated_at` is for an order that has no project any more."""
    states = {project.id: _state(project, statuses, status_of(project)) for project in projects}
    produced = [state for state in states.values() if state != "Held"]
    return {
        **_order_keys(storefront_id, order_id, projects, updated_at),
        "orderName": _first(projects, "orderName"),
        "orderUrl": _first(projects, "orderUrl"),
        "customerId": _first(projects, "customerId"),
        "customerName": _first(projects, "customerName"),
        "created": min((project.created for project in projects if project.created), default=None),
        "projectCount": len(projects),
        "readyCount": produced.count("Ready"),
        "failedCount": produced.count("Failed"),
        "unfinishedCount": produced.count("InProgress"),
        "state": _order_state(produced),
        "projects": [
            {
                "id": project.id,
                "name": project.row.get("name"),
                "status": project.business_status,
                "processingStatus": status_of(project),
                "state": states[project.id],
            }
            for project in projects
        ],
    }


def shop_order_record(storefront_id: int, order_id: str, projects: Sequence[Project], document: Any) -> Row:
    """The row of `shop_orders`: the shop's own document as it came."""
    return {**_order_keys(storefront_id, order_id, projects, ""), "order": document}


def manifest_record(
    storefront_id: int, order_id: str, projects: Sequence[Project], delivered: DeliveredFile, updated_at: str
) -> Row:
    """The row of `artifact_files` for an order's manifest."""
    return {
        "storefrontId": storefront_id,
        "orderId": order_id,
        "orderNumber": _first(projects, "orderNumber"),
        "projectId": None,
        "artifactId": f"order/{storefront_id}/{order_id}",
        "name": "order.json",
        "format": "json",
        "size": delivered.size,
        "sha256": delivered.sha256,
        "filePath": delivered.relative_path,
        "fileUrl": delivered.url,
        "lastModified": updated_at or None,
    }


def manifest_entry(artifact: Artifact, path: str, size: int, sha256: str | None) -> Row:
    """What the manifest of an order says of a file."""
    return {
        "artifactId": artifact.id,
        **artifact.item,
        "name": artifact.listed.get("name"),
        "format": artifact.listed.get("format"),
        "path": path,
        "size": size,
        "sha256": sha256,
    }


def manifest_project(project: Project, entries: Sequence[Row]) -> Row:
    """What the manifest of an order says of a project, with the entries of its files."""
    fields = ("id", "name", "quantity", "sku", "orderLineItemId", "orderLineItemIndex")
    return {
        "id": project.id,
        "name": project.row.get("name"),
        "status": project.business_status,
        "items": [{name: item.get(name) for name in fields} for item in items_of(project.row)],
        "files": entries,
    }


def manifest_document(storefront_id: int, order_id: str, first: Project, projects: Sequence[Row]) -> Row:
    """The manifest of an order; what concerns all of it is taken from its `first` project."""
    return {
        "version": 1,
        "storefrontId": storefront_id,
        "orderId": order_id,
        **{name: first.row.get(name) for name in ("orderNumber", "orderName", "customerId", "customerName")},
        "projects": projects,
    }


def _order_keys(storefront_id: int, order_id: str, projects: Sequence[Project], updated_at: str) -> Row:
    return {
        "storefrontId": storefront_id,
        "orderId": order_id,
        "orderNumber": _first(projects, "orderNumber"),
        "updatedAt": max((project.updated_at for project in projects), default=updated_at) or None,
    }


def _first(projects: Sequence[Project], field: str) -> Any:
    """The field of the first project that has one: it is the order's, and the same in all of them."""
    return next((project.row[field] for project in projects if project.row.get(field) is not None), None)


def _state(project: Project, statuses: Statuses, status: str | None) -> str:
    if not statuses.includes(project.business_status):
        return "Held"
    return {COMPLETED: "Ready", FAILED: "Failed"}.get(status or "", "InProgress")


def _order_state(produced: Sequence[str]) -> str:
    if not produced:
        return "Held"
    if all(state == "Ready" for state in produced):
        return "Ready"
    return "Failed" if "Failed" in produced else "InProgress"
