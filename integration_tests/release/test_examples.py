"""The examples, each run as its first lines say, against the sandbox."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from integration_tests.command_line import CommandLine, State, bare_catalog, configured
from integration_tests.conftest import truth
from integration_tests.engine import KEYS
from sandbox import Sandbox

CANCELLED = 5

Rows = dict[str, list[dict[str, Any]]]

EXAMPLES = Path(__file__).parents[2] / "examples"
# the connector's clock runs faster than ours: its back-offs take no time to speak of
ENVIRONMENT = {"CUSTOMERSCANVAS_TIME_FACTOR": "30", "AIRBYTE_OFFLINE_MODE": "1", "DO_NOT_TRACK": "1"}


@pytest.fixture
def shop() -> Iterator[Sandbox]:
    with Sandbox(projects=30) as sandbox:
        yield sandbox


@dataclass(frozen=True)
class S3:
    """A bucket named `print`."""

    environment: dict[str, str]
    client: Any


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    pytest.importorskip("moto", reason="moto is not installed beside this Python: `make test-connector` runs this test")
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        environment = {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        client = boto3.client("s3")
        client.create_bucket(Bucket="print")
        yield S3(environment, client)
    finally:
        server.stop()


def in_bucket(bucket: S3, prefix: str) -> Rows:
    """The rows of each stream that lie below a prefix."""
    rows: Rows = {}
    pages = bucket.client.get_paginator("list_objects_v2").paginate(Bucket="print", Prefix=f"{prefix}/rows/")
    for key in sorted(one["Key"] for page in pages for one in page.get("Contents", ())):
        body = bucket.client.get_object(Bucket="print", Key=key)["Body"].read().decode()
        rows.setdefault(key.split("/")[-2], []).extend(map(json.loads, body.splitlines()))
    return rows


def start(folder: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(EXAMPLES / arguments[0]), *arguments[1:]],
        cwd=folder,
        env={**os.environ, **ENVIRONMENT, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run(folder: Path, *arguments: str, **environment: str) -> str:
    """What an example prints; fails with what it says when it fails."""
    output, errors = start(folder, *arguments, **environment).communicate(timeout=200)
    process_failed = "Traceback" in errors
    assert not process_failed, errors
    return output


def write_config(folder: Path, sandbox: Sandbox, **settings: Any) -> None:
    (folder / "config.json").write_text(json.dumps(sandbox.config(**settings)), encoding="utf-8")


def final_files(sandbox: Sandbox) -> dict[str, bytes]:
    """The bytes of each final artifact of a completed project, by its id."""
    return {key: sandbox.shop.file_bytes(key) for key in truth(sandbox)["artifact_files"]}


# A cron job


def test_given_a_cron_job_when_run_again_after_news_then_its_rows_are_what_the_shop_shows(
    shop: Sandbox, tmp_path: Path
) -> None:
    write_config(tmp_path, shop, files={"delivery": "folder", "path": "print-files"})
    run(tmp_path, "cron_job.py", "config.json", "synced")
    assert_rows_and_files(shop, tmp_path, in_folder(tmp_path / "synced"))
    before = counts(in_folder(tmp_path / "synced"))

    run(tmp_path, "cron_job.py", "config.json", "synced")
    assert counts(in_folder(tmp_path / "synced")) == before

    finished = shop.shop.finish_all()
    run(tmp_path, "cron_job.py", "config.json", "synced")
    assert_rows_and_files(shop, tmp_path, in_folder(tmp_path / "synced"))
    assert counts(in_folder(tmp_path / "synced"))["projects"] - before["projects"] == finished


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["folder", "bucket"])
def test_given_a_cron_job_that_is_killed_at_some_state_when_run_again_then_nothing_is_missing_or_repeated(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    if kind == "bucket":
        bucket: S3 = request.getfixturevalue("bucket")
        place = "s3://print/synced"
    else:
        place = "synced"

    def rows() -> Rows:
        return in_bucket(bucket, "synced") if kind == "bucket" else in_folder(tmp_path / "synced")

    with Sandbox(projects=600, files_per_project=1, file_size=500) as shop:
        write_config(tmp_path, shop, files={"delivery": "folder", "path": "print-files"}, num_workers=8)
        never_answered = shop.fault("/processing-results$", skip=400, hang=True)
        process = start(tmp_path, "cron_job.py", "config.json", place)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not rows().get("processing_results"):
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        never_answered.remove()
        assert 0 < counts(rows())["processing_results"] < 600

        run(tmp_path, "cron_job.py", "config.json", place)
        assert_rows_and_files(shop, tmp_path, rows())
        assert counts(rows()) == {stream: len(expected) for stream, expected in truth(shop).items()}


def test_given_a_cron_job_when_it_is_told_to_end_then_it_ends_with_its_connector(tmp_path: Path) -> None:
    with Sandbox(projects=30) as shop:
        asked = threading.Event()
        shop.on("/processing-results$", asked.set)
        shop.fault("/processing-results$", hang=True)
        write_config(tmp_path, shop)
        process = start(tmp_path, "cron_job.py", "config.json", "synced")
        assert asked.wait(60)
        process.terminate()
        process.communicate(timeout=60)
        assert process.returncode == 143
        deadline = time.monotonic() + 60
        while is_group_alive(process.pid):
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_given_a_cron_job_that_is_still_busy_when_the_next_one_starts_then_that_one_leaves_it_alone(
    shop: Sandbox, tmp_path: Path
) -> None:
    import fcntl

    write_config(tmp_path, shop)
    (tmp_path / "synced").mkdir()
    lock = os.open(tmp_path / "synced", os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        run(tmp_path, "cron_job.py", "config.json", "synced")
    finally:
        os.close(lock)
    assert shop.requests == []


def is_group_alive(leader: int) -> bool:
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return False
    return True


def in_folder(place: Path) -> Rows:
    """The rows of each stream that lie there."""
    rows: Rows = {}
    for path in sorted(place.glob("rows/*/*.jsonl")):
        rows.setdefault(path.parent.name, []).extend(map(json.loads, path.read_text(encoding="utf-8").splitlines()))
    return rows


def counts(rows: Rows) -> dict[str, int]:
    return {stream: len(rows.get(stream, ())) for stream in KEYS}


def assert_rows_and_files(sandbox: Sandbox, folder: Path, found: Rows) -> None:
    expected = truth(sandbox)
    for stream, key in KEYS.items():
        rows = {row[key]: row for row in found[stream]}
        assert rows.keys() == expected[stream].keys(), stream
        if stream != "artifact_files":
            assert without_nulls(rows) == without_nulls(expected[stream]), stream
        else:
            for artifact_id, content in final_files(sandbox).items():
                assert (folder / "print-files" / rows[artifact_id]["filePath"]).read_bytes() == content


def without_nulls(value: Any) -> Any:
    """As the framework writes records, which leaves out fields that are null."""
    if isinstance(value, dict):
        return {name: without_nulls(one) for name, one in value.items() if one is not None}
    return [without_nulls(one) for one in value] if isinstance(value, list) else value


# Hot folder


@pytest.fixture
def delivering(shop: Sandbox, tmp_path: Path) -> Callable[[], None]:
    """Syncs the shop's files, with manifests, into `print-files`."""
    command_line = CommandLine(tmp_path)
    files = {"delivery": "folder", "path": str(tmp_path / "print-files")}
    config = shop.config(files=files, order_manifest=True, statuses={"mode": "except", "codes": [CANCELLED]})
    states: list[State | None] = [None]

    def sync() -> None:
        done = command_line.read(config, configured(bare_catalog(), "artifact_files"), states[-1])
        assert done.exit_code == 0, done.traces
        states.append(done.state)

    return sync


def look(folder: Path) -> list[str]:
    """What the hot folder's example hands over in one look."""
    return sorted(run(folder, "hot_folder.py", "print-files", "hot", "--once").splitlines())


def complete_pdfs(sandbox: Sandbox) -> list[bytes]:
    """The PDFs of the orders of which every project that is not cancelled is completed."""
    orders: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for project in sandbox.shop.projects():
        if project["orderId"] and project["status"] != CANCELLED:
            orders.setdefault((project["storefrontId"], project["orderId"]), []).append(project)
    return sorted(
        sandbox.shop.file_bytes(file["artifactId"])
        for projects in orders.values()
        if all(project["processingStatus"] == "Completed" for project in projects)
        for project in projects
        for file in sandbox.shop.results(project["id"])["outputFileDetails"] or []
        if file["format"].lower() == "pdf"
    )


def test_given_a_hot_folder_when_orders_become_complete_then_it_gets_their_pdfs_whole_and_once(
    shop: Sandbox, tmp_path: Path, delivering: Callable[[], None]
) -> None:
    delivering()
    first = look(tmp_path)
    assert first == names_in(tmp_path / "hot")
    assert contents_in(tmp_path / "hot") == complete_pdfs(shop)
    assert look(tmp_path) == []

    shop.shop.finish_all()
    shop.advance(60)
    delivering()
    second = look(tmp_path)
    assert second
    assert names_in(tmp_path / "hot") == sorted(first + second)
    assert contents_in(tmp_path / "hot") == complete_pdfs(shop)


def test_given_a_hot_folder_when_a_file_is_made_anew_then_it_alone_is_handed_over_again(
    shop: Sandbox, tmp_path: Path, delivering: Callable[[], None]
) -> None:
    shop.shop.finish_all()
    delivering()
    first = look(tmp_path)
    manifest = min(tmp_path.glob("print-files/*/*/order.json"))
    project = json.loads(manifest.read_bytes())["projects"][0]
    (file, *_) = (one for one in project["files"] if one["format"].lower() == "pdf")
    for path in (tmp_path / "hot").iterdir():
        path.unlink()

    shop.advance(60)
    shop.shop.regenerate_artifact(file["artifactId"])
    shop.shop.modify_project(project["id"])
    delivering()
    again = look(tmp_path)
    assert len(again) == 1
    assert set(again) <= set(first)
    assert contents_in(tmp_path / "hot") == [shop.shop.file_bytes(file["artifactId"])]


def test_given_a_hot_folder_when_a_project_has_several_items_then_each_file_says_how_often_its_item_was_ordered(
    shop: Sandbox, tmp_path: Path, delivering: Callable[[], None]
) -> None:
    shop.shop.finish_all()
    delivering()
    ordered = {}
    for project in shop.shop.projects():
        quantities = {item["id"]: item["quantity"] for item in project["items"]}
        for file in shop.shop.results(project["id"])["outputFileDetails"] or []:
            ordered[file["artifactId"]] = quantities.get(file["projectItemId"], sum(quantities.values()))
    names = [name.split("_", 2) for name in look(tmp_path)]
    assert [int(pieces[:-1]) for pieces, _, _ in names] == [ordered[artifact] for _, artifact, _ in names]


def test_given_files_of_a_manifest_when_their_item_or_checksum_is_not_known_then_all_items_count_and_it_is_taken_once(
    tmp_path: Path,
) -> None:
    (tmp_path / "print-files").mkdir()
    (tmp_path / "print-files" / "a.pdf").write_bytes(b"abc")
    items = [{"id": number, "quantity": 100 * number} for number in (1, 2)]
    file = {"artifactId": "7f", "projectItemId": None, "format": "pdf", "path": "a.pdf", "size": 3, "sha256": None}
    order = {"version": 1, "projects": [{"items": items, "files": [file, {**file, "artifactId": "8", "path": "gone"}]}]}
    manifest = tmp_path / "print-files" / "order.json"
    manifest.write_text(json.dumps(order), encoding="utf-8")
    assert look(tmp_path) == []
    order["projects"][0]["files"].pop()  # type: ignore[index]  # a list of projects
    manifest.write_text(json.dumps(order), encoding="utf-8")
    assert look(tmp_path) == ["300x_7f_a.pdf"]
    assert look(tmp_path) == []


def test_given_a_file_that_is_not_what_its_manifest_says_when_looked_at_then_its_order_waits(
    shop: Sandbox, tmp_path: Path, delivering: Callable[[], None]
) -> None:
    delivering()
    manifest = min(tmp_path.glob("print-files/*/*/order.json"))
    files = [file for project in json.loads(manifest.read_bytes())["projects"] for file in project["files"]]
    (pdf, *_) = (file for file in files if file["format"].lower() == "pdf")
    path = tmp_path / "print-files" / pdf["path"]
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    # a print file that happens to have the name of a manifest
    (path.parent / "order.json").write_text('[{"version": 1}]', encoding="utf-8")

    handed = look(tmp_path)
    assert handed
    assert not any(f"_{pdf['artifactId']}_" in name for name in handed)
    path.write_bytes(whole)
    late = look(tmp_path)
    assert any(f"_{pdf['artifactId']}_" in name for name in late)
    assert contents_in(tmp_path / "hot") == complete_pdfs(shop)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def contents_in(folder: Path) -> list[bytes]:
    return sorted(path.read_bytes() for path in folder.iterdir())


# PyAirbyte


needs_pyairbyte = pytest.mark.skipif(
    importlib.util.find_spec("airbyte") is None,
    reason="PyAirbyte is not installed beside this Python: `make test-pyairbyte` runs this test",
)


@pytest.mark.pyairbyte
@needs_pyairbyte
def test_given_orders_when_synced_with_pyairbyte_then_those_that_are_ready_are_printed_with_files_that_exist(
    shop: Sandbox, tmp_path: Path
) -> None:
    write_config(tmp_path, shop, files={"delivery": "folder", "path": "print-files"}, order_manifest=True)
    arguments = ("pyairbyte_to_duckdb.py", "config.json", "orders.duckdb")
    assert_ready_orders(shop, tmp_path, run(tmp_path, *arguments, NO_LIVE_PROGRESS="1"))
    shop.shop.finish_all()
    assert_ready_orders(shop, tmp_path, run(tmp_path, *arguments, NO_LIVE_PROGRESS="1"))


@pytest.mark.pyairbyte
@needs_pyairbyte
def test_given_no_place_for_files_when_synced_with_pyairbyte_then_one_sentence_says_what_to_set(
    shop: Sandbox, tmp_path: Path
) -> None:
    write_config(tmp_path, shop)
    process = start(tmp_path, "pyairbyte_to_duckdb.py", "config.json", "orders.duckdb")
    _, errors = process.communicate(timeout=200)
    assert process.returncode == 1
    assert errors.splitlines()[-1].startswith('Set "files" in the configuration')
    assert shop.requests == []


def assert_ready_orders(sandbox: Sandbox, folder: Path, output: str) -> None:
    rows = truth(sandbox)
    with_order = [row for row in rows["processing_results"].values() if row["orderId"]]
    unfinished = {(row["storefrontId"], row["orderId"]) for row in with_order if row["status"] != "Completed"}
    ready = {(row["storefrontId"], row["orderId"]) for row in with_order} - unfinished
    expected = [row for row in rows["artifact_files"].values() if (row["storefrontId"], row["orderId"]) in ready]
    printed = re.findall(r"^Storefront (\d+), order (\S+) of ", output, re.MULTILINE)
    with_files = {(row["storefrontId"], row["orderId"]) for row in expected}
    assert {(int(storefront), order) for storefront, order in printed} == with_files
    assert len(printed) == len(with_files) > 0
    paths = re.findall(r"^    .*: (\S.*) \(\d+ bytes\)$", output, re.MULTILINE)
    assert len(set(paths)) == len(paths) == len(expected)
    assert all((folder / "print-files" / path).is_file() for path in paths)
