"""Which file is downloaded from which address, as its row says."""

from pathlib import Path
from typing import Any

import pytest

from source_customerscanvas.files.artifact_file import ArtifactFile
from source_customerscanvas.files.download import Downloader
from unit_tests.downloads import BODY, ETAG, PATH, PRIVATE, assert_whole
from unit_tests.http_server import RESET, Answer, FakeClock, Server, json_answer, serve


def test_given_a_private_file_when_downloaded_then_its_endpoint_is_asked_with_the_token(
    server: Server, files: Downloader, tmp_path: Path
) -> None:
    server.answer = lambda _: Answer(200, BODY)
    assert_whole(files.deliver(ArtifactFile("a/7", len(BODY), "https://elsewhere.example/", False), PATH), tmp_path)
    (request,) = server.api_requests
    assert (request.path, request.query) == ("/api/storage/v1/artifacts/a%2F7/file", {"attachment": "true"})
    assert request.headers["Authorization"] == "Bearer token-1"
    assert request.headers["Accept-Encoding"] == "identity"
    assert "Range" not in request.headers


@pytest.mark.parametrize(
    ("id_", "segment"), [("..", "%2E%2E"), (".", "%2E"), ("a/../b?c#d", "a%2F..%2Fb%3Fc%23d"), ("%2e", "%252e")]
)
def test_given_a_hostile_id_when_downloaded_then_no_other_address_is_asked_with_the_token(
    server: Server, files: Downloader, id_: str, segment: str
) -> None:
    server.answer = lambda _: Answer(200, BODY)
    files.deliver(ArtifactFile(id_, None, None, False), PATH)
    assert server.api_requests[0].path == f"/api/storage/v1/artifacts/{segment}/file"


def test_given_a_public_file_when_downloaded_then_its_address_is_asked_without_any_credential(
    server: Server, files: Downloader, tmp_path: Path
) -> None:
    with serve() as cdn:
        cdn.answer = lambda _: Answer(200, BODY)
        address = f"{cdn.url.replace('//', '//user:password@')}/a b/ü.pdf?signature=x%2Fy"
        assert_whole(files.deliver(ArtifactFile("7f", len(BODY), address, True), PATH), tmp_path)
    (request,) = cdn.requests
    assert (request.path, request.query) == ("/a%20b/%C3%BC.pdf", {"signature": "x/y"})
    assert not {"Authorization", "Cookie"} & set(request.headers)
    assert server.requests == []


def test_given_a_private_file_on_a_cdn_when_redirected_then_the_token_stays(
    server: Server, files: Downloader, tmp_path: Path
) -> None:
    with serve() as cdn:
        cdn.answer = lambda _: Answer(200, BODY)
        server.answer = lambda _: Answer(302, b"", {"Location": f"{cdn.url}/signed?x=y"})
        assert_whole(files.deliver(PRIVATE, PATH), tmp_path)
    assert "Authorization" in server.api_requests[0].headers
    assert "Authorization" not in cdn.requests[0].headers


@pytest.mark.parametrize(
    "url", [None, "", "card.pdf", "http://cdn.example/card.pdf", "file:///etc/passwd", "https://["]
)
def test_given_a_public_file_without_a_proper_address_when_downloaded_then_its_own_endpoint_is_asked(
    server: Server, files: Downloader, clock: FakeClock, tmp_path: Path, url: str | None
) -> None:
    server.answer = lambda _: Answer(200, BODY)
    assert_whole(files.deliver(ArtifactFile("7f", len(BODY), url, True), PATH), tmp_path)
    assert [request.path for request in server.api_requests] == ["/api/storage/v1/artifacts/7f/file"]
    assert "Authorization" in server.api_requests[0].headers
    assert clock.waits == []  # nobody else was asked, and asked again


@pytest.mark.parametrize(
    "answer",
    [
        *(Answer(status) for status in (401, 403, 404, 410, 500)),
        Answer(409, b"Public access is not permitted on this storage account."),  # as Azure's blobs answer
        Answer(410, b"Request has expired", {"Content-Type": "text/plain"}),
        Answer(404, b"<html>", {"Content-Type": "text/html"}),
        Answer(200, b"<html>", {"Content-Type": "text/html"}),
        Answer(200, BODY, {"ETag": ETAG}, cut=1000),
        Answer(302, b"", {"Location": "http://internal.example/x"}),
        RESET,
    ],
)
def test_given_a_useless_public_address_when_downloaded_then_the_endpoint_is_asked_and_nobody_else_sees_the_token(
    server: Server, files: Downloader, tmp_path: Path, answer: Answer
) -> None:
    server.answer = lambda _: Answer(200, BODY)
    with serve() as cdn:
        cdn.answer = lambda request: answer if "Range" not in request.headers else Answer(503)
        assert_whole(files.deliver(ArtifactFile("7f", len(BODY), f"{cdn.url}/card.pdf", True), PATH), tmp_path)
        assert cdn.requests
        assert not any("Authorization" in request.headers for request in cdn.requests)
    (own,) = server.api_requests
    assert own.path == "/api/storage/v1/artifacts/7f/file"
    assert "Range" not in own.headers


def test_given_a_public_address_that_answers_nothing_when_no_size_is_listed_then_the_endpoint_has_the_last_word(
    server: Server, files: Downloader, tmp_path: Path
) -> None:
    server.answer = lambda _: Answer(200, BODY)
    with serve() as cdn:
        cdn.answer = lambda _: Answer(200, b"")
        assert_whole(files.deliver(ArtifactFile("7f", None, f"{cdn.url}/card.pdf", True), PATH), tmp_path)
        assert len(cdn.requests) == 1


@pytest.mark.parametrize("status", [404, 410])
def test_given_a_public_address_on_the_apis_own_host_when_it_says_gone_then_the_endpoint_has_the_last_word(
    server: Server, files: Downloader, tmp_path: Path, status: int
) -> None:
    gone = json_answer({"title": "Gone", "status": status}, status)
    server.answer = lambda request: gone if request.path == "/public/card.pdf" else Answer(200, BODY)
    assert_whole(files.deliver(ArtifactFile("7f", len(BODY), f"{server.url}/public/card.pdf", True), PATH), tmp_path)
    assert "Authorization" not in server.requests[0].headers


def test_given_a_host_that_does_not_answer_when_more_files_lie_there_then_it_is_left_alone_for_a_while(
    server: Server, files: Downloader, clock: FakeClock
) -> None:
    server.answer = lambda _: Answer(200, BODY)
    with serve() as cdn:
        cdn.answer = lambda _: RESET
        public = ArtifactFile("7f", len(BODY), f"{cdn.url}/card.pdf", True)
        files.deliver(public, PATH)
        asked = len(cdn.requests)
        files.deliver(public, PATH)
        assert len(cdn.requests) == asked
        clock.pass_time(601)
        cdn.answer = lambda _: Answer(200, BODY)
        files.deliver(public, PATH)
        assert len(cdn.requests) > asked


# Rows


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (
            {"size": 5, "url": "https://x", "anonymousAccess": True, "format": "pdf"},
            ArtifactFile("7f", 5, "https://x", True, "pdf"),
        ),
        ({"size": None, "anonymousAccess": None}, ArtifactFile("7f", None, None, False)),
        ({"size": -1, "url": 5, "anonymousAccess": "true"}, ArtifactFile("7f", None, None, False)),
        ({"size": True}, ArtifactFile("7f", None, None, False)),
        ({"size": 5.0, "name": "proof.HTML"}, ArtifactFile("7f", 5, None, False, "html")),
        ({"size": 5.5, "name": "proof", "format": ""}, ArtifactFile("7f", None, None, False)),
    ],
)
def test_given_a_row_when_read_then_only_what_makes_sense_is_taken(row: dict[str, Any], expected: ArtifactFile) -> None:
    assert ArtifactFile.from_row("7f", row) == expected
