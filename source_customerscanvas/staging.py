"""The directory that files are downloaded to: its folders, and the files that are still being written."""

import os
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO

from source_customerscanvas.errors import StagingUnavailable
from source_customerscanvas.settings import Settings

try:
    import fcntl
except ImportError:  # Windows, where a file that is open cannot be removed anyway
    fcntl = None  # type: ignore[assignment]  # a module or nothing

_WRITTEN_AT_ONCE = 64 * 1024
_PLATFORM_DIRECTORY = Path("/staging/files")
_TEMPORARY_NAME = ".customerscanvas-{}.part"
_OUTSIDE = "it lies outside the staging directory"
_MOST_REMADE = 20
"""How often folders are made again for one file, since somebody took them away before it lay in them."""

_NO_NAMES = frozenset({"", ".", ".."})


def staging_directory(settings: Settings, stream_name: str) -> Path:
    """The folder for a stream's files, made if missing, as an absolute path; rests of killed runs are removed there.

    `file_directory`, or else the platform's: `AIRBYTE_STAGING_DIRECTORY`, or where the platform puts it by default, or
    below the system's temporary directory, as the framework does. Raises `StagingUnavailable`.
    """
    chosen = settings.file_directory or os.environ.get("AIRBYTE_STAGING_DIRECTORY")
    if chosen:
        base = Path(chosen)
    elif _PLATFORM_DIRECTORY.is_dir():
        base = _PLATFORM_DIRECTORY
    else:
        base = Path(tempfile.gettempdir()) / "airbyte-file-transfer"
    directory = base.absolute() / stream_name
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with _partial_file(partial(_new_part, str(directory))) as (path, _):
            pass
        with suppress(FileNotFoundError):  # another run that begins now may have taken it for a rest
            os.unlink(path)
    except OSError as error:
        raise StagingUnavailable(str(directory), error.strerror or type(error).__name__) from error
    remove_leftovers(directory)
    return directory


def remove_leftovers(directory: Path) -> None:
    """Remove what downloads of killed runs left behind, and nothing that another run is still writing."""
    for path in directory.rglob(_TEMPORARY_NAME.format("*")):
        with suppress(OSError), path.open("rb") as file:
            _lock(file)
            path.unlink(missing_ok=True)


class Folders:
    """The folders of the files below a directory. Each is made, or looked at, once: for small files that counts."""

    def __init__(self, directory: Path) -> None:
        self._directory = str(directory)
        self._root = directory.resolve()
        self._known: set[str] = set()

    def partial_file(self, relative_path: str) -> AbstractContextManager[tuple[str, IO[bytes]]]:
        """A new file where another is to be; raises `StagingUnavailable` where that would lie outside the directory."""
        *folders, name = relative_path.split("/")
        if not _NO_NAMES.isdisjoint((*folders, name)):
            raise StagingUnavailable(relative_path, _OUTSIDE)
        return _partial_file(partial(self._new_part, folders))

    def _new_part(self, folders: Sequence[str]) -> IO[bytes]:
        # whoever takes the files away may take the folders too: each of them, and at any moment
        for _ in range(_MOST_REMADE):
            with suppress(FileNotFoundError):
                return _new_part(self._make(folders))
            self._known.clear()
            with suppress(FileExistsError):
                os.mkdir(self._directory)  # not those above it: a volume that is gone is not to be made up for
        return _new_part(self._make(folders))

    def _make(self, folders: Sequence[str]) -> str:
        folder = os.sep.join((self._directory, *folders))
        if folder in self._known:
            return folder
        folder = self._directory
        for name in folders:
            folder = f"{folder}{os.sep}{name}"
            if folder in self._known:
                continue
            try:
                os.mkdir(folder)
            except FileExistsError:
                # before anything is made in it, so that a link that leads outside is not followed even for a folder
                if not Path(folder).resolve().is_relative_to(self._root):
                    raise StagingUnavailable(folder, _OUTSIDE) from None
            self._known.add(folder)
        return folder


@contextmanager
def _partial_file(new_part: Callable[[], IO[bytes]]) -> Iterator[tuple[str, IO[bytes]]]:
    """A new file and its path; gone at the end unless it was renamed."""
    file = new_part()
    try:
        with file:
            yield file.name, file
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(file.name)
        raise


def _new_part(folder: str) -> IO[bytes]:
    """A new file in a folder, under a name that no file of an artifact has."""
    while True:
        path = os.path.join(folder, _TEMPORARY_NAME.format(uuid.uuid4().hex))
        file = open(path, "xb", _WRITTEN_AT_ONCE)
        try:
            _lock(file)
            is_ours = os.fstat(file.fileno()).st_nlink > 0
        except BlockingIOError:
            is_ours = False
        except OSError:  # not every file system has locks
            is_ours = True
        if is_ours:
            return file
        # a run that has just begun took it for the rest of a killed one
        file.close()


def _lock(file: IO[bytes]) -> None:
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
