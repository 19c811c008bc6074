"""The hot folder's example, against what the connector delivers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from integration_tests.command_line import CommandLine, State, bare_catalog, configured
from integration_tests.release.examples import run, shop
from sandbox import Sandbox

__all__ = ["shop"]  # the fixture

CANCELLED = 5


@pytest.fixture
def delivering(shop: Sandbox, tmp_path: Path) -> Callable[[], None]:
    """Syncs the shop's files, with manifests, into `print-files`."""
    command_line = CommandLine(tmp_path)
    files = {"delivery": "folder", "path": str(tmp_path / "print-files")}
    config = shop.config(files=files, order_manifest=True, statuses={"mode": "except", "codes": [CANCELLED]})
    states: list[State | None] = [None]

    def sync() -> None:
        done = command_line.read(config, configured(bare_catalog(), "artifact_files"), states[-1])
        assert done.exit_code == 0, done.traces
        states.append(done.state)

    return sync


def look(folder: Path) -> list[str]:
    """What the hot folder's example hands over in one look."""
    return sorted(run(folder, "hot_folder.py", "print-files", "hot", "--once").splitlines())


def complete_pdfs(sandbox: Sandbox) -> list[bytes]:
    """The PDFs of the orders of which every project that is not cancelled is completed."""
    orders: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for project in sandbox.shop.projects():
        if project["orderId"] and project["status"] != CANCELLED:
            orders.setdefault((project["storefrontId"], project["orderId"]), []).append(project)
    return sorted(
        sandbox.shop.file_bytes(file["artifactId"])
        for projects in orders.values()
        if all(project["processingStatus"] == "Completed" for project in projects)
        for project in projects
        for file in sandbox.shop.results(project["id"])["outputFileDetails"] or []
        if file["format"].lower() == "pdf"
    )


def test_given_a_hot_folder_when_orders_become_complete_then_it_gets_their_pdfs_whole_and_once(
    shop: Sandbox, tmp_path: Path, delivering: Callable[[], None]
) -> None:
    delivering()
    first = look(tmp_path)
    assert first == names_in(tmp_path / "hot")
    assert contents_in(tmp_path / "hot") == complete_pdfs(shop)
    assert look(tmp_path) == []

    shop.shop.finish_all()
    shop.advance(60)
    delivering()
    second = look(tmp_path)
    assert second
    assert names_in(tmp_path / "hot") == sorted(first + second)
    assert contents_in(tmp_path / "hot") == complete_pdfs(shop)


def test_given_a_hot_folder_when_a_file_is_made_anew_then_it_alone_is_handed_over_again(
    shop: Sandbox, tmp_path: Path, delivering: Callable[[], None]
) -> None:
    shop.shop.finish_all()
    delivering()
    first = look(tmp_path)
    manifest = min(tmp_path.glob("print-files/*/*/order.json"))
    project = json.loads(manifest.read_bytes())["projects"][0]
    (file, *_) = (one for one in project["files"] if one["format"].lower() == "pdf")
    for path in (tmp_path / "hot").iterdir():
        path.unlink()

    shop.advance(60)
    shop.shop.regenerate_artifact(file["artifactId"])
    shop.shop.modify_project(project["id"])
    delivering()
    again = look(tmp_path)
    assert len(again) == 1
    assert set(again) <= set(first)
    assert contents_in(tmp_path / "hot") == [shop.shop.file_bytes(file["artifactId"])]


def test_given_a_hot_folder_when_a_project_has_several_items_then_each_file_says_how_often_its_item_was_ordered(
    shop: Sandbox, tmp_path: Path, delivering: Callable[[], None]
) -> None:
    shop.shop.finish_all()
    delivering()
    ordered = {}
    for project in shop.shop.projects():
        quantities = {item["id"]: item["quantity"] for item in project["items"]}
        for file in shop.shop.results(project["id"])["outputFileDetails"] or []:
            ordered[file["artifactId"]] = quantities.get(file["projectItemId"], sum(quantities.values()))
    names = [name.split("_", 2) for name in look(tmp_path)]
    assert [int(pieces[:-1]) for pieces, _, _ in names] == [ordered[artifact] for _, artifact, _ in names]


def test_given_files_of_a_manifest_when_their_item_or_checksum_is_not_known_then_all_items_count_and_it_is_taken_once(
    tmp_path: Path,
) -> None:
    (tmp_path / "print-files").mkdir()
    (tmp_path / "print-files" / "a.pdf").write_bytes(b"abc")
    items = [{"id": number, "quantity": 100 * number} for number in (1, 2)]
    file = {"artifactId": "7f", "projectItemId": None, "format": "pdf", "path": "a.pdf", "size": 3, "sha256": None}
    order = {"version": 1, "projects": [{"items": items, "files": [file, {**file, "artifactId": "8", "path": "gone"}]}]}
    manifest = tmp_path / "print-files" / "order.json"
    manifest.write_text(json.dumps(order), encoding="utf-8")
    assert look(tmp_path) == []
    order["projects"][0]["files"].pop()  # type: ignore[index]  # a list of projects
    manifest.write_text(json.dumps(order), encoding="utf-8")
    assert look(tmp_path) == ["300x_7f_a.pdf"]
    assert look(tmp_path) == []


@pytest.mark.parametrize("namesake", ['[{"version": 1}]', "%PDF-1.7"])
def test_given_a_file_that_is_not_what_its_manifest_says_when_looked_at_then_its_order_waits(
    shop: Sandbox, tmp_path: Path, delivering: Callable[[], None], namesake: str
) -> None:
    delivering()
    manifest = min(tmp_path.glob("print-files/*/*/order.json"))
    files = [file for project in json.loads(manifest.read_bytes())["projects"] for file in project["files"]]
    (pdf, *_) = (file for file in files if file["format"].lower() == "pdf")
    path = tmp_path / "print-files" / pdf["path"]
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    # a print file that happens to have the name of a manifest
    (path.parent / "order.json").write_text(namesake, encoding="utf-8")

    handed = look(tmp_path)
    assert handed
    assert not any(f"_{pdf['artifactId']}_" in name for name in handed)
    path.write_bytes(whole)
    late = look(tmp_path)
    assert any(f"_{pdf['artifactId']}_" in name for name in late)
    assert contents_in(tmp_path / "hot") == complete_pdfs(shop)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def contents_in(folder: Path) -> list[bytes]:
    return sorted(path.read_bytes() for path in folder.iterdir())
