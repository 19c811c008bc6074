"""An SFTP server."""

import errno
import posixpath
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from hashlib import sha256
from itertools import count
from threading import Event
from typing import TYPE_CHECKING
from urllib.parse import quote

from source_customerscanvas.errors import (
    CustomersCanvasError,
    FileRefused,
    InvalidSetting,
    Stopped,
    StoreAway,
    StoreUnavailable,
    shorten,
)
from source_customerscanvas.files.stores.store import Store, Unfinished, Writer
from source_customerscanvas.settings import Files

if TYPE_CHECKING:
    import paramiko

    from source_customerscanvas.files.stores.sftp_session import Session, Sessions

_PARTS = ".customerscanvas"
"""The folder in which files lie until they are whole."""

_LEFT_SECONDS = 24 * 3600
"""Age of a part that no run is still writing."""

_ABORT_SECONDS = 5.0
_PIPELINED_CHUNK = 256 * 1024


class SftpStore(Store):
    """Files below a directory that has to be there; each gets its name when its length has been confirmed."""

    def __init__(self, files: Files, stopping: Event, *, is_hasty: bool = False) -> None:
        if not files.password and not files.private_key:
            raise InvalidSetting("files.password", "either it or `private_key` is needed")
        self._files = files
        self._stopping = stopping
        self._is_hasty = is_hasty
        self._root = files.directory or "."
        self._run = uuid.uuid4().hex
        self._numbers = count()
        self._folders: set[str] = set()
        self._parts = posixpath.join(self._root, _PARTS)
        self._lent_sessions: Sessions | None = None
        self.unfinished = Unfinished[str]()

    @property
    def place(self) -> str:
        return f"sftp://{self._files.host}:{self._files.port}/{self._files.directory.lstrip('/')}"

    @property
    def sessions(self) -> "Sessions":
        if self._lent_sessions is None:
            from source_customerscanvas.files.stores.sftp_session import Sessions

            self._lent_sessions = Sessions(self._files, self.place, self._stopping, is_hasty=self._is_hasty)
        return self._lent_sessions

    def hasty(self) -> Store:
        return SftpStore(self._files, self._stopping, is_hasty=True)

    def begin(self) -> None:
        with self.explained(self._root), self.sessions.one() as session:
            try:
                session.listdir_attr(self._parts)
            except FileNotFoundError:
                self._make_parts(session)
            self._clear_up(session)

    def end(self) -> None:
        from source_customerscanvas.files.stores.sftp_session import LOST

        for part in self.unfinished.all():
            self.discard(part)  # its server was away when it was given up
        with suppress(CustomersCanvasError, *LOST), self.sessions.one() as session:
            session.rmdir(self._parts)  # which a server refuses while another run has files there
        self.sessions.close()

    def abandon(self) -> None:
        from source_customerscanvas.files.stores.sftp_session import LOST

        parts = self.unfinished.abandon()
        if parts:
            with suppress(CustomersCanvasError, *LOST):
                # one of its own, as those that are lent are in the hands of other threads
                session = self.sessions.new()
                session.get_channel().settimeout(_ABORT_SECONDS)  # type: ignore[union-attr]  # it has just been opened
                for part in parts:
                    with suppress(OSError):
                        session.remove(part)
        self.sessions.close()

    def open(self, path: str, size: int | None, content_type: str | None) -> Writer:
        return SftpWriter(self, path, size)

    def stat(self, path: str) -> int | None:
        with self.explained(path), self.sessions.one() as session:
            try:
                return session.lstat(self.target(path)).st_size
            except FileNotFoundError:
                return None

    def read(self, path: str) -> bytes:
        with self.explained(path), self.sessions.one() as session, session.open(self.target(path), "rb") as file:
            return file.read()

    def delete(self, path: str) -> None:
        with self.explained(path), self.sessions.one() as session, suppress(FileNotFoundError):
            session.remove(self.target(path))

    def url(self, path: str) -> str | None:
        directory = self._files.directory.strip("/")
        return f"sftp://{self._files.host}:{self._files.port}/{quote(posixpath.join(directory, path))}"

    def target(self, path: str) -> str:
        return posixpath.join(self._root, path)

    def new_part(self) -> str:
        return posixpath.join(self._parts, f".{self._run}-{next(self._numbers)}.part")

    def discard(self, part: str) -> None:
        """Remove a part, if the server can be reached."""
        from source_customerscanvas.files.stores.sftp_session import LOST

        with suppress(CustomersCanvasError, *LOST):
            with self.sessions.one() as session, suppress(FileNotFoundError):
                session.remove(part)
            self.unfinished.finish(part)

    def make_folders(self, session: "Session", path: str) -> None:
        """Those above a file; each is made, or looked at, once."""
        folder = ""
        for name in path.split("/")[:-1]:
            folder = posixpath.join(folder, name)
            if folder not in self._folders:
                self._make(session, self.target(folder))
                self._folders.add(folder)

    def forget_folders(self) -> None:
        """Somebody has taken folders away with what lay in them."""
        self._folders.clear()

    @contextmanager
    def explained(self, path: str) -> Iterator[None]:
        """Errors of the library and of the server become those of a store."""
        import paramiko

        try:
            yield
        except CustomersCanvasError:
            raise
        except (OSError, EOFError, paramiko.SSHException) as error:
            if self.unfinished.is_abandoned:
                raise Stopped from None
            raise self._error(error, path) from None

    def _error(self, error: Exception, path: str) -> CustomersCanvasError:
        said = shorten(str(error)) or type(error).__name__
        if isinstance(error, FileNotFoundError):
            return StoreUnavailable(
                self.place, "there is no such directory", "Create it, or correct `files.directory`."
            )
        if isinstance(error, PermissionError):
            return StoreUnavailable(self.place, "permission denied", "Let the user of `files` write there.")
        if isinstance(error, ConnectionRefusedError):
            return StoreAway(self.place, "it refuses connections")
        if isinstance(error, TimeoutError):
            return StoreAway(self.place, "it does not answer in time")
        if isinstance(error, OSError) and error.errno is None and error.args:
            # the server's own word about this file: it has one code for all that is left
            return FileRefused(self.place, path, said)
        if isinstance(error, OSError) and error.errno == errno.EACCES:
            return StoreUnavailable(self.place, said)
        return StoreAway(self.place, "the connection broke")

    def _make_parts(self, session: "Session") -> None:
        session.stat(self._root)
        try:
            self._make(session, self._parts)
        except PermissionError:
            self._parts = self._root  # perhaps files may be made there, though no folders

    def _make(self, session: "Session", folder: str) -> None:
        try:
            session.mkdir(folder)
        except OSError:
            # what is there already is refused like anything else
            if not _is_folder(session, folder):
                raise

    def _clear_up(self, session: "Session") -> None:
        if self._parts == self._root:
            return
        left = [entry for entry in session.listdir_attr(self._parts) if entry.filename.endswith(".part")]
        if not left:
            return
        now = self._time_there(session)
        for entry in left:
            if entry.st_mtime is not None and now - entry.st_mtime > _LEFT_SECONDS:
                with suppress(OSError):
                    session.remove(posixpath.join(self._parts, entry.filename))

    def _time_there(self, session: "Session") -> int:
        """By the server's clock."""
        part = self.new_part()
        with session.open(part, "wx") as file:
            now = file.stat().st_mtime
        session.remove(part)
        return now or 0


class SftpWriter:
    """A file in a hidden folder of the server, which is renamed when it is whole and on the server's disk."""

    def __init__(self, store: SftpStore, path: str, size: int | None) -> None:
        self._store = store
        self._path = path
        self._session: Session | None = None
        self._file: paramiko.SFTPFile | None = None
        self._part = ""
        self._begin()

    def write(self, chunk: bytes) -> None:
        with self._explained():
            assert self._file is not None
            self._file.write(chunk)
        self._sha256.update(chunk)
        self._size += len(chunk)

    def restart(self) -> None:
        self._drop(is_broken=False)
        self._begin()

    def commit(self) -> str:
        with self._explained():
            session, file = self._session, self._file
            assert session is not None
            assert file is not None
            # a server that runs out of room says so to nobody, as nobody waits for its answers: the length tells
            there = file.stat().st_size
            if there != self._size:
                raise StoreUnavailable(self._store.place, f"{there} of {self._size} bytes of a file lie there")
            session.flush_to_disk(file)
            file.close()
            self._rename(session)
        self._store.unfinished.finish(self._part)
        self._give_back(is_broken=False)
        return self._sha256.hexdigest()

    def abort(self) -> None:
        self._drop(is_broken=False)

    def _begin(self) -> None:
        self._sha256 = sha256()
        self._size = 0
        with self._store.explained(self._path):
            self._session = self._store.sessions.lend()
        with self._explained():
            self._part = self._store.new_part()
            with self._store.unfinished.begun(self._part):
                try:
                    self._file = self._session.open(self._part, "wx")
                except FileNotFoundError:
                    self._store.begin()  # another run has removed the empty folder at its end
                    self._file = self._session.open(self._part, "wx")
            self._file.set_pipelined(True)

    def _rename(self, session: "Session") -> None:
        target = self._store.target(self._path)
        self._store.make_folders(session, self._path)
        try:
            session.posix_rename(self._part, target)
        except FileNotFoundError:
            self._store.forget_folders()
            self._store.make_folders(session, self._path)
            session.posix_rename(self._part, target)
        except OSError:
            # a server without this extension renames to nothing that is there
            with suppress(FileNotFoundError):
                if not _is_folder(session, target):
                    session.remove(target)
            session.rename(self._part, target)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            with self._store.explained(self._path), self._session.watched() if self._session else nullcontext():
                yield
        except BaseException:
            self._drop(is_broken=True)
            raise

    def _drop(self, *, is_broken: bool) -> None:
        """Leave nothing behind, by a session of its own where this one is broken."""
        if self._session is None:
            return
        self._give_back(is_broken=is_broken or self._file is not None)
        self._store.discard(self._part)

    def _give_back(self, *, is_broken: bool) -> None:
        session, self._session = self._session, None
        self._file = None
        if session is not None:
            self._store.sessions.give_back(session, is_broken=is_broken)


def _is_folder(session: "Session", path: str) -> bool:
    import stat

    try:
        return stat.S_ISDIR(session.stat(path).st_mode or 0)
    except FileNotFoundError:
        return False
