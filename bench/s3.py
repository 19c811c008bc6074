"""An S3 server for the benchmark, and the library's own upload of as many bytes to it.

`python -m bench.s3 serve` prints its address; `python -m bench.s3 upload URL BYTES` is what a sync is measured by.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import obstore
from moto.server import ThreadedMotoServer
from obstore.store import S3Store

from bench.measure import ROOT

BUCKET = "print-files"
KEY = {"access_key_id": "bench", "secret_access_key": "bench"}
_CHUNK = 1 << 20


@contextmanager
def s3_server() -> Iterator[str]:
    """The address of a server in a process of its own, with the bucket."""
    with subprocess.Popen(
        [sys.executable, "-m", "bench.s3", "serve"],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip
        assert process.stdout
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()


def sizes(url: str) -> list[int]:
    """The bytes of each object, which are removed."""
    client = boto3.client(
        "s3", endpoint_url=url, region_name="us-east-1",
        aws_access_key_id=KEY["access_key_id"], aws_secret_access_key=KEY["secret_access_key"],
    )  # fmt: skip
    found = client.list_objects_v2(Bucket=BUCKET).get("Contents", [])
    for entry in found:
        client.delete_object(Bucket=BUCKET, Key=entry["Key"])
    return [entry["Size"] for entry in found]


def _serve() -> None:
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    url = f"http://127.0.0.1:{server.get_host_and_port()[1]}"
    client = boto3.client(
        "s3", endpoint_url=url, region_name="us-east-1",
        aws_access_key_id=KEY["access_key_id"], aws_secret_access_key=KEY["secret_access_key"],
    )  # fmt: skip
    client.create_bucket(Bucket=BUCKET)
    sys.stdout.write(json.dumps(url) + "\n")
    sys.stdout.flush()
    sys.stdin.read()


def _upload(url: str, size: int) -> None:
    config: Any = {"endpoint": url, "region": "us-east-1", **KEY}
    store = S3Store(BUCKET, config=config, client_options={"allow_http": True})
    chunk = bytes(_CHUNK)
    obstore.put(store, "generated", (chunk for _ in range(size // _CHUNK)))


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        _serve()
    else:
        _upload(sys.argv[2], int(sys.argv[3]))
