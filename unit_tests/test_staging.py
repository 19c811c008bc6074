"""Which directory files go to, and what is found there."""

import os
from functools import partial
from pathlib import Path
from typing import IO

import pytest

from source_customerscanvas import staging
from source_customerscanvas.errors import StagingUnavailable
from source_customerscanvas.staging import remove_leftovers, staging_directory
from unit_tests.http_server import Server


def test_given_a_configured_directory_when_chosen_then_it_is_made_below_the_working_directory(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AIRBYTE_STAGING_DIRECTORY", str(tmp_path / "platform"))
    directory = staging_directory(server.settings(file_directory="print/files"), "artifact_files")
    assert directory == tmp_path / "print/files/artifact_files"
    assert list(directory.iterdir()) == []


def test_given_a_platform_when_chosen_then_its_directory_is_taken(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRBYTE_STAGING_DIRECTORY", str(tmp_path / "platform"))
    assert staging_directory(server.settings(), "artifact_files") == tmp_path / "platform/artifact_files"


def test_given_no_platform_when_chosen_then_it_lies_below_the_temporary_directory_unless_the_default_exists(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRBYTE_STAGING_DIRECTORY", raising=False)
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(staging, "_PLATFORM_DIRECTORY", tmp_path / "default")
    assert staging_directory(server.settings(), "files") == tmp_path / "airbyte-file-transfer/files"
    (tmp_path / "default").mkdir()
    assert staging_directory(server.settings(), "files") == tmp_path / "default/files"


def test_given_a_directory_that_cannot_be_made_when_chosen_then_it_says_so(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StagingUnavailable, match="artifact_files"):
        staging_directory(server.settings(file_directory=str(tmp_path / "file")), "artifact_files")


def test_given_rests_of_a_killed_run_when_removed_then_files_and_what_is_being_written_stay(tmp_path: Path) -> None:
    folder = tmp_path / "1/5/9"
    folder.mkdir(parents=True)
    (folder / "card.pdf").write_bytes(b"x")
    (folder / ".other.part").write_bytes(b"x")
    (folder / staging._TEMPORARY_NAME.format("0" * 32)).write_bytes(b"x")
    with staging._partial_file(partial(staging._new_part, str(folder))) as (busy, _):
        remove_leftovers(tmp_path)
        assert {path.name for path in folder.iterdir()} == {Path(busy).name, ".other.part", "card.pdf"}


def test_given_another_run_that_clears_up_when_a_part_is_made_then_none_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clears_up = iter([True, True])
    lock = staging._lock

    def lock_late(file: IO[bytes]) -> None:
        if next(clears_up, False):
            monkeypatch.setattr(staging, "_lock", lock)
            remove_leftovers(tmp_path)
            monkeypatch.setattr(staging, "_lock", lock_late)
        lock(file)

    monkeypatch.setattr(staging, "_lock", lock_late)
    with staging._partial_file(partial(staging._new_part, str(tmp_path))) as (path, _):
        assert [str(found) for found in tmp_path.iterdir()] == [path]


def test_given_another_run_that_clears_up_when_a_directory_is_chosen_then_it_is_taken(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlink = os.unlink

    def unlink_late(path: str) -> None:
        unlink(path)
        unlink(path)

    monkeypatch.setattr(os, "unlink", unlink_late)
    settings = server.settings(file_directory=str(tmp_path))
    assert staging_directory(settings, "artifact_files") == tmp_path / "artifact_files"
