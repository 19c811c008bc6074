"""Which file is downloaded from which address, as its row says."""

from pathlib import Path
from typing import Any

import pytest

from source_customerscanvas.errors import Refused
from source_customerscanvas.files.download import ArtifactFile, FileTransfer
from unit_tests.downloads import BODY, PATH, PRIVATE, assert_whole, found
from unit_tests.http_server import Answer, Server, serve


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
