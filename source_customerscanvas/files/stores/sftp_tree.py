"""The folders below a directory of an SFTP server, and the hidden one for files that are not whole."""

import posixpath
import stat
import uuid
from contextlib import suppress
from itertools import count

from source_customerscanvas.files.stores.sftp_session import Session

_PARTS = ".customerscanvas"
"""The folder in which files lie until they are whole."""

_LEFT_SECONDS = 24 * 3600
"""Age of a part that no run is still writing."""


class Tree:
    """What one run knows of the directory; safe to share between threads."""

    def __init__(self, root: str) -> None:
        self._root = root or "."
        self._run = uuid.uuid4().hex
        self._numbers = count()
        self._known: set[str] = set()
        self._parts = posixpath.join(self._root, _PARTS)

    def target(self, path: str) -> str:
        return posixpath.join(self._root, path)

    def new_part(self) -> str:
        return posixpath.join(self._parts, f".{self._run}-{next(self._numbers)}.part")

    def prepare(self, session: Session) -> None:
        """Make the folder for parts, and remove what killed runs have left in it."""
        try:
            session.listdir_attr(self._parts)
        except FileNotFoundError:
            session.stat(self._root)
            try:
                self._make(session, self._parts)
            except PermissionError:
                self._parts = self._root  # perhaps files may be made there, though no folders
        if self._parts != self._root:
            self._clear_up(session)

    def remove_parts(self, session: Session) -> None:
        """Remove the folder for parts, which a server refuses while another run has some there."""
        if self._parts != self._root:
            session.rmdir(self._parts)

    def make_folders(self, session: Session, path: str) -> None:
        """Those above a file; each is made, or looked at, once."""
        folder = ""
        for name in path.split("/")[:-1]:
            folder = posixpath.join(folder, name)
            if folder not in self._known:
                self._make(session, self.target(folder))
                self._known.add(folder)

    def forget_folders(self) -> None:
        """Somebody has taken folders away with what lay in them."""
        self._known.clear()

    def _make(self, session: Session, folder: str) -> None:
        try:
            session.mkdir(folder)
        except OSError:
            # what is there already is refused like anything else
            if not is_folder(session, folder):
                raise

    def _clear_up(self, session: Session) -> None:
        left = [entry for entry in session.listdir_attr(self._parts) if entry.filename.endswith(".part")]
        if not left:
            return
        now = self._time_there(session)
        for entry in left:
            if entry.st_mtime is not None and now - entry.st_mtime > _LEFT_SECONDS:
                with suppress(OSError):
                    session.remove(posixpath.join(self._parts, entry.filename))

    def _time_there(self, session: Session) -> int:
        """By the server's clock."""
        part = self.new_part()
        with session.open(part, "wx") as file:
            now = file.stat().st_mtime
        session.remove(part)
        return now or 0


def is_folder(session: Session, path: str) -> bool:
    try:
        return stat.S_ISDIR(session.stat(path).st_mode or 0)
    except FileNotFoundError:
        return False
