"""A download that fails leaves nothing behind."""

import errno
import os
from pathlib import Path
from typing import IO, Any

import pytest

from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.errors import (
    CustomersCanvasError,
    MissingPermission,
    NotFound,
    Refused,
    ServerTrouble,
    Stopped,
    StoreUnavailable,
)
from source_customerscanvas.files.artifact_file import ArtifactFile
from source_customerscanvas.files.download import Downloader
from source_customerscanvas.files.stores import folder
from source_customerscanvas.files.stores.folder import FolderStore
from unit_tests.downloads import BODY, PATH, PRIVATE, found
from unit_tests.http_server import RESET, Answer, FakeClock, Server, json_answer, serve


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (json_answer({"title": "Not Found", "status": 404}, 404), NotFound),
        (json_answer({"title": "Gone", "status": 410}, 410), NotFound),
        (Answer(403), MissingPermission),
        (Answer(500), CustomersCanvasError),
        (RESET, CustomersCanvasError),
    ],
)
def test_given_an_error_instead_of_a_file_when_downloaded_then_it_is_raised_and_leaves_nothing(
    server: Server, files: Downloader, tmp_path: Path, answer: Answer, kind: type[Exception]
) -> None:
    server.answer = lambda _: answer
    with pytest.raises(kind):
        files.deliver(PRIVATE, PATH)
    assert found(tmp_path) == []


@pytest.mark.parametrize(
    ("artifact", "kind"),
    [
        (json_answer({"title": "Not Found", "status": 404}, 404), NotFound),
        (json_answer({"id": "7f"}), ServerTrouble),
        (Answer(403), ServerTrouble),
        (Answer(502), ServerTrouble),
    ],
)
def test_given_trouble_with_a_file_when_the_api_is_asked_for_the_artifact_then_only_its_own_word_says_that_it_is_gone(
    server: Server, files: Downloader, tmp_path: Path, artifact: Answer, kind: type[Exception]
) -> None:
    gateway = Answer(404, b"default backend - 404", {"Content-Type": "text/plain"})
    server.answer = lambda request: gateway if request.path.endswith("/file") else artifact
    with pytest.raises(kind):
        files.deliver(PRIVATE, PATH)
    assert server.api_requests[-1].path == "/api/storage/v1/artifacts/7f"
    assert found(tmp_path) == []


def test_given_a_file_on_a_cdn_when_refused_there_then_no_permission_of_the_app_is_missing(
    server: Server, files: Downloader
) -> None:
    with serve() as cdn:
        cdn.answer = lambda _: Answer(403)
        server.answer = lambda _: Answer(302, b"", {"Location": f"{cdn.url}/expired"})
        with pytest.raises(Refused, match="403"):
            files.deliver(PRIVATE, PATH)


def test_given_the_end_of_a_sync_when_downloading_then_it_stops_and_leaves_nothing(
    server: Server, client: ApiClient, clock: FakeClock, tmp_path: Path
) -> None:
    server.answer = lambda _: Answer(200, os.urandom(1_000_000))
    files = Downloader(client, FolderStore(tmp_path), clock, lambda _: client.stopping.set())
    with pytest.raises(Stopped):
        files.deliver(ArtifactFile("7f", None, None, False), PATH)
    assert found(tmp_path) == []


# Room


class FullDisk:
    """A file on a disk that has no room left."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, _: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def test_given_a_full_disk_when_downloaded_then_it_says_so_and_leaves_nothing(
    server: Server, files: Downloader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_part = FolderStore._new_part
    monkeypatch.setattr(FolderStore, "_new_part", lambda store: FullDisk(new_part(store)))
    server.answer = lambda _: Answer(200, BODY)
    with pytest.raises(StoreUnavailable, match="No space left on device"):
        files.deliver(PRIVATE, PATH)
    assert found(tmp_path) == []
    assert len(server.api_requests) == 1


def test_given_a_disk_that_fails_while_more_is_received_when_downloaded_then_it_says_so_and_leaves_nothing(
    server: Server, files: Downloader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [OSError(errno.EIO, "Input/output error")]

    def flush(_: int) -> None:
        if failures:
            raise failures.pop()  # as the system does, only to whoever asks first

    monkeypatch.setattr(folder, "_flush", flush)
    monkeypatch.setattr(folder, "_FLUSHED_AT_ONCE", len(BODY) // 2)
    server.answer = lambda _: Answer(200, BODY)
    with pytest.raises(StoreUnavailable, match="Input/output error"):
        files.deliver(PRIVATE, PATH)
    assert found(tmp_path) == []


@pytest.mark.parametrize("size", [100, 3 * 1024 * 1024])
def test_given_a_file_when_it_gets_its_name_then_the_whole_of_it_is_on_the_disk(
    server: Server, files: Downloader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    flushed: list[tuple[list[str], int]] = []
    monkeypatch.setattr(folder, "_flush", lambda file: flushed.append((found(tmp_path), os.fstat(file).st_size)))
    server.answer = lambda _: Answer(200, bytes(size))
    files.deliver(ArtifactFile("7f", size, None, False), PATH)
    assert found(tmp_path) == [PATH]
    [(names, flushed_size)] = flushed
    assert PATH not in names
    assert flushed_size == size
