"""What the connector asks of a place that stores files, whichever it is."""

import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition, Event, Thread
from typing import Generic, Protocol, TypeVar
from weakref import WeakSet

from source_customerscanvas.errors import (
    CustomersCanvasError,
    FileRefused,
    Stopped,
    StoreAway,
    StoreUnavailable,
    as_known_error,
)

T = TypeVar("T")

CHECK_SECONDS = 20
"""For a check of a store: whoever sets up a connection waits for it."""

_BEGINNING_SECONDS = 3.0
"""How long the end of a sync waits for what is just being opened: one request, or one call of the system."""


_stores: "WeakSet[Store]" = WeakSet()
"""All stores of this process. They are made by the thread in which a signal is handled, and looked through there."""


def abandon_stores() -> None:
    """End all stores of this process at once, in a signal's handler: what is not committed is removed."""
    for store in list(_stores):
        store.is_probed.wait(_BEGINNING_SECONDS)  # a file of a check is soon removed by whoever has put it there
        store.abandon()


class Writer(Protocol):
    """A file on its way into a store. It has no name before `commit`; `abort` after it does nothing."""

    def write(self, chunk: bytes) -> None:
        """Add some bytes."""

    def commit(self) -> None:
        """Give the file its name, once the store has all of it."""

    def abort(self) -> None:
        """Leave nothing of it behind. Never raises."""


class Store(ABC):
    """A folder, a bucket, a server; safe to share between threads, each writer for one of them.

    Paths are relative and have slashes. Everything raises `StoreUnavailable` where the store refuses and a setting has
    to be changed, `StoreAway` where it does not answer, `FileRefused` where it does not take this one file, and
    `Stopped` once it was abandoned.
    """

    keeps_files = True
    """Whether a file stays where it was stored, so that it can be looked for later."""

    def __init__(self) -> None:
        self.is_probed = Event()
        """Not set while a check is under way."""
        self.is_probed.set()
        _stores.add(self)

    @property
    @abstractmethod
    def place(self) -> str:
        """What messages call it; without secrets."""

    def begin(self) -> None:  # noqa: B027  a store may have nothing to do
        """Make ready for a run, and remove what killed ones have left."""

    def end(self) -> None:  # noqa: B027  a store may have nothing to do
        """A run is over, and no writer is open."""

    @abstractmethod
    def abandon(self) -> None:
        """End at once from any thread, a signal's handler too: what is not committed is removed."""

    @abstractmethod
    def open(self, path: str, size: int | None, content_type: str | None) -> Writer:
        """A writer for a file of so many bytes, if that is known. Waits for room, in memory or where files go."""

    def put(self, path: str, content: bytes, content_type: str | None = None) -> None:
        """Store a small file as a whole."""
        writer = self.open(path, len(content), content_type)
        try:
            writer.write(content)
            writer.commit()
        finally:
            writer.abort()

    @abstractmethod
    def stat(self, path: str) -> int | None:
        """The bytes of a file; None where there is none."""

    @abstractmethod
    def read(self, path: str) -> bytes:
        """A small file."""

    @abstractmethod
    def delete(self, path: str) -> None:
        """Remove a file, if it is there."""

    @abstractmethod
    def url(self, path: str) -> str | None:
        """Where others find a file; None where nobody can look for it."""

    def local_path(self, path: str) -> str | None:
        """The absolute path of a file on this machine, if it lies here."""
        return None

    def check(self) -> None:
        """Write a small file with a hidden name, read it back and remove it, within twenty seconds."""
        self.is_probed.clear()
        failures: list[CustomersCanvasError] = []

        def probe() -> None:
            try:
                _probe(self)
            except Exception as error:
                failures.append(as_known_error(error))
            finally:
                self.is_probed.set()

        # a network share that hangs cannot be given a time-out: the probe runs in a thread that is left behind
        if not done_within(CHECK_SECONDS - 1, probe):
            raise StoreAway(self.place, f"no answer within {CHECK_SECONDS} seconds")
        if failures:
            raise failures[0]


def _probe(store: Store) -> None:
    path, content = f".customerscanvas-check-{uuid.uuid4().hex[:12]}", b"customerscanvas"
    store.begin()
    try:
        store.put(path, content)
        try:
            if store.read(path) != content:
                raise StoreUnavailable(store.place, "what was written there reads otherwise")
        finally:
            store.delete(path)
    except FileRefused as error:
        raise StoreUnavailable(store.place, error.why) from None
    finally:
        store.end()


def done_within(seconds: float, *jobs: Callable[[], object]) -> bool:
    """Do jobs at the same time. Whether all are done after so many seconds; those that are not go on."""
    threads = [Thread(target=job, name="in time", daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    end = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(end - time.monotonic(), 0))
    return not any(thread.is_alive() for thread in threads)


class Unfinished(Generic[T]):
    """What was begun in a store and is not finished, so that any thread can take it back at any moment."""

    def __init__(self) -> None:
        # its lock may be taken twice by one thread: a signal's handler interrupts whoever holds it
        self._changed = Condition()
        self._things: set[T] = set()
        self._beginning = 0
        self.is_abandoned = False

    @contextmanager
    def begun(self, thing: T) -> Iterator[None]:
        """Knows a thing before the lines inside the `with` make it. Raises `Stopped`."""
        with self._changed:
            if self.is_abandoned:
                raise Stopped
            self._things.add(thing)
            self._beginning += 1
        try:
            yield
        except BaseException:
            self.finish(thing)
            raise
        finally:
            with self._changed:
                self._beginning -= 1
                self._changed.notify_all()

    def finish(self, thing: T) -> None:
        with self._changed:
            self._things.discard(thing)

    def all(self) -> list[T]:
        with self._changed:
            return list(self._things)

    def abandon(self) -> list[T]:
        """All that was begun, once nothing is just beginning. From then on, `begun` raises `Stopped`."""
        with self._changed:
            self.is_abandoned = True
            self._changed.wait_for(lambda: self._beginning == 0, _BEGINNING_SECONDS)
            return list(self._things)
