"""A full refresh: one that was interrupted goes on, one that had ended begins anew."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integration_tests.command_line import OF_ORDERS, TRACKED, CommandLine, Run, State, bare_catalog, configured
from sandbox import Sandbox

STREAMS = ("projects", "processing_results")
PROJECTS = 700
STATE_PROJECTS = 200
CATALOG = configured(bare_catalog(), *STREAMS, sync_mode="full_refresh")


@pytest.fixture(scope="module")
def long_shop() -> Iterator[Sandbox]:
    with Sandbox(empty=True, latency=0.001) as sandbox:
        for _ in range(PROJECTS):
            sandbox.shop.create_project(11, processing="Completed")
        yield sandbox


def refresh_of(state: State) -> dict[str, str]:
    return {one["stream"]["stream_descriptor"]["name"]: one["stream"]["stream_state"].get("refresh") for one in state}


def interrupted(command: CommandLine, config: Any) -> Run:
    """What a full refresh has said when a state has covered some projects of each stream: then it is killed."""
    lines: list[str] = []
    missing = set(STREAMS)
    with command.start("read", *command.arguments(config=config, catalog=CATALOG)) as process:
        assert process.stdout
        for line in process.stdout:
            lines.append(line)
            message = json.loads(line)
            if message["type"] == "STATE":
                missing.discard(message["state"]["stream"]["stream_descriptor"]["name"])
            if not missing:
                break
        process.kill()
        process.communicate()
    assert not missing
    return Run(process.returncode, "".join(lines), "")


def test_given_a_full_refresh_that_was_killed_when_its_state_is_given_back_then_it_goes_on_and_nothing_is_lost(
    long_shop: Sandbox, tmp_path: Path
) -> None:
    command = CommandLine(tmp_path)
    config = long_shop.config(num_workers=2)
    killed = interrupted(command, config)
    assert refresh_of(killed.state) == dict.fromkeys(STREAMS, "running")

    again = command.read(config, CATALOG, killed.state)

    assert again.exit_code == 0
    assert refresh_of(again.state) == dict.fromkeys(STREAMS, "ended")
    for stream, key in zip(STREAMS, ("id", "projectId"), strict=True):
        taken, rest = ({row[key] for row in run.records(stream)} for run in (killed, again))
        assert taken | rest == set(range(1, PROJECTS + 1))
        assert len(again.records(stream)) <= PROJECTS - STATE_PROJECTS // 2


@pytest.mark.parametrize("sync_mode", ["full_refresh", "incremental"])
def test_given_a_sync_that_has_ended_when_refreshed_wholly_then_it_begins_anew(
    shop: Sandbox, tmp_path: Path, sync_mode: str
) -> None:
    command = CommandLine(tmp_path)
    streams = (*OF_ORDERS, *TRACKED)
    first = command.read(shop.config(), configured(bare_catalog(), *streams, sync_mode=sync_mode))

    again = command.read(shop.config(), configured(bare_catalog(), *streams, sync_mode="full_refresh"), first.state)

    assert again.exit_code == 0
    for stream in streams:
        assert {json.dumps(row, sort_keys=True) for row in again.records(stream)} == {
            json.dumps(row, sort_keys=True) for row in first.records(stream)
        }
        assert again.records(stream)


def test_given_a_full_refresh_with_an_unreadable_project_when_its_state_is_given_back_then_only_that_one_comes(
    tmp_path: Path,
) -> None:
    with Sandbox(empty=True) as sandbox:
        for _ in range(9):
            sandbox.shop.create_project(11, processing="Completed")
        fault = sandbox.fault(r"/projects/5/processing-results$", status=400)
        command = CommandLine(tmp_path)
        catalog = configured(bare_catalog(), "processing_results", sync_mode="full_refresh")
        first = command.read(sandbox.config(), catalog)
        fault.remove()

        again = command.read(sandbox.config(), catalog, first.state)

    assert (first.exit_code, again.exit_code) == (1, 0)
    assert len(first.records("processing_results")) == 8
    assert [row["projectId"] for row in again.records("processing_results")] == [5]
    assert refresh_of(again.state) == {"processing_results": "ended"}
