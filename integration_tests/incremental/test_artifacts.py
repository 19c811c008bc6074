"""Artifacts of finished projects are emitted again only when they are new."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from integration_tests.conftest import STOREFRONT, Connection, ShopClock
from integration_tests.shops import DAY, HOUR, LISTS, MINUTE, fill
from sandbox import Sandbox
from source_customerscanvas.sync.kinds import ARTIFACTS, FILES, PROJECTS, RESULTS


def test_given_a_finished_project_when_only_its_row_changes_then_its_artifacts_are_not_emitted_again(
    sandbox: Sandbox, connection: Connection
) -> None:
    ids = fill(sandbox)
    sandbox.advance(HOUR)
    fill(sandbox, 1)
    connection.sync()
    sandbox.advance(DAY)
    sandbox.shop.modify_project(ids[1], description="changed")
    assert connection.sync() == {PROJECTS: [ids[1]], RESULTS: [ids[1]]}


def test_given_a_finished_project_when_one_of_its_artifacts_is_made_anew_then_only_that_one_is_emitted_again(
    sandbox: Sandbox, connection: Connection
) -> None:
    ids = fill(sandbox, files=2)
    sandbox.advance(HOUR)
    fill(sandbox, 1)
    connection.sync()
    sandbox.advance(DAY)
    anew = sandbox.shop.artifacts(ids[1])[1]["id"]
    sandbox.shop.regenerate_artifact(anew)
    sandbox.shop.modify_project(ids[1], description="changed")
    found = connection.sync()
    assert (found[ARTIFACTS], found[FILES]) == ([anew], [anew])
    connection.assert_up_to_date()


@pytest.mark.parametrize("off", [0, 30 * DAY, -30 * DAY], ids=["same-clock", "clock-ahead", "clock-behind"])
def test_given_a_long_first_sync_when_a_project_that_was_read_is_run_again_then_the_next_sync_has_its_new_files(
    sandbox: Sandbox, connection: Connection, off: int
) -> None:
    connection.clock = ShopClock(sandbox, timedelta(seconds=off))
    sandbox.switches.processing_moves_last_modified = True
    ids = fill(sandbox, 20)
    running = sandbox.shop.create_project(STOREFRONT, processing="InProgress")
    sandbox.advance(DAY)

    def pass_hours() -> None:
        sandbox.advance(MINUTE)
        sandbox.shop.process(ids[0], "Completed")
        sandbox.advance(3 * HOUR)
        sandbox.shop.process(running, "Completed")

    sandbox.on(f"projects/{ids[12]}/processing-results$", pass_hours, nth=1)
    connection.sync(num_workers=2)
    connection.sync()
    connection.assert_up_to_date()


def test_given_artifacts_that_were_listed_when_one_is_made_anew_before_its_project_is_read_then_it_is_up_to_date(
    sandbox: Sandbox, connection: Connection
) -> None:
    sandbox.switches.page_cap = 4
    ids = fill(sandbox, 12)
    sandbox.advance(DAY)

    def make_anew() -> None:
        sandbox.shop.regenerate_artifact(sandbox.shop.artifacts(ids[10])[0]["id"])
        sandbox.shop.modify_project(ids[10])

    sandbox.on(LISTS, make_anew, nth=5)
    connection.sync(num_workers=2)
    sandbox.advance(HOUR)
    connection.sync()
    connection.assert_up_to_date()


def test_given_an_artifact_dated_in_2099_when_others_are_made_anew_then_they_are_not_hidden_by_it(
    sandbox: Sandbox, connection: Connection
) -> None:
    ids = fill(sandbox)
    sandbox.advance(HOUR)
    fill(sandbox, 1)
    odd = sandbox.shop.artifacts(ids[3])[0]["id"]

    def edit(answer: dict[str, Any]) -> dict[str, Any]:
        rows = [{**row, "lastModified": "2099-01-01T00:00:00Z"} if row["id"] == odd else row for row in answer["items"]]
        return {**answer, "items": rows}

    sandbox.fault(r"/artifacts$", edit=edit)
    connection.sync()
    sandbox.clear_faults()
    sandbox.advance(DAY)
    anew = sandbox.shop.artifacts(ids[4])[0]["id"]
    sandbox.shop.regenerate_artifact(anew)
    sandbox.shop.modify_project(ids[4], description="changed")
    assert connection.sync()[ARTIFACTS] == [anew]
