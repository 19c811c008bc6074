"""The examples for cron jobs and PyAirbyte, against the sandbox."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from integration_tests.conftest import truth
from integration_tests.engine import KEYS
from integration_tests.release.examples import S3, Rows, bucket, in_bucket, run, shop, start
from sandbox import Sandbox

__all__ = ["bucket", "shop"]  # the fixtures


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
