"""What the tests of downloads share: a shop with files, a connector that downloads them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from integration_tests.command_line import CommandLine, Message, Run, State, bare_catalog, configured
from integration_tests.conftest import STOREFRONT
from integration_tests.engine import folder
from sandbox import FileSpec, Sandbox

SIZE = 1_000_000
HALF = 450_000


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
        return add_project(self.sandbox, *files, **fields)

    def config(self, **settings: Any) -> dict[str, Any]:
        return self.sandbox.config(**{"files": folder(self.files), **settings})

    def sync(self, state: State | None = None, *streams: str, **settings: Any) -> Run:
        """One sync of the files, or of these streams."""
        catalog = configured(bare_catalog(), *(streams or ("artifact_files",)))
        return self.command.read(self.config(**settings), catalog, state)

    def delivered(self, run: Run, files: Path | None = None) -> set[str]:
        """The artifacts that came: each with the server's bytes where its row says, and nothing else lies there."""
        root = files or self.files
        rows = run.records("artifact_files")
        for row in rows:
            path = root / row["filePath"]
            content = self.sandbox.shop.file_bytes(row["artifactId"])
            assert path.read_bytes() == content
            assert row["size"] == len(content)
            assert row["sha256"] == sha256(content).hexdigest()
            assert row["fileUrl"] == path.as_uri()
        assert run.file_references() == {}
        assert files_below(root) == {root / row["filePath"] for row in rows}
        return {row["artifactId"] for row in rows}

    def requested(self, since: int = 0) -> list[str]:
        """The artifacts whose files were asked for, after so many requests."""
        asked = self.sandbox.requests[since:]
        return [request.path.split("/")[-2] for request in asked if request.path.endswith("/file")]


def add_project(sandbox: Sandbox, *files: FileSpec, **fields: Any) -> int:
    """A completed project with these files, of an order."""
    values: dict[str, Any] = {"storefront_id": STOREFRONT, "processing": "Completed", "order_id": "1001", **fields}
    return sandbox.shop.create_project(files=files, **values)


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
