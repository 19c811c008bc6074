"""A sync of all streams gives what the shop holds."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, FormatChecker

from integration_tests.command_line import (
    FULL_REFRESH,
    OF_ORDERS,
    ROOT,
    STREAMS,
    TRACKED,
    CommandLine,
    Message,
    Run,
    State,
    configured,
)
from integration_tests.engine import KEYS
from integration_tests.engine import folder as folder_at
from integration_tests.expected import by_key, expected, expected_orders, utc, without_delivery
from sandbox import FileSpec, Sandbox
from sandbox.shop.tables import PIPELINES, STATUSES

TENANT = 7


@dataclass
class Everything:
    sandbox: Sandbox
    folder: Path
    catalog: Message
    run: Run
    settings: dict[str, Any]


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Everything]:
    """All streams of a shop whose server gives pages of seven and needs to be told the tenant."""
    folder = tmp_path_factory.mktemp("everything")
    command = CommandLine(folder)
    with Sandbox(projects=60) as sandbox:
        sandbox.switches.update(page_cap=7, tenant_required=True)
        sandbox.shop.create_project(12, order_id=None, processing="Completed", files=[FileSpec(), FileSpec("")])
        settings = {"tenant_id": TENANT, "artifact_types": ["Final", "Service"]}
        config = sandbox.config(files=folder_at(folder / "files"), **settings)
        catalog = command.discover(config).catalog
        sandbox.clear_requests()
        yield Everything(sandbox, folder, catalog, command.read(config, configured(catalog)), settings)


def test_given_a_shop_when_all_streams_are_read_then_the_output_is_messages_alone(everything: Everything) -> None:
    run = everything.run

    assert run.exit_code == 0
    assert run.errors == ""
    assert run.output.endswith("\n")
    assert run.traces == []
    assert run.statuses() == dict.fromkeys(STREAMS, "COMPLETE")
    assert {state["stream"]["stream_descriptor"]["name"] for state in run.state} == set(STREAMS)
    assert run.logs("ERROR") == run.logs("FATAL") == []


def test_given_a_shop_when_all_streams_are_read_then_the_records_are_what_the_shop_holds(
    everything: Everything,
) -> None:
    sandbox, run = everything.sandbox, everything.run

    storefronts = [{**row, "created": utc(row["created"])} for row in sandbox.shop.storefronts()]
    assert by_key("storefronts", run.records("storefronts")) == {row["id"]: row for row in storefronts}
    assert by_key("project_statuses", run.records("project_statuses")) == {row["id"]: row for row in STATUSES}
    assert by_key("processing_pipelines", run.records("processing_pipelines")) == {row["id"]: row for row in PIPELINES}
    rows_of_projects = expected(sandbox, types=frozenset({"Final", "Service"}))
    for stream, rows in {**rows_of_projects, **expected_orders(sandbox)}.items():
        records = [without_delivery(record) for record in run.records(stream)]
        assert by_key(stream, records) == rows
        assert len(rows) > 10


def test_given_a_shop_when_all_streams_are_read_then_the_files_are_the_servers_byte_for_byte(
    everything: Everything,
) -> None:
    folder = everything.folder / "files"
    records = by_key("artifact_files", everything.run.records("artifact_files"))

    on_disk = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert on_disk == {
        record["filePath"]: everything.sandbox.shop.file_bytes(artifact_id) for artifact_id, record in records.items()
    }
    for artifact_id, record in records.items():
        assert record["fileUrl"] == (folder / record["filePath"]).as_uri()
        assert record["sha256"] == everything.sandbox.shop.file_sha256(artifact_id)
    # nothing that a destination would take away from there
    assert everything.run.file_references() == {}
    assert all(content[:5] == b"%PDF-" for path, content in on_disk.items() if path.endswith(".pdf"))
    assert any(path.startswith("12/no-order/") for path in on_disk)


def test_given_two_storefronts_with_the_same_orders_when_read_then_their_rows_and_files_never_mix(
    everything: Everything,
) -> None:
    shop = everything.sandbox.shop
    storefront_of = {project["id"]: project["storefrontId"] for project in shop.projects()}
    orders: dict[int, set[str]] = {11: set(), 12: set()}

    for stream in TRACKED[1:]:
        for record in everything.run.records(stream):
            assert record["storefrontId"] == storefront_of[record["projectId"]]
            orders[record["storefrontId"]].add(record.get("orderId", ""))
    for record in everything.run.records("artifact_files"):
        assert record["filePath"].split("/")[0] == str(record["storefrontId"])
        assert record["filePath"].split("/")[2] == str(record["projectId"])
    assert len(orders[11] & orders[12]) > 5


def test_given_discovered_schemas_when_records_are_read_then_each_is_complete_described_and_valid(
    everything: Everything,
) -> None:
    formats = FormatChecker(())

    @formats.checks("date-time")
    def is_utc(value: object) -> bool:
        return bool(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", str(value)))

    def undescribed(schema: dict[str, Any], path: str) -> Iterator[str]:
        for name, field in schema.get("properties", {}).items():
            if not field.get("description"):
                yield f"{path}.{name}"
            yield from undescribed(field, f"{path}.{name}")
        yield from undescribed(schema["items"], f"{path}[]") if "items" in schema else ()

    schemas = {stream["name"]: stream["json_schema"] for stream in everything.catalog["streams"]}
    assert tuple(schemas) == STREAMS
    assert [path for name, schema in schemas.items() for path in undescribed(schema, name)] == []
    for name, schema in schemas.items():
        validator = Draft7Validator(schema, format_checker=formats)
        for record in everything.run.records(name):
            assert list(validator.iter_errors(record)) == []
            assert record.keys() <= schema["properties"].keys()
    times = {
        f"{name}.{field}"
        for name, schema in schemas.items()
        for field, content in schema["properties"].items()
        if content.get("format") == "date-time"
    }
    assert times == {
        "storefronts.created",
        *("orders.created", "orders.updatedAt", "shop_orders.updatedAt"),
        *("projects.created", "projects.lastModified", "projects.updatedAt", "processing_results.updatedAt"),
        *("artifacts.lastModified", "artifact_files.lastModified"),
    }


def test_given_discovered_streams_when_looked_at_then_keys_cursors_and_modes_are_there(everything: Everything) -> None:
    cursors = {"artifacts": "lastModified", "artifact_files": "lastModified"}
    assert tuple(stream["name"] for stream in everything.catalog["streams"]) == STREAMS
    for stream in everything.catalog["streams"]:
        name = stream["name"]
        key = [["storefrontId"], ["orderId"]] if name in OF_ORDERS else [[KEYS.get(name, "id")]]
        assert stream["source_defined_primary_key"] == key
        assert not stream["is_file_based"]  # the connector stores them itself
        if name in FULL_REFRESH:
            assert stream["supported_sync_modes"] == ["full_refresh"]
        else:
            assert stream["supported_sync_modes"] == ["full_refresh", "incremental"]
            assert stream["source_defined_cursor"]
            assert stream["default_cursor_field"] == [cursors.get(name, "updatedAt")]
            assert stream["is_resumable"]


def test_given_a_tenant_when_read_then_every_call_names_it_downloads_included(everything: Everything) -> None:
    calls = [
        request
        for request in everything.sandbox.requests
        if request.origin == "api" and request.path != "/connect/token"
    ]
    assert [request.path for request in calls if request.query.get("tenantId") != str(TENANT)] == []
    assert sum(request.path.endswith("/file") for request in calls) > 10


def test_given_a_read_when_it_ends_then_what_was_estimated_is_what_came(everything: Everything) -> None:
    estimates = {
        trace["estimate"]["name"]: trace["estimate"] for trace in everything.run.of_type("TRACE") if "estimate" in trace
    }
    for stream in (*OF_ORDERS, *TRACKED):
        assert estimates[stream]["row_estimate"] == len(everything.run.records(stream))
    size = sum(record["size"] for record in everything.run.records("artifact_files"))
    assert estimates["artifact_files"]["byte_estimate"] == size


def test_given_a_checkout_when_main_py_reads_then_it_gives_the_same_records(
    everything: Everything, tmp_path: Path
) -> None:
    command = CommandLine(tmp_path, program=[sys.executable, str(ROOT / "main.py")])
    config = everything.sandbox.config(files=folder_at(everything.folder / "files"), **everything.settings)

    run = command.read(config, configured(everything.catalog, sync_mode="full_refresh"))

    assert run.exit_code == 0
    for stream in STREAMS:
        assert by_key(stream, run.records(stream)) == by_key(stream, everything.run.records(stream))


def test_given_the_state_of_a_sync_when_nothing_has_changed_then_no_record_of_an_incremental_stream_is_emitted(
    everything: Everything, tmp_path: Path
) -> None:
    config = everything.sandbox.config(files=folder_at(everything.folder / "files"), **everything.settings)

    run = CommandLine(tmp_path).read(config, configured(everything.catalog), everything.run.state)

    assert run.exit_code == 0
    assert {stream: len(run.records(stream)) for stream in STREAMS if run.records(stream)} == {
        stream: len(everything.run.records(stream)) for stream in FULL_REFRESH
    }


STATE_FORMS: dict[str, Callable[[State], list[Message]]] = {
    "global": lambda state: [{"type": "GLOBAL", "global": {"stream_states": [one["stream"] for one in state]}}],
    "without-type": lambda state: [{"stream": one["stream"]} for one in state],
    "with-namespace": lambda state: [
        {
            **one,
            "stream": {**one["stream"], "stream_descriptor": {**one["stream"]["stream_descriptor"], "namespace": "a"}},
        }
        for one in state
    ],
}


@pytest.mark.parametrize("form", STATE_FORMS)
def test_given_a_state_in_another_form_of_the_protocol_when_nothing_has_changed_then_it_is_not_taken_for_an_empty_one(
    everything: Everything, tmp_path: Path, form: str
) -> None:
    catalog = configured(everything.catalog, "projects")
    config = everything.sandbox.config(**everything.settings)

    run = CommandLine(tmp_path).read(config, catalog, STATE_FORMS[form](everything.run.state), "--debug")

    assert run.exit_code == 0
    assert run.records("projects") == []
