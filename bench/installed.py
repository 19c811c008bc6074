"""The connector as its users have it: a wheel, installed and compiled, in an environment of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from bench.measure import ROOT, BenchError

PLACE = ROOT / "build" / "bench"

PYTHON = PLACE / "venv" / "bin" / "python"
CONNECTOR = PYTHON.with_name("source-customerscanvas")

DLT_PYTHON = PLACE / "dlt" / "bin" / "python"
_DLT = "dlt>=1.6,<2"


def install() -> None:
    """Build the package as it is now, and install it with what it needs. Raises `BenchError`."""
    wheels = PLACE / "wheel"
    shutil.rmtree(wheels, ignore_errors=True)
    _do(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", wheels, ROOT)
    _make(PYTHON)
    # a wheel of the same version counts as installed
    _do(PYTHON, "-m", "pip", "uninstall", "--quiet", "--yes", "source-customerscanvas")
    _do(PYTHON, "-m", "pip", "install", "--quiet", *wheels.glob("*.whl"))


def install_dlt() -> bool:
    """Whether dlt is there, which not every machine can install."""
    try:
        _make(DLT_PYTHON)
        _do(DLT_PYTHON, "-m", "pip", "install", "--quiet", _DLT)
    except BenchError:
        return False
    return True


def _make(python: Path) -> None:
    if not python.exists():
        _do(sys.executable, "-m", "venv", python.parents[1])


def _do(*command: str | Path) -> None:
    done = subprocess.run([str(word) for word in command], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise BenchError(f"{' '.join(map(str, command[:4]))} ended with {done.returncode}: {done.stderr[-1000:]}")
