"""Only projects whose business status says so are produced: the others get their rows, and wait."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from integration_tests.conftest import STOREFRONT, Connection
from integration_tests.engine import STREAMS
from integration_tests.shops import DAY, HOUR, MINUTE, shop_of
from sandbox import Sandbox
from source_customerscanvas.sync.kinds import ARTIFACTS, FILES, ORDERS, PROJECTS, RESULTS

PAID, CANCELLED, ON_HOLD = 3, 5, 2
OTHER = 12
CHOICES: dict[str, dict[str, Any]] = {
    "only": {"mode": "only", "codes": [1, PAID]},
    "except": {"mode": "except", "codes": [ON_HOLD, CANCELLED]},
}
each_choice = pytest.mark.parametrize("choice", CHOICES)
each_move = pytest.mark.parametrize("moves", [False, True], ids=["moves-nothing", "moves-last-modified"])
each_size = pytest.mark.parametrize("others", [0, 9], ids=["one-page", "many-pages"])


def connection_of(sandbox: Sandbox, choice: str = "except", **config: Any) -> Connection:
    return Connection(sandbox, (*STREAMS, ORDERS), statuses=CHOICES[choice], **config)


def add(sandbox: Sandbox, status: int | None, processing: Any = "Completed", order_id: str = "5001") -> int:
    sandbox.advance(MINUTE)
    return sandbox.shop.create_project(STOREFRONT, order_id, processing=processing, status=status, files=2)


def fill(sandbox: Sandbox, others: int) -> None:
    for _ in range(others):
        add(sandbox, PAID, order_id="5002")


@each_choice
@each_size
def test_given_a_held_project_when_synced_then_it_has_its_rows_and_no_artifacts_or_files(
    sandbox: Sandbox, choice: str, others: int
) -> None:
    connection = connection_of(sandbox, choice)
    fill(sandbox, others)
    held, produced = add(sandbox, CANCELLED), add(sandbox, PAID)
    connection.sync()
    for stream in (PROJECTS, RESULTS):
        assert {held, produced} <= connection.warehouse.tables[stream].keys()
    for stream in (ARTIFACTS, FILES):
        assert held not in {row["projectId"] for row in connection.warehouse.tables[stream].values()}
    order = connection.warehouse.tables[ORDERS][STOREFRONT, "5001"]
    assert [one["state"] for one in order["projects"]] == ["Held", "Ready"]
    assert (order["state"], order["readyCount"], order["projectCount"]) == ("Ready", 1, 2)
    sandbox.advance(HOUR)
    assert connection.sync() == {}
    assert connection.sync() == {}


def test_given_an_order_of_held_projects_only_when_synced_then_it_is_held(sandbox: Sandbox) -> None:
    connection = connection_of(sandbox)
    add(sandbox, CANCELLED)
    add(sandbox, ON_HOLD, "Failed")
    connection.sync()
    order = connection.warehouse.tables[ORDERS][STOREFRONT, "5001"]
    assert (order["state"], order["readyCount"], order["failedCount"], order["unfinishedCount"]) == ("Held", 0, 0, 0)


@each_choice
@each_move
@each_size
@pytest.mark.parametrize("later", [MINUTE, DAY])
def test_given_a_held_project_when_its_status_lets_it_be_produced_then_its_artifacts_and_files_come(
    sandbox: Sandbox, choice: str, moves: bool, others: int, later: int
) -> None:
    connection = connection_of(sandbox, choice)
    fill(sandbox, others)
    held = add(sandbox, CANCELLED)
    connection.sync()
    sandbox.advance(later)
    sandbox.shop.set_status(held, ON_HOLD, moves)
    connection.sync()
    sandbox.advance(later)
    sandbox.shop.set_status(held, PAID, moves)
    found = connection.sync()
    assert len(found[ARTIFACTS]) == len(found[FILES]) == 2
    connection.assert_up_to_date({held})
    assert connection.warehouse.tables[ORDERS][STOREFRONT, "5001"]["state"] == "Ready"
    sandbox.advance(HOUR)
    assert connection.sync() == {}


@each_move
@pytest.mark.parametrize("streams", [(ORDERS,), (*STREAMS, ORDERS)], ids=["orders-alone", "all"])
def test_given_an_old_held_project_when_its_status_lets_it_be_produced_then_the_row_of_its_order_says_so(
    sandbox: Sandbox, streams: tuple[str, ...], moves: bool
) -> None:
    connection = Connection(sandbox, streams, statuses=CHOICES["except"])
    held = add(sandbox, CANCELLED)
    sandbox.advance(DAY)
    fill(sandbox, 9)
    connection.sync()
    sandbox.advance(DAY)
    assert connection.sync() == {}
    assert connection.warehouse.tables[ORDERS][STOREFRONT, "5001"]["state"] == "Held"
    sandbox.shop.set_status(held, PAID, moves)
    connection.sync()
    assert connection.warehouse.tables[ORDERS][STOREFRONT, "5001"]["state"] == "Ready"
    sandbox.advance(DAY)
    assert connection.sync() == {}
    assert "held" not in connection.states[ORDERS]["slices"][str(STOREFRONT)]


@each_move
@pytest.mark.parametrize("processing", ["InProgress", "Pending", "Failed", None])
def test_given_an_unfinished_held_project_when_it_finishes_and_is_released_then_its_files_come_then(
    sandbox: Sandbox, moves: bool, processing: Any
) -> None:
    connection = connection_of(sandbox)
    fill(sandbox, 9)
    held = add(sandbox, CANCELLED, processing)
    connection.sync()
    sandbox.advance(HOUR)
    sandbox.shop.process(held, "Completed", files=3)
    found = connection.sync()
    assert found[RESULTS] == [held]
    assert not {ARTIFACTS, FILES} & found.keys()
    sandbox.advance(HOUR)
    sandbox.shop.set_status(held, PAID, moves)
    assert len(connection.sync()[FILES]) == 3


@each_move
def test_given_a_delivered_project_that_is_held_for_a_while_when_synced_then_only_what_is_new_of_it_comes(
    sandbox: Sandbox, moves: bool
) -> None:
    connection = connection_of(sandbox)
    fill(sandbox, 9)
    project_id = add(sandbox, PAID)
    connection.sync()
    sandbox.advance(DAY)
    connection.sync()
    sandbox.shop.set_status(project_id, CANCELLED, moves)
    assert not {ARTIFACTS, FILES} & connection.sync().keys()
    sandbox.advance(DAY)
    sandbox.shop.set_status(project_id, PAID, moves)
    assert not {ARTIFACTS, FILES} & connection.sync().keys()
    sandbox.advance(DAY)
    sandbox.shop.set_status(project_id, CANCELLED, True)
    connection.sync()
    sandbox.advance(DAY)
    new = sandbox.shop.add_output_file(project_id)
    connection.sync()
    sandbox.shop.set_status(project_id, PAID, moves)
    found = connection.sync()
    assert found[FILES] == found[ARTIFACTS] == [new]


@each_move
def test_given_a_delivered_project_that_is_held_while_it_is_run_again_when_released_then_only_its_new_file_comes(
    sandbox: Sandbox, moves: bool
) -> None:
    connection = connection_of(sandbox)
    fill(sandbox, 9)
    project_id = add(sandbox, PAID)
    connection.sync()
    delivered = {one["id"] for one in sandbox.shop.artifacts(project_id)}
    sandbox.advance(HOUR)
    sandbox.shop.set_status(project_id, CANCELLED, True)
    sandbox.shop.add_item_run(project_id, "InProgress", moves_last_modified=moves)
    connection.sync()
    sandbox.advance(HOUR)
    sandbox.shop.finish_all()
    assert not {ARTIFACTS, FILES} & connection.sync().keys()
    sandbox.advance(HOUR)
    sandbox.shop.set_status(project_id, PAID, moves)
    found = connection.sync()
    new = {one["id"] for one in sandbox.shop.artifacts(project_id)} - delivered
    assert len(new) == 1
    assert set(found[FILES]) == set(found[ARTIFACTS]) == new


@each_move
def test_given_a_project_delivered_long_ago_that_is_held_for_a_while_when_released_then_nothing_comes_again(
    sandbox: Sandbox, moves: bool
) -> None:
    connection = connection_of(sandbox)
    project_id = add(sandbox, PAID)
    sandbox.advance(DAY)
    fill(sandbox, 9)
    connection.sync()
    sandbox.advance(DAY)
    sandbox.shop.set_status(project_id, CANCELLED, True)
    assert set(connection.sync()) == {PROJECTS, RESULTS, ORDERS}
    sandbox.advance(DAY)
    sandbox.shop.set_status(project_id, PAID, moves)
    assert not {ARTIFACTS, FILES} & connection.sync().keys()
    assert connection.sync() == {}


@pytest.mark.parametrize("is_hidden", [False, True], ids=["both-listed", "former-one-hidden"])
def test_given_a_held_project_that_moves_to_another_storefront_when_it_is_released_there_then_its_files_come(
    sandbox: Sandbox, is_hidden: bool
) -> None:
    connection = connection_of(sandbox)
    held = add(sandbox, CANCELLED)
    sandbox.advance(DAY)
    for storefront in (STOREFRONT, OTHER):
        for _ in range(9):
            sandbox.shop.create_project(storefront, "5002", processing="Completed", status=PAID)
    connection.sync()
    sandbox.advance(DAY)
    sandbox.shop.move_project(held, "5001", OTHER)
    sandbox.shop.set_status(held, PAID, True)
    if is_hidden:
        sandbox.shop.hide_storefront(STOREFRONT)
    news = [connection.sync() for _ in range(2)]
    for stream in (ARTIFACTS, FILES):
        assert sum(len(found.get(stream, [])) for found in news) == 2
    assert connection.sync() == {}


def test_given_a_failed_held_project_when_failed_ones_are_resumed_then_it_is_left_alone(sandbox: Sandbox) -> None:
    connection = connection_of(sandbox, processing={"on_failure": "resume"})
    held, produced = add(sandbox, CANCELLED, "Failed"), add(sandbox, PAID, "Failed")
    connection.sync()
    resumed = [one.path for one in sandbox.requests if one.path.endswith("resume-processing")]
    assert [path.split("/")[-2] for path in resumed] == [str(produced)]
    sandbox.shop.set_status(held, PAID, False)
    sandbox.advance(HOUR)
    sandbox.clear_requests()
    connection.sync()
    assert sandbox.count(f"/{held}/resume-processing$") == 1


def acknowledged(connection: Connection, *project_ids: int) -> list[int]:
    """How often each of the projects is acknowledged after three more syncs, an hour apart."""
    for _ in range(3):
        connection.sandbox.advance(HOUR)
        connection.sync()
    return [len(connection.sandbox.shop.order_data(id_)) for id_ in project_ids]


@each_move
@pytest.mark.parametrize("streams", [(*STREAMS, ORDERS), (RESULTS,), (FILES,)], ids=" ".join)
@pytest.mark.parametrize("held", ["from the start", "after it was delivered"])
def test_given_a_held_project_when_it_is_released_then_it_is_acknowledged_once(
    sandbox: Sandbox, streams: tuple[str, ...], moves: bool, held: str
) -> None:
    acknowledge = {"mode": "order_data", "key": "print-files", "value": "delivered"}
    connection = connection_of(sandbox, acknowledge=acknowledge)
    connection.streams = streams
    connection.sync()
    late = add(sandbox, CANCELLED if held == "from the start" else PAID)
    running = add(sandbox, PAID, "InProgress")
    assert acknowledged(connection, late, running) == [0, 0]
    sandbox.shop.set_status(late, CANCELLED, moves)
    sandbox.shop.process(running, "Completed")
    assert acknowledged(connection, late, running) == [0, 1]
    sandbox.shop.set_status(late, PAID, moves)
    assert acknowledged(connection, late, running) == [1, 1]
    sandbox.shop.set_status(late, CANCELLED, moves)
    sandbox.advance(DAY)
    connection.sync()
    sandbox.shop.set_status(late, PAID, moves)
    assert acknowledged(connection, late, running) == [1, 1]


@pytest.mark.parametrize("streams", [(RESULTS,), (FILES,)], ids=" ".join)
def test_given_a_project_that_is_held_from_the_start_when_synced_then_it_is_not_delivered_before_it_is_released(
    sandbox: Sandbox, streams: tuple[str, ...]
) -> None:
    acknowledge = {"mode": "order_data", "key": "print-files", "value": "delivered"}
    connection = connection_of(sandbox, acknowledge=acknowledge)
    connection.streams = streams
    connection.sync()
    held = add(sandbox, CANCELLED)
    for delivered in (None, {"5001": [held]}):
        connection.sync()
        assert connection.states[streams[0]]["slices"][str(STOREFRONT)].get("delivered") == delivered
        sandbox.advance(HOUR)
        sandbox.shop.set_status(held, PAID, True)


def test_given_delivered_projects_that_are_cancelled_when_synced_then_their_orders_are_not_asked_for(
    sandbox: Sandbox,
) -> None:
    acknowledge = {"mode": "order_data", "key": "print-files", "value": "delivered"}
    connection = connection_of(sandbox, acknowledge=acknowledge)
    connection.sync()
    ids = [add(sandbox, PAID, processing) for processing in ("Completed", "Completed", "InProgress")]
    connection.sync()
    sandbox.advance(HOUR)
    for project_id in ids:
        sandbox.shop.set_status(project_id, CANCELLED, True)
    assert acknowledged(connection, *ids) == [0, 0, 0]
    sandbox.clear_requests()
    connection.sync()
    assert not [request for request in sandbox.requests if "orderId" in request.query]
    sandbox.shop.set_status(ids[1], PAID, False)
    assert acknowledged(connection, *ids) == [0, 1, 0]


@pytest.mark.parametrize("held", [50, 250])
def test_given_held_projects_when_nothing_changed_then_each_hundred_cost_a_page(held: int) -> None:
    with shop_of(150) as sandbox:
        for _ in range(held):
            sandbox.shop.create_project(STOREFRONT, "5001", processing="Completed", status=CANCELLED)
        sandbox.advance(HOUR)
        sandbox.shop.create_project(STOREFRONT, "5002", processing="Completed")
        connection = connection_of(sandbox)
        connection.sync()
        sandbox.advance(HOUR)
        connection.sync()
        sandbox.clear_requests()
        assert connection.sync() == {}
        assert len(sandbox.requests) <= 7 + held // 100 + 1


@each_size
def test_given_held_projects_that_become_obsolete_when_nothing_changes_then_they_are_soon_left_alone(
    sandbox: Sandbox, others: int
) -> None:
    sandbox.switches.page_cap = 4
    connection = connection_of(sandbox)
    fill(sandbox, others)
    held = [add(sandbox, CANCELLED) for _ in range(3)]
    for _ in range(2):
        sandbox.advance(HOUR)
        connection.sync()
    for project_id in held:
        sandbox.shop.make_obsolete(project_id)
    for _ in range(2):
        connection.sync()
    sandbox.clear_requests()
    assert connection.sync() == {}
    assert not [one.path for one in sandbox.requests if re.search(r"/projects/\d+", one.path)]
    for stream in (ARTIFACTS, FILES):
        assert "held" not in connection.states[stream]["slices"][str(STOREFRONT)]


def test_given_a_held_project_without_a_status_when_it_gets_one_later_then_its_files_come(sandbox: Sandbox) -> None:
    connection = connection_of(sandbox, "only")
    held = add(sandbox, CANCELLED)
    sandbox.shop.set_status(held, None)
    sandbox.advance(DAY)
    fill(sandbox, 9)
    for _ in range(2):
        connection.sync()
        sandbox.advance(DAY)
    sandbox.shop.set_status(held, PAID, False)
    assert len(connection.sync()[FILES]) == 2
    assert connection.sync() == {}


def test_given_statuses_that_are_widened_when_synced_then_what_was_held_comes_and_nothing_else(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    connection = connection_of(sandbox)
    fill(sandbox, 9)
    add(sandbox, CANCELLED)
    connection.sync(files=tmp_path)
    sandbox.advance(DAY)
    connection.sync(files=tmp_path)
    found = connection.sync(files=tmp_path, statuses={"mode": "all"})
    assert (len(found[ARTIFACTS]), len(found[FILES])) == (2, 2)
    order = connection.warehouse.tables[ORDERS][STOREFRONT, "5001"]
    assert order["state"] == "Ready"
    assert connection.sync(files=tmp_path, statuses={"mode": "all"}) == {}


@pytest.mark.parametrize("taken", range(1, 6))
def test_given_statuses_that_are_widened_when_the_first_sync_was_killed_then_the_row_of_each_order_shows_it(
    sandbox: Sandbox, taken: int
) -> None:
    connection = connection_of(sandbox)
    held = [add(sandbox, CANCELLED, order_id=f"500{number % 2}") for number in range(9)]
    connection.take_until_killed(connection.read((ORDERS,), state_projects=1), taken)
    connection.sync((ORDERS,), statuses={"mode": "all"})
    rows = connection.warehouse.tables[ORDERS].values()
    assert {one["id"]: one["state"] for row in rows for one in row["projects"]} == dict.fromkeys(held, "Ready")


def test_given_a_project_without_a_run_when_it_could_not_be_read_after_its_status_was_added_then_the_next_sync_tells(
    sandbox: Sandbox,
) -> None:
    waiting = add(sandbox, CANCELLED, processing=None)
    sandbox.advance(DAY)
    fill(sandbox, 9)
    connection = connection_of(sandbox)
    connection.sync()
    connection.config["statuses"] = {"mode": "all"}
    fault = sandbox.fault(rf"/projects/{waiting}/processing-results$", status=400)
    connection.take(connection.read())
    fault.remove()

    connection.sync()

    assert connection.warehouse.tables[ORDERS][STOREFRONT, "5001"]["state"] == "InProgress"
    assert connection.sync() == {}
