"""A folder as a store."""

import errno
import io
import os
import subprocess
import sys
import threading
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Event
from typing import IO, Any

import pytest

from source_customerscanvas.errors import FileRefused, Stopped, StoreAway, StoreUnavailable
from source_customerscanvas.files.stores import folder
from source_customerscanvas.files.stores.folder import FolderStore
from source_customerscanvas.files.stores.store import Writer
from unit_tests.downloads import found


def begun(directory: Path) -> FolderStore:
    store = FolderStore(directory)
    store.begin()
    return store


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return begun(tmp_path)


def half_written(store: FolderStore, path: str = "1/card.pdf") -> Writer:
    writer = store.open(path, None, None)
    writer.write(b"half")
    return writer


def test_given_a_folder_when_files_are_put_there_then_they_can_be_read_and_removed(tmp_path: Path) -> None:
    store = begun(tmp_path / "print" / "files")
    store.put("1/a b ü.pdf", b"card")
    assert store.read("1/a b ü.pdf") == b"card"
    assert store.url("1/a b ü.pdf") == (tmp_path / "print/files/1/a b ü.pdf").as_uri()
    store.delete("1/a b ü.pdf")
    store.delete("1/a b ü.pdf")
    assert found(tmp_path) == []
    store.end()


def test_given_a_file_on_its_way_when_the_folder_is_looked_at_then_all_that_lies_there_is_hidden(
    tmp_path: Path,
) -> None:
    store = begun(tmp_path)
    writer = half_written(store)
    for folder_of_it, _, names in os.walk(tmp_path):
        parts = Path(folder_of_it).relative_to(tmp_path).parts
        assert all(name.startswith(".") for name in names)
        assert not names or parts[0].startswith(".")
    writer.abort()
    store.end()


def test_given_a_folder_when_checked_then_it_is_made_and_nothing_is_left_in_it(tmp_path: Path) -> None:
    FolderStore(tmp_path / "print").check()
    assert list((tmp_path / "print").iterdir()) == []


def test_given_a_file_where_the_folder_should_be_when_checked_then_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(StoreUnavailable, match="taken"):
        FolderStore(tmp_path / "taken").check()


def test_given_a_folder_that_hangs_when_checked_then_it_says_so_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("source_customerscanvas.files.stores.store.CHECK_SECONDS", 1.2)
    answer = Event()
    monkeypatch.setattr(FolderStore, "begin", lambda _: answer.wait())
    with pytest.raises(StoreAway, match="no answer"):
        FolderStore(tmp_path).check()
    answer.set()


def test_given_a_link_that_leads_to_itself_when_chosen_then_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "link")
    with pytest.raises(StoreUnavailable, match="symbolic links"):
        FolderStore(tmp_path / "link" / "files").begin()
    with pytest.raises(StoreUnavailable, match="symbolic links"):
        FolderStore(tmp_path).open("link/5/9/card.pdf", None, None)


@pytest.mark.parametrize("path", ["taken/card.pdf", "1/" + "x" * 300, "folder"])
def test_given_a_path_that_is_taken_or_too_long_when_a_file_is_put_there_then_only_this_one_is_refused(
    tmp_path: Path, path: str
) -> None:
    (tmp_path / "taken").write_bytes(b"")
    (tmp_path / "folder" / "full").mkdir(parents=True)
    store = FolderStore(tmp_path)
    with pytest.raises(FileRefused):
        store.put(path, b"card")
    store.put("1/card.pdf", b"card")


def test_given_a_file_that_is_given_up_when_it_comes_again_then_it_takes_its_path(
    store: FolderStore, tmp_path: Path
) -> None:
    half_written(store).abort()
    assert found(tmp_path) == []
    store.put("1/card.pdf", b"whole")
    assert (tmp_path / "1/card.pdf").read_bytes() == b"whole"


class TakesLittle(io.FileIO):
    """A file of a disk that has hardly any room left."""

    def write(self, chunk: Any) -> int:
        return super().write(chunk[:3])


def test_given_a_disk_that_takes_a_part_of_what_is_written_when_a_file_is_put_there_then_the_rest_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "open", lambda path, mode, **_: TakesLittle(path, mode), raising=False)
    begun(tmp_path).put("1/card.pdf", b"the whole card")
    assert (tmp_path / "1/card.pdf").read_bytes() == b"the whole card"


# What other runs have left

KILLED = """
import os, sys
from pathlib import Path
from source_customerscanvas.files.stores.folder import FolderStore
store = FolderStore(Path(sys.argv[1]))
store.begin()
store.open("1/5/9/card.pdf", None, None).write(b"half")
os._exit(0)
"""


def test_given_a_killed_run_and_one_under_way_when_another_begins_then_only_what_the_killed_one_left_goes(
    tmp_path: Path,
) -> None:
    busy = begun(tmp_path)
    busy.put("1/5/9/card.pdf", b"card")
    writer = half_written(busy, "1/5/9/map.pdf")
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=True)
    assert len(found(tmp_path)) == 3
    another = begun(tmp_path)
    assert len(found(tmp_path)) == 2
    another.end()
    writer.commit()
    busy.end()
    assert found(tmp_path) == ["1/5/9/card.pdf", "1/5/9/map.pdf"]
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


def test_given_a_file_system_without_locks_when_another_run_begins_then_the_first_may_be_under_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    writer = half_written(begun(tmp_path))
    begun(tmp_path)
    writer.commit()
    assert found(tmp_path) == ["1/card.pdf"]


@pytest.mark.parametrize("moment", ["locked", "removed"])
def test_given_another_run_that_clears_up_when_a_file_is_just_made_then_it_is_made_once_more(
    store: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    lock = folder._lock
    parts: list[str] = []
    other_run = ExitStack()

    def lock_late(part: IO[bytes]) -> None:
        if not parts:
            lock(other_run.enter_context(open(part.name, "r+b")))  # noqa: SIM115  the stack closes it
            if moment == "removed":
                Path(part.name).unlink()
                other_run.close()
        parts.append(part.name)
        lock(part)

    monkeypatch.setattr(folder, "_lock", lock_late)
    store.put("1/card.pdf", b"card")
    assert len(parts) == 2
    other_run.close()
    begun(tmp_path).end()
    assert found(tmp_path) == ["1/card.pdf"]


# The end of a run


def test_given_files_on_their_way_when_abandoned_then_they_are_gone_and_whoever_writes_them_stops(
    store: FolderStore,
    tmp_path: Path,
) -> None:
    writers = [half_written(store, f"1/{number}.pdf") for number in range(3)]
    store.put("whole.pdf", b"whole")
    store.abandon()
    assert found(tmp_path) == ["whole.pdf"]
    with pytest.raises(Stopped):
        writers[0].commit()
    with pytest.raises(Stopped):
        store.open("1/late.pdf", None, None)
    for writer in writers:
        writer.abort()
    assert found(tmp_path) == ["whole.pdf"]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_given_a_file_that_is_just_being_made_when_abandoned_in_between_then_nothing_is_left(
    store: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
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

    monkeypatch.setattr(folder, "open", create_meanwhile, raising=False)
    monkeypatch.setattr(store.unfinished, "_changed", _Announcing(abandoning))
    writers: list[Writer] = []

    def make() -> None:
        with suppress(Stopped):
            writers.append(store.open("1/card.pdf", None, None))

    maker = threading.Thread(target=make)
    maker.start()
    assert made.wait(30)
    store.abandon()
    assert found(tmp_path) == []
    maker.join()
    for writer in writers:
        writer.abort()
    assert found(tmp_path) == []


class _Announcing(threading.Condition):
    """Tells when somebody begins to wait."""

    def __init__(self, waiting: threading.Event) -> None:
        super().__init__()
        self._told = waiting

    def wait(self, timeout: float | None = None) -> bool:
        self._told.set()
        return super().wait(timeout)
