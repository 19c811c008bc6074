"""Buckets and containers of the clouds, and of servers that speak as they do."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Condition, Event

import obstore
from obstore.exceptions import BaseError
from obstore.store import ObjectStore

from source_customerscanvas.api.secrets import Secrets
from source_customerscanvas.errors import Stopped, StoreAway, StoreUnavailable
from source_customerscanvas.files.stores.bucket_errors import store_error
from source_customerscanvas.files.stores.store import Store, Unfinished, Writer, done_within

logger = logging.getLogger("airbyte.source-customerscanvas")

_MIB = 1024 * 1024

_LEAST_PART = 5 * _MIB
"""The least that S3 takes as a part, but for the last one."""

_UNKNOWN_PART = 16 * _MIB
"""For a file of unknown size: up to 156 GiB of it."""

_MOST_PARTS = 10_000
_PARTS_AT_ONCE = 2
_MEMORY = 48 * _MIB
"""Bytes that all uploads together hold: three large files, or a few hundred small ones."""

_ABORT_SECONDS = 5.0


@dataclass(frozen=True)
class Bucket:
    """A place that the library can reach.

    `connect` makes the library's store, of which a hasty one gives up within seconds. `secrets` are hidden wherever a
    server repeats them; `permissions` are what the key has to be allowed.
    """

    place: str
    url: Callable[[str], str]
    connect: Callable[[bool], ObjectStore]
    permissions: str
    secrets: Secrets


class BucketStore(Store):
    """Uploads in parts, of which a few lie in memory; the object is there when its last part has been confirmed."""

    def __init__(self, bucket: Bucket, stopping: Event, *, is_hasty: bool = False) -> None:
        super().__init__()
        self._bucket = bucket
        self._is_hasty = is_hasty
        self._memory = _Memory(_MEMORY, stopping)
        self.store: ObjectStore
        """The library's, made when a run begins."""
        self.unfinished = Unfinished[_BucketWriter]()

    @property
    def place(self) -> str:
        return self._bucket.place

    def begin(self) -> None:
        try:
            self.store = self._bucket.connect(self._is_hasty)
        except (BaseError, ValueError):
            # without the library's words: they may quote a key
            raise StoreUnavailable(self.place, "the key in `files` cannot be read", "Enter it anew.") from None

    def abandon(self) -> None:
        # an upload whose server is silent cannot be aborted in time: the bucket's own rule removes it
        done_within(_ABORT_SECONDS, *(writer.drop for writer in self.unfinished.abandon()))

    def open(self, path: str, size: int | None, content_type: str | None) -> Writer:
        part = part_size(size)
        needed = size if size is not None and size < part else part * (1 + _PARTS_AT_ONCE)
        self._memory.take(needed)
        try:
            return _BucketWriter(self, path, part, content_type, lambda: self._memory.give_back(needed))
        except BaseException:
            self._memory.give_back(needed)
            raise

    def stat(self, path: str) -> int | None:
        with self.explained(path):
            try:
                return int(obstore.head(self.store, path)["size"])
            except FileNotFoundError:
                return None

    def read(self, path: str) -> bytes:
        with self.explained(path):
            return bytes(obstore.get(self.store, path).bytes())

    def delete(self, path: str) -> None:
        with self.explained(path), suppress(FileNotFoundError):
            obstore.delete(self.store, path)

    def url(self, path: str) -> str | None:
        return self._bucket.url(path)

    @contextmanager
    def explained(self, path: str) -> Iterator[None]:
        """Errors of the library become those of a store."""
        try:
            yield
        except (BaseError, OSError, ValueError) as error:
            if self.unfinished.is_abandoned:
                raise Stopped from None
            text = self._bucket.secrets.hide(self._more_of(str(error)))
            # without a cause: its text holds addresses, and those may be signed
            raise store_error(error, text, self.place, path, self._bucket.permissions) from None

    def _more_of(self, text: str) -> str:
        """An upload says less of a broken network than a question does, which a check has time for."""
        if self._is_hasty and "Debug source" not in text and "status code" not in text:
            try:
                obstore.head(self.store, "customerscanvas")
            except Exception as error:
                if "status code" not in str(error):
                    return str(error)
        return text


class _BucketWriter:
    """An upload. Only its thread writes; any thread may drop it."""

    def __init__(
        self, store: BucketStore, path: str, part: int, content_type: str | None, free: Callable[[], None]
    ) -> None:
        self._store = store
        self._path = path
        self._free: Callable[[], None] | None = free
        self._size = 0
        with store.explained(path), store.unfinished.begun(self):
            self._upload = obstore.open_writer(
                store.store,
                path,
                attributes={"Content-Type": content_type} if content_type else None,
                buffer_size=part,
                max_concurrency=_PARTS_AT_ONCE,
            )

    def write(self, chunk: bytes) -> None:
        with self._store.explained(self._path):
            self._upload.write(chunk)
        self._size += len(chunk)

    def commit(self) -> None:
        with self._store.explained(self._path):
            self._upload.close()
            try:
                found = obstore.head(self._store.store, self._path)["size"]
            except FileNotFoundError:
                found = 0
        if found != self._size:
            raise StoreAway(self._store.place, f"{found} of the {self._size} bytes of a file lie there")
        self._finish()

    def abort(self) -> None:
        self.drop()
        self._finish()

    def drop(self) -> None:
        """Abort the upload, with all parts that have arrived.

        From any thread: the library waits until a write that is under way has ended.
        """
        try:
            if not self._upload.closed():
                # as a `with` block does where what it holds raises
                self._upload.__exit__(Stopped, Stopped(), None)
        except Exception as error:
            # without the library's words: they hold addresses, and those may be signed
            logger.debug("An upload to %s could not be aborted: %s.", self._store.place, type(error).__name__)

    def _finish(self) -> None:
        self._store.unfinished.finish(self)
        free, self._free = self._free, None
        if free:
            free()


class _Memory:
    """Bytes that uploads may hold."""

    def __init__(self, most: int, stopping: Event) -> None:
        self._most = most
        self._stopping = stopping
        self._taken = 0
        self._changed = Condition()

    def take(self, size: int) -> None:
        """Wait for so many bytes; for more than there are, until nobody has any. Raises `Stopped`."""
        with self._changed:
            while self._taken and self._taken + size > self._most:
                self._changed.wait(1.0)
                if self._stopping.is_set():
                    raise Stopped
            self._taken += size

    def give_back(self, size: int) -> None:
        with self._changed:
            self._taken -= size
            self._changed.notify_all()


def part_size(size: int | None) -> int:
    """Bytes of each part of a file, which may have 10,000 of them."""
    if size is None:
        return _UNKNOWN_PART
    # one part fewer, as a file may be longer than it was said to be
    return max(_LEAST_PART, -(-size // ((_MOST_PARTS - 1) * _MIB)) * _MIB)
