"""The folders of an SFTP server, as far as its rights go."""

from typing import cast

from source_customerscanvas.files.stores.sftp_session import Session
from source_customerscanvas.files.stores.sftp_tree import Tree


class _Server:
    """Has one directory, in which no folder may be made."""

    def __init__(self) -> None:
        self.removed: list[str] = []

    def listdir_attr(self, path: str) -> list[object]:
        raise FileNotFoundError

    def stat(self, path: str) -> object:
        if path != "/print":
            raise FileNotFoundError
        return object()

    def mkdir(self, path: str) -> None:
        raise PermissionError

    def rmdir(self, path: str) -> None:
        self.removed.append(path)


def test_given_a_server_without_the_right_to_make_folders_when_a_run_ends_then_the_directory_itself_stays() -> None:
    server = _Server()
    session = cast(Session, server)
    tree = Tree("/print")
    tree.prepare(session)
    assert tree.new_part().startswith("/print/.")
    tree.remove_parts(session)
    assert server.removed == []
