"""The command as process 1 of its container, ended while files are under way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from integration_tests.command_line import CommandLine, bare_catalog, children, configured
from integration_tests.conftest import STOREFRONT
from sandbox import Sandbox

FILES = 16
FILE_BYTES = 2_000_000
SECONDS = 10
"""What `docker stop` gives a container before it kills it."""

NAMESPACE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
INSTALLED = str(Path(sys.executable).with_name("source-customerscanvas"))


def can_be_process_1() -> bool:
    try:
        done = subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False)
    except FileNotFoundError:
        return False
    return done.returncode == 0


as_process_1 = pytest.mark.skipif(not can_be_process_1(), reason="a namespace of processes may not be made here")


@dataclass(frozen=True)
class Running:
    """A read whose files have begun and do not come to their end."""

    process: subprocess.Popen[str]
    pid: int
    """Of the connector itself, as seen from outside its namespace."""
    folder: Path

    def files(self) -> list[Path]:
        return [path for path in self.folder.rglob("*") if path.is_file()]

    def begun_files(self) -> int:
        return sum(path.stat().st_size > 0 for path in self.files())

    def end(self, number: int) -> int:
        """Send a signal to the connector; its exit code, once it has ended within the time that is given to it."""
        os.kill(self.pid, number)
        return self.process.wait(timeout=SECONDS)


@contextmanager
def running(
    tmp_path: Path,
    program: list[str],
    is_process_1: bool,
    written_as: Callable[[list[str]], list[str]] = lambda arguments: arguments,
    state: object = None,
) -> Iterator[Running]:
    with Sandbox(empty=True, file_size=FILE_BYTES) as sandbox:
        for _ in range(FILES):
            sandbox.shop.create_project(STOREFRONT, processing="Completed", files=1)
        sandbox.fault(r"/file$", stall_after=FILE_BYTES // 2)
        asked_for = threading.Semaphore(0)
        sandbox.on(r"/file$", lambda: asked_for.release())
        folder = tmp_path / "print-files"
        folder.mkdir()
        command = CommandLine(tmp_path, program=program)
        config = sandbox.config(files={"delivery": "folder", "path": str(folder)}, num_workers=2 * FILES)
        catalog = configured(bare_catalog(), "artifact_files")
        process = command.start("read", *written_as(command.arguments(config=config, catalog=catalog, state=state)))
        try:
            for _ in range(FILES):
                assert asked_for.acquire(timeout=60)
            pid = children(process)[0] if is_process_1 else process.pid
            one = Running(process, pid, folder)
            wait_for(lambda: one.begun_files() == FILES)
            yield one
        finally:
            process.kill()
            process.communicate()


def wait_for(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture(autouse=True)
def heeds_ctrl_c() -> Iterator[None]:
    """What is started heeds Ctrl+C, although the tests may run in the background of a shell, where nothing does."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@as_process_1
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["term", "int"])
def test_given_files_under_way_when_process_1_is_told_to_end_then_it_ends_at_once_and_leaves_none_of_them(
    tmp_path: Path, number: int, code: int
) -> None:
    with running(tmp_path, [*NAMESPACE, INSTALLED], is_process_1=True) as read:
        assert read.end(number) == code
        assert read.files() == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["term", "int"])
def test_given_files_under_way_when_a_command_is_told_to_end_then_it_ends_at_once_and_leaves_nothing(
    tmp_path: Path, number: int, code: int
) -> None:
    with running(tmp_path, [INSTALLED], is_process_1=False) as read:
        begun = children(read.process)
        assert read.end(number) == code
        assert read.files() == []
        wait_for(lambda: not any(map(is_alive, begun)))
        assert read.process.stderr
        assert read.process.stderr.read() == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["term", "kill"])
def test_given_a_read_under_way_when_it_is_ended_then_its_configuration_lies_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    with running(tmp_path, [INSTALLED], is_process_1=False) as read:
        assert read.process.stdout
        assert any('"STREAM_STATUS"' in line for line in read.process.stdout)  # the framework has read its inputs
        read.end(number)
        assert [path for path in temporary.rglob("*") if path.is_file()] == []


def with_equals_signs(arguments: list[str]) -> list[str]:
    return [f"{name}={value}" for name, value in zip(arguments[::2], arguments[1::2], strict=True)]


def abbreviated(arguments: list[str]) -> list[str]:
    return [argument[:5] if argument.startswith("--") else argument for argument in arguments]


@pytest.mark.parametrize(
    ("written_as", "state"),
    [
        (with_equals_signs, None),
        (abbreviated, None),
        (list, [{"type": "GLOBAL", "global": {"shared_state": {}, "stream_states": []}}]),
    ],
    ids=["equals", "abbreviated", "global"],
)
def test_given_arguments_that_only_the_framework_reads_when_told_to_end_then_nothing_is_left_either(
    tmp_path: Path, written_as: Callable[[list[str]], list[str]], state: object
) -> None:
    with running(tmp_path, [INSTALLED], is_process_1=False, written_as=written_as, state=state) as read:
        assert read.end(signal.SIGTERM) == 143
        assert read.files() == []


SLOW_CHECK = """
import sys, time
from pathlib import Path
from source_customerscanvas.files.stores.folder import FolderStore
from source_customerscanvas.run import run
read = FolderStore.read
def read_late(store, path):
    Path("reading").touch()
    while not Path("go-on").exists():
        time.sleep(0.01)
    return read(store, path)
FolderStore.read = read_late
run()
"""


def test_given_a_check_that_has_written_its_file_when_told_to_end_then_the_signal_ends_it_and_nothing_is_left(
    tmp_path: Path,
) -> None:
    with Sandbox() as sandbox:
        folder = tmp_path / "print-files"
        command = CommandLine(tmp_path, program=[sys.executable, "-c", SLOW_CHECK])
        config = sandbox.config(files={"delivery": "folder", "path": str(folder)})
        process = command.start("check", *command.arguments(config=config))
        wait_for((tmp_path / "reading").exists)
        assert len(list(folder.iterdir())) == 2
        process.terminate()
        (tmp_path / "go-on").touch()
        process.communicate(timeout=SECONDS)
        assert process.returncode == -signal.SIGTERM
        assert list(folder.iterdir()) == []


def test_given_a_reader_that_is_gone_when_files_are_read_then_no_trace_is_left(tmp_path: Path) -> None:
    with running(tmp_path, [INSTALLED], is_process_1=False) as read:
        begun = children(read.process)
        assert read.process.stdout
        assert read.process.stderr
        read.process.stdout.close()
        # the next message, a log line at the latest, meets the closed pipe
        assert read.process.wait(timeout=60) == 1
        assert read.files() == []
        wait_for(lambda: not any(map(is_alive, begun)))
        assert read.process.stderr.read() == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device here is always full")
def test_given_an_output_that_cannot_be_written_when_files_are_read_then_it_ends_and_no_trace_is_left(
    tmp_path: Path,
) -> None:
    with Sandbox() as sandbox, open("/dev/full", "w", encoding="utf-8") as full:
        folder = tmp_path / "print-files"
        config = sandbox.config(files={"delivery": "folder", "path": str(folder)})
        options = CommandLine(tmp_path).arguments(config=config, catalog=configured(bare_catalog()))
        ended = subprocess.run([INSTALLED, "read", *options], stdout=full, stderr=subprocess.DEVNULL, timeout=SECONDS)
        assert ended.returncode == 1
        assert [path for path in folder.rglob(".*") if path.is_file()] == []
