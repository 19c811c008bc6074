"""A project whose processing has failed is told of once."""

from __future__ import annotations

import pytest

from integration_tests.conftest import STOREFRONT, Connection
from integration_tests.engine import STREAMS
from integration_tests.processing.conftest import Diary, failures_named, wait
from integration_tests.shops import HOUR
from sandbox import Sandbox
from source_customerscanvas.sync.kinds import ARTIFACTS, FILES, RESULTS


@pytest.mark.parametrize("streams", [(RESULTS,), (ARTIFACTS,), (FILES,), STREAMS], ids=" ".join)
def test_given_a_failed_project_when_synced_again_and_again_then_there_is_one_warning(
    sandbox: Sandbox, connection: Connection, caplog: pytest.LogCaptureFixture, streams: tuple[str, ...]
) -> None:
    connection.streams = streams
    project = sandbox.shop.create_project(STOREFRONT, order_id="5001")
    sandbox.shop.process(project, "Failed", description="Font 'Gotham' is missing")
    for _ in range(3):
        connection.sync()
        sandbox.advance(HOUR)

    assert failures_named(caplog) == [
        f"The processing of storefront {STOREFRONT}, order 5001, project {project} has failed: Font 'Gotham' is missing"
    ]
    if RESULTS in streams:
        row = connection.warehouse.tables[RESULTS][project]
        assert (row["status"], row["statusDescription"]) == ("Failed", "Font 'Gotham' is missing")


def test_given_a_signed_address_in_the_reason_when_synced_then_only_the_row_has_its_query(
    sandbox: Sandbox, connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    project = sandbox.shop.create_project(STOREFRONT, order_id="5001")
    reason = "No answer from https://photos.example/1.jpg?sig=xyz"
    sandbox.shop.process(project, "Failed", description=reason)

    connection.sync()

    assert connection.warehouse.tables[RESULTS][project]["statusDescription"] == reason
    (warning,) = failures_named(caplog)
    assert warning.endswith("has failed: No answer from https://photos.example/1.jpg")
    assert "xyz" not in caplog.text


def test_given_a_project_that_fails_in_the_wait_when_synced_then_it_is_a_row_and_a_warning_and_not_waited_for(
    sandbox: Sandbox, connection: Connection, diary: Diary, caplog: pytest.LogCaptureFixture
) -> None:
    project = sandbox.shop.create_project(STOREFRONT, processing="InProgress", run_for=60, outcome="Failed")

    connection.sync(processing=wait(60))

    assert diary.rounds() == [0, 120]
    assert connection.warehouse.tables[RESULTS][project]["status"] == "Failed"
    assert len(failures_named(caplog)) == 1


def test_given_results_that_lag_behind_the_list_when_synced_later_then_their_failure_is_told(
    sandbox: Sandbox, connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.switches.processing_status_lag = -300.0
    project = sandbox.shop.create_project(STOREFRONT, processing="InProgress", run_for=60, outcome="Failed")
    connection.sync()
    sandbox.advance(61)
    connection.sync()
    sandbox.advance(600)

    connection.sync()

    assert connection.warehouse.tables[RESULTS][project]["status"] == "Failed"
    assert len(failures_named(caplog)) == 1


@pytest.mark.parametrize("streams", [(RESULTS,), STREAMS], ids=" ".join)
def test_given_failed_and_unfinished_projects_when_synced_again_and_again_then_each_summary_counts_them_apart(
    sandbox: Sandbox, connection: Connection, caplog: pytest.LogCaptureFixture, streams: tuple[str, ...]
) -> None:
    caplog.set_level("INFO")
    connection.streams = streams
    sandbox.shop.create_project(STOREFRONT, processing="Completed")
    sandbox.shop.create_project(STOREFRONT, processing="InProgress")
    for _ in range(7):
        sandbox.shop.create_project(STOREFRONT, processing="Failed")
    for _ in range(3):
        caplog.clear()
        connection.sync()
        sandbox.advance(HOUR)
        (summary,) = [one for one in caplog.messages if one.startswith(f"Summary of {RESULTS}")]
        assert "could not be read: none; unfinished: 8, failed of them: 7, the oldest project" in summary
