"""Runs the command in forks of a process that has imported the framework already, which is most of what a start costs.

A fork is a process like any other, with arguments, variables, folder and output of its own. What is about the start
itself, or about signals, takes a real one.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from threading import Lock

ROOT = Path(__file__).parents[1]
_LONGEST_REQUEST = 1024 * 1024
_starting = Lock()


def is_possible() -> bool:
    """Elsewhere a fork of a process that has imported much is not safe."""
    return sys.platform == "linux"


def run_forked(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], seconds: float
) -> tuple[int, str, str]:
    """Exit code, output and errors of the command. Raises `TimeoutExpired`."""
    request = json.dumps({"arguments": list(arguments), "folder": str(folder), "environment": dict(environment)})
    with (
        socket.socket(socket.AF_UNIX) as connection,
        tempfile.TemporaryFile() as output,
        tempfile.TemporaryFile() as errors,
    ):
        connection.connect(_server())
        socket.send_fds(connection, [request.encode() + b"\n"], [output.fileno(), errors.fileno()])
        connection.settimeout(seconds)
        told = connection.makefile("r")
        pid = int(told.readline())
        try:
            code = int(told.readline())
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired(list(arguments), seconds) from None
        texts = []
        for file in (output, errors):
            file.seek(0)
            texts.append(file.read().decode())
    return code, texts[0], texts[1]


def _server() -> str:
    with _starting:
        return _started_server()


@lru_cache(1)
def _started_server() -> str:
    """The address of this process' own server, which ends with it."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    address = f"{folder}/forks"
    process = subprocess.Popen(
        [sys.executable, "-m", "integration_tests.forked", address],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout
    atexit.register(process.communicate)  # it ends when nobody can ask any more
    process.stdout.readline()
    return address


def _serve(address: str) -> None:
    """Fork for each request; returns in a fork that is to be the command."""
    import airbyte_cdk.entrypoint
    import airbyte_cdk.sources.declarative.yaml_declarative_source  # noqa: F401  what the command imports, but for itself

    # whoever waits for a command ends by himself
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            ready, _, _ = select.select([listener, sys.stdin], [], [])
            if sys.stdin in ready:
                os._exit(0)
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                _become_the_command(connection)
                return
            connection.close()


def _become_the_command(connection: socket.socket) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    data, descriptors = b"", list[int]()
    while not data.endswith(b"\n"):
        more, passed, _, _ = socket.recv_fds(connection, _LONGEST_REQUEST, 2)
        data, descriptors = data + more, descriptors + list(passed)
    pid = os.fork()
    if pid:
        connection.sendall(f"{pid}\n".encode())
        _, status = os.waitpid(pid, 0)
        with suppress(OSError):
            connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
        os._exit(0)
    connection.close()
    request = json.loads(data)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, descriptor in enumerate(descriptors, 1):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    sys.argv = ["source-customerscanvas", *request["arguments"]]


if __name__ == "__main__":
    _serve(sys.argv[1])

    from source_customerscanvas.run import run

    sys.exit(run())  # type: ignore[func-returns-value]  # as the installed command does
