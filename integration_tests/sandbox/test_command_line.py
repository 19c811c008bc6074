"""`python -m sandbox`: serves until it is stopped, and says in one sentence why it cannot."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "sandbox"]


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_given_the_command_when_stopped_then_it_has_served_and_ends_cleanly(
    tmp_path: Path, stop: signal.Signals
) -> None:
    ready = tmp_path / "ready.json"
    options = ["--port", "0", "--projects", "10", "--switch", "page_cap=3", "--ready-file", str(ready)]
    options += ["--limit", "requests_per_second=0.001", "--limit", "window=1000", "--limit", "origin=cdn"]
    options += ["--fault", '{"path": "/nothing", "page": "default backend"}']
    options += ["--outage", '{"kind": "503", "where": ["hub"]}']
    with subprocess.Popen([*COMMAND, *options], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 20
        while not ready.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        served = json.loads(ready.read_text())
        state = httpx.get(f"{served['url']}/sandbox/state", trust_env=False).json()
        answers = [httpx.get(url, trust_env=False) for url in (served["hub_url"], served["url"] + "/nothing")]
        limited = [httpx.get(served["cdn_url"], trust_env=False).status_code for _ in range(3)]
        process.send_signal(stop)
        output, _ = process.communicate(timeout=20)
    assert (state["projects"], state["switches"]["page_cap"]) == (10, 3)
    assert [one.status_code for one in answers] == [503, 404]
    assert answers[1].text == "default backend - 404"
    assert limited[-1] == 429
    assert process.returncode == 0
    assert json.dumps(served["config"]) in output
    assert served["cdn_url"] in output


def test_given_a_taken_port_when_started_then_one_sentence_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run([*COMMAND, "--port", str(port)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == f"Port {port} (or --hub-port 0, --cdn-port 0) is taken.\n"


@pytest.mark.parametrize(
    "options",
    [
        ["--fault", "503"],
        ["--fault", '{"nope": 1}'],
        ["--limit", "window"],
        ["--limit", "nope=1"],
        ["--limit", "requests_per_second=1", "--limit", "retry_after=minutes"],
        ["--outage", "[]"],
        ["--outage", '{"kind": "nope"}'],
    ],
)
def test_given_an_option_that_makes_no_sense_when_started_then_it_is_refused(options: list[str]) -> None:
    done = subprocess.run([*COMMAND, *options], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_given_an_unknown_switch_when_started_then_the_known_ones_are_named() -> None:
    done = subprocess.run([*COMMAND, "--switch", "nope=1"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "page_cap" in done.stderr
