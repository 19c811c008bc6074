"""Runs the connector's command line as a process of its own, as a platform does, and reads what it says."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from integration_tests.forked import is_possible, run_forked

CaseT = TypeVar("CaseT")
DoneT = TypeVar("DoneT")

ROOT = Path(__file__).parents[1]
FULL_REFRESH = ("storefronts", "project_statuses", "processing_pipelines")
TRACKED = ("projects", "processing_results", "artifacts", "artifact_files")
OF_ORDERS = ("orders", "shop_orders")
STREAMS = (*FULL_REFRESH, *OF_ORDERS, *TRACKED)
MESSAGE_TYPES = frozenset({"RECORD", "STATE", "LOG", "TRACE", "SPEC", "CATALOG", "CONNECTION_STATUS", "CONTROL"})

Message = dict[str, Any]
State = list[dict[str, Any]]

_SECONDS = 120
_TIME_FACTOR = "20"
"""How much faster than ours the connector's clock runs: its back-offs take no time to speak of."""

_READ_WHEN_NEEDED = frozenset({"CUSTOMERSCANVAS_TIME_FACTOR", "AIRBYTE_STAGING_DIRECTORY", "HOME"})
"""Variables that the connector alone looks at: others may be read when Python starts, or the framework is imported."""


@dataclass(frozen=True)
class Run:
    """What one command has said."""

    exit_code: int
    output: str
    errors: str

    @cached_property
    def messages(self) -> list[Message]:
        """Each line of the output; fails where one is no message of the protocol."""
        messages = [json.loads(line) for line in self.output.splitlines()]
        assert all(message["type"] in MESSAGE_TYPES for message in messages)
        return messages

    def of_type(self, kind: str) -> list[Message]:
        return [message[_content_key(kind)] for message in self.messages if message["type"] == kind]

    def records(self, stream: str) -> list[Message]:
        """The data of a stream's records, in their order."""
        return [record["data"] for record in self.of_type("RECORD") if record["stream"] == stream]

    def file_references(self) -> dict[str, Message]:
        """The file reference of each record that has one, by the artifact's id."""
        return {
            record["data"]["artifactId"]: record["file_reference"]
            for record in self.of_type("RECORD")
            if record.get("file_reference")
        }

    @cached_property
    def state(self) -> State:
        """The last state of each stream, as the next sync is given it."""
        states = {state["stream"]["stream_descriptor"]["name"]: state for state in self.of_type("STATE")}
        return list(states.values())

    def logs(self, level: str = "") -> list[str]:
        return [log["message"] for log in self.of_type("LOG") if level in ("", log["level"])]

    @property
    def traces(self) -> list[Message]:
        """The errors that a user sees."""
        return [trace["error"] for trace in self.of_type("TRACE") if trace["type"] == "ERROR"]

    def statuses(self) -> dict[str, str]:
        """The last status of each stream."""
        traces = [trace["stream_status"] for trace in self.of_type("TRACE") if trace["type"] == "STREAM_STATUS"]
        return {trace["stream_descriptor"]["name"]: trace["status"] for trace in traces}

    @property
    def connection_status(self) -> Message:
        (status,) = self.of_type("CONNECTION_STATUS")
        return status

    @property
    def catalog(self) -> Message:
        (catalog,) = self.of_type("CATALOG")
        return catalog


def _content_key(kind: str) -> str:
    return "connectionStatus" if kind == "CONNECTION_STATUS" else kind.lower()


class CommandLine:
    """The installed command, run in a folder that holds its input files.

    `environment` is added to the process' own variables. `program` is what is run instead of the installed command.
    Where it makes no difference, `run` begins when the framework has been imported (see `forked`).
    """

    def __init__(
        self, folder: Path, environment: Mapping[str, str] | None = None, program: Sequence[str] | None = None
    ) -> None:
        self.folder = folder
        self._environment = {"CUSTOMERSCANVAS_TIME_FACTOR": _TIME_FACTOR, **(environment or {})}
        self._may_be_forked = is_possible() and not program and {*(environment or {})} <= _READ_WHEN_NEEDED
        self._program = list(program or [str(Path(sys.executable).with_name("source-customerscanvas"))])
        self._numbers = count(1)

    def spec(self) -> Run:
        return self.run("spec")

    def check(self, config: Any, *options: str) -> Run:
        return self.run("check", *self.arguments(config=config), *options)

    def discover(self, config: Any, *options: str) -> Run:
        return self.run("discover", *self.arguments(config=config), *options)

    def read(self, config: Any, catalog: Any, state: Any = None, *options: str) -> Run:
        return self.run("read", *self.arguments(config=config, catalog=catalog, state=state), *options)

    def run(self, *arguments: str) -> Run:
        if self._may_be_forked:
            return Run(*run_forked(arguments, self.folder, {**os.environ, **self._environment}, _SECONDS))
        with self.start(*arguments) as process:
            output, errors = process.communicate(timeout=_SECONDS)
        return Run(process.returncode, output, errors)

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [*self._program, *arguments],
            cwd=self.folder,
            env={**os.environ, **self._environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def arguments(self, **inputs: Any) -> list[str]:
        """The options that name these inputs; a text is a file's content as it stands, anything else becomes JSON."""
        options = []
        number = next(self._numbers)
        for name, value in inputs.items():
            if value is None:
                continue
            path = self.folder / f"{number}-{name}.json"
            path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
            options += [f"--{name}", str(path)]
        return options


def children(process: "subprocess.Popen[str]") -> list[int]:
    """The processes that a command has begun; none where the system does not tell."""
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return [int(pid) for pid in listed.read_text().split()] if listed.exists() else []


def kill_all(process: "subprocess.Popen[str]") -> None:
    """Kill a command with all that it has begun, as a platform does."""
    for pid in children(process):
        os.kill(pid, signal.SIGKILL)
    process.kill()


def configured(
    catalog: Mapping[str, Any],
    *streams: str,
    include_files: bool | None = None,
    sync_mode: str = "incremental",
) -> dict[str, Any]:
    """The catalog that asks for these of the discovered streams (none: for all), in this sync mode where they have it.

    `include_files` is left out where it is None.
    """
    chosen = []
    for stream in catalog["streams"]:
        if streams and stream["name"] not in streams:
            continue
        mode = sync_mode if sync_mode in stream["supported_sync_modes"] else stream["supported_sync_modes"][0]
        entry: dict[str, Any] = {"stream": stream, "sync_mode": mode, "destination_sync_mode": "append"}
        if include_files is not None and stream["is_file_based"]:
            entry["include_files"] = include_files
        chosen.append(entry)
    return {"streams": chosen}


def bare_catalog() -> dict[str, Any]:
    """What `discover` says of the streams as far as a read needs it, for tests that are about something else."""
    return {
        "streams": [
            {
                "name": name,
                "json_schema": {},
                "supported_sync_modes": ["full_refresh"] if name in FULL_REFRESH else ["full_refresh", "incremental"],
                "is_file_based": name == "artifact_files",
            }
            for name in STREAMS
        ]
    }


def run_all(run: Callable[[CaseT, Path], DoneT], cases: Mapping[str, CaseT], folder: Path) -> dict[str, DoneT]:
    """Runs each case in a new folder of its own. Three at once: each is a process that mostly starts or waits."""

    def in_its_folder(name: str) -> DoneT:
        own = folder / name
        own.mkdir()
        return run(cases[name], own)

    with ThreadPoolExecutor(3) as pool:
        return dict(zip(cases, pool.map(in_its_folder, cases), strict=True))
