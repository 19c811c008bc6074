"""A line to a server that a test can cut."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Lock, Thread

_NO_LINGER = struct.pack("ii", 1, 0)


class Line:
    """Passes connections on to a port of this machine.

    `cut` breaks those there are and refuses the next ones, `hold_after` lets nothing more through until `flow` is set.
    `piece` bytes at most are passed on at once.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._lock = Lock()
        self._open: list[socket.socket] = []
        self._refused = 0
        self._passed = 0
        self._break_after: int | None = None
        self._refused_then = 0
        self._hold_after: int | None = None
        self.piece = 65536
        self.is_held = Event()
        self.flow = Event()
        self.flow.set()
        self.is_cut = Event()

    def cut(self, refused: int) -> None:
        """Break what is there, and refuse so many connections."""
        with self._lock:
            self._refused = refused
            for connection in self._open:
                with suppress(OSError):
                    # what is sent to it from now on is answered by a reset
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
                    connection.shutdown(socket.SHUT_RDWR)
                connection.close()
            self._open.clear()
        self.is_cut.set()

    def restore(self) -> None:
        """Refuse nobody any more."""
        with self._lock:
            self._refused = 0
            self._refused_then = 0

    def hold_after(self, size: int) -> None:
        """Let nothing through as soon as so many bytes more have gone to the server."""
        with self._lock:
            self._hold_after, self._passed = size, 0

    def cut_after(self, size: int, refused: int) -> None:
        """Cut it as soon as so many bytes more have gone to the server."""
        with self._lock:
            self._break_after, self._passed = size, 0
            self._refused_then = refused

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                is_refused = self._refused > 0
                self._refused -= is_refused
            if is_refused:
                connection.close()
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                connection.close()
                continue
            with self._lock:
                self._open += [connection, server]
            Thread(target=self._pass, args=(connection, server, True), daemon=True).start()
            Thread(target=self._pass, args=(server, connection, False), daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.flow.set()
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
                connection.close()

    def _pass(self, source: socket.socket, target: socket.socket, is_upload: bool) -> None:
        try:
            while data := source.recv(self.piece):
                self.flow.wait()
                target.sendall(data)
                if is_upload:
                    self._count(len(data))
        except OSError:
            pass
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _count(self, size: int) -> None:
        with self._lock:
            self._passed += size
            is_over = self._break_after is not None and self._passed >= self._break_after
            if is_over:
                self._break_after = None
            if self._hold_after is not None and self._passed >= self._hold_after:
                self._hold_after = None
                self.flow.clear()
                self.is_held.set()
        if is_over:
            self.cut(self._refused_then)


@contextmanager
def line_to(port: int) -> Iterator[Line]:
    line = Line(port)
    thread = Thread(target=line.serve, daemon=True)
    thread.start()
    try:
        yield line
    finally:
        line.close()
        thread.join()
