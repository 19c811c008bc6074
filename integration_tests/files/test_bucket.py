"""From the shop to a bucket: the command line's messages, taken as a destination takes them, into an S3 server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from integration_tests.command_line import CommandLine, bare_catalog, configured
from integration_tests.files.bucket_destination import BucketDestination
from sandbox import FileSpec, Sandbox

BUCKET = "print-files"
CATALOG = configured(bare_catalog(), "artifact_files", "processing_results", include_files=True)


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield boto3.client(
        "s3",
        endpoint_url=f"http://{host}:{port}",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    server.stop()


@pytest.fixture
def bucket(s3: Any) -> Iterator[str]:
    s3.create_bucket(Bucket=BUCKET)
    yield BUCKET
    for entry in s3.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        s3.delete_object(Bucket=BUCKET, Key=entry["Key"])
    s3.delete_bucket(Bucket=BUCKET)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(projects=40) as sandbox:
        yield sandbox


class Pipeline:
    """A source and a destination, joined as a platform joins them; both see the staging folder."""

    def __init__(self, sandbox: Sandbox, destination: BucketDestination, folder: Path) -> None:
        self.destination = destination
        self.staging = folder / "staging"
        self.staging.mkdir()
        self._sandbox = sandbox
        self._command = CommandLine(folder, {"AIRBYTE_STAGING_DIRECTORY": str(self.staging)})

    def sync(self, kill_after: int | None = None) -> int:
        """One sync; both sides are killed once the destination has taken so many records. The source's exit code."""
        config = self._sandbox.config(num_workers=4)
        arguments = self._command.arguments(config=config, catalog=CATALOG, state=self.destination.state or None)
        records = 0
        with self._command.start("read", *arguments) as process:
            assert process.stdout
            for line in process.stdout:
                message = json.loads(line)
                self.destination.take(message)
                records += message["type"] == "RECORD"
                if records == kill_after:
                    process.kill()
                    break
            else:
                self.destination.flush()
            process.communicate()
        if kill_after is not None:
            self.destination.crash()
        return process.returncode

    def assert_bucket_holds_the_shops_files(self) -> None:
        """Exactly the final artifacts of the completed projects, each under its row's path with the server's bytes."""
        shop = self._sandbox.shop
        rows = {row["artifactId"]: row for row in self.destination.rows["artifact_files"]}
        finals = [
            artifact["id"]
            for project in shop.projects()
            if shop.results(project["id"])["status"] == "Completed"
            for artifact in shop.artifacts(project["id"])
            if artifact["type"] == "Final"
        ]
        assert rows.keys() == set(finals)
        objects = self.destination.objects()
        assert objects == {f"artifact_files/{rows[id_]['filePath']}": shop.file_bytes(id_) for id_ in finals}
        for row in rows.values():
            assert row["sha256"] == sha256(objects[f"artifact_files/{row['filePath']}"]).hexdigest()
        assert [path for path in self.staging.rglob("*") if path.is_file()] == []


@pytest.fixture
def pipeline(sandbox: Sandbox, s3: Any, bucket: str, tmp_path: Path) -> Pipeline:
    return Pipeline(sandbox, BucketDestination(s3, bucket), tmp_path)


def test_given_two_syncs_when_pipelines_finish_in_between_then_the_bucket_holds_exactly_the_shops_files(
    sandbox: Sandbox, pipeline: Pipeline
) -> None:
    assert pipeline.sync() == 0
    pipeline.assert_bucket_holds_the_shops_files()
    before = len(pipeline.destination.rows["artifact_files"])
    unfinished = [
        project["id"]
        for project in sandbox.shop.projects()
        if project["processingStatus"] not in ("Completed", "Failed")
    ]

    sandbox.advance(3600)
    sandbox.shop.finish_all()
    late = sandbox.shop.create_project(12, "5001", processing="Completed", files=[FileSpec("late/übersicht.pdf")])
    assert pipeline.sync() == 0

    pipeline.assert_bucket_holds_the_shops_files()
    second = pipeline.destination.rows["artifact_files"][before:]
    assert {row["projectId"] for row in second} == {
        id_ for id_ in [*unfinished, late] if sandbox.shop.results(id_)["status"] == "Completed"
    }
    assert pipeline.sync() == 0
    assert len(pipeline.destination.rows["artifact_files"]) == before + len(second)


def test_given_syncs_that_are_killed_when_started_again_then_the_bucket_holds_exactly_the_shops_files(
    sandbox: Sandbox, pipeline: Pipeline
) -> None:
    # so that a kill meets files under way and states that were emitted, and comes before the end of the sync
    files = sandbox.shop.results(38)["outputFileDetails"]
    never_answered = next(file["artifactId"] for file in files if not file["anonymousAccess"])
    sandbox.fault(f"/{never_answered}/file$", hang=True)
    sandbox.fault("/file$", slow=200_000)

    for records in (7, 23):
        assert pipeline.sync(kill_after=records) != 0
    sandbox.clear_faults()
    assert pipeline.sync() == 0

    # what was staged and never stored is downloaded again to the same place, so nothing is left there
    pipeline.assert_bucket_holds_the_shops_files()
