"""Files are delivered only when they are wanted."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from integration_tests.command_line import CommandLine, Run, bare_catalog, configured
from integration_tests.engine import folder
from integration_tests.files.conftest import Shop, error_of
from sandbox import FileSpec


def test_given_each_setting_and_each_catalog_when_synced_then_files_come_exactly_when_they_are_wanted(
    shop: Shop,
) -> None:
    shop.add(FileSpec(id="file", size=1234))
    cases = [(delivery, asked) for delivery in ("airbyte", "folder", "none") for asked in (True, False, None)]
    for delivery, asked in cases:
        (shop.folder / f"{delivery}-{asked}").mkdir()

    def sync(case: tuple[str, bool | None]) -> Run:
        delivery, asked = case
        place = shop.folder / f"{delivery}-{asked}"
        catalog = configured(bare_catalog(), "artifact_files", include_files=asked)
        files: dict[str, Any] = folder(place) if delivery == "folder" else {"delivery": delivery}
        platform = CommandLine(place, {"AIRBYTE_STAGING_DIRECTORY": str(place)})
        return platform.read(shop.config(files=files), catalog)

    with ThreadPoolExecutor(3) as pool:
        runs = dict(zip(cases, pool.map(sync, cases), strict=True))

    for (delivery, asked), run in runs.items():
        hints = [log for log in run.logs("INFO") if "To get the files" in log]
        assert run.exit_code == 0
        (row,) = run.records("artifact_files")
        assert (row["artifactId"], row["size"]) == ("file", 1234)
        lying = list((shop.folder / f"{delivery}-{asked}").rglob("*.pdf"))
        is_wanted = delivery == "folder" or (delivery == "airbyte" and asked is True)
        assert (len(lying), row.get("sha256") is not None, len(hints)) == (is_wanted, is_wanted, not is_wanted)
        assert len(run.file_references()) == (delivery == "airbyte" and asked is True)
        assert row.get("filePath") == ("11/1001/1/print.pdf" if is_wanted else None)
        assert (row.get("fileUrl") is not None) == (delivery == "folder")


@pytest.mark.parametrize("before", ["none", "elsewhere"])
def test_given_files_that_went_nowhere_or_elsewhere_when_they_are_wanted_here_later_then_they_are_delivered_as_new(
    shop: Shop, before: str
) -> None:
    ids = {"one", "two"}
    for id_ in ids:
        shop.add(FileSpec(id=id_))
    first = shop.sync(files={"delivery": "none"} if before == "none" else folder(shop.folder / "elsewhere"))
    assert {row["artifactId"] for row in first.records("artifact_files")} == ids

    later = shop.sync(first.state)

    assert shop.delivered(later) == ids
    assert shop.sync(later.state).records("artifact_files") == []


def test_given_files_that_go_to_another_place_when_one_is_in_trouble_at_first_then_it_comes_with_the_next_sync(
    shop: Shop,
) -> None:
    shop.add(FileSpec(id="one"))
    shop.sandbox.advance(86_400)
    shop.add(FileSpec(id="two"))
    first = shop.sync(files=folder(shop.folder / "elsewhere"))
    shop.sandbox.fault("/one/file", status=500)
    second = shop.sync(first.state)
    assert error_of(second)
    assert shop.delivered(second) == {"two"}

    shop.sandbox.clear_faults()
    third = shop.sync(second.state)

    assert [row["artifactId"] for row in third.records("artifact_files")] == ["one"]
    assert shop.sync(third.state).records("artifact_files") == []


@pytest.mark.parametrize("format_", ["jpg", "*.JPEG", " .Jpg "])
def test_given_a_format_in_any_spelling_when_synced_then_its_files_come(shop: Shop, format_: str) -> None:
    shop.add(FileSpec("photo.jpg", id="photo", format="Jpeg"), FileSpec("print.pdf", id="print", format="Pdf"))
    assert shop.delivered(shop.sync(file_formats=[format_])) == {"photo"}
