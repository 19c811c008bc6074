"""A folder as a store."""

from pathlib import Path
from threading import Event

import pytest

from source_customerscanvas.errors import FileRefused, StoreAway, StoreUnavailable
from source_customerscanvas.files.stores.folder import FolderStore


def test_given_a_folder_when_files_are_put_there_then_they_can_be_looked_at_read_and_removed(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "print" / "files")
    store.begin()
    store.put("1/a b ü.pdf", b"card")
    assert (store.stat("1/a b ü.pdf"), store.stat("1/b.pdf")) == (4, None)
    assert store.read("1/a b ü.pdf") == b"card"
    assert store.url("1/a b ü.pdf") == (tmp_path / "print/files/1/a b ü.pdf").as_uri()
    store.delete("1/a b ü.pdf")
    store.delete("1/a b ü.pdf")
    assert store.stat("1/a b ü.pdf") is None
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
