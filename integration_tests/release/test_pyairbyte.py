"""PyAirbyte as a user runs it: two syncs into DuckDB and into PostgreSQL, and what SQL finds there.

Each destination's test has a sandbox of its own, whose clock moves only when the test says so.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from integration_tests.conftest import truth
from integration_tests.postgres import NoServer, Server, running_server
from sandbox import Sandbox

pytestmark = [
    pytest.mark.pyairbyte,
    pytest.mark.skipif(
        importlib.util.find_spec("airbyte") is None,
        reason="PyAirbyte is not installed beside this Python: `make test-pyairbyte` runs these tests",
    ),
    # its own, and those of the many libraries that it imports
    pytest.mark.filterwarnings("ignore"),
]

EXAMPLES = Path(__file__).parents[2] / "examples"
STREAMS: dict[str, tuple[str, ...]] = {
    "storefronts": ("id",),
    "project_statuses": ("id",),
    "processing_pipelines": ("id",),
    "orders": ("storefrontId", "orderId"),
    "shop_orders": ("storefrontId", "orderId"),
    "projects": ("id",),
    "processing_results": ("projectId",),
    "artifacts": ("id",),
    "artifact_files": ("artifactId",),
}
OF_PROJECTS = ("projects", "processing_results", "artifacts", "artifact_files")
OF_ORDERS = ("orders", "shop_orders")
CANCELLED = 5

GUESSES = pytest.mark.xfail(reason="PyAirbyte 0.71.3 lets pandas guess types of text on its way to PostgreSQL")

Rows = list[dict[str, Any]]

_NUMBERS = count(1)


@dataclass
class Destination:
    """A PyAirbyte cache with the connector as its source."""

    sandbox: Sandbox
    files: Path
    source: Any
    cache: Any

    def sync(self) -> int:
        """How many records came."""
        return int(self.source.read(cache=self.cache).processed_records)

    def query(self, sql: str) -> Rows:
        return [dict(row) for row in self.cache.run_sql_query(sql)]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    try:
        with running_server() as server:
            yield server
    except NoServer as error:
        # where the project is checked, a test that silently did not run would be worse than one that fails
        (pytest.fail if os.environ.get("CI") else pytest.skip)(str(error))


@pytest.fixture
def is_text_kept() -> bool:
    """Whether PyAirbyte is told to leave text as it is on its way to PostgreSQL.

    By default it lets pandas guess there: an order id such as 0042 becomes 42, and where a project has no order, 42.0.
    """
    return True


@pytest.fixture(params=["DuckDB", "PostgreSQL"])
def destination(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_text_kept: bool
) -> Iterator[Destination]:
    # read when PyAirbyte is imported, which is why that happens below
    monkeypatch.setenv("AIRBYTE_OFFLINE_MODE", "1")
    monkeypatch.setenv("DO_NOT_TRACK", "1")
    monkeypatch.setenv("NO_LIVE_PROGRESS", "1")
    monkeypatch.setenv("AIRBYTE_LOGGING_ROOT", str(tmp_path / "logs"))
    monkeypatch.chdir(tmp_path)
    import airbyte

    if is_text_kept:
        pandas = importlib.import_module("pandas")
        monkeypatch.setattr(pandas, "read_json", partial(pandas.read_json, dtype=False))
    with Sandbox(projects=40) as sandbox:
        if request.param == "DuckDB":
            cache = airbyte.caches.DuckDBCache(
                db_path=tmp_path / "shop.duckdb", schema_name="main", cache_dir=tmp_path / "cache"
            )
        else:
            server: Server = request.getfixturevalue("postgres")
            cache = airbyte.caches.PostgresCache(
                host=server.host,
                port=server.port,
                username=server.username,
                password=server.password,
                database=new_database(server),
                schema_name="public",
                cache_dir=tmp_path / "cache",
            )
        files = tmp_path / "print-files"
        source = airbyte.get_source(
            "source-customerscanvas",
            local_executable=Path(sys.executable).with_name("source-customerscanvas"),
            config=sandbox.config(
                files={"delivery": "folder", "path": str(files)},
                order_manifest=True,
                statuses={"mode": "except", "codes": [CANCELLED]},
            ),
        )
        source.select_all_streams()
        try:
            yield Destination(sandbox, files, source, cache)
        finally:
            cache.close()


def test_given_a_shop_when_synced_twice_then_sql_finds_what_the_shop_shows_and_only_news_came(
    destination: Destination,
) -> None:
    sandbox = destination.sandbox
    destination.source.check()
    first = destination.sync()
    assert_equals_shop(destination)
    assert first == sum(len(destination.query(f"select 1 from {stream}")) for stream in STREAMS)
    raw_ids = {stream: raw_ids_of(destination, stream) for stream in (*OF_PROJECTS, *OF_ORDERS)}

    unfinished = {
        row["id"] for row in sandbox.shop.projects() if row["processingStatus"] not in ("Completed", "Failed")
    }
    sandbox.shop.finish_all()
    finished = unfinished & {row["id"] for row in sandbox.shop.projects() if row["processingStatus"] == "Completed"}
    sandbox.shop.set_order_document(11, "5001", ["a document", {"of": "another shape"}, None])
    added = sandbox.shop.create_project(storefront_id=11, order_id="5001", processing="Completed", files=2)

    destination.sync()
    assert_equals_shop(destination)
    news = finished | {added}
    assert finished
    for stream in OF_PROJECTS:
        written = {row["projectid"] for row in written_since(destination, stream, raw_ids[stream])}
        assert written - {None} == news, stream
    orders = {(row["storefrontId"], row["orderId"]) for row in sandbox.shop.projects() if row["id"] in news}
    for stream in OF_ORDERS:
        rows = written_since(destination, stream, raw_ids[stream])
        assert {(row["storefrontid"], row["orderid"]) for row in rows} == orders, stream


def test_given_two_syncs_when_orders_are_joined_with_their_files_then_each_path_leads_to_the_artifacts_bytes(
    destination: Destination,
) -> None:
    shop = destination.sandbox.shop
    destination.sync()
    shop.finish_all()
    destination.sync()

    rows = destination.query(
        """
        select p.storefrontId as storefront, p.orderId as ordered, p.id as project, a.id as artifact,
               f.filePath as path, f.size as bytes, f.sha256 as checksum
        from projects p
        join processing_results r on r.projectId = p.id and r.status = 'Completed'
        join artifacts a on a.projectId = p.id
        join artifact_files f on f.artifactId = a.id
        """
    )
    expected = {
        (row["storefrontId"], row["orderId"], row["projectId"], row["artifactId"])
        for row in produced(destination.sandbox)["artifact_files"]
    }
    assert {(row["storefront"], row["ordered"], row["project"], row["artifact"]) for row in rows} == expected
    assert len(rows) == len(expected) > 40
    for row in rows:
        content = (destination.files / row["path"]).read_bytes()
        assert content == shop.file_bytes(row["artifact"])
        assert (row["bytes"], row["checksum"]) == (len(content), hashlib.sha256(content).hexdigest())


def test_given_two_storefronts_with_the_same_order_when_synced_twice_then_each_keeps_one_row_of_its_own(
    destination: Destination,
) -> None:
    shop = destination.sandbox.shop
    destination.sync()
    shop.create_project(storefront_id=12, order_id="5001", processing="Completed", files=1)
    destination.sync()

    for stream in OF_ORDERS:
        rows = lowered(destination.query(f"select * from {stream} where orderId = '5001'"))
        assert sorted(row["storefrontid"] for row in rows) == [11, 12], stream
    counts = destination.query(
        "select storefrontId as storefront, projectCount as n from orders where orderId = '5001'"
    )
    expected = Counter(row["storefrontId"] for row in shop.projects() if row["orderId"] == "5001")
    assert {row["storefront"]: row["n"] for row in counts} == expected


@pytest.mark.parametrize("is_text_kept", [True, pytest.param(False, marks=GUESSES)])
@pytest.mark.parametrize("destination", ["PostgreSQL"], indirect=True)
def test_given_order_ids_of_digits_when_synced_to_postgresql_then_they_stay_as_they_are(
    destination: Destination,
) -> None:
    shop = destination.sandbox.shop
    shop.create_project(storefront_id=11, order_id="0042", processing="Completed", files=1)
    shop.create_project(storefront_id=11, order_id=None, processing="Completed", files=1)
    destination.sync()

    ids = {row["orderid"] for row in lowered(destination.query("select orderId from projects"))}
    assert ids == {row["orderId"] for row in shop.projects()}


def test_given_synced_tables_when_the_examples_views_are_made_then_each_order_is_as_the_shop_has_it(
    destination: Destination,
) -> None:
    sandbox = destination.sandbox
    destination.sync()
    make_views(destination)
    assert_views(destination)

    # of an order that is ready, one project is cancelled after its delivery: its files are not for the press any more
    ready = next(order for order in orders_of(sandbox).values() if order["state"] == "Ready" and order["projects"] > 1)
    cancelled = ready["ids"][0]
    paths = "select file_path from files_to_print where project_id ="
    assert destination.query(f"{paths} {cancelled}")
    sandbox.advance(60)
    sandbox.shop.force_status(cancelled, CANCELLED)
    destination.sync()
    assert_views(destination)
    assert destination.query(f"{paths} {cancelled}") == []
    assert destination.query(f"{paths} {ready['ids'][1]}")


def assert_views(destination: Destination) -> None:
    rows = destination.query("select * from order_overview")
    orders = {(row["storefront_id"], row["order_id"]): row for row in rows}
    expected = orders_of(destination.sandbox)
    assert len(rows) == len(orders)
    assert orders.keys() == expected.keys()
    for key, wanted in expected.items():
        found = orders[key]
        counts = ("projects", "ready", "failed", "unfinished")
        assert {name: int(found[name]) for name in counts} == {name: wanted[name] for name in counts}, key
        assert found["state"] == wanted["state"], key
        assert (found["ready_since"] is not None) == (wanted["state"] == "Ready"), key
        manifest = found["manifest_path"]
        assert manifest is None or (destination.files / manifest).is_file()
        assert manifest is not None or wanted["state"] != "Ready" or not wanted["files"]
    assert {"Ready", "Failed", "Held", "InProgress"} == {wanted["state"] for wanted in expected.values()}

    to_print = destination.query("select * from files_to_print")
    ready_files = {file for order in expected.values() if order["state"] == "Ready" for file in order["files"]}
    assert sorted(row["file_path"] for row in to_print) == sorted({row["file_path"] for row in to_print})
    assert {file_key(destination, row) for row in to_print} == ready_files


def file_key(destination: Destination, row: Mapping[str, Any]) -> tuple[int, str]:
    """The project and the checksum of what lies where a row says."""
    content = (destination.files / row["file_path"]).read_bytes()
    return row["project_id"], hashlib.sha256(content).hexdigest()


def make_views(destination: Destination) -> None:
    statements = (EXAMPLES / "orders.sql").read_text(encoding="utf-8").split(";\n")
    destination.cache.execute_sql([statement for statement in statements if statement.strip()])


def new_database(server: Server) -> str:
    """The name of an empty database, so that the tests do not meet each other's tables."""
    import psycopg

    name = f"shop_{next(_NUMBERS)}"
    with psycopg.connect(
        host=server.host, port=server.port, user=server.username, password=server.password, autocommit=True
    ) as connection:
        connection.execute(f"create database {name}")
    return name


def produced(sandbox: Sandbox) -> dict[str, Rows]:
    """What the shop shows, and of projects that are not produced neither artifacts nor files."""
    held = {row["id"] for row in sandbox.shop.projects() if row["status"] == CANCELLED}
    rows = {stream: list(of_stream.values()) for stream, of_stream in truth(sandbox).items()}
    for stream in ("artifacts", "artifact_files"):
        rows[stream] = [row for row in rows[stream] if row["projectId"] not in held]
    return rows


def orders_of(sandbox: Sandbox) -> dict[tuple[int, str], dict[str, Any]]:
    """What the example's views should say, made from the shop without SQL."""
    orders: dict[tuple[int, str], dict[str, Any]] = {}
    rows = produced(sandbox)
    statuses = {row["projectId"]: row["status"] for row in rows["processing_results"]}
    for project in rows["projects"]:
        if project["orderId"] is None:
            continue
        order = orders.setdefault((project["storefrontId"], project["orderId"]), {"ids": [], "states": []})
        order["ids"].append(project["id"])
        state = {"Completed": "Ready", "Failed": "Failed"}.get(statuses[project["id"]], "InProgress")
        order["states"].append("Held" if project["status"] == CANCELLED else state)
    for order in orders.values():
        states = Counter(order["states"])
        order["projects"] = len(order["states"])
        order["ready"], order["failed"], order["unfinished"] = (
            states[state] for state in ("Ready", "Failed", "InProgress")
        )
        of_produced = order["ready"] + order["failed"] + order["unfinished"]
        order["state"] = (
            "Held"
            if not of_produced
            else "Ready"
            if order["ready"] == of_produced
            else "Failed"
            if order["failed"]
            else "InProgress"
        )
        order["files"] = {
            (row["projectId"], sandbox.shop.file_sha256(row["artifactId"]))
            for row in rows["artifact_files"]
            if row["projectId"] in order["ids"]
        }
    return orders


def assert_equals_shop(destination: Destination) -> None:
    """Each table holds the shop's rows, all of them and no others; values compared as JSON."""
    shop = destination.sandbox.shop
    expected: dict[str, Rows] = {**produced(destination.sandbox), "storefronts": [*shop.storefronts()]}
    for stream, key in STREAMS.items():
        rows = lowered(destination.query(f"select * from {stream}"))
        if stream == "artifact_files":
            manifests = [row for row in rows if row["projectid"] is None]
            assert_manifests(destination, manifests)
            rows = [row for row in rows if row["projectid"] is not None]
        found = {tuple(row[name.lower()] for name in key): row for row in rows}
        assert len(found) == len(rows), stream
        if stream in OF_ORDERS:
            assert found.keys() == orders_of(destination.sandbox).keys(), stream
            for row in rows if stream == "shop_orders" else ():
                assert plain(row["order"]) == shop.order_document(row["storefrontid"], row["orderid"])
        if stream not in expected:
            assert found, stream
            continue
        assert found.keys() == {tuple(row[name] for name in key) for row in expected[stream]}, stream
        for row in expected[stream]:
            of_row = found[tuple(row[name] for name in key)]
            for name, value in row.items():
                if stream == "artifact_files" and name in ("sha256", "filePath", "fileUrl"):
                    continue  # what the files hold is compared byte for byte elsewhere
                if name == "created" and stream == "storefronts":
                    value = value[:26].rstrip("Z") + "Z"
                assert plain(of_row[name.lower()]) == plain(value), (stream, row, name)


def assert_manifests(destination: Destination, rows: Rows) -> None:
    """Each order that is ready and has files has one, with the sum that its row says."""
    orders = orders_of(destination.sandbox)
    complete = {key for key, order in orders.items() if order["state"] == "Ready" and order["files"]}
    assert {(row["storefrontid"], row["orderid"]) for row in rows} >= complete
    for row in rows:
        content = (destination.files / row["filepath"]).read_bytes()
        assert (row["size"], row["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
        assert row["artifactid"] == f"order/{row['storefrontid']}/{row['orderid']}"


def plain(value: Any) -> Any:
    """A value from a database or from the API, in one form: times in UTC, JSON parsed."""
    if isinstance(value, datetime):
        return utc(value)
    if isinstance(value, str):
        if value[:1] in ("[", "{"):
            return json.loads(value)
        if len(value) > 19 and value[4] == "-" and value[10] == "T" and value.endswith("Z"):
            return utc(datetime.fromisoformat(value[:-1][:26]))
    return value


def utc(moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    return moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment.astimezone(timezone.utc)


def lowered(rows: Rows) -> Rows:
    return [{name.lower(): value for name, value in row.items()} for row in rows]


def raw_ids_of(destination: Destination, stream: str) -> set[str]:
    """The ids that PyAirbyte gives rows when it writes them."""
    return {row["raw_id"] for row in destination.query(f"select _airbyte_raw_id as raw_id from {stream}")}


def written_since(destination: Destination, stream: str, raw_ids: set[str]) -> Rows:
    """The rows that were written since, with `projectid` also for projects themselves."""
    rows = lowered(destination.query(f"select * from {stream}"))
    return [{"projectid": row.get("id"), **row} for row in rows if row["_airbyte_raw_id"] not in raw_ids]
