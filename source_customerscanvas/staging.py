"""The directory that files are downloaded to: its folders, and the files that are still being written."""

import os
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
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
        with _partial_file(str(directory)) as (path, _):
            pass
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
        folder = os.sep.join((self._directory, *folders))
        if folder not in self._known:
            self._make(folders)
        elif not os.path.isdir(folder):
            # whoever takes the files away may take the folders too
            self._known.clear()
            self._make(folders)
        return _partial_file(folder)

    def _make(self, folders: Sequence[str]) -> None:
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


@contextmanager
def _partial_file(folder: str) -> Iterator[tuple[str, IO[bytes]]]:
    """A new file in a folder, under a name that no file of an artifact has; gone at the end unless it was renamed."""
    path = os.path.join(folder, _TEMPORARY_NAME.format(uuid.uuid4().hex))
    try:
        with open(path, "xb", _WRITTEN_AT_ONCE) as file:
            with suppress(OSError):  # not every file system has locks
                _lock(file)
            yield path, file
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(path)
        raise


def _lock(file: IO[bytes]) -> None:
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
