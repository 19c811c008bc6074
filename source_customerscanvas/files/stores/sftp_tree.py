"""The folders below a directory of an SFTP server, and the hidden one for files that are not whole."""

import posixpath
import stat
import time
import uuid
from contextlib import suppress
from itertools import count

from source_customerscanvas.files.stores.sftp_session import Session

_PARTS = ".customerscanvas"
"""The folder in which files lie until they are whole."""

_LEFT_SECONDS = 48 * 3600
"""Age of a part that no run is still writing, also where the server's clock is a day from this machine's."""


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
        for entry in session.listdir_attr(self._parts):
            is_left = entry.st_mtime is not None and time.time() - entry.st_mtime > _LEFT_SECONDS
            if is_left and entry.filename.endswith(".part"):
                with suppress(OSError):
                    session.remove(posixpath.join(self._parts, entry.filename))


def is_folder(session: Session, path: str) -> bool:
    try:
        return stat.S_ISDIR(session.stat(path).st_mode or 0)
    except FileNotFoundError:
        return False
