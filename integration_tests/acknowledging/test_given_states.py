"""Only what the given state covers is acknowledged."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from integration_tests.acknowledging.conftest import LONG_AGO, MODES, Acknowledging, begun, order, posts
from integration_tests.command_line import CommandLine, bare_catalog, configured
from integration_tests.conftest import STOREFRONT
from integration_tests.engine import Read
from integration_tests.shops import HOUR
from sandbox import Sandbox
from source_customerscanvas.sync.kinds import FILES, RESULTS


def test_given_a_sync_whose_output_was_lost_when_repeated_then_nothing_is_acknowledged_that_it_did_not_cover(
    sandbox: Sandbox, connection: Acknowledging
) -> None:
    before = copy.deepcopy(connection.states)
    ids = order(sandbox, "Completed")
    for _ in range(4):
        connection.states = copy.deepcopy(before)
        assert connection.acknowledged() == []

    assert connection.acknowledged() == ids


def test_given_an_order_that_is_acknowledged_when_the_sync_is_killed_soon_after_then_a_state_knows_of_it_already(
    sandbox: Sandbox, connection: Acknowledging
) -> None:
    order(sandbox, "Completed")
    connection.sync()
    assert connection.of_delivering("delivered")
    connection.sandbox.advance(HOUR)
    first, *others = connection.read()[FILES].states
    assert others
    assert "delivered" not in first["slices"][str(STOREFRONT)]


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
