"""Syncs wait for unfinished processing as long as the settings say."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from integration_tests.command_line import CommandLine, Run, bare_catalog, configured
from integration_tests.conftest import STOREFRONT, Connection, warnings
from integration_tests.engine import STREAMS, Read, SandboxClock, folder
from integration_tests.processing.conftest import (
    ASKED,
    FACTOR,
    Diary,
    assert_no_question_within_a_minute,
    every_selection,
    wait,
)
from integration_tests.shops import HOUR, MINUTE
from sandbox import Sandbox
from source_customerscanvas.errors import StoreUnavailable
from source_customerscanvas.files.download import Downloader
from source_customerscanvas.sync.kinds import ARTIFACTS, FILES, ORDERS, PROJECTS, RESULTS
from source_customerscanvas.times import to_utc


class TickingClock(SandboxClock):
    """A clock that goes on while the connector works, as every real one does."""

    def monotonic(self) -> float:
        self.wait(0.001)
        return super().monotonic()


def rows(reads: dict[str, Read], stream: str = RESULTS) -> list[tuple[int, Any]]:
    return [(row["projectId"], row["status"]) for row in reads[stream].records]


def test_given_no_wait_when_synced_then_unfinished_projects_are_asked_for_once_and_left_to_the_next_sync(
    sandbox: Sandbox, connection: Connection, diary: Diary
) -> None:
    slow = sandbox.shop.create_project(STOREFRONT, processing="InProgress", run_for=5 * MINUTE)

    first = connection.sync()
    sandbox.advance(HOUR)
    second = connection.sync()

    assert first == {PROJECTS: [slow], RESULTS: [slow]}
    assert [len(times) for times in diary.asked.values()] == [2]
    assert second.keys() == set(STREAMS)
    connection.assert_up_to_date()


@every_selection
def test_given_projects_that_finish_one_by_one_when_waited_for_then_each_is_emitted_when_it_finishes(
    sandbox: Sandbox, connection: Connection, diary: Diary, streams: tuple[str, ...]
) -> None:
    connection.streams = streams
    for minutes in (1, 3, 5):
        sandbox.shop.create_project(STOREFRONT, processing="InProgress", run_for=minutes * MINUTE)

    connection.sync(processing=wait(60))

    assert diary.rounds()[-3:] == [120, 240, 360]
    for stream in streams:
        seen_first = [0, 0, 0] if stream in (PROJECTS, RESULTS) else []
        assert diary.record_times(stream) == [*seen_first, 120, 240, 360]
    connection.assert_up_to_date()
    assert_no_question_within_a_minute(diary)


def test_given_files_when_a_project_finishes_in_the_wait_then_they_are_downloaded_then(
    sandbox: Sandbox, connection: Connection, diary: Diary, tmp_path: Path
) -> None:
    project = sandbox.shop.create_project(STOREFRONT, processing="InProgress", run_for=90, files=2)

    connection.sync(files=tmp_path, processing=wait(10))

    files = [content for at, stream, kind, content in diary.taken if (stream, kind) == (FILES, "record") and at >= 120]
    artifacts = {artifact["id"] for artifact in sandbox.shop.artifacts(project) if artifact["type"] == "Final"}
    assert {file["artifactId"] for file in files} == artifacts
    for file in files:
        assert (tmp_path / file["filePath"]).read_bytes() == sandbox.shop.file_bytes(file["artifactId"])


def test_given_a_file_that_is_made_anew_in_the_wait_when_its_list_was_read_before_then_the_new_one_is_delivered(
    sandbox: Sandbox, connection: Connection, tmp_path: Path
) -> None:
    sandbox.switches.final_artifacts_appear_early = True
    project = sandbox.shop.create_project(STOREFRONT, processing="InProgress")
    artifact = sandbox.shop.artifacts(project)[0]["id"]
    sandbox.advance(5 * MINUTE)
    for _ in range(3):  # for their sake, the list of artifacts is read
        sandbox.shop.create_project(STOREFRONT, processing="Completed")
    sandbox.advance(HOUR)

    def finish() -> None:
        sandbox.shop.regenerate_artifact(artifact)
        sandbox.shop.process(project, "Completed")

    sandbox.on(f"/projects/{project}/processing-results$", finish, nth=2)
    connection.sync(files=tmp_path, processing=wait(10))

    made = sandbox.shop.artifact(artifact)["lastModified"]
    rows = connection.warehouse.tables
    assert [rows[stream][artifact]["lastModified"] for stream in (ARTIFACTS, FILES)] == [to_utc(made)] * 2
    assert rows[FILES][artifact]["sha256"] == sandbox.shop.file_sha256(artifact)


def test_given_a_sync_killed_while_it_waited_when_a_finished_project_changes_then_its_artifacts_are_not_emitted_again(
    sandbox: Sandbox, connection: Connection
) -> None:
    changed = sandbox.shop.create_project(STOREFRONT, processing="Completed", files=2)
    sandbox.shop.create_project(STOREFRONT, processing="InProgress")
    sandbox.advance(HOUR)
    sandbox.shop.create_project(STOREFRONT, processing="Completed")

    for stream, taken in connection.read(processing=wait(10)).items():
        connection.warehouse.take(stream, taken.records)
        connection.states[stream] = taken.states[-3]  # of an early poll
    sandbox.shop.modify_project(changed, description="changed")

    assert connection.sync() == {PROJECTS: [changed], RESULTS: [changed]}


def test_given_a_project_that_finishes_between_its_poll_and_its_orders_row_when_waited_for_then_the_row_says_so(
    sandbox: Sandbox, connection: Connection, diary: Diary
) -> None:
    connection.streams = (RESULTS, ORDERS)
    first, second = [
        sandbox.shop.create_project(STOREFRONT, processing="InProgress", order_id="5001") for _ in range(2)
    ]
    connection.sync()
    sandbox.advance(HOUR)
    polled = f"/projects/{first}/processing-results$"
    sandbox.on(polled, lambda: sandbox.shop.process(first, "Completed"), nth=2)
    sandbox.on(f"/projects/{first}$", lambda: sandbox.shop.process(second, "Completed"), nth=1)

    connection.sync(processing=wait(10))
    row = connection.warehouse.tables[ORDERS][STOREFRONT, "5001"]

    assert (row["state"], row["readyCount"]) == ("Ready", 2)


def test_given_a_wait_when_everything_has_finished_then_the_sync_ends_at_once(
    sandbox: Sandbox, connection: Connection, diary: Diary
) -> None:
    sandbox.shop.create_project(STOREFRONT, processing="Completed")
    sandbox.shop.create_project(STOREFRONT, processing="Failed")

    connection.sync(processing=wait(60))

    assert diary.now < 1


def test_given_a_project_that_never_finishes_when_the_minutes_are_over_then_the_next_sync_takes_it_up(
    sandbox: Sandbox, connection: Connection, diary: Diary
) -> None:
    stuck = sandbox.shop.create_project(STOREFRONT, processing="InProgress")

    connection.sync(processing=wait(7))
    assert diary.rounds() == [0, 120, 240, 360, 420]
    sandbox.shop.process(stuck, "Completed")

    assert connection.sync().keys() == set(STREAMS)
    connection.assert_up_to_date()


@pytest.mark.parametrize(
    ("minutes", "poll_seconds", "asked_at"),
    [(1, 120, [0, 60]), (1, 60, [0, 60]), (2, 3600, [0, 120]), (2, 90, [0, 90]), (3, 60, [0, 60, 120, 180])],
)
def test_given_a_short_wait_when_synced_then_it_still_asks_within_its_minutes(
    sandbox: Sandbox, connection: Connection, diary: Diary, minutes: int, poll_seconds: int, asked_at: list[int]
) -> None:
    connection.clock = TickingClock(sandbox)
    sandbox.shop.create_project(STOREFRONT, processing="InProgress")

    connection.sync(processing=wait(minutes, poll_seconds))

    assert diary.rounds() == asked_at


def test_given_much_to_do_when_something_is_unfinished_then_everything_else_is_done_before_the_wait(
    sandbox: Sandbox, connection: Connection, diary: Diary
) -> None:
    sandbox.shop.create_project(STOREFRONT, processing="InProgress", run_for=30)
    for _ in range(20):
        sandbox.shop.create_project(STOREFRONT, processing="Completed")
    sandbox.shop.create_project(12, processing="Completed")

    connection.sync(processing=wait(10))

    before = {row["artifactId"] for at, name, kind, row in diary.taken if (name, kind) == (FILES, "record") and at < 60}
    assert len(before) == 21
    assert len(diary.record_times(FILES)) == 22


def test_given_several_streams_when_waiting_then_they_wait_together_and_each_has_a_state_at_every_poll(
    sandbox: Sandbox, connection: Connection, diary: Diary
) -> None:
    stuck = [sandbox.shop.create_project(STOREFRONT, processing=status) for status in (None, "Pending", "InProgress")]

    connection.sync(processing=wait(10))

    assert diary.now == pytest.approx(600, abs=5)
    assert diary.rounds() == [0, 120, 240, 360, 480, 600]
    assert {project: len(times) for project, times in diary.asked.items()} == dict.fromkeys(stuck, 6)
    for stream in STREAMS:
        assert len(diary.state_times(stream)) >= 1 + 5


@every_selection
def test_given_any_selection_when_waiting_then_no_project_is_asked_for_twice_within_a_minute(
    sandbox: Sandbox, connection: Connection, diary: Diary, streams: tuple[str, ...]
) -> None:
    connection.streams = streams
    for number in range(12):
        sandbox.shop.create_project(
            STOREFRONT,
            processing=[None, "Pending", "InProgress", "Failed"][number % 4],  # type: ignore[arg-type]  # mypy widens the texts
            run_for=20.0 * number if number % 4 == 2 else None,
            outcome=["Failed", "Failed", "Completed"],
        )

    connection.sync(processing=wait(30, 60, on_failure="resume", retry_delay_minutes=1, max_attempts=5))

    assert_no_question_within_a_minute(diary)


def test_given_a_first_sync_that_was_killed_when_resumed_then_no_project_is_asked_for_twice_within_a_minute(
    sandbox: Sandbox, connection: Connection, diary: Diary
) -> None:
    for _ in range(30):
        sandbox.shop.create_project(STOREFRONT, processing="InProgress")
    killed = connection.read((RESULTS,), killed_after=10, state_projects=2)
    connection.take(killed)
    sandbox.advance(HOUR)
    diary.asked.clear()
    # listed as changed when the scan is over, right after it was asked for
    sandbox.on(r"/projects/25/processing-results$", lambda: sandbox.shop.modify_project(25, name="changed"), nth=1)

    connection.sync((RESULTS, ARTIFACTS))

    assert_no_question_within_a_minute(diary)
    connection.streams = (RESULTS, ARTIFACTS)
    connection.sync()
    connection.assert_up_to_date()


def test_given_a_stream_that_was_added_when_synced_then_a_project_is_asked_for_once_for_all(
    sandbox: Sandbox, connection: Connection, diary: Diary
) -> None:
    for _ in range(9):
        sandbox.shop.create_project(STOREFRONT, processing="InProgress")
    connection.sync((RESULTS,))
    sandbox.advance(HOUR)
    sandbox.shop.modify_project(3, name="changed")
    diary.asked.clear()

    connection.sync((RESULTS, ARTIFACTS))

    assert_no_question_within_a_minute(diary)


def test_given_a_project_that_is_removed_when_waited_for_then_the_sync_ends(
    sandbox: Sandbox, connection: Connection, diary: Diary, caplog: pytest.LogCaptureFixture
) -> None:
    project = sandbox.shop.create_project(STOREFRONT, processing="InProgress")
    sandbox.on(ASKED, lambda: sandbox.shop.remove_project(project), nth=2)

    connection.sync(processing=wait(60))

    assert diary.rounds() == [0, 120]
    assert any(f"project {project} is gone" in message for message in warnings(caplog))
    connection.sync()  # it is forgotten when it is still not there
    slices = [state["slices"][str(STOREFRONT)] for state in connection.states.values()]
    assert not any(part in one for one in slices for part in ("open", "recent", "owed"))


def test_given_files_that_can_be_written_nowhere_when_something_is_unfinished_then_the_sync_ends_at_once(
    sandbox: Sandbox, connection: Connection, diary: Diary, tmp_path: Path
) -> None:
    connection.streams = (FILES,)
    sandbox.shop.create_project(STOREFRONT, processing="InProgress")
    sandbox.shop.create_project(STOREFRONT, processing="Failed")
    connection.sync(files=tmp_path / "files")
    in_the_way = tmp_path / "taken"
    in_the_way.touch()
    before = diary.now

    taken = connection.read(files=in_the_way, processing=wait(60, on_failure="resume"))

    assert isinstance(taken[FILES].error, AirbyteTracedException)
    assert diary.now - before < MINUTE
    assert not diary.tried


def test_given_a_disk_that_is_full_when_a_project_finishes_in_the_wait_then_the_others_are_not_waited_for(
    sandbox: Sandbox, connection: Connection, diary: Diary, tmp_path: Path
) -> None:
    connection.streams = (FILES,)
    sandbox.shop.create_project(STOREFRONT, processing="InProgress", run_for=3 * MINUTE)
    sandbox.shop.create_project(STOREFRONT, processing="InProgress")
    before = diary.now

    full = StoreUnavailable(str(tmp_path), "No space left on device")
    with patch.object(Downloader, "deliver", side_effect=full):
        taken = connection.read(files=tmp_path / "files", processing=wait(60))

    assert isinstance(taken[FILES].error, AirbyteTracedException)
    assert diary.now - before < 10 * MINUTE


def test_given_a_run_that_has_not_begun_when_waited_for_then_the_project_itself_is_asked_for_only_once(
    sandbox: Sandbox, connection: Connection
) -> None:
    sandbox.switches.results_before_run = "404"
    project = sandbox.shop.create_project(STOREFRONT, start_after=20 * MINUTE, run_for=5)

    connection.sync(processing=wait(60))

    # whether it was there at all, and as it was when it had finished
    assert sandbox.count(rf"/projects/{project}$") == 2
    connection.assert_up_to_date()


def test_given_a_server_in_trouble_when_waiting_then_the_project_is_asked_for_again_at_the_next_poll(
    sandbox: Sandbox, connection: Connection, diary: Diary
) -> None:
    project = sandbox.shop.create_project(STOREFRONT, processing="InProgress", run_for=60)
    sandbox.fault(ASKED, skip=1, times=1, status=400)

    connection.sync(processing=wait(60))

    assert diary.rounds() == [0, 120, 240]
    assert connection.warehouse.tables[RESULTS][project]["status"] == "Completed"


def test_given_an_unfinished_project_that_cannot_be_read_when_waiting_then_it_is_left_to_the_next_sync(
    sandbox: Sandbox, connection: Connection
) -> None:
    connection.streams = (RESULTS, FILES)
    project = sandbox.shop.create_project(STOREFRONT, processing="InProgress")
    connection.sync()
    sandbox.advance(HOUR)
    sandbox.shop.modify_project(project, name="changed")
    sandbox.fault(ASKED, status=400)
    sandbox.clear_requests()

    connection.take(connection.read(processing=wait(60)))

    assert sandbox.count(ASKED) == 1
    sandbox.clear_faults()
    connection.sync()
    connection.assert_up_to_date()


def test_given_a_server_that_breaks_down_when_many_are_waited_for_then_the_round_is_given_up(
    sandbox: Sandbox, connection: Connection, diary: Diary
) -> None:
    sandbox.switches.page_cap = 100
    for _ in range(90):
        sandbox.shop.create_project(STOREFRONT, processing="InProgress", run_for=MINUTE)
    fault = sandbox.fault(ASKED, skip=90, status=400)
    sandbox.on(ASKED, fault.remove, nth=90 + 25 + 4)

    connection.sync(processing=wait(60))

    assert len(connection.warehouse.tables[FILES]) == 90
    assert len(diary.rounds()) <= 4


def test_given_a_token_that_expires_when_waiting_for_hours_then_the_sync_goes_on(
    sandbox: Sandbox, connection: Connection
) -> None:
    project = sandbox.shop.create_project(STOREFRONT, processing="InProgress", run_for=9 * HOUR)

    connection.sync(processing=wait(1440, 600))

    assert connection.warehouse.tables[RESULTS][project]["status"] == "Completed"


def test_given_a_wait_when_the_sync_is_killed_then_what_had_finished_is_in_a_state_and_the_rest_is_taken_up(
    sandbox: Sandbox, connection: Connection
) -> None:
    done = sandbox.shop.create_project(STOREFRONT, processing="InProgress", run_for=60)
    late = sandbox.shop.create_project(STOREFRONT, processing="InProgress", run_for=HOUR)
    # the first rows and states, then those of the poll at which the first project has finished
    killed = connection.read((RESULTS,), processing=wait(60), killed_after=7)
    connection.take(killed)
    assert rows(killed)[-1] == (done, "Completed")

    sandbox.advance(2 * HOUR)
    again = connection.read((RESULTS,))

    assert rows(again) == [(late, "Completed")]


# Through the command line


def run_in_real_time(sandbox: Sandbox, folder: Path, *streams: str, config: dict[str, Any], state: Any = None) -> Run:
    command = CommandLine(folder, {"CUSTOMERSCANVAS_TIME_FACTOR": str(FACTOR)})
    return command.read(sandbox.config(num_workers=4, **config), configured(bare_catalog(), *streams), state)


def test_given_processing_that_goes_on_when_the_command_waits_then_it_emits_what_finishes(tmp_path: Path) -> None:
    with Sandbox(empty=True, clock="real", time_factor=FACTOR) as sandbox:
        project = sandbox.shop.create_project(STOREFRONT, order_id="5001", processing="Pending", files=2)
        # however long the command takes to begin, the project is not finished when it first asks
        sandbox.on(
            r"/processing-results$", lambda: sandbox.shop.process(project, "InProgress", run_for=5 * MINUTE), nth=1
        )
        config = {
            "processing": wait(1440, 60),
            "files": folder(tmp_path / "files"),
        }
        run = run_in_real_time(sandbox, tmp_path, RESULTS, FILES, config=config)

        assert (run.exit_code, run.traces) == (0, [])
        statuses = [row["status"] for row in run.records(RESULTS) if row["projectId"] == project]
        assert statuses == ["InProgress", "Completed"]
        for file in run.records(FILES):
            path = tmp_path / "files" / file["filePath"]
            assert path.read_bytes() == sandbox.shop.file_bytes(file["artifactId"])
        assert len(run.records(FILES)) == 2
