"""Runs the examples, each as its first lines say, beside a shop and a bucket."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sandbox import Sandbox

Rows = dict[str, list[dict[str, Any]]]

EXAMPLES = Path(__file__).parents[2] / "examples"
# the connector's clock runs faster than ours: its back-offs take no time to speak of
ENVIRONMENT = {"CUSTOMERSCANVAS_TIME_FACTOR": "30", "AIRBYTE_OFFLINE_MODE": "1", "DO_NOT_TRACK": "1"}


@pytest.fixture
def shop() -> Iterator[Sandbox]:
    with Sandbox(projects=30) as sandbox:
        yield sandbox


@dataclass(frozen=True)
class S3:
    """A bucket named `print`."""

    environment: dict[str, str]
    client: Any


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    pytest.importorskip("moto", reason="moto is not installed beside this Python: `make test-connector` runs this test")
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        environment = {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        client = boto3.client("s3")
        client.create_bucket(Bucket="print")
        yield S3(environment, client)
    finally:
        server.stop()


def in_bucket(bucket: S3, prefix: str) -> Rows:
    """The rows of each stream that lie below a prefix."""
    rows: Rows = {}
    pages = bucket.client.get_paginator("list_objects_v2").paginate(Bucket="print", Prefix=f"{prefix}/rows/")
    for key in sorted(one["Key"] for page in pages for one in page.get("Contents", ())):
        body = bucket.client.get_object(Bucket="print", Key=key)["Body"].read().decode()
        rows.setdefault(key.split("/")[-2], []).extend(map(json.loads, body.splitlines()))
    return rows


def start(folder: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(EXAMPLES / arguments[0]), *arguments[1:]],
        cwd=folder,
        env={**os.environ, **ENVIRONMENT, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run(folder: Path, *arguments: str, **environment: str) -> str:
    """What an example prints; fails with what it says when it fails."""
    output, errors = start(folder, *arguments, **environment).communicate(timeout=200)
    process_failed = "Traceback" in errors
    assert not process_failed, errors
    return output
