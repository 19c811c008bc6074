"""The host that the API redirects downloads to is away for a while. It is never to get the API's token."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from integration_tests.command_line import CommandLine
from integration_tests.files.conftest import Shop, error_of
from sandbox import FileSpec, Outage, RequestRecord
from sandbox.serving.outages import OutageKind

FILES, APART = 60, 20
SIZE, HALF = 40_000, 20_000
CONNECTOR_SECOND = 1 / 20
"""Of the server's seconds: the connector's clock runs as much faster."""

COMMAND = f"""\
from source_customerscanvas.api import connections
from source_customerscanvas.run import run

connections.SILENCE_SECONDS *= {CONNECTOR_SECOND}
run()
"""
"""The command, whose time-out for a silent server follows its clock, as the tests would take minutes otherwise."""


@pytest.fixture
def redirecting(shop: Shop, tmp_path: Path) -> Shop:
    """A shop whose files the API redirects to the CDN."""
    shop.sandbox.switches.file_redirect = True
    for number in range(FILES):
        shop.add(FileSpec(size=SIZE, anonymous=number % 10 == 9), order_id=str(5000 + number))
    return Shop(shop.sandbox, CommandLine(tmp_path, program=[sys.executable, "-c", COMMAND]))


def assert_that_the_cdn_saw_no_token(requests: list[RequestRecord]) -> None:
    tokens = {one.headers["Authorization"].split()[1] for one in requests if "Authorization" in one.headers}
    on_cdn = [one for one in requests if one.origin == "cdn"]
    assert tokens
    assert on_cdn
    for one in on_cdn:
        assert "Authorization" not in one.headers
        assert not any(token in f"{one.path} {one.query} {dict(one.headers)} {one.body!r}" for token in tokens)


@pytest.mark.parametrize(("kind", "seconds"), [("503", 45), ("reset", 45), ("refused", 45), ("hang", 90)])
def test_given_a_cdn_that_is_away_for_a_while_when_synced_then_all_files_come_and_it_sees_no_token(
    redirecting: Shop, kind: OutageKind, seconds: float
) -> None:
    sandbox = redirecting.sandbox
    begun: list[Outage] = []

    def begin() -> None:
        sandbox.expire_tokens()  # so that what is asked again is asked with a new one
        begun.append(sandbox.outage(kind, ["cdn"], seconds * CONNECTOR_SECOND))

    # what is under way breaks off
    sandbox.fault("^/files/", origin="cdn", skip=APART - 4, times=4, truncate_after=HALF)
    sandbox.on("^/files/", begin, nth=APART + 1)
    run = redirecting.sync()

    assert run.traces == []
    assert run.exit_code == 0
    assert len(redirecting.delivered(run)) == FILES
    assert [outage.is_over for outage in begun] == [True]
    requests = sandbox.requests
    assert any(one.status in (0, 503) for one in requests if one.origin == "cdn")
    assert len({one.headers["Authorization"] for one in requests if "Authorization" in one.headers}) > 1
    assert_that_the_cdn_saw_no_token(requests)


def test_given_a_cdn_that_stays_away_when_synced_then_rows_come_and_the_next_sync_brings_the_files(
    redirecting: Shop,
) -> None:
    sandbox = redirecting.sandbox
    outage = sandbox.outage("503", ["cdn"])
    failed = redirecting.sync(None, "processing_results", "artifact_files")
    outage.end()
    run = redirecting.sync(failed.state, "processing_results", "artifact_files")

    assert len(failed.records("processing_results")) == FILES
    assert failed.statuses() == {"processing_results": "COMPLETE", "artifact_files": "INCOMPLETE"}
    assert failed.records("artifact_files") == []
    assert "HTTP 503" in error_of(failed)["message"]
    assert run.exit_code == 0
    assert run.records("processing_results") == []
    assert len(redirecting.delivered(run)) == FILES
    assert_that_the_cdn_saw_no_token(sandbox.requests)
