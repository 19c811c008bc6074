"""A killed sync goes on, wherever it was killed."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from integration_tests.conftest import STOREFRONT, Connection
from integration_tests.engine import STREAMS, Read, Row
from integration_tests.orders.delivering import artifacts_of
from integration_tests.shops import DAY, HOUR, MINUTE, fill, shop_of
from sandbox import FileSpec, Sandbox
from source_customerscanvas.sync.kinds import ARTIFACTS, FILES, RESULTS


def up_to(reads: dict[str, Read], cuts: dict[str, int]) -> dict[str, list[tuple[str, Row]]]:
    return {stream: taken.messages[: cuts[stream]] for stream, taken in reads.items()}


def assert_goes_on(connection: Connection, reads: dict[str, Read], cuts: dict[str, int]) -> set[str]:
    """After a sync that was killed after so many messages of each stream, the next one loses nothing.

    Gives what it repeats of that which lay before the states.
    """
    warehouse = copy.deepcopy(connection.warehouse)
    covered = {json.dumps([stream, row]) for stream in STREAMS for row in warehouse.tables[stream].values()}
    states = dict(connection.states)
    for stream, messages in up_to(reads, cuts).items():
        uncovered: list[Row] = []
        for kind, content in messages:
            if kind == "state":
                states[stream] = content
                covered |= {json.dumps([stream, row]) for row in uncovered}
                uncovered = []
            else:
                uncovered.append(content)
        warehouse.take(stream, [content for kind, content in messages if kind == "record"])
    resumed = Connection(connection.sandbox, connection.streams, **connection.config)
    resumed.states, resumed.warehouse = states, warehouse
    again = resumed.read()
    assert {stream: taken.error for stream, taken in again.items() if taken.error} == {}
    resumed.take(again)
    resumed.assert_up_to_date()
    assert resumed.sync() == {}
    return {json.dumps([stream, row]) for stream, taken in again.items() for row in taken.records} & covered


def cut_everywhere(connection: Connection, reads: dict[str, Read]) -> set[str]:
    repeated: set[str] = set()
    longest = max(len(taken.messages) for taken in reads.values())
    for cut in range(longest):
        # states that lag behind each other too
        lagging = {stream: max(cut - 3 * number, 0) for number, stream in enumerate(reads)}
        repeated |= assert_goes_on(connection, reads, dict.fromkeys(reads, cut) if cut % 2 else lagging)
    return repeated


@pytest.mark.parametrize("page_cap", [4, 100])
def test_given_a_first_sync_when_it_is_killed_after_any_message_then_the_next_one_goes_on(
    sandbox: Sandbox, connection: Connection, page_cap: int
) -> None:
    sandbox.switches.page_cap = page_cap
    fill(sandbox, 7)
    for status in ("InProgress", None, "Failed", "Completed"):
        sandbox.shop.create_project(STOREFRONT, processing=status, files=2)
    assert cut_everywhere(connection, connection.read(state_projects=1)) == set()


@pytest.mark.parametrize("page_cap", [4, 100])
def test_given_a_later_sync_when_it_is_killed_after_any_message_then_the_next_one_goes_on(
    sandbox: Sandbox, connection: Connection, page_cap: int
) -> None:
    sandbox.switches.page_cap = page_cap
    ids = fill(sandbox, 7)
    unfinished = [sandbox.shop.create_project(STOREFRONT, processing="InProgress", files=2) for _ in range(3)]
    waiting = sandbox.shop.create_project(STOREFRONT)
    connection.sync()
    sandbox.advance(DAY)
    for project_id in [*ids[::2], *unfinished[:1]]:
        sandbox.advance(MINUTE)
        sandbox.shop.modify_project(project_id, description="changed")
    for project_id in [*unfinished, waiting]:
        sandbox.shop.process(project_id, "Completed")
    fill(sandbox, 2)
    assert cut_everywhere(connection, connection.read(state_projects=1)) == set()


@pytest.mark.parametrize("page_cap", [4, 100])
def test_given_a_wider_scope_when_the_sync_is_killed_after_any_message_then_the_next_one_goes_on(
    sandbox: Sandbox, connection: Connection, page_cap: int
) -> None:
    sandbox.switches.page_cap = page_cap
    ids = fill(sandbox, 7, files=[FileSpec(), FileSpec(name="a.png", format="png")])
    sandbox.advance(DAY)
    start = sandbox.now().isoformat()
    sandbox.shop.modify_project(ids[1], description="later")
    fill(sandbox, 4, files=[FileSpec(), FileSpec(name="a.png", format="png")])
    sandbox.advance(HOUR)
    fill(sandbox, 1)
    connection.sync(file_formats=["pdf"], start_date=start)
    assert cut_everywhere(connection, connection.read(state_projects=1)) == set()


def test_given_files_that_go_to_another_place_when_the_sync_is_killed_after_any_state_then_the_next_one_brings_the_rest(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.switches.page_cap = 4
    fill(sandbox, 12)
    sandbox.advance(DAY)
    connection = Connection(sandbox, (FILES,))
    there = connection.sync(files=tmp_path / "there")
    connection.config["files"] = tmp_path / "here"
    moved = connection.read(state_projects=1)[FILES]
    assert len(moved.states) > 10
    for number, (kind, state) in enumerate(moved.messages):
        if kind == "state":
            before = {row["artifactId"] for kind, row in moved.messages[:number] if kind == "record"}
            connection.states = {FILES: state}
            assert before | set(connection.sync().get(FILES, [])) == set(there[FILES])


def test_given_a_project_with_one_file_delivered_when_files_go_to_another_place_then_both_lie_there(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    fill(sandbox, 6)
    project = sandbox.shop.create_project(STOREFRONT, processing="Completed", files=2)
    connection = Connection(sandbox, (FILES,))
    _, withheld = artifacts = artifacts_of(sandbox, project)
    fault = sandbox.fault(f"/artifacts/{withheld}/file$", status=403)
    connection.take(connection.read(files=tmp_path / "there"))
    fault.remove()
    sandbox.advance(HOUR)
    found = connection.sync(files=tmp_path / "here")[FILES]
    assert set(artifacts) <= set(found)
    assert len(found) == 6 + 2


def test_given_a_project_with_one_file_delivered_when_its_run_ends_later_then_only_the_other_file_comes(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    project = sandbox.shop.create_project(STOREFRONT, processing="Completed", files=2)
    connection = Connection(sandbox, (FILES,), files=tmp_path)
    delivered, withheld = artifacts_of(sandbox, project)
    fault = sandbox.fault(f"/artifacts/{withheld}/file$", status=403)
    assert set(connection.take(connection.read())[FILES]) == {delivered}
    fault.remove()
    sandbox.advance(HOUR)
    running = {"status": "InProgress", "outputFileDetails": None}
    fault = sandbox.fault(f"/projects/{project}/processing-results$", json=running)
    assert connection.sync() == {}
    fault.remove()
    sandbox.advance(HOUR)
    assert connection.sync() == {FILES: [withheld]}


def test_given_a_first_sync_that_was_killed_when_the_shop_changed_before_the_next_then_that_is_up_to_date(
    sandbox: Sandbox, connection: Connection
) -> None:
    ids = fill(sandbox, 12)
    running = sandbox.shop.create_project(STOREFRONT, processing="InProgress")
    reads = connection.read(state_projects=1)
    for cut in range(0, 16, 3):
        connection.take_until_killed(reads, cut)
        sandbox.advance(HOUR)
        for project_id in (ids[0], ids[6], ids[11]):
            sandbox.shop.modify_project(project_id, description=f"changed before {cut}")
        sandbox.shop.process(running, "Failed" if cut % 2 else "InProgress")
        sandbox.shop.create_project(STOREFRONT, processing="Completed")
        connection.sync()
        connection.assert_up_to_date()


def test_given_a_first_sync_when_files_are_delivered_then_few_projects_are_begun_whose_files_are_still_to_come(
    tmp_path: Path,
) -> None:
    """However long the history is: a sync that is killed has to begin anew with these only."""
    workers = 4
    with shop_of(200) as sandbox:
        Connection(sandbox, (FILES,), num_workers=workers).sync(files=tmp_path)
        paths = [request.path for request in sandbox.requests]
    begun, most = 0, 0
    for path in paths:
        begun += path.endswith("/processing-results")
        begun -= path.endswith("/file")
        most = max(most, begun)
    assert begun == 0
    assert most <= 2 * workers


def records_between_states(taken: Read) -> list[int]:
    counts = [0]
    for kind, _ in taken.messages:
        if kind == "state":
            counts.append(0)
        else:
            counts[-1] += 1
    return counts


def test_given_many_projects_when_synced_then_each_stream_has_a_state_at_least_every_200_of_them() -> None:
    with shop_of(1000) as sandbox:
        for stream, taken in Connection(sandbox, num_workers=16).read().items():
            assert max(records_between_states(taken)) <= 200, stream
            assert len(taken.states) <= 7


def test_given_slow_answers_when_synced_then_each_stream_has_a_state_at_least_every_15_seconds(
    sandbox: Sandbox, connection: Connection
) -> None:
    sandbox.switches.page_cap = 100
    fill(sandbox, 40)
    clock = connection.clock
    sandbox.on("processing-results$", lambda: clock.wait(7))
    reads = connection.read(num_workers=2)
    for stream in (RESULTS, ARTIFACTS, FILES):
        # in 15 seconds come two projects, and what the workers and the reader have under way
        assert max(records_between_states(reads[stream])) <= 15, stream
