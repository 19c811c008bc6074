"""Files to download, what a server answers for them, what has to lie on the disk then."""

import hashlib
from pathlib import Path

from source_customerscanvas.files.artifact_file import ArtifactFile, DeliveredFile
from unit_tests.http_server import Answer, Request

BODY = bytes(range(256)) * 40
OTHER = bytes(reversed(range(256))) * 40
ETAG = '"v1"'
PATH = "1/5/9/card.pdf"
PRIVATE = ArtifactFile("7f", len(BODY), None, False)


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


def assert_whole(file: DeliveredFile, directory: Path, body: bytes = BODY) -> None:
    path = directory / PATH
    assert file == DeliveredFile(PATH, len(body), hashlib.sha256(body).hexdigest(), path.as_uri(), str(path))
    assert path.read_bytes() == body
    assert found(directory) == [PATH]
