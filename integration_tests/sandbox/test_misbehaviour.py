"""The sandbox over HTTP: what it does on command, what it records, and who gets a file."""

from __future__ import annotations

import json
import time
from email.utils import parsedate_to_datetime

import httpx
import pytest

from sandbox import FileSpec, RequestRecord, Sandbox

RESULTS = "/api/storefront/v1/projects/1/processing-results"
PROJECTS = "/api/storefront/v1/projects"


def file_path(sandbox: Sandbox) -> str:
    return f"/api/storage/v1/artifacts/{sandbox.shop.artifacts()[0]['id']}/file"


def test_given_a_fault_for_some_requests_when_called_then_only_those_fail(
    sandbox: Sandbox, client: httpx.Client
) -> None:
    fault = sandbox.fault(path="processing-results$", method="GET", skip=1, times=2, status=503)
    assert [client.get(RESULTS).status_code for _ in range(4)] == [200, 503, 503, 200]
    assert fault.hits == 2
    assert [one.status for one in sandbox.requests[-4:]] == [200, 503, 503, 200]


def test_given_a_fault_for_a_page_when_removed_then_the_page_is_whole_again(
    sandbox: Sandbox, client: httpx.Client
) -> None:
    fault = sandbox.fault(path="projects$", query={"skip": "^100$"}, broken_json=True)
    assert client.get(PROJECTS).json()["total"] == 1
    half = client.get(PROJECTS, params={"skip": 100})
    with pytest.raises(json.JSONDecodeError):
        half.json()
    fault.remove()
    assert client.get(PROJECTS, params={"skip": 100}).json()["items"] == []


def test_given_answers_made_up_or_edited_when_called_then_they_are_what_was_given(
    sandbox: Sandbox, client: httpx.Client
) -> None:
    sandbox.fault(path="results", times=1, html=True)
    sandbox.fault(path="results", times=1, json=[1])
    sandbox.fault(path="results", times=1, edit=lambda payload: {**payload, "status": "Odd"})
    sandbox.fault(path="results", times=1, redirect="https://elsewhere.example/")
    sandbox.fault(path="results", times=1, retry_after="2")
    sandbox.fault(path="results", times=1, status=503, retry_after_date=30)
    assert client.get(RESULTS).headers["Content-Type"] == "text/html"
    assert client.get(RESULTS).json() == [1]
    assert client.get(RESULTS).json()["status"] == "Odd"
    assert client.get(RESULTS).headers["Location"] == "https://elsewhere.example/"
    limited = client.get(RESULTS)
    assert (limited.status_code, limited.headers["Retry-After"]) == (429, "2")
    unavailable = client.get(RESULTS)
    assert 25 < parsedate_to_datetime(unavailable.headers["Retry-After"]).timestamp() - time.time() <= 31


def test_given_broken_connections_when_called_then_the_client_sees_no_whole_answer(
    sandbox: Sandbox, client: httpx.Client
) -> None:
    sandbox.fault(path="file$", times=1, reset=True)
    sandbox.fault(path="file$", times=1, truncate_after=5000)
    sandbox.fault(path="file$", times=1, stall_after=5000)
    sandbox.fault(path="file$", times=1, hang=True)
    sandbox.fault(path="file$", times=1, truncate_to=5000)
    path = file_path(sandbox)
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        client.get(path)
    received: list[bytes] = []
    with client.stream("GET", path) as response, pytest.raises(httpx.RemoteProtocolError):
        received.extend(response.iter_raw())
    assert b"".join(received) == sandbox.shop.file_bytes(sandbox.shop.artifacts()[0]["id"])[:5000]
    for _ in range(2):
        with pytest.raises(httpx.ReadTimeout):
            client.get(path, timeout=0.1)
    assert client.get(path).headers["Content-Length"] == "5000"
    assert client.get(path).content == sandbox.shop.file_bytes(sandbox.shop.artifacts()[0]["id"])


def test_given_a_range_when_the_file_is_the_same_or_another_then_the_rest_or_the_whole_comes(
    sandbox: Sandbox, client: httpx.Client
) -> None:
    path = file_path(sandbox)
    whole = client.get(path)
    headers = {"Range": "bytes=60000-", "If-Range": whole.headers["ETag"]}
    rest = client.get(path, headers=headers)
    assert (rest.status_code, rest.content) == (206, whole.content[60_000:])
    assert rest.headers["Content-Range"] == "bytes 60000-99999/100000"
    sandbox.shop.regenerate_artifact(sandbox.shop.artifacts()[0]["id"])
    assert client.get(path, headers=headers).status_code == 200
    assert client.get(path, headers={"Range": "bytes=100000-"}).status_code == 416
    sandbox.switches.supports_range = False
    assert client.get(path, headers={"Range": "bytes=60000-"}).status_code == 200


def test_given_no_length_or_a_packed_file_when_downloaded_then_the_bytes_are_the_same(
    sandbox: Sandbox, client: httpx.Client
) -> None:
    sandbox.switches.sends_content_length = False
    sandbox.shop.process(1, "Completed", files=[FileSpec(size=100_000), FileSpec(content_encoding="gzip")])
    for artifact in sandbox.shop.artifacts():
        answer = client.get(f"/api/storage/v1/artifacts/{artifact['id']}/file")
        assert "Content-Length" not in answer.headers
        assert answer.content == sandbox.shop.file_bytes(artifact["id"])


def test_given_a_private_file_when_it_is_redirected_then_only_the_signed_address_gives_it(
    sandbox: Sandbox, client: httpx.Client
) -> None:
    sandbox.switches.file_redirect = True
    answer = client.get(file_path(sandbox))
    signed = httpx.URL(answer.headers["Location"])
    assert str(signed).startswith(sandbox.cdn_url)
    assert httpx.get(signed, trust_env=False).status_code == 200
    assert httpx.get(signed.copy_with(query=None), trust_env=False).status_code == 403
    assert [one.origin for one in sandbox.requests[-2:]] == ["cdn", "cdn"]
    assert "Authorization" not in sandbox.requests[-1].headers


def test_given_a_removed_file_when_downloaded_then_it_is_gone_though_listed(
    sandbox: Sandbox, client: httpx.Client
) -> None:
    sandbox.shop.remove_file(sandbox.shop.artifacts()[0]["id"], status=410)
    assert client.get(file_path(sandbox)).status_code == 410
    assert client.get("/api/storage/v1/artifacts").json()["total"] == 1


def test_given_a_hook_when_its_request_comes_then_it_runs_before_the_answer(
    sandbox: Sandbox, client: httpx.Client
) -> None:
    seen: list[RequestRecord] = []
    sandbox.on(path="projects$", nth=2, call=lambda: sandbox.shop.create_project(id=77))
    sandbox.on(path="projects$", call=seen.append)
    assert [client.get(PROJECTS).json()["total"] for _ in range(3)] == [1, 2, 2]
    assert [one.path for one in seen] == [PROJECTS] * 3


def test_given_a_limit_when_requests_come_faster_then_some_are_refused(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.limit(5, retry_after="seconds", burst=3)
    answers = [client.get(RESULTS) for _ in range(6)]
    refused = [one for one in answers if one.status_code == 429]
    assert [one.status_code for one in answers[:3]] == [200] * 3
    assert refused
    assert all(one.headers["Retry-After"] == "1" for one in refused)
    sandbox.limit(None)
    assert client.get(RESULTS).status_code == 200


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"client_secret": "wrong"}, "invalid_client"),
        ({"scope": "Projects_read Unknown_read"}, "invalid_scope"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
    ],
)
def test_given_a_wrong_token_request_when_sent_then_it_is_refused_by_name(
    sandbox: Sandbox, form: dict[str, str], error: str
) -> None:
    right = {"grant_type": "client_credentials", "client_id": "sandbox", "client_secret": "sandbox-secret"}
    answer = httpx.post(f"{sandbox.url}/connect/token", data={**right, **form}, trust_env=False)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_given_a_token_when_it_is_missing_or_expired_or_lacks_a_permission_then_the_call_is_refused(
    sandbox: Sandbox, client: httpx.Client
) -> None:
    assert httpx.get(sandbox.url + PROJECTS, trust_env=False).status_code == 401
    sandbox.switches.permissions = {"Artifacts_read"}
    assert client.get(PROJECTS).status_code == 403
    sandbox.advance(3601)
    assert client.get(PROJECTS).status_code == 401


def test_given_the_control_endpoints_when_used_then_the_shop_changes(sandbox: Sandbox, client: httpx.Client) -> None:
    body = {"storefrontId": 4, "orderId": "9", "processing": "InProgress", "runFor": 5, "files": [{"name": "a.pdf"}]}
    identity = client.post("/sandbox/projects", json=body).json()["id"]
    client.post("/sandbox/clock", json={"advance": 5})
    assert client.get(f"/sandbox/projects/{identity}").json()["results"]["status"] == "Completed"
    client.patch(f"/sandbox/projects/{identity}", json={"name": "renamed"})
    assert sandbox.shop.project(identity)["name"] == "renamed"
    client.post(f"/sandbox/projects/{identity}/process", json={"status": "Failed", "description": "jam"})
    assert sandbox.shop.results(identity)["statusDescription"] == "jam"
    client.patch("/sandbox/switches", json={"page_cap": 1})
    assert len(client.get(PROJECTS).json()["items"]) == 1
    client.post("/sandbox/faults", json={"path": "projects$", "status": 500})
    assert client.get(PROJECTS).status_code == 500
    client.delete("/sandbox/faults")
    assert client.get(PROJECTS).status_code == 200
    assert client.get("/sandbox/state").json()["projects"] == 2
    assert client.patch("/sandbox/switches", json={"no_such": 1}).status_code == 400
    first = client.get("/sandbox/requests").json()[0]
    assert (first["path"], first["status"]) == ("/connect/token", 200)
    client.delete(f"/sandbox/projects/{identity}")
    assert client.get(f"/sandbox/projects/{identity}").status_code == 404
    moved = client.post("/sandbox/shop/add_item_run", json={"projectId": 1, "files": [{"name": "b.pdf"}]}).json()
    assert moved["result"] == sandbox.shop.project(1)["items"][1]["id"]
    client.post("/sandbox/shop/set_status", json={"project_id": 1, "code": 5})
    assert sandbox.shop.project(1)["status"] == 5
    assert client.post("/sandbox/shop/remove_project", json={"project_id": 1}).status_code == 400
    items = [{"processing": "Completed", "files": [{"name": name}]} for name in ("a.pdf", "b.pdf")]
    several = client.post("/sandbox/projects", json={"itemPipelines": items, "postProcessing": items[0]}).json()["id"]
    assert len(sandbox.shop.results(several)["outputFileDetails"]) == 3
    times = client.post("/sandbox/clock", json={"shopAhead": -60}).json()
    assert times["now"] > times["shopNow"] == sandbox.shop.now().isoformat()
    client.post("/sandbox/outages", json={"kind": "503", "where": ["api"]})
    assert client.get(PROJECTS).status_code == 503
    client.delete("/sandbox/faults")
    client.post("/sandbox/limit", json={"requests_per_second": 0.01, "burst": 1})
    assert [client.get(PROJECTS).status_code for _ in range(2)] == [200, 429]
    client.post("/sandbox/limit", json={})
    assert client.get(PROJECTS).status_code == 200
    # Control requests are not part of the record.
    assert sandbox.count("/sandbox") == 0
