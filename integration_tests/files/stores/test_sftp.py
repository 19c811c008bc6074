"""What an SFTP server may do, or may not be able to do, while files come to it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import paramiko
import pytest
from paramiko.sftp import CMD_EXTENDED
from paramiko.sftp_file import SFTPFile

from integration_tests.files.stores.conftest import Delivering
from integration_tests.files.stores.places import sftp_place
from source_customerscanvas.errors import FileRefused, Stopped, StoreUnavailable
from source_customerscanvas.files.stores.sftp import SftpStore, SftpWriter
from source_customerscanvas.files.stores.sftp_session import Session
from source_customerscanvas.files.stores.store import Store

pytestmark = pytest.mark.parametrize("place", ["sftp"], indirect=True)


@pytest.fixture
def store(delivering: Delivering) -> Store:
    made = delivering.store()
    made.begin()
    return made


def test_given_a_file_when_it_is_stored_then_it_is_on_the_servers_disk_before_it_has_its_name(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    flush, rename = Session.flush_to_disk, Session.posix_rename

    def flush_and_tell(session: Session, file: paramiko.SFTPFile) -> None:
        flush(session, file)
        steps.append("flushed")

    def rename_and_tell(session: Session, old: str, new: str) -> None:
        rename(session, old, new)
        steps.append("renamed")

    monkeypatch.setattr(Session, "flush_to_disk", flush_and_tell)
    monkeypatch.setattr(Session, "posix_rename", rename_and_tell)
    store.put("card.pdf", b"card")
    store.end()
    assert steps == ["flushed", "renamed"]


@pytest.mark.parametrize("refused", [0, 1, 150, 199])
def test_given_a_server_that_refuses_some_of_the_bytes_when_a_file_is_stored_then_it_does_not_get_its_name(
    delivering: Delivering, store: Store, monkeypatch: pytest.MonkeyPatch, refused: int
) -> None:
    write, numbers = vars(SFTPFile)["_write"], count()

    def write_or_be_refused(file: Any, content: bytes) -> Any:
        handle = file.handle
        if next(numbers) == refused:
            file.handle = b"none that the server has given"
        try:
            return write(file, content)
        finally:
            file.handle = handle

    monkeypatch.setattr(SFTPFile, "_write", write_or_be_refused)
    with pytest.raises(StoreUnavailable, match="the server says “Failure”"):
        store.put("card.pdf", bytes(200 * SFTPFile.MAX_REQUEST_SIZE))
    store.end()
    assert delivering.place.contents() == {}


@pytest.mark.parametrize("pieces", [[], [b""], [b"c"], [b"card"], [b"c", b"a", b"", b"rd", b""]])
def test_given_a_file_in_pieces_when_it_is_stored_then_it_has_the_bytes_of_all(
    delivering: Delivering, store: Store, pieces: list[bytes]
) -> None:
    writer = store.open("card.pdf", None, None)
    for piece in pieces:
        writer.write(piece)
    writer.commit()
    store.end()
    assert delivering.place.contents() == {"card.pdf": b"".join(pieces)}


def test_given_a_server_that_fails_to_put_a_file_on_its_disk_when_it_is_stored_then_it_does_not_get_its_name(
    delivering: Delivering, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = vars(paramiko.SFTPClient)["_request"]

    def request_or_fail(session: Session, kind: int, *words: Any) -> Any:
        if kind == CMD_EXTENDED and words[0] in ("fsync@openssh.com", b"fsync@openssh.com"):
            raise OSError("Failure")  # as the library does when a server says so
        return request(session, kind, *words)

    monkeypatch.setattr(Session, "_request", request_or_fail)
    with pytest.raises(StoreUnavailable, match="the server says “Failure”"):
        store.put("card.pdf", b"card")
    store.end()
    assert delivering.place.contents() == {}


@contextmanager
def store_denied(delivering: Delivering, folder: Path, request: str) -> Iterator[Store]:
    """A store, ready, on a server that does not take this request; its files lie in `upload`."""
    with sftp_place(folder, folder / "upload", "-P", request) as place:
        store = Delivering(delivering.sandbox, place).store()
        store.begin()
        yield store
        store.end()


def test_given_a_server_that_cannot_be_asked_to_put_a_file_on_its_disk_when_it_is_stored_then_it_gets_its_name(
    delivering: Delivering, tmp_path: Path
) -> None:
    with store_denied(delivering, tmp_path, "fsync") as store:
        store.put("card.pdf", b"card")
    assert delivering.place.contents() == {"card.pdf": b"card"}


def test_given_another_run_that_has_ended_when_the_last_session_writes_a_file_then_it_makes_the_hidden_folder_again(
    delivering: Delivering, store: Store
) -> None:
    assert isinstance(store, SftpStore)
    store.sessions._most = 1
    other = delivering.store()
    other.begin()
    other.end()
    store.put("card.pdf", b"card")
    store.end()
    assert delivering.place.contents() == {"card.pdf": b"card"}


def test_given_a_file_on_its_way_when_another_run_begins_then_it_is_not_taken_for_what_a_killed_one_left(
    delivering: Delivering, store: Store
) -> None:
    writer = store.open("card.pdf", 4, None)
    writer.write(b"card")
    other = delivering.store()
    other.begin()
    other.end()
    writer.commit()
    writer.abort()
    store.end()
    assert delivering.place.contents() == {"card.pdf": b"card"}


def test_given_somebody_who_takes_folders_away_when_a_file_comes_then_they_are_made_again(
    delivering: Delivering, store: Store, tmp_path: Path
) -> None:
    store.put("1/2/card.pdf", b"card")
    shutil.rmtree(tmp_path / "upload/1")
    store.put("1/2/map.pdf", b"map")
    store.end()
    assert delivering.place.contents() == {"1/2/map.pdf": b"map"}


def test_given_a_server_that_renames_to_nothing_that_is_there_when_a_file_comes_again_then_it_replaces_the_old_one(
    delivering: Delivering, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("Operation unsupported")

    monkeypatch.setattr(Session, "posix_rename", refuse)
    store.put("1/card.pdf", b"old")
    store.put("1/card.pdf", b"new")
    store.end()
    assert delivering.place.contents() == {"1/card.pdf": b"new"}


@pytest.mark.parametrize("refusal", [OSError("Failure"), PermissionError("Permission denied")])
def test_given_a_server_that_refuses_to_rename_a_part_when_a_file_comes_again_then_the_old_one_stays(
    delivering: Delivering, store: Store, monkeypatch: pytest.MonkeyPatch, refusal: OSError
) -> None:
    store.put("1/card.pdf", b"old")
    writer = store.open("1/card.pdf", 3, None)
    assert isinstance(writer, SftpWriter)
    rename, part = Session.rename, writer._part

    def refuse(session: Session, old: str, new: str) -> None:
        if old == part:
            raise refusal
        rename(session, old, new)

    monkeypatch.setattr(Session, "posix_rename", refuse)
    monkeypatch.setattr(Session, "rename", refuse)
    writer.write(b"new")
    with pytest.raises((FileRefused, StoreUnavailable)):
        writer.commit()
    writer.abort()
    store.end()
    assert delivering.place.contents() == {"1/card.pdf": b"old"}


def test_given_a_server_that_only_renames_to_nothing_when_somebody_takes_folders_away_then_they_are_made_again(
    delivering: Delivering, tmp_path: Path
) -> None:
    with store_denied(delivering, tmp_path, "posix-rename") as store:
        store.put("1/2/card.pdf", b"card")
        shutil.rmtree(tmp_path / "upload/1")
        store.put("1/2/map.pdf", b"map")
        store.put("1/2/map.pdf", b"new")
    assert delivering.place.contents() == {"1/2/map.pdf": b"new"}


def test_given_a_run_that_was_abandoned_when_somebody_wants_a_session_then_no_connection_is_made(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(store, SftpStore)
    store.abandon()
    monkeypatch.setattr(paramiko, "Transport", lambda *_: pytest.fail("connected"))
    with pytest.raises(Stopped):
        store.sessions.lend()
    store.end()


def test_given_a_connection_that_is_just_made_when_abandoned_then_it_is_closed(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(store, SftpStore)
    store.end()
    sessions, made = store.sessions, []
    connect = sessions._connect

    def connect_and_abandon() -> paramiko.Transport:
        made.append(connect())
        sessions.close(for_good=True)
        return made[0]

    monkeypatch.setattr(sessions, "_connect", connect_and_abandon)
    with pytest.raises(paramiko.SSHException):
        sessions.lend()
    assert not made[0].is_active()
