"""The demo's own part: what it makes of the synced tables. PyAirbyte itself is in the demo's environment only."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from demo.orders import PROJECT_KEYS, Tables, changed, delivered, read_orders
from demo.report import write_report
from sandbox import Sandbox

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(projects=30) as sandbox:
        yield sandbox


def tables_of(sandbox: Sandbox, folder: Path, sync: int = 1) -> Tables:
    """The tables that syncing would give, the files in `folder`; rows of projects carry the sync in their raw id."""
    shop = sandbox.shop
    projects = [_row(one, f"{sync}-{one['id']}") for one in shop.projects()]
    results: list[dict[str, Any]] = []
    files: list[dict[str, Any]] = []
    for project in projects:
        identity = project["id"]
        found = None if project["processingstatus"] is None else shop.results(identity)
        results.append(_row({"projectId": identity, "status": "Pending", **(found or {})}, f"{sync}-{identity}"))
        for artifact in shop.artifacts(identity):
            if artifact["type"] != "Final":
                continue
            path = Path(str(project["storefrontid"]), str(project["orderid"]), str(identity), artifact["id"], "f.pdf")
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            content = shop.file_bytes(artifact["id"])
            (folder / path).write_bytes(content)
            row = {
                "artifactId": artifact["id"],
                "projectId": identity,
                "format": artifact["format"],
                "size": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
                "filePath": path.as_posix(),
            }
            files.append(_row(row, f"{sync}-{artifact['id']}"))
    return {
        "storefronts": [_row(one, str(one["id"])) for one in shop.storefronts()],
        "project_statuses": [{"code": 1, "displayname": "New"}],
        "projects": projects,
        "processing_results": results,
        "artifacts": [],
        "artifact_files": files,
    }


def _row(api_row: dict[str, Any], raw_id: str) -> dict[str, Any]:
    return {**{name.lower(): value for name, value in api_row.items()}, "created": None, "_airbyte_raw_id": raw_id}


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.targets: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.targets += [value for name, value in attrs if name in ("href", "src") and value]


def test_given_synced_tables_when_the_page_is_written_then_it_links_every_file_and_nothing_outside(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    orders = read_orders(tables_of(sandbox, tmp_path / "files"), Path("files"))
    write_report(tmp_path / "report.html", orders, [], sandbox.now())

    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    links = Links()
    links.feed(page)
    expected = {file.path for order in orders for file in order.files}
    assert {Path(unquote(target)) for target in links.targets} == expected
    assert all((tmp_path / path).is_file() for path in expected)
    assert "://" not in re.sub(r"<p>.*?</p>", "", page)


def test_given_two_storefronts_with_the_same_order_id_when_read_then_their_projects_do_not_mix(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    orders = read_orders(tables_of(sandbox, tmp_path), Path())

    same = [order for order in orders if order.id == "5001"]
    assert [order.storefront for order in same] == ["Print shop EU", "Corporate portal"]
    assert sum(len(order.projects) for order in orders) == 30
    for order in same:
        for project in order.projects:
            assert sandbox.shop.project(project.id)["orderId"] == "5001"


def test_given_names_with_markup_when_the_page_is_written_then_they_are_escaped(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.shop.modify_project(1, name="<script>alert(1)</script>", customerName="A & B")
    orders = read_orders(tables_of(sandbox, tmp_path), Path())
    write_report(tmp_path / "report.html", orders, [], sandbox.now())

    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "A &amp; B" in page


@pytest.mark.parametrize("stream", [name for name in PROJECT_KEYS if name != "artifacts"])
def test_given_pipelines_that_finish_between_two_readings_when_compared_then_exactly_their_projects_differ(
    sandbox: Sandbox, tmp_path: Path, stream: str
) -> None:
    before = tables_of(sandbox, tmp_path)
    unfinished = {
        row["id"] for row in sandbox.shop.projects() if row["processingStatus"] not in ("Completed", "Failed")
    }
    assert sandbox.shop.finish_all() == len(unfinished) > 0
    after = tables_of(sandbox, tmp_path)

    assert changed(before, after, stream) == unfinished
    again = tables_of(sandbox, tmp_path, sync=2)
    assert delivered(after, again, stream) == {row[PROJECT_KEYS[stream][1]] for row in again[stream]}
    assert changed(after, again, stream) == set()


def test_given_no_pyairbyte_when_the_demo_is_started_then_one_sentence_says_what_to_do() -> None:
    code = "import sys; sys.modules['airbyte'] = None; from demo.__main__ import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 1
    assert "`make demo`" in done.stderr
    assert "Traceback" not in done.stderr
