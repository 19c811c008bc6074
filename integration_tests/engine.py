"""Runs the engine in this process, as the streams do, against a sandbox: for tests that need many syncs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from threading import Thread
from typing import Any

from airbyte_cdk.models import AirbyteMessage, AirbyteMessageSerializer

from sandbox import Sandbox
from source_customerscanvas.client import ApiClient
from source_customerscanvas.errors import CustomersCanvasError
from source_customerscanvas.progress import StreamProgress
from source_customerscanvas.projects import ARTIFACTS, FILES, PROJECTS, RESULTS
from source_customerscanvas.settings import Settings
from source_customerscanvas.source import delivered_since, scope_of
from source_customerscanvas.state import StreamState
from source_customerscanvas.streams import TrackedPartition
from source_customerscanvas.sync import Sync
from source_customerscanvas.times import SYSTEM_CLOCK, Clock, format_utc
from source_customerscanvas.transfer import FileTransfer

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


def read(
    sandbox: Sandbox,
    states: Mapping[str, Mapping[str, Any]] | None = None,
    streams: tuple[str, ...] = STREAMS,
    *,
    files: Path | None = None,
    clock: Clock = SYSTEM_CLOCK,
    state_projects: int = 200,
    **config: Any,
) -> dict[str, Read]:
    """One sync of these streams from these states."""
    settings = Settings.from_config(sandbox.config(**{"num_workers": 4, **config}))
    client = ApiClient(settings, clock)
    delivering = FILES if FILES in streams else RESULTS
    progress = []
    for name in streams:
        scope = scope_of(name, settings, files is not None)
        state = StreamState.from_json(name, (states or {}).get(name, {}), scope, format_utc(clock.now()))
        row_digest = attrgetter("whole_digest" if name == PROJECTS else "processing_digest")
        since = delivered_since(settings, state) if name == delivering else None
        progress.append(StreamProgress(name, state, row_digest, settings.lookback_minutes, delivered_since=since))
    sync = Sync(settings, client, clock, progress, FileTransfer(client, files, clock) if files else None)
    reads = {stream.name: Read() for stream in progress}

    def consume(stream: StreamProgress) -> None:
        taken = reads[stream.name]
        try:
            for message in TrackedPartition(stream, sync, clock, state_projects).read():
                if isinstance(message, AirbyteMessage):
                    dumped = AirbyteMessageSerializer.dump(message)
                    if "state" in dumped:
                        stream.note_state_out()
                        taken.messages.append(
                            ("state", json.loads(json.dumps(dumped["state"]["stream"]["stream_state"])))
                        )
                else:
                    taken.messages.append(("record", dict(message.data)))
        except Exception as error:
            taken.error = error

    sync.start()
    readers = [Thread(target=consume, args=(stream,)) for stream in progress]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    return reads


def states_of(reads: Mapping[str, Read]) -> States:
    """The last state of each stream."""
    return {name: taken.states[-1] for name, taken in reads.items()}


class Warehouse:
    """Keeps the last record of each key, as a destination with deduplication does."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[Any, Row]] = {name: {} for name in STREAMS}

    def take(self, stream: str, records: list[Row]) -> None:
        for record in records:
            self.tables[stream][record[KEYS[stream]]] = record


__all__ = ["KEYS", "STREAMS", "CustomersCanvasError", "Read", "States", "Warehouse", "read", "states_of"]
