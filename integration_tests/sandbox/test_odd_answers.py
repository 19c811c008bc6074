"""Answers that are not the API's, or not quite, on command."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from sandbox import Sandbox

STOREFRONTS = "/api/storefront/v1/storefronts"
PROJECTS = "/api/storefront/v1/projects"
RESULTS = "/api/storefront/v1/projects/1/processing-results"
ORDER = "/api/storefront/v1/projects/1/order"


@pytest.mark.parametrize(
    ("page", "status", "kind", "text"),
    [
        ("default backend", 404, "text/plain", "default backend - 404"),
        ("not found", 404, "text/html", "<h1>404 Not Found</h1>"),
        ("forbidden", 403, "text/html", "<h1>403 Forbidden</h1>"),
        ("bad gateway", 502, "text/html", "<h1>502 Bad Gateway</h1>"),
        ("unavailable", 503, "text/html", "<h1>503 "),
        ("expired", 410, "text/plain", "Request has expired"),
    ],
)
def test_given_a_page_of_a_gateway_when_called_then_it_comes_in_the_apis_place(
    sandbox: Sandbox, client: httpx.Client, page: str, status: int, kind: str, text: str
) -> None:
    sandbox.fault("results", page=page)
    answer = client.get(RESULTS)
    assert answer.status_code == status
    assert answer.headers["Content-Type"].startswith(kind)
    assert text in answer.text


def test_given_the_apis_own_errors_when_called_then_each_has_a_problem_document(
    sandbox: Sandbox, client: httpx.Client
) -> None:
    sandbox.switches.unknown_sort = "refuse"
    sandbox.switches.permissions = {"Projects_read"}
    nobody = httpx.get(sandbox.url + PROJECTS, trust_env=False)
    answers = [client.get(one) for one in (PROJECTS + "/99", "/api/nothing", PROJECTS + "?sorting=Odd", STOREFRONTS)]
    answers += [client.delete(PROJECTS), nobody]
    assert [one.status_code for one in answers] == [404, 404, 400, 403, 405, 401]
    for answer in answers:
        assert answer.headers["Content-Type"].startswith("application/problem+json")
        assert answer.json()["status"] == answer.status_code
    sandbox.fault("results", status=500)
    assert client.get(RESULTS).headers["Content-Type"].startswith("application/problem+json")


def test_given_garbled_answers_when_called_then_they_are_almost_right(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.fault("results", times=1, problem=404)
    sandbox.fault("results", times=1, garble="list")
    sandbox.fault("results", times=1, garble="lower status")
    sandbox.fault("results", times=1, garble="number status")
    sandbox.fault("v1/projects$", garble="nan", row=2)
    said = client.get(RESULTS)
    assert (said.status_code, said.json()["status"]) == (200, 404)
    assert client.get(RESULTS).json()[0]["status"] == "Completed"
    assert client.get(RESULTS).json()["status"] == "completed"
    assert client.get(RESULTS).json()["status"] == 2
    sandbox.shop.create_project()
    assert "NaN" in client.get(PROJECTS).text
    with pytest.raises(ValueError, match="NaN"):
        json.loads(client.get(PROJECTS).text, parse_constant=_refuse)


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def test_given_storefronts_missing_once_when_listed_again_then_they_are_there(
    sandbox: Sandbox, client: httpx.Client
) -> None:
    sandbox.shop.add_storefront(2)
    sandbox.fault("storefronts$", times=1, without=[1])
    sandbox.fault("storefronts$", times=1, garble="empty list")
    seen = [[row["id"] for row in client.get(STOREFRONTS).json()["items"]] for _ in range(3)]
    assert seen == [[2], [], [1, 2]]


def test_given_one_project_that_always_answers_401_when_others_are_read_then_they_are_given(
    sandbox: Sandbox, client: httpx.Client
) -> None:
    sandbox.shop.create_project(processing="Completed")
    sandbox.fault("projects/1/processing-results", status=401)
    assert [client.get(f"{PROJECTS}/{one}/processing-results").status_code for one in (1, 2, 1)] == [401, 200, 401]


@pytest.mark.parametrize(
    ("answer", "status", "kind"),
    [
        ("404", 404, "application/problem+json"),
        ("409", 409, "application/json"),
        ("501", 501, "application/problem+json"),
        ("problem", 200, "application/json"),
    ],
)
def test_given_a_shop_system_without_documents_when_asked_then_the_switch_says_how(
    sandbox: Sandbox, client: httpx.Client, answer: Any, status: int, kind: str
) -> None:
    assert client.get(ORDER).json()["id"] == "5001"
    sandbox.switches.order_documents = answer
    refused = client.get(ORDER)
    assert refused.status_code == status
    assert refused.headers["Content-Type"].startswith(kind)


@pytest.mark.parametrize(
    ("before", "status", "body"), [("pending", 200, "Pending"), ("404", 404, 404), ("204", 204, None)]
)
def test_given_no_run_when_results_are_asked_for_then_the_switch_says_how(
    sandbox: Sandbox, client: httpx.Client, before: Any, status: int, body: object
) -> None:
    project = sandbox.shop.create_project()
    sandbox.switches.results_before_run = before
    answer = client.get(f"{PROJECTS}/{project}/processing-results")
    assert answer.status_code == status
    assert (answer.json()["status"] if answer.content else None) == body


@pytest.mark.parametrize(
    ("path", "missing"),
    [
        (STOREFRONTS, "Storefronts_read"),
        ("/api/storefront/v1/tenant-info", "Tenants_read"),
        (PROJECTS, "Projects_read"),
        (PROJECTS + "/statuses", "Projects_read"),
        ("/api/storage/v1/artifacts", "Artifacts_read"),
    ],
)
def test_given_a_permission_that_the_app_lacks_when_called_then_only_what_needs_it_is_refused(
    sandbox: Sandbox, client: httpx.Client, path: str, missing: str
) -> None:
    sandbox.switches.permissions = {"Storefronts_read", "Tenants_read", "Projects_read", "Artifacts_read"}
    assert client.get(path).status_code == 200
    sandbox.switches.permissions = sandbox.switches.permissions - {missing}
    refused = client.get(path)
    assert refused.status_code == 403
    assert missing in refused.json()["detail"]


@pytest.mark.parametrize(
    ("limit", "status"),
    [
        ({"requests_per_second": 0.01, "window": 60}, 429),
        ({"requests_per_second": 0.01, "burst": 1, "status": 503, "retry_after": None}, 503),
        ({"requests_per_second": 0.01, "retry_after": "date", "origin": "cdn"}, 429),
    ],
)
def test_given_limits_of_each_form_when_reached_then_they_are_told_in_that_form(
    sandbox: Sandbox, client: httpx.Client, limit: dict[str, Any], status: int
) -> None:
    limiter = sandbox.limit(**limit)
    assert limiter is not None
    url = sandbox.cdn_url if limit.get("origin") == "cdn" else RESULTS
    client.get(url)
    refused = [client.get(url) for _ in range(3)][-1]
    assert refused.status_code == status
    assert ("Retry-After" in refused.headers) == (limit.get("retry_after", "seconds") is not None)
    assert (refused.headers["Content-Type"] == "text/html") == (status == 503)
    assert limiter.served >= 1
    assert limiter.refused >= 1
    assert client.get(f"{sandbox.hub_url}/").status_code == 404


def test_given_at_most_one_at_once_when_a_second_one_comes_then_it_is_refused(sandbox: Sandbox) -> None:
    def called() -> int:
        return httpx.get(sandbox.url + "/nothing", trust_env=False).status_code

    sandbox.limit(None, at_once=1)
    # The second request comes while the first one is answered, the third one afterwards.
    statuses: list[int] = []
    sandbox.on("first", lambda: statuses.append(called()))
    httpx.get(sandbox.url + "/first", trust_env=False)
    assert [*statuses, called()] == [429, 404]
