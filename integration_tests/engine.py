"""Runs the engine in this process, as the streams do, against a sandbox: for tests that need many syncs."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Event, Lock, Thread, current_thread
from typing import Any

from airbyte_cdk.models import AirbyteMessage, AirbyteMessageSerializer

from sandbox import Sandbox
from source_customerscanvas.errors import CustomersCanvasError
from source_customerscanvas.settings import Settings
from source_customerscanvas.streams import FollowingPartition
from source_customerscanvas.sync.emissions import STATE_PROJECTS
from source_customerscanvas.sync.kinds import ARTIFACTS, FILES, OF_ORDERS, PROJECTS, RESULTS
from source_customerscanvas.sync.reading import Selected, begin_reading
from source_customerscanvas.times import SYSTEM_CLOCK, Clock

STREAMS = (PROJECTS, RESULTS, ARTIFACTS, FILES)
KEYS = {PROJECTS: "id", RESULTS: "projectId", ARTIFACTS: "id", FILES: "artifactId"}

Row = dict[str, Any]
States = dict[str, dict[str, Any]]


@dataclass
class Read:
    """What one sync gave for one stream: ("record", row) and ("state", state) in their order."""

    messages: list[tuple[str, Row]] = field(default_factory=list)
    error: Exception | None = None

    @property
    def records(self) -> list[Row]:
        return [content for kind, content in self.messages if kind == "record"]

    @property
    def states(self) -> list[Row]:
        return [content for kind, content in self.messages if kind == "state"]


class SandboxClock:
    """The sandbox's own time for the connector: whatever waits lets it pass, and nothing else does."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def now(self) -> datetime:
        return self._sandbox.now()

    def monotonic(self) -> float:
        return self._sandbox.now().timestamp()

    def wait(self, seconds: float, stop: Event | None = None) -> None:
        if stop is not None and current_thread().name == "reporter":
            stop.wait(seconds)  # it reports for as long as the others work
        elif stop is None or not stop.is_set():
            self._sandbox.advance(seconds)


def read(
    sandbox: Sandbox,
    states: Mapping[str, Mapping[str, Any]] | None = None,
    streams: tuple[str, ...] = STREAMS,
    *,
    files: Path | None = None,
    clock: Clock = SYSTEM_CLOCK,
    state_projects: int = STATE_PROJECTS,
    killed_after: int | None = None,
    full_refresh: bool = False,
    taken_by: Callable[[str, str, Row], object] | None = None,
    **config: Any,
) -> dict[str, Read]:
    """One sync of these streams from these states.

    `killed_after`: the sync is killed when so many messages of all streams were taken from it; what it still sends is
    lost. `taken_by` is called with the stream, the kind and the content of each message when it is taken.
    """
    settings = Settings.from_config(
        sandbox.config(**{"num_workers": 4, "files": folder(files) if files else {"delivery": "none"}, **config})
    )
    given = states or {}
    selected = {name: Selected(given.get(name, {}), full_refresh=full_refresh) for name in streams}
    reading = begin_reading(settings, selected, clock)
    reading.sync.permit_changes()
    reads = {name: Read() for name in reading.names}
    lock = Lock()
    is_killed = False

    def take(stream: str, kind: str, content: Row) -> bool:
        nonlocal is_killed
        with lock:
            if not is_killed and sum(len(one.messages) for one in reads.values()) == killed_after:
                is_killed = True
                reading.client.stopping.set()
            if not is_killed:
                reads[stream].messages.append((kind, content))
                if taken_by:
                    taken_by(stream, kind, content)
            return not is_killed

    def consume(stream: str) -> None:
        try:
            partition = FollowingPartition(stream, reading.emissions(stream, state_projects))
            for message in partition.read():
                if isinstance(message, AirbyteMessage):
                    dumped = AirbyteMessageSerializer.dump(message)
                    if "state" in dumped:
                        state = json.loads(json.dumps(dumped["state"]["stream"]["stream_state"]))
                        if take(stream, "state", state):
                            reading.note_state_out(stream)
                else:
                    take(stream, "record", dict(message.data))
                    partition.note_record_out()
        except Exception as error:
            reads[stream].error = error

    readers = [Thread(target=consume, args=(stream,)) for stream in reading.names]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    return reads


def folder(path: Path) -> dict[str, str]:
    """The setting `files` for a folder of this machine."""
    return {"delivery": "folder", "path": str(path)}


def states_of(reads: Mapping[str, Read]) -> States:
    """The last state of each stream."""
    return {name: taken.states[-1] for name, taken in reads.items()}


class Warehouse:
    """Keeps the last record of each key, as a destination with deduplication does."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[Any, Row]] = {name: {} for name in (*STREAMS, *OF_ORDERS)}

    def take(self, stream: str, records: list[Row]) -> None:
        for record in records:
            self.tables[stream][key_of(stream, record)] = record


def key_of(stream: str, record: Row) -> Any:
    """The primary key of a record; that of an order is the pair of its storefront and its id."""
    return (record["storefrontId"], record["orderId"]) if stream in OF_ORDERS else record[KEYS.get(stream, "id")]


__all__ = [
    "KEYS",
    "STREAMS",
    "CustomersCanvasError",
    "Read",
    "SandboxClock",
    "States",
    "Warehouse",
    "key_of",
    "read",
    "states_of",
]
