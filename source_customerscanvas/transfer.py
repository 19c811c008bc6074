"""Brings an artifact's file to disk: whole, or not at all."""

import errno
import os
import random
import re
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import IO, Any

import requests
import urllib3.exceptions

from source_customerscanvas.calls import path_segment
from source_customerscanvas.client import ApiClient
from source_customerscanvas.errors import BrokenDownload, Refused, StagingUnavailable, Stopped
from source_customerscanvas.settings import Settings
from source_customerscanvas.times import SYSTEM_CLOCK, Clock

try:
    import fcntl
except ImportError:  # Windows, where a file that is open cannot be removed anyway
    fcntl = None  # type: ignore[assignment]  # a module or nothing

_MOST_RESUMPTIONS = 5
_LONGEST_BACK_OFF = 30.0
_LEAST_CHUNK, _MOST_CHUNK = 128 * 1024, 512 * 1024
"""Bytes read at once. Large ones spare a single download most of its waiting for the interpreter's lock."""

_ROOM_FOR_CHUNKS = 4 * 1024 * 1024
"""Bytes that all downloads together read at once, as long as each has its least chunk: this bounds the memory."""

_WRITTEN_AT_ONCE = 64 * 1024

_HASHED_AT_ONCE = 8 * 1024 * 1024
"""Bytes after which what was written of a file is hashed."""

_READ_BACK = 256 * 1024

_FLUSHED_AT_ONCE = 32 * 1024 * 1024
"""Bytes after which what was written of a file is sent to the disk."""

_PLATFORM_DIRECTORY = Path("/staging/files")
_flush = getattr(os, "fdatasync", os.fsync)
_TEMPORARY_NAME = ".customerscanvas-{}.part"
_OUTSIDE = "it lies outside the staging directory"
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)\Z")
_DECODABLE = frozenset({"gzip", "x-gzip", "deflate"})


@dataclass(frozen=True)
class ArtifactFile:
    """What the API says of a file; `size` in bytes, None where it does not say."""

    id: str
    size: int | None
    url: str | None
    anonymous_access: bool
    format: str | None = None

    @classmethod
    def from_row(cls, id_: str, row: Mapping[str, Any]) -> "ArtifactFile":
        """From an artifact or an output file detail."""
        size, url, format_ = row.get("size"), row.get("url"), row.get("format")
        return cls(
            id=id_,
            size=size if isinstance(size, int) and not isinstance(size, bool) and size >= 0 else None,
            url=url if isinstance(url, str) else None,
            anonymous_access=row.get("anonymousAccess") is True,
            format=format_ if isinstance(format_, str) else None,
        )


@dataclass(frozen=True)
class DownloadedFile:
    """A complete file at `path` (absolute); `size` in bytes and `sha256` (hexadecimal) are those of what came."""

    path: Path
    relative_path: str
    size: int
    sha256: str


class FileTransfer:
    """Downloads into one directory; safe to share between threads.

    `progress` is told the number of bytes each time some have come; those of a broken try are not taken back.
    """

    def __init__(
        self,
        client: ApiClient,
        directory: Path,
        clock: Clock = SYSTEM_CLOCK,
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._client = client
        self._directory = directory
        self._clock = clock
        self._progress = progress
        self._folders = _Folders(directory)
        self._lock = Lock()
        self._running = 0

    def download(self, artifact: ArtifactFile, relative_path: str) -> DownloadedFile:
        """Fetch a file to a path below the directory, replacing one that is there.

        Raises `NotFound` where the file is gone, `BrokenDownload` where it never came whole, `StagingUnavailable`
        where it cannot be written, and whatever else `ApiClient.open_file` raises. None leaves anything behind.
        """
        target = self._directory / relative_path
        try:
            with (
                self._counted(),
                self._folders.partial_file(PurePosixPath(relative_path)) as (path, file),
                _Writing(file) as writing,
            ):
                part = _Part(writing)
                self._fetch(artifact, part)
                digest = writing.end()
                os.replace(path, target)
        except OSError as error:
            raise StagingUnavailable(str(target.parent), error.strerror or type(error).__name__) from error
        return DownloadedFile(target, relative_path, part.size, digest)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._lock:
            self._running += 1
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1

    def _fetch(self, artifact: ArtifactFile, part: "_Part") -> None:
        url, with_token = self._address(artifact)
        resumptions = 0
        while True:
            try:
                with self._client.open_file(url, with_token=with_token, headers=part.headers()) as response:
                    self._receive(artifact, part, response)
                return
            except _Broken as broken:
                if resumptions == _MOST_RESUMPTIONS:
                    raise BrokenDownload(f"artifact {artifact.id}", str(broken)) from None
            self._clock.wait(random.uniform(0, min(_LONGEST_BACK_OFF, 2.0**resumptions)), self._client.stopping)
            resumptions += 1

    def _address(self, artifact: ArtifactFile) -> tuple[str, bool]:
        if not artifact.anonymous_access:
            path = f"storage/v1/artifacts/{path_segment(artifact.id)}/file"
            return self._client.address(path, {"attachment": True}), True
        if not artifact.url:
            raise Refused(None, f"The file of artifact {artifact.id}", "it is public, but its address is missing")
        return artifact.url, False

    def _receive(self, artifact: ArtifactFile, part: "_Part", response: requests.Response) -> None:
        """Read one answer to its end. Raises `_Broken` when the file is not whole with it."""
        announced = part.begin(response)
        media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        is_page = media_type == "text/html" and (artifact.format or "").lower().lstrip(".") not in ("html", "htm")
        if is_page and artifact.size is None:
            part.restart()
            raise _Broken("a web page came instead")
        if announced is not None and artifact.size is not None and announced != artifact.size:
            part.restart()
            raise _Broken(f"{artifact.size} bytes are listed, but {announced} announced")
        expected = announced if artifact.size is None else artifact.size
        for chunk in self._chunks(response, part):
            if expected is not None and part.size + len(chunk) > expected:
                part.restart()
                raise _Broken(f"more than the expected {expected} bytes came")
            part.write(chunk)
            self._progress(len(chunk))
        if expected is not None and part.size < expected:
            raise _Broken(f"{part.size} of {expected} bytes came")

    def _chunks(self, response: requests.Response, part: "_Part") -> Iterator[bytes]:
        raw = response.raw
        while True:
            if self._client.stopping.is_set():
                raise Stopped
            try:
                # read1: what came before a break is not lost, as it is when a whole chunk is waited for
                chunk = raw.read1(self._chunk_size(), decode_content=part.is_encoded)
            except (urllib3.exceptions.HTTPError, OSError):
                # without the error's own words: they may hold the address
                raise _Broken(f"the connection broke after {part.size} bytes") from None
            if not chunk:
                return
            yield chunk

    def _chunk_size(self) -> int:
        return min(_MOST_CHUNK, max(_LEAST_CHUNK, _ROOM_FOR_CHUNKS // self._running))


class _Folders:
    """The folders of the files below a directory. Each is made, or looked at, once: for small files that counts."""

    def __init__(self, directory: Path) -> None:
        self._directory = str(directory)
        self._known: set[str] = set()

    def partial_file(self, relative_path: PurePosixPath) -> AbstractContextManager[tuple[str, IO[bytes]]]:
        """A new file where another is to be; raises `StagingUnavailable` where that would lie outside the directory."""
        folder = self._make(relative_path)
        if not os.path.isdir(folder):
            # whoever takes the files away may take the folders too
            self._known.clear()
            folder = self._make(relative_path)
        return _partial_file(folder)

    def _make(self, relative_path: PurePosixPath) -> str:
        *folders, name = relative_path.parts or ("..",)
        folder = self._directory
        if relative_path.is_absolute() or ".." in (*folders, name):
            raise StagingUnavailable(str(relative_path), _OUTSIDE)
        for name in folders:
            folder = f"{folder}{os.sep}{name}"
            if folder not in self._known:
                self._make_one(folder)
        return folder

    def _make_one(self, folder: str) -> None:
        try:
            os.mkdir(folder)
        except FileExistsError:
            # before anything is made in it, so that a link that leads outside is not followed even for a folder
            if not Path(folder).resolve().is_relative_to(Path(self._directory).resolve()):
                raise StagingUnavailable(folder, _OUTSIDE) from None
        self._known.add(folder)


class _Broken(Exception):
    """This try did not bring the whole file; the next one may."""


class _Part:
    """The beginning of a file that has come so far, over one or more answers."""

    def __init__(self, writing: "_Writing") -> None:
        self.size = 0
        self.is_encoded = False
        self._writing = writing
        self._etag: str | None = None

    def headers(self) -> dict[str, str]:
        """What to ask for: the rest where it can be told that the file has not changed since, else everything."""
        headers = {"Accept": "*/*", "Accept-Encoding": "identity"}
        if self.size and self._etag:
            headers.update({"Range": f"bytes={self.size}-", "If-Range": self._etag})
        return headers

    def begin(self, response: requests.Response) -> int | None:
        """Make ready for an answer's body. Gives the size that the whole file is to have, None if unknown."""
        length = response.headers.get("Content-Length", "")
        etag = response.headers.get("ETag", "")
        if response.status_code == 206 and self.size and self._etag:
            matched = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
            if matched and int(matched[1]) == self.size and etag in ("", self._etag) and not _encodings(response):
                return int(matched[3]) if matched[3] != "*" else None
        if response.status_code != 200:
            self.restart()
            raise _Broken(f"the server answers HTTP {response.status_code} to a request for the rest")
        self.restart()
        encodings = _encodings(response)
        if not encodings <= _DECODABLE:
            raise _Broken(f"it is encoded as {', '.join(sorted(encodings))}, which was not asked for")
        self.is_encoded = bool(encodings)
        # a weak tag says that two files mean the same, not that their bytes are; and a part of an encoded body
        # cannot be decoded
        self._etag = etag if etag.startswith('"') and not self.is_encoded else None
        return int(length) if length.isascii() and length.isdigit() and not self.is_encoded else None

    def restart(self) -> None:
        """Forget what has come."""
        self._etag = None
        self.is_encoded = False
        if self.size:
            self.size = 0
            self._writing.restart()

    def write(self, chunk: bytes) -> None:
        self._writing.write(chunk)
        self.size += len(chunk)


class _Writing:
    """Writes a file, hashes it and lets it go to the disk: of a large one, the last two while more is received.

    It is hashed as it is read back from the system's cache, in threads of its own: nobody waits for them before the
    end, whatever they are behind, and no memory is needed for what they have not got to. A context manager: before the
    file is closed, nothing may be using it any more.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._size = 0
        self._hashed = 0
        self._flushed = 0
        self._sha256 = sha256()
        self._threads: ThreadPoolExecutor | None = None
        self._hashing: Future[None] | None = None
        self._flushing: Future[None] | None = None

    def __enter__(self) -> "_Writing":
        return self

    def __exit__(self, *exception: object) -> None:
        if self._threads:
            self._threads.shutdown()

    def write(self, chunk: bytes) -> None:
        self._file.write(chunk)
        self._size += len(chunk)
        if self._size - self._hashed >= _HASHED_AT_ONCE and _is_free(self._hashing):
            self._file.flush()
            self._hashing = self._begin(self._hash, self._size)
        if self._size - self._flushed >= _FLUSHED_AT_ONCE and _is_free(self._flushing):
            self._flushing = self._begin(_flush, self._file.fileno())
            self._flushed = self._size

    def restart(self) -> None:
        """Forget what was written."""
        self._wait()
        self._file.seek(0)
        self._file.truncate()
        self._size = self._hashed = self._flushed = 0
        self._sha256 = sha256()

    def end(self) -> str:
        """Wait until everything is on the disk. Gives the SHA-256 of it, hexadecimal."""
        self._wait()
        self._file.flush()
        self._hash(self._size)
        _flush(self._file.fileno())
        return self._sha256.hexdigest()

    def _begin(self, job: Callable[[int], None], argument: int) -> "Future[None]":
        self._threads = self._threads or ThreadPoolExecutor(2, "writing")
        return self._threads.submit(job, argument)

    def _hash(self, end: int) -> None:
        with open(self._file.name, "rb", buffering=0) as file:
            file.seek(self._hashed)
            room = memoryview(bytearray(min(_READ_BACK, end - self._hashed)))
            while self._hashed < end:
                size = file.readinto(room[: end - self._hashed])
                if not size:
                    raise OSError(errno.EIO, "The file has become shorter while it was written")
                self._sha256.update(room[:size])
                self._hashed += size

    def _wait(self) -> None:
        # the system tells of a failed write only once, to whoever asks first
        for job in (self._hashing, self._flushing):
            if job:
                job.result()


def _is_free(job: "Future[None] | None") -> bool:
    """Whether the next job may begin. Raises what the one before raised."""
    if job is None:
        return True
    if job.done():
        job.result()
        return True
    return False


def _encodings(response: requests.Response) -> set[str]:
    names = {name.strip().lower() for name in response.headers.get("Content-Encoding", "").split(",")}
    return names - {"", "identity"}


@contextmanager
def _partial_file(folder: str) -> Iterator[tuple[str, IO[bytes]]]:
    """A new file in a folder, under a name that no file of an artifact has; gone at the end unless it was renamed."""
    path = os.path.join(folder, _TEMPORARY_NAME.format(uuid.uuid4().hex))
    try:
        with open(path, "xb", _WRITTEN_AT_ONCE) as file:
            with suppress(OSError):  # not every file system has locks
                _lock(file)
            yield path, file
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(path)
        raise


def remove_leftovers(directory: Path) -> None:
    """Remove what downloads of killed runs left behind, and nothing that another run is still writing."""
    for path in directory.rglob(_TEMPORARY_NAME.format("*")):
        with suppress(OSError), path.open("rb") as file:
            _lock(file)
            path.unlink(missing_ok=True)


def _lock(file: IO[bytes]) -> None:
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def staging_directory(settings: Settings, stream_name: str) -> Path:
    """The folder for a stream's files, made if missing, as an absolute path; rests of killed runs are removed there.

    `file_directory`, or else the platform's: `AIRBYTE_STAGING_DIRECTORY`, or where the platform puts it by default, or
    below the system's temporary directory, as the framework does. Raises `StagingUnavailable`.
    """
    chosen = settings.file_directory or os.environ.get("AIRBYTE_STAGING_DIRECTORY")
    if chosen:
        base = Path(chosen)
    elif _PLATFORM_DIRECTORY.is_dir():
        base = _PLATFORM_DIRECTORY
    else:
        base = Path(tempfile.gettempdir()) / "airbyte-file-transfer"
    directory = base.absolute() / stream_name
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with _partial_file(str(directory)) as (path, _):
            pass
        os.unlink(path)
    except OSError as error:
        raise StagingUnavailable(str(directory), error.strerror or type(error).__name__) from error
    remove_leftovers(directory)
    return directory
