"""The command line, killed without warning and started again with the last state that it had said."""

from __future__ import annotations

import json
import random
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from integration_tests.command_line import TRACKED, CommandLine, Message, Run, State, bare_catalog, configured
from integration_tests.conftest import STOREFRONT, truth
from integration_tests.engine import KEYS, folder
from sandbox import Sandbox

KILLS_OF_FIRST, KILLS_OF_LATER = 3, 1


class Destination:
    """Takes the messages of one run after the other; keeps the last state of each stream and what came before it."""

    def __init__(self) -> None:
        self.states: dict[str, Message] = {}
        self.rows: dict[str, dict[Any, Message]] = {stream: {} for stream in TRACKED}
        self.repeated: list[Message] = []
        self.errors: list[str] = []
        self._covered: set[str] = set()
        self._uncovered: dict[str, list[str]] = {stream: [] for stream in TRACKED}

    @property
    def state(self) -> State | None:
        return list(self.states.values()) or None

    def begin(self) -> None:
        """What came after the last state of the run before may come again."""
        self._uncovered = {stream: [] for stream in TRACKED}

    def take(self, line: str) -> None:
        message = json.loads(line)
        if message["type"] == "TRACE" and message["trace"]["type"] == "ERROR":
            self.errors.append(message["trace"]["error"]["message"])
        if message["type"] == "STATE":
            stream = message["state"]["stream"]["stream_descriptor"]["name"]
            self.states[stream] = message["state"]
            self._covered.update(self._uncovered[stream])
            self._uncovered[stream] = []
        elif message["type"] == "RECORD":
            stream, row = message["record"]["stream"], message["record"]["data"]
            text = json.dumps([stream, row], sort_keys=True)
            if text in self._covered:
                self.repeated.append(row)
            self._uncovered[stream].append(text)
            self.rows[stream][row[KEYS[stream]]] = row


def run_and_kill(
    command: CommandLine, config: Any, catalog: Any, destination: Destination, kills: Iterator[int | None]
) -> int:
    """Read until a sync completes, killing it after as many lines as `kills` says; gives how often it was killed."""
    killed = 0
    while True:
        destination.begin()
        arguments = command.arguments(config=config, catalog=catalog, state=destination.state)
        lines_left = next(kills)
        with command.start("read", *arguments) as process:
            assert process.stdout
            for line in process.stdout:
                if lines_left == 0:
                    process.kill()
                    killed += 1
                    break
                destination.take(line)
                if lines_left is not None:
                    lines_left -= 1
            process.communicate()
        if lines_left != 0:
            assert (process.returncode, destination.errors) == (0, [])
            return killed


def assert_complete(sandbox: Sandbox, destination: Destination, files: Path) -> None:
    expected = {stream: set(rows) for stream, rows in truth(sandbox).items()}
    assert {stream: set(rows) for stream, rows in destination.rows.items()} == expected
    for project in sandbox.shop.projects():
        assert destination.rows["projects"][project["id"]].get("description") == project["description"]
        assert destination.rows["processing_results"][project["id"]]["status"] == project["processingStatus"]
    on_disk = {path.relative_to(files).as_posix(): path for path in files.rglob("*") if path.is_file()}
    for artifact_id, row in destination.rows["artifact_files"].items():
        assert row["sha256"] == sandbox.shop.file_sha256(artifact_id)
        assert on_disk[row["filePath"]].read_bytes() == sandbox.shop.file_bytes(artifact_id)


@pytest.mark.parametrize("seed", [1, 2])
def test_given_syncs_that_are_killed_at_any_moment_when_started_again_then_nothing_is_lost_and_little_comes_again(
    tmp_path: Path, seed: int
) -> None:
    dice = random.Random(seed)
    start = datetime.now(timezone.utc) - timedelta(days=7)
    with Sandbox(empty=True, latency=0.002, start=start) as sandbox:
        for number in range(260):
            sandbox.advance(60)
            status: Any = "InProgress" if number % 20 == 0 else "Completed"
            sandbox.shop.create_project(STOREFRONT, order_id=str(number % 50), processing=status)
        files = tmp_path / "files"
        config = sandbox.config(files=folder(files), num_workers=8)
        catalog = configured(bare_catalog(), *TRACKED)
        command = CommandLine(tmp_path)
        destination = Destination()

        def kills(times: int, rows: int) -> Iterator[int | None]:
            """Each within a share of the rows, so that some are left for the next however few a state has covered."""
            for _ in range(times):
                yield dice.randrange(5, rows // times)
            while True:
                yield None

        rows = sum(map(len, truth(sandbox).values()))
        first_killed = run_and_kill(command, config, catalog, destination, kills(KILLS_OF_FIRST, rows))
        assert_complete(sandbox, destination, files)

        sandbox.advance(86_400)
        finished, modified = range(1, 261, 20), range(3, 261, 3)
        for project_id in finished:
            sandbox.shop.process(project_id, "Completed")
        for project_id in modified:
            sandbox.advance(1)
            sandbox.shop.modify_project(project_id, description="changed")
        rows = len({*finished, *modified})
        later_killed = run_and_kill(command, config, catalog, destination, kills(KILLS_OF_LATER, rows))
        assert_complete(sandbox, destination, files)

        assert (first_killed, later_killed) == (KILLS_OF_FIRST, KILLS_OF_LATER)
        assert destination.repeated == []


@contextmanager
def killed_at_the_end(process: subprocess.Popen[str]) -> Iterator[None]:
    try:
        yield
    finally:
        process.kill()


@pytest.fixture(scope="module")
def large_shop() -> Iterator[Sandbox]:
    """More projects than the framework's queue and the connector's own hold messages."""
    with Sandbox(empty=True) as sandbox:
        for _ in range(12_000):
            sandbox.shop.create_project(STOREFRONT, processing="Completed")
        yield sandbox


def test_given_a_reader_that_is_gone_when_read_then_the_command_ends(large_shop: Sandbox, tmp_path: Path) -> None:
    command = CommandLine(tmp_path)
    arguments = command.arguments(config=large_shop.config(), catalog=configured(bare_catalog(), "projects"))
    with command.start("read", *arguments) as process, killed_at_the_end(process):
        assert process.stdout
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=120) == 1


@pytest.fixture
def heeds_ctrl_c() -> Iterator[None]:
    """What is started heeds Ctrl+C, although the tests may run in the background of a shell, where nothing does."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeds_ctrl_c")
def test_given_ctrl_c_when_read_then_the_command_ends(large_shop: Sandbox, tmp_path: Path) -> None:
    command = CommandLine(tmp_path)
    arguments = command.arguments(config=large_shop.config(), catalog=configured(bare_catalog(), "projects"))
    with command.start("read", *arguments) as process, killed_at_the_end(process):
        assert process.stdout
        for _ in range(100):
            process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=120)
        assert (process.returncode, errors) == (130, "")


@pytest.mark.parametrize("settings", [{"num_workers": 65}, {"lookback_minutes": -1}], ids=repr)
def test_given_a_setting_that_is_refused_after_the_read_began_when_read_then_the_command_ends(
    large_shop: Sandbox, tmp_path: Path, settings: dict[str, Any]
) -> None:
    command = CommandLine(tmp_path)
    arguments = command.arguments(config=large_shop.config(**settings), catalog=configured(bare_catalog(), "projects"))
    with command.start("read", *arguments) as process, killed_at_the_end(process):
        run = Run(1, *process.communicate(timeout=120))
        assert process.returncode == run.exit_code
    assert [trace["failure_type"] for trace in run.traces] == ["config_error"]
    assert next(iter(settings)) in run.traces[0]["message"]


def test_given_all_streams_when_read_then_one_token_serves_them(tmp_path: Path) -> None:
    with Sandbox() as sandbox:
        command = CommandLine(tmp_path)
        run = command.read(config=sandbox.config(), catalog=configured(bare_catalog()))
        assert run.exit_code == 0
        assert sandbox.count("connect/token") == 1


def test_given_a_sync_when_it_ends_then_all_that_was_logged_is_there(tmp_path: Path) -> None:
    with Sandbox() as sandbox:
        command = CommandLine(tmp_path)
        for _ in range(5):
            run = command.read(config=sandbox.config(), catalog=configured(bare_catalog()))
            for stream in TRACKED:
                assert f"Summary of {stream}: " in run.output
