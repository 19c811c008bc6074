"""Unfinished and failed processing: waited for, tried again, and told of."""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path
from threading import Event
from typing import Any
from unittest.mock import patch

import pytest
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from integration_tests.command_line import CommandLine, Run, bare_catalog, configured
from integration_tests.conftest import STOREFRONT, Connection
from integration_tests.engine import STREAMS, Read, SandboxClock
from sandbox import RequestRecord, Sandbox
from source_customerscanvas.errors import StagingUnavailable
from source_customerscanvas.projects import ARTIFACTS, FILES, PROJECTS, RESULTS
from source_customerscanvas.transfer import FileTransfer

MINUTE, HOUR, DAY = 60, 3600, 86_400
ASKED = r"/projects/\d+/processing-results$"
TRIED = r"/(resume|restart)-processing$"

every_selection = pytest.mark.parametrize(
    "streams", [STREAMS, (RESULTS,), (ARTIFACTS,), (FILES,), (PROJECTS,), (RESULTS, FILES)], ids=" ".join
)
each_way_to_try = pytest.mark.parametrize("on_failure", ["resume", "restart"])


class Diary:
    """What the connector asked the shop and what came out of it, each with the shop's time in seconds."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._start = sandbox.now()
        self.asked: dict[int, list[float]] = defaultdict(list)
        self.tried: dict[int, list[float]] = defaultdict(list)
        self.taken: list[tuple[float, str, str, dict[str, Any]]] = []
        sandbox.on(ASKED, self._note_question)
        sandbox.on(TRIED, self._note_try, method="POST")

    @property
    def now(self) -> float:
        return (self._sandbox.now() - self._start).total_seconds()

    def take(self, stream: str, kind: str, content: dict[str, Any]) -> None:
        self.taken.append((self.now, stream, kind, content))

    def state_times(self, stream: str) -> list[float]:
        return [at for at, name, kind, _ in self.taken if (name, kind) == (stream, "state")]

    def record_times(self, stream: str) -> list[int]:
        return [round(at) for at, name, kind, _ in self.taken if (name, kind) == (stream, "record")]

    def rounds(self) -> list[int]:
        """The moments at which anything was asked for, to the second."""
        return sorted({round(at) for times in self.asked.values() for at in times})

    def _note_question(self, request: RequestRecord) -> None:
        self.asked[project_of(request)].append(self.now)

    def _note_try(self, request: RequestRecord) -> None:
        self.tried[project_of(request)].append(self.now)


class TickingClock(SandboxClock):
    """A clock that goes on while the connector works, as every real one does."""

    def monotonic(self) -> float:
        self.wait(0.001)
        return super().monotonic()


def project_of(request: RequestRecord) -> int:
    return int(request.path.split("/")[-2])


@pytest.fixture
def diary(sandbox: Sandbox) -> Diary:
    return Diary(sandbox)


@pytest.fixture
def connection(sandbox: Sandbox, diary: Diary) -> Connection:
    """A connection that lets the shop's time pass while it waits."""
    connection = Connection(sandbox, taken_by=diary.take)
    connection.clock = SandboxClock(sandbox)  # type: ignore[assignment]  # a clock as good as the other
    return connection


def wait(minutes: int, poll_seconds: int = 120, **processing: Any) -> dict[str, Any]:
    return {"wait_minutes": minutes, "poll_seconds": poll_seconds, **processing}


def rows(reads: dict[str, Read], stream: str = RESULTS) -> list[tuple[int, Any]]:
    return [(row["projectId"], row["status"]) for row in reads[stream].records]


def assert_no_question_within_a_minute(diary: Diary) -> None:
    for times in diary.asked.values():
        gaps = [later - earlier for earlier, later in pairwise(times)]
        assert all(gap > 59.999 for gap in gaps), times


def failures_named(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "has failed: " in record.getMessage()]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


# Waiting


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
        assert (tmp_path / FILES / file["filePath"]).read_bytes() == sandbox.shop.file_bytes(file["artifactId"])


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
    connection.clock = TickingClock(sandbox)  # type: ignore[assignment]  # a clock as good as the other
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
    assert all(state["units"][str(STOREFRONT)]["projects"] == [] for state in connection.states.values())


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

    full = StagingUnavailable(str(tmp_path), "No space left on device")
    with patch.object(FileTransfer, "download", side_effect=full):
        taken = connection.read(files=tmp_path / "files", processing=wait(60))

    assert isinstance(taken[FILES].error, AirbyteTracedException)
    assert diary.now - before < 10 * MINUTE


def test_given_a_run_that_has_not_begun_when_waited_for_then_the_project_itself_is_asked_for_only_once(
    sandbox: Sandbox, connection: Connection
) -> None:
    project = sandbox.shop.create_project(STOREFRONT, start_after=20 * MINUTE, run_for=5)

    connection.sync(processing=wait(60))

    # whether it was there at all, before the wait and in it, and as it was when it had finished
    assert sandbox.count(rf"/projects/{project}$") == 3
    connection.assert_up_to_date()


def test_given_a_server_in_trouble_when_waiting_then_the_project_is_asked_for_again_at_the_next_poll(
    sandbox: Sandbox, connection: Connection, diary: Diary
) -> None:
    project = sandbox.shop.create_project(STOREFRONT, processing="InProgress", run_for=60)
    sandbox.fault(ASKED, skip=1, times=1, status=400)

    connection.sync(processing=wait(60))

    assert diary.rounds() == [0, 120, 240]
    assert connection.warehouse.tables[RESULTS][project]["status"] == "Completed"


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
    sandbox: Sandbox, connection: Connection, diary: Diary
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


def test_given_results_that_lag_behind_the_list_when_synced_later_then_their_failure_is_told(
    sandbox: Sandbox, connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.switches.processing_status_lag = -300.0
    project = sandbox.shop.create_project(STOREFRONT, processing="InProgress", run_for=60, outcome="Failed")
    connection.sync()
    sandbox.advance(61)
    connection.sync()
    sandbox.advance(600)

    connection.sync()

    assert connection.warehouse.tables[RESULTS][project]["status"] == "Failed"
    assert len(failures_named(caplog)) == 1


# Failed projects are told of


@pytest.mark.parametrize("streams", [(RESULTS,), (ARTIFACTS,), (FILES,), STREAMS], ids=" ".join)
def test_given_a_failed_project_when_synced_again_and_again_then_there_is_one_warning(
    sandbox: Sandbox, connection: Connection, caplog: pytest.LogCaptureFixture, streams: tuple[str, ...]
) -> None:
    connection.streams = streams
    project = sandbox.shop.create_project(STOREFRONT, order_id="5001")
    sandbox.shop.process(project, "Failed", description="Font 'Gotham' is missing")
    for _ in range(3):
        connection.sync()
        sandbox.advance(HOUR)

    assert failures_named(caplog) == [
        f"The processing of storefront {STOREFRONT}, order 5001, project {project} has failed: Font 'Gotham' is missing"
    ]
    if RESULTS in streams:
        row = connection.warehouse.tables[RESULTS][project]
        assert (row["status"], row["statusDescription"]) == ("Failed", "Font 'Gotham' is missing")


def test_given_a_project_that_fails_in_the_wait_when_synced_then_it_is_a_row_and_a_warning_and_not_waited_for(
    sandbox: Sandbox, connection: Connection, diary: Diary, caplog: pytest.LogCaptureFixture
) -> None:
    project = sandbox.shop.create_project(STOREFRONT, processing="InProgress", run_for=60, outcome="Failed")

    connection.sync(processing=wait(60))

    assert diary.rounds() == [0, 120]
    assert connection.warehouse.tables[RESULTS][project]["status"] == "Failed"
    assert len(failures_named(caplog)) == 1


def test_given_defaults_when_projects_have_failed_then_nothing_is_posted(
    sandbox: Sandbox, connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        sandbox.shop.create_project(STOREFRONT, processing="Failed")

    connection.sync(processing=wait(60))

    assert [request.path for request in sandbox.requests if request.method == "POST"] == ["/connect/token"]


# Trying again


@every_selection
@each_way_to_try
def test_given_a_failed_project_when_it_is_tried_again_then_the_sync_waits_and_emits_it(
    sandbox: Sandbox, connection: Connection, diary: Diary, streams: tuple[str, ...], on_failure: str
) -> None:
    connection.streams = streams
    project = sandbox.shop.create_project(
        STOREFRONT, processing="InProgress", run_for=30, outcome=["Failed", "Completed"]
    )
    sandbox.advance(MINUTE)

    connection.sync(processing=wait(60, on_failure=on_failure))

    assert sandbox.count(rf"/{project}/{on_failure}-processing$", "POST") == 1
    assert sandbox.count(TRIED, "POST") == 1
    connection.assert_up_to_date()
    for state in connection.states.values():
        assert "tries" not in state["units"][str(STOREFRONT)]


def test_given_no_wait_when_a_failed_project_is_tried_again_then_the_next_sync_has_its_files(
    sandbox: Sandbox, connection: Connection
) -> None:
    sandbox.shop.create_project(STOREFRONT, processing="Failed")
    connection.sync(processing={"on_failure": "resume"})
    sandbox.advance(MINUTE)

    assert connection.sync(processing={"on_failure": "resume"}).keys() == set(STREAMS)
    assert sandbox.count(TRIED, "POST") == 1


def test_given_a_project_that_always_fails_when_waiting_then_the_delay_lies_between_its_tries_up_to_their_number(
    sandbox: Sandbox, connection: Connection, diary: Diary
) -> None:
    sandbox.switches.retry_run_for = 30.0
    bad = sandbox.shop.create_project(STOREFRONT, processing="Failed", outcome="Failed")
    sandbox.shop.create_project(STOREFRONT, processing="InProgress")  # so that the wait goes on

    connection.sync(processing=wait(60, 60, on_failure="resume", max_attempts=4, retry_delay_minutes=7))

    assert [round(at / MINUTE) for at in diary.tried[bad]] == [0, 7, 14, 21]
    assert connection.warehouse.tables[RESULTS][bad]["status"] == "Failed"
    assert_no_question_within_a_minute(diary)


def test_given_a_failed_try_when_no_other_is_due_then_it_is_not_waited_for(
    sandbox: Sandbox, connection: Connection, diary: Diary
) -> None:
    sandbox.shop.create_project(STOREFRONT, processing="Failed", outcome="Failed")

    connection.sync(processing=wait(60, on_failure="resume"))

    assert diary.rounds() == [0, 120]
    assert sandbox.count(TRIED, "POST") == 1


def test_given_a_try_of_an_earlier_sync_when_it_is_under_way_then_it_is_waited_for(
    sandbox: Sandbox, connection: Connection, diary: Diary
) -> None:
    project = sandbox.shop.create_project(STOREFRONT, processing="Failed", outcome="Completed")
    sandbox.switches.retry_run_for = 10.0 * MINUTE
    connection.sync(processing={"on_failure": "resume"})
    sandbox.advance(MINUTE)

    connection.sync(processing=wait(60, on_failure="resume"))

    assert connection.warehouse.tables[RESULTS][project]["status"] == "Completed"
    assert sandbox.count(TRIED, "POST") == 1


def test_given_many_syncs_when_a_project_keeps_failing_then_delay_and_attempts_hold_across_them(
    sandbox: Sandbox, connection: Connection, diary: Diary, caplog: pytest.LogCaptureFixture
) -> None:
    bad = sandbox.shop.create_project(STOREFRONT, processing="Failed", outcome="Failed")
    for _ in range(20):
        connection.sync(processing={"on_failure": "restart", "max_attempts": 3, "retry_delay_minutes": 10})
        sandbox.advance(4 * MINUTE)

    assert [round(at / MINUTE) for at in diary.tried[bad]] == [0, 12, 24]
    tries = connection.states[RESULTS]["units"][str(STOREFRONT)]["tries"]
    assert [count for count, _ in tries.values()] == [3]
    assert len(failures_named(caplog)) == 1


def test_given_tries_used_up_when_synced_again_then_nothing_is_asked_for_any_more(
    sandbox: Sandbox, connection: Connection, diary: Diary
) -> None:
    sandbox.shop.create_project(STOREFRONT, processing="Failed", outcome="Failed")
    for _ in range(3):
        connection.sync(processing={"on_failure": "resume", "max_attempts": 1})
        sandbox.advance(DAY)
    diary.asked.clear()

    assert connection.sync(processing={"on_failure": "resume", "max_attempts": 1}) == {}
    assert diary.asked == {}


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
            tries = out[stream]["units"][str(STOREFRONT)]["tries"]
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
        if kind == "state" and content["units"][str(STOREFRONT)].get("tries"):
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


def test_given_a_project_that_was_resumed_by_hand_when_tried_then_the_conflict_is_no_error(
    sandbox: Sandbox, connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    project = sandbox.shop.create_project(STOREFRONT, processing="Failed", outcome="Completed")
    sandbox.on(TRIED, lambda: sandbox.shop.process(project, "InProgress", run_for=30.0), nth=1)

    connection.sync(processing=wait(10, on_failure="resume"))

    assert connection.warehouse.tables[RESULTS][project]["status"] == "Completed"
    assert len(warnings(caplog)) == 1  # that it had failed


def test_given_a_project_that_was_made_good_by_hand_when_its_list_still_says_failed_then_it_is_not_restarted(
    sandbox: Sandbox, connection: Connection
) -> None:
    project = sandbox.shop.create_project(STOREFRONT, processing="Failed", outcome="Completed")
    connection.sync()
    sandbox.switches.processing_status_lag = float(HOUR)
    sandbox.shop.process(project, "InProgress", run_for=30.0)
    sandbox.advance(2 * MINUTE)

    connection.sync(processing={"on_failure": "restart"})
    assert sandbox.count(TRIED, "POST") == 0
    sandbox.advance(3 * HOUR)
    connection.sync(processing={"on_failure": "restart"})

    assert sandbox.count(TRIED, "POST") == 0
    connection.assert_up_to_date()


def test_given_an_app_that_may_only_read_when_projects_have_failed_then_one_warning_names_the_permission(
    sandbox: Sandbox, connection: Connection, diary: Diary, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.switches.permissions = frozenset({"Projects_read", "Artifacts_read", "Storefronts_read"})
    for _ in range(9):
        sandbox.shop.create_project(STOREFRONT, processing="Failed", outcome="Completed")
    done = sandbox.shop.create_project(STOREFRONT, processing="InProgress", run_for=10 * MINUTE)

    connection.sync(processing=wait(60, on_failure="resume"))

    said = [message for message in warnings(caplog) if "has failed: " not in message]
    assert len(said) == 1
    assert "Projects: Full" in said[0]
    assert "External apps" in said[0]
    assert connection.warehouse.tables[RESULTS][done]["status"] == "Completed"
    assert sandbox.count(TRIED, "POST") <= 4  # those that were under way at once


def test_given_tries_that_were_not_permitted_when_the_permission_is_granted_then_none_of_them_counts(
    sandbox: Sandbox, connection: Connection
) -> None:
    sandbox.shop.create_project(STOREFRONT, processing="Failed", outcome="Completed")
    sandbox.switches.permissions = frozenset({"Projects_read", "Artifacts_read", "Storefronts_read"})
    connection.sync(processing={"on_failure": "resume", "max_attempts": 1})
    assert "tries" not in connection.states[RESULTS]["units"][str(STOREFRONT)]
    sandbox.switches.permissions = frozenset({"Projects_full", "Artifacts_read", "Storefronts_read"})
    sandbox.expire_tokens()

    connection.sync(processing=wait(10, on_failure="resume", max_attempts=1))

    connection.assert_up_to_date()


def test_given_a_try_that_the_server_fails_when_synced_then_the_sync_goes_on_and_the_next_one_tries_again(
    sandbox: Sandbox, connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    project = sandbox.shop.create_project(STOREFRONT, processing="Failed", outcome="Completed")
    sandbox.fault(TRIED, times=1, status=500)
    connection.sync(processing=wait(10, on_failure="restart"))
    assert any("could not be restarted" in message for message in warnings(caplog))
    sandbox.advance(5 * MINUTE)

    connection.sync(processing=wait(10, on_failure="restart"))

    assert sandbox.count(TRIED, "POST") == 2
    assert connection.warehouse.tables[RESULTS][project]["status"] == "Completed"


def test_given_a_try_that_began_although_its_answer_was_lost_when_waiting_then_the_sync_waits_for_it(
    sandbox: Sandbox, connection: Connection
) -> None:
    project = sandbox.shop.create_project(STOREFRONT, processing="Failed", outcome="Completed")
    sandbox.fault(TRIED, status=502)
    sandbox.on(TRIED, lambda _: sandbox.shop.process(project, "InProgress", outcome="Completed", run_for=3 * MINUTE))

    connection.sync(processing=wait(10, on_failure="resume"))

    assert sandbox.count(TRIED, "POST") == 1
    assert connection.warehouse.tables[RESULTS][project]["status"] == "Completed"


def test_given_a_run_that_succeeds_when_it_fails_again_later_then_its_tries_begin_anew(
    sandbox: Sandbox, connection: Connection
) -> None:
    project = sandbox.shop.create_project(STOREFRONT, processing="Failed", outcome="Completed")
    processing = wait(10, on_failure="resume", max_attempts=1)
    connection.sync(processing=processing)
    for stream in STREAMS:
        assert "tries" not in connection.states[stream]["units"][str(STOREFRONT)]
    sandbox.shop.process(project, "Failed", outcome="Completed")

    connection.sync(processing=processing)

    assert sandbox.count(TRIED, "POST") == 2
    connection.assert_up_to_date()


def test_given_a_failed_project_that_is_removed_when_synced_then_its_tries_are_forgotten(
    sandbox: Sandbox, connection: Connection
) -> None:
    project = sandbox.shop.create_project(STOREFRONT, processing="Failed", outcome="Failed")
    connection.sync(processing={"on_failure": "resume"})
    sandbox.shop.remove_project(project)
    for _ in range(2):
        connection.sync(processing={"on_failure": "resume"})

    assert all("tries" not in state["units"][str(STOREFRONT)] for state in connection.states.values())


# Through the command line


FACTOR = 60
"""A minute of the sandbox and of the connector is a second of ours."""


def run_in_real_time(sandbox: Sandbox, folder: Path, *streams: str, config: dict[str, Any], state: Any = None) -> Run:
    command = CommandLine(folder, {"CUSTOMERSCANVAS_TIME_FACTOR": str(FACTOR)})
    return command.read(sandbox.config(num_workers=4, **config), configured(bare_catalog(), *streams), state)


def test_given_processing_that_goes_on_when_the_command_waits_then_it_emits_what_finishes(tmp_path: Path) -> None:
    with Sandbox(empty=True, clock="real", time_factor=FACTOR) as sandbox:
        project = sandbox.shop.create_project(
            STOREFRONT, order_id="5001", processing="InProgress", run_for=5 * MINUTE, files=2
        )
        config = {
            "processing": wait(30, 60),
            "file_download": "always",
            "file_directory": str(tmp_path / "files"),
        }
        run = run_in_real_time(sandbox, tmp_path, RESULTS, FILES, config=config)

        assert (run.exit_code, run.traces) == (0, [])
        statuses = [row["status"] for row in run.records(RESULTS) if row["projectId"] == project]
        assert statuses == ["InProgress", "Completed"]
        for file in run.records(FILES):
            path = tmp_path / "files" / FILES / file["filePath"]
            assert path.read_bytes() == sandbox.shop.file_bytes(file["artifactId"])
        assert len(run.records(FILES)) == 2


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
        config = sandbox.config(processing=wait(10, 60, on_failure="resume"), num_workers=4)

        def look(request: RequestRecord) -> None:
            messages = [json.loads(line) for line in printed.read_text().splitlines()]
            states = {
                message["state"]["stream"]["stream_descriptor"]["name"]: message["state"]["stream"]["stream_state"]
                for message in messages
                if message["type"] == "STATE"
            }
            units = {name: state["units"][str(STOREFRONT)] for name, state in states.items()}
            seen.append({name for name, unit in units.items() if unit.get("tries", {}).get(str(project), [0])[0] == 1})

        sandbox.on(TRIED, look)
        assert command.read(config, configured(bare_catalog(), *STREAMS)).exit_code == 0

        assert seen == [set(STREAMS)]
        assert sandbox.shop.results(project)["status"] == "Completed"


def test_given_check_discover_or_defaults_when_run_then_nothing_is_posted(tmp_path: Path) -> None:
    with Sandbox(projects=30, clock="manual") as sandbox:
        acknowledge = {"mode": "status", "code": 4, "since": "2020-01-01T00:00:00Z"}
        config = sandbox.config(processing={"on_failure": "restart"}, acknowledge=acknowledge)
        command = CommandLine(tmp_path)

        assert command.check(config).connection_status["status"] == "SUCCEEDED"
        assert command.discover(config).exit_code == 0
        assert command.read(sandbox.config(), configured(bare_catalog())).exit_code == 0

        assert {request.path for request in sandbox.requests if request.method != "GET"} == {"/connect/token"}
