"""What real shops show that nobody expects: times ahead or long ago, lists that fail once, what comes late."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from integration_tests.command_line import CommandLine, Run, bare_catalog, configured
from integration_tests.conftest import STOREFRONT, Connection
from integration_tests.engine import folder
from integration_tests.shops import DAY, HOUR, MINUTE, YEAR, fill
from sandbox import Sandbox
from source_customerscanvas.sync.kinds import ARTIFACTS, FILES, PROJECTS, RESULTS
from source_customerscanvas.times import format_utc

OTHER = 12
SYNCED = ("processing_results", "artifact_files", "orders")
PERMISSIONS = frozenset({"Projects_full", "Artifacts_full"})


def cursors(connection: Connection) -> dict[str, str]:
    return {stream: state["slices"][str(STOREFRONT)]["cursor"] for stream, state in connection.states.items()}


# Times


@pytest.mark.parametrize("page_cap", [4, 100])
@pytest.mark.parametrize("ahead", [5 * HOUR, 30 * DAY])
def test_given_a_project_dated_ahead_of_the_shops_clock_when_others_change_later_then_they_are_found_and_it_comes_once(
    sandbox: Sandbox, connection: Connection, ahead: float, page_cap: int
) -> None:
    sandbox.switches.page_cap = page_cap
    ids = fill(sandbox)
    connection.sync()
    sandbox.advance(HOUR)
    dated_ahead = sandbox.shop.create_project(
        STOREFRONT, processing="Completed", last_modified=sandbox.now() + timedelta(seconds=ahead)
    )

    assert connection.sync()[RESULTS] == [dated_ahead]
    assert all(cursor <= format_utc(sandbox.now()) for cursor in cursors(connection).values())
    assert connection.sync() == {}

    sandbox.advance(HOUR)
    sandbox.shop.modify_project(ids[2], description="changed")
    new = sandbox.shop.create_project(STOREFRONT, processing="Completed")
    assert sorted(connection.sync()[PROJECTS]) == [ids[2], new]
    connection.assert_up_to_date()
    assert connection.sync() == {}


def test_given_an_artifact_dated_ahead_of_the_shops_clock_when_others_are_made_later_then_they_come(
    sandbox: Sandbox, connection: Connection
) -> None:
    ids = fill(sandbox)
    first = sandbox.shop.artifacts(ids[0])[0]["id"]
    ahead = format_utc(sandbox.now() + timedelta(hours=5))

    def dated_ahead(answer: Any) -> Any:
        if "items" in answer:
            return {**answer, "items": [dated_ahead(row) for row in answer["items"] or []]}
        return {**answer, "lastModified": ahead} if answer.get("id") == first else answer

    sandbox.fault(r"/artifacts(/[^/]+)?$", edit=dated_ahead)
    connection.sync()
    for project_id in ids[1:4]:
        sandbox.advance(DAY if project_id == ids[1] else MINUTE)
        sandbox.shop.modify_project(project_id, description="changed")
        sandbox.shop.regenerate_artifact(sandbox.shop.artifacts(project_id)[0]["id"])

    found = connection.sync()

    assert sorted(found[ARTIFACTS]) == sorted(found[FILES])
    assert {sandbox.shop.artifacts(project_id)[0]["id"] for project_id in ids[1:4]} == set(found[FILES])
    assert connection.sync() == {}


@pytest.mark.parametrize("page_cap", [4, 100])
@pytest.mark.parametrize("modified", ["last year", "0001-01-01T00:00:00"])
def test_given_a_new_project_that_was_modified_before_it_was_made_when_synced_then_it_is_found_and_comes_once(
    sandbox: Sandbox, connection: Connection, modified: str, page_cap: int
) -> None:
    sandbox.switches.page_cap = page_cap
    fill(sandbox)
    connection.sync()
    sandbox.advance(DAY)
    last_modified = sandbox.now() - timedelta(seconds=YEAR) if modified == "last year" else modified
    new = sandbox.shop.create_project(STOREFRONT, processing="Completed", last_modified=last_modified)

    assert connection.sync()[RESULTS] == [new]
    assert connection.sync() == {}


@pytest.mark.parametrize("hours", [-3, 3])
def test_given_a_shop_whose_clock_is_off_when_orders_are_acknowledged_then_new_ones_by_its_own_clock_and_no_old_ones(
    sandbox: Sandbox, connection: Connection, hours: int, tmp_path: Path
) -> None:
    sandbox.switches.shop_clock_ahead = hours * HOUR
    acknowledge = {"mode": "order_data", "key": "done", "value": "yes"}
    old = fill(sandbox)
    sandbox.advance(HOUR)  # within the hours by which the clock is off

    def sync() -> None:
        connection.sync((FILES,), acknowledge=acknowledge, files=tmp_path)

    sync()
    sandbox.advance(MINUTE)
    new = sandbox.shop.create_project(STOREFRONT, order_id="6001", processing="Completed")
    for _ in range(3):
        sync()
        sandbox.advance(MINUTE)

    assert [entry["key"] for entry in sandbox.shop.order_data(new)] == ["done"]
    assert [sandbox.shop.order_data(project_id) for project_id in old] == [[]] * len(old)


# What comes late


@pytest.mark.parametrize("no_order", [None, ""])
def test_given_a_finished_project_without_an_order_when_it_gets_one_then_its_rows_of_all_streams_come_with_it(
    sandbox: Sandbox, connection: Connection, no_order: str | None
) -> None:
    fill(sandbox)
    orderless = sandbox.shop.create_project(STOREFRONT, order_id=no_order, processing="Completed", files=2)
    connection.sync()
    sandbox.advance(DAY)
    sandbox.shop.create_project(STOREFRONT, processing="Completed")
    connection.sync()
    sandbox.advance(DAY)
    sandbox.shop.move_project(orderless, order_id="7001")

    found = connection.sync()

    files = {artifact["id"] for artifact in sandbox.shop.artifacts(orderless) if artifact["type"] == "Final"}
    assert found[RESULTS] == [orderless]
    assert set(found[ARTIFACTS]) == set(found[FILES]) == files
    assert {connection.warehouse.tables[FILES][id_]["orderId"] for id_ in files} == {"7001"}
    assert {connection.warehouse.tables[ARTIFACTS][id_]["orderId"] for id_ in files} == {"7001"}
    connection.assert_up_to_date()
    assert connection.sync() == {}


@pytest.mark.parametrize("streams", [(RESULTS,), (ARTIFACTS,), (FILES,), (PROJECTS, RESULTS, ARTIFACTS, FILES)])
def test_given_a_completed_project_that_gets_one_more_file_minutes_later_when_a_window_has_passed_then_it_comes(
    sandbox: Sandbox, connection: Connection, streams: tuple[str, ...]
) -> None:
    connection.streams = streams
    fill(sandbox)
    connection.sync()
    sandbox.advance(HOUR)
    new = sandbox.shop.create_project(STOREFRONT, processing="Completed")
    assert connection.sync()
    sandbox.advance(3 * MINUTE)
    before = sandbox.shop.project(new)["lastModified"]
    late = sandbox.shop.add_output_file(new)
    assert sandbox.shop.project(new)["lastModified"] == before
    assert connection.sync() == {}  # it cannot be known yet

    sandbox.advance(12 * MINUTE)
    found = connection.sync()

    assert found == {stream: [new] if stream == RESULTS else [late] for stream in streams if stream != PROJECTS}
    connection.assert_up_to_date()
    # as there was something new, once more again, and then no more
    for times in (1, 0):
        sandbox.advance(DAY)
        sandbox.clear_requests()
        assert connection.sync() == {}
        assert sandbox.count(f"/projects/{new}/processing-results$") == times


def test_given_a_completed_project_that_is_edited_before_it_gets_one_more_file_when_a_window_has_passed_then_it_comes(
    sandbox: Sandbox, connection: Connection
) -> None:
    fill(sandbox)
    connection.sync()
    sandbox.advance(HOUR)
    new = sandbox.shop.create_project(STOREFRONT, processing="Completed")
    connection.sync()
    sandbox.advance(3 * MINUTE)
    sandbox.shop.modify_project(new, description="edited")
    connection.sync()
    sandbox.advance(3 * MINUTE)
    late = sandbox.shop.add_output_file(new)

    sandbox.advance(9 * MINUTE)

    assert connection.sync()[FILES] == [late]
    connection.assert_up_to_date()


@pytest.mark.parametrize("page_cap", [4, 100])
def test_given_wider_settings_when_a_project_was_seen_to_finish_by_that_sync_then_its_late_file_comes(
    sandbox: Sandbox, page_cap: int
) -> None:
    sandbox.switches.page_cap = page_cap
    fill(sandbox)
    project = sandbox.shop.create_project(STOREFRONT, processing="InProgress")
    sandbox.advance(DAY)
    connection = Connection(sandbox, (ARTIFACTS,))
    connection.sync()
    sandbox.advance(HOUR)
    sandbox.shop.process(project, "Completed")
    connection.config["artifact_types"] = ["Final", "Service"]
    connection.sync()
    late = sandbox.shop.add_output_file(project)
    sandbox.advance(HOUR)
    assert connection.sync() == {ARTIFACTS: [late]}


def test_given_a_first_sync_that_was_killed_when_a_project_that_it_saw_running_finishes_then_its_late_file_comes(
    sandbox: Sandbox,
) -> None:
    project = sandbox.shop.create_project(STOREFRONT, processing="InProgress")
    fill(sandbox, 12)
    sandbox.advance(DAY)
    connection = Connection(sandbox, (ARTIFACTS,))
    connection.take_until_killed(connection.read(state_projects=1, killed_after=8), 8)
    assert str(project) in connection.states[ARTIFACTS]["slices"][str(STOREFRONT)]["open"]
    sandbox.advance(HOUR)
    sandbox.shop.process(project, "Completed")
    connection.sync()
    late = sandbox.shop.add_output_file(project)
    sandbox.advance(HOUR)
    assert connection.sync() == {ARTIFACTS: [late]}


def test_given_a_project_asked_for_once_more_when_it_changes_behind_its_results_then_the_next_sync_has_the_change(
    sandbox: Sandbox, connection: Connection
) -> None:
    fill(sandbox)
    connection.sync()
    new = sandbox.shop.create_project(STOREFRONT, processing="Completed")
    connection.sync()
    sandbox.shop.add_output_file(new)
    sandbox.advance(12 * MINUTE)

    def change() -> None:
        sandbox.shop.modify_project(new, name="changed")
        sandbox.shop.add_output_file(new)

    hook = sandbox.on(f"/projects/{new}$", change)
    assert connection.sync()
    hook.remove()

    sandbox.advance(1)
    assert connection.sync()
    connection.assert_up_to_date()


# Storefronts, through the command line


class Synced:
    """A connection of the command line, of the streams that tell what came."""

    def __init__(self, sandbox: Sandbox, folder_of_files: Path, **config: Any) -> None:
        self._command = CommandLine(folder_of_files)
        self._config = sandbox.config(files=folder(folder_of_files / "files"), **config)
        self.state: Any = None

    def read(self) -> Run:
        catalog = configured(bare_catalog(), *SYNCED)
        run = self._command.read(self._config, catalog, self.state)
        self.state = run.state or self.state
        return run


def came(run: Run) -> dict[str, tuple[int, ...]]:
    """The storefronts of each stream's records."""
    rows = {stream: run.records(stream) for stream in SYNCED}
    return {stream: tuple(sorted({row["storefrontId"] for row in found})) for stream, found in rows.items() if found}


@pytest.fixture
def two_storefronts() -> Any:
    with Sandbox(empty=True) as sandbox:
        for storefront in (STOREFRONT, OTHER):
            sandbox.shop.add_storefront(storefront)
            for number in range(3):
                sandbox.shop.create_project(storefront, order_id=str(number), processing="Completed")
        yield sandbox


@pytest.mark.parametrize("settings", [{}, {"storefront_ids": [STOREFRONT, OTHER]}], ids=["all", "named"])
def test_given_a_list_without_storefronts_for_once_when_synced_then_it_is_an_error_and_nothing_comes_twice(
    two_storefronts: Sandbox, tmp_path: Path, settings: dict[str, Any]
) -> None:
    synced = Synced(two_storefronts, tmp_path, **settings)
    assert len(came(synced.read())) == 3
    fault = two_storefronts.fault("/storefronts$", json={"total": 0, "items": []})

    failed = synced.read()

    assert failed.exit_code == 1
    assert {trace["failure_type"] for trace in failed.traces} == {"config_error"}
    assert "can see no storefront" in failed.traces[-1]["message"]
    fault.remove()
    again = synced.read()
    assert (again.exit_code, came(again)) == (0, {})


@pytest.mark.parametrize("settings", [{}, {"storefront_ids": [STOREFRONT, OTHER]}], ids=["all", "named"])
def test_given_one_storefront_that_is_missing_for_once_when_synced_then_it_is_a_warning_and_nothing_comes_twice(
    two_storefronts: Sandbox, tmp_path: Path, settings: dict[str, Any]
) -> None:
    synced = Synced(two_storefronts, tmp_path, **settings)
    synced.read()
    two_storefronts.shop.hide_storefront(OTHER)
    new = two_storefronts.shop.create_project(STOREFRONT, processing="Completed")

    without = synced.read()

    assert without.exit_code == 0
    assert [row["projectId"] for row in without.records("processing_results")] == [new]
    (warning,) = without.logs("WARN")
    assert "Storefront 12" in warning
    assert "its state is kept" in warning
    two_storefronts.shop.show_storefront(OTHER)
    other = two_storefronts.shop.create_project(OTHER, processing="Completed")
    again = synced.read()
    assert [row["projectId"] for row in again.records("processing_results")] == [other]
    assert came(synced.read()) == {}


def test_given_a_storefront_that_the_settings_leave_out_when_it_is_wanted_again_then_it_is_read_as_new(
    two_storefronts: Sandbox, tmp_path: Path
) -> None:
    both = Synced(two_storefronts, tmp_path)
    both.read()
    one = Synced(two_storefronts, tmp_path, storefront_ids=[STOREFRONT])
    one.state = both.state
    assert came(one.read()) == {}
    both.state = one.state
    assert came(both.read()) == dict.fromkeys(SYNCED, (OTHER,))


def test_given_an_app_that_may_not_list_storefronts_when_some_are_named_then_they_are_taken_at_their_word(
    two_storefronts: Sandbox, tmp_path: Path
) -> None:
    two_storefronts.switches.permissions = PERMISSIONS

    run = Synced(two_storefronts, tmp_path, storefront_ids=[OTHER]).read()

    assert (run.exit_code, run.traces) == (0, [])
    assert came(run) == dict.fromkeys(SYNCED, (OTHER,))


def test_given_an_app_that_may_not_list_storefronts_when_none_is_named_then_the_permission_is_told(
    two_storefronts: Sandbox, tmp_path: Path
) -> None:
    two_storefronts.switches.permissions = PERMISSIONS

    run = Synced(two_storefronts, tmp_path).read()

    assert run.exit_code == 1
    assert "Storefronts: Read" in run.traces[-1]["message"]
    assert {trace["failure_type"] for trace in run.traces} == {"config_error"}
