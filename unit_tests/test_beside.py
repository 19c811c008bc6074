"""What of a read comes out of a process of its own."""

import subprocess
import sys

import pytest

from source_customerscanvas.beside import IS_POSSIBLE

READ = """
import logging
from types import SimpleNamespace
from source_customerscanvas.beside import ReadingProcess
from source_customerscanvas.errors import CustomersCanvasError, ServerTrouble

def fail(*_):
    raise ServerTrouble("GET x", "HTTP 500")

def emissions(name):
    yield f"first of {name}"
    for _ in range(500):
        logging.getLogger("airbyte.test").warning("on the way")
    fail()

def begin():
    client = SimpleNamespace(get_json=fail)
    return SimpleNamespace(names=["projects"], emissions=emissions, client=client, abandon=lambda: None)

if __name__ == "__main__":
    process = ReadingProcess(begin)
    logging.basicConfig(format="%(message)s")
    assert process.begin()
    for ask in (lambda: [print(one) for one in process.emissions("projects")], lambda: process.get_json("x")):
        try:
            ask()
            print("no error")
        except CustomersCanvasError as error:
            print(type(error).__name__, error.message)
    process.end()
"""


@pytest.mark.skipif(not IS_POSSIBLE, reason="on this system, one process does both")
def test_given_a_read_that_fails_when_it_goes_on_in_another_process_then_its_errors_and_its_log_come_through() -> None:
    run = subprocess.run([sys.executable, "-c", READ], capture_output=True, text=True, check=True, timeout=60)
    first, *errors = run.stdout.splitlines()
    assert first == "first of projects"
    assert len(errors) == 2
    assert all(line.startswith("ServerTrouble") and "HTTP 500" in line for line in errors)
    assert run.stderr.splitlines() == ["on the way"] * 500
