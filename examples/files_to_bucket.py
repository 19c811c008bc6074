"""Print files into a bucket of S3, or of any store that speaks its language.

    python files_to_bucket.py config.json my-bucket

Each file becomes the object `artifact_files/<storefrontId>/<orderId>/<projectId>/<name>`. `state.json` says how far it
has come, so the next run uploads what is new. An upload is finished before the state that covers it is saved.

Needs `pip install boto3`, which finds its credentials as usual (AWS_ACCESS_KEY_ID, AWS_PROFILE, AWS_ENDPOINT_URL, …).
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import boto3

CONNECTOR = str(Path(sys.executable).with_name("source-customerscanvas"))
STREAM = "artifact_files"
STATE = Path("state.json")


def main(config: str, bucket: str) -> int:
    with tempfile.TemporaryDirectory() as folder:
        catalog = Path(folder, "catalog.json")
        catalog.write_text(json.dumps(files_only(config)), encoding="utf-8")
        arguments = ["read", "--config", config, "--catalog", str(catalog)]
        if STATE.exists():
            arguments += ["--state", str(STATE)]
        # where the connector puts each file until it is uploaded
        os.environ["AIRBYTE_STAGING_DIRECTORY"] = folder
        process = subprocess.Popen([CONNECTOR, *arguments], stdout=subprocess.PIPE, text=True, encoding="utf-8")
        store = boto3.client("s3")
        for message in map(json.loads, process.stdout or ()):
            if message["type"] == "RECORD":
                upload(store, bucket, message["record"]["file_reference"])
            elif message["type"] == "STATE":
                draft = STATE.with_suffix(".draft")
                draft.write_text(json.dumps([message["state"]]), encoding="utf-8")
                draft.replace(STATE)
            elif message["type"] == "TRACE" and message["trace"]["type"] == "ERROR":
                print(message["trace"]["error"]["message"], file=sys.stderr)
        return process.wait()


def files_only(config: str) -> dict[str, Any]:
    """The catalog that asks for print files, and only for what is new."""
    said = subprocess.run([CONNECTOR, "discover", "--config", config], stdout=subprocess.PIPE, text=True, check=True)
    messages = map(json.loads, said.stdout.splitlines())
    streams = next(message["catalog"]["streams"] for message in messages if message["type"] == "CATALOG")
    stream = next(stream for stream in streams if stream["name"] == STREAM)
    chosen = {"sync_mode": "incremental", "destination_sync_mode": "append_dedup", "include_files": True}
    return {"streams": [{"stream": stream, **chosen}]}


def upload(store: Any, bucket: str, file: dict[str, Any]) -> None:
    staged = Path(file["staging_file_url"])
    key = f"{STREAM}/{file['source_file_relative_path']}"
    store.upload_file(str(staged), bucket, key)
    staged.unlink()
    print(f"{key} ({file['file_size_bytes']} bytes)")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
