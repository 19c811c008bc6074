"""However many or large the files are, downloads stay within their limits."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from integration_tests.command_line import CommandLine, Run, bare_catalog, configured
from integration_tests.files.conftest import Shop
from sandbox import FileSpec, RequestRecord


def test_given_sixteen_files_at_once_when_synced_then_they_share_the_workers_with_everything_else(shop: Shop) -> None:
    workers = 4
    for number in range(16):
        shop.add(FileSpec(size=1000), order_id=str(number))
    lock, together = threading.Lock(), threading.Barrier(workers)
    under_way: list[int] = [0, 0]

    def answer(request: RequestRecord) -> None:
        # counted before each answer: a client that has not got it still holds its worker
        with lock:
            under_way[0] += 1
            under_way[1] = max(under_way)
        if request.path.endswith("/file"):
            together.wait(30)
        with lock:
            under_way[0] -= 1

    shop.sandbox.on("", answer)
    run = shop.sync(None, "artifact_files", "projects", "storefronts", num_workers=workers)

    assert run.exit_code == 0
    assert len(shop.delivered(run)) == 16
    assert under_way[1] == workers


PEAK = (
    "import os, subprocess, sys; process = subprocess.Popen(sys.argv[2:]); _, status, used = os.wait4(process.pid, 0); "
    "open(sys.argv[1], 'w').write(str(used.ru_maxrss)); os._exit(os.waitstatus_to_exitcode(status))"
)
"""Runs a command and notes its greatest memory in KiB: a process' own, which a child of pytest would begin with."""


def peak_and_run(shop: Shop, files: Sequence[FileSpec], **settings: Any) -> tuple[int, Run]:
    """The greatest memory in bytes of a sync of these files."""
    note = shop.folder / "peak"
    command = str(Path(sys.executable).with_name("source-customerscanvas"))
    measured = CommandLine(shop.folder, program=[sys.executable, "-c", PEAK, str(note), command])
    for file in files:
        shop.add(file)
    run = measured.read(shop.config(**settings), configured(bare_catalog(), "artifact_files"))
    assert run.exit_code == 0
    return int(note.read_text()) * 1024, run


@pytest.mark.skipif(sys.platform != "linux", reason="each system counts a process' greatest memory in its own unit")
@pytest.mark.parametrize(
    "files", [[FileSpec(size=2**30)], [FileSpec(size=2**26)] * 16], ids=["1-of-1-GiB", "16-of-64-MiB"]
)
def test_given_large_files_when_downloaded_then_memory_stays_within_30_mb_of_that_for_a_small_one(
    shop: Shop, files: list[FileSpec]
) -> None:
    small, _ = peak_and_run(shop, [FileSpec(size=1024)])
    shop.sandbox.shop.remove_project(1)
    large, run = peak_and_run(shop, files)

    assert large - small <= 30_000_000
    records = run.records("artifact_files")
    assert sum(record["size"] for record in records) == 2**30
    for record in records:
        content = shop.sandbox.shop.content(record["artifactId"])[1]
        with (shop.files / record["filePath"]).open("rb") as file:
            assert all(file.read(len(piece)) == piece for piece in content.read(0, content.length))
            assert file.read() == b""
