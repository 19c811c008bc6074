"""Brings an artifact's file into a store: whole, or not at all."""

import hashlib
import mimetypes
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import PurePosixPath
from threading import Condition
from typing import TypeVar

from source_customerscanvas.addresses import Origin, is_private, normalised, origin_of
from source_customerscanvas.api.calls import path_segment
from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.errors import (
    BrokenDownload,
    ConfigurationError,
    Conflict,
    FileRefused,
    NotFound,
    NotTheApi,
    Refused,
    ServerTrouble,
    Stopped,
    StoreAway,
    StoreUnavailable,
    Unreachable,
)
from source_customerscanvas.files.artifact_file import ArtifactFile, DeliveredFile
from source_customerscanvas.files.incoming import Broken, Part
from source_customerscanvas.files.stores.store import Store, Writer
from source_customerscanvas.times import SYSTEM_CLOCK, Clock

T = TypeVar("T")

_MOST_TRIES_WITHOUT_PROGRESS = 5
_LONGEST_BACK_OFF = 30.0
_STORE_AWAY_SECONDS = 120.0
_USELESS_SECONDS = 600.0
"""For how long the files of a host that does not answer are asked of the API instead."""

_TYPES = mimetypes.MimeTypes()  # Python's own table: that of the machine differs from one to the next


class Downloader:
    """Downloads into one store; safe to share between threads.

    `progress` is told the number of bytes each time some have come; those of a broken try are not taken back.
    """

    def __init__(
        self,
        client: ApiClient,
        store: Store,
        clock: Clock = SYSTEM_CLOCK,
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._client = client
        self._store = store
        self._clock = clock
        self._progress = progress
        self._ended = Condition()
        self._running = 0
        self._is_over = False
        self._useless: dict[Origin, float] = {}

    @property
    def place(self) -> str:
        """Where files go, as messages call it; without secrets."""
        return self._store.place

    def begin(self) -> None:
        """Make the store ready, over one that is away for a while. Raises what `Store` raises, and `Stopped`."""
        self._patiently(self._store.begin)
        self._is_over = False

    def end(self, patience: float) -> None:
        """Wait until no download is under way, at most so many seconds. What is left then, the next run clears away."""
        with self._ended:
            if not self._ended.wait_for(lambda: self._running == 0, patience):
                return
            self._is_over = True
        self._store.end()

    def deliver(self, artifact: ArtifactFile, path: str) -> DeliveredFile:
        """Bring a file to a path of the store, in the place of one that is there.

        Raises `NotFound` where the API says that it is gone, `BrokenDownload` where it never came whole,
        `StoreUnavailable` and `StoreAway` where no other file can be stored either, `FileRefused` where this one
        cannot, and whatever else `ApiClient.open_file` raises. No failure leaves anything behind.
        """
        with self._counted():
            size, digest = self._fetch(artifact, lambda: self._store.open(path, artifact.size, _media_type(path)))
        return _delivered(self._store, path, size, digest)

    def find(self, artifact: ArtifactFile, path: str) -> tuple[int, str | None] | None:
        """The size in bytes and the SHA-256 (hexadecimal) of a file that was stored earlier; None if it is not there.

        It is downloaded once more to be hashed; where the API does not have it any more, its SHA-256 is None. A store
        that does not keep files is taken to have had it. Raises like `deliver`.
        """
        stored = None
        with self._counted():
            if self._store.keeps_files:
                with suppress(StoreUnavailable):  # a bucket refuses a key that may not list, where there is no file
                    stored = self._patiently(lambda: self._store.stat(path))
                if stored is None:
                    return None
            try:
                size, digest = self._fetch(artifact, _Nowhere)
            except NotFound:
                if stored is None:
                    raise
                return stored, None
        return (size, digest) if stored in (None, size) else None

    def put(self, path: str, content: bytes, content_type: str) -> DeliveredFile:
        """Store a small file of the connector's own."""
        with self._counted():
            self._patiently(lambda: self._store.put(path, content, content_type))
        return _delivered(self._store, path, len(content), hashlib.sha256(content).hexdigest())

    def read(self, path: str) -> bytes | None:
        """A small file that was stored earlier; None where it is not there, or cannot be read."""
        if self._store.keeps_files:
            with self._counted(), suppress(StoreUnavailable, FileRefused):
                return self._patiently(lambda: None if self._store.stat(path) is None else self._store.read(path))
        return None

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._ended:
            if self._is_over:
                raise Stopped
            self._running += 1
        try:
            yield
        finally:
            with self._ended:
                self._running -= 1
                self._ended.notify_all()

    def _fetch(self, artifact: ArtifactFile, open_writer: Callable[[], Writer]) -> tuple[int, str]:
        """Size and digest of a file that has its name then."""
        part = Part(artifact, open_writer, self._clock, self._client.stopping)
        try:
            return self._fetch_part(artifact, part)
        finally:
            part.forget()

    def _fetch_part(self, artifact: ArtifactFile, part: Part) -> tuple[int, str]:
        if artifact.anonymous_access and self._is_useful(artifact.url):
            url = normalised(artifact.url or "")
            try:
                return self._fetch_from(url, False, part)
            except (BrokenDownload, Conflict, Refused, ServerTrouble, Unreachable) as error:
                # the artifact's own endpoint serves public files too
                if isinstance(error, Unreachable):
                    self._useless[origin_of(url)] = self._clock.monotonic()
                part.forget()
        path = f"storage/v1/artifacts/{path_segment(artifact.id)}"
        own = self._client.address(f"{path}/file", {"attachment": True})
        try:
            return self._fetch_from(own, True, part)
        except NotTheApi:
            # a gateway's word is none, but where the artifact is gone, so is its file
            with suppress(ServerTrouble, Unreachable, Refused, Conflict, ConfigurationError):
                self._client.get_json(path)
            raise

    def _is_useful(self, url: str | None) -> bool:
        """Whether a public address may be asked at all, and its host has not failed lately."""
        url = normalised(url or "")
        if not is_private(url, beside=self._client.address("")):
            return False
        failed = self._useless.get(origin_of(url))
        return failed is None or self._clock.monotonic() - failed > _USELESS_SECONDS

    def _fetch_from(self, url: str, with_token: bool, part: Part) -> tuple[int, str]:
        """Size and digest of the file, over as many answers of one address as it takes."""
        most, failures = 0, 0
        bridge = _Bridge(self._clock)
        while True:
            try:
                part.begin()
                with self._client.open_file(url, with_token=with_token, headers=part.headers()) as response:
                    part.receive(response, self._progress)
                if part.may_be_nothing and not with_token:
                    # the API's own endpoint is to say so too
                    raise BrokenDownload(f"artifact {part.artifact_id}", "nothing came")
                return part.commit()
            except StoreAway as error:
                bridge.note(part.size)
                bridge.bear(error)
                part.forget()
                most, failures = 0, 0  # the file comes anew from its beginning
                tries = bridge.failures
            except Broken as error:
                bridge.note(part.size)
                if part.size > most and not error.is_useless:
                    most, failures = part.size, 0
                failures += 1
                if failures > _MOST_TRIES_WITHOUT_PROGRESS:
                    raise BrokenDownload(f"artifact {part.artifact_id}", str(error)) from None
                if error.is_useless:
                    part.forget()
                tries = failures
            self._pause(tries)

    def _patiently(self, attempt: Callable[[], T]) -> T:
        """What an attempt gives, while the store is not away for too long."""
        bridge = _Bridge(self._clock)
        while True:
            try:
                return attempt()
            except StoreAway as error:
                bridge.bear(error)
            self._pause(bridge.failures)

    def _pause(self, failures: int) -> None:
        self._client.wait(random.uniform(0, min(_LONGEST_BACK_OFF, 2.0 ** (failures - 1))))


class _Bridge:
    """For how long a store may be away; `failures` are those since it took more of a file than ever before."""

    def __init__(self, clock: Clock) -> None:
        self.failures = 0
        self._clock = clock
        self._since = 0.0
        self._most = 0

    def note(self, size: int) -> None:
        """The store has taken so many bytes of the file."""
        if size > self._most:
            self._most, self.failures = size, 0

    def bear(self, error: StoreAway) -> None:
        """Raises the error where the store was waited for already, or has failed for two minutes on end."""
        now = self._clock.monotonic()
        self._since = self._since if self.failures else now
        self.failures += 1
        if error.is_bridged or now - self._since > _STORE_AWAY_SECONDS:
            raise error


class _Nowhere:
    """A writer that stores nothing."""

    def write(self, chunk: bytes) -> None:
        pass

    def commit(self) -> None:
        pass

    def abort(self) -> None:
        pass


def _delivered(store: Store, path: str, size: int, digest: str) -> DeliveredFile:
    return DeliveredFile(path, size, digest, store.url(path), store.local_path(path))


def _media_type(path: str) -> str | None:
    return _TYPES.guess_type(PurePosixPath(path).name)[0]
