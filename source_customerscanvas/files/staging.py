"""The directory that files are downloaded to: its folders, and the files that are still being written."""

import os
import re
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import IO

from source_customerscanvas.errors import StagingUnavailable
from source_customerscanvas.settings import Settings

try:
    import fcntl
except ImportError:  # Windows, where a file that is open cannot be removed anyway
    fcntl = None  # type: ignore[assignment]  # a module or nothing

_PLATFORM_DIRECTORY = Path("/staging/files")
_TEMPORARY_NAME = ".customerscanvas-{}-{}.part"
_MARKER_NAME = ".customerscanvas-{}.run"
_RUN = re.compile(r"\.customerscanvas-(\w+)[-.]")
_OUTSIDE = "it lies outside the staging directory"
_MOST_REMADE = 20
"""How often folders are made again for one file, since somebody took them away before it lay in them."""

_NO_NAMES = frozenset({"", ".", ".."})


def staging_directory(settings: Settings, stream_name: str) -> Path:
    """The folder for a stream's files, as an absolute path.

    Below `file_directory`, or else the platform's: `AIRBYTE_STAGING_DIRECTORY`, or where the platform puts it by
    default, or the system's temporary directory, as the framework does.
    """
    chosen = settings.file_directory or os.environ.get("AIRBYTE_STAGING_DIRECTORY")
    if chosen:
        base = Path(chosen)
    elif _PLATFORM_DIRECTORY.is_dir():
        base = _PLATFORM_DIRECTORY
    else:
        base = Path(tempfile.gettempdir()) / "airbyte-file-transfer"
    return base.absolute() / stream_name


class Staging:
    """A directory as one run uses it; safe to share between threads.

    Between `begin` and `end` a marker in the directory, locked for as long as the process lives, says that the run's
    unfinished files are not those of a killed one. So only after a run was killed does another one have to look for
    them, among all the files that may lie there.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._path = str(directory)
        self._root = Path(os.path.realpath(directory))  # `resolve` fails where a link leads to itself
        self._run = uuid.uuid4().hex
        self._numbers = count()
        self._marker: IO[bytes] | None = None
        self._known: set[str] = set()
        self._parts: set[str] = set()

    def begin(self) -> None:
        """Make the directory if it is missing, and clear up after killed runs. Raises `StagingUnavailable`."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            self._marker = self._new_marker()
            self._clear_up()
        except OSError as error:
            raise StagingUnavailable(self._path, error.strerror or type(error).__name__) from error

    def end(self) -> None:
        if self._marker:
            with suppress(OSError):
                os.unlink(self._marker.name)
            self._marker.close()
            self._marker = None

    def abandon(self) -> None:
        """End without waiting for anybody: the files that are still being written are removed."""
        for path in list(self._parts):
            with suppress(OSError):
                os.unlink(path)
        self.end()

    @contextmanager
    def partial_file(self, relative_path: str) -> Iterator[IO[bytes]]:
        """A new file in the folder of `relative_path`, gone at the end unless it was renamed; its `name` is its path.

        Raises `StagingUnavailable` where `relative_path` would lie outside the directory.
        """
        *folders, name = relative_path.split("/")
        if not _NO_NAMES.isdisjoint((*folders, name)):
            raise StagingUnavailable(relative_path, _OUTSIDE)
        file = self._new_part(folders)
        self._parts.add(file.name)
        try:
            with file:
                yield file
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(file.name)
            raise
        finally:
            self._parts.discard(file.name)

    def _new_part(self, folders: Sequence[str]) -> IO[bytes]:
        name = _TEMPORARY_NAME.format(self._run, next(self._numbers))
        # whoever takes the files away may take the folders too: each of them, and at any moment
        for _ in range(_MOST_REMADE):
            with suppress(FileNotFoundError):
                return open(os.path.join(self._make(folders), name), "xb", buffering=0)
            self._known.clear()
            with suppress(FileExistsError):
                os.mkdir(self._path)  # not those above it: a volume that is gone is not to be made up for
        return open(os.path.join(self._make(folders), name), "xb", buffering=0)

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
                    raise StagingUnavailable(folder, _OUTSIDE) from None
            self._known.add(folder)
        return folder

    def _new_marker(self) -> IO[bytes]:
        while True:
            marker = open(self.directory / _MARKER_NAME.format(self._run), "xb")  # noqa: SIM115  open until the end
            if _is_free(marker) is not False and os.fstat(marker.fileno()).st_nlink:
                return marker
            # a run that has just begun took it for that of a killed one
            marker.close()
            self._run = uuid.uuid4().hex

    def _clear_up(self) -> None:
        markers = self.directory.glob(_MARKER_NAME.format("*"))
        left = [marker for marker in markers if _run_of(marker) != self._run and _is_left(marker)]
        if not left:
            return
        runs = {_run_of(marker) for marker in left}
        for path in self.directory.rglob(_TEMPORARY_NAME.format("*", "*")):
            if _run_of(path) in runs:
                with suppress(OSError):
                    path.unlink(missing_ok=True)
        for marker in left:
            with suppress(OSError):
                marker.unlink(missing_ok=True)


def _run_of(path: Path) -> str:
    matched = _RUN.match(path.name)
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
