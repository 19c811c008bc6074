"""The rows of each stream, made from what the API says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from source_customerscanvas.api.artifacts import Artifact
from source_customerscanvas.api.projects import Project, Results
from source_customerscanvas.files.artifact_file import DeliveredFile
from source_customerscanvas.settings import Statuses
from source_customerscanvas.sync.records import (
    artifact_record,
    file_record,
    manifest_record,
    order_record,
    project_record,
    results_record,
    shop_order_record,
)
from unit_tests.json_values import odd_rows

ROW: dict[str, Any] = {
    "id": 7,
    "name": "Cards",
    "storefrontId": 11,
    "orderId": "5001",
    "orderNumber": 5001,
    "status": 1,
    "processingStatus": "Completed",
    "created": "2024-03-05T10:11:12.1234567Z",
    "lastModified": None,
}
CREATED, LATER = "2024-03-05T10:11:12.123456Z", "2024-03-06T00:00:00.000000Z"


def project(id_: Any = 7, **fields: Any) -> Project:
    found = Project.from_row({**ROW, "id": id_, **fields})
    assert found
    return found


def order(*projects: Project, statuses: Statuses | None = None) -> dict[str, Any]:
    return order_record(11, "5001", projects, statuses or Statuses(), lambda one: one.processing_status, LATER)


def test_given_a_project_when_its_row_is_made_then_the_fields_are_the_apis_and_the_times_the_connectors() -> None:
    record = project_record(project("7", lastModified="2024-03-06T01:00:00+01:00", custom={"a": 1}))
    assert record == {
        **ROW,
        "custom": {"a": 1},
        "created": CREATED,
        "lastModified": LATER,
        "updatedAt": LATER,
    }
    assert project_record(project(storefrontId="11", status="1")) == project_record(project())
    assert project_record(project())["updatedAt"] == CREATED
    assert project_record(project(created=None))["updatedAt"] is None


def test_given_no_run_when_the_results_are_read_then_they_are_pending() -> None:
    assert results_record(project(), Results.from_answer(None)) == {
        "storefrontId": 11,
        "orderId": "5001",
        "orderNumber": 5001,
        "projectId": 7,
        "updatedAt": CREATED,
        "status": "Pending",
        "statusDescription": None,
        "outputFileDetails": None,
    }


def test_given_an_artifact_and_its_output_file_when_their_rows_are_made_then_they_say_where_it_belongs() -> None:
    details = {"id": "a", "name": "a.pdf", "format": "pdf", "lastModified": "2024-03-06T01:00:00+01:00", "size": 3}
    output_file = {"artifactId": "a", "name": None, "size": 4, "projectItemId": 71, "orderLineItemId": "5001-1"}
    artifact = Artifact("a", output_file, details)

    record = artifact_record(project(), artifact)
    assert (record["id"], record["projectId"], record["projectItemId"], record["size"]) == ("a", 7, 71, 3)
    assert (record["orderLineItemId"], record["lastModified"]) == ("5001-1", LATER)

    keys = {"storefrontId": 11, "orderId": "5001", "orderNumber": 5001, "projectId": 7}
    listed = {**keys, "artifactId": "a", "name": "a.pdf", "format": "pdf", "lastModified": LATER}
    undelivered = {"size": 4, "sha256": None, "filePath": None, "fileUrl": None}
    assert file_record(project(), artifact, None) == {**listed, **undelivered}
    delivered = DeliveredFile("p/a.pdf", 5, "9f", "s3://prints/p/a.pdf")
    stored = {"size": 5, "sha256": "9f", "filePath": "p/a.pdf", "fileUrl": "s3://prints/p/a.pdf"}
    assert file_record(project(), artifact, delivered) == {**listed, **stored}


@pytest.mark.parametrize(
    ("projects", "counts", "state"),
    [
        ([("Completed", 1), ("Completed", 1)], (2, 2, 0, 0), "Ready"),
        ([("Completed", 1), ("Failed", 1)], (2, 1, 1, 0), "Failed"),
        ([("InProgress", 1), ("Failed", 1)], (2, 0, 1, 1), "Failed"),
        ([("Completed", 1), ("InProgress", 1)], (2, 1, 0, 1), "InProgress"),
        ([(None, 1)], (1, 0, 0, 1), "InProgress"),
        ([("Completed", 1), ("InProgress", 5)], (2, 1, 0, 0), "Ready"),
        ([("Failed", 5), ("Completed", 5)], (2, 0, 0, 0), "Held"),
        ([], (0, 0, 0, 0), "Held"),
    ],
)
def test_given_an_order_when_its_row_is_made_then_it_counts_the_projects_that_are_produced(
    projects: list[tuple[str | None, int]], counts: tuple[int, ...], state: str
) -> None:
    made = [
        project(number, processingStatus=processing, status=status)
        for number, (processing, status) in enumerate(projects)
    ]
    record = order(*made, statuses=Statuses("except", (5,)))
    names = ("projectCount", "readyCount", "failedCount", "unfinishedCount")
    assert (tuple(record[name] for name in names), record["state"]) == (counts, state)
    assert [one["id"] for one in record["projects"]] == list(range(len(projects)))


def test_given_an_order_when_its_row_is_made_then_what_its_projects_share_is_the_orders() -> None:
    first = project(1, orderName=None, created="2024-03-05T00:00:00Z")
    second = project(2, orderName="Spring", lastModified="2024-03-06T00:00:00Z")
    record = order(first, second)
    assert (record["orderName"], record["created"], record["updatedAt"]) == (
        "Spring",
        "2024-03-05T00:00:00.000000Z",
        LATER,
    )
    assert record["projects"][0] == {
        "id": 1,
        "name": "Cards",
        "status": 1,
        "processingStatus": "Completed",
        "state": "Ready",
    }


def test_given_an_order_that_has_no_project_any_more_when_its_row_is_made_then_it_says_when_that_was() -> None:
    record = order()
    assert (record["storefrontId"], record["orderId"], record["updatedAt"], record["created"]) == (
        11,
        "5001",
        LATER,
        None,
    )


@pytest.mark.parametrize("document", [{"id": 1}, [], "5001", 7, False])
def test_given_any_document_of_a_shop_when_its_row_is_made_then_it_is_as_it_came(document: Any) -> None:
    record = shop_order_record(11, "5001", [project()], document)
    assert record == {
        "storefrontId": 11,
        "orderId": "5001",
        "orderNumber": 5001,
        "updatedAt": CREATED,
        "order": document,
    }


def test_given_a_manifest_when_its_row_is_made_then_it_is_one_of_the_orders_files() -> None:
    delivered = DeliveredFile("11/5001/order.json", 9, "9f", "s3://prints/11/5001/order.json")
    record = manifest_record(11, "5001", [project()], delivered, LATER)
    assert (record["artifactId"], record["projectId"], record["name"], record["format"]) == (
        "order/11/5001",
        None,
        "order.json",
        "json",
    )
    assert (record["size"], record["sha256"], record["filePath"]) == (9, "9f", "11/5001/order.json")
    assert record.keys() == file_record(project(), Artifact("a", {}, {}), None).keys()


@given(odd_rows([*ROW, "items"]))
def test_given_any_row_when_read_then_all_that_is_made_of_it_can_be_made(row: dict[str, Any]) -> None:
    found = Project.from_row(row)
    if found is None:
        return
    results = Results.from_answer({"status": row.get("name"), "outputFileDetails": row.get("items")})
    assert project_record(found)["id"] == found.id
    assert results_record(found, results)["projectId"] == found.id
    assert order(found)["projectCount"] == 1
    assert found.describe()
