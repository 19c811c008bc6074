"""Orders and print files into a folder, from a cron job, with nothing but the connector's command line.

    */15 * * * *  cd /srv/print-shop && python cron_job.py config.json

Rows are appended to `rows/<stream>.jsonl`, one JSON object a line; of two rows with the same key the later one counts.
Files go to the folder that `file_directory` in config.json names. `state.json` says how far it has come.

It may be killed at any moment, as may the machine: what a state covers is on the disk before the state is, and a state
replaces the one before it as a whole. The next run takes back the rows that came after the last state, as one of them
may have been cut short, and goes on from there: so no row is left out or comes twice.
"""

import fcntl
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

CONNECTOR = shutil.which(
    "source-customerscanvas", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
)
STREAMS = ("projects", "processing_results", "artifacts", "artifact_files")
ROWS, STATE, LOCK = Path("rows"), Path("state.json"), Path("lock")
CATALOG, GIVEN_STATE = Path("catalog.json"), Path("given-state.json")


def main(config: str) -> int:
    with LOCK.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("The run before this one is still busy.", file=sys.stderr)
            return 0
        save(CATALOG, catalog(config))
        return sync(config)


def catalog(config: str) -> Any:
    """What to read: these streams, only what is new, with their files."""
    for message in map(json.loads, run("discover", "--config", config).stdout or ()):
        if message["type"] == "CATALOG":
            return {
                "streams": [
                    {
                        "stream": stream,
                        "sync_mode": "incremental",
                        "destination_sync_mode": "append_dedup",
                        "include_files": stream["is_file_based"],
                    }
                    for stream in message["catalog"]["streams"]
                    if stream["name"] in STREAMS
                ]
            }
    raise SystemExit("The connector gave no catalog; see the error above.")


def sync(config: str) -> int:
    saved = json.loads(STATE.read_text(encoding="utf-8")) if STATE.exists() else {"states": {}, "bytes": {}}
    ROWS.mkdir(exist_ok=True)
    files = {name: (ROWS / f"{name}.jsonl").open("ab") for name in STREAMS}
    for name, file in files.items():
        file.truncate(saved["bytes"].get(name, 0))
        file.seek(0, os.SEEK_END)
    save(GIVEN_STATE, list(saved["states"].values()))
    arguments = ["--config", config, "--catalog", str(CATALOG), "--state", str(GIVEN_STATE)]
    process = run("read", *arguments)
    for message in map(json.loads, process.stdout or ()):
        if message["type"] == "RECORD":
            record = message["record"]
            files[record["stream"]].write(json.dumps(record["data"]).encode() + b"\n")
        elif message["type"] == "STATE":
            state = message["state"]
            name = state["stream"]["stream_descriptor"]["name"]
            files[name].flush()
            os.fsync(files[name].fileno())
            saved["states"][name] = state
            saved["bytes"][name] = files[name].tell()
            save(STATE, saved)
        elif message["type"] == "LOG" and message["log"]["level"] in ("WARN", "ERROR", "FATAL"):
            print(message["log"]["message"], file=sys.stderr)
        elif message["type"] == "TRACE" and message["trace"]["type"] == "ERROR":
            print(message["trace"]["error"]["message"], file=sys.stderr)
    return process.wait()


def save(path: Path, content: Any) -> None:
    """Write the whole file or nothing: under another name first, and that on the disk before it is renamed."""
    draft = path.with_suffix(".draft")
    with draft.open("w", encoding="utf-8") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def run(*arguments: str) -> "subprocess.Popen[str]":
    assert CONNECTOR, "The connector is not installed."
    return subprocess.Popen([CONNECTOR, *arguments], stdout=subprocess.PIPE, text=True, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
