"""What is found in the directory of one run, and what of others."""

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO

import pytest

from source_customerscanvas.errors import Stopped, StoreUnavailable
from source_customerscanvas.files.stores import disk
from source_customerscanvas.files.stores.disk import Disk, DiskWriter


def _part_of(directory: Path, *others: Path) -> Path:
    [part] = set(directory.rglob("*.part")) - set(others)
    return part


def test_given_a_link_that_leads_to_itself_when_chosen_then_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "link")
    with pytest.raises(StoreUnavailable, match="link"):
        Disk(tmp_path / "link" / "files").begin()
    with pytest.raises(StoreUnavailable, match="symbolic links"):
        Disk(tmp_path).open("link/5/9/card.pdf")


KILLED = """
import os, sys
from pathlib import Path
from source_customerscanvas.files.stores.disk import Disk
disk = Disk(Path(sys.argv[1]))
disk.begin()
disk.open("1/5/9/card.pdf")
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
    busy = Disk(tmp_path)
    busy.begin()
    assert not left.exists()
    writer = busy.open("1/5/9/map.pdf")
    part = _part_of(tmp_path, tmp_path / "1/5/9/.other.part")
    another = Disk(tmp_path)
    another.begin()
    another.end()
    name = part.relative_to(tmp_path).as_posix()
    assert {name, "1/5/9/card.pdf", "1/5/9/.other.part"} <= _found(tmp_path)
    writer.abort()
    busy.end()
    assert _found(tmp_path) == {"1/5/9/card.pdf", "1/5/9/.other.part"}


def test_given_a_killed_run_and_one_under_way_when_another_begins_then_only_what_the_killed_one_left_goes(
    tmp_path: Path,
) -> None:
    busy = Disk(tmp_path)
    busy.begin()
    writer = busy.open("1/5/9/map.pdf")
    part = _part_of(tmp_path)
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=True)
    assert len(list(tmp_path.rglob("*.part"))) == 2
    another = Disk(tmp_path)
    another.begin()
    assert list(tmp_path.rglob("*.part")) == [part]
    another.end()
    writer.abort()
    busy.end()
    assert _found(tmp_path) == set()


def test_given_a_run_that_is_killed_while_it_clears_up_when_another_begins_then_that_one_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=True)
    with monkeypatch.context() as interrupted:
        interrupted.setattr(os, "walk", lambda *_: sys.exit("killed"))
        killed = Disk(tmp_path)
        with pytest.raises(SystemExit):
            killed.begin()
        killed.end()
    another = Disk(tmp_path)
    another.begin()
    another.end()
    assert _found(tmp_path) == set()


def test_given_a_file_system_without_locks_when_another_run_begins_then_the_first_may_be_under_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    busy, another = Disk(tmp_path), Disk(tmp_path)
    busy.begin()
    writer = busy.open("1/5/9/map.pdf")
    another.begin()
    assert _part_of(tmp_path).exists()
    writer.abort()
    for one in (busy, another):
        one.end()
    assert _found(tmp_path) == set()


def test_given_folders_that_somebody_takes_away_when_a_run_clears_up_then_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=True)
    (tmp_path / "2").mkdir()
    scandir = os.scandir

    def take_away_and_scan(path: str) -> object:
        if Path(path).name == "2":
            Path(path).rmdir()
        return scandir(path)

    monkeypatch.setattr(os, "scandir", take_away_and_scan)
    run = Disk(tmp_path)
    run.begin()
    run.end()
    assert _found(tmp_path) == set()


def test_given_no_killed_run_when_another_begins_then_the_files_are_not_looked_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "walk", lambda *_: pytest.fail("looked through"))
    for _ in range(2):
        run = Disk(tmp_path)
        run.begin()
        run.end()
    assert list(tmp_path.iterdir()) == []


def test_given_another_run_that_clears_up_when_a_run_begins_then_it_is_not_taken_for_a_killed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_free = disk._is_free
    late, other, third = (Disk(tmp_path) for _ in range(3))
    others = iter([other])

    def lock_late(marker: IO[bytes]) -> bool | None:
        for one in others:
            one.begin()
        return is_free(marker)

    monkeypatch.setattr(disk, "_is_free", lock_late)
    late.begin()
    assert len(list(tmp_path.glob("*.run"))) == 2
    writer = late.open("1/card.pdf")
    third.begin()
    assert _part_of(tmp_path).exists()
    writer.abort()
    for one in (late, other, third):
        one.end()


# The end of a run


def test_given_files_on_their_way_when_abandoned_then_they_are_gone_and_whoever_writes_them_stops(
    tmp_path: Path,
) -> None:
    run = Disk(tmp_path)
    run.begin()
    writers = [run.open(f"1/{number}.pdf") for number in range(3)]
    writers[0].write(b"x")
    whole = run.open("whole.pdf")
    whole.commit()
    run.abandon()
    assert _found(tmp_path) == {"whole.pdf"}
    with pytest.raises(Stopped):
        writers[0].commit()
    with pytest.raises(Stopped):
        run.open("1/late.pdf")
    for writer in writers:
        writer.abort()
    assert _found(tmp_path) == {"whole.pdf"}


@pytest.mark.parametrize("moment", ["before", "after"])
def test_given_a_file_that_is_just_being_made_when_abandoned_in_between_then_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    run = Disk(tmp_path)
    made, abandoning = threading.Event(), threading.Event()
    create = open

    def create_meanwhile(path: str, *arguments: object, **options: object) -> IO[bytes]:
        if moment == "before":
            made.set()
            assert abandoning.wait(30)
        file: IO[bytes] = create(path, *arguments, **options)  # type: ignore[call-overload]  # as it was called
        if moment == "after":
            made.set()
            assert abandoning.wait(30)
        return file

    monkeypatch.setattr(disk, "open", create_meanwhile, raising=False)
    monkeypatch.setattr(run.unfinished, "_changed", _Announcing(abandoning))
    writers: list[DiskWriter] = []
    maker = threading.Thread(target=lambda: writers.append(run.open("1/card.pdf")))
    maker.start()
    assert made.wait(30)
    run.abandon()
    assert _found(tmp_path) == set()
    maker.join()
    assert _found(tmp_path) == set()
    writers[0].abort()


class _Announcing(threading.Condition):
    """Tells when somebody begins to wait."""

    def __init__(self, waiting: threading.Event) -> None:
        super().__init__()
        self._told = waiting

    def wait(self, timeout: float | None = None) -> bool:
        self._told.set()
        return super().wait(timeout)


@pytest.mark.parametrize("moment", ["made", "locked", "cleared up"])
def test_given_a_run_that_just_begins_when_abandoned_then_its_marker_goes_and_it_does_not_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    run = Disk(tmp_path)
    is_free = disk._is_free

    def lock_and_abandon(marker: IO[bytes]) -> bool | None:
        if moment == "made":
            run.abandon()
        is_locked = is_free(marker)
        if moment == "locked":
            run.abandon()
        return is_locked

    def abandon_and_look(*_: object) -> list[Path]:
        run.abandon()
        return []

    monkeypatch.setattr(disk, "_is_free", lock_and_abandon)
    if moment == "cleared up":
        monkeypatch.setattr(Path, "glob", abandon_and_look)
        run.begin()
    else:
        with pytest.raises(Stopped):
            run.begin()
    assert os.listdir(tmp_path) == []
    with pytest.raises(Stopped):
        run.begin()


def test_given_a_run_that_is_killed_while_it_is_abandoned_when_another_begins_then_it_finds_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Disk(tmp_path)
    run.begin()
    writers = [run.open(f"1/{number}.pdf") for number in range(8)]
    removed: list[str] = []
    with monkeypatch.context() as hanging:
        hanging.setattr("os.unlink", removed.append)
        run.abandon()
    assert [path.endswith(".run") for path in removed[:9]] == [False] * 8 + [True]
    for writer in writers:
        writer.abort()


@pytest.mark.parametrize("first", ["end", "abandon"])
def test_given_a_run_that_ends_when_abandoned_meanwhile_then_its_marker_goes_and_nobody_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    run = Disk(tmp_path)
    run.begin()
    unlink = os.unlink
    others = [run.abandon if first == "end" else run.end]

    def unlink_meanwhile(path: str) -> None:
        while others:
            thread = threading.Thread(target=others.pop())
            thread.start()
            thread.join(30)
        unlink(path)

    monkeypatch.setattr("os.unlink", unlink_meanwhile)
    run.end() if first == "end" else run.abandon()
    assert _found(tmp_path) == set()


def test_given_a_writer_that_fails_when_aborted_then_another_can_take_its_path(tmp_path: Path) -> None:
    run = Disk(tmp_path)
    writer = run.open("1/card.pdf")
    writer.write(b"half")
    writer.abort()
    assert _found(tmp_path) == set()
    other = run.open("1/card.pdf")
    other.write(b"whole")
    other.commit()
    other.abort()
    assert (tmp_path / "1/card.pdf").read_bytes() == b"whole"
