"""An SFTP server."""

import posixpath
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event
from urllib.parse import quote

import paramiko

from source_customerscanvas.errors import (
    CustomersCanvasError,
    FileRefused,
    InvalidSetting,
    Stopped,
    StoreAway,
    StoreUnavailable,
    shorten,
)
from source_customerscanvas.files.stores.sftp_session import LOST, Session, Sessions
from source_customerscanvas.files.stores.sftp_tree import Tree, is_folder
from source_customerscanvas.files.stores.store import Store, Unfinished, Writer, done_within
from source_customerscanvas.settings import Files

_ABORT_SECONDS = 5.0
_CLOSE_SECONDS = 1.0


class SftpStore(Store):
    """Files below a directory that has to be there; each gets its name when its length has been confirmed."""

    def __init__(self, files: Files, stopping: Event, *, is_hasty: bool = False) -> None:
        if not files.password and not files.private_key:
            raise InvalidSetting("files.password", "either it or `private_key` is needed")
        super().__init__()
        self._files = files
        self.tree = Tree(files.directory)
        self.sessions = Sessions(files, self.place, stopping, is_hasty=is_hasty)
        self.unfinished = Unfinished[str]()

    @property
    def place(self) -> str:
        return f"sftp://{self._files.host}:{self._files.port}/{self._files.directory.lstrip('/')}"

    def begin(self) -> None:
        with self.explained(), self.sessions.one() as session:
            self.tree.prepare(session)

    def end(self) -> None:
        for part in self.unfinished.all():
            self.discard(part)  # its server was away when it was given up
        if self.sessions.has_connected:
            with suppress(CustomersCanvasError, *LOST), self.sessions.one() as session:
                self.tree.remove_parts(session)
        self.sessions.close()

    def abandon(self) -> None:
        parts = self.unfinished.abandon()
        if self.sessions.has_connected:
            done_within(_ABORT_SECONDS, lambda: self._remove(parts))
        done_within(_CLOSE_SECONDS, lambda: self.sessions.close(for_good=True))

    def open(self, path: str, size: int | None, content_type: str | None) -> Writer:
        with self.explained():
            session = self.sessions.lend()
            try:
                with session.watched():
                    return SftpWriter(self, path, session, *self._new_part(session))
            except BaseException:
                self.sessions.give_back(session, is_broken=True)
                raise

    def stat(self, path: str) -> int | None:
        with self.explained(path), self.sessions.one() as session:
            try:
                return session.lstat(self.tree.target(path)).st_size
            except FileNotFoundError:
                return None

    def read(self, path: str) -> bytes:
        with self.explained(path), self.sessions.one() as session, session.open(self.tree.target(path), "rb") as file:
            return file.read()

    def delete(self, path: str) -> None:
        with self.explained(path), self.sessions.one() as session, suppress(FileNotFoundError):
            session.remove(self.tree.target(path))

    def url(self, path: str) -> str | None:
        directory = self._files.directory.strip("/")
        return f"sftp://{self._files.host}:{self._files.port}/{quote(posixpath.join(directory, path))}"

    def discard(self, part: str) -> None:
        """Remove a part, if the server can be reached."""
        with suppress(CustomersCanvasError, *LOST):
            with self.sessions.one() as session, suppress(FileNotFoundError):
                session.remove(part)
            self.unfinished.finish(part)

    def _new_part(self, session: Session) -> tuple[str, paramiko.SFTPFile]:
        part = self.tree.new_part()
        with self.unfinished.begun(part):
            try:
                file = session.open(part, "wx")
            except FileNotFoundError:
                self.tree.prepare(session)  # another run has removed the empty folder at its end
                file = session.open(part, "wx")
        file.set_pipelined(True)
        return part, file

    def _remove(self, parts: list[str]) -> None:
        with suppress(CustomersCanvasError, *LOST):
            # one of its own, as those that are lent are in the hands of other threads
            session = self.sessions.new()
            for part in parts:
                with suppress(OSError):
                    session.remove(part)
            self.tree.remove_parts(session)

    @contextmanager
    def explained(self, path: str = "") -> Iterator[None]:
        """Errors of the library and of the server become those of a store.

        `path`: the file whose name the server is told; what it refuses without one is refused to all files.
        """
        try:
            yield
        except CustomersCanvasError:
            raise
        except (OSError, EOFError, paramiko.SSHException) as error:
            if self.unfinished.is_abandoned:
                raise Stopped from None
            raise _explanation(error, self.place, path) from None


class SftpWriter:
    """A file in a hidden folder of the server, which is renamed when it is whole and on the server's disk."""

    def __init__(self, store: SftpStore, path: str, session: Session, part: str, file: paramiko.SFTPFile) -> None:
        self._store = store
        self._path = path
        self._session = session
        self._part = part
        self._file = file
        self._size = 0
        self._last = b""
        self._is_over = False

    def write(self, chunk: bytes) -> None:
        content = self._last + chunk
        with self._explained():
            self._file.write(content[:-1])
        self._last = content[-1:]
        self._size += len(chunk)

    def commit(self) -> None:
        with self._explained():
            # The library drops the answers to writes for which it does not wait. The last byte is held back, as a
            # write that waits for its answer reads those to all before it, and raises what the server refused.
            self._file.set_pipelined(False)
            self._file.write(self._last)
            there = self._file.stat().st_size
            if there != self._size:
                raise StoreUnavailable(self._store.place, f"{there} of {self._size} bytes of a file lie there")
            self._session.flush_to_disk(self._file)
            self._file.close()
        with self._explained(self._path):
            self._rename()
        self._is_over = True
        self._store.unfinished.finish(self._part)
        self._store.sessions.give_back(self._session)

    def abort(self) -> None:
        if not self._is_over:
            self._is_over = True
            # answers may still come that nobody has waited for
            self._store.sessions.give_back(self._session, is_broken=True)
            self._store.discard(self._part)

    def _rename(self) -> None:
        tree, session = self._store.tree, self._session
        target = tree.target(self._path)
        tree.make_folders(session, self._path)
        try:
            self._replace(target)
        except FileNotFoundError:
            tree.forget_folders()
            tree.make_folders(session, self._path)
            self._replace(target)

    def _replace(self, target: str) -> None:
        session = self._session
        try:
            session.posix_rename(self._part, target)
        except FileNotFoundError:
            raise
        except OSError:
            # a server without this extension renames to nothing that is there
            old = self._move_aside(target)
            try:
                session.rename(self._part, target)
            except OSError:
                if old:
                    session.rename(old, target)
                raise
            if old:
                with suppress(OSError):  # the new file has its name, and a later run clears up
                    session.remove(old)

    def _move_aside(self, target: str) -> str | None:
        """Where a file lies that was there; None where there was none."""
        aside = self._store.tree.new_part()
        with suppress(FileNotFoundError):
            if not is_folder(self._session, target):
                self._session.rename(target, aside)
                return aside
        return None

    @contextmanager
    def _explained(self, path: str = "") -> Iterator[None]:
        with self._store.explained(path), self._session.watched():
            yield


def _explanation(error: Exception, place: str, path: str) -> CustomersCanvasError:
    said = shorten(str(error)) or type(error).__name__
    if isinstance(error, FileNotFoundError):
        return StoreUnavailable(place, "there is no such directory", "Create it, or correct `files.directory`.")
    if isinstance(error, PermissionError):
        return StoreUnavailable(place, "permission denied", "Let the user of `files` write there.")
    if isinstance(error, ConnectionRefusedError):
        return StoreAway(place, "it refuses connections")
    if isinstance(error, TimeoutError):
        return StoreAway(place, "it does not answer in time")
    if isinstance(error, OSError) and error.errno is None and error.args:
        # the server's own word: it has one code for all that is left
        return FileRefused(place, path, said) if path else StoreUnavailable(place, f"the server says “{said}”")
    return StoreAway(place, "the connection broke")
