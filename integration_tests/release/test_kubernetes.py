"""The example's Job: its container's command for three indexes side by side, ended and begun again as Kubernetes does.

The controller that is played here is the Job's: each index has a pod, a pod that fails is followed by another of its
index, up to `backoffLimitPerIndex` times, and what happens to one index is no matter of the others.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from integration_tests.conftest import truth
from integration_tests.engine import KEYS
from integration_tests.release.examples import ENVIRONMENT, EXAMPLES, S3, Rows, bucket, in_bucket
from sandbox import Sandbox

__all__ = ["bucket"]  # the fixture

CRON_JOB = yaml.safe_load((EXAMPLES / "kubernetes" / "job.yaml").read_text(encoding="utf-8"))
JOB = CRON_JOB["spec"]["jobTemplate"]["spec"]
(CONTAINER,) = JOB["template"]["spec"]["containers"]
PREFIX = "synced/shard-"
PROJECTS = 240
EXIT_CODES_OF_THE_KILLED = (-signal.SIGKILL, 143)


class Job:
    """One run of the Job, whose pods are processes."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder = folder
        self._environment = environment
        self.failures: Counter[int] = Counter()
        self.pods = {index: self._start(index) for index in range(JOB["completions"])}

    def kill(self, index: int, number: int) -> None:
        """End a pod: all of its processes at once, or its first one, which has to end the others."""
        pod = self.pods[index]
        if number == signal.SIGKILL:
            os.killpg(pod.pid, number)
        else:
            pod.send_signal(number)

    def step(self) -> bool:
        """What the controller does when it looks; whether pods are still at work."""
        for index, pod in list(self.pods.items()):
            code = pod.poll()
            if code is None:
                continue
            del self.pods[index]
            output = pod.communicate()[0]
            if code != 0:
                assert code in EXIT_CODES_OF_THE_KILLED, output
                self.failures[index] += 1
                assert self.failures[index] <= JOB["backoffLimitPerIndex"]
                self.pods[index] = self._start(index)
        return bool(self.pods)

    def end(self) -> None:
        while self.step():
            time.sleep(0.05)

    def abandon(self) -> None:
        for pod in self.pods.values():
            os.killpg(pod.pid, signal.SIGKILL)
            pod.communicate()

    def _start(self, index: int) -> subprocess.Popen[str]:
        mounted = {"/job": str(EXAMPLES), "/config": str(self._folder), "python": sys.executable}
        command = [*CONTAINER["command"], *CONTAINER["args"]]
        for inside, outside in mounted.items():
            command = [outside + word[len(inside) :] if word.startswith(inside) else word for word in command]
        command = [word.replace("$(JOB_COMPLETION_INDEX)", str(index)) for word in command]
        command = [word.replace("s3://print-orders/", "s3://print/") for word in command]
        return subprocess.Popen(
            command,
            cwd=self._folder,
            env={**os.environ, **ENVIRONMENT, **self._environment, "JOB_COMPLETION_INDEX": str(index)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )


@pytest.fixture
def shop() -> Iterator[Sandbox]:
    with Sandbox(projects=PROJECTS, files_per_project=1, file_size=2_000, latency=0.02) as sandbox:
        yield sandbox


def rows_by_shard(store: S3) -> list[Rows]:
    return [in_bucket(store, f"{PREFIX}{index}") for index in range(JOB["completions"])]


def assert_up_to_date(sandbox: Sandbox, store: S3) -> None:
    """The rows of all shards together are what the shop shows, and no two shards have rows of the same order."""
    shards = rows_by_shard(store)
    for stream, key in KEYS.items():
        expected = truth(sandbox)[stream]
        found = [{row[key]: row for row in shard.get(stream, ())} for shard in shards]
        assert sum(map(len, found)) == len(expected), stream
        assert {one for rows in found for one in rows} == expected.keys(), stream
    orders = [{(row["storefrontId"], row["orderId"]) for row in shard.get("projects", ())} for shard in shards]
    assert all(orders)
    assert sum(map(len, orders)) == len(set.union(*orders))


def assert_files(sandbox: Sandbox, store: S3) -> None:
    for shard in rows_by_shard(store):
        for row in shard.get("artifact_files", ()):
            stored = store.client.get_object(Bucket="print", Key=f"files/{row['filePath']}")["Body"].read()
            assert stored == sandbox.shop.file_bytes(row["artifactId"])


@pytest.mark.filterwarnings("ignore")
def test_given_indexes_that_are_ended_and_started_again_when_the_job_has_run_then_together_they_are_up_to_date(
    shop: Sandbox, bucket: S3, tmp_path: Path
) -> None:
    files = {"delivery": "s3", "bucket": "print", "prefix": "files", "region": "us-east-1"}
    files["endpoint"] = bucket.environment["AWS_ENDPOINT_URL"]
    count = {"count": JOB["completions"]}
    config: dict[str, Any] = shop.config(shard=count, files=files, num_workers=4)
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    dice = random.Random(1)

    job = Job(tmp_path, bucket.environment)
    try:
        for index, number in ((0, signal.SIGKILL), (1, signal.SIGTERM), (0, signal.SIGTERM)):
            asked = shop.count("/processing-results$") + dice.randrange(10, 40)
            while job.step() and shop.count("/processing-results$") < asked:
                time.sleep(0.02)
            if index in job.pods:
                job.kill(index, number)
        job.end()
        assert job.failures[2] == 0
        assert_up_to_date(shop, bucket)
        assert_files(shop, bucket)

        shop.shop.finish_all()
        shop.shop.create_project(storefront_id=11, order_id="5001", processing="Completed", files=1)
        job = Job(tmp_path, bucket.environment)
        job.end()
        assert not job.failures
        assert_up_to_date(shop, bucket)
        assert_files(shop, bucket)
    finally:
        job.abandon()


def test_given_the_example_when_its_config_is_read_then_it_has_as_many_shards_as_the_job_has_indexes() -> None:
    documents = yaml.safe_load_all((EXAMPLES / "kubernetes" / "secret.yaml").read_text(encoding="utf-8"))
    config = json.loads(
        next(one["stringData"]["config.json"] for one in documents if "config.json" in one["stringData"])
    )
    assert config["shard"] == {"count": JOB["completions"]}
