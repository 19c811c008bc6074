"""A disk that cannot take the files stops nothing else."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration_tests.command_line import State
from integration_tests.engine import folder
from integration_tests.files.conftest import SIZE, Shop, error_of, files_below
from integration_tests.files.mounts import without_mounts
from sandbox import FileSpec

FILE = "/file$"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for three files and a half."""
    folder = tmp_path / "small"
    folder.mkdir()
    why = without_mounts("-t", "tmpfs", "-o", f"size={3 * SIZE + SIZE // 2}", "none", str(folder))
    if why:
        pytest.skip(f"a full disk takes a small file system, and mounting one needs root: {why}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "read-only"
    folder.mkdir()
    why = without_mounts("-t", "tmpfs", "-o", "ro", "none", str(folder))
    if why:
        pytest.skip(f"root writes to a folder whatever its mode, and mounting a read-only one needs root: {why}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_given_a_full_disk_when_synced_then_what_fits_is_delivered_and_the_next_sync_brings_exactly_the_rest(
    shop: Shop, small_disk: Path
) -> None:
    ids = {f"file-{number}" for number in range(8)}
    for id_ in ids:
        shop.add(FileSpec(id=id_, size=SIZE))

    full = shop.sync(None, "artifact_files", "processing_results", files=folder(small_disk), num_workers=2)

    error = error_of(full)
    assert error["failure_type"] == "config_error"
    assert "No space left" in error["message"]
    assert str(small_disk) in error["message"]
    delivered = shop.delivered(full, small_disk)
    assert 0 < len(delivered) < len(ids)
    assert full.statuses() == {"artifact_files": "INCOMPLETE", "processing_results": "COMPLETE"}
    assert len(full.records("processing_results")) == len(ids)

    for path in files_below(small_disk):
        path.unlink()
    subprocess.run(["mount", "-o", f"remount,size={20 * SIZE}", str(small_disk)], check=True)
    rest = shop.sync(full.state, "artifact_files", "processing_results", files=folder(small_disk))
    assert rest.exit_code == 0
    assert shop.delivered(rest, small_disk) == ids - delivered
    assert rest.records("processing_results") == []


def test_given_a_folder_that_cannot_be_written_when_synced_then_it_is_named_and_other_streams_go_on(
    shop: Shop, read_only: Path
) -> None:
    shop.add(FileSpec(id="only"))
    in_the_way = shop.folder / "in-the-way"
    in_the_way.write_text("a file where a folder should be")
    state: State | None = None

    for place in (read_only, in_the_way):
        run = shop.sync(None, "artifact_files", "projects", files=folder(place))
        error = error_of(run)
        assert error["failure_type"] == "config_error"
        assert str(place) in error["message"]
        assert "`files`" in error["message"]
        assert run.statuses() == {"artifact_files": "INCOMPLETE", "projects": "COMPLETE"}
        assert (len(run.records("projects")), run.records("artifact_files")) == (1, [])
        state = run.state

    assert shop.delivered(shop.sync(state, "artifact_files", "projects")) == {"only"}


def test_given_a_staging_folder_that_vanishes_when_synced_then_the_next_sync_brings_what_was_not_delivered(
    shop: Shop,
) -> None:
    ids = {f"file-{number}" for number in range(8)}
    for id_ in ids:
        shop.add(FileSpec(id=id_, size=SIZE))
    vanished = shop.folder / "vanished"
    shop.sandbox.on(FILE, lambda: shop.files.rename(vanished), nth=5)

    first = shop.sync(None, "artifact_files", "projects", num_workers=2)

    assert error_of(first)["failure_type"] == "config_error"
    assert str(shop.files) in error_of(first)["message"]
    assert first.statuses() == {"artifact_files": "INCOMPLETE", "projects": "COMPLETE"}
    assert not list(shop.files.rglob("*.part"))

    delivered = {row["artifactId"] for row in first.records("artifact_files")}
    shutil.rmtree(vanished)
    shutil.rmtree(shop.files, ignore_errors=True)
    second = shop.sync(first.state, "artifact_files", "projects")
    assert second.exit_code == 0
    assert shop.delivered(second) == ids - delivered
