"""Rows come whole and take little memory: of a project with very many files, and of projects with wide rows."""

from __future__ import annotations

import base64
import random
from pathlib import Path

from integration_tests.command_line import CommandLine, bare_catalog, configured
from integration_tests.conftest import STOREFRONT, Connection
from integration_tests.peak import on_linux, peak_and_run
from integration_tests.shops import MINUTE
from sandbox import Sandbox
from source_customerscanvas.sync.kinds import ORDERS, PROJECTS

RESULTS, ARTIFACTS, ARTIFACT_FILES = "processing_results", "artifacts", "artifact_files"
FEWER, MORE = 5_000, 60_000
MOST_FILES, MOST_MEMORY = 200_000, 250_000_000


@on_linux
def test_given_a_project_with_very_many_files_when_a_stream_is_read_then_its_rows_come_and_it_takes_little_memory(
    tmp_path: Path,
) -> None:
    """How much is needed for the most files is told by what each one adds, between two numbers that are soon read."""
    peaks: dict[str, list[int]] = {RESULTS: [], ARTIFACTS: [], ARTIFACT_FILES: []}
    for count in (FEWER, MORE):
        with Sandbox(empty=True) as sandbox:
            project = sandbox.shop.create_project(STOREFRONT, processing="Completed", files=count)
            results = sandbox.shop.results(project)
            sandbox.fault("/processing-results$", json=results)  # to make it each time takes long
            files = results["outputFileDetails"]
            for stream, found in peaks.items():
                peak, run = peak_and_run(tmp_path, sandbox.config(files={"delivery": "none"}), stream)
                found.append(peak)
                rows = run.records(stream)
                if stream == RESULTS:
                    assert [row["outputFileDetails"] for row in rows] == [files]
                else:
                    key = "id" if stream == ARTIFACTS else "artifactId"
                    assert sorted(row[key] for row in rows) == sorted(file["artifactId"] for file in files)

    for stream, (few, many) in peaks.items():
        of_one = (many - few) / (MORE - FEWER)
        assert many + of_one * (MOST_FILES - MORE) <= MOST_MEMORY, stream


@on_linux
def test_given_very_many_wide_projects_that_have_changed_when_synced_then_their_rows_come_and_it_takes_little_memory(
    tmp_path: Path,
) -> None:
    count, width = 600, 250_000
    # no compression makes it much smaller
    text = base64.b64encode(random.Random(1).randbytes(width * 3 // 4)).decode()
    with Sandbox(empty=True) as sandbox:
        sandbox.shop.create_project(STOREFRONT, processing="Completed")
        config = sandbox.config(files={"delivery": "none"})
        state = CommandLine(tmp_path).read(config, configured(bare_catalog(), PROJECTS)).state
        for _ in range(count):
            sandbox.advance(MINUTE)
            sandbox.shop.create_project(STOREFRONT, processing="Completed", description=text)

        peak, run = peak_and_run(tmp_path, config, PROJECTS, state=state)

    assert [len(row["description"]) for row in run.records(PROJECTS)] == [len(text)] * count
    assert peak <= MOST_MEMORY


def test_given_orders_with_wide_projects_when_many_workers_read_them_then_few_are_on_their_way_at_once() -> None:
    """How much memory more of them would take depends on how fast they come."""
    orders = [str(number) for number in range(16)]
    with Sandbox(empty=True, latency=0.05) as sandbox:
        sandbox.shop.create_project(STOREFRONT, "before", processing="Completed")
        connection = Connection(sandbox, (ORDERS,), num_workers=32)
        connection.sync()
        sandbox.switches.row_padding = 50_000
        for order_id in orders:
            for _ in range(25):
                sandbox.advance(MINUTE)
                sandbox.shop.create_project(STOREFRONT, order_id, processing="Completed")
        sandbox.clear_requests()
        found = connection.sync()
        assert {(STOREFRONT, order_id) for order_id in orders} <= set(found[ORDERS])
        assert sandbox.max_in_flight <= len(orders) / 3
