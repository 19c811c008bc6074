"""Files lie where the settings say, however they are named."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from integration_tests.command_line import CommandLine, bare_catalog, configured
from integration_tests.conftest import STOREFRONT
from integration_tests.engine import folder
from integration_tests.files.conftest import Shop, error_of, files_below
from sandbox import FileSpec

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
    second = shop.sync(files=folder(elsewhere), num_workers=2)

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


def test_given_each_way_to_name_the_folder_when_synced_then_the_files_lie_there(shop: Shop) -> None:
    shop.add(FileSpec(id="file"))
    at_home = CommandLine(shop.folder, {"HOME": str(shop.folder / "home")})
    catalog = configured(bare_catalog(), "artifact_files")

    relative = shop.command.read(shop.config(files={"delivery": "folder", "path": "print files/of today"}), catalog)
    home = at_home.read(shop.config(files={"delivery": "folder", "path": " ~/print "}), catalog)

    assert shop.delivered(relative, shop.folder / "print files" / "of today") == {"file"}
    assert shop.delivered(home, shop.folder / "home" / "print") == {"file"}


def test_given_airbytes_file_transfer_when_synced_then_each_row_refers_to_a_staged_file(shop: Shop) -> None:
    shop.add(FileSpec("print", id="file"), FileSpec("PRINT", id="twin"))
    staging = shop.folder / "staging"
    staging.mkdir()
    catalog = configured(bare_catalog(), "artifact_files", include_files=True)
    platform = CommandLine(shop.folder, {"AIRBYTE_STAGING_DIRECTORY": str(staging)})

    by_platform = platform.read(shop.sandbox.config(), catalog)
    by_default = shop.command.read(shop.sandbox.config(), catalog)

    for run in (by_platform, by_default):
        references = run.file_references()
        assert references.keys() == {"file", "twin"}
        for row in run.records("artifact_files"):
            reference = references[row["artifactId"]]
            path = Path(reference["staging_file_url"])
            assert path.is_absolute()
            assert path.read_bytes() == shop.sandbox.shop.file_bytes(row["artifactId"])
            assert reference["source_file_relative_path"] == row["filePath"]
            assert reference["file_size_bytes"] == row["size"]
            assert row.get("fileUrl") is None
            path.unlink()
    assert files_below(staging) == set()


def test_given_a_platform_without_its_staging_directory_when_synced_then_it_says_so(shop: Shop) -> None:
    shop.add(FileSpec(id="file"))
    platform = CommandLine(shop.folder, {"AIRBYTE_STAGING_DIRECTORY": str(shop.folder / "missing")})
    run = platform.read(shop.sandbox.config(), configured(bare_catalog(), "artifact_files", include_files=True))
    assert str(shop.folder / "missing") in error_of(run)["message"]
    assert not (shop.folder / "missing").exists()


def test_given_names_that_route_files_when_synced_then_they_lie_where_the_template_says(shop: Shop) -> None:
    shop.add(FileSpec("print", id="one"), order_id="5001")
    template = "{storefrontId} {orderId}/{projectId} {quantity}x {name}"
    run = shop.sync(file_path=template)
    assert shop.delivered(run) == {"one"}
    [row] = run.records("artifact_files")
    assert row["filePath"].startswith(f"{STOREFRONT} 5001/{row['projectId']} ")
    assert row["filePath"].endswith("x print.pdf")
