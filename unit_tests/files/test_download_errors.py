"""A download that fails leaves nothing behind."""

import errno
import os
from pathlib import Path
from typing import IO, Any, cast

import pytest

from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.errors import (
    CustomersCanvasError,
    MissingPermission,
    NotFound,
    Refused,
    StagingUnavailable,
    Stopped,
)
from source_customerscanvas.files import download, writing
from source_customerscanvas.files.download import ArtifactFile, FileTransfer
from source_customerscanvas.files.staging import Staging
from source_customerscanvas.files.writing import FileWriter
from unit_tests.downloads import BODY, PATH, PRIVATE, found
from unit_tests.http_server import RESET, Answer, FakeClock, Server, serve


@pytest.mark.parametrize(
    ("answer", "kind", "requests"),
    [
        (Answer(404), NotFound, 1),
        (Answer(410), NotFound, 1),
        (Answer(403), MissingPermission, 1),
        (Answer(500), CustomersCanvasError, 6),
        (RESET, CustomersCanvasError, 6),
    ],
)
def test_given_an_error_instead_of_a_file_when_downloaded_then_it_is_raised_and_leaves_nothing(
    server: Server, files: FileTransfer, tmp_path: Path, answer: Answer, kind: type[Exception], requests: int
) -> None:
    server.answer = lambda _: answer
    with pytest.raises(kind):
        files.download(PRIVATE, PATH)
    assert len(server.api_requests) == requests
    assert found(tmp_path) == []


def test_given_a_public_file_when_refused_then_no_permission_of_the_app_is_missing(
    server: Server, files: FileTransfer
) -> None:
    server.answer = lambda _: Answer(403)
    with pytest.raises(Refused, match="403"):
        files.download(ArtifactFile("7f", None, f"{server.url}/card.pdf", True), PATH)


def test_given_a_file_on_a_cdn_when_refused_there_then_no_permission_of_the_app_is_missing(
    server: Server, files: FileTransfer
) -> None:
    with serve() as cdn:
        cdn.answer = lambda _: Answer(403)
        server.answer = lambda _: Answer(302, b"", {"Location": f"{cdn.url}/expired"})
        with pytest.raises(Refused, match="403"):
            files.download(PRIVATE, PATH)


def test_given_the_end_of_a_sync_when_downloading_then_it_stops_and_leaves_nothing(
    server: Server, client: ApiClient, clock: FakeClock, tmp_path: Path
) -> None:
    server.answer = lambda _: Answer(200, os.urandom(1_000_000))
    files = FileTransfer(client, Staging(tmp_path), clock, lambda _: client.stopping.set())
    with pytest.raises(Stopped):
        files.download(ArtifactFile("7f", None, None, False), PATH)
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
    server: Server, files: FileTransfer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "FileWriter", lambda file: FileWriter(cast(IO[bytes], FullDisk(file))))
    server.answer = lambda _: Answer(200, BODY)
    with pytest.raises(StagingUnavailable, match="No space left on device"):
        files.download(PRIVATE, PATH)
    assert found(tmp_path) == []
    assert len(server.api_requests) == 1


def test_given_a_disk_that_fails_while_more_is_received_when_downloaded_then_it_says_so_and_leaves_nothing(
    server: Server, files: FileTransfer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [OSError(errno.EIO, "Input/output error")]

    def flush(_: int) -> None:
        if failures:
            raise failures.pop()  # as the system does, only to whoever asks first

    monkeypatch.setattr(writing, "_flush", flush)
    monkeypatch.setattr(writing, "_FLUSHED_AT_ONCE", len(BODY) // 2)
    server.answer = lambda _: Answer(200, BODY)
    with pytest.raises(StagingUnavailable, match="Input/output error"):
        files.download(PRIVATE, PATH)
    assert found(tmp_path) == []


@pytest.mark.parametrize("size", [100, 3 * 1024 * 1024])
def test_given_a_file_when_it_gets_its_name_then_the_whole_of_it_is_on_the_disk(
    server: Server, files: FileTransfer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    flushed: list[tuple[list[str], int]] = []
    monkeypatch.setattr(writing, "_flush", lambda file: flushed.append((found(tmp_path), os.fstat(file).st_size)))
    server.answer = lambda _: Answer(200, bytes(size))
    files.download(ArtifactFile("7f", size, None, False), PATH)
    assert found(tmp_path) == [PATH]
    [(names, flushed_size)] = flushed
    assert PATH not in names
    assert flushed_size == size


def test_given_a_part_that_somebody_else_shortens_when_downloaded_then_it_says_so_and_leaves_nothing(
    server: Server, client: ApiClient, clock: FakeClock, tmp_path: Path
) -> None:
    def shorten(_: int) -> None:
        [part] = found(tmp_path)
        os.truncate(tmp_path / part, 10)

    server.answer = lambda _: Answer(200, bytes(100_000), length=False)
    with pytest.raises(StagingUnavailable, match="shorter"):
        FileTransfer(client, Staging(tmp_path), clock, shorten).download(ArtifactFile("7f", None, None, False), PATH)
    assert found(tmp_path) == []
