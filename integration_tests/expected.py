"""The records that the command line has to give of a shop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from integration_tests.command_line import OF_ORDERS, TRACKED
from integration_tests.engine import key_of
from sandbox import Missing, Sandbox
from sandbox.shop import Shop

Rows = dict[Any, dict[str, Any]]


def utc(time: str | None) -> str | None:
    """A time of the sandbox, which has seven digits, as the connector is to write it."""
    return time and time[:26] + "Z"


def present(row: dict[str, Any]) -> dict[str, Any]:
    """The framework leaves a record's nulls out."""
    return {name: value for name, value in row.items() if value is not None}


def by_key(stream: str, records: list[dict[str, Any]]) -> Rows:
    """The last record of each key. Only an order comes again, as often as one of its projects is news."""
    rows = {key_of(stream, record): record for record in records}
    assert len(rows) == len(records) or stream in OF_ORDERS, f"{stream} has emitted something twice"
    return rows


def expected(
    sandbox: Sandbox,
    wants: Callable[[dict[str, Any]], bool] = lambda _: True,
    types: frozenset[str] = frozenset({"Final"}),
) -> dict[str, Rows]:
    """What the streams that follow projects have to emit of the projects that are wanted, without delivering files."""
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
        results = results_of(sandbox.shop, project["id"])
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


def results_of(shop: Shop, project_id: int) -> dict[str, Any]:
    """What the API says of a project's processing, and what the connector makes of it where there is no run."""
    try:
        return dict(shop.results(project_id))
    except Missing:
        return {"status": "Pending", "statusDescription": None, "outputFileDetails": None}


def expected_orders(sandbox: Sandbox) -> dict[str, Rows]:
    """What the streams of orders have to emit when every project is produced and all streams are read."""
    rows: dict[str, Rows] = {stream: {} for stream in OF_ORDERS}
    for order in sandbox.shop.orders():
        projects = [sandbox.shop.project(id_) for id_ in order["projectIds"]]
        statuses = [results_of(sandbox.shop, project["id"])["status"] for project in projects]
        states = [{"Completed": "Ready", "Failed": "Failed"}.get(status, "InProgress") for status in statuses]
        first, key = projects[0], (order["storefrontId"], order["orderId"])
        keys = {
            "storefrontId": key[0],
            "orderId": key[1],
            "orderNumber": first["orderNumber"],
            "updatedAt": utc(max(project["lastModified"] or project["created"] for project in projects)),
        }
        whole = "Failed" if "Failed" in states else "InProgress"
        rows["orders"][key] = present(
            {
                **keys,
                **{name: first[name] for name in ("orderName", "orderUrl", "customerId", "customerName")},
                "created": utc(min(project["created"] for project in projects)),
                "projectCount": len(projects),
                "readyCount": states.count("Ready"),
                "failedCount": states.count("Failed"),
                "unfinishedCount": states.count("InProgress"),
                "state": "Ready" if set(states) == {"Ready"} else whole,
                "projects": [
                    {
                        "id": project["id"],
                        "name": project["name"],
                        "status": project["status"],
                        "processingStatus": status,
                        "state": state,
                    }
                    for project, status, state in zip(projects, statuses, states, strict=True)
                ],
            }
        )
        rows["shop_orders"][key] = present({**keys, "order": sandbox.shop.order_document(*key)})
    return rows


def without_delivery(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in ("sha256", "filePath", "fileUrl")}
