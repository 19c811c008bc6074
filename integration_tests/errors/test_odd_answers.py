"""Answers that are not what they should be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integration_tests.conftest import STOREFRONT, Connection
from integration_tests.engine import STREAMS, Read
from integration_tests.shops import DAY, LISTS, fill
from sandbox import FileSpec, Sandbox
from source_customerscanvas.sync.kinds import ARTIFACTS, FILES, PROJECTS, RESULTS

ODD_VALUES: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(
        [
            *(
                None,
                True,
                False,
                0,
                -1,
                7,
                2**53,
                1.5,
                1e300,
                "",
                "7",
                "x",
                "null",
                "\x00",
                "🎁",
                "../..",
                [],
                {},
                [None],
            ),
            *([[]], {"id": 1}, "0001-01-01T00:00:00", "2099-01-01T00:00:00Z", "2024-02-30T00:00:00Z", "9" * 400),
            *("x" * 5000, "Completed", "Pending", 10**30, -(10**12)),
        ]
    ),
    st.text(max_size=20),
    st.integers(-(2**70), 2**70),
)
ABSENT = "(absent)"
PROJECT_FIELDS = (
    "id",
    "storefrontId",
    "orderId",
    "orderNumber",
    "processingStatus",
    "created",
    "lastModified",
    "items",
)
FILE_FIELDS = ("artifactId", "name", "format", "size", "url", "anonymousAccess", "projectItemId")
ARTIFACT_FIELDS = ("id", "name", "group", "type", "format", "size", "url", "anonymousAccess", "lastModified")
PLACES = {
    "a row of the storefront list": ("/storefronts$", ("id", "name")),
    "a row of the project list": (LISTS, PROJECT_FIELDS),
    "a page of the project list": (LISTS, ("items", "total")),
    "the answer for a project": (r"/projects/\d+$", PROJECT_FIELDS),
    "processing results": ("processing-results$", ("status", "statusDescription", "outputFileDetails")),
    "a file of processing results": ("processing-results$", FILE_FIELDS),
    "a row of the artifact list": ("/artifacts$", ARTIFACT_FIELDS),
    "a page of the artifact list": ("/artifacts$", ("items", "total")),
    "the answer for an artifact": (r"/artifacts/[^/]+$", ARTIFACT_FIELDS),
}
ROWS_OF = {
    "a row of the storefront list": "items",
    "a row of the project list": "items",
    "a row of the artifact list": "items",
    "a file of processing results": "outputFileDetails",
}


def oddity(place: str, field: str, value: Any, position: int) -> Any:
    """Changes an answer: gives it, or the row at a position of it, another value in a field."""

    def edit(answer: Any) -> Any:
        if place in ROWS_OF:
            rows = list(answer.get(ROWS_OF[place]) or [])
            if rows:
                rows[position % len(rows)] = changed(rows[position % len(rows)])
            return {**answer, ROWS_OF[place]: rows}
        return changed(answer)

    def changed(row: dict[str, Any]) -> dict[str, Any]:
        left = {name: one for name, one in row.items() if name != field}
        return left if value == ABSENT else {**left, field: value}

    return edit


@st.composite
def oddities(draw: st.DrawFn) -> tuple[str, Any, str]:
    place = draw(st.sampled_from(sorted(PLACES)))
    path, fields = PLACES[place]
    field = draw(st.sampled_from(fields))
    value = draw(st.just(ABSENT) | ODD_VALUES)
    position = draw(st.integers(0, 8))
    return path, oddity(place, field, value, position), f"{place}: {field} = {value!r} at {position}"


def assert_known_errors(reads: dict[str, Read]) -> None:
    for taken in reads.values():
        if taken.error:
            assert isinstance(taken.error, AirbyteTracedException)
            assert "was not made for" not in str(taken.error)
            assert "Traceback" not in str(taken.error)


@given(odd=st.lists(oddities(), min_size=1, max_size=3), page_cap=st.sampled_from([4, 100]), status=st.booleans())
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_given_odd_values_anywhere_when_synced_then_it_ends_with_the_connectors_own_errors_only(
    odd: list[tuple[str, Any, str]], page_cap: int, status: bool
) -> None:
    with Sandbox(empty=True, start="2026-01-10T12:00:00Z") as sandbox:
        sandbox.switches.page_cap = page_cap
        fill(sandbox, 6)
        for listed in ("InProgress", None):
            sandbox.shop.create_project(STOREFRONT, processing=listed)
        connection = Connection(sandbox)
        if status:
            connection.sync(artifact_types=["Final", "Service"])
            sandbox.advance(DAY)
            fill(sandbox, 2)
            for project_id in (2, 7, 8):
                sandbox.shop.process(project_id, "Completed")
        sandbox.clear_requests()
        for path, edit, _ in odd:
            sandbox.fault(path, edit=edit)
        for _ in range(2):
            reads = connection.read(artifact_types=["Final", "Service"])
            assert_known_errors(reads)
            connection.take(reads)
        assert len(sandbox.requests) < 1500
        sandbox.clear_faults()
        connection.sync(artifact_types=["Final", "Service"])


@pytest.mark.parametrize("value", [None, ABSENT, "other", 7, {}])
@pytest.mark.parametrize("place", ["a row of the artifact list", "the answer for an artifact"])
def test_given_artifacts_with_odd_ids_when_synced_then_each_record_has_the_id_that_the_results_name(
    sandbox: Sandbox, connection: Connection, place: str, value: Any
) -> None:
    fill(sandbox, 4, files=[FileSpec(), FileSpec(name="a.log", type="Service", format="txt")])
    finals = {row["id"] for row in sandbox.shop.artifacts() if row["type"] == "Final"}
    for position in range(4):
        sandbox.fault(PLACES[place][0], edit=oddity(place, "id", value, position))
    connection.sync(artifact_types=["Final", "Service"])
    assert finals <= connection.warehouse.tables[ARTIFACTS].keys()


NAMELESS: tuple[Any, ...] = (None, 7, {}, {"id": None}, {"id": "new"}, {"id": -1})
"""What may stand among the rows of a list and cannot be asked for."""


def among_the_rows(odd: Any) -> Any:
    """Adds to each page of a list, also to those behind its end, what is no row of it."""
    return lambda answer: {**answer, "items": [*(answer["items"] or []), odd]}


@pytest.mark.parametrize("page_cap", [1, 4, 100])
@pytest.mark.parametrize("odd", NAMELESS, ids=repr)
def test_given_what_is_no_project_in_each_page_when_synced_then_all_projects_come_and_it_is_told(
    sandbox: Sandbox, connection: Connection, odd: Any, page_cap: int, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.switches.page_cap = page_cap
    fill(sandbox)
    sandbox.shop.create_project(STOREFRONT, processing="InProgress")
    sandbox.fault(LISTS, edit=among_the_rows(odd))
    caplog.set_level("INFO")
    for _ in range(2):
        caplog.clear()
        connection.sync()
        connection.assert_up_to_date()
        told = "storefront 11: projects that are listed without a usable id"
        assert caplog.text.count(f"Passed over: {told}.") == 1
        assert caplog.text.count(f"passed over: 1 ({told})") == len(STREAMS)
        sandbox.advance(DAY)
        if sandbox.shop.project(10)["processingStatus"] != "Completed":
            sandbox.shop.process(10, "Completed")
    assert connection.sync() == {}
    assert len(sandbox.requests) < 300


@pytest.mark.parametrize("page_cap", [1, 2, 4])
def test_given_neighbours_without_an_id_when_synced_then_the_scan_comes_past_them(
    sandbox: Sandbox, connection: Connection, page_cap: int
) -> None:
    sandbox.switches.page_cap = page_cap
    ids = fill(sandbox, 12)
    nameless = set(ids[5:8])

    def without_ids(answer: Any) -> Any:
        rows = [{**row, "id": None} if row["id"] in nameless else row for row in answer["items"]]
        return {**answer, "items": rows}

    sandbox.fault(LISTS, edit=without_ids)
    assert sorted(connection.sync()[RESULTS]) == sorted(set(ids) - nameless)
    assert connection.sync() == {}


@pytest.mark.parametrize("odd", [None, 7, {}, {"artifactId": None}, {"artifactId": "", "name": "a.pdf"}], ids=repr)
def test_given_what_is_no_file_among_those_of_a_project_when_synced_then_the_files_come_and_it_is_told(
    sandbox: Sandbox, connection: Connection, odd: Any, caplog: pytest.LogCaptureFixture
) -> None:
    ids = fill(sandbox)
    caplog.set_level("INFO")
    sandbox.fault(
        f"projects/{ids[2]}/processing-results$",
        edit=lambda answer: {**answer, "outputFileDetails": [odd, *answer["outputFileDetails"]]},
    )
    found = connection.sync()
    assert {stream: len(keys) for stream, keys in found.items()} == dict.fromkeys(STREAMS, 9)
    told = f"order 502, project {ids[2]}: output files without an artifact id"
    assert caplog.text.count("Passed over:") == 1
    assert f"Passed over: storefront 11, {told}" in caplog.text
    assert caplog.text.count(f"passed over: 1 (storefront 11, {told})") == 2
    assert connection.sync() == {}


def artifact_ids_only(answer: Any) -> Any:
    """Processing results whose output files say nothing but which artifacts they are."""
    files = answer.get("outputFileDetails") or []
    bare = [{**dict.fromkeys(file), "artifactId": file["artifactId"]} for file in files]
    return {**answer, "outputFileDetails": bare}


def test_given_output_files_that_say_only_their_artifact_when_synced_then_its_details_say_the_rest(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    files = [FileSpec("card.pdf"), FileSpec("public.pdf", anonymous=True), FileSpec("data", format="json")]
    fill(sandbox, 3, files=files)
    tables: list[Any] = []
    asked: list[list[str]] = []
    for edit in (None, artifact_ids_only):
        sandbox.clear_requests()
        if edit:
            sandbox.fault("processing-results$", edit=edit)
        connection = Connection(sandbox, (FILES,))
        connection.sync(files=tmp_path / str(len(tables)), file_formats=["pdf"])
        rows = connection.warehouse.tables[FILES]
        tables.append({id_: {**row, "fileUrl": None} for id_, row in rows.items()})
        asked.append(sorted(request.path for request in sandbox.requests if "file" in request.path))
    assert len(tables[0]) == 6
    assert tables[0] == tables[1]
    assert asked[0] == asked[1]


def test_given_a_size_that_only_the_artifact_says_when_the_file_is_shorter_then_it_is_no_file(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    fill(sandbox, 1, files=[FileSpec(size=1000, listed_size=1001)])
    sandbox.fault("processing-results$", edit=artifact_ids_only)
    reads = Connection(sandbox, (FILES,)).read(files=tmp_path)
    assert reads[FILES].records == []
    assert "1001 bytes are listed, but 1000 announced" in str(reads[FILES].error)


@pytest.mark.parametrize("odd", NAMELESS, ids=repr)
def test_given_what_is_no_storefront_among_them_when_synced_then_the_others_are_read_and_it_is_told(
    sandbox: Sandbox, connection: Connection, odd: Any, caplog: pytest.LogCaptureFixture
) -> None:
    fill(sandbox)
    sandbox.fault("/storefronts$", edit=among_the_rows(odd))
    connection.sync()
    connection.assert_up_to_date()
    assert "The list of storefronts has rows without a usable id: they are passed over." in caplog.text


NO_PAGES: dict[str, dict[str, Any]] = {
    "busy": {"json": {"message": "busy"}},
    "empty-object": {"json": {}},
    "no-rows": {"json": {"total": 3, "items": None}},
    "null": {"json": None},
    "text": {"json": "busy"},
    "no-content": {"status": 204, "body": b""},
}
no_page = pytest.mark.parametrize("odd", NO_PAGES.values(), ids=NO_PAGES.keys())
NO_FILES: dict[str, Any] = {"text": "none", "object": {"$values": []}}


@pytest.mark.parametrize(
    ("path", "odd"),
    [
        pytest.param(path, odd, id=f"{path}-{name}")
        for path in (LISTS, "/artifacts$", "/storefronts$", r"/artifacts/[^/]+$", "-results$")
        for name, odd in NO_PAGES.items()
        # each field of the results may be absent, and no content says that there is no run
        if (path, name) not in [("-results$", "empty-object"), ("-results$", "no-content"), ("-results$", "null")]
    ]
    + [
        pytest.param("-results$", {"json": {"status": "Completed", "outputFileDetails": files}}, id=f"files-{name}")
        for name, files in NO_FILES.items()
    ],
)
def test_given_an_answer_that_is_none_for_a_moment_when_synced_then_it_is_asked_for_again(
    sandbox: Sandbox, connection: Connection, path: str, odd: dict[str, Any]
) -> None:
    for _ in range(2):
        fill(sandbox)
        sandbox.fault(path, times=2, **odd)
        connection.sync()
        connection.assert_up_to_date()
        sandbox.advance(DAY)


@pytest.mark.parametrize("name", ["no-content", "null"])
def test_given_results_without_content_for_a_moment_when_the_list_says_completed_then_the_next_sync_asks_again(
    sandbox: Sandbox, connection: Connection, name: str
) -> None:
    fill(sandbox)
    sandbox.fault("-results$", times=2, **NO_PAGES[name])
    connection.sync()
    connection.sync()
    connection.assert_up_to_date()
    assert connection.sync() == {}


@no_page
def test_given_an_answer_without_storefronts_when_synced_then_it_is_an_error_and_nothing_is_forgotten(
    sandbox: Sandbox, connection: Connection, odd: dict[str, Any]
) -> None:
    fill(sandbox)
    connection.sync()
    fault = sandbox.fault("/storefronts$", **odd)
    reads = connection.read()
    assert all("the list storefront/v1/storefronts" in str(taken.error) for taken in reads.values())
    connection.take(reads)
    fault.remove()
    assert connection.sync() == {}


@pytest.mark.parametrize("page_cap", [4, 100])
@pytest.mark.parametrize("path", [LISTS, "/artifacts$", "/storefronts$"])
def test_given_a_page_that_repeats_for_ever_when_synced_then_the_sync_ends(
    sandbox: Sandbox, connection: Connection, path: str, page_cap: int
) -> None:
    sandbox.switches.page_cap = page_cap
    fill(sandbox)
    first_pages: dict[tuple[str, str], Any] = {}

    def first_page(answer: Any) -> Any:
        request = sandbox.requests[-1]
        key = (request.query.get("sorting", ""), request.query.get("processingStatus", ""))
        return first_pages.setdefault(key, answer)

    sandbox.fault(path, edit=first_page)
    for _ in range(2):
        reads = connection.read(num_workers=2)
        assert_known_errors(reads)
        connection.take(reads)
    assert len(sandbox.requests) < 200


@pytest.mark.parametrize("total", [None, "many", 0, 1, -5, 10**6, True, 7.5, [3]])
def test_given_a_wrong_total_when_synced_then_each_project_is_emitted(
    sandbox: Sandbox, connection: Connection, total: Any
) -> None:
    ids = fill(sandbox)
    sandbox.shop.create_project(STOREFRONT, processing="InProgress")
    # a list that tells of rows and shows none may be no list at all
    sandbox.fault(LISTS, edit=lambda answer: {**answer, "total": total} if answer["items"] else answer)
    connection.sync()
    connection.assert_up_to_date()
    sandbox.advance(DAY)
    for project_id in ids:
        sandbox.advance(1)
        sandbox.shop.modify_project(project_id, description="changed")
    connection.sync()
    connection.assert_up_to_date()
    assert connection.sync() == {}
    assert len(sandbox.requests) < 200


def test_given_ids_as_texts_when_synced_then_it_is_as_with_numbers(sandbox: Sandbox, connection: Connection) -> None:
    ids = fill(sandbox)

    def as_texts(answer: Any) -> Any:
        return {
            **answer,
            "items": [
                {**row, "id": str(row["id"]), "storefrontId": str(row["storefrontId"])} for row in answer["items"]
            ],
        }

    sandbox.fault(LISTS, edit=as_texts)
    assert sorted(connection.sync()[PROJECTS]) == ids
    assert len(connection.warehouse.tables[FILES]) == 9
    assert connection.sync() == {}


def test_given_10_000_files_in_one_project_when_synced_then_each_one_is_emitted_once() -> None:
    with Sandbox(empty=True, start="2026-01-10T12:00:00Z") as sandbox:
        project_id = sandbox.shop.create_project(STOREFRONT, processing="InProgress")
        connection = Connection(sandbox, (FILES,), num_workers=8)
        connection.sync()
        sandbox.advance(DAY)
        sandbox.shop.process(project_id, "Completed", files=10_000)
        assert len(set(connection.sync()[FILES])) == 10_000
        assert len(sandbox.requests) < 150  # their details come a hundred at a time
        assert connection.sync() == {}
