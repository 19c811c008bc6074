"""What a row of the API tells of a project and of its processing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from source_customerscanvas.api.artifacts import Artifact
from source_customerscanvas.api.projects import (
    Project,
    Results,
    artifact_record,
    digest,
    file_record,
    project_record,
    results_record,
    status_code,
)

ROW: dict[str, Any] = {
    "id": 7,
    "name": "Cards",
    "storefrontId": 11,
    "orderId": "5001",
    "orderNumber": 5001,
    "processingStatus": "Pending",
    "created": "2024-03-05T10:11:12.1234567Z",
    "lastModified": None,
}


def project(**fields: Any) -> Project:
    found = Project.from_row({**ROW, **fields})
    assert found
    return found


@pytest.mark.parametrize("id_", [7, "7", 7.0])
def test_given_an_id_in_another_type_when_read_then_it_is_the_number(id_: Any) -> None:
    assert project(id=id_).id == 7
    assert project_record(project(id=id_))["id"] == 7


@pytest.mark.parametrize("id_", [None, "", "x", [], {}, -1, "-1", "7e3"])
def test_given_an_id_that_cannot_be_one_when_read_then_there_is_no_project(id_: Any) -> None:
    assert Project.from_row({**ROW, "id": id_}) is None
    assert Project.from_row({}) is None


def test_given_a_project_that_was_never_modified_when_read_then_it_was_updated_when_created() -> None:
    assert project().updated_at == "2024-03-05T10:11:12.123456Z"
    assert project(lastModified="2024-03-06T00:00:00").updated_at == "2024-03-06T00:00:00.000000Z"
    assert project(created=None).updated_at == ""


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("Pending", "P"),
        ("InProgress", "I"),
        ("Completed", "C"),
        ("Failed", "F"),
        (None, "N"),
        ("Odd", "N"),
        (["C"], "N"),
    ],
)
def test_given_a_status_when_read_then_it_has_a_letter(status: Any, code: str) -> None:
    assert status_code(status) == project(processingStatus=status).status_code == code


LETTERS = [
    ("Completed", "Completed", "C"),
    ("Completed", "InProgress", "R"),
    ("Completed", "Failed", "R"),
    ("Completed", None, "R"),
    ("Failed", "Failed", "F"),
    ("Failed", "InProgress", "R"),
    ("InProgress", "InProgress", "I"),
    ("InProgress", "Pending", "R"),
    ("InProgress", "Completed", "R"),
    ("Pending", "Pending", "P"),
    ("Pending", None, "P"),
    ("Pending", "Completed", "R"),
    (None, "Pending", "N"),
    (None, "InProgress", "N"),
    (None, None, "N"),
]


@pytest.mark.parametrize(("listed", "found", "letter"), LETTERS)
def test_given_a_list_and_results_when_they_disagree_then_the_project_is_remembered_to_be_asked_again(
    listed: str | None, found: str | None, letter: str
) -> None:
    assert Results(found, None, None).status_code(project(processingStatus=listed)) == letter


def test_given_no_run_when_the_results_are_read_then_they_are_pending() -> None:
    record = results_record(project(), Results.from_answer(None))
    assert record == {
        "storefrontId": 11,
        "orderId": "5001",
        "orderNumber": 5001,
        "projectId": 7,
        "updatedAt": "2024-03-05T10:11:12.123456Z",
        "status": "Pending",
        "statusDescription": None,
        "outputFileDetails": None,
    }


@pytest.mark.parametrize("files", [None, "x", {}, 3])
def test_given_files_that_are_no_list_when_the_results_are_read_then_there_are_none(files: Any) -> None:
    assert Results.from_answer({"status": "Completed", "outputFileDetails": files}).files is None


def test_given_files_of_which_some_are_no_rows_when_the_results_are_read_then_the_others_stay() -> None:
    answer = {"status": "Completed", "outputFileDetails": [{"artifactId": "a"}, None, 3]}
    results = Results.from_answer(answer)
    assert results.files == [{"artifactId": "a"}, {}, {}]
    assert results.has_nameless_files


def test_given_an_artifact_and_its_output_file_when_a_record_is_made_then_it_says_where_it_belongs() -> None:
    details = {"id": "a", "name": "a.pdf", "lastModified": "2024-03-06T00:00:00+01:00", "size": 3}
    output_file = {"artifactId": "a", "name": None, "size": 4, "projectItemId": 71, "orderLineItemId": "5001-1"}
    record = artifact_record(project(), details, output_file)
    assert (record["id"], record["projectId"], record["projectItemId"]) == ("a", 7, 71)
    assert record["lastModified"] == "2024-03-05T23:00:00.000000Z"
    artifact = Artifact("a", output_file, details)
    listed = file_record(project(), artifact.listed)
    assert (listed["artifactId"], listed["name"], listed["size"], listed["filePath"]) == ("a", "a.pdf", 4, None)
    fetched = file_record(project(), artifact.listed, size=5, sha256="f", path="p")
    assert (fetched["size"], fetched["sha256"], fetched["filePath"]) == (5, "f", "p")


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*ROW, "items"]), json_values))
@example({"id": 2.0**64})
@example({"id": float("inf")})
def test_given_any_row_when_read_then_all_that_is_made_of_it_can_be_made(row: dict[str, Any]) -> None:
    found = Project.from_row(row)
    if found is None:
        return
    results = Results.from_answer({"status": row.get("name"), "outputFileDetails": row.get("items")})
    assert project_record(found)["id"] == found.id
    assert results_record(found, results)["projectId"] == found.id
    assert len(found.whole_digest) == len(found.processing_digest) == 5
    assert results.status_code(found) in "PIFNCR"
    assert found.describe()


@given(json_values, json_values)
def test_given_two_values_when_digested_then_equal_ones_are_equal_and_the_digest_has_no_blanks(
    one: Any, other: Any
) -> None:
    assert digest(one, 5) == digest(one, 5)
    assert len(digest(other, 5).split()) == 1
    assert '"' not in digest(other, 16)


def test_given_a_change_when_digested_then_only_what_matters_to_the_stream_counts() -> None:
    named = project(name="Other")
    assert named.whole_digest != project().whole_digest
    assert named.processing_digest == project().processing_digest
    for change in ({"processingStatus": "Completed"}, {"lastModified": ROW["created"]}, {"orderId": "5002"}):
        assert project(**change).processing_digest != project().processing_digest
