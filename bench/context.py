"""What the scenarios share: sizes, a folder for what they write, and shops that are costly to make."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Literal

from bench.connector import ALL, ROWS_ONLY, TRACKED, States, Written, read
from bench.installed import CONNECTOR
from bench.measure import BenchError, Run, run
from bench.shape import Shape
from bench.shop import Served, ShopServer


@dataclass(frozen=True)
class Sizes:
    """How much is measured, and how often."""

    rounds: int
    """Of what takes a few seconds."""
    long_rounds: int
    """Of what takes longer."""
    projects: int
    """Whose files are downloaded."""
    history: int
    """Projects of the shop in which nothing is new."""
    scale: tuple[int, ...]
    listed: int
    """Projects of the comparison with the stock manifest."""
    large_file: int
    many_files: int
    """Bytes of the one large file, and of each of sixteen."""
    limits: Literal["grid", "corner"]
    """Which limits on requests."""
    wide: int
    """Projects with rows of 1 MB each."""
    waiting: int
    """Projects that shards read from a server that is slow to answer."""
    shared_files: tuple[int, int]
    """Files that shards bring into a bucket: how many, and the bytes of each."""


FULL = Sizes(
    7, 3, 600, 100_000, (1_000, 10_000, 100_000), 30_000, 1 << 30, 64 << 20, "grid", 600, 6_000, (256, 16 << 20)
)
QUICK = Sizes(3, 1, 120, 2_000, (100, 500, 2_000), 3_000, 64 << 20, 4 << 20, "corner", 100, 400, (16, 1 << 20))


@dataclass
class SyncedShop:
    """A shop whose streams were read once, without files, and the states that this left."""

    server: ShopServer
    first: Run
    written: Written
    served: Served
    states: States


class Context:
    """One run of the benchmark."""

    def __init__(self, folder: Path, sizes: Sizes) -> None:
        self.folder = folder
        self.sizes = sizes
        self._synced: dict[Shape, SyncedShop] = {}
        self._folders = count()

    def close(self) -> None:
        for shop in self._synced.values():
            shop.server.close()
        self._synced.clear()

    def synced(self, shape: Shape) -> SyncedShop:
        """A shop after its first sync; made once for the whole benchmark, because a large one takes minutes."""
        if shape not in self._synced:
            server = ShopServer(shape)
            taken, written, served = self.sync(server, ALL, ROWS_ONLY)
            if any(written.records[name] < shape.projects for name in ("projects", "processing_results")):
                raise BenchError(f"Of {shape.projects} projects came {dict(written.records)}.")
            states = {name: written.states[name] for name in TRACKED}
            self._synced[shape] = SyncedShop(server, taken, written, served, states)
        return self._synced[shape]

    def forget(self, shape: Shape) -> None:
        """Close a shop that is not needed any more, or has changed."""
        if shape in self._synced:
            self._synced.pop(shape).server.close()

    def sync(
        self,
        server: ShopServer,
        streams: Sequence[str],
        config: Mapping[str, Any],
        states: States | None = None,
        *,
        limit: Mapping[str, Any] | None = None,
        folder: Path | None = None,
        command: Sequence[str | Path] = (CONNECTOR,),
    ) -> tuple[Run, Written, Served]:
        """One sync against a server, which counts what it is asked."""
        server.begin(limit)
        taken, written = read(folder or self.folder, {**server.config, **config}, streams, states, command)
        return taken, written, server.end(taken)

    def new_folder(self) -> Path:
        """An empty folder on the disk, which stays.

        For many small files. A file system may look, for each new file, through all that were removed in the last
        minutes: with those of the run before, that is more work than the run itself.
        """
        folder = self.folder / f"files-{next(self._folders)}"
        folder.mkdir()
        return folder

    def only_folder(self) -> Path:
        """An empty folder on the disk, in the place of the one before. For a few large files."""
        folder = self.folder / "files"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder

    def spec(self) -> Run:
        return run([CONNECTOR, "spec"])

    def load(self, server: ShopServer, what: str, connections: int, seconds: float) -> tuple[float, Served]:
        """Requests a second that the server answers, and what it says of them."""
        output = self.folder / "load.txt"
        server.begin()
        command = [sys.executable, "-m", "bench.load", server.url, what, str(connections), str(seconds)]
        taken = run(command, output)
        return float(output.read_text()), server.end(taken)
