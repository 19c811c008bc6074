"""What the tests of stores share: each store on a real server, and a shop whose files go there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from integration_tests.conftest import STOREFRONT
from integration_tests.files.conftest import add_project
from integration_tests.files.stores.places import (
    Place,
    azure_place,
    azurite,
    folder_place,
    gcs_place,
    s3_place,
    sftp_place,
    without_azurite,
    without_sshd,
)
from sandbox import FileSpec, Sandbox
from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.files.artifact_file import ArtifactFile, DeliveredFile
from source_customerscanvas.files.download import Downloader
from source_customerscanvas.files.paths import PathTemplate, ProjectValues
from source_customerscanvas.files.stores import store_for
from source_customerscanvas.files.stores.store import Store
from source_customerscanvas.settings import Settings
from source_customerscanvas.times import SYSTEM_CLOCK, Clock

STORES = ("s3", "gcs", "azure", "sftp", "folder")


@pytest.fixture(scope="session")
def azure_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server for all tests, as it takes a second to start."""
    if why := without_azurite():
        pytest.skip(why)
    with azurite(tmp_path_factory.mktemp("azurite")) as endpoint:
        yield endpoint


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """The store that a test names by `indirect` parameters."""
    if request.param == "azure":
        yield azure_place(request.getfixturevalue("azure_endpoint"))
        return
    if request.param == "sftp" and (why := without_sshd()):
        pytest.skip(why)
    if request.param == "folder":
        yield folder_place(tmp_path / "print-files")
        return
    servers: dict[str, Callable[[], Any]] = {
        "s3": s3_place,
        "gcs": gcs_place,
        "sftp": lambda: sftp_place(tmp_path, tmp_path / "upload"),
    }
    with servers[request.param]() as found:
        yield found


@dataclass
class Delivering:
    """Brings a shop's files into a place, as the engine does."""

    sandbox: Sandbox
    place: Place

    def settings(self, **files: Any) -> Settings:
        return Settings.from_config(self.sandbox.config(files={**self.place.files, **files}))

    def store(self, is_hasty: bool = False, /, **files: Any) -> Store:
        store = store_for(self.settings(**files), SYSTEM_CLOCK, Event(), is_hasty=is_hasty)
        assert store
        return store

    def check(self, **files: Any) -> None:
        """As the command `check` does."""
        self.store(True, **files).check()

    def downloader(
        self, clock: Clock = SYSTEM_CLOCK, progress: Callable[[int], None] = lambda _: None, /, **files: Any
    ) -> Downloader:
        downloader = Downloader(ApiClient(self.settings(**files), clock), self.store(**files), clock, progress)
        downloader.begin()
        return downloader

    def add(self, *files: FileSpec, **fields: Any) -> int:
        """A completed project with these files."""
        return add_project(self.sandbox, *files, **fields)

    def wanted(self, project_id: int) -> dict[str, tuple[ArtifactFile, str]]:
        """The files of a project and their paths, by the ids of their artifacts."""
        shop = self.sandbox.shop
        finals = [artifact for artifact in shop.artifacts(project_id) if artifact["type"] == "Final"]
        [row] = [row for row in shop.projects() if row["id"] == project_id]
        paths = PathTemplate(self.settings().file_path).paths(ProjectValues(STOREFRONT, None, row), finals)
        return {one["id"]: (ArtifactFile.from_row(one["id"], one), paths[one["id"]]) for one in finals}

    def deliver(self, *project_ids: int) -> dict[str, DeliveredFile]:
        """Deliver the files of projects, sixteen at once."""
        downloader = self.downloader()
        wanted = [one for project_id in project_ids for one in self.wanted(project_id).items()]
        with ThreadPoolExecutor(16) as pool:
            delivered = list(pool.map(lambda one: downloader.deliver(*one[1]), wanted))
        downloader.end(30)
        return {id_: file for (id_, _), file in zip(wanted, delivered, strict=True)}

    def assert_holds(self, delivered: dict[str, DeliveredFile]) -> None:
        """Exactly these files lie there, each with the shop's bytes, and nothing is unfinished."""
        contents = {id_: self.sandbox.shop.file_bytes(id_) for id_ in delivered}
        assert self.place.contents() == {file.relative_path: contents[id_] for id_, file in delivered.items()}
        for id_, file in delivered.items():
            assert (file.size, file.sha256) == (len(contents[id_]), sha256(contents[id_]).hexdigest())
        assert self.place.unfinished() == 0


@pytest.fixture
def delivering(place: Place) -> Iterator[Delivering]:
    with Sandbox(empty=True) as sandbox:
        sandbox.shop.add_storefront(STOREFRONT)
        yield Delivering(sandbox, place)
