"""Runs the engine in this process, as the streams do, against a sandbox: for tests that need many syncs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any

from airbyte_cdk.models import AirbyteMessage, AirbyteMessageSerializer

from sandbox import Sandbox
from source_customerscanvas.errors import CustomersCanvasError
from source_customerscanvas.progress import StreamProgress
from source_customerscanvas.projects import ARTIFACTS, FILES, PROJECTS, RESULTS
from source_customerscanvas.reading import Selected, begin_reading
from source_customerscanvas.settings import Settings
from source_customerscanvas.streams import TrackedPartition
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
    settings = Settings.from_config(
        sandbox.config(**{"num_workers": 4, "file_directory": str(files) if files else None, **config})
    )
    selected = {name: Selected((states or {}).get(name, {}), include_files=files is not None) for name in streams}
    reading = begin_reading(settings, selected, clock)
    reads = {name: Read() for name in reading.streams}

    def consume(stream: StreamProgress) -> None:
        taken = reads[stream.name]
        try:
            for message in TrackedPartition(stream, reading.sync, clock, state_projects).read():
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

    readers = [Thread(target=consume, args=(stream,)) for stream in reading.streams.values()]
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
