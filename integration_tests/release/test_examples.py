"""The examples, each run as its first lines say, against the sandbox."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integration_tests.conftest import truth
from integration_tests.engine import KEYS
from sandbox import Sandbox

EXAMPLES = Path(__file__).parents[2] / "examples"
# the connector's clock runs faster than ours: its back-offs take no time to speak of
ENVIRONMENT = {"CUSTOMERSCANVAS_TIME_FACTOR": "30", "AIRBYTE_OFFLINE_MODE": "1", "DO_NOT_TRACK": "1"}


@pytest.fixture
def shop() -> Iterator[Sandbox]:
    with Sandbox(projects=30) as sandbox:
        yield sandbox


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
    write_config(tmp_path, shop, file_directory="print-files")
    run(tmp_path, "cron_job.py", "config.json")
    assert_rows_and_files(shop, tmp_path)
    before = line_counts(tmp_path)

    run(tmp_path, "cron_job.py", "config.json")
    assert line_counts(tmp_path) == before

    finished = shop.shop.finish_all()
    run(tmp_path, "cron_job.py", "config.json")
    assert_rows_and_files(shop, tmp_path)
    assert line_counts(tmp_path)["projects"] - before["projects"] == finished


def test_given_a_cron_job_that_is_killed_at_some_state_when_run_again_then_nothing_is_missing_or_repeated(
    tmp_path: Path,
) -> None:
    with Sandbox(projects=600, files_per_project=1, file_size=500) as shop:
        write_config(tmp_path, shop, file_directory="print-files", num_workers=8)
        never_answered = shop.fault("/processing-results$", skip=400, hang=True)
        process = start(tmp_path, "cron_job.py", "config.json")
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not covered_bytes(tmp_path, "processing_results"):
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        never_answered.remove()
        assert covered_bytes(tmp_path, "processing_results")
        assert 0 < line_counts(tmp_path)["processing_results"] < 600

        # as if the machine had gone down in the middle of a row
        with (tmp_path / "rows" / "projects.jsonl").open("a", encoding="utf-8") as rows:
            rows.write('{"id": 1, "na')
        run(tmp_path, "cron_job.py", "config.json")
        assert_rows_and_files(shop, tmp_path)
        assert line_counts(tmp_path) == {stream: len(rows) for stream, rows in truth(shop).items()}


def test_given_a_cron_job_that_is_still_busy_when_the_next_one_starts_then_that_one_leaves_it_alone(
    shop: Sandbox, tmp_path: Path
) -> None:
    import fcntl

    write_config(tmp_path, shop)
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        run(tmp_path, "cron_job.py", "config.json")
    assert shop.requests == []


def covered_bytes(folder: Path, stream: str) -> int:
    """The bytes of a stream's rows that the saved state covers."""
    state = folder / "state.json"
    return int(json.loads(state.read_text())["bytes"].get(stream, 0)) if state.exists() else 0


def line_counts(folder: Path) -> dict[str, int]:
    return {stream: len(lines(folder, stream)) for stream in KEYS}


def lines(folder: Path, stream: str) -> list[str]:
    path = folder / "rows" / f"{stream}.jsonl"
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def assert_rows_and_files(sandbox: Sandbox, folder: Path) -> None:
    expected = truth(sandbox)
    for stream, key in KEYS.items():
        rows = {row[key]: row for row in map(json.loads, lines(folder, stream))}
        assert rows.keys() == expected[stream].keys(), stream
        if stream != "artifact_files":
            assert without_nulls(rows) == without_nulls(expected[stream]), stream
        else:
            for artifact_id, content in final_files(sandbox).items():
                path = folder / "print-files" / "artifact_files" / rows[artifact_id]["filePath"]
                assert path.read_bytes() == content


def without_nulls(value: Any) -> Any:
    """As the framework writes records, which leaves out fields that are null."""
    if isinstance(value, dict):
        return {name: without_nulls(one) for name, one in value.items() if one is not None}
    return [without_nulls(one) for one in value] if isinstance(value, list) else value


# Files to a bucket


@pytest.mark.filterwarnings("ignore")
def test_given_a_bucket_when_run_twice_then_it_holds_each_file_and_only_news_is_uploaded(
    shop: Sandbox, tmp_path: Path
) -> None:
    pytest.importorskip("moto", reason="moto is not installed beside this Python: `make test-connector` runs this test")
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        aws = {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        store = boto3.client(
            "s3",
            endpoint_url=aws["AWS_ENDPOINT_URL"],
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        store.create_bucket(Bucket="print")
        write_config(tmp_path, shop)

        first = run(tmp_path, "files_to_bucket.py", "config.json", "print", **aws)
        assert objects(store) == sorted(final_files(shop).values())
        assert len(first.splitlines()) == len(final_files(shop)) > 20

        before = final_files(shop)
        shop.shop.finish_all()
        second = run(tmp_path, "files_to_bucket.py", "config.json", "print", **aws)
        assert objects(store) == sorted(final_files(shop).values())
        assert len(second.splitlines()) == len(final_files(shop)) - len(before) > 0
    finally:
        server.stop()


def objects(store: Any) -> list[bytes]:
    """The bytes of each object, in the order of the bytes."""
    listed = [
        one for page in store.get_paginator("list_objects_v2").paginate(Bucket="print") for one in page["Contents"]
    ]
    assert all(re.fullmatch(r"artifact_files/\d+/[^/]+/\d+/[^/]+", one["Key"]) for one in listed)
    return sorted(store.get_object(Bucket="print", Key=one["Key"])["Body"].read() for one in listed)


# PyAirbyte


@pytest.mark.pyairbyte
@pytest.mark.skipif(
    importlib.util.find_spec("airbyte") is None,
    reason="PyAirbyte is not installed beside this Python: `make test-pyairbyte` runs this test",
)
def test_given_orders_when_synced_with_pyairbyte_then_those_that_are_ready_are_printed_with_files_that_exist(
    shop: Sandbox, tmp_path: Path
) -> None:
    write_config(tmp_path, shop, file_directory=str(tmp_path / "print-files"))
    arguments = ("pyairbyte_to_duckdb.py", "config.json", "orders.duckdb")
    assert_ready_orders(shop, tmp_path, run(tmp_path, *arguments, NO_LIVE_PROGRESS="1"))
    shop.shop.finish_all()
    assert_ready_orders(shop, tmp_path, run(tmp_path, *arguments, NO_LIVE_PROGRESS="1"))


def assert_ready_orders(sandbox: Sandbox, folder: Path, output: str) -> None:
    rows = truth(sandbox)
    unfinished = {
        (row["storefrontId"], row["orderId"])
        for row in rows["processing_results"].values()
        if row["status"] != "Completed"
    }
    ready = {(row["storefrontId"], row["orderId"]) for row in rows["projects"].values()} - unfinished
    printed = re.findall(r"^Storefront (\d+), order (\S+) of ", output, re.MULTILINE)
    assert {(int(storefront), order) for storefront, order in printed} == ready
    assert len(printed) == len(ready) > 0
    paths = re.findall(r"^    .*: (\S+) \(\d+ bytes\)$", output, re.MULTILINE)
    expected = [row for row in rows["artifact_files"].values() if (row["storefrontId"], row["orderId"]) in ready]
    assert len(set(paths)) == len(paths) == len(expected)
    assert all((folder / "print-files" / "artifact_files" / path).is_file() for path in paths)
