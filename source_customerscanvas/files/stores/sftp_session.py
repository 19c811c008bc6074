"""A connection to an SFTP server, and the sessions on it: one for each file that is being written."""

import io
import logging
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Condition, Event, Lock

import paramiko

from source_customerscanvas.errors import InvalidSetting, Stopped, StoreAway, StoreUnavailable
from source_customerscanvas.files.stores.host_key import HostKey, fingerprint
from source_customerscanvas.settings import Files

_MOST_SESSIONS = 8
"""On one connection; OpenSSH's server allows ten."""

_CONNECT_SECONDS = 10
_SILENCE_SECONDS = 60
_KEEPALIVE_SECONDS = 30
_EXTENDED, _STATUS = 200, 101
_FLUSH_ID = 0xFFFFFFFF
_LONGEST_ANSWER = 1024 * 1024

_NO_VERDICT = ("transport shut down", "timeout")
"""What the library's error for a refused login says where nobody has refused it."""

LOST = (OSError, EOFError, paramiko.SSHException)
"""What is raised when a connection breaks; of the first, also what a server says about a file."""

# its words about a broken connection are a traceback for each
logging.getLogger("paramiko").setLevel(logging.CRITICAL)


class Session(paramiko.SFTPClient):
    """A channel of its own, used by one thread at a time."""

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
        """Ask the server to put a file on its disk, which OpenSSH's does and others may not know.

        The library has no such request: https://github.com/openssh/openssh-portable/blob/master/PROTOCOL. No other one
        may be under way.
        """
        name = b"fsync@openssh.com"
        handle: bytes = file.handle  # type: ignore[assignment]  # the types call it an object of its own
        body = struct.pack(">BI", _EXTENDED, _FLUSH_ID)
        body += struct.pack(">I", len(name)) + name + struct.pack(">I", len(handle)) + handle
        channel = self.get_channel()
        if channel is None:
            raise EOFError
        channel.sendall(struct.pack(">I", len(body)) + body)
        while True:
            (length,) = struct.unpack(">I", _receive(channel, 4))
            if not 5 <= length <= _LONGEST_ANSWER:
                raise EOFError
            answer = _receive(channel, length)
            kind, number = struct.unpack(">BI", answer[:5])
            if number == _FLUSH_ID and kind == _STATUS:
                return


def _receive(channel: paramiko.Channel, size: int) -> bytes:
    received = b""
    while len(received) < size:
        piece = channel.recv(size - len(received))
        if not piece:
            raise EOFError
        received += piece
    return received


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
        transport = self._greeted(self._host_key.algorithms)
        try:
            shown = transport.get_remote_server_key()
            if not self._host_key.fits(shown.asbytes()):
                raise self._wrong_key(shown)
            self._log_in(transport)
            transport.set_keepalive(_KEEPALIVE_SECONDS)
        except BaseException:
            transport.close()
            raise
        return transport

    def _greeted(self, algorithms: tuple[str, ...]) -> paramiko.Transport:
        """A connection that is encrypted, with whoever it is."""
        try:
            connection = socket.create_connection((self._files.host, self._files.port), self._connect_seconds)
        except socket.gaierror:
            raise StoreAway(self._place, "there is no such host (DNS)") from None
        transport = paramiko.Transport(connection)
        transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = self._connect_seconds
        options = transport.get_security_options()
        if algorithms:
            options.key_types = tuple(name for name in options.key_types if name in algorithms)
        try:
            transport.start_client(timeout=self._connect_seconds)
            transport.get_remote_server_key()  # it is silent about a server that was silent for too long
        except paramiko.ssh_exception.IncompatiblePeer as error:
            transport.close()
            if not algorithms:
                raise StoreUnavailable(self._place, str(error), "The server's algorithms are too old.") from None
            other = self._greeted(())
            shown = other.get_remote_server_key()
            other.close()
            raise self._wrong_key(shown) from None
        except BaseException as error:
            transport.close()
            if isinstance(error, paramiko.SSHException) and not transport.remote_version:
                raise StoreAway(self._place, "it does not answer as an SSH server does") from None
            raise
        return transport

    def _wrong_key(self, shown: paramiko.PKey) -> StoreUnavailable:
        return StoreUnavailable(
            self._place,
            "the server shows another key than `files.host_key`",
            f"It shows “{shown.get_name()} {shown.get_base64()}” (SHA256:{fingerprint(shown.asbytes())}). If whoever "
            "runs the server says that this is its key, enter it.",
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
