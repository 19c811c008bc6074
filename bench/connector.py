"""The connector's command line, and what it wrote."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.installed import CONNECTOR, DLT_PYTHON, PYTHON
from bench.measure import ROOT, Run, run

REFERENCES = ROOT / "bench" / "references"
STOCK = (PYTHON, REFERENCES / "stock.py")
DLT = (DLT_PYTHON, REFERENCES / "dlt_rest_source.py")

ORDERS, SHOP_ORDERS = "orders", "shop_orders"
PROJECTS, RESULTS, ARTIFACTS, FILES = "projects", "processing_results", "artifacts", "artifact_files"
TRACKED = (ORDERS, SHOP_ORDERS, PROJECTS, RESULTS, ARTIFACTS, FILES)
ALL = ("storefronts", "project_statuses", "processing_pipelines", *TRACKED)

ROWS_ONLY = {"files": {"delivery": "none"}}
"""The setting with which `artifact_files` has rows and no bytes are moved."""

States = dict[str, Any]


def into_folder(folder: Path) -> dict[str, Any]:
    """The setting with which files are stored in a folder."""
    return {"files": {"delivery": "folder", "path": str(folder)}}


@dataclass
class Written:
    """What a read wrote: how many records of each stream, and the last state message of each."""

    records: Counter[str] = field(default_factory=Counter)
    states: States = field(default_factory=dict)

    @property
    def state_bytes(self) -> dict[str, int]:
        """The size of each stream's state."""
        return {
            name: len(json.dumps(message["stream"]["stream_state"], separators=(",", ":")))
            for name, message in self.states.items()
        }


def read(
    folder: Path,
    config: Mapping[str, Any],
    streams: Sequence[str],
    states: States | None = None,
    command: Sequence[str | Path] = (CONNECTOR,),
) -> tuple[Run, Written]:
    """One sync as a process; its files are kept in the folder."""
    words = arguments(folder, config, streams, states)
    output = folder / "output.jsonl"
    taken = run([*command, "read", *words], output)
    return taken, written(output)


def arguments(
    folder: Path, config: Mapping[str, Any], streams: Sequence[str] = (), states: States | None = None
) -> list[str]:
    """The files of a command, as its arguments."""
    words = ["--config", _write(folder / "config.json", config)]
    if streams:
        words += ["--catalog", _write(folder / "catalog.json", {"streams": [_configured(name) for name in streams]})]
    if states:
        words += ["--state", _write(folder / "state.json", list(states.values()))]
    return words


def _configured(name: str) -> dict[str, Any]:
    modes = ["full_refresh", "incremental"] if name in TRACKED else ["full_refresh"]
    return {
        "stream": {"name": name, "json_schema": {}, "supported_sync_modes": modes},
        "sync_mode": modes[-1],
        "destination_sync_mode": "append",
    }


def _write(path: Path, content: Any) -> str:
    path.write_text(json.dumps(content))
    return str(path)


def written(output: Path) -> Written:
    """Look through what was written; records are counted, not read: there may be millions."""
    found = Written()
    record = b'{"type":"RECORD","record":{"stream":"'
    state = b'{"type":"STATE"'
    with output.open("rb") as lines:
        for line in lines:
            if line.startswith(record):
                found.records[line[len(record) : line.index(b'"', len(record))].decode()] += 1
            elif line.startswith(state):
                message = json.loads(line)["state"]
                found.states[message["stream"]["stream_descriptor"]["name"]] = {
                    "type": message["type"],
                    "stream": message["stream"],
                }
    return found
