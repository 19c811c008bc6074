"""PyAirbyte as a user runs it: two syncs into DuckDB and into PostgreSQL, and what SQL finds there.

Each destination's test has a sandbox of its own, whose clock moves only when the test says so.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
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
STREAMS = {
    "storefronts": "id",
    "project_statuses": "id",
    "processing_pipelines": "id",
    "projects": "id",
    "processing_results": "projectId",
    "artifacts": "id",
    "artifact_files": "artifactId",
}
TRACKED = ("projects", "processing_results", "artifacts", "artifact_files")

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


@pytest.fixture(params=["DuckDB", "PostgreSQL"])
def destination(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Destination]:
    # read when PyAirbyte is imported, which is why that happens below
    monkeypatch.setenv("AIRBYTE_OFFLINE_MODE", "1")
    monkeypatch.setenv("DO_NOT_TRACK", "1")
    monkeypatch.setenv("NO_LIVE_PROGRESS", "1")
    monkeypatch.setenv("AIRBYTE_LOGGING_ROOT", str(tmp_path / "logs"))
    monkeypatch.chdir(tmp_path)
    import airbyte

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
            config=sandbox.config(file_download="always", file_directory=str(files)),
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
    raw_ids = {stream: raw_ids_of(destination, stream) for stream in TRACKED}

    finished = {row["id"] for row in sandbox.shop.projects() if row["processingStatus"] not in ("Completed", "Failed")}
    assert sandbox.shop.finish_all() == len(finished) > 0
    added = sandbox.shop.create_project(storefront_id=11, order_id="5001", processing="Completed", files=2)

    destination.sync()
    assert_equals_shop(destination)
    for stream in TRACKED:
        new = raw_ids_of(destination, stream)
        written = {new[raw_id] for raw_id in new.keys() - raw_ids[stream].keys()}
        assert written == finished | {added}, stream


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
        (one["storefrontId"], one["orderId"], one["id"], artifact["id"])
        for one in shop.projects()
        for artifact in shop.artifacts(one["id"])
        if artifact["type"] == "Final" and shop.results(one["id"])["status"] == "Completed"
    }
    assert {(row["storefront"], row["ordered"], row["project"], row["artifact"]) for row in rows} == expected
    assert len(rows) == len(expected) > 40
    for row in rows:
        content = (destination.files / "artifact_files" / row["path"]).read_bytes()
        assert content == shop.file_bytes(row["artifact"])
        assert (row["bytes"], row["checksum"]) == (len(content), hashlib.sha256(content).hexdigest())


def test_given_synced_tables_when_the_examples_views_are_made_then_each_order_is_counted_as_the_shop_has_it(
    destination: Destination,
) -> None:
    sandbox = destination.sandbox
    destination.sync()
    make_views(destination)

    orders = {(row["storefront_id"], row["order_id"]): row for row in destination.query("select * from orders")}
    expected = orders_of(sandbox)
    assert orders.keys() == expected.keys()
    for key, wanted in expected.items():
        found = orders[key]
        counts = {name: int(found[name]) for name in ("projects", "finished", "failed", "files")}
        assert counts == {name: wanted[name] for name in counts}, key
        assert utc(found["ready_since"]) == wanted["ready_since"], key
    assert any(wanted["ready_since"] for wanted in expected.values())
    assert any(wanted["failed"] for wanted in expected.values())

    to_print = destination.query("select * from files_to_print")
    ready = {key for key, wanted in expected.items() if wanted["ready_since"]}
    assert {(row["storefront_id"], row["order_id"]) for row in to_print} == ready
    assert len(to_print) == sum(expected[key]["files"] for key in ready)
    assert all((destination.files / "artifact_files" / row["file_path"]).is_file() for row in to_print)


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


def orders_of(sandbox: Sandbox) -> dict[tuple[int, str], dict[str, Any]]:
    """What the example's view should say, made from the shop without SQL."""
    orders: dict[tuple[int, str], dict[str, Any]] = {}
    rows = truth(sandbox)
    for project in rows["projects"].values():
        order = orders.setdefault(
            (project["storefrontId"], project["orderId"]),
            {"projects": 0, "finished": 0, "failed": 0, "files": 0, "times": []},
        )
        status = rows["processing_results"][project["id"]]["status"]
        files = [row for row in rows["artifact_files"].values() if row["projectId"] == project["id"]]
        order["projects"] += 1
        order["finished"] += status == "Completed"
        order["failed"] += status == "Failed"
        order["files"] += len(files)
        order["times"].append(max((row["lastModified"] for row in files), default=project["updatedAt"]))
    for order in orders.values():
        is_ready = order["finished"] == order["projects"]
        order["ready_since"] = utc(datetime.fromisoformat(max(order["times"])[:-1])) if is_ready else None
    return orders


def assert_equals_shop(destination: Destination) -> None:
    """Each table holds the shop's rows, all of them and no others; values compared as JSON."""
    shop = destination.sandbox.shop
    expected: dict[str, list[Mapping[str, Any]]] = {
        stream: list(rows.values()) for stream, rows in truth(destination.sandbox).items()
    }
    expected["storefronts"] = [*shop.storefronts()]
    for stream, key in STREAMS.items():
        found = {row[key.lower()]: row for row in lowered(destination.query(f"select * from {stream}"))}
        if stream not in expected:
            assert found, stream
            continue
        assert found.keys() == {row[key] for row in expected[stream]}, stream
        for row in expected[stream]:
            for name, value in row.items():
                if stream == "artifact_files" and name in ("sha256", "filePath"):
                    continue  # what the files hold is compared byte for byte elsewhere
                if name == "created" and stream == "storefronts":
                    value = value[:26].rstrip("Z") + "Z"
                assert plain(found[row[key]][name.lower()]) == plain(value), (stream, row[key], name)


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


def raw_ids_of(destination: Destination, stream: str) -> dict[str, int]:
    """The project of each row, by the id that PyAirbyte gives a row when it writes it."""
    column = "id" if stream == "projects" else "projectId"
    rows = destination.query(f"select _airbyte_raw_id as raw_id, {column} as project from {stream}")
    return {row["raw_id"]: row["project"] for row in rows}
