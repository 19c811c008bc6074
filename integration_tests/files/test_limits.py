"""However many or large the files are, downloads stay within their limits."""

from __future__ import annotations

import threading

import pytest

from integration_tests.conftest import STOREFRONT
from integration_tests.files.conftest import Shop
from integration_tests.peak import on_linux, peak_and_run
from sandbox import FileSpec, RequestRecord


def test_given_sixteen_files_at_once_when_synced_then_they_share_the_workers_with_everything_else(shop: Shop) -> None:
    workers = 4
    for number in range(16):
        shop.add(FileSpec(size=1000), order_id=str(number))
    lock, together = threading.Lock(), threading.Barrier(workers)
    under_way: list[int] = [0, 0]

    def answer(request: RequestRecord) -> None:
        # counted before each answer: a client that has not got it still holds its worker
        with lock:
            under_way[0] += 1
            under_way[1] = max(under_way)
        if request.path.endswith("/file"):
            together.wait(30)
        with lock:
            under_way[0] -= 1

    shop.sandbox.on("", answer)
    run = shop.sync(None, "artifact_files", "projects", "storefronts", num_workers=workers)

    assert run.exit_code == 0
    assert len(shop.delivered(run)) == 16
    assert under_way[1] == workers


@on_linux
@pytest.mark.parametrize(
    "files", [[FileSpec(size=2**30)], [FileSpec(size=2**26)] * 16], ids=["1-of-1-GiB", "16-of-64-MiB"]
)
def test_given_large_files_when_downloaded_then_memory_stays_within_30_mb_of_that_for_a_small_one(
    shop: Shop, files: list[FileSpec]
) -> None:
    project = shop.add(FileSpec(size=1024))
    small, _ = peak_and_run(shop.folder, shop.config(), "artifact_files")
    shop.sandbox.shop.remove_project(project)
    for file in files:
        shop.add(file)
    large, run = peak_and_run(shop.folder, shop.config(), "artifact_files")

    assert large - small <= 30_000_000
    records = run.records("artifact_files")
    assert sum(record["size"] for record in records) == 2**30
    for record in records:
        content = shop.sandbox.shop.content(record["artifactId"])[1]
        with (shop.files / record["filePath"]).open("rb") as file:
            assert all(file.read(len(piece)) == piece for piece in content.read(0, content.length))
            assert file.read() == b""


def test_given_more_files_of_one_project_than_wait_for_a_worker_at_once_when_synced_then_all_of_them_come(
    shop: Shop,
) -> None:
    shop.sandbox.shop.create_project(STOREFRONT, processing="Completed", files=1_100)
    run = shop.sync(None, "artifacts", "artifact_files")
    assert run.exit_code == 0
    artifacts = {row["id"] for row in run.records("artifacts")}
    assert len(artifacts) == 1_100
    assert shop.delivered(run) == artifacts
