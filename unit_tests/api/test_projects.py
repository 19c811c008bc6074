"""What a row of the API tells of a project and of its processing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from source_customerscanvas.api.projects import Project, Results, digest
from source_customerscanvas.settings import Statuses
from unit_tests.json_values import json_values, odd_rows

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


@pytest.mark.parametrize("id_", [None, "", "x", [], {}, -1, "-1", "7e3"])
def test_given_an_id_that_cannot_be_one_when_read_then_there_is_no_project(id_: Any) -> None:
    assert Project.from_row({**ROW, "id": id_}) is None
    assert Project.from_row({}) is None


def test_given_a_project_that_was_never_modified_when_read_then_it_was_updated_when_created() -> None:
    assert project().updated_at == "2024-03-05T10:11:12.123456Z"
    assert project(lastModified="2024-03-06T00:00:00").updated_at == "2024-03-06T00:00:00.000000Z"
    assert project(created=None).updated_at == ""


@pytest.mark.parametrize("status", [None, "Odd", "completed", 3, ["Completed"]])
def test_given_a_status_that_the_api_does_not_document_when_read_then_it_counts_as_none(status: Any) -> None:
    assert project(processingStatus=status).processing_status is None


@pytest.mark.parametrize("status", [5, 5.0, "5"])
def test_given_a_business_status_in_another_type_when_it_is_excluded_then_the_project_is_held(status: Any) -> None:
    assert not Statuses("except", (5,)).includes(project(status=status).business_status)
    assert Statuses("only", (5,)).includes(project(status=status).business_status)


@pytest.mark.parametrize("storefront_id", [11, "11"])
def test_given_a_storefront_in_another_type_when_read_then_it_is_the_number_by_which_rows_are_joined(
    storefront_id: Any,
) -> None:
    found = project(storefrontId=storefront_id)
    assert (type(found.storefront_id), found.order_keys["storefrontId"]) == (int, 11)


@pytest.mark.parametrize("status", [None, "", "x", "5x", [], {}, "9" * 5000])
def test_given_what_is_no_business_status_when_read_then_it_stays_as_it_is(status: Any) -> None:
    assert project(status=status).business_status == status


@pytest.mark.parametrize("found", ["Pending", "InProgress", "Completed", "Failed", None])
@pytest.mark.parametrize("listed", ["Pending", "InProgress", "Completed", "Failed"])
def test_given_a_list_and_results_when_compared_then_they_agree_where_they_say_the_same(
    listed: str, found: str | None
) -> None:
    agrees = Results(found, None, None).agrees_with(project(processingStatus=listed))
    assert agrees == (listed == (found or "Pending"))


@pytest.mark.parametrize(("found", "agrees"), [(None, True), ("Pending", True), ("Completed", True)])
def test_given_a_list_without_a_status_when_compared_then_a_run_that_is_under_way_contradicts_it(
    found: str | None, agrees: bool
) -> None:
    assert Results(found, None, None).agrees_with(project(processingStatus=None)) == agrees
    for under_way in ("InProgress", "Failed"):
        assert not Results(under_way, None, None).agrees_with(project(processingStatus=None))


def test_given_no_run_when_the_results_are_read_then_they_are_pending() -> None:
    assert Results.from_answer(None) == Results("Pending", None, None)


def test_given_another_signature_of_an_address_when_digested_then_the_results_are_the_same() -> None:
    def results(url: str, size: int = 3) -> Results:
        return Results("Completed", None, [{"artifactId": "a", "url": url, "size": size}])

    assert results("https://cdn.example/a?sig=1").digest == results("https://cdn.example/a?sig=2").digest
    assert results("https://cdn.example/a").digest != results("https://cdn.example/a", size=4).digest


def test_given_the_same_files_in_another_order_when_digested_then_the_results_are_the_same() -> None:
    first, second = {"artifactId": "a", "size": 3}, {"size": 4, "artifactId": "b"}
    digests = {Results("Completed", None, files).digest for files in ([first, second], [second, first])}
    assert len(digests) == 1
    assert Results("Completed", None, [first, first, second]).digest not in digests
    assert Results("Completed", None, [first, {**second, "size": 5}]).digest not in digests


def test_given_a_heavy_project_when_its_bulk_is_left_out_then_its_digests_stay_those_of_the_whole() -> None:
    item = {"id": 71, "name": "Card", "sku": "S", "quantity": 5, "fields": {"text": "x" * 1000}, "resources": []}
    heavy = project(items=[item, None])
    light = heavy.without_bulk()
    assert light.row["items"] == [{"id": 71, "name": "Card", "quantity": 5, "sku": "S"}]
    assert light.fingerprint == heavy.fingerprint
    assert light.fingerprint.weight > 1000


@pytest.mark.parametrize("files", [None, "x", {}, 3])
def test_given_files_that_are_no_list_when_the_results_are_read_then_there_are_none(files: Any) -> None:
    assert Results.from_answer({"status": "Completed", "outputFileDetails": files}).files is None


def test_given_files_of_which_some_are_no_rows_when_the_results_are_read_then_the_others_stay() -> None:
    answer = {"status": "Completed", "outputFileDetails": [{"artifactId": "a"}, None, 3]}
    results = Results.from_answer(answer)
    assert results.files == [{"artifactId": "a"}, {}, {}]
    assert results.has_nameless_files


@given(odd_rows([*ROW, "items"]))
def test_given_any_row_when_read_then_all_that_is_made_of_it_can_be_made(row: dict[str, Any]) -> None:
    found = Project.from_row(row)
    if found is None:
        return
    results = Results.from_answer({"status": row.get("name"), "outputFileDetails": row.get("items")})
    assert len(found.fingerprint.whole) == len(found.fingerprint.followed) == len(results.digest) == 8
    assert results.agrees_with(found) in (True, False)
    assert found.without_bulk().id == found.id
    assert found.describe()


@given(json_values, json_values)
def test_given_two_values_when_digested_then_equal_ones_are_equal_and_the_digest_has_no_blanks(
    one: Any, other: Any
) -> None:
    assert digest(one) == digest(one)
    assert len(digest(other).split()) == 1
    assert '"' not in digest(other)


def test_given_a_change_when_digested_then_only_what_matters_to_the_stream_counts() -> None:
    named = project(name="Other")
    assert named.fingerprint.whole != project().fingerprint.whole
    assert named.fingerprint.followed == project().fingerprint.followed
    for change in ({"processingStatus": "Completed"}, {"lastModified": ROW["created"]}, {"orderId": "5002"}):
        assert project(**change).fingerprint.followed != project().fingerprint.followed
