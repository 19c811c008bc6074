"""The command line delivers straight into a store, and tells nobody its secrets."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from integration_tests.command_line import CommandLine, bare_catalog, configured, kill_all
from integration_tests.conftest import STOREFRONT
from integration_tests.files.stores.conftest import Delivering
from sandbox import FileSpec

MB = 1024 * 1024
CATALOG = configured(bare_catalog(), "artifact_files", "projects")


def config_of(delivering: Delivering, **settings: Any) -> dict[str, Any]:
    return delivering.sandbox.config(**{"files": delivering.place.files, "num_workers": 8, **settings})


def assert_holds_the_shop(delivering: Delivering, rows: list[dict[str, Any]]) -> None:
    """What the rows of all syncs name lies there with the shop's bytes, and nothing else."""
    contents = {row["filePath"]: delivering.sandbox.shop.file_bytes(row["artifactId"]) for row in rows}
    assert delivering.place.contents() == contents
    assert delivering.place.unfinished() == 0


@pytest.mark.parametrize("place", ["s3", "gcs", "azure", "sftp"], indirect=True)
def test_given_two_syncs_when_files_are_made_in_between_then_the_store_holds_the_shops_files_and_no_secret_is_told(
    delivering: Delivering, tmp_path: Path
) -> None:
    command = CommandLine(tmp_path)
    for number in range(10):
        delivering.add(FileSpec("print", id=f"f{number}", size=1000), order_id=f"{number}")
    delivering.add(FileSpec("print", id="large", size=11 * MB), FileSpec("PRINT", id="twin"))
    first = command.read(config_of(delivering), CATALOG, None, "--debug")
    assert first.exit_code == 0
    rows = first.records("artifact_files")
    assert {row["artifactId"] for row in rows} == {*(f"f{number}" for number in range(10)), "large", "twin"}
    assert_holds_the_shop(delivering, rows)

    delivering.add(FileSpec("late/übersicht", id="late", format="Pdf"), order_id="late")
    second = command.read(config_of(delivering), CATALOG, first.state, "--debug")

    assert [row["artifactId"] for row in second.records("artifact_files")] == ["late"]
    assert_holds_the_shop(delivering, rows + second.records("artifact_files"))
    for row in rows:
        assert row["fileUrl"].endswith(row["filePath"].replace(" ", "%20")) or "%" in row["fileUrl"]
    assert command.check(config_of(delivering)).connection_status["status"] == "SUCCEEDED"
    for run in (first, second):
        assert run.file_references() == {}
        for secret in delivering.place.secrets:
            for line in filter(None, secret.splitlines()[1:-1] or [secret]):
                assert line not in run.output + run.errors


@pytest.mark.parametrize("place", ["s3", "sftp"], indirect=True)
@pytest.mark.parametrize("how", ["ended", "killed"])
def test_given_a_sync_that_ends_in_the_middle_of_uploads_when_started_again_then_all_files_are_there_whole(
    delivering: Delivering, tmp_path: Path, how: str
) -> None:
    command = CommandLine(tmp_path)
    for number in range(6):
        delivering.add(FileSpec("print", id=f"f{number}", size=6 * MB), order_id=f"{number}")
    stalled = delivering.sandbox.fault("/f3/file", stall_after=5_500_000)
    arguments = command.arguments(config=config_of(delivering), catalog=CATALOG)
    with command.start("read", *arguments) as process:
        assert process.stdout
        rows = 0
        while rows < 5:
            line = process.stdout.readline()
            assert line, "the sync has ended before it was killed"
            rows += '"artifact_files"' in line and '"RECORD"' in line
        if how == "ended":
            process.send_signal(signal.SIGTERM)
        else:
            kill_all(process)
        process.communicate()
    whole = {path for path in delivering.place.contents() if not path.rpartition("/")[2].startswith(".")}
    assert len(whole) == 5
    if how == "ended":
        assert len(delivering.place.contents()) == 5
        assert delivering.place.unfinished() == 0
    stalled.remove()

    again = command.read(config_of(delivering), CATALOG)

    assert again.exit_code == 0
    found = {path: content for path, content in delivering.place.contents().items() if path.startswith(str(STOREFRONT))}
    rows_again = again.records("artifact_files")
    assert found == {row["filePath"]: delivering.sandbox.shop.file_bytes(row["artifactId"]) for row in rows_again}
    assert len(found) == 6


@pytest.mark.parametrize("place", ["s3"], indirect=True)
def test_given_a_bucket_that_is_missing_when_checked_and_synced_then_the_same_sentence_says_so(
    delivering: Delivering, tmp_path: Path
) -> None:
    command = CommandLine(tmp_path)
    delivering.add(FileSpec("print", id="one"))
    config = config_of(delivering, files={**delivering.place.files, "bucket": "no-such-bucket"})

    status = command.check(config).connection_status
    run = command.read(config, CATALOG)

    assert status["status"] == "FAILED"
    assert "NoSuchBucket" in status["message"]
    assert run.traces[-1]["message"] == status["message"]
    assert run.traces[-1]["failure_type"] == "config_error"
    assert run.statuses() == {"artifact_files": "INCOMPLETE", "projects": "COMPLETE"}


@pytest.mark.parametrize("place", ["s3"], indirect=True)
@pytest.mark.parametrize("template", ["{name}", "{storefront}/{projectId}"])
def test_given_a_template_that_is_none_or_not_unique_when_checked_then_it_is_refused(
    delivering: Delivering, tmp_path: Path, template: str
) -> None:
    status = CommandLine(tmp_path).check(config_of(delivering, file_path=template)).connection_status
    assert status["status"] == "FAILED"
    assert "`file_path`" in status["message"]
