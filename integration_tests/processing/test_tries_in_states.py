"""A try is in a state before it is made."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from integration_tests.command_line import CommandLine, bare_catalog, configured
from integration_tests.conftest import STOREFRONT, Connection
from integration_tests.engine import STREAMS
from integration_tests.processing.conftest import FACTOR, TRIED, Diary, every_selection, project_of, wait
from integration_tests.shops import HOUR, MINUTE
from sandbox import RequestRecord, Sandbox
from source_customerscanvas.sync.kinds import RESULTS


def test_given_an_old_state_again_when_synced_then_its_tries_count_and_only_those_lost_are_repeated(
    sandbox: Sandbox, connection: Connection, diary: Diary
) -> None:
    bad = sandbox.shop.create_project(STOREFRONT, processing="Failed", outcome="Failed")
    processing = {"on_failure": "resume", "max_attempts": 2, "retry_delay_minutes": 5}
    connection.sync(processing=processing)
    sandbox.advance(HOUR)
    old = dict(connection.states)
    for _ in range(3):  # the second try is made, and its state is lost
        connection.states = dict(old)
        connection.read(processing=processing)
        sandbox.advance(HOUR)
    assert [round(at / HOUR) for at in diary.tried[bad]] == [0, 1, 2, 3]

    connection.states = dict(old)
    connection.sync(processing=processing)
    sandbox.advance(HOUR)
    connection.sync(processing=processing)

    assert [round(at / HOUR) for at in diary.tried[bad]] == [0, 1, 2, 3, 4]


def test_given_a_machine_with_a_fast_clock_when_synced_then_the_delay_between_two_tries_is_that_of_the_shop(
    sandbox: Sandbox, connection: Connection, diary: Diary
) -> None:
    bad = sandbox.shop.create_project(STOREFRONT, processing="Failed", outcome="Failed")
    processing = {"on_failure": "resume", "retry_delay_minutes": 5}
    connection.sync(processing=processing)
    sandbox.advance(HOUR + MINUTE)
    sandbox.shop.set_clock(-HOUR)  # a minute has passed in the shop, and an hour more on the machine
    connection.sync(processing=processing)
    assert len(diary.tried[bad]) == 1

    sandbox.advance(5 * MINUTE)
    connection.sync(processing=processing)

    assert len(diary.tried[bad]) == 2


@every_selection
def test_given_a_try_when_its_request_arrives_then_a_state_of_each_stream_with_it_is_out(
    sandbox: Sandbox, connection: Connection, diary: Diary, streams: tuple[str, ...]
) -> None:
    connection.streams = streams
    for _ in range(3):
        sandbox.shop.create_project(STOREFRONT, processing="Failed", outcome=["Failed", "Completed"])
    sandbox.shop.create_project(STOREFRONT, processing="InProgress", run_for=30 * MINUTE)
    known: list[tuple[int, int]] = []

    def note(request: RequestRecord) -> None:
        out = {stream: content for _, stream, kind, content in list(diary.taken) if kind == "state"}
        for stream in streams:
            tries = out[stream]["tries"]
            known.append((project_of(request), tries[str(project_of(request))][0]))

    sandbox.on(TRIED, note)
    connection.sync(processing=wait(60, on_failure="resume"))

    assert Counter(known) == {(project, count): len(streams) for project in (1, 2, 3) for count in (1, 2)}


def test_given_a_state_on_its_way_out_when_it_holds_a_try_then_the_request_waits_for_it(
    sandbox: Sandbox, connection: Connection
) -> None:
    sandbox.shop.create_project(STOREFRONT, processing="Failed", outcome="Completed")
    arrived = Event()
    sandbox.on(TRIED, arrived.set, method="POST")
    too_early: list[bool] = []

    def take(stream: str, kind: str, content: dict[str, Any]) -> None:
        if kind == "state" and content.get("tries"):
            too_early.append(not too_early and arrived.wait(0.3))

    connection.sync((RESULTS,), processing={"on_failure": "resume"}, taken_by=take)

    assert True not in too_early
    assert arrived.is_set()


def test_given_a_sync_that_is_killed_before_its_try_is_in_a_state_when_killed_then_nothing_was_posted(
    sandbox: Sandbox, connection: Connection
) -> None:
    sandbox.shop.create_project(STOREFRONT, processing="Failed")

    for messages in range(3):  # one row, then two states of which the first one holds the try
        connection.read((RESULTS,), processing={"on_failure": "resume"}, killed_after=messages)
        assert (sandbox.count(TRIED, "POST") > 0) == (messages >= 2)


def test_given_a_killed_sync_when_its_last_state_is_given_again_then_the_try_is_not_repeated_within_the_delay(
    sandbox: Sandbox, connection: Connection, diary: Diary
) -> None:
    bad = sandbox.shop.create_project(STOREFRONT, processing="Failed", outcome="Failed")
    connection.take(connection.read((RESULTS,), processing={"on_failure": "resume"}, killed_after=2))
    for _ in range(6):
        sandbox.advance(MINUTE)
        connection.sync((RESULTS,), processing={"on_failure": "resume"})

    assert [round(at / MINUTE) for at in diary.tried[bad]] == [0, 5]


@pytest.mark.parametrize("change", ["refreshed wholly", "moved to another storefront", "its order is read alone"])
def test_given_tries_that_are_used_up_when_its_slice_is_read_as_new_then_the_project_is_not_tried_again(
    sandbox: Sandbox, connection: Connection, diary: Diary, change: str
) -> None:
    sandbox.shop.add_storefront(12)
    bad = sandbox.shop.create_project(STOREFRONT, "5001", processing="Failed", outcome="Failed")
    options: dict[str, Any] = {"processing": {"on_failure": "restart", "max_attempts": 2}}
    for _ in range(3):
        connection.sync(**options)
        sandbox.advance(HOUR)
    assert len(diary.tried[bad]) == 2

    if change == "refreshed wholly":
        options["full_refresh"] = True
    elif change == "moved to another storefront":
        sandbox.shop.move_project(bad, "5001", 12)
    else:
        options["order_ids"] = ["5001"]
    for _ in range(4):
        connection.sync(**options)
        sandbox.advance(HOUR)

    assert len(diary.tried[bad]) == 2


# Through the command line


def test_given_a_failed_project_when_the_command_tries_it_then_the_state_with_the_try_was_printed_before(
    tmp_path: Path,
) -> None:
    printed = tmp_path / "output"
    program = str(Path(sys.executable).with_name("source-customerscanvas"))
    into_file = ["sh", "-c", 'exec "$0" "$@" >output', program]  # what is printed can be looked at at any moment
    command = CommandLine(tmp_path, {"CUSTOMERSCANVAS_TIME_FACTOR": str(FACTOR)}, into_file)
    seen: list[set[str]] = []
    with Sandbox(empty=True, clock="real", time_factor=FACTOR) as sandbox:
        project = sandbox.shop.create_project(STOREFRONT, processing="Failed", outcome="Completed")
        config = sandbox.config(processing=wait(1440, 60, on_failure="resume"), num_workers=4)

        def look(request: RequestRecord) -> None:
            messages = [json.loads(line) for line in printed.read_text().splitlines()]
            states = {
                message["state"]["stream"]["stream_descriptor"]["name"]: message["state"]["stream"]["stream_state"]
                for message in messages
                if message["type"] == "STATE"
            }
            seen.append({name for name, one in states.items() if one.get("tries", {}).get(str(project), [0])[0] == 1})

        sandbox.on(TRIED, look)
        assert command.read(config, configured(bare_catalog(), *STREAMS)).exit_code == 0

        assert seen == [set(STREAMS)]
        assert sandbox.shop.results(project)["status"] == "Completed"
