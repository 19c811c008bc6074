"""Runs the command line as a process of its own, and tells the greatest memory that it had."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from integration_tests.command_line import CommandLine, Run, State, bare_catalog, configured

on_linux = pytest.mark.skipif(
    sys.platform != "linux", reason="each system counts a process' greatest memory in its own unit"
)

_PEAK = (
    "import os, subprocess, sys; process = subprocess.Popen(sys.argv[2:]); _, status, used = os.wait4(process.pid, 0); "
    "open(sys.argv[1], 'w').write(str(used.ru_maxrss)); os._exit(os.waitstatus_to_exitcode(status))"
)
"""Runs a command and notes its greatest memory in KiB: a process' own, which a child of pytest would begin with."""


def peak_and_run(folder: Path, config: Any, *streams: str, state: State | None = None) -> tuple[int, Run]:
    """The greatest memory in bytes of a sync of these streams."""
    note = folder / "peak"
    command = str(Path(sys.executable).with_name("source-customerscanvas"))
    measured = CommandLine(folder, program=[sys.executable, "-c", _PEAK, str(note), command])
    run = measured.read(config, configured(bare_catalog(), *streams), state)
    assert run.exit_code == 0
    return int(note.read_text()) * 1024, run
