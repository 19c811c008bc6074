"""Only the API sees the token."""

from __future__ import annotations

from typing import Any

from integration_tests.files.conftest import Shop, error_of
from sandbox import FileSpec


def test_given_files_on_other_hosts_when_downloaded_then_only_the_api_sees_the_token_and_nobody_a_cookie(
    shop: Shop,
) -> None:
    sandbox = shop.sandbox
    sandbox.switches.update(sets_cookie=True, file_redirect=True)
    shop.add(FileSpec(id="public", anonymous=True), FileSpec(id="private"))
    shop.add(FileSpec(id="led-back", anonymous=True))
    sandbox.fault("/files/led-back/", redirect=f"{sandbox.url}/api/storage/v1/artifacts/private/file")
    unsafe = shop.add(FileSpec(id="unsafe", anonymous=True))

    def lead_astray(results: dict[str, Any]) -> dict[str, Any]:
        files = [{**file, "url": "http://files.example.com/unsafe.pdf"} for file in results["outputFileDetails"]]
        return {**results, "outputFileDetails": files}

    sandbox.fault(f"/projects/{unsafe}/processing-results", edit=lead_astray)

    run = shop.sync(None, "artifact_files", "projects", "storefronts", tenant_id=1)

    # an address that may not be asked leads to the API's own, which leads one of them back to the stranger
    assert shop.delivered(run) == {"public", "private", "unsafe"}
    assert "artifact led-back" in error_of(run)["message"]
    assert "signature" not in run.output
    requests = sandbox.requests
    assert {request.origin for request in requests} == {"api", "cdn", "hub"}
    assert [request.path for request in requests if "Cookie" in request.headers] == []
    assert [
        request.path for request in requests if request.origin == "cdn" and "Authorization" in request.headers
    ] == []
    without = [request for request in requests if request.origin == "api" and "Authorization" not in request.headers]
    assert {request.path for request in without} == {
        "/api/storage/v1/artifacts/private/file"  # where the stranger led to: it got no token for that
    }
    tokens = {request.headers["Authorization"].split()[1] for request in requests if "Authorization" in request.headers}
    assert not any(token in run.output for token in tokens)
