"""Orders and print files from a cron job, with nothing but the connector's command line.

    */15 * * * *  cd /srv/print-shop && python cron_job.py config.json synced
    */15 * * * *  cd /srv/print-shop && python cron_job.py config.json s3://my-bucket/synced

The last argument is where the rows and the state go: a folder, or a bucket (`s3://`, `gs://`, `az://`; credentials and
endpoint from the environment, as usual there). Files go where `files` in config.json says: choose another delivery than
`airbyte`, perhaps into the same bucket.

Rows are in `rows/<stream>/<number>.jsonl`, one JSON object a line; of two rows with the same key the later one counts.
`state.json` says how far it has come. It may be killed at any moment, as may the machine: rows are stored before the
state that covers them, and a state replaces the one before it as a whole. What was stored after the last state is
written again, under the same number, by the next run.
"""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import obstore
from obstore.store import from_url

CONNECTOR = shutil.which(
    "source-customerscanvas", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
)
STREAMS = ("orders", "projects", "processing_results", "artifacts", "artifact_files")
STATE = "state.json"


class Place(Protocol):
    def read(self, name: str) -> bytes | None: ...

    def replace(self, name: str, content: bytes) -> None:
        """Store the whole content or nothing, and return when it is stored."""


class Folder:
    """A folder, which one run at a time has for itself."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._path.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(self._path, os.O_RDONLY)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("The run before this one is still busy.", file=sys.stderr)
            sys.exit(0)

    def read(self, name: str) -> bytes | None:
        path = self._path / name
        return path.read_bytes() if path.exists() else None

    def replace(self, name: str, content: bytes) -> None:
        path = self._path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.draft")
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)


class Bucket:
    """A bucket, where an object appears when all of it has arrived. Whoever starts the runs starts one at a time."""

    def __init__(self, url: str) -> None:
        self._store: Any = from_url(url)

    def read(self, name: str) -> bytes | None:
        try:
            return bytes(obstore.get(self._store, name).bytes())
        except FileNotFoundError:
            return None

    def replace(self, name: str, content: bytes) -> None:
        obstore.put(self._store, name, content)


def main(config: str, where: str) -> None:
    # as process 1 of a container, a command without a handler would not hear that it has to end
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    place: Place = Bucket(where) if "://" in where else Folder(where)
    with tempfile.TemporaryDirectory() as folder:
        inputs = Path(folder)
        (inputs / "catalog.json").write_text(json.dumps(catalog(config)), encoding="utf-8")
        sync(config, place, inputs)


def catalog(config: str) -> Any:
    """What to read: these streams, and of each only what is new."""
    for message in messages("discover", "--config", config):
        if message["type"] == "CATALOG":
            chosen = {"sync_mode": "incremental", "destination_sync_mode": "append_dedup"}
            return {
                "streams": [
                    {"stream": stream, **chosen}
                    for stream in message["catalog"]["streams"]
                    if stream["name"] in STREAMS
                ]
            }
    raise SystemExit("The connector gave no catalog; see the error above.")


def sync(config: str, place: Place, inputs: Path) -> None:
    saved = json.loads(place.read(STATE) or b'{"states": {}, "parts": {}}')
    (inputs / "state.json").write_text(json.dumps(list(saved["states"].values())), encoding="utf-8")
    files = ["--catalog", str(inputs / "catalog.json"), "--state", str(inputs / "state.json")]
    rows: dict[str, list[str]] = {}
    for message in messages("read", "--config", config, *files):
        if message["type"] == "RECORD":
            rows.setdefault(message["record"]["stream"], []).append(json.dumps(message["record"]["data"]))
        elif message["type"] == "STATE":
            stream = message["state"]["stream"]["stream_descriptor"]["name"]
            if lines := rows.pop(stream, []):
                saved["parts"][stream] = number = saved["parts"].get(stream, 0) + 1
                place.replace(f"rows/{stream}/{number:06}.jsonl", "".join(f"{line}\n" for line in lines).encode())
            saved["states"][stream] = message["state"]
            place.replace(STATE, json.dumps(saved).encode())


def messages(*arguments: str) -> Iterator[Any]:
    """What the connector says, message by message; what a person should know of it goes to the error output."""
    assert CONNECTOR, "The connector is not installed."
    with subprocess.Popen([CONNECTOR, *arguments], stdout=subprocess.PIPE, text=True, encoding="utf-8") as process:
        try:
            for message in map(json.loads, process.stdout or ()):
                if message["type"] == "LOG" and message["log"]["level"] in ("WARN", "ERROR", "FATAL"):
                    print(message["log"]["message"], file=sys.stderr)
                elif message["type"] == "TRACE" and message["trace"]["type"] == "ERROR":
                    print(message["trace"]["error"]["message"], file=sys.stderr)
                yield message
        except BaseException:
            process.terminate()
            raise
    if process.returncode:
        sys.exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
