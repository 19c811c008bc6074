"""Every byte of a file arrives, unpacked where the server has packed it."""

import gzip
import hashlib
import os
from pathlib import Path
from threading import Event

import pytest

from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.errors import BrokenDownload, NotFound, Stopped, StoreUnavailable
from source_customerscanvas.files import incoming
from source_customerscanvas.files.artifact_file import ArtifactFile
from source_customerscanvas.files.download import Downloader
from source_customerscanvas.files.stores.folder import FolderStore
from source_customerscanvas.files.stores.staging import StagingStore
from unit_tests.downloads import BODY, ETAG, OTHER, PATH, PRIVATE, assert_whole, found, ranged
from unit_tests.http_server import Answer, FakeClock, Request, Server, json_answer

GONE = json_answer({"title": "Not Found", "status": 404}, 404)


@pytest.mark.parametrize("size", [None, 0, 1, 120 * 1024, 120 * 1024 + 1, 3 * 1024 * 1024])
@pytest.mark.parametrize("length", [True, False])
def test_given_a_file_of_any_size_when_downloaded_then_every_byte_and_the_hash_are_right(
    server: Server, files: Downloader, tmp_path: Path, size: int | None, length: bool
) -> None:
    body = os.urandom(1000 if size is None else size)
    server.answer = lambda _: Answer(200, body, length=length)
    assert_whole(files.deliver(ArtifactFile("7f", size, None, False), PATH), tmp_path, body)


@pytest.mark.parametrize(
    ("answer", "size"),
    [
        (Answer(200, b""), None),
        (Answer(200, b"", length=False), 0),
        (Answer(200, b"0\r\n\r\n", {"Transfer-Encoding": "chunked"}, length=False), None),
    ],
)
def test_given_an_empty_file_when_downloaded_then_it_is_kept(
    server: Server, files: Downloader, tmp_path: Path, answer: Answer, size: int | None
) -> None:
    server.answer = lambda _: answer
    assert_whole(files.deliver(ArtifactFile("7f", size, None, False), PATH), tmp_path, b"")


def test_given_an_older_file_when_downloaded_again_then_it_is_replaced(
    server: Server, files: Downloader, tmp_path: Path
) -> None:
    server.script(Answer(200, OTHER), Answer(200, BODY))
    files.deliver(PRIVATE, PATH)
    assert_whole(files.deliver(PRIVATE, PATH), tmp_path)


def test_given_another_length_than_the_listed_one_when_announced_then_not_one_byte_is_written(
    server: Server, client: ApiClient, clock: FakeClock, tmp_path: Path
) -> None:
    seen: list[int] = []
    server.answer = lambda _: Answer(200, BODY)
    files = Downloader(client, FolderStore(tmp_path), clock, seen.append)
    for listed in (len(BODY) + 1, len(BODY) - 1):
        with pytest.raises(BrokenDownload, match=f"{listed} bytes are listed, but {len(BODY)} announced"):
            files.deliver(ArtifactFile("7f", listed, None, False), PATH)
    assert seen == []


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (Answer(206, BODY, {"Content-Range": f"bytes 0-{len(BODY) - 1}/{len(BODY)}"}), BODY),
        (Answer(203, BODY), BODY),
        (Answer(204), b""),
    ],
    ids=["206", "203", "204"],
)
def test_given_a_success_of_another_kind_when_downloaded_then_the_file_is_kept(
    server: Server, files: Downloader, tmp_path: Path, answer: Answer, body: bytes
) -> None:
    server.answer = lambda _: answer
    assert_whole(files.deliver(ArtifactFile("7f", len(body), None, False), PATH), tmp_path, body)


@pytest.mark.parametrize(
    "answer",
    [Answer(204), Answer(202), Answer(206, BODY[:500], {"Content-Range": f"bytes 0-499/{len(BODY)}"})],
)
def test_given_a_success_without_the_file_when_downloaded_then_nothing_is_kept(
    server: Server, files: Downloader, tmp_path: Path, answer: Answer
) -> None:
    server.answer = lambda _: answer
    for size in (len(BODY), None):
        with pytest.raises(BrokenDownload):
            files.deliver(ArtifactFile("7f", size, None, False), PATH)
    assert found(tmp_path) == []


def test_given_a_run_that_has_ended_when_a_file_is_still_to_be_delivered_then_the_store_is_left_alone(
    server: Server, files: Downloader, tmp_path: Path
) -> None:
    server.answer = lambda _: Answer(200, BODY)
    files.begin()
    files.end(30)
    with pytest.raises(Stopped):
        files.deliver(PRIVATE, PATH)
    assert list(tmp_path.iterdir()) == []
    files.begin()
    assert files.deliver(PRIVATE, PATH).size == len(BODY)
    files.end(30)


def test_given_progress_when_downloaded_then_it_is_told_of_all_bytes(
    server: Server, client: ApiClient, clock: FakeClock, tmp_path: Path
) -> None:
    seen: list[int] = []
    body = os.urandom(300_000)
    server.answer = lambda _: Answer(200, body)
    Downloader(client, FolderStore(tmp_path), clock, seen.append).deliver(ArtifactFile("7f", None, None, False), PATH)
    assert sum(seen) == len(body)
    assert len(seen) > 1


def test_given_a_web_page_as_a_file_when_downloaded_then_it_is_kept(
    server: Server, files: Downloader, tmp_path: Path
) -> None:
    server.answer = lambda _: Answer(200, BODY, {"Content-Type": "text/html"})
    assert_whole(files.deliver(ArtifactFile("7f", None, None, False, "html"), PATH), tmp_path)
    named = ArtifactFile.from_row("7f", {"name": "proof.html"})
    assert_whole(files.deliver(named, PATH), tmp_path)
    assert_whole(files.deliver(PRIVATE, PATH), tmp_path)


@pytest.mark.parametrize("size", [None, len(BODY)])
def test_given_compression_that_was_not_asked_for_when_downloaded_then_it_is_undone(
    server: Server, files: Downloader, tmp_path: Path, size: int | None
) -> None:
    packed = Answer(200, gzip.compress(BODY), {"Content-Encoding": "gzip", "ETag": ETAG})
    server.script(Answer(200, packed.body, packed.headers, cut=20), packed)
    assert_whole(files.deliver(ArtifactFile("7f", size, None, False), PATH), tmp_path)
    assert "Range" not in server.api_requests[1].headers


@pytest.mark.parametrize(
    ("packed", "encoding"),
    [
        (gzip.compress(BODY[:5000]) + gzip.compress(BODY[5000:]), "x-gzip"),
        (gzip.compress(BODY), "identity, gzip"),
    ],
    ids=["two members", "one"],
)
def test_given_each_form_of_compression_when_downloaded_byte_by_byte_then_it_is_undone(
    server: Server,
    files: Downloader,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    packed: bytes,
    encoding: str,
) -> None:
    monkeypatch.setattr(incoming, "_CHUNK", 1)
    monkeypatch.setattr(incoming, "_MOST_UNPACKED", 100)
    server.answer = lambda _: Answer(200, packed, {"Content-Encoding": encoding})
    assert_whole(files.deliver(ArtifactFile("7f", None, None, False), PATH), tmp_path)


# what is packed otherwise than with gzip, and without a length, nothing tells from what has to be unpacked
@pytest.mark.parametrize(("encoding", "length"), [("gzip", True), ("gzip", False), ("br", True)])
def test_given_a_file_that_is_stored_compressed_when_its_listed_size_says_so_then_it_stays_as_it_lies_there(
    server: Server, files: Downloader, tmp_path: Path, encoding: str, length: bool
) -> None:
    packed = gzip.compress(BODY)
    server.answer = lambda _: Answer(200, packed, {"Content-Encoding": encoding}, length=length)
    assert_whole(files.deliver(ArtifactFile("7f", len(packed), None, False), PATH), tmp_path, packed)


def test_given_a_file_that_is_stored_compressed_when_the_link_breaks_then_it_goes_on_where_it_stopped(
    server: Server, files: Downloader, tmp_path: Path
) -> None:
    packed = gzip.compress(os.urandom(5000))
    cuts = iter([1000, 1000, None])

    def answer(request: Request) -> Answer:
        found = ranged(request, packed, cut=next(cuts))
        return Answer(found.status, found.body, {**found.headers, "Content-Encoding": "gzip"}, found.cut)

    server.answer = answer
    assert_whole(files.deliver(ArtifactFile("7f", len(packed), None, False), PATH), tmp_path, packed)
    assert [request.headers.get("Range") for request in server.api_requests] == [None, "bytes=1000-", "bytes=2000-"]


def stored(directory: Path, body: bytes) -> None:
    (directory / PATH).parent.mkdir(parents=True)
    (directory / PATH).write_bytes(body)


def test_given_a_stored_file_when_it_is_looked_for_then_its_size_and_hash_are_told_and_nothing_is_written(
    server: Server, files: Downloader, tmp_path: Path
) -> None:
    stored(tmp_path, BODY)
    cuts = iter([1000, None])
    server.answer = lambda request: ranged(request, cut=next(cuts))
    assert files.find(PRIVATE, PATH) == (len(BODY), hashlib.sha256(BODY).hexdigest())
    assert (files.read(PATH), files.read("nothing.pdf"), files.read("1")) == (BODY, None, None)
    assert found(tmp_path) == [PATH]


def test_given_a_file_that_is_not_stored_or_has_another_size_when_it_is_looked_for_then_it_is_not_found(
    server: Server, files: Downloader, tmp_path: Path
) -> None:
    server.answer = ranged
    assert files.find(PRIVATE, PATH) is None
    assert server.api_requests == []
    stored(tmp_path, BODY[:-1])
    assert files.find(PRIVATE, PATH) is None


def test_given_a_bucket_that_lets_nobody_look_for_what_is_missing_when_a_file_is_looked_for_then_it_is_not_found(
    client: ApiClient, clock: FakeClock, tmp_path: Path
) -> None:
    class Refusing(FolderStore):
        def stat(self, path: str) -> int | None:
            raise StoreUnavailable("bucket", "HTTP 403")

    assert Downloader(client, Refusing(tmp_path), clock).find(PRIVATE, PATH) is None


def test_given_a_file_that_the_api_does_not_have_any_more_when_it_is_looked_for_then_it_counts_if_it_is_stored(
    server: Server, files: Downloader, tmp_path: Path
) -> None:
    server.answer = lambda _: GONE
    assert files.find(PRIVATE, PATH) is None
    stored(tmp_path, BODY)
    assert files.find(PRIVATE, PATH) == (len(BODY), None)


def test_given_a_store_that_does_not_keep_files_when_one_is_looked_for_then_it_is_taken_to_have_been_stored(
    server: Server, client: ApiClient, clock: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRBYTE_STAGING_DIRECTORY", str(tmp_path))
    files = Downloader(client, StagingStore(clock, Event()), clock)
    server.answer = ranged
    assert files.find(PRIVATE, PATH) == (len(BODY), hashlib.sha256(BODY).hexdigest())
    server.answer = lambda _: GONE
    with pytest.raises(NotFound):
        files.find(PRIVATE, PATH)
    assert found(tmp_path) == []


def test_given_a_file_of_the_connectors_own_when_put_then_it_takes_the_place_of_an_older_one(
    files: Downloader, tmp_path: Path
) -> None:
    files.put(PATH, OTHER, "application/json")
    assert_whole(files.put(PATH, BODY, "application/json"), tmp_path)
