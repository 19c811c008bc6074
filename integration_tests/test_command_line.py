"""The whole connector through its command line: every stream against what the shop holds, and every bad input."""

from __future__ import annotations

import datetime
import re
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jsonschema import Draft7Validator, FormatChecker

from integration_tests.command_line import (
    FULL_REFRESH,
    ROOT,
    STREAMS,
    CommandLine,
    Message,
    Run,
    State,
    bare_catalog,
    configured,
    run_all,
)
from sandbox import FileSpec, Missing, Sandbox
from sandbox.tables import PIPELINES, STATUSES

KEYS = {"processing_results": "projectId", "artifact_files": "artifactId"}
TENANT = 7
SECRET = "s3cr3t-of-nobody"

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
    rows: dict[str, Rows] = {stream: {} for stream in STREAMS[3:]}
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


# Everything, once


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
        config = sandbox.config(file_download="always", file_directory=str(folder / "files"), **settings)
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
    for stream, rows in expected(sandbox, types=frozenset({"Final", "Service"})).items():
        records = [without_download(record) for record in run.records(stream)]
        assert by_key(stream, records) == rows
        assert len(rows) > 10


def test_given_a_shop_when_all_streams_are_read_then_the_files_are_the_servers_byte_for_byte(
    everything: Everything,
) -> None:
    references = everything.run.file_references()
    folder = everything.folder / "files" / "artifact_files"

    on_disk = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert on_disk == {
        reference["source_file_relative_path"]: everything.sandbox.shop.file_bytes(artifact_id)
        for artifact_id, reference in references.items()
    }
    records = by_key("artifact_files", everything.run.records("artifact_files"))
    assert {id_: record["filePath"] for id_, record in records.items()} == {
        id_: reference["source_file_relative_path"] for id_, reference in references.items()
    }
    assert all(content[:5] == b"%PDF-" for path, content in on_disk.items() if path.endswith(".pdf"))
    assert any(path.startswith("12/no-order/") for path in on_disk)


def test_given_two_storefronts_with_the_same_orders_when_read_then_their_rows_and_files_never_mix(
    everything: Everything,
) -> None:
    shop = everything.sandbox.shop
    storefront_of = {project["id"]: project["storefrontId"] for project in shop.projects()}
    orders: dict[int, set[str]] = {11: set(), 12: set()}

    for stream in STREAMS[4:]:
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
        *("projects.created", "projects.lastModified", "projects.updatedAt", "processing_results.updatedAt"),
        *("artifacts.lastModified", "artifact_files.lastModified"),
    }


def test_given_discovered_streams_when_looked_at_then_keys_cursors_and_modes_are_there(everything: Everything) -> None:
    cursors = {"projects": "updatedAt", "processing_results": "updatedAt"}
    for stream in everything.catalog["streams"]:
        name = stream["name"]
        assert stream["source_defined_primary_key"] == [[KEYS.get(name, "id")]]
        assert stream["is_file_based"] == (name == "artifact_files")
        if name in FULL_REFRESH:
            assert stream["supported_sync_modes"] == ["full_refresh"]
        else:
            assert stream["supported_sync_modes"] == ["full_refresh", "incremental"]
            assert stream["source_defined_cursor"]
            assert stream["default_cursor_field"] == [cursors.get(name, "lastModified")]


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
    for stream in STREAMS[3:]:
        assert estimates[stream]["row_estimate"] == len(everything.run.records(stream))
    size = sum(record["size"] for record in everything.run.records("artifact_files"))
    assert estimates["artifact_files"]["byte_estimate"] == size


def test_given_a_checkout_when_main_py_reads_then_it_gives_the_same_records(
    everything: Everything, tmp_path: Path
) -> None:
    command = CommandLine(tmp_path, program=[sys.executable, str(ROOT / "main.py")])
    config = everything.sandbox.config(file_download="always", file_directory="files", **everything.settings)

    run = command.read(config, configured(everything.catalog, sync_mode="full_refresh"))

    assert run.exit_code == 0
    for stream in STREAMS:
        assert by_key(stream, run.records(stream)) == by_key(stream, everything.run.records(stream))


def test_given_the_state_of_a_sync_when_nothing_has_changed_then_no_record_of_an_incremental_stream_is_emitted(
    everything: Everything, tmp_path: Path
) -> None:
    config = everything.sandbox.config(file_download="always", file_directory="files", **everything.settings)

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


def test_given_no_configuration_when_asked_for_the_spec_then_one_message_marks_the_secret(tmp_path: Path) -> None:
    run = CommandLine(tmp_path).spec()

    assert (run.exit_code, run.errors) == (0, "")
    (spec,) = run.of_type("SPEC")
    properties = spec["connectionSpecification"]["properties"]
    assert [name for name, field in properties.items() if field.get("airbyte_secret")] == ["client_secret"]
    assert spec["connectionSpecification"]["required"] == ["client_id", "client_secret"]


# What is in scope


@pytest.fixture(scope="module")
def shop() -> Iterator[Sandbox]:
    with Sandbox(projects=60) as sandbox:
        yield sandbox


def rows_of(run: Run) -> dict[str, Rows]:
    return {stream: by_key(stream, [without_download(row) for row in run.records(stream)]) for stream in STREAMS[3:]}


def test_given_orders_that_both_storefronts_have_when_only_these_are_wanted_then_both_are_read_and_nothing_else(
    shop: Sandbox, tmp_path: Path
) -> None:
    orders = ["5001", "5003", "none-such"]

    run = CommandLine(tmp_path).read(shop.config(order_ids=orders), configured(bare_catalog()))

    assert run.exit_code == 0
    assert rows_of(run) == expected(shop, lambda project: project["orderId"] in orders)
    assert {(row["storefrontId"], row["orderId"]) for row in run.records("projects")} == {
        (storefront, order) for storefront in (11, 12) for order in ("5001", "5003")
    }


def test_given_one_storefront_a_date_and_kinds_of_files_when_read_then_only_these_are_emitted(
    shop: Sandbox, tmp_path: Path
) -> None:
    since = (shop.now() - datetime.timedelta(days=30)).strftime("%Y-%m-%d")
    settings = {"storefront_ids": [12], "start_date": since, "artifact_types": ["Service"], "file_formats": ["PNG"]}

    run = CommandLine(tmp_path).read(shop.config(**settings), configured(bare_catalog()))

    assert run.exit_code == 0
    wanted = expected(
        shop,
        lambda project: project["storefrontId"] == 12 and project["updatedAt"] >= since,
        types=frozenset({"Service"}),
    )
    files = {id_: row for id_, row in wanted["artifact_files"].items() if row["format"] == "png"}
    assert rows_of(run) == {**wanted, "artifact_files": files}
    assert all(wanted.values())
    assert 0 < len(files) < len(wanted["artifact_files"])
    assert [row["id"] for row in run.records("storefronts")] == [12]


# Which installation

HOSTS = {
    "us": ("customerscanvashub.com", "api.customerscanvashub.com"),
    "eu": ("eu.customerscanvashub.com", "api.eu.customerscanvashub.com"),
    "au": ("au.customerscanvashub.com", "api.au.customerscanvashub.com"),
}


def certificate(folder: Path, hosts: list[str]) -> Path:
    """A certificate for these hosts with its key, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sandbox")])
    now = datetime.datetime.now(datetime.timezone.utc)
    built = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "certificate.pem"
    path.write_bytes(built.public_bytes(serialization.Encoding.PEM) + private)
    return path


@contextmanager
def tunnel(port: int, certificate_path: Path) -> Iterator[tuple[int, list[str]]]:
    """A proxy that answers for every host with what serves on a port of this machine. Its port, and who was called."""
    called: list[str] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate_path)

    def pump(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)

    def serve(client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(4096)
        called.append(head.split()[1].decode())
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        with (
            suppress(OSError),
            context.wrap_socket(client, server_side=True) as inside,
            socket.create_connection(("127.0.0.1", port)) as server,
        ):
            answering = threading.Thread(target=pump, args=(server, inside))
            answering.start()
            pump(inside, server)
            answering.join()

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        yield listener.getsockname()[1], called
        listener.shutdown(socket.SHUT_RDWR)
        accepting.join()


def test_given_each_region_when_checked_then_its_own_hosts_are_asked_over_https(tmp_path: Path) -> None:
    trusted = certificate(tmp_path, [host for hosts in HOSTS.values() for host in hosts])
    with Sandbox(projects=1) as sandbox, tunnel(int(sandbox.url.rpartition(":")[2]), trusted) as (port, called):
        environment = {"HTTPS_PROXY": f"http://127.0.0.1:{port}", "REQUESTS_CA_BUNDLE": str(trusted)}
        command = CommandLine(tmp_path, {**environment, "NO_PROXY": "", "no_proxy": ""})
        for region, hosts in HOSTS.items():
            run = command.check(sandbox.config(environment={"region": region}))
            assert run.connection_status == {"status": "SUCCEEDED"}
            assert set(called) == {f"{host}:443" for host in hosts}
            called.clear()
        assert command.check({"client_id": "sandbox", "client_secret": "sandbox-secret"}).exit_code == 0
        assert set(called) == {f"{host}:443" for host in HOSTS["us"]}


# Bad input


@dataclass(frozen=True)
class Bad:
    """An input that cannot be used: what takes the place of the good one, and what the sentence has to say."""

    words: tuple[str, ...]
    command: str = "read"
    inputs: Callable[[Sandbox], dict[str, Any]] = lambda _: {}
    """`config`, `catalog` and `state`: JSON, or a text as it stands."""
    missing: str | None = None
    failure_type: str = "config_error"


def config_with(**settings: Any) -> Callable[[Sandbox], dict[str, Any]]:
    return lambda sandbox: {"config": sandbox.config(**settings)}


def given(**inputs: Any) -> Callable[[Sandbox], dict[str, Any]]:
    return lambda _: inputs


def state_of(stream: str, state: Any) -> list[Message]:
    return [{"type": "STREAM", "stream": {"stream_descriptor": {"name": stream}, "stream_state": state}}]


SCOPE = {"startDate": None, "kinds": None, "files": False}
NOWHERE = {"region": "custom", "hub_url": "http://127.0.0.1:9", "api_url": "http://127.0.0.1:9"}
BAD: dict[str, Bad] = {
    "check-without-its-config": Bad(("the config", "No such file"), "check", missing="config"),
    "discover-without-its-config": Bad(("the config", "No such file"), "discover", missing="config"),
    "read-without-its-config": Bad(("the config", "No such file"), missing="config"),
    "read-without-its-catalog": Bad(("the catalog", "No such file"), missing="catalog"),
    "read-without-its-state": Bad(("the state", "No such file"), missing="state"),
    "config-no-json": Bad(("the config", "not JSON"), "check", given(config='{"client_secret": "' + SECRET)),
    "config-a-list": Bad(("the config",), "check", given(config=[SECRET])),
    "catalog-no-json": Bad(("the catalog", "not JSON"), inputs=given(catalog="{")),
    "catalog-a-list": Bad(("the catalog",), inputs=given(catalog=[])),
    "catalog-as-discovered": Bad(("the catalog",), inputs=given(catalog=bare_catalog())),
    "catalog-of-another-connector": Bad(
        ("invoices", "artifact_files"),
        inputs=given(
            catalog={
                "streams": [
                    {
                        "stream": {"name": "invoices", "json_schema": {}, "supported_sync_modes": ["full_refresh"]},
                        "sync_mode": "full_refresh",
                        "destination_sync_mode": "append",
                    }
                ]
            }
        ),
    ),
    "state-no-json": Bad(("the state", "not JSON"), inputs=given(state="[")),
    "state-of-numbers": Bad(("the state",), inputs=given(state=[1, 2])),
    "state-an-object": Bad(("the state",), inputs=given(state={"projects": {"updatedAt": "2024-03-05"}})),
    "state-of-all-streams": Bad(
        ("the state", "all streams"), inputs=given(state=[{"type": "LEGACY", "data": {"projects": {}}}])
    ),
    "state-that-streams-share": Bad(
        ("the state", "all streams"),
        inputs=given(state=[{"type": "GLOBAL", "global": {"shared_state": {"a": 1}, "stream_states": []}}]),
    ),
    "state-of-another-version": Bad(
        ("`projects`", "version 9", "Reset"), inputs=given(state=state_of("projects", {"version": 9}))
    ),
    "state-of-another-connector": Bad(
        ("`artifacts`", "Reset"), inputs=given(state=state_of("artifacts", {"updatedAt": "2024-03-05"}))
    ),
    "state-that-is-broken": Bad(
        ("`artifact_files`", "Reset"),
        inputs=given(
            state=state_of(
                "artifact_files",
                {"version": 1, "firstSync": "2024-03-05T00:00:00Z", "scope": SCOPE, "units": {"11": {"projects": "?"}}},
            )
        ),
    ),
    "config-not-in-spec": Bad(("`num_workers`", "at most 64"), inputs=config_with(num_workers=65)),
    "discover-not-in-spec": Bad(("`order_ids`", "array"), "discover", config_with(order_ids="1001")),
    "secret-missing": Bad(("`client_secret`", "missing"), inputs=given(config={"client_id": "sandbox"})),
    "region-missing": Bad(("`environment.region`", "missing"), inputs=config_with(environment={})),
    "mode-missing": Bad(("`acknowledge.mode`", "missing"), inputs=config_with(acknowledge={"since": ""})),
    "secret-of-a-wrong-type": Bad(("`client_secret`",), inputs=config_with(client_secret={"is": SECRET})),
    "wrong-secret": Bad(("`client_secret`", "`environment`"), inputs=config_with(client_secret=SECRET)),
    "unknown-storefront": Bad(("No such storefront: 99", "11 (", "12 ("), inputs=config_with(storefront_ids=[99])),
    "bad-date": Bad(("`start_date`", "2024-02-31"), inputs=config_with(start_date="2024-02-31")),
    "http": Bad(
        ("`environment.hub_url`", "https://"),
        inputs=config_with(environment={**NOWHERE, "hub_url": "http://customerscanvas.example"}),
    ),
    "http-when-discovering": Bad(
        ("`environment.api_url`", "https://"),
        "discover",
        config_with(environment={**NOWHERE, "api_url": "http://customerscanvas.example"}),
    ),
    "unreachable": Bad(
        ("No answer from 127.0.0.1", "`environment`"),
        inputs=config_with(environment=NOWHERE),
        failure_type="transient_error",
    ),
}


@pytest.fixture(scope="module")
def bad_runs(shop: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    def run(bad: Bad, folder: Path) -> Run:
        command = CommandLine(folder)
        inputs: dict[str, Any] = {"config": shop.config()}
        if bad.command == "read":
            inputs |= {"catalog": configured(bare_catalog()), "state": []}
        inputs |= bad.inputs(shop)
        arguments = command.arguments(**{what: value for what, value in inputs.items() if what != bad.missing})
        arguments += [f"--{bad.missing}", "missing.json"] if bad.missing else []
        # with more words, among which a secret might slip
        return command.run(bad.command, *arguments, "--debug")

    return run_all(run, BAD, tmp_path_factory.mktemp("bad"))


@pytest.mark.parametrize("name", BAD)
def test_given_bad_input_when_run_then_one_clear_sentence_and_no_secret(bad_runs: dict[str, Run], name: str) -> None:
    run, bad = bad_runs[name], BAD[name]

    assert run.exit_code == 1
    assert run.errors == ""
    last = run.traces[-1]
    assert {trace["message"] for trace in run.traces} == {last["message"]}
    assert {trace["failure_type"] for trace in run.traces} == {bad.failure_type}
    for words in bad.words:
        assert words in last["message"]
    assert "\n" not in last["message"]
    assert not any(word in last["message"] for word in ("Traceback", "Exception", "Something went wrong"))
    assert SECRET not in run.output
    assert "sandbox-secret" not in run.output
    assert run.of_type("RECORD") == []


@pytest.mark.parametrize("arguments", [[], ["write"], ["check"], ["read", "--config", "config.json"]], ids=" ".join)
def test_given_arguments_that_are_none_when_run_then_the_usage_is_told_and_nothing_printed(
    tmp_path: Path, arguments: list[str]
) -> None:
    run = CommandLine(tmp_path).run(*arguments)

    assert (run.exit_code, run.output) == (2, "")
    assert "usage: source-customerscanvas" in run.errors


def test_given_debug_when_all_streams_are_read_then_neither_secret_nor_token_is_in_any_line(
    shop: Sandbox, tmp_path: Path
) -> None:
    shop.clear_requests()
    shop.expire_tokens()
    shop.fault("/processing-results", status=401, times=1)
    config = shop.config(file_download="always", file_directory="files", order_ids=["5001"])

    run = CommandLine(tmp_path).read(config, configured(bare_catalog()), None, "--debug")

    assert run.exit_code == 0
    assert run.logs("DEBUG")
    tokens = {
        request.headers["Authorization"].split()[1] for request in shop.requests if "Authorization" in request.headers
    }
    assert len(tokens) == 2
    for secret in ("sandbox-secret", *tokens):
        assert secret not in run.output + run.errors
