"""Downloads stay below their folder, which is made as often as it has to be."""

import os
import shutil
from pathlib import Path

import pytest

from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.errors import FileRefused
from source_customerscanvas.files.download import Downloader
from source_customerscanvas.files.stores.folder import FolderStore
from unit_tests.downloads import BODY, PATH, PRIVATE, assert_whole, found
from unit_tests.http_server import Answer, FakeClock, Server


def test_given_a_file_where_a_folder_should_be_when_downloaded_then_it_says_so(
    server: Server, files: Downloader, tmp_path: Path
) -> None:
    (tmp_path / "1").write_bytes(b"")
    with pytest.raises(FileRefused, match=str(tmp_path)):
        files.deliver(PRIVATE, PATH)
    assert server.requests == []


@pytest.mark.parametrize("path", ["../card.pdf", "/etc/card.pdf", "1/../../card.pdf", "..", "", "."])
def test_given_a_path_that_leads_outside_when_downloaded_then_nothing_is_written(
    server: Server, client: ApiClient, tmp_path: Path, path: str
) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    with pytest.raises(FileRefused, match="outside"):
        Downloader(client, FolderStore(inside)).deliver(PRIVATE, path)
    assert found(tmp_path) == []
    assert server.requests == []


def test_given_a_link_that_leads_outside_when_downloaded_then_nothing_is_written_there(
    client: ApiClient, tmp_path: Path
) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (inside / "1").symlink_to(outside)
    with pytest.raises(FileRefused, match="outside"):
        Downloader(client, FolderStore(inside)).deliver(PRIVATE, PATH)
    assert list(outside.iterdir()) == []


def test_given_folders_taken_away_with_their_files_when_another_is_downloaded_then_they_are_made_again(
    server: Server, files: Downloader, tmp_path: Path
) -> None:
    server.answer = lambda _: Answer(200, BODY)
    files.deliver(PRIVATE, PATH)
    shutil.rmtree(tmp_path / Path(PATH).parts[0])
    assert files.deliver(PRIVATE, PATH).size == len(BODY)


@pytest.mark.parametrize("taken", ["staging/1/5/9", "staging/1/5", "staging/1", "staging"])
def test_given_folders_taken_away_when_the_next_project_is_downloaded_then_they_are_made_again(
    server: Server, client: ApiClient, clock: FakeClock, tmp_path: Path, taken: str
) -> None:
    (tmp_path / "staging").mkdir()
    files = Downloader(client, FolderStore(tmp_path / "staging"), clock)
    server.answer = lambda _: Answer(200, BODY)
    files.deliver(PRIVATE, PATH)
    shutil.rmtree(tmp_path / taken)
    assert files.deliver(PRIVATE, "1/5/10/card.pdf").size == len(BODY)
    assert (tmp_path / "staging/1/5/10/card.pdf").read_bytes() == BODY


def test_given_a_folder_taken_away_as_soon_as_it_is_made_when_downloaded_then_it_is_made_again(
    server: Server, files: Downloader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = iter([True, True])
    make = os.mkdir

    def make_for_a_moment(path: str) -> None:
        make(path)
        if Path(path).name == "9" and next(taken, False):
            os.rmdir(path)

    monkeypatch.setattr(os, "mkdir", make_for_a_moment)
    server.answer = lambda _: Answer(200, BODY)
    assert_whole(files.deliver(PRIVATE, PATH), tmp_path)
