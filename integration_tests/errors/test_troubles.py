"""One trouble stays one trouble."""

from __future__ import annotations

import re
from typing import Any

import pytest
from airbyte_cdk.models import FailureType

from integration_tests.conftest import STOREFRONT, Connection
from integration_tests.shops import DAY, HOUR, LISTS, fill, shop_of
from sandbox import Sandbox
from source_customerscanvas.sync.kinds import ARTIFACTS, FILES, PROJECTS, RESULTS


def test_given_one_unreadable_project_when_synced_then_all_others_are_there_and_the_next_sync_takes_up_only_it(
    sandbox: Sandbox, connection: Connection
) -> None:
    ids = fill(sandbox, order_id="500")
    fault = sandbox.fault(f"projects/{ids[4]}/processing-results$", status=500)
    reads = connection.read()
    assert reads[PROJECTS].error is None
    for stream in (RESULTS, ARTIFACTS, FILES):
        assert f"storefront {STOREFRONT}, order 500, project {ids[4]}" in str(reads[stream].error)
    connection.take(reads)
    connection.assert_up_to_date(set(ids) - {ids[4]})
    fault.remove()
    sandbox.advance(DAY)
    sandbox.clear_requests()
    assert connection.sync()[RESULTS] == [ids[4]]
    assert sandbox.count("processing-results$") == 1
    connection.assert_up_to_date()
    assert connection.sync() == {}


@pytest.mark.parametrize("first_sync", [True, False], ids=["first", "later"])
def test_given_a_project_that_is_removed_after_it_was_listed_when_synced_then_it_is_passed_over_with_a_warning(
    sandbox: Sandbox, connection: Connection, first_sync: bool, caplog: pytest.LogCaptureFixture
) -> None:
    ids = fill(sandbox)
    if not first_sync:
        connection.sync()
        sandbox.advance(DAY)
        for project_id in ids:
            sandbox.shop.modify_project(project_id, description="changed")
    sandbox.on(f"projects/{ids[4]}/processing-results$", lambda: sandbox.shop.remove_project(ids[4]), nth=1)
    connection.sync()
    assert f"project {ids[4]} is gone" in caplog.text
    connection.assert_up_to_date()
    assert connection.sync() == {}


@pytest.mark.parametrize("newer", [0, 5], ids=["listed-again", "listed-once"])
@pytest.mark.parametrize("first_sync", [True, False], ids=["first", "later"])
def test_given_a_listed_project_that_is_not_there_for_a_moment_when_it_is_back_then_its_files_come(
    sandbox: Sandbox, connection: Connection, first_sync: bool, newer: int
) -> None:
    ids = fill(sandbox)
    if not first_sync:
        connection.sync()
    new = sandbox.shop.create_project(STOREFRONT, processing="Completed")
    sandbox.advance(HOUR)
    ids += fill(sandbox, newer)
    fault = sandbox.fault(rf"projects/{new}(/processing-results)?$", status=404)
    for _ in range(2):
        connection.sync()
        sandbox.advance(DAY)
        fill(sandbox, 5)
    fault.remove()
    found = connection.sync()
    assert new in found[RESULTS]
    assert not set(ids) & set(found[RESULTS])
    connection.assert_up_to_date()
    assert connection.sync() == {}


def test_given_a_project_that_has_finished_and_is_not_there_for_a_moment_when_it_is_back_then_its_files_come(
    sandbox: Sandbox, connection: Connection
) -> None:
    fill(sandbox)
    project_id = sandbox.shop.create_project(STOREFRONT, processing="InProgress")
    sandbox.advance(DAY)
    fill(sandbox, 5)
    connection.sync()
    sandbox.advance(DAY)
    sandbox.shop.process(project_id, "Completed")  # without a trace in the lists that are read
    fault = sandbox.fault(rf"projects/{project_id}(/processing-results)?$", status=404)
    assert connection.sync() == {}
    fault.remove()
    connection.sync()
    connection.assert_up_to_date()


def test_given_a_changed_project_without_a_status_that_cannot_be_read_when_it_can_be_later_then_its_change_comes(
    sandbox: Sandbox, connection: Connection
) -> None:
    ids = []
    for _ in range(6):
        ids.append(sandbox.shop.create_project(STOREFRONT))
        fill(sandbox, 5)
    connection.sync()
    sandbox.advance(DAY)
    sandbox.shop.modify_project(ids[0], description="changed")
    sandbox.advance(HOUR)
    fill(sandbox, 5)  # so that no list of the next sync shows it
    fault = sandbox.fault(f"projects/{ids[0]}/processing-results$", status=500)
    connection.take(connection.read())
    fault.remove()
    assert ids[0] in connection.sync()[RESULTS]
    connection.assert_up_to_date()


def test_given_unfinished_projects_that_are_removed_when_synced_twice_then_the_state_forgets_them(
    sandbox: Sandbox, connection: Connection
) -> None:
    fill(sandbox)
    statuses: tuple[Any, ...] = ("Pending", "InProgress", "Failed", None)
    ids = [sandbox.shop.create_project(STOREFRONT, processing=status) for status in statuses]
    connection.sync()
    sandbox.advance(DAY)
    for project_id in ids:
        sandbox.shop.remove_project(project_id)
    assert connection.sync() == {}
    assert connection.sync() == {}
    sandbox.clear_requests()
    assert connection.sync() == {}
    assert sandbox.count(r"/projects/\d+") == 0


def test_given_nothing_can_be_read_when_synced_then_it_stops_with_one_clear_error_and_the_next_sync_goes_on() -> None:
    with shop_of(300) as sandbox:
        fault = sandbox.fault("processing-results$", status=500)
        connection = Connection(sandbox)
        reads = connection.read()
        assert all("The server failed to answer" in str(taken.error) for taken in reads.values())
        assert sandbox.count("processing-results$") <= (25 + 4 + 8) * 6
        connection.take(reads)
        fault.remove()
        connection.sync()
        connection.assert_up_to_date()


def test_given_a_storefront_of_which_nothing_can_be_read_when_synced_then_the_other_one_is_read(
    sandbox: Sandbox, connection: Connection
) -> None:
    broken = [sandbox.shop.create_project(12, processing="Completed") for _ in range(60)]
    ids = fill(sandbox, 120)
    sandbox.fault(rf"projects/({'|'.join(map(str, broken))})/processing-results$", status=400)
    reads = connection.read()
    assert sorted(row["projectId"] for row in reads[RESULTS].records) == ids
    assert sandbox.count(rf"projects/({'|'.join(map(str, broken))})/processing-results$") < 60
    assert re.search(r"in the next sync: storefront 12[:;]", str(reads[RESULTS].error))


def test_given_every_other_project_cannot_be_read_when_synced_then_that_does_not_stop_the_sync() -> None:
    with shop_of(110) as sandbox:
        sandbox.fault(r"projects/\d*[02468]/processing-results$", status=500)
        connection = Connection(sandbox, (PROJECTS, RESULTS))
        reads = connection.read(num_workers=2)
        assert len(reads[RESULTS].records) == 55
        assert len(reads[PROJECTS].records) == 110
        assert "55 of its projects or files could not be read" in str(reads[RESULTS].error)


def test_given_many_projects_that_cannot_be_read_when_only_they_are_left_then_each_is_a_trouble_of_its_own() -> None:
    with shop_of(110) as sandbox:
        sandbox.fault(r"projects/\d*[5-9]\d/processing-results$", status=400)  # not tried again: takes no time
        connection = Connection(sandbox, (RESULTS,))
        reads = connection.read(num_workers=16)
        unreadable = 110 - len(reads[RESULTS].records)
        assert unreadable >= 50
        assert f"{unreadable} of its projects or files could not be read" in str(reads[RESULTS].error)


def test_given_a_list_of_artifacts_that_cannot_be_read_when_synced_then_each_of_them_is_asked_for_singly() -> None:
    with shop_of(110) as sandbox:
        project_id = sandbox.shop.create_project(STOREFRONT, processing="Completed", files=4)
        sandbox.fault("/artifacts$", status=500)
        connection = Connection(sandbox, (ARTIFACTS,))
        connection.sync()
        connection.assert_up_to_date({project_id})


@pytest.mark.parametrize("status", [409, 500])
def test_given_many_unreadable_projects_in_a_row_when_synced_then_that_does_not_stop_the_sync(status: int) -> None:
    with shop_of(110) as sandbox:
        connection = Connection(sandbox, (PROJECTS, RESULTS))
        connection.sync()
        sandbox.advance(DAY)
        finished = [sandbox.shop.create_project(STOREFRONT, processing="Completed") for _ in range(10)]
        broken = [sandbox.shop.create_project(STOREFRONT, processing="InProgress") for _ in range(40)]
        sandbox.fault(rf"projects/({'|'.join(map(str, broken))})/processing-results$", status=status)
        for expected in (finished, []):
            reads = connection.read(num_workers=2)
            assert sorted(row["projectId"] for row in reads[RESULTS].records) == expected
            assert "40 of its projects or files could not be read" in str(reads[RESULTS].error)
            connection.take(reads)


def test_given_projects_alone_when_every_other_one_that_left_the_lists_cannot_be_asked_for_then_the_sync_goes_on() -> (
    None
):
    with shop_of(110) as sandbox:
        waiting = [sandbox.shop.create_project(STOREFRONT, processing="InProgress") for _ in range(60)]
        sandbox.advance(HOUR)
        sandbox.shop.create_project(STOREFRONT, processing="Completed")
        connection = Connection(sandbox, (PROJECTS,))
        connection.sync()
        sandbox.advance(DAY)
        for project_id in waiting:
            sandbox.shop.process(project_id, "Completed")
        sandbox.shop.create_project(STOREFRONT, processing="Completed")
        sandbox.fault(r"projects/\d*[02468]$", status=500)
        reads = connection.read(num_workers=2)
        assert len(reads[PROJECTS].records) == 31
        assert "30 of its projects or files could not be read" in str(reads[PROJECTS].error)


def test_given_the_list_of_one_storefront_fails_when_synced_then_the_other_one_is_read(
    sandbox: Sandbox, connection: Connection
) -> None:
    ids = fill(sandbox, 5)
    other = sandbox.shop.create_project(12, processing="Completed")
    fault = sandbox.fault(LISTS, query={"storefrontId": f"^{STOREFRONT}$"}, status=502, html=True)
    reads = connection.read()
    for taken in reads.values():
        assert f"storefront {STOREFRONT}" in str(taken.error)
        assert "storefront 12" not in str(taken.error)
    connection.take(reads)
    connection.assert_up_to_date({other})
    fault.remove()
    assert sorted(connection.sync()[PROJECTS]) == ids
    connection.assert_up_to_date()


@pytest.mark.parametrize("nth", range(1, 9))
def test_given_a_list_that_fails_in_the_middle_when_synced_again_then_nothing_is_lost_or_repeated(
    sandbox: Sandbox, connection: Connection, nth: int
) -> None:
    fill(sandbox, 12)
    fault = sandbox.fault(LISTS, skip=nth, status=500)
    reads = connection.read()
    fault.remove()
    connection.take(reads)
    emitted = {row["id"] for row in reads[PROJECTS].records}
    assert emitted.isdisjoint(connection.sync().get(PROJECTS, []))
    connection.assert_up_to_date()


def test_given_a_gateway_without_its_route_when_a_later_sync_begins_then_no_setting_is_blamed(
    sandbox: Sandbox, connection: Connection
) -> None:
    fill(sandbox)
    sandbox.fault(r"/storefronts$", page="not found")
    first = {str(taken.error) for taken in connection.read().values()}
    assert all("Correct `environment`" in error for error in first)
    sandbox.clear_faults()
    connection.sync()
    sandbox.fault(r"/storefronts$", page="not found")
    errors = [taken.error for taken in connection.read().values()]
    assert {getattr(error, "failure_type", None) for error in errors} == {FailureType.transient_error}
    assert not any("environment" in str(error) for error in errors)


def test_given_an_api_that_forbids_one_project_when_synced_then_all_others_are_there_and_the_permission_is_named(
    sandbox: Sandbox, connection: Connection
) -> None:
    ids = fill(sandbox)
    fault = sandbox.fault(f"projects/{ids[0]}/processing-results$", status=403)
    reads = connection.read(num_workers=2)
    error = reads[RESULTS].error
    assert f"project {ids[0]}" in str(error)
    assert "“Projects: Read”" in str(error)
    assert getattr(error, "failure_type", None) == FailureType.config_error
    connection.take(reads)
    connection.assert_up_to_date(set(ids[1:]))
    fault.remove()
    assert connection.sync()[RESULTS] == [ids[0]]
    connection.assert_up_to_date()


def test_given_a_firewall_that_forbids_one_project_when_synced_then_no_permission_is_missing(
    sandbox: Sandbox, connection: Connection
) -> None:
    ids = fill(sandbox)
    sandbox.fault(f"projects/{ids[4]}/processing-results$", page="forbidden")
    error = connection.read()[RESULTS].error
    assert getattr(error, "failure_type", None) == FailureType.transient_error
    assert "ermission" not in str(error)
