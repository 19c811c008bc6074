"""Files are downloaded only when they are wanted."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from integration_tests.command_line import Run, bare_catalog, configured
from integration_tests.files.conftest import Shop
from sandbox import FileSpec


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
