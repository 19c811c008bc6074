"""No change is missed, whatever times the rows have."""

from __future__ import annotations

from typing import Any

import pytest

from integration_tests.conftest import STOREFRONT, Connection
from integration_tests.shops import HOUR, LISTS, MINUTE, WAYS, YEAR, each_way, fill
from sandbox import Sandbox
from source_customerscanvas.sync.kinds import PROJECTS, RESULTS


@each_way
def test_given_projects_that_were_never_modified_when_created_before_during_and_after_a_sync_then_none_is_missed(
    sandbox: Sandbox, connection: Connection, way: dict[str, Any]
) -> None:
    sandbox.switches.update(**way)
    for _ in range(9):
        sandbox.advance(MINUTE)
        sandbox.shop.create_project(STOREFRONT, processing="Completed")
    before = set(sandbox.shop.project_ids())

    def create() -> None:
        sandbox.advance(1)
        sandbox.shop.create_project(STOREFRONT, processing="Completed")

    for nth in (1, 2, 3):
        hook = sandbox.on(LISTS, create, nth=nth)
        connection.sync()
        hook.remove()
        connection.assert_up_to_date(before)
        sandbox.advance(HOUR)
        create()
        before = set(sandbox.shop.project_ids())
    connection.sync()
    connection.assert_up_to_date()
    assert connection.sync() == {}


@pytest.mark.parametrize(
    ("way", "lookback"),
    [(way, 10) for way in WAYS.values()] + [(WAYS[name], 0) for name in ("plain", "nulls-first", "unstable")],
    ids=[*WAYS, "plain-0", "nulls-first-0", "unstable-0"],
)
def test_given_equal_times_across_the_edges_of_pages_when_synced_then_none_is_missed(
    sandbox: Sandbox, connection: Connection, way: dict[str, Any], lookback: int
) -> None:
    sandbox.switches.update(**way)
    connection.config["lookback_minutes"] = lookback
    fill(sandbox, 3)
    connection.sync()
    sandbox.advance(HOUR)
    together = [sandbox.shop.create_project(STOREFRONT, processing="Completed") for _ in range(11)]
    connection.sync()
    connection.assert_up_to_date()
    for project_id in together[::2]:
        sandbox.shop.modify_project(project_id, description="changed in the same moment")
    connection.sync()
    connection.assert_up_to_date()
    assert connection.sync() == {}


@pytest.mark.parametrize("way", [WAYS["plain"], WAYS["one-page"]], ids=["plain", "one-page"])
@pytest.mark.parametrize("ahead", [HOUR, 26 * HOUR, 80 * YEAR])
def test_given_a_shop_whose_clock_is_set_right_by_hours_when_projects_change_then_none_is_missed(
    sandbox: Sandbox, connection: Connection, way: dict[str, Any], ahead: int
) -> None:
    sandbox.switches.update(**way)
    sandbox.shop.set_clock(ahead)
    ids = fill(sandbox)
    connection.sync()
    sandbox.shop.set_clock(0)
    sandbox.advance(HOUR // 3)
    sandbox.shop.modify_project(ids[1], description="changed at the right time")
    sandbox.shop.create_project(STOREFRONT, processing="Completed")
    connection.sync()
    connection.assert_up_to_date()
    sandbox.advance(HOUR)
    sandbox.shop.modify_project(ids[2], description="changed later")
    connection.sync()
    connection.assert_up_to_date()
    connection.sync()
    assert connection.sync() == {}


@pytest.mark.parametrize("minutes", [-8, 8])
def test_given_a_shop_whose_clock_is_set_by_some_minutes_when_projects_change_then_none_is_missed(
    sandbox: Sandbox, connection: Connection, minutes: int
) -> None:
    ids = fill(sandbox)
    sandbox.advance(HOUR)
    sandbox.shop.modify_project(
        ids[0], description="first", lastModified=sandbox.clock.now() - minutes * MINUTE * 10**7
    )
    connection.sync()
    sandbox.advance(1)
    sandbox.shop.modify_project(ids[1], description="second")
    sandbox.shop.create_project(STOREFRONT, processing="Completed")
    connection.sync()
    connection.assert_up_to_date()
    assert connection.sync() == {}


@pytest.mark.parametrize(
    ("nulls_first", "request_number"), [("low", nth) for nth in range(1, 7)] + [("first", nth) for nth in range(1, 13)]
)
@pytest.mark.parametrize("first_sync", [True, False], ids=["first", "later"])
def test_given_no_lookback_when_changes_meet_any_request_of_a_sync_then_none_is_missed(
    sandbox: Sandbox, connection: Connection, first_sync: bool, nulls_first: Any, request_number: int
) -> None:
    sandbox.switches.nulls_first = nulls_first
    connection.config["lookback_minutes"] = 0
    ids = fill(sandbox)
    if not first_sync:
        connection.sync()
    sandbox.advance(HOUR)
    sandbox.shop.modify_project(ids[0], description="before")

    def change() -> None:
        sandbox.advance(1)
        sandbox.shop.modify_project(ids[2], description="during")
        sandbox.advance(1)
        sandbox.shop.create_project(STOREFRONT, processing="Completed")

    sandbox.on(LISTS, change, nth=request_number)
    connection.sync()
    connection.sync()
    connection.assert_up_to_date()
    assert connection.sync() == {}


def test_given_a_project_dated_in_2099_when_others_change_then_they_are_not_hidden_by_it(
    sandbox: Sandbox, connection: Connection
) -> None:
    ids = fill(sandbox)
    sandbox.shop.modify_project(ids[3], lastModified="2099-01-01T00:00:00Z")
    connection.sync()
    sandbox.advance(HOUR)
    sandbox.shop.modify_project(ids[4], description="changed")
    assert connection.sync() == {PROJECTS: [ids[4]], RESULTS: [ids[4]]}
    connection.assert_up_to_date()
    assert connection.sync() == {}
