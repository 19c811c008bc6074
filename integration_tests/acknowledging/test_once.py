"""Each run of a project is acknowledged once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from integration_tests.acknowledging.conftest import (
    LONG_AGO,
    Acknowledging,
    begun,
    each_delivering,
    each_mode,
    each_move,
    order,
    posts,
)
from integration_tests.conftest import warnings
from integration_tests.shops import DAY, HOUR, MINUTE
from sandbox import FileSpec, Sandbox
from source_customerscanvas.sync.kinds import ARTIFACTS, FILES


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


@pytest.mark.parametrize("again", ["run", "state"])
def test_given_a_project_that_is_where_the_transition_leads_when_delivered_again_then_it_counts_as_acknowledged(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture, again: str
) -> None:
    connection = begun(sandbox, mode="transition")
    ids = order(sandbox, "Completed", "Completed")
    connection.sync()
    states = dict(connection.states)
    assert connection.acknowledged() == ids
    if again == "state":
        connection.states = states
        connection.sync()  # it has changed since, as far as the state knows
    else:
        for status in ("InProgress", "Completed"):
            for project in ids:
                sandbox.shop.process(project, status)
            connection.sync()

    assert connection.acknowledged() == []
    assert connection.of_delivering("delivered") is None
    assert warnings(caplog) == []
    lists = [request for request in sandbox.requests if request.path.endswith("/projects/transitions")]
    assert sum("skip" not in request.query for request in lists) == 1


@each_delivering
@pytest.mark.parametrize("quiet", [HOUR, 10 * DAY])
def test_given_the_last_project_before_a_quiet_time_when_it_is_edited_afterwards_then_nothing_comes_again(
    sandbox: Sandbox, streams: tuple[str, ...], quiet: int
) -> None:
    connection = begun(sandbox, streams)
    (project,) = order(sandbox, "InProgress")
    sandbox.advance(59 * MINUTE)
    sandbox.shop.process(project, "Completed")  # which its lastModified does not show
    order(sandbox, "InProgress", order_id="5002")
    connection.sync()
    assert connection.acknowledged() == [project]
    connection.sync()
    sandbox.advance(quiet)
    sandbox.shop.modify_project(project, description="edited")

    assert FILES not in connection.sync()
    assert connection.acknowledged() == []
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


@each_delivering
@pytest.mark.parametrize("others", [0, 9], ids=["one-page", "many-pages"])
def test_given_orders_that_were_read_alone_when_all_are_wanted_then_only_the_others_are_acknowledged(
    sandbox: Sandbox, streams: tuple[str, ...], others: int
) -> None:
    connection = begun(sandbox, streams, since=LONG_AGO)
    connection.config["order_ids"] = ["5001", "5002"]
    tried, waiting = (order(sandbox, "Completed", order_id=order_id)[0] for order_id in ("5001", "5002"))
    connection.sync()
    assert connection.acknowledged() == [tried, waiting]
    sandbox.shop.process(waiting, "InProgress")
    connection.sync()
    sandbox.shop.process(waiting, "Completed")
    rest = [order(sandbox, "Completed", order_id=f"700{number}")[0] for number in range(others)]
    del connection.config["order_ids"]
    connection.sync()

    assert connection.acknowledged() == [waiting, *rest]
    assert connection.acknowledged() == []


@pytest.mark.parametrize("changed", ["file_formats", "start_date", "files"])
def test_given_wider_formats_that_were_half_read_when_more_is_wanted_then_no_order_is_acknowledged_again(
    sandbox: Sandbox, tmp_path: Path, changed: str
) -> None:
    connection = begun(sandbox, (FILES,))
    connection.config |= {"file_formats": ["pdf"], "start_date": "2026-01-01"}
    files = [FileSpec(name=f"a.{format}", format=format) for format in ("pdf", "png", "zip")]
    projects = [order(sandbox, "Completed", order_id=f"600{number}", files=files)[0] for number in range(6)]
    connection.sync()
    for number in range(2):  # they push the projects out of the window that is looked at again
        order(sandbox, "InProgress", order_id=f"700{number}")
        connection.sync()
    assert sorted(posts(sandbox)) == projects
    connection.config["file_formats"] = ["pdf", "png"]
    reads = connection.read(killed_after=5, state_projects=1)
    connection.take_until_killed(reads, 5)

    wider: dict[str, Any] = {"file_formats": ["pdf", "png", "zip"], "start_date": None, "files": tmp_path}
    connection.config[changed] = wider[changed]

    assert [connection.acknowledged() for _ in range(3)] == [[], [], []]


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


@each_delivering
def test_given_a_run_before_a_sync_that_could_not_list_it_when_delivered_then_it_is_acknowledged_again(
    sandbox: Sandbox, streams: tuple[str, ...]
) -> None:
    sandbox.switches.processing_moves_last_modified = True
    connection = begun(sandbox, streams)
    (project,) = order(sandbox, "Completed")
    for number in range(3):  # other orders push the project out of the window that is looked at again
        connection.sync()
        order(sandbox, "Completed", order_id=f"700{number}")
    connection.sync()
    sandbox.shop.process(project, "InProgress")
    sandbox.shop.process(project, "Completed")
    fault = sandbox.fault(r"/v1/projects$", query={"sorting": "^LastModified"}, status=400)
    sandbox.advance(HOUR)
    connection.take(connection.read())
    fault.remove()

    connection.sync()
    assert connection.acknowledged() == [project]
    assert connection.acknowledged() == []


@each_delivering
def test_given_a_run_that_ends_between_the_list_and_its_results_when_delivered_then_it_is_acknowledged(
    sandbox: Sandbox, streams: tuple[str, ...]
) -> None:
    connection = begun(sandbox, streams)
    (project,) = order(sandbox, "Pending")
    sandbox.on(rf"/projects/{project}/processing-results$", lambda: sandbox.shop.process(project, "Completed"), nth=1)

    connection.sync()
    assert [connection.acknowledged() for _ in range(3)] == [[], [project], []]


@each_delivering
def test_given_a_held_project_whose_run_ends_between_the_list_and_its_results_when_released_then_it_is_acknowledged(
    sandbox: Sandbox, streams: tuple[str, ...]
) -> None:
    connection = Acknowledging(sandbox, streams)
    connection.config["statuses"] = {"mode": "except", "codes": [2]}
    connection.sync()
    (project,) = order(sandbox, "Pending", status=2)
    sandbox.on(rf"/projects/{project}/processing-results$", lambda: sandbox.shop.process(project, "Completed"), nth=1)
    assert [connection.acknowledged() for _ in range(3)] == [[], [], []]
    sandbox.shop.set_status(project, 1)

    assert [connection.acknowledged() for _ in range(3)] == [[], [project], []]


@each_delivering
def test_given_an_order_that_waits_when_acknowledging_is_turned_off_and_on_then_it_waits_no_more(
    sandbox: Sandbox, streams: tuple[str, ...]
) -> None:
    connection = begun(sandbox, streams)
    delivered, awaited = order(sandbox, "Completed", "InProgress")
    assert [connection.acknowledged() for _ in range(2)] == [[], []]
    acknowledge = connection.config.pop("acknowledge")
    sandbox.shop.process(awaited, "Completed")
    for _ in range(2):
        connection.sync()
        sandbox.advance(DAY)
    connection.config["acknowledge"] = acknowledge

    assert delivered in connection.acknowledged()
    assert connection.of_delivering("waiting") is None


@each_delivering
@pytest.mark.parametrize("size", [100, 100_000])
def test_given_an_acknowledged_project_long_ago_when_its_row_of_any_size_changes_then_nothing_is_delivered_again(
    sandbox: Sandbox, streams: tuple[str, ...], size: int
) -> None:
    connection = begun(sandbox, streams)
    (project,) = order(sandbox, "Completed", description="y" * size)
    assert [connection.acknowledged() for _ in range(2)] == [[], [project]]
    for number in range(3):  # other orders push the project out of the window that is looked at again
        sandbox.advance(DAY)
        order(sandbox, "Completed", order_id=f"700{number}")
        connection.sync()
        connection.sync()
    sandbox.shop.modify_project(project, name="renamed")
    acknowledged = posts(sandbox)

    assert connection.sync().keys().isdisjoint({ARTIFACTS, FILES})
    connection.sync()
    assert posts(sandbox) == acknowledged
