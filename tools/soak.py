"""A soak: syncs, one after the other, of a shop that changes while everything around it misbehaves: `make soak`.

Three connections take turns, each with all streams, a state, a warehouse and a store of its own: a folder, a bucket, an
SFTP server. While they sync, the shop changes, servers and stores go away, requests fail or are limited, and syncs are
killed. From time to time all of that stops, each connection syncs in quiet, and what it has is held against the shop.
A fourth connection waits for unfinished projects in one single process, whose memory is looked at.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any

from integration_tests.command_line import OF_ORDERS, TRACKED, CommandLine, State, bare_catalog, configured
from integration_tests.engine import key_of
from integration_tests.expected import Rows, expected, expected_orders, without_delivery
from integration_tests.files.stores.line import Line, line_to
from integration_tests.files.stores.places import Place, folder_place, s3_place, sftp_place
from sandbox import Sandbox

STREAMS = (*OF_ORDERS, *TRACKED)
STOREFRONTS = (11, 12)
MISHAPS = ("none", "kill", "kill", "terminate", "outage", "store", "limit", "failures", "restart")
LOOKBACK_SECONDS = 60
OUTPUT = "output.jsonl"
QUIET_EVERY = 12
"""So many syncs with mishaps lie between two comparisons with the shop."""

Levels = dict[str, list[float]]


@dataclass
class Connection:
    """What one connection remembers, and what its destination holds."""

    name: str
    place: Place
    command: CommandLine
    line: Line | None = None
    state: State = field(default_factory=list)
    tables: dict[str, Rows] = field(default_factory=lambda: {stream: {} for stream in STREAMS})
    covered: dict[str, Rows] = field(default_factory=lambda: {stream: {} for stream in STREAMS})
    """What lies before the state that the next sync is given."""
    peaks: list[float] = field(default_factory=list)
    repeated: int = 0

    def take(self, output: Iterator[str]) -> None:
        """Read a sync's messages; what is cut off by a kill is no message."""
        begun_with = {stream: dict(rows) for stream, rows in self.covered.items()}
        pending: dict[str, list[dict[str, Any]]] = {stream: [] for stream in STREAMS}
        states = {one["stream"]["stream_descriptor"]["name"]: one for one in self.state}
        for line in output:
            with suppress(json.JSONDecodeError):
                message = json.loads(line)
                if message["type"] == "RECORD":
                    stream, row = message["record"]["stream"], message["record"]["data"]
                    key = key_of(stream, row)
                    self.repeated += stream not in OF_ORDERS and begun_with[stream].get(key) == row
                    self.tables[stream][key] = row
                    pending[stream].append(row)
                elif message["type"] == "STATE":
                    stream = message["state"]["stream"]["stream_descriptor"]["name"]
                    states[stream] = message["state"]
                    self.covered[stream] |= {key_of(stream, row): row for row in pending.pop(stream)}
                    pending[stream] = []
        self.state = list(states.values())


class Soak:
    """A shop, its connections, and what happens to them; `told` counts what did."""

    def __init__(self, sandbox: Sandbox, seed: int) -> None:
        self.sandbox = sandbox
        self.dice = random.Random(seed)
        self.told: Counter[str] = Counter()
        self.differences: list[str] = []
        self._stopped = Event()
        self._paused = Event()
        self._unfinished: list[int] = []
        self._movable: list[int] = []

    # What happens in the shop

    @contextmanager
    def changing(self) -> Iterator[None]:
        thread = Thread(target=self._change, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            thread.join()

    def _change(self) -> None:
        dice = random.Random(self.dice.random())
        while not self._stopped.wait(dice.uniform(0.1, 1.0)):
            if not self._paused.is_set():
                self._change_once(dice)

    def _change_once(self, dice: random.Random) -> None:
        shop, ids = self.sandbox.shop, self.sandbox.shop.project_ids()
        what = dice.choice(("create", "create", "finish", "finish", "modify", "move", "status", "anew"))
        self.told[f"change: {what}"] += 1
        if what == "create":
            order = f"{dice.choice((50, 60, 70))}{len(ids) // 4}"
            processing: Any = dice.choice((None, "InProgress", "Completed", "Failed"))
            id_ = shop.create_project(dice.choice(STOREFRONTS), order, processing=processing, files=dice.randint(1, 3))
            if processing != "Completed":
                self._unfinished.append(id_)
                self._movable.append(id_)
        elif what == "move" and self._movable:
            # once each: of one that moves twice between two syncs, the order in between may keep a trace
            shop.move_project(self._movable.pop(dice.randrange(len(self._movable))), f"80{dice.randint(0, 9)}", None)
        elif what == "finish" and self._unfinished:
            id_ = self._unfinished.pop(dice.randrange(len(self._unfinished)))
            # of projects that have been finished for long, the rows of files keep the order
            self._movable = [one for one in self._movable if one != id_]
            shop.process(id_, "Completed", files=dice.randint(1, 3))
            if dice.random() < 0.3:
                shop.post_process(id_)
        elif what == "modify":
            shop.modify_project(dice.choice(ids), description=f"changed {dice.random()}")
        elif what == "status":
            shop.set_status(dice.choice(ids), dice.choice((1, 2, 3)))
        elif what == "anew" and (artifacts := shop.artifacts(id_ := dice.choice(ids))):
            shop.regenerate_artifact(artifacts[0]["id"])
            shop.modify_project(id_)

    # What happens to a sync

    def sync(self, connection: Connection, mishap: str) -> None:
        process = begin_read(connection.command, self._config(connection), connection.state)
        levels = watch(process)
        self._befall(mishap, connection, process)
        code = process.wait()
        self.told[f"sync: {mishap}"] += 1
        if code not in (0, -signal.SIGKILL, 143):
            self.told[f"ended with an error: {mishap}"] += 1
        with open(connection.command.folder / OUTPUT, encoding="utf-8", errors="replace") as lines:
            connection.take(lines)
        connection.peaks.append(max(levels["MB"], default=0))
        for path in connection.command.folder.glob("*.json"):
            path.unlink()

    def _config(self, connection: Connection) -> dict[str, Any]:
        files = dict(connection.place.files)
        if connection.line and "port" in files:
            files["port"] = connection.line.port
        elif connection.line:
            files["endpoint"] = f"http://127.0.0.1:{connection.line.port}"  # ignore-https-check
        return self.sandbox.config(files=files, order_manifest=True, lookback_minutes=LOOKBACK_SECONDS // 60)

    def _befall(self, mishap: str, connection: Connection, process: subprocess.Popen[bytes]) -> None:
        wait = self.dice.uniform(0.5, 6)
        if mishap in ("kill", "terminate"):
            with suppress(subprocess.TimeoutExpired):
                process.wait(wait)
            process.send_signal(signal.SIGKILL if mishap == "kill" else signal.SIGTERM)
        elif mishap == "outage":
            kind: Any = self.dice.choice(("503", "reset", "refused"))
            where: Any = self.dice.choice((["api"], ["hub"], ["cdn"], ["api", "hub", "cdn"]))
            self.sandbox.outage(kind, where, seconds=self.dice.uniform(2, 30), after=wait / 3)
        elif mishap == "store" and connection.line:
            connection.line.cut_after(self.dice.randrange(1_000, 50_000), refused=self.dice.randint(0, 3))
        elif mishap == "limit":
            self.sandbox.limit(
                self.dice.choice((10, 20, 50)),
                self.dice.choice(("seconds", "date", None)),
                status=self.dice.choice((429, 503)),
            )
        elif mishap == "failures":
            for action in ({"status": 500}, {"reset": True}, {"page": "bad gateway"}, {"broken_json": True}):
                self.sandbox.fault(skip=self.dice.randint(0, 30), times=self.dice.randint(1, 5), **action)
            self.sandbox.fault("/file", truncate_after=700, times=3)
        elif mishap == "restart":
            self.sandbox.expire_tokens()
            self.sandbox.outage("refused", ["api", "hub", "cdn"], seconds=self.dice.uniform(1, 8), after=wait / 3)
        process.wait()
        self.sandbox.limit(None)
        self.sandbox.clear_faults()
        if connection.line:
            connection.line.cut(refused=0)

    # What has to be true

    def compare(self, connections: list[Connection]) -> None:
        """Nothing happens any more; two syncs, the second of which asks once more for what the first one saw finish."""
        self._paused.set()
        for pause in (0, LOOKBACK_SECONDS + 5):
            time.sleep(pause)
            for connection in connections:
                self.sync(connection, "none")
        for connection in connections:
            self._compare(connection)
        self._paused.clear()

    def _compare(self, connection: Connection) -> None:
        wanted = {**expected(self.sandbox), **expected_orders(self.sandbox)}
        for stream, rows in wanted.items():
            found = connection.tables[stream]
            if stream == "artifact_files":
                found = {key: without_delivery(row) for key, row in found.items()}
            elif stream == "orders":
                found = {key: _as_results_say(row) for key, row in found.items()}
            wrong = [key for key, row in rows.items() if found.get(key) != row]
            if wrong:
                first = f"{found.get(wrong[0])} instead of {rows[wrong[0]]}"
                self.differences.append(f"{connection.name}: {len(wrong)} rows of {stream}, such as {first}")
            self.told["rows compared"] += len(rows)
        contents = connection.place.contents()
        for id_ in wanted["artifact_files"]:
            row = connection.tables["artifact_files"].get(id_, {})
            stored = contents.get(row.get("filePath", ""), b"")
            if not sha256(stored).hexdigest() == row.get("sha256") == self.sandbox.shop.file_sha256(id_):
                self.differences.append(f"{connection.name}: the file of {id_} is not what the shop has")
            self.told["files compared"] += 1
        # what a killed run has left on an SFTP server stays for a day: another run might still be writing it
        unfinished = [path for path in contents if path.rpartition("/")[2].startswith(".")]
        if unfinished and connection.name != "sftp":
            self.differences.append(f"{connection.name}: {unfinished[:3]} are unfinished")


def _as_results_say(row: dict[str, Any]) -> dict[str, Any]:
    """A row of `orders` in which a project without a run is `Pending`, as its results say, where the list says null."""
    projects = [{**one, "processingStatus": one.get("processingStatus") or "Pending"} for one in row["projects"]]
    return {**row, "projects": projects}


def watch(process: subprocess.Popen[bytes], every: float = 0.5) -> Levels:
    """The memory (MB), threads and open files of a process, looked at until its end in a thread; Linux only."""
    levels: Levels = {"MB": [], "threads": [], "files": []}

    def look() -> None:
        folder = Path("/proc", str(process.pid))
        while process.returncode is None:
            with suppress(OSError, KeyError, ValueError):
                told = dict(one.split(":", 1) for one in (folder / "status").read_text().splitlines())
                files = len(list((folder / "fd").iterdir()))
                levels["MB"].append(int(told["VmRSS"].split()[0]) / 1000)
                levels["threads"].append(int(told["Threads"]))
                levels["files"].append(files)
            time.sleep(every)

    Thread(target=look, daemon=True).start()
    return levels


def begin_read(command: CommandLine, config: dict[str, Any], state: State) -> subprocess.Popen[bytes]:
    """A sync in its folder, at the speed of real time, that writes what it says to `OUTPUT` there."""
    catalog = configured(bare_catalog(), *STREAMS)
    words = command.arguments(config=config, catalog=catalog, state=state or None)
    program = str(Path(sys.executable).with_name("source-customerscanvas"))
    with open(command.folder / OUTPUT, "wb") as out:
        return subprocess.Popen([program, "read", *words], cwd=command.folder, stdout=out, stderr=subprocess.STDOUT)


@contextmanager
def waiting(sandbox: Sandbox, folder: Path, minutes: float) -> Iterator[Levels]:
    """A sync that waits for as long as the soak takes, and what it is like meanwhile."""
    processing = {"wait_minutes": max(int(minutes), 1), "poll_seconds": 60}
    config = sandbox.config(files=folder_place(folder / "files").files, processing=processing)
    process = begin_read(CommandLine(folder), config, [])
    try:
        yield watch(process, every=10)
    finally:
        process.terminate()
        process.wait()


def soak(minutes: float, seed: int, folder: Path) -> tuple[Soak, list[Connection], Levels]:
    """Everything, for so many minutes."""
    ends = time.monotonic() + minutes * 60
    with ExitStack() as stack:
        sandbox = stack.enter_context(Sandbox(empty=True, clock="real", latency=0.02, keep_requests=10_000))
        for storefront in STOREFRONTS:
            sandbox.shop.add_storefront(id=storefront)
        for number in range(600):
            processing: Any = ("Completed", "Completed", "Completed", "InProgress")[number % 4]
            sandbox.shop.create_project(STOREFRONTS[number % 2], f"40{number // 3}", processing=processing, files=2)
        run = Soak(sandbox, seed)
        connections = list(_connections(stack, folder))
        apart = folder / "waiting"
        apart.mkdir()
        levels = stack.enter_context(waiting(sandbox, apart, minutes))
        with run.changing():
            number = 0
            while time.monotonic() < ends:
                number += 1
                run.sync(connections[number % len(connections)], run.dice.choice(MISHAPS))
                if number % QUIET_EVERY == 0:
                    run.compare(connections)
                    say(run, connections, levels)
            run.compare(connections)
    return run, connections, levels


def _connections(stack: ExitStack, folder: Path) -> Iterator[Connection]:
    own = {name: folder / name for name in ("folder", "s3", "sftp")}
    for path in own.values():
        path.mkdir()
    yield Connection("folder", folder_place(own["folder"] / "files"), CommandLine(own["folder"]))
    servers = {"s3": s3_place(), "sftp": sftp_place(own["sftp"], own["sftp"] / "upload")}
    for name, server in servers.items():
        place = stack.enter_context(server)
        yield Connection(name, place, CommandLine(own[name]), stack.enter_context(line_to(place.port)))


def say(run: Soak, connections: list[Connection], levels: Levels) -> None:
    """What has been found so far."""
    lines = [f"{what}: {count}" for what, count in sorted(run.told.items())]
    for one in connections:
        files = len(one.tables["artifact_files"])
        first, last = one.peaks[: len(one.peaks) // 2], one.peaks[len(one.peaks) // 2 :]
        lines.append(
            f"{one.name}: {len(one.peaks)} syncs, {files} files, {one.repeated} rows repeated that a state covered, "
            f"memory at most {max(first, default=0):.0f} MB in the first half, {max(last, default=0):.0f} in the second"
        )
    for what, values in levels.items():
        half = len(values) // 2
        if half:
            lines.append(f"waiting, {what}: at most {max(values[:half]):.0f}, then {max(values[half:]):.0f}")
    lines += run.differences or ["Nothing is lost, nothing is different."]
    sys.stdout.write("\n".join([*lines, "", ""]))
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with TemporaryDirectory(prefix="soak-") as folder:
        run, connections, levels = soak(options.minutes, options.seed, Path(folder))
        say(run, connections, levels)
    return 1 if run.differences else 0


if __name__ == "__main__":
    sys.exit(main())
