"""Which directory files go to, and what is found there."""

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest
from source_customerscanvas.files.staging import Staging, staging_directory

from source_customerscanvas.errors import StagingUnavailable
from source_customerscanvas.files import staging
from unit_tests.http_server import Server


def test_given_a_configured_directory_when_chosen_then_it_is_made_below_the_working_directory(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AIRBYTE_STAGING_DIRECTORY", str(tmp_path / "platform"))
    directory = staging_directory(server.settings(file_directory="print/files"), "artifact_files")
    assert directory == tmp_path / "print/files/artifact_files"
    chosen = Staging(directory)
    chosen.begin()
    chosen.end()
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


def test_given_a_link_that_leads_to_itself_when_chosen_then_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "link")
    with pytest.raises(StagingUnavailable, match="link"):
        Staging(tmp_path / "link" / "files").begin()
    with pytest.raises(OSError, match="symbolic links"), Staging(tmp_path).partial_file("link/5/9/card.pdf"):
        pytest.fail("there is no such folder")


def test_given_a_directory_that_cannot_be_made_when_chosen_then_it_says_so(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StagingUnavailable, match="artifact_files"):
        Staging(staging_directory(server.settings(file_directory=str(tmp_path / "file")), "artifact_files")).begin()


KILLED = """
import os, sys
from pathlib import Path
from source_customerscanvas.files.staging import Staging
staging = Staging(Path(sys.argv[1]))
staging.begin()
with staging.partial_file("1/5/9/card.pdf") as part:
    os._exit(0)
"""


def _found(directory: Path) -> set[str]:
    return {path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file()}


def test_given_rests_of_a_killed_run_when_another_begins_then_files_and_what_is_being_written_stay(
    tmp_path: Path,
) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=True)
    [left] = tmp_path.rglob("*.part")
    (tmp_path / "1/5/9/card.pdf").write_bytes(b"x")
    (tmp_path / "1/5/9/.other.part").write_bytes(b"x")
    busy = Staging(tmp_path)
    busy.begin()
    assert not left.exists()
    with busy.partial_file("1/5/9/map.pdf") as part:
        another = Staging(tmp_path)
        another.begin()
        another.end()
        name = Path(part.name).relative_to(tmp_path).as_posix()
        assert {name, "1/5/9/card.pdf", "1/5/9/.other.part"} <= _found(tmp_path)
        os.unlink(part.name)
    busy.end()
    assert _found(tmp_path) == {"1/5/9/card.pdf", "1/5/9/.other.part"}


def test_given_a_killed_run_and_one_under_way_when_another_begins_then_only_what_the_killed_one_left_goes(
    tmp_path: Path,
) -> None:
    busy = Staging(tmp_path)
    busy.begin()
    with busy.partial_file("1/5/9/map.pdf") as part:
        subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=True)
        assert len(list(tmp_path.rglob("*.part"))) == 2
        another = Staging(tmp_path)
        another.begin()
        assert [str(path) for path in tmp_path.rglob("*.part")] == [part.name]
        another.end()
        os.unlink(part.name)
    busy.end()
    assert _found(tmp_path) == set()


def test_given_a_run_that_is_killed_while_it_clears_up_when_another_begins_then_that_one_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=True)
    with monkeypatch.context() as interrupted:
        interrupted.setattr(Path, "rglob", lambda *_: sys.exit("killed"))
        killed = Staging(tmp_path)
        with pytest.raises(SystemExit):
            killed.begin()
        killed.end()
    another = Staging(tmp_path)
    another.begin()
    another.end()
    assert _found(tmp_path) == set()


def test_given_a_file_system_without_locks_when_another_run_begins_then_the_first_may_be_under_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    busy, another = Staging(tmp_path), Staging(tmp_path)
    busy.begin()
    with busy.partial_file("1/5/9/map.pdf") as part:
        another.begin()
        assert Path(part.name).exists()
        os.unlink(part.name)
    for one in (busy, another):
        one.end()
    assert _found(tmp_path) == set()


def test_given_no_killed_run_when_another_begins_then_the_files_are_not_looked_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "rglob", lambda *_: pytest.fail("looked through"))
    for _ in range(2):
        staging = Staging(tmp_path)
        staging.begin()
        staging.end()
    assert list(tmp_path.iterdir()) == []


def test_given_another_run_that_clears_up_when_a_run_begins_then_it_is_not_taken_for_a_killed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_free = staging._is_free
    late, other, third = (Staging(tmp_path) for _ in range(3))
    others = iter([other])

    def lock_late(marker: IO[bytes]) -> bool | None:
        for one in others:
            one.begin()
        return is_free(marker)

    monkeypatch.setattr(staging, "_is_free", lock_late)
    late.begin()
    assert len(list(tmp_path.glob("*.run"))) == 2
    with late.partial_file("1/card.pdf") as part:
        third.begin()
        assert Path(part.name).exists()
        os.unlink(part.name)
    for one in (late, other, third):
        one.end()
