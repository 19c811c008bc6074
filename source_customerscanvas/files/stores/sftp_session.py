"""A connection to an SFTP server, and the sessions on it: one for each file that is being written."""

import io
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Condition, Event, Lock

import paramiko
from paramiko.sftp import CMD_EXTENDED, CMD_VERSION

from source_customerscanvas.errors import InvalidSetting, Stopped, StoreAway, StoreUnavailable
from source_customerscanvas.files.stores.host_key import HostKey
from source_customerscanvas.settings import Files

_FLUSH = b"fsync@openssh.com"
"""OpenSSH's own request: https://github.com/openssh/openssh-portable/blob/master/PROTOCOL."""

_MOST_SESSIONS = 8
"""On one connection; OpenSSH's server allows ten."""

_CONNECT_SECONDS = 10
_SILENCE_SECONDS = 60
_KEEPALIVE_SECONDS = 30

_NO_VERDICT = ("transport shut down", "timeout")
"""What the library's error for a refused login says where nobody has refused it."""

LOST = (OSError, EOFError, paramiko.SSHException)
"""What is raised when a connection breaks; of the first, also what a server says about a file."""

# its words about a broken connection are a traceback for each
logging.getLogger("paramiko").setLevel(logging.CRITICAL)


class Session(paramiko.SFTPClient):
    """A channel of its own, used by one thread at a time."""

    _can_flush = False

    @property
    def is_lost(self) -> bool:
        channel = self.get_channel()
        return channel is None or channel.closed

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Raises `EOFError` for what the library says of a connection that broke, as it says it like a server."""
        try:
            yield
        except OSError:
            if self.is_lost:
                raise EOFError from None
            raise

    def flush_to_disk(self, file: paramiko.SFTPFile) -> None:
        """Ask the server to put a file on its disk, if it knows how. Raises `OSError` where it fails to."""
        if self._can_flush:
            # as the library sends the extensions that it knows
            self._request(CMD_EXTENDED, _FLUSH, file.handle)  # type: ignore[attr-defined]  # not in its types

    def _read_packet(self) -> tuple[int, bytes]:
        kind, content = super()._read_packet()  # type: ignore[misc]  # not in its types
        if kind == CMD_VERSION:
            # a server announces its extensions there, and the library passes over them
            self._can_flush = _FLUSH in content
        return kind, content


class Sessions:
    """Lends sessions on one connection, which is made anew when it broke; safe to share between threads."""

    def __init__(self, files: Files, place: str, stopping: Event, *, is_hasty: bool = False) -> None:
        self._files = files
        self._place = place
        self._stopping = stopping
        self._connect_seconds = 5 if is_hasty else _CONNECT_SECONDS
        self._silence_seconds = 5 if is_hasty else _SILENCE_SECONDS
        self._host_key = HostKey.parse(files.host_key)
        self._connecting = Lock()
        self._transport: paramiko.Transport | None = None
        self._changed = Condition()
        self._idle: list[Session] = []
        self._lent = 0
        self._most = _MOST_SESSIONS
        self._over = Event()

    @property
    def has_connected(self) -> bool:
        return self._transport is not None

    def lend(self) -> Session:
        """A session of one's own until it is given back. Waits until there is one."""
        with self._changed:
            while self._lent >= self._most:
                self._changed.wait(1.0)
                if self._stopping.is_set():
                    raise Stopped
            self._lent += 1
            while self._idle:
                session = self._idle.pop()
                if not session.is_lost:
                    return session
        try:
            return self.new()
        except paramiko.ChannelException:
            with self._changed:
                self._lent -= 1
                if not self._lent:
                    raise StoreAway(self._place, "the server opens no SFTP session") from None
                self._most = self._lent
            return self.lend()
        except BaseException:
            self._forget()
            raise

    def give_back(self, session: Session, *, is_broken: bool = False) -> None:
        if is_broken:
            with suppress(*LOST):
                session.close()
        else:
            with self._changed:
                self._idle.append(session)
        self._forget()

    @contextmanager
    def one(self) -> Iterator[Session]:
        """A session for a few requests."""
        session = self.lend()
        is_broken = True
        try:
            with session.watched():
                yield session
            is_broken = False
        except FileNotFoundError:
            is_broken = False
            raise
        finally:
            self.give_back(session, is_broken=is_broken)

    def new(self) -> Session:
        """A session beside those that are lent."""
        with self._connecting:
            if self._over.is_set():
                raise Stopped
            if self._transport is None or not self._transport.is_active():
                self._transport = self._connect()
            transport = self._transport
        if self._over.is_set():
            transport.close()  # whoever closed it for good did not wait for this one
        channel = transport.open_session(timeout=self._connect_seconds)
        channel.settimeout(self._silence_seconds)
        channel.invoke_subsystem("sftp")
        return Session(channel)

    def close(self, *, for_good: bool = False) -> None:
        """End the connection, from any thread; `for_good`: whoever wants a session from now on is `Stopped`."""
        if for_good:
            self._over.set()
        with self._changed:
            self._idle.clear()
        if self._transport:
            self._transport.close()

    def _forget(self) -> None:
        with self._changed:
            self._lent -= 1
            self._changed.notify_all()

    def _connect(self) -> paramiko.Transport:
        try:
            connection = socket.create_connection((self._files.host, self._files.port), self._connect_seconds)
        except socket.gaierror:
            raise StoreAway(self._place, "there is no such host (DNS)") from None
        transport = paramiko.Transport(connection)
        try:
            self._greet(transport)
            self._log_in(transport)
        except BaseException:
            transport.close()
            raise
        transport.set_keepalive(_KEEPALIVE_SECONDS)
        return transport

    def _greet(self, transport: paramiko.Transport) -> None:
        """Encrypt the connection, and make sure that it leads to the right server."""
        transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = self._connect_seconds
        options = transport.get_security_options()
        # of a server's keys, the first one of these kinds is shown
        known = self._host_key.algorithms
        options.key_types = tuple(sorted(options.key_types, key=lambda kind: kind not in known))
        try:
            transport.start_client(timeout=self._connect_seconds)
            shown = transport.get_remote_server_key()  # which fails where the server was silent for too long
        except paramiko.ssh_exception.IncompatiblePeer as error:
            raise StoreUnavailable(self._place, str(error), "The server's algorithms are too old.") from None
        except paramiko.SSHException:
            if not transport.remote_version:
                raise StoreAway(self._place, "it does not answer as an SSH server does") from None
            raise
        if shown.fingerprint != self._host_key.fingerprint:
            raise StoreUnavailable(
                self._place,
                "the server shows another key than `files.host_key`",
                f"It shows “{shown.get_name()} {shown.get_base64()}” ({shown.fingerprint}). If "
                "whoever runs the server says that this is its key, enter it.",
            )

    def _log_in(self, transport: paramiko.Transport) -> None:
        files = self._files
        try:
            if files.private_key:
                transport.auth_publickey(files.user, _private_key(files))
            else:
                transport.auth_password(files.user, files.password)
        except paramiko.AuthenticationException as error:
            if any(sign in str(error) for sign in _NO_VERDICT):
                raise StoreAway(self._place, f"it broke off when the user {files.user} logged in") from None
            what = "private key" if files.private_key else "password"
            why = f"the server does not accept the user {files.user} with this {what}"
            raise StoreUnavailable(self._place, why, f"Correct `files.user` or the {what}.") from None
        if not transport.is_authenticated():
            why = f"the server wants more of the user {files.user} than one key or password"
            raise StoreUnavailable(self._place, why, "Let one of them be enough.")


def _private_key(files: Files) -> paramiko.PKey:
    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        with suppress(paramiko.SSHException, ValueError, IndexError, TypeError, UnicodeError):
            return kind.from_private_key(io.StringIO(files.private_key + "\n"), files.password or None)
    raise InvalidSetting(
        "files.private_key",
        "it is not a private key of OpenSSH or PEM, or its passphrase, which belongs into `password`, does not fit",
    )
