"""Orders are acknowledged once all that belongs to them was stored by the destination, and never before."""

from __future__ import annotations

import copy
import json
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integration_tests.command_line import CommandLine, bare_catalog, configured
from integration_tests.conftest import STOREFRONT, Connection
from integration_tests.engine import STREAMS, Read, SandboxClock, States, read
from sandbox import FileSpec, RequestRecord, Sandbox, Switches
from source_customerscanvas.projects import ARTIFACTS, FILES, PROJECTS, RESULTS

MINUTE, HOUR, DAY = 60, 3600, 86_400
POSTED = r"/projects/\d+/(order-data|transitions/.+|statuses/.+)$"
LONG_AGO = "2020-01-01T00:00:00Z"
HISTORIES = int(os.environ.get("HISTORIES", "200"))

MODES: dict[str, dict[str, Any]] = {
    "order_data": {"mode": "order_data", "key": "print-files", "value": "delivered"},
    "transition": {"mode": "transition", "name": "start-production"},
    "status": {"mode": "status", "code": 4},
}
each_mode = pytest.mark.parametrize("mode", MODES)
each_move = pytest.mark.parametrize("moves", [False, True], ids=["moves-nothing", "moves-last-modified"])
each_delivering = pytest.mark.parametrize("streams", [STREAMS, (RESULTS,), (FILES,), (PROJECTS, RESULTS)], ids=" ".join)


class Acknowledging(Connection):
    """A connection that acknowledges orders; each sync begins an hour after the one before."""

    def __init__(self, sandbox: Sandbox, streams: tuple[str, ...] = STREAMS, mode: str = "order_data", **more: Any):
        super().__init__(sandbox, streams, acknowledge={**MODES[mode], **more})
        self.clock = SandboxClock(sandbox)  # type: ignore[assignment]  # a clock as good as the other

    def sync(self, streams: tuple[str, ...] | None = None, **options: Any) -> dict[str, list[Any]]:
        self.sandbox.advance(HOUR)
        return super().sync(streams, **options)

    def acknowledged(self) -> list[int]:
        """The projects that this sync acknowledges, in order."""
        before = len(posts(self.sandbox))
        self.sync()
        return sorted(posts(self.sandbox)[before:])

    def of_delivering(self, key: str) -> Any:
        """What the state of the stream that delivers says of its storefront."""
        state = self.states[FILES if FILES in self.streams else RESULTS]
        return state["units"][str(STOREFRONT)].get(key)


def posts(sandbox: Sandbox) -> list[int]:
    """The projects that were acknowledged, in the order in which it came."""
    return [int(request.path.split("projects/")[1].split("/")[0]) for request in sandbox.requests if is_post(request)]


def is_post(request: RequestRecord) -> bool:
    return request.method == "POST" and request.path != "/connect/token" and request.status < 300


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


def order(sandbox: Sandbox, *statuses: Any, order_id: str | None = "5001", **fields: Any) -> list[int]:
    """An order with one project for each of the statuses."""
    sandbox.advance(MINUTE)
    fields = {"storefront_id": STOREFRONT, "order_id": order_id, **fields}
    return [sandbox.shop.create_project(processing=status, **fields) for status in statuses]


@pytest.fixture
def connection(sandbox: Sandbox) -> Acknowledging:
    """A connection that has synced once already, without any order."""
    connection = Acknowledging(sandbox)
    connection.sync()
    return connection


def begun(sandbox: Sandbox, streams: tuple[str, ...] = STREAMS, mode: str = "order_data", **more: Any) -> Acknowledging:
    connection = Acknowledging(sandbox, streams, mode, **more)
    connection.sync()
    return connection


# What is sent


def test_given_order_data_when_an_order_was_delivered_then_key_and_value_are_attached_through_each_project(
    sandbox: Sandbox,
) -> None:
    connection = begun(sandbox)
    ids = order(sandbox, "Completed", "Completed")
    connection.sync()

    connection.sync()

    for project in ids:
        entry = {"key": "print-files", "value": "delivered", "type": "PlainText"}
        assert sandbox.shop.order_data(project) == [entry]


@pytest.mark.parametrize(("mode", "status"), [("transition", 2), ("status", 4)])
def test_given_a_status_to_reach_when_an_order_was_delivered_then_each_project_is_moved(
    sandbox: Sandbox, mode: str, status: int
) -> None:
    connection = begun(sandbox, mode=mode)
    ids = order(sandbox, "Completed", "Completed")
    connection.sync()

    connection.sync()

    assert [sandbox.shop.project(project)["status"] for project in ids] == [status, status]


def test_given_a_transition_with_an_awkward_name_when_acknowledged_then_it_is_one_segment_of_the_path(
    sandbox: Sandbox,
) -> None:
    connection = begun(sandbox, mode="transition", name="../statuses/5")
    (project,) = order(sandbox, "Completed")
    connection.sync()
    connection.sync()

    assert sandbox.shop.project(project)["status"] == 1


# When


@each_mode
@each_move
@each_delivering
def test_given_an_order_when_synced_then_it_is_acknowledged_once_at_the_start_of_the_sync_after_its_delivery(
    sandbox: Sandbox, mode: str, moves: bool, streams: tuple[str, ...]
) -> None:
    sandbox.switches.update(order_data_moves_last_modified=moves, status_moves_last_modified=moves)
    connection = begun(sandbox, streams, mode)
    ids = order(sandbox, "Completed", "Completed")

    assert connection.acknowledged() == []
    sandbox.clear_requests()
    assert connection.acknowledged() == ids
    paths = [request.path for request in sandbox.requests if not request.path.startswith("/connect")]
    assert "storefronts" in paths[0]
    assert paths[1].endswith("/projects")
    assert [connection.acknowledged() for _ in range(3)] == [[], [], []]
    assert connection.of_delivering("delivered") is None
    assert connection.sync() == {}


def test_given_an_order_that_is_half_finished_when_the_rest_follows_then_it_is_acknowledged_as_a_whole(
    sandbox: Sandbox, connection: Acknowledging
) -> None:
    done, _, late = order(sandbox, "Completed", "Completed", "InProgress")
    for _ in range(3):
        assert connection.acknowledged() == []

    sandbox.shop.process(late, "Completed")

    assert connection.acknowledged() == []
    assert connection.acknowledged() == [done, done + 1, late]
    assert connection.acknowledged() == []


@pytest.mark.parametrize("status", [None, "Pending", "InProgress", "Failed"])
def test_given_an_order_that_waits_when_nothing_changes_then_it_costs_no_request(
    sandbox: Sandbox, connection: Acknowledging, status: Any
) -> None:
    bare = Connection(sandbox)
    for number in range(30):
        order(sandbox, "Completed", status, order_id=f"60{number}")
    for _ in range(3):
        connection.sync()
    bare.clock = connection.clock
    bare.sync()
    sandbox.clear_requests()
    connection.sync()
    with_orders = len(sandbox.requests)
    sandbox.clear_requests()
    bare.sync()

    assert with_orders == len(sandbox.requests)


def test_given_a_failed_project_when_it_is_removed_then_its_order_does_not_wait_for_it_any_more(
    sandbox: Sandbox, connection: Acknowledging
) -> None:
    done, bad = order(sandbox, "Completed", "Failed")
    for _ in range(2):
        assert connection.acknowledged() == []

    sandbox.shop.remove_project(bad)

    assert connection.acknowledged() == []
    assert connection.acknowledged() == [done]


def test_given_a_delivered_project_that_is_removed_when_synced_then_the_others_are_acknowledged(
    sandbox: Sandbox, connection: Acknowledging
) -> None:
    gone, left = order(sandbox, "Completed", "Completed")
    connection.sync()
    sandbox.shop.remove_project(gone)

    assert connection.acknowledged() == [left]
    assert connection.of_delivering("delivered") is None


def test_given_an_order_when_its_only_project_is_removed_then_the_state_forgets_it(
    sandbox: Sandbox, connection: Acknowledging
) -> None:
    (gone,) = order(sandbox, "Completed")
    connection.sync()
    sandbox.shop.remove_project(gone)

    assert connection.acknowledged() == []
    assert connection.of_delivering("delivered") is None


def test_given_a_project_that_was_finished_before_acknowledging_was_switched_on_when_the_rest_follows_then_it_counts(
    sandbox: Sandbox,
) -> None:
    connection = begun(sandbox)
    acknowledge = connection.config.pop("acknowledge")
    _, late = order(sandbox, "Completed", "InProgress")
    for _ in range(2):
        connection.sync()
    connection.config["acknowledge"] = acknowledge
    connection.sync()
    sandbox.shop.process(late, "Completed")

    assert connection.acknowledged() == []
    assert late in connection.acknowledged()


@each_delivering
def test_given_orders_that_were_delivered_before_acknowledging_was_switched_on_when_synced_then_they_are_left_alone(
    sandbox: Sandbox, streams: tuple[str, ...]
) -> None:
    connection = begun(sandbox, streams)
    acknowledge = connection.config.pop("acknowledge")
    order(sandbox, "Completed")
    connection.sync()
    connection.config["acknowledge"] = acknowledge

    assert [connection.acknowledged() for _ in range(3)] == [[], [], []]


def test_given_the_same_order_id_in_another_storefront_when_that_is_unfinished_then_it_does_not_count(
    sandbox: Sandbox, connection: Acknowledging
) -> None:
    sandbox.shop.add_storefront(12)
    connection.sync()
    here = order(sandbox, "Completed")
    there = order(sandbox, "Completed", "InProgress", storefront_id=12)
    connection.sync()

    assert connection.acknowledged() == here
    sandbox.shop.process(there[1], "Completed")
    connection.sync()
    assert connection.acknowledged() == there


def test_given_a_project_that_is_added_before_the_acknowledgement_when_synced_then_the_order_waits_for_it(
    sandbox: Sandbox, connection: Acknowledging
) -> None:
    first = order(sandbox, "Completed")
    connection.sync()
    second = order(sandbox, "InProgress")

    assert [connection.acknowledged() for _ in range(2)] == [[], []]
    sandbox.shop.process(second[0], "Completed")
    connection.sync()
    assert connection.acknowledged() == first + second


@each_move
def test_given_a_project_that_is_added_after_the_acknowledgement_when_delivered_then_it_alone_is_acknowledged(
    sandbox: Sandbox, connection: Acknowledging, moves: bool
) -> None:
    sandbox.switches.order_data_moves_last_modified = moves
    first = order(sandbox, "Completed")
    connection.sync()
    assert connection.acknowledged() == first
    second = order(sandbox, "Completed")
    connection.sync()

    assert connection.acknowledged() == second
    assert connection.acknowledged() == []


def test_given_a_completed_project_that_the_last_sync_could_not_read_when_synced_then_its_order_waits(
    sandbox: Sandbox, connection: Acknowledging
) -> None:
    first, second = order(sandbox, "Completed", "Completed")
    fault = sandbox.fault(rf"/projects/{second}/processing-results$", status=400)
    connection.take(connection.read())
    sandbox.advance(HOUR)
    connection.take(connection.read())
    assert posts(sandbox) == []
    fault.remove()

    assert connection.acknowledged() == []
    assert connection.acknowledged() == [first, second]


def test_given_a_file_that_cannot_be_downloaded_when_synced_then_its_order_waits(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    connection = begun(sandbox, (RESULTS, FILES))
    connection.config["files"] = tmp_path
    connection.sync()
    ids = order(sandbox, "Completed", files=2)
    fault = sandbox.fault(r"/file$|\.pdf$", status=400, skip=1)
    for _ in range(2):
        sandbox.advance(HOUR)
        connection.take(connection.read())
    assert posts(sandbox) == []
    fault.remove()

    assert connection.acknowledged() == []
    assert connection.acknowledged() == ids


@each_delivering
def test_given_a_project_that_is_processed_again_before_the_acknowledgement_when_synced_then_the_new_run_is_waited_for(
    sandbox: Sandbox, streams: tuple[str, ...]
) -> None:
    sandbox.switches.processing_moves_last_modified = True
    connection = begun(sandbox, streams)
    (project,) = order(sandbox, "Completed")
    connection.sync()
    sandbox.advance(MINUTE)
    sandbox.shop.process(project, "InProgress")
    sandbox.shop.process(project, "Completed", files=2)

    assert connection.acknowledged() == []  # what this state covers is not what the order consists of now
    assert connection.acknowledged() == [project]
    assert connection.acknowledged() == []


# Only what the given state covers


def test_given_a_sync_whose_output_was_lost_when_repeated_then_nothing_is_acknowledged_that_it_did_not_cover(
    sandbox: Sandbox, connection: Acknowledging
) -> None:
    before = copy.deepcopy(connection.states)
    ids = order(sandbox, "Completed")
    for _ in range(4):
        connection.states = copy.deepcopy(before)
        assert connection.acknowledged() == []

    assert connection.acknowledged() == ids


def test_given_streams_that_do_not_deliver_when_their_states_are_ahead_then_only_the_files_count(
    sandbox: Sandbox, connection: Acknowledging
) -> None:
    before = copy.deepcopy(connection.states)
    ids = order(sandbox, "Completed")
    connection.sync()
    connection.states[FILES] = before[FILES]

    assert connection.acknowledged() == []
    assert connection.acknowledged() == ids


def test_given_a_full_refresh_when_synced_again_and_again_then_nothing_is_acknowledged(
    sandbox: Sandbox, connection: Acknowledging
) -> None:
    order(sandbox, "Completed")
    for _ in range(3):
        connection.states = {}
        assert connection.acknowledged() == []


def test_given_a_sync_that_is_killed_when_it_goes_on_then_only_what_its_last_state_covers_is_acknowledged(
    sandbox: Sandbox,
) -> None:
    connection = begun(sandbox, (RESULTS,))
    ids = [order(sandbox, "Completed", order_id=f"6{number}")[0] for number in range(9)]
    killed = connection.read(killed_after=8, state_projects=2)
    connection.take(killed)
    covered = [row["projectId"] for row in records_before_last_state(killed[RESULTS])]
    assert 0 < len(covered) < len(ids)

    assert connection.acknowledged() == sorted(covered)
    assert connection.acknowledged() == sorted(set(ids) - set(covered))


def test_given_a_first_sync_that_is_killed_when_it_has_come_to_its_end_then_all_that_it_delivered_is_acknowledged(
    sandbox: Sandbox,
) -> None:
    ids = []
    for number in range(12):
        ids += order(sandbox, "Completed", order_id=f"6{number}")
        sandbox.advance(HOUR)
    connection = Acknowledging(sandbox, (RESULTS,), since=LONG_AGO)
    connection.take(connection.read(killed_after=10, state_projects=1))
    for _ in range(4):
        connection.sync()

    assert sorted(posts(sandbox)) == ids


def records_before_last_state(taken: Read) -> list[Any]:
    last = max(index for index, (kind, _) in enumerate(taken.messages) if kind == "state")
    return [content for kind, content in taken.messages[:last] if kind == "record"]


@pytest.mark.parametrize("mode", ["transition", "status"])
@each_move
def test_given_a_status_to_reach_when_acknowledged_then_the_projects_have_a_row_with_it_whatever_the_list_shows(
    sandbox: Sandbox, mode: str, moves: bool
) -> None:
    sandbox.switches.status_moves_last_modified = moves
    connection = begun(sandbox, (PROJECTS, RESULTS), mode)
    (project,) = order(sandbox, "Completed")
    sandbox.advance(HOUR)
    for _ in range(5):
        order(sandbox, "InProgress", order_id="7000")
    for _ in range(2):
        connection.sync()

    assert connection.warehouse.tables[PROJECTS][project]["status"] == sandbox.shop.project(project)["status"] != 1
    assert connection.sync() == {}


# Once per project and run


@each_mode
@each_delivering
@each_move
def test_given_a_run_after_the_acknowledgement_when_delivered_then_it_is_acknowledged_again(
    sandbox: Sandbox, mode: str, streams: tuple[str, ...], moves: bool
) -> None:
    sandbox.switches.update(order_data_moves_last_modified=moves, status_moves_last_modified=moves)
    connection = begun(sandbox, streams, mode)
    (project,) = order(sandbox, "Completed")
    connection.sync()
    assert connection.acknowledged() == [project]
    sandbox.shop.modify_project(project, status=1)
    sandbox.shop.process(project, "InProgress")
    assert connection.acknowledged() == []
    sandbox.shop.process(project, "Completed")

    assert connection.acknowledged() == []
    assert connection.acknowledged() == [project]
    assert connection.acknowledged() == []


@each_delivering
@pytest.mark.parametrize("after", [1, 3])
def test_given_a_run_between_two_syncs_when_it_moved_last_modified_then_it_is_acknowledged_again(
    sandbox: Sandbox, streams: tuple[str, ...], after: int
) -> None:
    sandbox.switches.processing_moves_last_modified = True
    connection = begun(sandbox, streams)
    (project,) = order(sandbox, "Completed")
    for number in range(after):  # other orders push the project out of the window that is looked at again
        connection.sync()
        order(sandbox, "Completed", order_id=f"700{number}")
    connection.sync()
    sandbox.shop.process(project, "InProgress")
    sandbox.shop.process(project, "Completed")

    connection.sync()
    assert connection.acknowledged() == [project]
    assert connection.acknowledged() == []


@pytest.mark.parametrize("after", [1, 3])
@pytest.mark.parametrize("edited", [False, True])
def test_given_formats_that_leave_out_all_files_of_a_project_when_it_is_run_again_then_it_is_acknowledged_again(
    sandbox: Sandbox, edited: bool, after: int
) -> None:
    sandbox.switches.processing_moves_last_modified = True
    connection = Acknowledging(sandbox, (FILES,))
    connection.config["file_formats"] = ["zip"]
    connection.sync()
    (project,) = order(sandbox, "Completed")
    for number in range(after):
        connection.sync()
        order(sandbox, "Completed", order_id=f"700{number}")
    connection.sync()
    if edited:
        sandbox.shop.modify_project(project, description="edited")
        assert project not in [*connection.acknowledged(), *connection.acknowledged()]
    sandbox.shop.process(project, "InProgress")
    sandbox.shop.process(project, "Completed")

    connection.sync()
    assert connection.acknowledged() == [project]
    assert connection.acknowledged() == []


@each_delivering
def test_given_a_run_between_two_syncs_when_its_artifacts_keep_their_ids_then_it_is_acknowledged_again(
    sandbox: Sandbox, streams: tuple[str, ...]
) -> None:
    sandbox.switches.processing_moves_last_modified = True
    connection = begun(sandbox, streams)
    (project,) = order(sandbox, "Completed", files=[FileSpec(id="cover", size=100)])
    connection.sync()
    assert connection.acknowledged() == [project]
    sandbox.shop.process(project, "InProgress")
    sandbox.shop.process(project, "Completed", files=[FileSpec(id="cover", size=101)])

    connection.sync()
    assert connection.acknowledged() == [project]
    assert connection.acknowledged() == []


@each_delivering
@pytest.mark.parametrize("rendered_for", [0, 2 * HOUR])
def test_given_an_acknowledged_project_when_somebody_edits_it_then_it_is_not_acknowledged_again(
    sandbox: Sandbox, streams: tuple[str, ...], rendered_for: int
) -> None:
    connection = begun(sandbox, streams)
    (project,) = order(sandbox, "InProgress")
    sandbox.advance(HOUR)
    order(sandbox, "InProgress", order_id="7000")
    sandbox.advance(rendered_for)
    sandbox.shop.process(project, "Completed")
    connection.sync()
    assert connection.acknowledged() == [project]

    for number in range(3):
        sandbox.shop.modify_project(project, description=f"edited {number}")
        assert [connection.acknowledged() for _ in range(2)] == [[], []]


@each_delivering
@each_move
def test_given_a_project_that_finished_while_the_sync_went_on_when_acknowledged_then_it_is_once(
    sandbox: Sandbox, streams: tuple[str, ...], moves: bool
) -> None:
    sandbox.switches.order_data_moves_last_modified = moves
    connection = begun(sandbox, streams)
    (project,) = order(sandbox, "InProgress", run_for=3 * HOUR)
    sandbox.advance(HOUR)
    order(sandbox, "InProgress", order_id="7000")
    connection.sync(processing={"wait_minutes": 120})

    assert [connection.acknowledged() for _ in range(3)] == [[project], [], []]


@each_delivering
def test_given_a_sync_that_acknowledged_and_then_failed_when_the_next_ones_follow_then_it_is_not_acknowledged_again(
    sandbox: Sandbox, streams: tuple[str, ...]
) -> None:
    sandbox.switches.order_data_moves_last_modified = True
    connection = begun(sandbox, streams)
    (project,) = order(sandbox, "InProgress", run_for=3 * HOUR)
    sandbox.advance(HOUR)
    order(sandbox, "InProgress", order_id="7000")
    connection.sync(processing={"wait_minutes": 120})
    fault = sandbox.fault(r"/v1/projects$", query={"sorting": "^LastModified"}, status=400)
    sandbox.advance(HOUR)
    connection.take(connection.read())
    assert posts(sandbox) == [project]
    fault.remove()

    assert [connection.acknowledged() for _ in range(3)] == [[], [], []]
    assert connection.of_delivering("acknowledged") is None


@each_delivering
def test_given_a_delivered_project_when_somebody_edits_it_before_the_acknowledgement_then_it_comes_once_and_later(
    sandbox: Sandbox, connection: Acknowledging, streams: tuple[str, ...]
) -> None:
    connection = begun(sandbox, streams)
    (project,) = order(sandbox, "Completed")
    connection.sync()
    sandbox.shop.modify_project(project, description="edited")

    assert [connection.acknowledged() for _ in range(3)] == [[], [project], []]


@each_delivering
def test_given_a_list_that_lags_behind_when_an_order_was_delivered_then_it_is_acknowledged_once(
    sandbox: Sandbox, streams: tuple[str, ...]
) -> None:
    sandbox.switches.processing_status_lag = 90.0 * MINUTE
    connection = begun(sandbox, streams)
    (project,) = order(sandbox, "InProgress")
    connection.sync()
    sandbox.shop.process(project, "Completed")

    for _ in range(6):
        connection.sync()
    assert posts(sandbox) == [project]


@pytest.mark.parametrize("others", [0, 2])
def test_given_wider_formats_when_acknowledged_orders_are_read_again_then_they_are_not_acknowledged_again(
    sandbox: Sandbox, others: int
) -> None:
    connection = begun(sandbox, (FILES,))
    connection.config["file_formats"] = ["pdf"]
    files = (FileSpec(name="a.pdf", format="pdf"), FileSpec(name="b.png", format="png"))
    (project,) = order(sandbox, "Completed", files=files)
    connection.sync()
    for number in range(others):  # they push the project out of the window that is looked at again
        order(sandbox, "InProgress", order_id=f"700{number}")
        connection.sync()
    assert posts(sandbox) == [project] or connection.acknowledged() == [project]
    connection.config["file_formats"] = ["pdf", "png"]

    assert [connection.acknowledged() for _ in range(3)] == [[], [], []]
    assert {row["name"] for row in connection.warehouse.tables[FILES].values()} == {"a.pdf", "b.png"}


def test_given_a_project_that_moves_to_another_order_when_delivered_then_it_is_acknowledged_with_that_one(
    sandbox: Sandbox, connection: Acknowledging
) -> None:
    (project,) = order(sandbox, "Completed", order_id="5001")
    (other,) = order(sandbox, "InProgress", order_id="5002")
    connection.sync()
    sandbox.shop.modify_project(project, order_id="5002")
    for _ in range(3):
        assert connection.acknowledged() == []
    sandbox.shop.process(other, "Completed")
    connection.sync()

    assert connection.acknowledged() == [project, other]


@each_delivering
def test_given_a_project_older_than_the_start_date_when_its_acknowledgement_moves_it_then_it_is_acknowledged_once(
    sandbox: Sandbox, streams: tuple[str, ...]
) -> None:
    sandbox.switches.order_data_moves_last_modified = True
    (project,) = order(sandbox, "Completed", created="2026-01-05T09:00:00Z", last_modified="2026-01-08T09:00:00Z")
    connection = Acknowledging(sandbox, streams, since=LONG_AGO)
    connection.config["start_date"] = "2026-01-08"
    order(sandbox, "InProgress", order_id="7000")
    connection.sync()

    assert [connection.acknowledged() for _ in range(3)] == [[project], [], []]


def test_given_an_order_that_waits_when_what_it_waits_for_moves_to_another_order_then_it_is_acknowledged(
    sandbox: Sandbox, connection: Acknowledging
) -> None:
    done, late = order(sandbox, "Completed", "InProgress", order_id="5001")
    for _ in range(2):
        assert connection.acknowledged() == []

    sandbox.shop.modify_project(late, order_id="5002")

    assert [connection.acknowledged() for _ in range(3)] == [[], [done], []]


def test_given_an_order_that_waits_when_a_delivered_project_leaves_it_then_that_one_is_acknowledged(
    sandbox: Sandbox, connection: Acknowledging
) -> None:
    done, late = order(sandbox, "Completed", "InProgress", order_id="5001")
    for _ in range(2):
        assert connection.acknowledged() == []

    sandbox.shop.modify_project(done, order_id="5002")

    assert [connection.acknowledged() for _ in range(3)] == [[], [done], []]
    sandbox.shop.process(late, "Completed")
    assert [connection.acknowledged() for _ in range(3)] == [[], [late], []]


def test_given_an_order_that_waits_when_what_it_waits_for_is_removed_within_the_sync_then_it_is_acknowledged(
    sandbox: Sandbox, connection: Acknowledging
) -> None:
    (done,) = order(sandbox, "Completed")
    connection.sync()
    (other,) = order(sandbox, "Completed")
    sandbox.on(r"/projects$", lambda request: request.query.get("orderId") or sandbox.shop.remove_project(other), nth=3)

    assert [connection.acknowledged() for _ in range(3)] == [[], [done], []]


# Failures


@each_mode
def test_given_an_acknowledgement_that_fails_when_synced_then_it_is_a_warning_and_tried_again(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture, mode: str
) -> None:
    connection = begun(sandbox, mode=mode)
    first, second = order(sandbox, "Completed", "Completed")
    connection.sync()
    sandbox.fault(POSTED, method="POST", times=1, status=409)

    (done,) = connection.acknowledged()

    failed = {first, second} - {done}
    assert len(warnings(caplog)) == 1
    assert f"storefront {STOREFRONT}, order 5001, project {failed.pop()}" in warnings(caplog)[0]
    assert connection.acknowledged() == [project for project in (first, second) if project != done]
    assert connection.acknowledged() == []


def test_given_a_transition_that_is_not_there_when_its_name_is_corrected_then_the_order_is_acknowledged(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    connection = begun(sandbox, mode="transition", name="start-prodction")
    (project,) = order(sandbox, "Completed")
    connection.sync()
    sandbox.fault(POSTED, method="POST", times=2, status=404)
    for _ in range(2):
        assert connection.acknowledged() == []
    connection.config["acknowledge"] = MODES["transition"]

    assert connection.acknowledged() == [project]
    assert len([message for message in warnings(caplog) if f"project {project}" in message]) == 2


def test_given_a_project_that_is_removed_just_before_its_acknowledgement_when_synced_again_then_it_is_forgotten(
    sandbox: Sandbox, connection: Acknowledging
) -> None:
    (project,) = order(sandbox, "Completed")
    connection.sync()
    sandbox.on(POSTED, lambda _: sandbox.shop.remove_project(project), method="POST")

    assert connection.acknowledged() == []
    connection.sync()
    assert connection.of_delivering("delivered") is None


def test_given_an_order_that_cannot_be_listed_when_synced_then_it_is_a_warning_and_the_others_are_acknowledged(
    sandbox: Sandbox, connection: Acknowledging, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = order(sandbox, "Completed", order_id="1"), order(sandbox, "Completed", order_id="2")
    connection.sync()
    sandbox.fault(r"/projects$", query={"orderId": "^1$"}, times=1, status=400)

    assert connection.acknowledged() == second
    assert "order 1:" in warnings(caplog)[0]
    assert connection.acknowledged() == first


def test_given_an_app_that_may_only_read_when_orders_were_delivered_then_one_warning_names_the_permission(
    sandbox: Sandbox, connection: Acknowledging, caplog: pytest.LogCaptureFixture
) -> None:
    ids = [order(sandbox, "Completed", order_id=f"60{number}")[0] for number in range(9)]
    sandbox.switches.permissions = frozenset({"Projects_read", "Artifacts_read", "Storefronts_read"})
    sandbox.expire_tokens()
    connection.sync()
    order(sandbox, "Completed", order_id="7000")

    synced = connection.sync()

    assert len(synced[RESULTS]) == 1
    assert len(warnings(caplog)) == 1
    assert "Projects: Full" in warnings(caplog)[0]
    sandbox.switches.permissions = frozenset({"Projects_full", "Artifacts_read", "Storefronts_read"})
    sandbox.expire_tokens()
    assert connection.acknowledged() == [*ids, 10]


# Since


def test_given_no_since_when_first_synced_then_old_orders_are_neither_acknowledged_nor_kept_in_the_state(
    sandbox: Sandbox,
) -> None:
    old = order(sandbox, "Completed", order_id="5001")
    for number in range(50):
        order(sandbox, "Completed", order_id=f"60{number}")
    connection = begun(sandbox)
    assert connection.of_delivering("delivered") is None
    new = order(sandbox, "Completed", order_id="7000")
    connection.sync()

    assert connection.acknowledged() == new
    sandbox.shop.modify_project(old[0], description="edited")
    sandbox.shop.process(old[0], "InProgress")
    connection.sync()
    sandbox.shop.process(old[0], "Completed")
    assert [connection.acknowledged() for _ in range(3)] == [[], [], []]
    assert connection.of_delivering("delivered") is None


def test_given_since_when_first_synced_then_orders_created_at_or_after_it_are_acknowledged(sandbox: Sandbox) -> None:
    order(sandbox, "Completed", order_id="1", created="2026-01-05T09:59:59.9999999Z")
    edge = order(sandbox, "Completed", order_id="2", created="2026-01-05T10:00:00Z")
    later = order(sandbox, "Completed", order_id="3", created="2026-01-06T10:00:00Z")
    connection = begun(sandbox, since="2026-01-05T10:00:00Z")

    assert connection.acknowledged() == edge + later
    assert connection.acknowledged() == []


def test_given_since_when_an_older_order_gets_another_project_then_the_order_stays_an_old_one(sandbox: Sandbox) -> None:
    order(sandbox, "Completed", created="2026-01-05T09:00:00Z")
    connection = begun(sandbox, since="2026-01-08T00:00:00Z")
    order(sandbox, "Completed")
    connection.sync()

    assert [connection.acknowledged() for _ in range(2)] == [[], []]
    assert connection.of_delivering("delivered") is None


def test_given_a_project_that_the_start_date_leaves_out_when_the_rest_is_delivered_then_the_order_waits_for_it(
    sandbox: Sandbox,
) -> None:
    order(sandbox, "Completed", created="2026-01-05T09:00:00Z")
    connection = begun(sandbox, since=LONG_AGO)
    connection.config["start_date"] = "2026-01-08"
    connection.states = {}
    order(sandbox, "Completed")
    connection.sync()

    assert [connection.acknowledged() for _ in range(2)] == [[], []]


@pytest.mark.parametrize("order_id", ["5001", None])
def test_given_a_delivered_project_when_the_start_date_is_moved_past_it_then_it_is_acknowledged_all_the_same(
    sandbox: Sandbox, order_id: str | None
) -> None:
    (project,) = order(sandbox, "Completed", order_id=order_id, created="2026-01-05T09:00:00Z")
    order(sandbox, "InProgress", order_id="7000")
    connection = begun(sandbox, since=LONG_AGO)
    connection.config["start_date"] = "2026-01-08"

    assert [connection.acknowledged() for _ in range(2)] == [[project], []]


# Without an order, or only some orders


def test_given_projects_without_an_order_when_delivered_then_each_is_acknowledged_by_itself(
    sandbox: Sandbox, connection: Acknowledging
) -> None:
    done, late = order(sandbox, "Completed", "InProgress", order_id=None)
    connection.sync()
    assert connection.acknowledged() == [done]
    sandbox.shop.process(late, "Completed")
    connection.sync()

    assert connection.acknowledged() == [late]
    assert connection.acknowledged() == []


def test_given_a_project_without_an_order_when_it_is_processed_again_then_it_waits_for_that(
    sandbox: Sandbox, connection: Acknowledging
) -> None:
    (project,) = order(sandbox, "Completed", order_id=None)
    connection.sync()
    sandbox.shop.process(project, "InProgress")
    assert connection.acknowledged() == []
    sandbox.shop.process(project, "Completed")

    assert [connection.acknowledged() for _ in range(2)] == [[], [project]]


def test_given_only_some_orders_when_synced_then_only_they_are_acknowledged(sandbox: Sandbox) -> None:
    connection = Acknowledging(sandbox)
    connection.config["order_ids"] = ["5001"]
    connection.sync()
    wanted = order(sandbox, "Completed", order_id="5001")
    order(sandbox, "Completed", order_id="5002")
    connection.sync()

    assert connection.acknowledged() == wanted


# What it costs


def test_given_thousands_of_acknowledged_orders_when_synced_then_the_state_has_nothing_of_them(
    sandbox: Sandbox,
) -> None:
    sandbox.switches.page_cap = 100
    connection = begun(sandbox, (RESULTS,))
    size = len(json.dumps(connection.states))
    for number in range(600):
        sandbox.shop.create_project(STOREFRONT, order_id=f"o{number}", processing="Completed")
    connection.sync()
    assert len(connection.acknowledged()) == 600
    order(sandbox, "Completed", order_id="last")
    for _ in range(3):
        connection.sync()

    assert len(json.dumps(connection.states)) < size + 100


def test_given_default_settings_when_orders_are_delivered_then_nothing_is_posted(sandbox: Sandbox) -> None:
    connection = Connection(sandbox)
    connection.sync()
    order(sandbox, "Completed")
    for _ in range(3):
        sandbox.advance(HOUR)
        connection.sync()

    assert posts(sandbox) == []
    for state in connection.states.values():
        assert "lastSync" not in state
        assert "delivered" not in state["units"][str(STOREFRONT)]


@pytest.mark.parametrize("streams", [(PROJECTS,), (ARTIFACTS,)], ids=" ".join)
def test_given_no_stream_that_proves_a_delivery_when_synced_then_nothing_is_acknowledged(
    sandbox: Sandbox, streams: tuple[str, ...]
) -> None:
    connection = begun(sandbox, streams)
    order(sandbox, "Completed")

    assert [connection.acknowledged() for _ in range(3)] == [[], [], []]


# Through the command line


def test_given_the_command_line_when_its_state_is_given_back_then_the_order_is_acknowledged(tmp_path: Path) -> None:
    with Sandbox(empty=True, start="2026-01-10T12:00:00Z") as sandbox:
        sandbox.shop.add_storefront(STOREFRONT)
        (project,) = order(sandbox, "Completed")
        command = CommandLine(tmp_path)
        config = sandbox.config(
            acknowledge={**MODES["order_data"], "since": "2026-01-01"},
            file_download="always",
            file_directory=str(tmp_path / "files"),
        )
        catalog = configured(bare_catalog(), RESULTS, FILES)

        first = command.read(config, catalog)
        assert (first.exit_code, posts(sandbox)) == (0, [])
        command.read(config, catalog)
        assert posts(sandbox) == []
        second = command.read(config, catalog, first.state)
        assert (second.exit_code, posts(sandbox)) == (0, [project])
        command.read(config, catalog, second.state)
        assert posts(sandbox) == [project]


# Whatever happens


@dataclass
class Day:
    """What happens in the shop, and then to a sync: its output is stored, lost, or cut off after some messages."""

    events: list[tuple[str, Any, int]]
    fate: str = "stored"
    after: int = 0
    every: int = 200


NUMBERS = st.integers(min_value=0, max_value=10**6)
EVENTS = st.one_of(
    st.tuples(st.just("create"), st.sampled_from([None, "InProgress", "Completed", "Completed", "Failed"]), NUMBERS),
    st.tuples(st.just("finish"), st.none(), NUMBERS),
    st.tuples(st.just("process"), st.sampled_from(["InProgress", "Completed", "Completed", "Failed"]), NUMBERS),
    st.tuples(st.sampled_from(["modify", "modify", "remove"]), st.none(), NUMBERS),
    st.tuples(st.just("pass"), st.sampled_from([MINUTE, 20 * MINUTE, DAY]), NUMBERS),
)
DAYS = st.lists(
    st.builds(
        Day,
        st.lists(EVENTS, max_size=4),
        st.sampled_from(["stored", "stored", "stored", "lost", "killed"]),
        st.integers(min_value=0, max_value=30),
        st.sampled_from([1, 200]),
    ),
    max_size=7,
)


class History:
    """A shop, a connection that acknowledges, and what the states that it was given have covered.

    `stored` are the artifacts whose rows came before a state that is still kept: the destination has them for sure.
    """

    def __init__(self, sandbox: Sandbox, streams: tuple[str, ...], acknowledge: dict[str, Any]) -> None:
        self.sandbox = sandbox
        self.shop = sandbox.shop
        self.streams = streams
        self.delivering = FILES if FILES in streams else RESULTS
        self.acknowledge = acknowledge
        self.states: States = {}
        self.stored: dict[int, set[str]] = {}
        self.traceless: set[int] = set()
        """Finished projects that were run again without a trace in their `lastModified`: nobody can know of them."""
        self.times: Counter[int] = Counter()
        """How often the last run of a project was acknowledged, as far as a state that is kept knows of it."""
        self.acknowledged: set[int] = set()
        """The projects whose last run was acknowledged, perhaps by a sync whose output was lost."""
        self.wrong: list[str] = []
        sandbox.on(POSTED, self.judge, method="POST")

    def judge(self, request: RequestRecord) -> None:
        """At the moment at which an acknowledgement arrives: is everything of its order stored?"""
        project = self.shop.project(int(request.path.split("projects/")[1].split("/")[0]))
        siblings = [one for one in self.shop.projects() if one["orderId"] == project["orderId"]]
        self.times[project["id"]] += 1
        self.acknowledged.add(project["id"])
        if self.times[project["id"]] > 1 and project["id"] not in self.traceless:
            self.wrong.append(f"project {project['id']} is acknowledged twice")
        for one in siblings:
            if one["processingStatus"] != "Completed":
                self.wrong.append(f"project {one['id']} of the order has not finished")
            elif one["id"] not in self.traceless and not self.files_of(one["id"]) <= self.stored.get(one["id"], set()):
                self.wrong.append(f"project {one['id']} of the order is not stored")

    def files_of(self, project_id: int) -> set[str]:
        return {file["artifactId"] for file in self.shop.results(project_id)["outputFileDetails"] or []}

    def happen(self, event: str, what: Any, number: int) -> None:
        """One event; `number` picks the project, where it is about one."""
        self.sandbox.advance(what if event == "pass" else 1)
        if event == "create":
            self.shop.create_project(STOREFRONT, f"50{number % 2}", processing=what, files=1 + number % 2)
        ids = [
            project["id"]
            for project in self.shop.projects()
            if event != "finish" or project["processingStatus"] != "Completed"
        ]
        if not ids:
            return
        project_id = ids[number % len(ids)]
        if event == "finish":
            self.shop.process(project_id, "Completed", files=1 + number % 2)
        elif event == "process":
            if self.shop.project(project_id)["processingStatus"] == "Completed":
                self.times[project_id] = 0
                self.acknowledged.discard(project_id)
                if not self.sandbox.switches.processing_moves_last_modified:
                    self.traceless.add(project_id)
            self.shop.process(project_id, what, files=1 + number % 2)
        elif event == "modify":
            self.shop.modify_project(project_id, description=f"edited {number}")
        elif event == "remove":
            self.shop.remove_project(project_id)

    def sync(self, fate: str = "stored", after: int = 0, every: int = 200) -> None:
        self.sandbox.advance(MINUTE)
        reads = read(
            self.sandbox,
            self.states,
            self.streams,
            clock=SandboxClock(self.sandbox),
            state_projects=every,
            killed_after=after if fate == "killed" else None,
            acknowledge=self.acknowledge,
        )
        assert self.wrong == []
        if fate != "stored":
            # its acknowledgements may have to be repeated: no state that is kept knows of them
            self.times.clear()
        if fate != "lost":
            for stream, taken in reads.items():
                self.keep(stream, taken)

    def keep(self, stream: str, taken: Read) -> None:
        """Store what a state covers."""
        uncovered: list[Any] = []
        for kind, content in taken.messages:
            if kind == "record":
                uncovered.append(content)
                continue
            self.states[stream] = content
            if stream == self.delivering:
                for row in uncovered:
                    self.stored.setdefault(row["projectId"], set()).update(artifacts_in(row))
            uncovered = []

    def assert_all_is_acknowledged(self) -> None:
        """Of all orders that are finished, each project was acknowledged, and none of them is waited for."""
        orders: dict[str, list[Any]] = {}
        for project in self.shop.projects():
            orders.setdefault(project["orderId"], []).append(project)
        done = {id_ for id_, ones in orders.items() if all(one["processingStatus"] == "Completed" for one in ones)}
        waiting = self.states[self.delivering]["units"][str(STOREFRONT)].get("delivered", {})
        assert not done & waiting.keys()
        if self.acknowledge["since"]:
            ids = {project["id"] for order_id in done for project in orders[order_id]}
            assert ids - self.traceless <= self.acknowledged


def artifacts_in(row: dict[str, Any]) -> set[str]:
    if "artifactId" in row:
        return {row["artifactId"]}
    return {file["artifactId"] for file in row["outputFileDetails"] or []}


@settings(max_examples=HISTORIES, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@given(
    days=DAYS,
    page_cap=st.sampled_from([2, 100]),
    moves=st.booleans(),
    processing_moves=st.booleans(),
    streams=st.sampled_from([STREAMS, (RESULTS,), (RESULTS, FILES)]),
    mode=st.sampled_from(["order_data", "status"]),
    since=st.sampled_from([LONG_AGO, LONG_AGO, None]),
)
def test_given_any_history_when_syncs_are_lost_and_killed_then_no_order_is_acknowledged_before_a_state_covers_its_files(
    days: list[Day],
    page_cap: int,
    moves: bool,
    processing_moves: bool,
    streams: tuple[str, ...],
    mode: str,
    since: str | None,
) -> None:
    switches = Switches(
        page_cap=page_cap,
        order_data_moves_last_modified=moves,
        status_moves_last_modified=moves,
        processing_moves_last_modified=processing_moves,
    )
    with Sandbox(empty=True, switches=switches, start="2026-01-10T12:00:00Z") as sandbox:
        sandbox.shop.add_storefront(STOREFRONT)
        history = History(sandbox, streams, {**MODES[mode], "since": since})
        for day in days:
            for event in day.events:
                history.happen(*event)
            history.sync(day.fate, day.after, day.every)
        for _ in range(3):
            history.sync()
        before = posts(sandbox)
        history.sync()
        assert posts(sandbox) == before
        history.assert_all_is_acknowledged()
