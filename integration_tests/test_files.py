"""Files through the command line, against a server that misbehaves: whole or not at all, and nobody else's."""

from __future__ import annotations

import gzip
import shutil
import subprocess
import sys
import threading
import unicodedata
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from integration_tests.command_line import CommandLine, Message, Run, State, bare_catalog, configured, kill_all
from sandbox import FileSpec, RequestRecord, Sandbox

FILE = "/file$"
SIZE = 1_000_000
HALF = 450_000

STOREFRONT = 11


@dataclass
class Shop:
    """A shop with nothing in it, a folder, and a connector that downloads into `files` there."""

    sandbox: Sandbox
    command: CommandLine

    @property
    def folder(self) -> Path:
        return self.command.folder

    @property
    def files(self) -> Path:
        return self.folder / "files"

    def add(self, *files: FileSpec, **fields: Any) -> int:
        """A completed project with these files."""
        values: dict[str, Any] = {"storefront_id": STOREFRONT, "processing": "Completed", "order_id": "1001", **fields}
        return self.sandbox.shop.create_project(files=files, **values)

    def config(self, **settings: Any) -> dict[str, Any]:
        return self.sandbox.config(**{"file_download": "always", "file_directory": str(self.files), **settings})

    def sync(self, state: State | None = None, *streams: str, **settings: Any) -> Run:
        """One sync of the files, or of these streams."""
        catalog = configured(bare_catalog(), *(streams or ("artifact_files",)))
        return self.command.read(self.config(**settings), catalog, state)

    def delivered(self, run: Run, files: Path | None = None) -> set[str]:
        """The artifacts that came: each with the server's bytes on disk, and nothing else lies there."""
        folder = (files or self.files) / "artifact_files"
        references = run.file_references()
        for record in run.records("artifact_files"):
            reference = references[record["artifactId"]]
            path = Path(reference["staging_file_url"])
            content = self.sandbox.shop.file_bytes(record["artifactId"])
            assert path == folder / reference["source_file_relative_path"]
            assert path.read_bytes() == content
            assert reference["file_size_bytes"] == record["size"] == len(content)
            assert record["sha256"] == sha256(content).hexdigest()
            assert record["filePath"] == reference["source_file_relative_path"]
        assert len(references) == len(run.records("artifact_files"))
        assert files_below(folder) == {Path(reference["staging_file_url"]) for reference in references.values()}
        return set(references)

    def requested(self, since: int = 0) -> list[str]:
        """The artifacts whose files were asked for, after so many requests."""
        asked = self.sandbox.requests[since:]
        return [request.path.split("/")[-2] for request in asked if request.path.endswith("/file")]


def files_below(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if not path.is_dir()}


def error_of(run: Run) -> Message:
    """The last error, which the platform shows for the sync."""
    assert run.exit_code != 0
    assert "Traceback" not in run.traces[-1]["message"]
    return run.traces[-1]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with Sandbox(empty=True) as sandbox:
        sandbox.shop.add_storefront(STOREFRONT)
        yield Shop(sandbox, CommandLine(tmp_path))


# Whole or not at all


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
    sandbox.fault("/patient/file", truncate_after=150_000, times=5)
    sandbox.fault("/reset/file", reset=True, times=2)
    sandbox.fault("/page/file", html=True, times=1)
    sandbox.fault("/busy/file", retry_after=1, times=1)
    packed = gzip.compress(sandbox.shop.file_bytes("packed"))
    sandbox.fault("/packed/file", body=packed, headers={"Content-Encoding": "gzip"})
    sandbox.fault("/changed/file", truncate_after=HALF, times=1)
    sandbox.on("/changed/file", lambda: sandbox.shop.regenerate_artifact("changed"), nth=2)
    sandbox.fault("/endless/file", truncate_after=150_000)
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
    assert {id_: tries.count(id_) for id_ in ("endless", "short", "patient")} == dict.fromkeys(
        ("endless", "short", "patient"), 6
    )
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


def test_given_files_that_are_gone_when_synced_then_one_warning_each_and_no_new_try_until_the_artifact_changes(
    shop: Shop,
) -> None:
    projects = [shop.add(FileSpec(id=id_), order_id=f"order-{id_}") for id_ in ("first", "second", "here")]
    shop.sandbox.shop.remove_file("first", 404)
    shop.sandbox.shop.remove_file("second", 410)

    first = shop.sync()

    assert first.exit_code == 0
    assert shop.delivered(first) == {"here"}
    warnings = first.logs("WARN")
    assert len(warnings) == 2
    for id_, project in zip(("first", "second"), projects, strict=False):
        assert sum(f"order order-{id_}, project {project}, artifact {id_}" in warning for warning in warnings) == 1

    shop.sandbox.clear_requests()
    second = shop.sync(first.state)
    assert shop.requested() == []
    assert second.logs("WARN") == []

    shop.sandbox.advance(3600)
    shop.sandbox.shop.regenerate_artifact("second")
    shop.sandbox.shop.modify_project(projects[1])
    shutil.rmtree(shop.files)
    third = shop.sync(second.state)
    assert shop.delivered(third) == {"second"}
    assert shop.requested() == ["second"]


def test_given_a_file_that_is_gone_beside_a_broken_one_when_synced_again_then_only_the_broken_one_is_tried(
    shop: Shop,
) -> None:
    shop.add(FileSpec(id="gone"), FileSpec(id="broken"))
    shop.sandbox.shop.remove_file("gone", 404)
    shop.sandbox.fault("/broken/file", status=500)

    first = shop.sync()
    assert error_of(first)
    assert set(shop.requested()) == {"gone", "broken"}

    shop.sandbox.clear_requests()
    second = shop.sync(first.state)
    assert set(shop.requested()) == {"broken"}
    assert not any("is gone" in warning for warning in second.logs("WARN"))


def test_given_a_project_with_a_new_run_when_synced_then_only_its_changed_artifacts_are_downloaded_again(
    shop: Shop,
) -> None:
    again = shop.add(FileSpec(id="kept"), FileSpec(id="redone"))
    rerun = shop.add(FileSpec(name="old.pdf"))
    shop.add(FileSpec(id="untouched"))
    first = shop.sync()
    assert len(shop.delivered(first)) == 4

    shop.sandbox.advance(3600)
    shop.sandbox.shop.regenerate_artifact("redone")
    shop.sandbox.shop.modify_project(again)
    new = [FileSpec(name="new.pdf", id="new")]
    shop.sandbox.shop.process(rerun, "Completed", files=new, moves_last_modified=True)
    shop.sandbox.clear_requests()
    shutil.rmtree(shop.files)
    second = shop.sync(first.state)

    assert shop.delivered(second) == {"redone", "new"}
    assert sorted(shop.requested()) == ["new", "redone"]


def test_given_a_new_run_whose_file_stays_broken_when_another_project_moves_then_only_what_is_new_is_downloaded(
    shop: Shop,
) -> None:
    def sync(state: State) -> tuple[Run, list[str]]:
        shop.sandbox.clear_requests()
        run = shop.sync(state)
        return run, sorted(set(shop.requested()))

    broken = shop.add(FileSpec(id="kept"), FileSpec(id="broken"))
    shop.sandbox.advance(3600)
    shop.add(FileSpec(id="second"))
    run = shop.sync()
    fault = shop.sandbox.fault("/broken/file", status=500)
    shop.sandbox.advance(3600)
    shop.sandbox.shop.regenerate_artifact("broken")
    shop.sandbox.shop.modify_project(broken)
    other = shop.add(FileSpec(id="other"))
    run, asked = sync(run.state)
    assert asked == ["broken", "other"]

    shop.sandbox.advance(3600)
    shop.add(FileSpec(id="later"))
    run, asked = sync(run.state)
    assert asked == ["broken", "later"]

    shop.sandbox.advance(3600)
    shop.sandbox.shop.modify_project(other)
    run, asked = sync(run.state)
    assert asked == ["broken"]

    fault.remove()
    run, asked = sync(run.state)
    assert run.exit_code == 0
    assert asked == ["broken"]


# Who may see the token


def test_given_files_on_other_hosts_when_downloaded_then_only_the_api_sees_the_token_and_nobody_a_cookie(
    shop: Shop,
) -> None:
    sandbox = shop.sandbox
    sandbox.switches.update(sets_cookie=True, file_redirect=True)
    shop.add(FileSpec(id="public", anonymous=True), FileSpec(id="private"))
    shop.add(FileSpec(id="led-back", anonymous=True))
    sandbox.fault("/files/led-back/", redirect=f"{sandbox.url}/api/storage/v1/artifacts/private/file")
    unsafe = shop.add(FileSpec(id="unsafe", anonymous=True))

    def lead_astray(results: dict[str, Any]) -> dict[str, Any]:
        files = [{**file, "url": "http://files.example.com/unsafe.pdf"} for file in results["outputFileDetails"]]
        return {**results, "outputFileDetails": files}

    sandbox.fault(f"/projects/{unsafe}/processing-results", edit=lead_astray)

    run = shop.sync(None, "artifact_files", "projects", "storefronts", tenant_id=1)

    assert shop.delivered(run) == {"public", "private"}
    message = error_of(run)["message"]
    assert "artifact unsafe" in message
    assert "artifact led-back" in message
    assert "signature" not in run.output
    requests = sandbox.requests
    assert {request.origin for request in requests} == {"api", "cdn"}
    assert [request.path for request in requests if "Cookie" in request.headers] == []
    assert [
        request.path for request in requests if request.origin == "cdn" and "Authorization" in request.headers
    ] == []
    without = [request for request in requests if request.origin == "api" and "Authorization" not in request.headers]
    assert [request.path for request in without if request.path != "/connect/token"] == [
        "/api/storage/v1/artifacts/private/file"  # where the stranger led to: it got no token for that
    ]
    tokens = {request.headers["Authorization"].split()[1] for request in requests if "Authorization" in request.headers}
    assert not any(token in run.output for token in tokens)


# Where

HOSTILE = (
    "../../outside.pdf",
    "..",
    ".",
    "",
    "/etc/passwd",
    "C:\\Windows\\system.ini",
    "\\\\host\\share\\file.pdf",
    "a/b\\c.pdf",
    "nul\x00byte.pdf",
    "line\nbreak.pdf",
    "NUL.pdf",
    "con",
    "trailing. . ",
    "..%2f..%2foutside.pdf",
    "stream:$DATA.pdf",
    "\u202egnp.fdp",
    "e\u0301te\u0301.pdf",
    "\u00e9t\u00e9.pdf",
    "Straße.pdf",
    "STRASSE.PDF",
    "CARD.pdf",
    "card.pdf",
    "card.pdf",
    "plakat \U0001f5bc 日本語.pdf",
    "x" * 300 + ".pdf",
    "é" * 300 + ".tar.gz",
)


def test_given_hostile_names_and_ids_when_synced_twice_then_nothing_escapes_and_every_path_is_the_same(
    shop: Shop,
) -> None:
    shop.add(*(FileSpec(name=name, size=1000 + number) for number, name in enumerate(HOSTILE)))
    ids = ["../../outside", "a/b", "..", "x" * 300, "id:?*", "é"]
    shop.add(*(FileSpec(name="", id=id_, size=500 + number) for number, id_ in enumerate(ids)))
    orders = [*filter(None, HOSTILE), None]
    for number, order in enumerate(orders):
        shop.add(FileSpec(size=100 + number), order_id=order)
    before = {path for path in shop.folder.parent.rglob("*") if shop.files not in path.parents}

    first = shop.sync()
    elsewhere = shop.folder / "elsewhere"
    second = shop.sync(file_directory=str(elsewhere), num_workers=2)

    assert first.exit_code == second.exit_code == 0
    assert len(shop.delivered(first)) == len(HOSTILE) + len(ids) + len(orders)
    shop.delivered(second, elsewhere)
    paths = {record["artifactId"]: record["filePath"] for record in first.records("artifact_files")}
    assert paths == {record["artifactId"]: record["filePath"] for record in second.records("artifact_files")}
    assert len({unicodedata.normalize("NFC", path).casefold() for path in paths.values()}) == len(paths)
    for path in paths.values():
        parts = path.split("/")
        assert (len(parts), parts[0]) == (4, str(STOREFRONT))
        assert all(0 < len(part.encode()) <= 200 and part not in (".", "..") for part in parts)
        assert not any(character in path for character in '\\:*?"<>|\0\n')
        assert "." in parts[3]
    created = {path for path in shop.folder.parent.rglob("*") if not {shop.files, elsewhere} & {path, *path.parents}}
    assert {path for path in created - before if path.suffix != ".json"} == set()


# Room


def without_mounts(*arguments: str) -> str | None:
    """Why nothing could be mounted; None where it was."""
    try:
        done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    except OSError as error:
        return str(error)
    return done.stderr.strip() or "mount failed" if done.returncode else None


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for three files and a half."""
    folder = tmp_path / "small"
    folder.mkdir()
    why = without_mounts("-t", "tmpfs", "-o", f"size={3 * SIZE + SIZE // 2}", "none", str(folder))
    if why:
        pytest.skip(f"a full disk takes a small file system, and mounting one needs root: {why}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "read-only"
    folder.mkdir()
    why = without_mounts("-t", "tmpfs", "-o", "ro", "none", str(folder))
    if why:
        pytest.skip(f"root writes to a folder whatever its mode, and mounting a read-only one needs root: {why}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_given_a_full_disk_when_synced_then_what_fits_is_delivered_and_the_next_sync_brings_exactly_the_rest(
    shop: Shop, small_disk: Path
) -> None:
    ids = {f"file-{number}" for number in range(8)}
    for id_ in ids:
        shop.add(FileSpec(id=id_, size=SIZE))

    full = shop.sync(None, "artifact_files", "processing_results", file_directory=str(small_disk), num_workers=2)

    error = error_of(full)
    assert error["failure_type"] == "config_error"
    assert "No space left" in error["message"]
    assert str(small_disk) in error["message"]
    delivered = shop.delivered(full, small_disk)
    assert 0 < len(delivered) < len(ids)
    assert full.statuses() == {"artifact_files": "INCOMPLETE", "processing_results": "COMPLETE"}
    assert len(full.records("processing_results")) == len(ids)

    rest = shop.sync(full.state, "artifact_files", "processing_results")
    assert rest.exit_code == 0
    assert shop.delivered(rest) == ids - delivered
    assert rest.records("processing_results") == []


def test_given_a_folder_that_cannot_be_written_when_synced_then_it_is_named_and_other_streams_go_on(
    shop: Shop, read_only: Path
) -> None:
    shop.add(FileSpec(id="only"))
    in_the_way = shop.folder / "in-the-way"
    in_the_way.write_text("a file where a folder should be")
    state: State | None = None

    for folder in (read_only, in_the_way):
        run = shop.sync(None, "artifact_files", "projects", file_directory=str(folder))
        error = error_of(run)
        assert error["failure_type"] == "config_error"
        assert str(folder) in error["message"]
        assert "`file_directory`" in error["message"]
        assert run.statuses() == {"artifact_files": "INCOMPLETE", "projects": "COMPLETE"}
        assert (len(run.records("projects")), run.records("artifact_files")) == (1, [])
        state = run.state

    assert shop.delivered(shop.sync(state, "artifact_files", "projects")) == {"only"}


def test_given_a_staging_folder_that_vanishes_when_synced_then_the_next_sync_brings_what_was_not_delivered(
    shop: Shop,
) -> None:
    ids = {f"file-{number}" for number in range(8)}
    for id_ in ids:
        shop.add(FileSpec(id=id_, size=SIZE))
    vanished = shop.folder / "vanished"
    shop.sandbox.on(FILE, lambda: shop.files.rename(vanished), nth=5)

    first = shop.sync(None, "artifact_files", "projects", num_workers=2)

    assert error_of(first)["failure_type"] == "config_error"
    assert str(shop.files) in error_of(first)["message"]
    assert first.statuses() == {"artifact_files": "INCOMPLETE", "projects": "COMPLETE"}
    assert not list(shop.files.rglob("*.part"))

    delivered = set(first.file_references())
    shutil.rmtree(vanished)
    shutil.rmtree(shop.files, ignore_errors=True)
    second = shop.sync(first.state, "artifact_files", "projects")
    assert second.exit_code == 0
    assert shop.delivered(second) == ids - delivered


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
    mine = shop.files / "artifact_files" / "mine.part"
    mine.write_text("no download's")
    stalled.remove()
    second = shop.sync(run.state)

    assert second.exit_code == 0
    assert not leftover.exists()
    assert mine.exists()
    mine.unlink()
    assert {"file-3"} <= set(second.file_references())
    on_disk = {path.read_bytes() for path in files_below(shop.files)}
    assert on_disk == {shop.sandbox.shop.file_bytes(id_) for id_ in ids}
    assert len(files_below(shop.files)) == len(ids)


# Whether files are wanted


def test_given_each_setting_and_each_catalog_when_synced_then_files_come_exactly_when_they_are_wanted(
    shop: Shop,
) -> None:
    shop.add(FileSpec(id="file", size=1234))
    cases = [(download, asked) for download in ("auto", "always", "never") for asked in (True, False, None)]

    def sync(case: tuple[str, bool | None]) -> Run:
        download, asked = case
        catalog = configured(bare_catalog(), "artifact_files", include_files=asked)
        settings = {"file_download": download, "file_directory": str(shop.folder / f"{download}-{asked}")}
        return shop.command.read(shop.config(**settings), catalog)

    with ThreadPoolExecutor(3) as pool:
        runs = dict(zip(cases, pool.map(sync, cases), strict=True))

    for (download, asked), run in runs.items():
        folder = shop.folder / f"{download}-{asked}"
        hints = [log for log in run.logs("INFO") if "`file_download`" in log]
        assert run.exit_code == 0
        if download == "always" or (download == "auto" and asked):
            assert shop.delivered(run, folder) == {"file"}
            assert hints == []
            continue
        (row,) = run.records("artifact_files")
        assert (row["artifactId"], row["size"], row.get("sha256"), row.get("filePath")) == ("file", 1234, None, None)
        assert run.file_references() == {}
        assert not folder.exists()
        assert len(hints) == 1
        assert ("`include_files`" in hints[0]) == (download == "auto")


def test_given_rows_without_files_when_files_are_wanted_later_then_they_are_downloaded_then(shop: Shop) -> None:
    ids = {"one", "two"}
    for id_ in ids:
        shop.add(FileSpec(id=id_))
    rows = shop.sync(file_download="never")
    assert [row.get("filePath") for row in rows.records("artifact_files")] == [None, None]
    assert shop.requested() == []

    later = shop.sync(rows.state)

    assert shop.delivered(later) == ids
    assert shop.sync(later.state).records("artifact_files") == []


def test_given_each_way_to_name_the_folder_when_synced_then_the_files_lie_there(shop: Shop) -> None:
    shop.add(FileSpec(id="file"))
    staging = shop.folder / "staging"
    platform = CommandLine(shop.folder, {"AIRBYTE_STAGING_DIRECTORY": str(staging)})
    catalog = configured(bare_catalog(), "artifact_files", include_files=True)

    by_platform = platform.read(shop.sandbox.config(), catalog)
    chosen = platform.read(shop.sandbox.config(file_directory="print files/of today"), catalog)
    by_default = shop.command.read(shop.sandbox.config(), catalog)

    assert shop.delivered(by_platform, staging) == {"file"}
    assert shop.delivered(chosen, shop.folder / "print files" / "of today") == {"file"}
    (reference,) = by_default.file_references().values()
    path = Path(reference["staging_file_url"])
    assert path.is_absolute()
    assert path.read_bytes() == shop.sandbox.shop.file_bytes("file")
    path.unlink()


# Many, and large ones


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


PEAK = (
    "import os, subprocess, sys; process = subprocess.Popen(sys.argv[2:]); _, status, used = os.wait4(process.pid, 0); "
    "open(sys.argv[1], 'w').write(str(used.ru_maxrss)); os._exit(os.waitstatus_to_exitcode(status))"
)
"""Runs a command and notes its greatest memory in KiB: a process' own, which a child of pytest would begin with."""


def peak_and_run(shop: Shop, files: Sequence[FileSpec], **settings: Any) -> tuple[int, Run]:
    """The greatest memory in bytes of a sync of these files."""
    note = shop.folder / "peak"
    command = str(Path(sys.executable).with_name("source-customerscanvas"))
    measured = CommandLine(shop.folder, program=[sys.executable, "-c", PEAK, str(note), command])
    for file in files:
        shop.add(file)
    run = measured.read(shop.config(**settings), configured(bare_catalog(), "artifact_files"))
    assert run.exit_code == 0
    return int(note.read_text()) * 1024, run


@pytest.mark.skipif(sys.platform != "linux", reason="each system counts a process' greatest memory in its own unit")
@pytest.mark.parametrize(
    "files", [[FileSpec(size=2**30)], [FileSpec(size=2**26)] * 16], ids=["1-of-1-GiB", "16-of-64-MiB"]
)
def test_given_large_files_when_downloaded_then_memory_stays_within_30_mb_of_that_for_a_small_one(
    shop: Shop, files: list[FileSpec]
) -> None:
    small, _ = peak_and_run(shop, [FileSpec(size=1024)])
    shop.sandbox.shop.remove_project(1)
    large, run = peak_and_run(shop, files)

    assert large - small <= 30_000_000
    records = run.records("artifact_files")
    assert sum(record["size"] for record in records) == 2**30
    for record in records:
        content = shop.sandbox.shop.content(record["artifactId"])[1]
        path = Path(run.file_references()[record["artifactId"]]["staging_file_url"])
        with path.open("rb") as file:
            assert all(file.read(len(piece)) == piece for piece in content.read(0, content.length))
            assert file.read() == b""
