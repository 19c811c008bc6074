"""What the log tells while a sync goes on."""

from __future__ import annotations

import logging
from threading import Event

import pytest

from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.sync.kinds import FILES, PROJECTS
from source_customerscanvas.sync.reporting import Reporter
from unit_tests.http_server import FakeClock
from unit_tests.watched import stream


def test_given_a_sync_when_it_goes_on_then_a_line_every_ten_seconds_says_how_far_it_is(
    client: ApiClient, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    projects, files = stream(name=PROJECTS), stream(name=FILES)
    projects.counts.to_do, files.counts.to_do = 60, 50
    projects.counts.finished, files.counts.finished = 40, 7
    files.counts.files, files.counts.bytes = 12, 3_400_000
    reporter = Reporter(client, clock, [projects, files])
    has_ended = Event()

    def end_after_a_minute() -> None:
        if sum(clock.waits) >= 60:
            reporter.stop()
            has_ended.set()

    clock.on_wait = end_after_a_minute
    reporter.start()
    assert has_ended.wait(60)
    assert max(clock.waits) <= 10
    lines = [record.message for record in caplog.records]
    assert len(lines) == len(clock.waits) - 1
    assert set(lines) == {
        "Done: projects 40 of 60 projects, artifact_files 7 of 50 projects; 12 files, 3.4 MB; 0 requests (0 a second), "
        "0 of them repeated."
    }
