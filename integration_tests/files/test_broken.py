"""Each file is whole or missing, however its download breaks."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from integration_tests.command_line import Run, bare_catalog, configured, kill_all
from integration_tests.files.conftest import HALF, SIZE, Shop, error_of, files_below
from sandbox import FileSpec


def test_given_downloads_that_break_when_synced_then_each_file_is_whole_or_missing_and_only_those_are_tried_again(
    shop: Shop,
) -> None:
    sandbox = shop.sandbox

    def add(id_: str, size: int = SIZE, **spec: Any) -> int:
        return shop.add(FileSpec(id=id_, size=size, **spec), order_id=f"order-{id_}")

    for id_ in ("plain", "resumed", "patient", "reset", "page", "busy", "packed", "unsized", "changed"):
        add(id_, listed_size=None if id_ in ("unsized", "packed") else "actual")
    troubled = {"endless", "short", "forbidden"}
    projects = {id_: add(id_) for id_ in troubled}
    projects |= {"listed-small": add("listed-small", listed_size=SIZE - 1)}
    projects |= {"listed-great": add("listed-great", listed_size=SIZE + 1)}
    projects |= {"only-page": add("only-page", listed_size=None)}
    troubled |= projects.keys()
    sandbox.fault("/resumed/file", truncate_after=HALF, times=2)
    sandbox.fault("/patient/file", truncate_after=150_000, times=6)
    sandbox.fault("/reset/file", reset=True, times=2)
    sandbox.fault("/page/file", html=True, times=1)
    sandbox.fault("/busy/file", retry_after=1, times=1)
    packed = gzip.compress(sandbox.shop.file_bytes("packed"))
    sandbox.fault("/packed/file", body=packed, headers={"Content-Encoding": "gzip"})
    sandbox.fault("/changed/file", truncate_after=HALF, times=1)
    sandbox.on("/changed/file", lambda: sandbox.shop.regenerate_artifact("changed"), nth=2)
    sandbox.fault("/endless/file", truncate_after=0)
    sandbox.fault("/short/file", truncate_to=SIZE - 1)
    sandbox.fault("/forbidden/file", status=403)
    sandbox.fault("/only-page/file", html=True)

    first = shop.sync()

    assert shop.delivered(first) == {
        *("plain", "resumed", "patient", "reset", "page", "busy", "packed", "unsized", "changed")
    }
    error = error_of(first)
    assert error["failure_type"] == "transient_error"
    for id_ in troubled:
        assert f"order order-{id_}, project {projects[id_]}, artifact {id_}" in error["message"]
    tries = shop.requested()
    # only those without progress are counted
    assert {id_: tries.count(id_) for id_ in ("endless", "short", "patient")} == {
        "endless": 6,
        "short": 6,
        "patient": 7,
    }
    conditions = [
        (request.headers.get("Range"), request.headers.get("If-Range"), request.status)
        for request in sandbox.requests
        if request.path.endswith("/resumed/file")
    ]
    assert conditions[0] == (None, None, 200)
    assert [(tag, status) for _, tag, status in conditions[1:]] == [('"resumed-0"', 206)] * 2
    starts = [int(str(part).removeprefix("bytes=").removesuffix("-")) for part, _, _ in conditions[1:]]
    assert 0 < starts[0] <= HALF < starts[1] <= 2 * HALF

    sandbox.clear_faults()
    sandbox.clear_requests()
    second = shop.sync(first.state)

    assert set(shop.requested()) == troubled
    assert {record["artifactId"] for record in second.records("artifact_files")} == {
        "endless",
        "short",
        "forbidden",
        "only-page",
    }
    assert {id_ for id_ in troubled if f"artifact {id_}:" in error_of(second)["message"]} == {
        "listed-small",
        "listed-great",
    }


@pytest.mark.parametrize(
    "switches",
    [
        {"supports_range": False},
        {"sends_etag": False},
        {"sends_content_length": False},
    ],
    ids=lambda switches: "-".join(switches),
)
def test_given_a_server_of_few_words_when_a_download_breaks_then_it_starts_over_or_goes_on_to_the_right_bytes(
    shop: Shop, switches: dict[str, bool]
) -> None:
    shop.sandbox.switches.update(**switches)
    shop.add(FileSpec(id="cut", size=SIZE))
    shop.add(FileSpec(id="cut-unsized", size=SIZE, listed_size=None))
    shop.add(FileSpec(id="short", size=SIZE))
    shop.sandbox.fault("/cut.*/file", truncate_after=HALF, times=3)
    shop.sandbox.fault("/short/file", truncate_to=HALF, times=2)

    run = shop.sync()

    assert run.exit_code == 0
    assert shop.delivered(run) == {"cut", "cut-unsized", "short"}
    is_resumed = any(request.status == 206 for request in shop.sandbox.requests)
    assert is_resumed == (switches == {"sends_content_length": False})


def test_given_a_killed_sync_when_started_again_then_its_leftovers_are_gone_and_every_file_is_whole(shop: Shop) -> None:
    ids = {f"file-{number}" for number in range(6)}
    for id_ in ids:
        shop.add(FileSpec(id=id_, size=SIZE))
    stalled = shop.sandbox.fault("/file-3/file", stall_after=HALF)
    catalog = configured(bare_catalog(), "artifact_files")

    with shop.command.start("read", *shop.command.arguments(config=shop.config(), catalog=catalog)) as process:
        assert process.stdout
        lines: list[str] = []
        run = Run(0, "", "")
        while len(run.records("artifact_files")) < 5 or not run.state:
            lines.append(process.stdout.readline())
            assert lines[-1], "the sync has ended before it was killed"
            run = Run(0, "".join(lines), "")
        kill_all(process)
    (leftover,) = shop.files.rglob("*.part")
    mine = shop.files / "mine.part"
    mine.write_text("no download's")
    stalled.remove()
    second = shop.sync(run.state)

    assert second.exit_code == 0
    assert not leftover.exists()
    assert mine.exists()
    mine.unlink()
    assert "file-3" in {row["artifactId"] for row in second.records("artifact_files")}
    on_disk = {path.read_bytes() for path in files_below(shop.files)}
    assert on_disk == {shop.sandbox.shop.file_bytes(id_) for id_ in ids}
    assert len(files_below(shop.files)) == len(ids)
