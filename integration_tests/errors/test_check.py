"""`check` through the command line: what it proves, in which order, and one sentence for each thing that is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from integration_tests.command_line import CommandLine, Run, run_all
from sandbox import RequestRecord, Sandbox

RESUME = {"processing": {"on_failure": "resume"}}
RESTART = {"processing": {"on_failure": "restart"}}
TRANSITION = {"acknowledge": {"mode": "transition", "name": "finish-production"}}
READ_ONLY = frozenset({"Projects_read", "Artifacts_read", "Storefronts_read"})


@dataclass(frozen=True)
class Case:
    """Something that is wrong, and what the answer has to say; `settings` may need the server's addresses."""

    words: tuple[str, ...]
    settings: Callable[[Sandbox], dict[str, Any]] = lambda _: {}
    switches: dict[str, Any] = field(default_factory=dict)
    faults: tuple[tuple[str, dict[str, Any]], ...] = ()
    empty: bool = False


def environment(hub_url: str, api_url: str) -> dict[str, Any]:
    return {"environment": {"region": "custom", "hub_url": hub_url, "api_url": api_url}}


WRONG: dict[str, Case] = {
    "wrong-secret": Case(
        ("does not accept this client id and secret", "`client_secret`", "`environment`"),
        lambda _: {"client_secret": "wrong-secret"},
    ),
    "hub-is-another-host": Case(
        ("does not answer like a Customer's Canvas installation", "`environment`"),
        lambda sandbox: environment(sandbox.cdn_url, sandbox.url),
    ),
    "api-is-another-host": Case(
        ("does not answer like a Customer's Canvas installation", "`environment`"),
        lambda sandbox: environment(sandbox.url, sandbox.cdn_url),
    ),
    "unreachable": Case(
        ("No answer from 127.0.0.1", "it refuses connections", "`environment`"),
        lambda _: environment("http://127.0.0.1:9", "http://127.0.0.1:9"),
    ),
    "unknown-host": Case(
        ("No answer from customerscanvas.invalid", "`environment`"),
        lambda _: environment("https://customerscanvas.invalid", "https://customerscanvas.invalid"),
    ),
    "http": Case(
        ("`environment.api_url`", "https://"),
        lambda sandbox: environment(sandbox.url, "http://api.example.com"),
    ),
    "bad-date": Case(("`start_date`", "yesterday", "2024-03-05"), lambda _: {"start_date": "yesterday"}),
    "bad-since": Case(
        ("`acknowledge.since`", "2024-03-05"),
        lambda _: {"acknowledge": {"mode": "status", "code": 1, "since": "never"}},
    ),
    "unknown-storefront": Case(
        ("No such storefront: 98, 99", "11 (Print shop EU)", "12 (Corporate portal)", "`storefront_ids`"),
        lambda _: {"storefront_ids": [11, 99, 98]},
    ),
    "no-storefront": Case(("can see no storefront", "`environment`", "`tenant_id`"), empty=True),
    "no-projects-there": Case(
        ("it has no storefront/v1/projects", "`environment`"), faults=(("/projects$", {"status": 404}),)
    ),
    "no-artifacts-there": Case(
        ("it has no storage/v1/artifacts", "`environment`"), faults=(("/artifacts$", {"status": 404}),)
    ),
    "no-reading-of-projects": Case(
        ("Projects: Read", "External apps"), switches={"permissions": frozenset({"Storefronts_read", "Artifacts_read"})}
    ),
    "no-reading-of-artifacts": Case(
        ("Artifacts: Read", "External apps"), switches={"permissions": frozenset({"Storefronts_read", "Projects_read"})}
    ),
    "no-resuming": Case(
        ("Projects: Full", "resume failed processing"), lambda _: RESUME, switches={"permissions": READ_ONLY}
    ),
    "no-restarting": Case(
        ("Projects: Full", "restart failed processing"), lambda _: RESTART, switches={"permissions": READ_ONLY}
    ),
    "no-acknowledging": Case(
        ("Projects: Full", "acknowledge orders"), lambda _: TRANSITION, switches={"permissions": READ_ONLY}
    ),
    "no-listing-of-storefronts": Case(
        ("Storefronts: Read", "External apps"),
        switches={
            "permissions": frozenset({"Projects_read", "Artifacts_read"}),
            "storefronts_permission": "Storefronts_read",
        },
    ),
    "unknown-status": Case(
        ("no business status 77", "`statuses.codes`"), lambda _: {"statuses": {"mode": "only", "codes": [77]}}
    ),
    "unknown-status-to-set": Case(
        ("no business status 99", "`acknowledge.code`"), lambda _: {"acknowledge": {"mode": "status", "code": 99}}
    ),
    "unknown-transition": Case(
        ("no status transition “fly”", "“finish-production”", "`acknowledge.name`"),
        lambda _: {"acknowledge": {"mode": "transition", "name": "fly"}},
    ),
    "gateway-page": Case(("the answer is not JSON", "Try again later"), faults=(("/storefronts$", {"html": True}),)),
    "firewall-page": Case(
        ("HTTP 403 by a web page", "“Storefronts: Read” (or “Projects: Read”)", "Try again later"),
        faults=(("/storefronts$", {"page": "forbidden"}),),
    ),
    "firewall-page-for-projects": Case(
        ("HTTP 403 by a web page", "“Projects: Read”", "Try again later"),
        faults=(("/projects$", {"page": "forbidden"}),),
    ),
    "gateway-trouble": Case(("HTTP 502", "Try again later"), faults=(("/projects$", {"status": 502}),)),
    "tenant-needed": Case(("tenantId is required",), switches={"tenant_required": True}),
    "too-few": Case(("`statuses.codes`", "missing"), lambda _: {"statuses": {"mode": "only", "codes": []}}),
    "not-in-spec": Case(("`processing.poll_seconds`", "at least 60"), lambda _: {"processing": {"poll_seconds": 1}}),
    "too-seldom": Case(
        ("`processing.poll_seconds`", "at most 3600"), lambda _: {"processing": {"poll_seconds": 86_400}}
    ),
    "not-a-region": Case(("`environment.region`", "us, eu, au, custom"), lambda _: {"environment": {"region": "ch"}}),
    "secret-of-a-wrong-type": Case(("`client_secret`", "string"), lambda _: {"client_secret": ["s3cr3t"]}),
}


@dataclass
class Checked:
    run: Run
    requests: list[RequestRecord]


def check(case: Case, folder: Path) -> Checked:
    with Sandbox(projects=5, empty=case.empty) as sandbox:
        sandbox.switches.update(**case.switches)
        for path, action in case.faults:
            sandbox.fault(path, **action)
        run = CommandLine(folder).check(sandbox.config(**case.settings(sandbox)), "--debug")
        return Checked(run, sandbox.requests)


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Checked]:
    return run_all(check, WRONG, tmp_path_factory.mktemp("checks"))


@pytest.mark.parametrize("name", WRONG)
def test_given_something_wrong_when_checked_then_one_sentence_says_what_to_change(
    checked: dict[str, Checked], name: str
) -> None:
    run = checked[name].run

    assert run.exit_code == 0
    assert run.connection_status["status"] == "FAILED"
    message = run.connection_status["message"]
    for words in WRONG[name].words:
        assert words in message
    assert "\n" not in message
    assert "Traceback" not in message
    for secret in ("sandbox-secret", "wrong-secret", "s3cr3t", "access_token", "Bearer "):
        assert secret not in run.output + run.errors
    assert run.errors == ""


@pytest.mark.parametrize("name", WRONG)
def test_given_something_wrong_when_checked_then_nothing_is_changed_and_nothing_after_it_is_asked(
    checked: dict[str, Checked], name: str
) -> None:
    asked = [request.path.rpartition("/v1/")[2] for request in checked[name].requests]
    assert {request.path for request in checked[name].requests if request.method != "GET"} <= {"/connect/token"}
    order = ["/connect/token", "storefronts", "projects", "artifacts"]
    plain = [path for path in dict.fromkeys(asked) if path not in ("projects/statuses", "projects/transitions")]
    assert plain == order[: len(plain)] or name == "hub-is-another-host"
    stops_at = {"unknown-storefront": 2, "no-reading-of-projects": 3, "no-reading-of-artifacts": 4, "wrong-secret": 1}
    if name in stops_at:
        assert len(set(asked)) == stops_at[name]


@pytest.mark.parametrize("settings", [{}, {"storefront_ids": [12], **RESUME, **TRANSITION}], ids=["plain", "changing"])
def test_given_a_good_configuration_when_checked_then_it_succeeds_with_one_request_for_each_thing(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    with Sandbox(projects=300) as sandbox:
        run = CommandLine(tmp_path).check(sandbox.config(**settings))
        requests = sandbox.requests

    assert run.exit_code == 0
    assert run.connection_status == {"status": "SUCCEEDED"}
    assert [(request.method, request.path.rpartition("/")[2]) for request in requests] == [
        ("POST", "token"),
        ("GET", "storefronts"),
        ("GET", "projects"),
        *([("GET", "transitions")] if "acknowledge" in settings else []),
        ("GET", "artifacts"),
    ]
    assert requests[2].query.get("storefrontId") == str(settings.get("storefront_ids", [11])[0])


def test_given_a_tenant_whose_codes_are_written_as_texts_when_checked_then_the_numbers_of_the_settings_are_found(
    tmp_path: Path,
) -> None:
    with Sandbox(projects=5) as sandbox:
        sandbox.fault("projects/statuses$", json={"items": [{"id": 1, "code": "5", "displayName": "Paid"}], "total": 1})
        run = CommandLine(tmp_path).check(sandbox.config(statuses={"mode": "only", "codes": [5]}))

    assert run.connection_status == {"status": "SUCCEEDED"}
