"""A directory of this machine: its folders, and the files that are still being written."""

import errno
import os
import re
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import IO

from source_customerscanvas.errors import FileRefused, Stopped, StoreUnavailable
from source_customerscanvas.files.stores.store import Unfinished
from source_customerscanvas.files.stores.writing import FileWriter

try:
    import fcntl
except ImportError:  # Windows, where a file that is open cannot be removed anyway
    fcntl = None  # type: ignore[assignment]  # a module or nothing

_TEMPORARY_NAME = ".customerscanvas-{}-{}.part"
_MARKER_NAME = ".customerscanvas-{}.run"
_RUN = re.compile(r"\.customerscanvas-(\w+)[-.]")
_MOST_REMADE = 20
"""How often folders are made again for one file, since somebody took them away before it lay in them."""

_NO_NAMES = frozenset({"", ".", ".."})
_OF_ONE_FILE = frozenset({errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR, errno.ENOTEMPTY, errno.EEXIST})


class Disk:
    """A directory as one run uses it; safe to share between threads.

    Between `begin` and `end` a marker in the directory, locked for as long as the process lives, says that the run's
    unfinished files are not those of a killed one. So only after a run was killed does another one have to look for
    them, among all the files that may lie there.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.unfinished = Unfinished[str]()
        self._path = str(directory)
        self._root = Path(os.path.realpath(directory))  # `resolve` fails where a link leads to itself
        self._run = uuid.uuid4().hex
        self._numbers = count()
        self._marker: IO[bytes] | None = None
        self._known: set[str] = set()

    def begin(self, *, parents: bool = True) -> None:
        """Make the directory if it is missing, and those above it, and clear up after killed runs."""
        try:
            self.directory.mkdir(parents=parents, exist_ok=True)
            self._marker = self._new_marker()
            self._clear_up()
        except OSError as error:
            raise StoreUnavailable(self._path, _reason(error)) from error

    def end(self) -> None:
        """Take the marker away; also twice, and by two threads at once, where a run is abandoned while it ends."""
        marker = self._marker
        if marker:
            with suppress(OSError):
                os.unlink(marker.name)
            marker.close()
            self.unfinished.finish(marker.name)

    def abandon(self) -> None:
        """End without waiting for anybody: the files that are still being written are removed, and the marker."""
        # the marker last: as long as it is there, the next run looks for the others
        for path in sorted(self.unfinished.abandon(), key=_is_marker):
            with suppress(OSError):
                os.unlink(path)
        self.end()

    def open(self, relative_path: str) -> "DiskWriter":
        """A file that lies under its name only when it is committed."""
        *folders, name = relative_path.split("/")
        if not _NO_NAMES.isdisjoint((*folders, name)):
            raise FileRefused(self._path, relative_path, "it would lie outside")
        with self.explained(relative_path):
            return DiskWriter(self, relative_path, self._new_part(folders))

    def target(self, relative_path: str) -> str:
        return os.path.join(self._path, *relative_path.split("/"))

    @contextmanager
    def explained(self, relative_path: str) -> Iterator[None]:
        """Errors of the system become those of a store."""
        try:
            yield
        except OSError as error:
            if self.unfinished.is_abandoned:
                raise Stopped from None
            if error.errno in _OF_ONE_FILE and self.directory.is_dir():
                raise FileRefused(self._path, relative_path, _reason(error)) from error
            raise StoreUnavailable(self._path, _reason(error)) from error

    def _new_part(self, folders: Sequence[str]) -> IO[bytes]:
        name = _TEMPORARY_NAME.format(self._run, next(self._numbers))
        # whoever takes the files away may take the folders too: each of them, and at any moment
        for _ in range(_MOST_REMADE):
            with suppress(FileNotFoundError):
                return self._create(os.path.join(self._make(folders), name))
            self._known.clear()
            with suppress(FileExistsError):
                os.mkdir(self._path)  # not those above it: a volume that is gone is not to be made up for
        return self._create(os.path.join(self._make(folders), name))

    def _create(self, path: str) -> IO[bytes]:
        with self.unfinished.begun(path):
            return open(path, "xb", buffering=0)

    def _make(self, folders: Sequence[str]) -> str:
        """A folder below the directory. Each is made, or looked at, once: for small files that counts."""
        folder = os.sep.join((self._path, *folders))
        if folder in self._known:
            return folder
        folder = self._path
        for name in folders:
            folder = f"{folder}{os.sep}{name}"
            if folder in self._known:
                continue
            try:
                os.mkdir(folder)
            except FileExistsError:
                # before anything is made in it, so that a link that leads outside is not followed even for a folder
                if not Path(os.path.realpath(folder)).is_relative_to(self._root):
                    raise FileRefused(self._path, "/".join(folders), "a link there leads outside") from None
            self._known.add(folder)
        return folder

    def _new_marker(self) -> IO[bytes]:
        while True:
            path = os.path.join(self._path, _MARKER_NAME.format(self._run))
            marker = self._create(path)  # open until the end
            if _is_free(marker) is not False and os.fstat(marker.fileno()).st_nlink:
                return marker
            # a run that has just begun took it for that of a killed one
            marker.close()
            self.unfinished.finish(path)
            self._run = uuid.uuid4().hex

    def _clear_up(self) -> None:
        markers = self.directory.glob(_MARKER_NAME.format("*"))
        left = [marker for marker in markers if _run_of(marker.name) != self._run and _is_left(marker)]
        if not left:
            return
        runs = {_run_of(marker.name) for marker in left}
        # it passes over folders that somebody takes away meanwhile
        for folder, _, names in os.walk(self._path):
            for name in names:
                if _run_of(name) in runs and not _is_marker(name):
                    with suppress(OSError):
                        os.unlink(os.path.join(folder, name))
        for marker in left:
            with suppress(OSError):
                marker.unlink(missing_ok=True)


class DiskWriter:
    """A file under a hidden name, which is renamed when it is whole and on the disk."""

    def __init__(self, disk: Disk, relative_path: str, file: IO[bytes]) -> None:
        self._disk = disk
        self._path = relative_path
        self._file = file
        self._writer = FileWriter(file)

    def write(self, chunk: bytes) -> None:
        with self._disk.explained(self._path):
            self._writer.write(chunk)

    def restart(self) -> None:
        with self._disk.explained(self._path):
            self._writer.restart()

    def commit(self) -> str:
        with self._disk.explained(self._path):
            digest = self._writer.end()
            self._writer.close()
            self._file.close()
            os.replace(self._file.name, self._disk.target(self._path))
        self._disk.unfinished.finish(self._file.name)
        return digest

    def abort(self) -> None:
        self._writer.close()
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            os.unlink(self._file.name)
        self._disk.unfinished.finish(self._file.name)


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__


def _is_marker(path: str) -> bool:
    return path.endswith(Path(_MARKER_NAME).suffix)


def _run_of(name: str) -> str:
    matched = _RUN.match(name)
    return matched[1] if matched else ""


def _is_left(marker: Path) -> bool:
    """Whether a run was killed; where the system cannot tell, it may be under way."""
    try:
        with marker.open("rb") as file:
            return _is_free(file) is True
    except OSError:
        return False


def _is_free(marker: IO[bytes]) -> bool | None:
    """Lock a marker. False if somebody has, None if the file system has no locks."""
    try:
        if fcntl is not None:
            fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True
