"""A folder of the machine that the connector runs on, a network share among them."""

import errno
import os
import sys
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TypeVar

from source_customerscanvas.errors import FileRefused, Stopped, StoreUnavailable
from source_customerscanvas.files.stores.store import Store, Unfinished, Writer

if sys.platform != "win32":  # where what a killed run has left stays
    import fcntl

T = TypeVar("T")

_PARTS = ".customerscanvas"
"""The folder in which files lie until they are whole."""

_MOST_REMADE = 20
"""How often folders are made again for one file, since somebody took them away before it lay in them."""

_FLUSHED_AT_ONCE = 32 * 1024 * 1024
"""Bytes after which what was written of a file is sent to the disk."""

_NO_NAMES = frozenset({"", ".", ".."})
_OF_ONE_FILE = frozenset({errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR, errno.ENOTEMPTY, errno.EEXIST})

_flush = getattr(os, "fdatasync", os.fsync)


class FolderStore(Store):
    """Files below a directory, which is made where it is missing.

    Each lies in a hidden folder until it is whole. It is locked meanwhile, so that another run does not remove it as
    the leftover of a killed one.
    """

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self._path = str(directory)
        self._root = Path(os.path.realpath(directory))  # `resolve` fails where a link leads to itself
        self._parts = os.path.join(self._path, _PARTS)
        self._known: set[str] = set()
        self.unfinished = Unfinished[str]()

    @property
    def place(self) -> str:
        return self._path

    def begin(self) -> None:
        with self.explained(""):
            os.makedirs(self._path, exist_ok=True)
            for part in Path(self._parts).glob("*.part"):
                # where the file system has no locks, it may be another run's
                with suppress(OSError), part.open("r+b") as file:
                    _lock(file)
                    part.unlink()

    def end(self) -> None:
        with suppress(OSError):
            os.rmdir(self._parts)  # which the system refuses while another run has files there

    def abandon(self) -> None:
        for part in self.unfinished.abandon():
            with suppress(OSError):
                os.unlink(part)
        self.end()

    def open(self, path: str, size: int | None, content_type: str | None) -> Writer:
        if not _NO_NAMES.isdisjoint(path.split("/")):
            raise FileRefused(self._path, path, "it would lie outside")
        with self.explained(path):
            return FolderWriter(self, path, self.remaking_folders(path, self._new_part))

    def stat(self, path: str) -> int | None:
        with self.explained(path):
            try:
                return os.lstat(self.local_path(path)).st_size
            except FileNotFoundError:
                return None

    def read(self, path: str) -> bytes:
        with self.explained(path):
            return Path(self.local_path(path)).read_bytes()

    def delete(self, path: str) -> None:
        with self.explained(path), suppress(FileNotFoundError):
            os.unlink(self.local_path(path))

    def url(self, path: str) -> str | None:
        return Path(self.local_path(path)).as_uri()

    def local_path(self, path: str) -> str:
        return os.path.join(self._path, *path.split("/"))

    def remaking_folders(self, path: str, attempt: Callable[[], T]) -> T:
        """What an attempt gives that needs the folders above a file, each of which may be taken away at any moment."""
        for _ in range(_MOST_REMADE):
            with suppress(FileNotFoundError):
                self._make_folders(path)
                return attempt()
            self._known.clear()
            with suppress(FileExistsError):
                os.mkdir(self._path)  # not those above it: a volume that is gone is not to be made up for
        return attempt()

    def _make_folders(self, path: str) -> None:
        """Those above a file; each is made, or looked at, once: for small files that counts."""
        folder = self._path
        for name in path.split("/")[:-1]:
            folder = f"{folder}{os.sep}{name}"
            if folder in self._known:
                continue
            try:
                os.mkdir(folder)
            except FileExistsError:
                # before anything is made in it, so that a link that leads outside is not followed even for a folder
                if not Path(os.path.realpath(folder)).is_relative_to(self._root):
                    raise FileRefused(self._path, path, "a link there leads outside") from None
            self._known.add(folder)

    def _new_part(self) -> IO[bytes]:
        while True:
            path = os.path.join(self._parts, f".{uuid.uuid4().hex}.part")
            with self.unfinished.begun(path):
                with suppress(FileExistsError):
                    os.mkdir(self._parts)
                part = open(path, "xb", buffering=0)  # noqa: SIM115  its writer closes it
            if _is_own(part):
                return part
            part.close()
            self.unfinished.finish(path)

    @contextmanager
    def explained(self, path: str) -> Iterator[None]:
        """Errors of the system become those of a store."""
        try:
            yield
        except OSError as error:
            if self.unfinished.is_abandoned:
                raise Stopped from None
            why = error.strerror or type(error).__name__
            if path and error.errno in _OF_ONE_FILE and os.path.isdir(self._path):
                raise FileRefused(self._path, path, why) from error
            raise StoreUnavailable(self._path, why) from error


class FolderWriter:
    """A file under a hidden name, which is renamed when it is whole and on the disk."""

    def __init__(self, store: FolderStore, path: str, part: IO[bytes]) -> None:
        self._store = store
        self._path = path
        self._part = part
        self._unflushed = 0
        self._thread: ThreadPoolExecutor | None = None
        self._flushing: Future[None] | None = None

    def write(self, chunk: bytes) -> None:
        with self._store.explained(self._path):
            rest = memoryview(chunk)
            while rest:
                rest = rest[self._part.write(rest) :]
            self._unflushed += len(chunk)
            if self._unflushed >= _FLUSHED_AT_ONCE and (self._flushing is None or self._flushing.done()):
                self._wait_for_flush()
                self._unflushed = 0
                # while more is received
                self._thread = self._thread or ThreadPoolExecutor(1, "flushing")
                self._flushing = self._thread.submit(_flush, self._part.fileno())

    def commit(self) -> None:
        with self._store.explained(self._path):
            self._wait_for_flush()
            _flush(self._part.fileno())
            if sys.platform == "win32":
                self._part.close()  # as no file that is open can be renamed there
            target = self._store.local_path(self._path)
            self._store.remaking_folders(self._path, lambda: os.replace(self._part.name, target))
        self._close()
        self._store.unfinished.finish(self._part.name)

    def abort(self) -> None:
        self._close()
        with suppress(OSError):
            os.unlink(self._part.name)
        self._store.unfinished.finish(self._part.name)

    def _close(self) -> None:
        if self._thread:
            self._thread.shutdown()  # it flushes the file
        with suppress(OSError):
            self._part.close()

    def _wait_for_flush(self) -> None:
        # the system tells of a failed write only once, to whoever asks first
        if self._flushing:
            self._flushing.result()


def _is_own(part: IO[bytes]) -> bool:
    """Lock a file that was just made. Whether no run has taken it for that of a killed one in between."""
    try:
        _lock(part)
    except BlockingIOError:
        return False
    except OSError:
        return True  # there are no locks, and so nobody takes it
    return os.fstat(part.fileno()).st_nlink > 0


def _lock(part: IO[bytes]) -> None:
    """Raises `BlockingIOError` where somebody has locked it, `OSError` where the file system has no locks."""
    if sys.platform == "win32":
        raise OSError(errno.ENOLCK, "no locks")
    fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
