"""Files from a real server to a real disk: whole, or not at all."""

import errno
import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import tracemalloc
import zlib
from pathlib import Path
from typing import IO, Any, cast

import pytest

from source_customerscanvas import transfer, writing
from source_customerscanvas.client import ApiClient
from source_customerscanvas.errors import (
    BrokenDownload,
    CustomersCanvasError,
    MissingPermission,
    NotFound,
    Refused,
    StagingUnavailable,
    Stopped,
)
from source_customerscanvas.staging import Staging
from source_customerscanvas.transfer import ArtifactFile, DownloadedFile, FileTransfer
from source_customerscanvas.writing import FileWriter
from unit_tests.http_server import RESET, Answer, FakeClock, Request, Server, serve

BODY = bytes(range(256)) * 40
OTHER = bytes(reversed(range(256))) * 40
ETAG = '"v1"'
PATH = "1/5/9/card.pdf"
PRIVATE = ArtifactFile("7f", len(BODY), None, False)


@pytest.fixture
def files(client: ApiClient, clock: FakeClock, tmp_path: Path) -> FileTransfer:
    return FileTransfer(client, Staging(tmp_path), clock)


def found(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if not path.is_dir())


def ranged(request: Request, body: bytes = BODY, etag: str = ETAG, cut: int | None = None) -> Answer:
    """What a server with ranges answers."""
    start = 0
    if request.headers.get("If-Range") == etag:
        start = int(request.headers["Range"].removeprefix("bytes=").removesuffix("-"))
    headers = {"ETag": etag}
    if start:
        headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
    return Answer(206 if start else 200, body[start:], headers, cut)


def assert_whole(file: DownloadedFile, directory: Path, body: bytes = BODY) -> None:
    assert file == DownloadedFile(directory / PATH, PATH, len(body), hashlib.sha256(body).hexdigest())
    assert file.path.read_bytes() == body
    assert found(directory) == [PATH]


# Where it comes from


def test_given_a_private_file_when_downloaded_then_its_endpoint_is_asked_with_the_token(
    server: Server, files: FileTransfer, tmp_path: Path
) -> None:
    server.answer = lambda _: Answer(200, BODY)
    assert_whole(files.download(ArtifactFile("a/7", len(BODY), "https://elsewhere.example/", False), PATH), tmp_path)
    (request,) = server.api_requests
    assert (request.path, request.query) == ("/api/storage/v1/artifacts/a%2F7/file", {"attachment": "true"})
    assert request.headers["Authorization"] == "Bearer token-1"
    assert request.headers["Accept-Encoding"] == "identity"
    assert "Range" not in request.headers


@pytest.mark.parametrize(
    ("id_", "segment"), [("..", "%2E%2E"), (".", "%2E"), ("a/../b?c#d", "a%2F..%2Fb%3Fc%23d"), ("%2e", "%252e")]
)
def test_given_a_hostile_id_when_downloaded_then_no_other_address_is_asked_with_the_token(
    server: Server, files: FileTransfer, id_: str, segment: str
) -> None:
    server.answer = lambda _: Answer(200, BODY)
    files.download(ArtifactFile(id_, None, None, False), PATH)
    assert server.api_requests[0].path == f"/api/storage/v1/artifacts/{segment}/file"


def test_given_a_public_file_when_downloaded_then_its_address_is_asked_without_any_credential(
    server: Server, files: FileTransfer, tmp_path: Path
) -> None:
    with serve() as cdn:
        cdn.answer = lambda _: Answer(200, BODY)
        address = f"{cdn.url.replace('//', '//user:password@')}/a b/ü.pdf?signature=x%2Fy"
        assert_whole(files.download(ArtifactFile("7f", len(BODY), address, True), PATH), tmp_path)
    (request,) = cdn.requests
    assert (request.path, request.query) == ("/a%20b/%C3%BC.pdf", {"signature": "x/y"})
    assert not {"Authorization", "Cookie"} & set(request.headers)
    assert server.requests == []


def test_given_a_private_file_on_a_cdn_when_redirected_then_the_token_stays(
    server: Server, files: FileTransfer, tmp_path: Path
) -> None:
    with serve() as cdn:
        cdn.answer = lambda _: Answer(200, BODY)
        server.answer = lambda _: Answer(302, b"", {"Location": f"{cdn.url}/signed?x=y"})
        assert_whole(files.download(PRIVATE, PATH), tmp_path)
    assert "Authorization" in server.api_requests[0].headers
    assert "Authorization" not in cdn.requests[0].headers


@pytest.mark.parametrize(
    "url", [None, "", "card.pdf", "http://cdn.example/card.pdf", "file:///etc/passwd", "https://["]
)
def test_given_a_public_file_without_a_proper_address_when_downloaded_then_it_is_trouble(
    files: FileTransfer, tmp_path: Path, url: str | None
) -> None:
    with pytest.raises(Refused):
        files.download(ArtifactFile("7f", 5, url, True), PATH)
    assert found(tmp_path) == []


# Whole or not at all


@pytest.mark.parametrize("size", [None, 0, 1, 120 * 1024, 120 * 1024 + 1, 3 * 1024 * 1024])
@pytest.mark.parametrize("length", [True, False])
def test_given_a_file_of_any_size_when_downloaded_then_every_byte_and_the_hash_are_right(
    server: Server, files: FileTransfer, tmp_path: Path, size: int | None, length: bool
) -> None:
    body = os.urandom(1000 if size is None else size)
    server.answer = lambda _: Answer(200, body, length=length)
    assert_whole(files.download(ArtifactFile("7f", size, None, False), PATH), tmp_path, body)


@pytest.mark.parametrize("etag", [ETAG, ""], ids=["resumed", "started over"])
def test_given_a_large_file_that_breaks_while_it_is_hashed_when_downloaded_then_every_byte_and_the_hash_are_right(
    server: Server, files: FileTransfer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, etag: str
) -> None:
    monkeypatch.setattr(writing, "_HASHED_AS_THEY_COME", 10_000)
    monkeypatch.setattr(writing, "_HASHED_AT_ONCE", 50_000)
    monkeypatch.setattr(writing, "_READ_BACK", 50)
    monkeypatch.setattr(writing, "_FLUSHED_AT_ONCE", 100_000)
    body = os.urandom(3_000_000)
    cuts = iter([1_000_000, None])
    server.answer = lambda request: ranged(request, body, etag, next(cuts))
    assert_whole(files.download(ArtifactFile("7f", len(body), None, False), PATH), tmp_path, body)


@pytest.mark.parametrize(
    ("answer", "size"),
    [
        (Answer(200, b""), None),
        (Answer(200, b"", length=False), 0),
        (Answer(200, b"0\r\n\r\n", {"Transfer-Encoding": "chunked"}, length=False), None),
    ],
)
def test_given_an_empty_file_when_downloaded_then_it_is_kept(
    server: Server, files: FileTransfer, tmp_path: Path, answer: Answer, size: int | None
) -> None:
    server.answer = lambda _: answer
    assert_whole(files.download(ArtifactFile("7f", size, None, False), PATH), tmp_path, b"")


def test_given_an_older_file_when_downloaded_again_then_it_is_replaced(
    server: Server, files: FileTransfer, tmp_path: Path
) -> None:
    server.script(Answer(200, OTHER), Answer(200, BODY))
    files.download(PRIVATE, PATH)
    assert_whole(files.download(PRIVATE, PATH), tmp_path)


def test_given_progress_when_downloaded_then_it_is_told_of_all_bytes(
    server: Server, client: ApiClient, clock: FakeClock, tmp_path: Path
) -> None:
    seen: list[int] = []
    body = os.urandom(300_000)
    server.answer = lambda _: Answer(200, body)
    FileTransfer(client, Staging(tmp_path), clock, seen.append).download(ArtifactFile("7f", None, None, False), PATH)
    assert sum(seen) == len(body)
    assert len(seen) > 1


def test_given_ranges_when_the_connection_breaks_then_it_goes_on_where_it_stopped(
    server: Server, files: FileTransfer, tmp_path: Path
) -> None:
    cuts = iter([1000, 2000, None])
    server.answer = lambda request: ranged(request, cut=next(cuts))
    assert_whole(files.download(PRIVATE, PATH), tmp_path)
    asked = [(request.headers.get("Range"), request.headers.get("If-Range")) for request in server.api_requests]
    assert asked == [(None, None), ("bytes=1000-", ETAG), ("bytes=3000-", ETAG)]


@pytest.mark.parametrize(
    "rest",
    [
        Answer(200, BODY),
        Answer(416),
        Answer(206, BODY[500:-500], {"Content-Range": f"bytes 500-{len(BODY) - 501}/{len(BODY)}"}),
        Answer(206, BODY[1000:]),
        Answer(206, OTHER[1000:], {"Content-Range": f"bytes 1000-{len(BODY) - 1}/{len(BODY)}", "ETag": '"v2"'}),
        Answer(206, BODY[1000:], {"Content-Range": "bytes 1000-2000/99999"}),
    ],
)
def test_given_a_rest_that_does_not_fit_when_resumed_then_it_starts_over(
    server: Server, files: FileTransfer, tmp_path: Path, rest: Answer
) -> None:
    server.script(Answer(200, BODY, {"ETag": ETAG}, cut=1000), rest, Answer(200, BODY))
    assert_whole(files.download(PRIVATE, PATH), tmp_path)
    assert server.api_requests[1].headers["Range"] == "bytes=1000-"
    assert all("Range" not in request.headers for request in server.api_requests[2:])


@pytest.mark.parametrize(
    ("range_", "length", "is_announced"),
    [
        ("bytes 1000-2999/*", True, True),
        ("bytes 1000-2999/*", True, False),
        ("bytes 1000-2999/*", False, True),
        ("bytes 1000-2999/*", False, False),
        ("bytes 1000-2999/3000", True, True),
        (f"bytes 1000-2999/{len(BODY)}", False, False),
    ],
)
def test_given_a_rest_that_is_only_a_part_of_it_when_resumed_then_it_is_not_taken_for_the_whole(
    server: Server, files: FileTransfer, tmp_path: Path, range_: str, length: bool, is_announced: bool
) -> None:
    first = Answer(200, BODY, {"ETag": ETAG}, cut=1000)
    if not is_announced:
        chunk = b"%x\r\n" % 1000 + BODY[:1000]
        first = Answer(200, chunk, {"ETag": ETAG, "Transfer-Encoding": "chunked"}, length=False)
    rest = Answer(206, BODY[1000:3000], {"Content-Range": range_}, length=length)
    server.script(first, rest, Answer(200, BODY))
    assert_whole(files.download(ArtifactFile("7f", None, None, False), PATH), tmp_path)


def test_given_a_file_that_changed_when_resumed_then_only_the_new_one_is_kept(
    server: Server, files: FileTransfer, tmp_path: Path
) -> None:
    first = iter([True])
    server.answer = lambda request: (
        ranged(request, BODY, '"v1"', 1000) if next(first, False) else ranged(request, OTHER, '"v2"')
    )
    assert_whole(files.download(PRIVATE, PATH), tmp_path, OTHER)


@pytest.mark.parametrize("etag", ["", 'W/"v1"', "v1"])
def test_given_no_strong_etag_when_the_connection_breaks_then_it_starts_over(
    server: Server, files: FileTransfer, tmp_path: Path, etag: str
) -> None:
    server.script(Answer(200, BODY, {"ETag": etag}, cut=1000), Answer(200, BODY, {"ETag": etag}))
    assert_whole(files.download(PRIVATE, PATH), tmp_path)
    assert "Range" not in server.api_requests[1].headers


def test_given_a_shorter_file_when_started_over_then_nothing_of_the_longer_one_stays(
    server: Server, files: FileTransfer, tmp_path: Path
) -> None:
    server.script(Answer(200, OTHER, cut=5000), Answer(200, BODY[:1000]))
    assert_whole(files.download(ArtifactFile("7f", None, None, False), PATH), tmp_path, BODY[:1000])


BROKEN = {
    "cut short": (Answer(200, BODY, cut=1000), len(BODY)),
    "cut short, size unknown": (Answer(200, BODY, cut=1000), None),
    "cut short, no length": (Answer(200, BODY[:1000], length=False), len(BODY)),
    "cut within its head": (Answer(200, b"", length=False), None),
    "shorter than listed": (Answer(200, BODY[:1000]), len(BODY)),
    "longer than listed": (Answer(200, BODY + b"x"), len(BODY)),
    "longer than listed, no length": (Answer(200, BODY + b"x", length=False), len(BODY)),
    "page of a gateway": (Answer(200, b"<html>", {"Content-Type": "text/html; charset=utf-8"}), None),
    "page of a gateway, size known": (Answer(200, b"<html>", {"Content-Type": "text/html"}), len(BODY)),
    "encoded beyond knowledge": (Answer(200, BODY, {"Content-Encoding": "br"}), len(BODY)),
    "badly encoded": (Answer(200, BODY, {"Content-Encoding": "gzip"}), len(BODY)),
    "cut within its encoding": (Answer(200, gzip.compress(BODY)[:-9], {"Content-Encoding": "gzip"}), None),
    "cut within its encoding, no length": (
        Answer(200, gzip.compress(BODY)[:-1], {"Content-Encoding": "gzip"}, length=False),
        None,
    ),
    "cut within its second part": (
        Answer(200, gzip.compress(BODY) + gzip.compress(BODY)[:9], {"Content-Encoding": "gzip"}),
        None,
    ),
    "bomb": (Answer(200, gzip.compress(bytes(10**7)), {"Content-Encoding": "gzip"}), len(BODY)),
}


@pytest.mark.parametrize(("answer", "size"), BROKEN.values(), ids=BROKEN)
def test_given_a_file_that_never_comes_whole_when_downloaded_then_it_ends_after_5_resumptions_and_leaves_nothing(
    server: Server, files: FileTransfer, clock: FakeClock, tmp_path: Path, answer: Answer, size: int | None
) -> None:
    server.answer = lambda _: answer
    with pytest.raises(BrokenDownload, match="artifact 7f"):
        files.download(ArtifactFile("7f", size, None, False, "pdf"), PATH)
    assert len(server.api_requests) == 6
    assert sum(1 for wait in clock.waits if wait > 0) >= 5
    assert found(tmp_path) == []


@pytest.mark.parametrize(("answer", "size"), BROKEN.values(), ids=BROKEN)
def test_given_a_broken_download_when_the_next_try_is_whole_then_it_is_kept(
    server: Server, files: FileTransfer, tmp_path: Path, answer: Answer, size: int | None
) -> None:
    server.script(answer, Answer(200, BODY))
    assert_whole(files.download(ArtifactFile("7f", size, None, False, "pdf"), PATH), tmp_path)


def test_given_a_web_page_as_a_file_when_downloaded_then_it_is_kept(
    server: Server, files: FileTransfer, tmp_path: Path
) -> None:
    server.answer = lambda _: Answer(200, BODY, {"Content-Type": "text/html"})
    assert_whole(files.download(ArtifactFile("7f", None, None, False, "HTML"), PATH), tmp_path)
    named = ArtifactFile.from_row("7f", {"name": "proof.html"})
    assert_whole(files.download(named, PATH), tmp_path)
    assert_whole(files.download(PRIVATE, PATH), tmp_path)


@pytest.mark.parametrize("size", [None, len(BODY)])
def test_given_compression_that_was_not_asked_for_when_downloaded_then_it_is_undone(
    server: Server, files: FileTransfer, tmp_path: Path, size: int | None
) -> None:
    packed = Answer(200, gzip.compress(BODY), {"Content-Encoding": "gzip", "ETag": ETAG})
    server.script(Answer(200, packed.body, packed.headers, cut=20), packed)
    assert_whole(files.download(ArtifactFile("7f", size, None, False), PATH), tmp_path)
    assert "Range" not in server.api_requests[1].headers


@pytest.mark.parametrize(
    ("packed", "encoding"),
    [
        (gzip.compress(BODY[:5000]) + gzip.compress(BODY[5000:]), "x-gzip"),
        (zlib.compress(BODY), "identity, deflate"),
        (zlib.compress(BODY)[2:-4], "deflate"),
        (zlib.compress(BODY, 0)[2:-4], "deflate"),
    ],
    ids=["gzip, two members", "deflate", "deflate, bare", "deflate, bare and stored"],
)
def test_given_each_form_of_compression_when_downloaded_byte_by_byte_then_it_is_undone(
    server: Server,
    files: FileTransfer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    packed: bytes,
    encoding: str,
) -> None:
    monkeypatch.setattr(transfer, "_LEAST_CHUNK", 1)
    monkeypatch.setattr(transfer, "_MOST_CHUNK", 1)
    monkeypatch.setattr(transfer, "_MOST_UNPACKED", 100)
    server.answer = lambda _: Answer(200, packed, {"Content-Encoding": encoding})
    assert_whole(files.download(ArtifactFile("7f", None, None, False), PATH), tmp_path)


# Gone, refused, in trouble


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
    monkeypatch.setattr(transfer, "FileWriter", lambda file: FileWriter(cast(IO[bytes], FullDisk(file))))
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


def test_given_a_file_where_a_folder_should_be_when_downloaded_then_it_says_so(
    server: Server, files: FileTransfer, tmp_path: Path
) -> None:
    (tmp_path / "1").write_bytes(b"")
    with pytest.raises(StagingUnavailable, match=str(tmp_path)):
        files.download(PRIVATE, PATH)
    assert server.requests == []


@pytest.mark.parametrize("path", ["../card.pdf", "/etc/card.pdf", "1/../../card.pdf", "..", "", "."])
def test_given_a_path_that_leads_outside_when_downloaded_then_nothing_is_written(
    server: Server, client: ApiClient, tmp_path: Path, path: str
) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    with pytest.raises(StagingUnavailable, match="outside"):
        FileTransfer(client, Staging(inside)).download(PRIVATE, path)
    assert found(tmp_path) == []
    assert server.requests == []


def test_given_a_link_that_leads_outside_when_downloaded_then_nothing_is_written_there(
    client: ApiClient, tmp_path: Path
) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (inside / "1").symlink_to(outside)
    with pytest.raises(StagingUnavailable, match="outside"):
        FileTransfer(client, Staging(inside)).download(PRIVATE, PATH)
    assert list(outside.iterdir()) == []


def test_given_folders_taken_away_with_their_files_when_another_is_downloaded_then_they_are_made_again(
    server: Server, files: FileTransfer, tmp_path: Path
) -> None:
    server.answer = lambda _: Answer(200, BODY)
    files.download(PRIVATE, PATH)
    shutil.rmtree(tmp_path / Path(PATH).parts[0])
    assert files.download(PRIVATE, PATH).path.read_bytes() == BODY


@pytest.mark.parametrize("taken", ["staging/1/5/9", "staging/1/5", "staging/1", "staging"])
def test_given_folders_taken_away_when_the_next_project_is_downloaded_then_they_are_made_again(
    server: Server, client: ApiClient, clock: FakeClock, tmp_path: Path, taken: str
) -> None:
    (tmp_path / "staging").mkdir()
    files = FileTransfer(client, Staging(tmp_path / "staging"), clock)
    server.answer = lambda _: Answer(200, BODY)
    files.download(PRIVATE, PATH)
    shutil.rmtree(tmp_path / taken)
    assert files.download(PRIVATE, "1/5/10/card.pdf").path.read_bytes() == BODY


def test_given_a_folder_taken_away_as_soon_as_it_is_made_when_downloaded_then_it_is_made_again(
    server: Server, files: FileTransfer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = iter([True, True])
    make = os.mkdir

    def make_for_a_moment(path: str) -> None:
        make(path)
        if Path(path).name == "9" and next(taken, False):
            os.rmdir(path)

    monkeypatch.setattr(os, "mkdir", make_for_a_moment)
    server.answer = lambda _: Answer(200, BODY)
    assert_whole(files.download(PRIVATE, PATH), tmp_path)


# Memory

MEMORY = """
import resource, sys
from pathlib import Path
from source_customerscanvas.client import ApiClient
from source_customerscanvas.settings import Settings
from source_customerscanvas.staging import Staging
from source_customerscanvas.staging import Staging
from source_customerscanvas.transfer import ArtifactFile, FileTransfer
url, directory = sys.argv[1:]
client = ApiClient(Settings("app", "s3cret", url, url))
peak = []
for id_ in ("small", "large"):
    FileTransfer(client, Staging(Path(directory))).download(ArtifactFile(id_, None, None, False), id_)
    peak.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
print(peak[1] - peak[0])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems count memory otherwise")
def test_given_a_large_file_when_downloaded_then_memory_stays_as_it_was(server: Server, tmp_path: Path) -> None:
    large = bytes(100_000_000)
    server.answer = lambda request: Answer(200, large if "large" in request.path else BODY)
    run = subprocess.run(
        [sys.executable, "-c", MEMORY, server.url, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert int(run.stdout) < 10_000  # KiB
    assert (tmp_path / "large").stat().st_size == len(large)


@pytest.mark.parametrize("status", [302, 401, 404, 500])
def test_given_an_error_with_an_endless_body_when_downloaded_then_only_its_beginning_is_read(
    server: Server, files: FileTransfer, status: int
) -> None:
    answer = Answer(status, bytes(50_000_000), {"Location": f"{server.url}/elsewhere"})
    server.answer = lambda _: answer
    tracemalloc.start()
    try:
        with pytest.raises(CustomersCanvasError):
            files.download(PRIVATE, PATH)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


# Rows


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (
            {"size": 5, "url": "https://x", "anonymousAccess": True, "format": "pdf"},
            ArtifactFile("7f", 5, "https://x", True, "pdf"),
        ),
        ({"size": None, "anonymousAccess": None}, ArtifactFile("7f", None, None, False)),
        ({"size": -1, "url": 5, "anonymousAccess": "true", "format": 5}, ArtifactFile("7f", None, None, False)),
        ({"size": True}, ArtifactFile("7f", None, None, False)),
        ({"size": 5.0, "name": "proof.HTML"}, ArtifactFile("7f", 5, None, False, ".HTML")),
        ({"size": 5.5, "name": "proof", "format": ""}, ArtifactFile("7f", None, None, False)),
    ],
)
def test_given_a_row_when_read_then_only_what_makes_sense_is_taken(row: dict[str, Any], expected: ArtifactFile) -> None:
    assert ArtifactFile.from_row("7f", row) == expected
