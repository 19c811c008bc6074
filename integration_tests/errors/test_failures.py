"""Whatever goes wrong in a sync: its own sentence, its own type, and no secret in any line of the longest log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from integration_tests.command_line import CommandLine, Run, bare_catalog, configured, run_all
from integration_tests.engine import folder as files_in
from sandbox import FileSpec, Sandbox

SECRET = "sandbox-secret"
SIGNATURE = "c0ffee"
RESULTS, FILE, TOKEN = r"/processing-results$", r"/artifacts/[^/]+/file$", r"/connect/token$"
ALWAYS_FROM_THE_START = {"supports_range": False}
"""Then a file that is cut never comes further."""

EACH_PROJECT = ("storefront 11", "project ", "tried again in the next sync")


@dataclass(frozen=True)
class Failure:
    """What goes wrong, and what the user is told of it; the server's own words hold secrets where it has any."""

    words: tuple[str, ...]
    failure_type: str = "transient_error"
    faults: tuple[tuple[str, dict[str, Any]], ...] = ()
    switches: dict[str, Any] = field(default_factory=dict)
    settings: Callable[[Path], dict[str, Any]] = lambda _: {}


def said(status: int, text: str) -> dict[str, Any]:
    return {"status": status, "json": {"title": text, "detail": f"{text} {SECRET}", "error": text}}


def file_in_the_way(folder: Path) -> dict[str, Any]:
    (folder / "taken").write_bytes(b"")
    return {"files": files_in(folder / "taken")}


FAILURES: dict[str, Failure] = {
    "results-500": Failure((*EACH_PROJECT, "HTTP 500"), faults=((RESULTS, said(500, "oh no")),)),
    "results-409": Failure((*EACH_PROJECT, "HTTP 409", "busy"), faults=((RESULTS, said(409, "busy")),)),
    "results-400": Failure((*EACH_PROJECT, "HTTP 400", "odd"), faults=((RESULTS, said(400, "odd")),)),
    "results-gateway-page": Failure((*EACH_PROJECT, "not JSON but text/html"), faults=((RESULTS, {"html": True}),)),
    "results-half": Failure((*EACH_PROJECT, "not the JSON"), faults=((RESULTS, {"broken_json": True}),)),
    "results-a-list": Failure((*EACH_PROJECT, "the answer is none"), faults=((RESULTS, {"json": [SECRET]}),)),
    "results-reset": Failure((*EACH_PROJECT, "No answer from 127.0.0.1"), faults=((RESULTS, {"reset": True}),)),
    "results-refused-for-long": Failure(
        ("127.0.0.1 is away", "too many requests", "60 minutes"), faults=((RESULTS, {"retry_after": 3600}),)
    ),
    "results-redirected": Failure(
        (*EACH_PROJECT, "redirects without end"), faults=((RESULTS, {"redirect": f"?sig={SIGNATURE}"}),)
    ),
    "token-refused": Failure(
        ("the request for a token", "invalid_scope"), "config_error", ((TOKEN, said(400, "invalid_scope")),)
    ),
    "token-server-down": Failure(("HTTP 503",), faults=((TOKEN, said(503, "down")),)),
    "token-not-accepted": Failure(
        ("does not accept the tokens", "`environment`"), "config_error", ((r"/api/storefront/", said(401, "who?")),)
    ),
    "no-projects": Failure(
        ("“Projects: Read”", "Settings > External apps > the app > permissions"),
        "config_error",
        switches={"permissions": frozenset({"Storefronts_read", "Artifacts_read"})},
    ),
    "no-artifacts": Failure(
        ("“Artifacts: Read”", "Settings > External apps > the app > permissions"),
        "config_error",
        switches={"permissions": frozenset({"Storefronts_read", "Projects_read"})},
    ),
    "file-403": Failure((*EACH_PROJECT, "“Artifacts: Read”"), "config_error", ((FILE, said(403, "no")),)),
    "file-cut": Failure(
        (*EACH_PROJECT, "did not come whole"), faults=((FILE, {"truncate_after": 10}),), switches=ALWAYS_FROM_THE_START
    ),
    "file-of-a-cdn-cut": Failure(
        (*EACH_PROJECT, "did not come whole"),
        faults=((r"\.pdf$", {"truncate_after": 10, "origin": "cdn"}), (FILE, {"truncate_after": 10})),
        switches=ALWAYS_FROM_THE_START,
    ),
    "file-behind-a-redirect-cut": Failure(
        (*EACH_PROJECT, "did not come whole"),
        faults=((r"", {"truncate_after": 10, "origin": "cdn"}),),
        switches={"file_redirect": True, **ALWAYS_FROM_THE_START},
    ),
    "nowhere-to-write": Failure(("taken", "`files`"), "config_error", settings=file_in_the_way),
}


@dataclass(frozen=True)
class Failed:
    run: Run
    secrets: frozenset[str]


def fail(failure: Failure, folder: Path) -> Failed:
    with Sandbox(empty=True) as sandbox:
        sandbox.shop.add_storefront(11)
        files = [FileSpec(), FileSpec(anonymous=True)]
        for _ in range(2):
            sandbox.shop.create_project(11, processing="Completed", files=files)
        sandbox.switches.update(**failure.switches)
        for path, action in failure.faults:
            sandbox.fault(path, **action)
        config = sandbox.config(**{"files": files_in(folder / "files"), **failure.settings(folder)})
        run = CommandLine(folder).read(config, configured(bare_catalog()), None, "--debug")
        tokens = {request.headers.get("Authorization", "").removeprefix("Bearer ") for request in sandbox.requests}
        signatures = {request.query["signature"] for request in sandbox.requests if "signature" in request.query}
    return Failed(run, frozenset({SECRET, *tokens, *signatures} - {""}))


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Failed]:
    return run_all(fail, FAILURES, tmp_path_factory.mktemp("failures"))


@pytest.mark.parametrize("name", FAILURES)
def test_given_a_failure_when_read_with_debug_then_its_sentence_is_told_and_no_secret(
    failed: dict[str, Failed], name: str
) -> None:
    run, failure = failed[name].run, FAILURES[name]

    assert run.exit_code == 1
    assert run.logs("DEBUG")
    messages = " ".join(trace["message"] for trace in run.traces)
    for words in failure.words:
        assert words in messages
    assert {trace["failure_type"] for trace in run.traces} == {failure.failure_type}
    assert not any(word in messages for word in ("Traceback", "Exception", "Something went wrong", "\n"))
    for secret in failed[name].secrets:
        assert secret not in run.output + run.errors


def test_given_these_failures_when_read_then_there_were_secrets_to_be_told(failed: dict[str, Failed]) -> None:
    assert len(failed["results-500"].secrets) == 2
    assert len(failed["file-behind-a-redirect-cut"].secrets) == 3
