"""The records that the command line has to give of a shop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from integration_tests.command_line import TRACKED
from sandbox import Missing, Sandbox

KEYS = {"processing_results": "projectId", "artifact_files": "artifactId"}

Rows = dict[Any, dict[str, Any]]


def utc(time: str | None) -> str | None:
    """A time of the sandbox, which has seven digits, as the connector is to write it."""
    return time and time[:26] + "Z"


def present(row: dict[str, Any]) -> dict[str, Any]:
    """The framework leaves a record's nulls out."""
    return {name: value for name, value in row.items() if value is not None}


def by_key(stream: str, records: list[dict[str, Any]]) -> Rows:
    rows = {record[KEYS.get(stream, "id")]: record for record in records}
    assert len(rows) == len(records), f"{stream} has emitted something twice"
    return rows


def expected(
    sandbox: Sandbox,
    wants: Callable[[dict[str, Any]], bool] = lambda _: True,
    types: frozenset[str] = frozenset({"Final"}),
) -> dict[str, Rows]:
    """What the streams that follow projects have to emit of the projects that are wanted, without files."""
    shop = sandbox.shop
    rows: dict[str, Rows] = {stream: {} for stream in TRACKED}
    for project in shop.projects():
        created, modified = utc(project["created"]), utc(project["lastModified"])
        updated = {"updatedAt": modified or created}
        if not wants({**project, **updated}):
            continue
        order = {name: project[name] for name in ("storefrontId", "orderId", "orderNumber")}
        order["projectId"] = project["id"]
        rows["projects"][project["id"]] = present({**project, "created": created, "lastModified": modified, **updated})
        try:
            results = shop.results(project["id"])
        except Missing:
            results = {"status": "Pending"}
        rows["processing_results"][project["id"]] = present({**order, **updated, **results})
        files = {file["artifactId"]: file for file in results.get("outputFileDetails") or []}
        if results["status"] != "Completed":
            continue
        for artifact in shop.artifacts(project["id"]):
            file = files.get(artifact["id"], {})
            item = {name: file.get(name) for name in ("orderLineItemId", "orderLineItemIndex", "projectItemId")}
            changed = {"lastModified": utc(artifact["lastModified"])}
            if artifact["type"] in types:
                rows["artifacts"][artifact["id"]] = present({**artifact, **changed, **order, **item})
            if artifact["type"] == "Final":
                listed = {name: artifact[name] for name in ("name", "format", "size")}
                rows["artifact_files"][artifact["id"]] = present(
                    {**order, "artifactId": artifact["id"], **listed, **changed}
                )
    return rows


def without_download(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in ("sha256", "filePath")}
