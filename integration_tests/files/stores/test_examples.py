"""The example of each store works once it is filled in, and the page on stores tells the truth."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from integration_tests.command_line import CommandLine, bare_catalog, configured
from integration_tests.files.stores.conftest import STORES, Delivering
from sandbox import FileSpec
from source_customerscanvas.files.paths import PLACEHOLDERS

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("place", STORES, indirect=True)
def test_given_the_example_of_a_store_when_it_is_filled_in_then_files_are_delivered(
    delivering: Delivering, tmp_path: Path
) -> None:
    name = delivering.place.files["delivery"]
    example = json.loads((ROOT / f"examples/stores/{name}.json").read_text(encoding="utf-8"))
    assert example["files"].keys() - delivering.place.files.keys() <= {"sas_token"}
    filled = {key: value for key, value in delivering.place.files.items() if key in example["files"]}
    needed = {key: value for key, value in delivering.place.files.items() if key in ("endpoint", "account_key")}
    filled = {**{key: value for key, value in example["files"].items() if key != "sas_token"}, **filled, **needed}
    config = {**example, **delivering.sandbox.config(), "files": filled}
    delivering.add(FileSpec("print", id="one", format="Pdf"), order_id="5001")
    command = CommandLine(tmp_path)

    run = command.read(config, configured(bare_catalog(), "artifact_files"))

    assert command.check(config).connection_status["status"] == "SUCCEEDED"
    [row] = run.records("artifact_files")
    assert delivering.place.contents() == {row["filePath"]: delivering.sandbox.shop.file_bytes("one")}


def test_given_the_page_on_stores_when_read_then_each_placeholder_stands_there() -> None:
    page = (ROOT / "docs/stores.md").read_text(encoding="utf-8")
    for placeholder in PLACEHOLDERS:
        assert f"`{{{placeholder}}}`" in page
