"""Downloads of all kinds, and public links that do not work."""

from __future__ import annotations

import gzip
import itertools
from typing import Any

import httpx
import pytest

from sandbox import FileSpec, Sandbox

MB = 1_000_000


def add(sandbox: Sandbox, **file: Any) -> dict[str, Any]:
    """The artifact of a new project's only file."""
    project = sandbox.shop.create_project(processing="Completed", files=[FileSpec(**file)])
    return sandbox.shop.artifacts(project)[0]


def path_of(artifact: dict[str, Any]) -> str:
    return f"/api/storage/v1/artifacts/{artifact['id']}/file"


def test_given_a_link_that_breaks_after_each_mb_when_taken_up_again_then_the_whole_file_comes(
    sandbox: Sandbox, client: httpx.Client
) -> None:
    artifact = add(sandbox, size=4 * MB)
    sandbox.fault("/file$", truncate_after=MB)
    received = b""
    headers: dict[str, str] = {}
    tries = 0
    while len(received) < 4 * MB:
        tries += 1
        with client.stream("GET", path_of(artifact), headers=headers) as answer:
            assert answer.status_code == (206 if received else 200)
            headers = {"Range": "", "If-Range": answer.headers["ETag"]}
            try:
                for piece in answer.iter_raw():
                    received += piece
            except httpx.RemoteProtocolError:
                headers["Range"] = f"bytes={len(received)}-"
    assert received == sandbox.shop.file_bytes(artifact["id"])
    assert tries == 4


def test_given_a_file_stored_packed_when_downloaded_then_length_size_and_ranges_are_those_of_the_packed_bytes(
    sandbox: Sandbox, client: httpx.Client
) -> None:
    artifact = add(sandbox, name="data.json", format="json", content_encoding="stored-gzip")
    stored = sandbox.shop.file_bytes(artifact["id"])
    with client.stream("GET", path_of(artifact), headers={"Accept-Encoding": "identity"}) as answer:
        raw = b"".join(answer.iter_raw())
    assert raw == stored
    assert answer.headers["Content-Encoding"] == "gzip"
    assert int(answer.headers["Content-Length"]) == artifact["size"] == len(stored)
    assert gzip.decompress(raw) == client.get(path_of(artifact)).content
    with client.stream("GET", path_of(artifact), headers={"Range": "bytes=10-"}) as rest:
        assert b"".join(rest.iter_raw()) == stored[10:]


def test_given_an_endless_body_when_read_then_it_goes_on_after_the_files_end(
    sandbox: Sandbox, client: httpx.Client
) -> None:
    artifact = add(sandbox, size=1000)
    sandbox.fault("/file$", endless=True)
    with client.stream("GET", path_of(artifact)) as answer:
        assert "Content-Length" not in answer.headers
        first = b"".join(itertools.islice(answer.iter_raw(MB), 3))
    assert first.startswith(sandbox.shop.file_bytes(artifact["id"]))
    assert len(first) == 3 * MB


def test_given_a_dripping_server_when_read_then_it_sends_less_than_a_byte_a_second(
    sandbox: Sandbox, client: httpx.Client
) -> None:
    artifact = add(sandbox, size=1000)
    sandbox.fault("/file$", slow=0.02)
    with client.stream("GET", path_of(artifact), timeout=1) as answer, pytest.raises(httpx.ReadTimeout):
        answer.read()
    assert answer.headers["Content-Length"] == "1000"


@pytest.mark.parametrize(("link", "status"), [("works", 200), ("refused", 403), ("expired", 410)])
def test_given_a_public_file_when_its_link_is_useless_then_the_file_endpoint_still_gives_it(
    sandbox: Sandbox, client: httpx.Client, link: Any, status: int
) -> None:
    artifact = add(sandbox, anonymous=True, link=link)
    answer = httpx.get(artifact["url"], trust_env=False)
    assert answer.status_code == status
    assert "problem+json" not in answer.headers["Content-Type"]
    assert link != "expired" or answer.text == "Request has expired"
    assert client.get(path_of(artifact)).content == sandbox.shop.file_bytes(artifact["id"])


def test_given_an_expired_link_when_a_new_one_is_given_then_only_that_works(sandbox: Sandbox) -> None:
    artifact = add(sandbox, anonymous=True, link="expired")
    sandbox.shop.change_link(artifact["id"], "works")
    after = sandbox.shop.artifact(artifact["id"])
    assert httpx.get(artifact["url"], trust_env=False).status_code == 410
    assert httpx.get(after["url"], trust_env=False).content == sandbox.shop.file_bytes(artifact["id"])


def test_given_a_file_that_is_gone_when_asked_for_then_only_the_api_says_it_with_a_problem_document(
    sandbox: Sandbox, client: httpx.Client
) -> None:
    artifact = add(sandbox, anonymous=True)
    sandbox.shop.remove_file(artifact["id"], status=404)
    by_api, by_cdn = client.get(path_of(artifact)), httpx.get(artifact["url"], trust_env=False)
    assert (by_api.status_code, by_cdn.status_code) == (404, 404)
    assert by_api.headers["Content-Type"].startswith("application/problem+json")
    assert by_api.json()["status"] == 404
    assert by_cdn.headers["Content-Type"] == "text/html"
