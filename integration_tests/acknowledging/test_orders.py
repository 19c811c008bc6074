"""Orders are acknowledged once all of their projects were delivered."""

from __future__ import annotations

from pathlib import Path

import pytest

from integration_tests.acknowledging.conftest import (
    Acknowledging,
    begun,
    each_delivering,
    each_mode,
    each_move,
    order,
    posts,
)
from integration_tests.shops import HOUR, MINUTE
from sandbox import FileSpec, Sandbox
from source_customerscanvas.sync.kinds import ARTIFACTS, FILES, PROJECTS, RESULTS


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


@pytest.mark.parametrize("streams", [(PROJECTS,), (ARTIFACTS,)], ids=" ".join)
def test_given_no_stream_that_proves_a_delivery_when_synced_then_nothing_is_acknowledged(
    sandbox: Sandbox, streams: tuple[str, ...]
) -> None:
    connection = begun(sandbox, streams)
    order(sandbox, "Completed")

    assert [connection.acknowledged() for _ in range(3)] == [[], [], []]


# Projects that leave their order


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


def test_given_an_order_that_waits_when_what_it_waits_for_moves_to_another_order_then_it_is_acknowledged(
    sandbox: Sandbox, connection: Acknowledging
) -> None:
    done, late = order(sandbox, "Completed", "InProgress", order_id="5001")
    for _ in range(2):
        assert connection.acknowledged() == []

    sandbox.shop.modify_project(late, order_id="5002")

    assert [connection.acknowledged() for _ in range(3)] == [[], [done], []]


def test_given_an_order_that_waits_when_the_status_of_what_it_waits_for_is_left_out_then_it_is_acknowledged(
    sandbox: Sandbox, connection: Acknowledging
) -> None:
    first, _ = order(sandbox, "Completed", "InProgress")
    sandbox.shop.set_status(first, 3)
    connection.sync()
    assert connection.acknowledged() == []
    assert connection.acknowledged() == []
    connection.config["statuses"] = {"mode": "only", "codes": [3]}
    assert connection.acknowledged() == [first]


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
    sandbox.on(r"/projects$", lambda request: request.query.get("orderId") or sandbox.shop.remove_project(other), nth=2)

    assert [connection.acknowledged() for _ in range(3)] == [[], [done], []]


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


@pytest.mark.parametrize("page_cap", [1, 100])
def test_given_a_delivered_order_when_more_file_formats_are_wanted_then_it_is_acknowledged_after_their_files(
    sandbox: Sandbox, page_cap: int
) -> None:
    sandbox.switches.page_cap = page_cap
    connection = begun(sandbox, (FILES,))
    connection.config["file_formats"] = ["pdf"]
    connection.sync()
    ids = order(sandbox, "Completed", "Completed", files=[FileSpec(), FileSpec("proof.png", "png")])
    connection.sync()
    connection.config["file_formats"] = ["pdf", "png"]
    assert connection.acknowledged() == []
    assert len(connection.warehouse.tables[FILES]) == 4
    assert connection.acknowledged() == ids
