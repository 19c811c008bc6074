"""One project may have very many files: its rows come whole, and take little memory."""

from __future__ import annotations

from pathlib import Path

from integration_tests.conftest import STOREFRONT
from integration_tests.peak import on_linux, peak_and_run
from sandbox import Sandbox

RESULTS, ARTIFACTS, ARTIFACT_FILES = "processing_results", "artifacts", "artifact_files"
FEWER, MORE = 5_000, 20_000
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
