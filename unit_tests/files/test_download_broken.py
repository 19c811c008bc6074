"""A download that breaks ends with the whole file or with none."""

import gzip
import os
from pathlib import Path
from typing import Any

import pytest
import urllib3.response

from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.errors import BrokenDownload
from source_customerscanvas.files.artifact_file import ArtifactFile
from source_customerscanvas.files.download import Downloader
from source_customerscanvas.files.stores import folder
from unit_tests.downloads import BODY, ETAG, OTHER, PATH, PRIVATE, assert_whole, found, ranged
from unit_tests.http_server import Answer, FakeClock, Server


def test_given_ranges_when_the_connection_breaks_then_it_goes_on_where_it_stopped(
    server: Server, files: Downloader, tmp_path: Path
) -> None:
    cuts = iter([1000, 2000, None])
    server.answer = lambda request: ranged(request, cut=next(cuts))
    assert_whole(files.deliver(PRIVATE, PATH), tmp_path)
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
        Answer(206, OTHER[1000:], {"Content-Range": f"bytes 1000-{len(BODY) - 1}/{len(BODY)}"}),
        Answer(206, BODY[1000:], {"Content-Range": "bytes 1000-2000/99999"}),
        Answer(206, BODY[1000:], {"Content-Range": f"bytes 1000-2000/{'9' * 5000}"}),
    ],
)
def test_given_a_rest_that_does_not_fit_when_resumed_then_it_starts_over(
    server: Server, files: Downloader, tmp_path: Path, rest: Answer
) -> None:
    server.script(Answer(200, BODY, {"ETag": ETAG}, cut=1000), rest, Answer(200, BODY))
    assert_whole(files.deliver(PRIVATE, PATH), tmp_path)
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
    server: Server, files: Downloader, tmp_path: Path, range_: str, length: bool, is_announced: bool
) -> None:
    first = Answer(200, BODY, {"ETag": ETAG}, cut=1000)
    if not is_announced:
        chunk = b"%x\r\n" % 1000 + BODY[:1000]
        first = Answer(200, chunk, {"ETag": ETAG, "Transfer-Encoding": "chunked"}, length=False)
    rest = Answer(206, BODY[1000:3000], {"Content-Range": range_}, length=length)
    server.script(first, rest, Answer(200, BODY))
    assert_whole(files.deliver(ArtifactFile("7f", None, None, False), PATH), tmp_path)


def test_given_a_whole_file_as_its_only_part_when_it_breaks_off_then_it_is_not_taken_for_whole(
    server: Server, files: Downloader, tmp_path: Path
) -> None:
    part = Answer(206, BODY[:500], {"Content-Range": f"bytes 0-{len(BODY) - 1}/{len(BODY)}"}, length=False)
    server.script(part, Answer(200, BODY))
    assert_whole(files.deliver(ArtifactFile("7f", None, None, False), PATH), tmp_path)


def test_given_a_file_that_changed_when_resumed_then_only_the_new_one_is_kept(
    server: Server, files: Downloader, tmp_path: Path
) -> None:
    first = iter([True])
    server.answer = lambda request: (
        ranged(request, BODY, '"v1"', 1000) if next(first, False) else ranged(request, OTHER, '"v2"')
    )
    assert_whole(files.deliver(PRIVATE, PATH), tmp_path, OTHER)


@pytest.mark.parametrize("etag", ["", 'W/"v1"', "v1"])
def test_given_no_strong_etag_when_the_connection_breaks_then_it_starts_over(
    server: Server, files: Downloader, tmp_path: Path, etag: str
) -> None:
    server.script(Answer(200, BODY, {"ETag": etag}, cut=1000), Answer(200, BODY, {"ETag": etag}))
    assert_whole(files.deliver(PRIVATE, PATH), tmp_path)
    assert "Range" not in server.api_requests[1].headers


def test_given_a_shorter_file_when_started_over_then_nothing_of_the_longer_one_stays(
    server: Server, files: Downloader, tmp_path: Path
) -> None:
    server.script(Answer(200, OTHER, cut=5000), Answer(200, BODY[:1000]))
    assert_whole(files.deliver(ArtifactFile("7f", None, None, False), PATH), tmp_path, BODY[:1000])


@pytest.mark.parametrize("etag", [ETAG, ""], ids=["resumed", "started over"])
def test_given_a_large_file_that_breaks_while_it_is_hashed_when_downloaded_then_every_byte_and_the_hash_are_right(
    server: Server, files: Downloader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, etag: str
) -> None:
    monkeypatch.setattr(folder, "_FLUSHED_AT_ONCE", 100_000)
    body = os.urandom(3_000_000)
    cuts = iter([1_000_000, None])
    server.answer = lambda request: ranged(request, body, etag, next(cuts))
    assert_whole(files.deliver(ArtifactFile("7f", len(body), None, False), PATH), tmp_path, body)


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
    "problem document": (Answer(200, b"{}", {"Content-Type": "application/problem+json; charset=utf-8"}), None),
    "encoded beyond knowledge": (Answer(200, BODY, {"Content-Encoding": "br"}), None),
    "badly encoded": (Answer(200, BODY, {"Content-Encoding": "gzip"}), None),
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
    server: Server, files: Downloader, clock: FakeClock, tmp_path: Path, answer: Answer, size: int | None
) -> None:
    server.answer = lambda _: answer
    with pytest.raises(BrokenDownload, match="artifact 7f"):
        files.deliver(ArtifactFile("7f", size, None, False, "pdf"), PATH)
    assert len(server.api_requests) == 6
    assert sum(1 for wait in clock.waits if wait > 0) >= 5
    assert found(tmp_path) == []


@pytest.mark.parametrize(("answer", "size"), BROKEN.values(), ids=BROKEN)
def test_given_a_broken_download_when_the_next_try_is_whole_then_it_is_kept(
    server: Server, files: Downloader, tmp_path: Path, answer: Answer, size: int | None
) -> None:
    server.script(answer, Answer(200, BODY))
    assert_whole(files.deliver(ArtifactFile("7f", size, None, False, "pdf"), PATH), tmp_path)


def test_given_a_link_that_breaks_again_and_again_when_ranges_are_supported_then_only_tries_without_progress_count(
    server: Server, files: Downloader, tmp_path: Path
) -> None:
    server.answer = lambda request: ranged(request, cut=500)
    assert_whole(files.deliver(PRIVATE, PATH), tmp_path)
    assert len(server.api_requests) > 20


def test_given_tries_without_progress_between_others_when_downloaded_then_each_progress_begins_to_count_anew(
    server: Server, files: Downloader, tmp_path: Path
) -> None:
    cuts = iter([1000, 0, 0, 0, 0, 1000, 0, 0, 0, 0, None])
    server.answer = lambda request: ranged(request, cut=next(cuts))
    assert_whole(files.deliver(PRIVATE, PATH), tmp_path)


def test_given_no_ranges_when_the_link_always_breaks_then_coming_as_far_as_before_is_no_progress(
    server: Server, files: Downloader, tmp_path: Path
) -> None:
    cuts = iter([3000, 2000, 2999, 3000, 10, 0])
    server.answer = lambda _: Answer(200, BODY, cut=next(cuts))
    with pytest.raises(BrokenDownload):
        files.deliver(PRIVATE, PATH)
    assert found(tmp_path) == []


def test_given_a_server_that_sends_next_to_nothing_when_minutes_pass_then_the_download_is_broken(
    server: Server,
    client: ApiClient,
    files: Downloader,
    clock: FakeClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client.token_scopes()
    read = urllib3.response.HTTPResponse.read1

    def slowly(self: urllib3.response.HTTPResponse, *arguments: Any, **options: Any) -> bytes:
        clock.pass_time(400)
        return read(self, 1000, **options)

    server.answer = lambda _: Answer(200, BODY)
    monkeypatch.setattr(urllib3.response.HTTPResponse, "read1", slowly)
    with pytest.raises(BrokenDownload, match="too slowly"):
        files.deliver(PRIVATE, PATH)
    assert found(tmp_path) == []
