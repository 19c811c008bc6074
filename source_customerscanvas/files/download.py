"""Brings an artifact's file to disk: whole, or not at all."""

import os
import random
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from threading import Condition
from typing import Any

import requests
import urllib3.exceptions

from source_customerscanvas.api.calls import path_segment
from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.errors import BrokenDownload, Refused, StagingUnavailable, Stopped
from source_customerscanvas.files.staging import Staging
from source_customerscanvas.files.writing import FileWriter
from source_customerscanvas.times import SYSTEM_CLOCK, Clock

_MOST_RESUMPTIONS = 5
_LONGEST_BACK_OFF = 30.0
_LEAST_CHUNK, _MOST_CHUNK = 128 * 1024, 512 * 1024
"""Bytes read at once. Large ones spare a single download most of its waiting for the interpreter's lock."""

_ROOM_FOR_CHUNKS = 4 * 1024 * 1024
"""Bytes that all downloads together read at once, as long as each has its least chunk: this bounds the memory."""

_MOST_UNPACKED = 256 * 1024
"""Bytes that a chunk gives at once when its compression is undone, which may be a thousand times as many."""

_LENGTH = re.compile(r"\d{1,18}\Z", re.ASCII)  # more digits are no length of anything
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)\Z", re.ASCII)
_DECODABLE = frozenset({"", "gzip", "x-gzip", "deflate"})


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
        size, url = row.get("size"), row.get("url")
        if isinstance(size, float) and size.is_integer():
            size = int(size)  # JSON knows one kind of numbers
        format_ = row.get("format") or PurePosixPath(str(row.get("name") or "")).suffix or None
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
        staging: Staging,
        clock: Clock = SYSTEM_CLOCK,
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._client = client
        self._staging = staging
        self._clock = clock
        self._progress = progress
        self._ended = Condition()
        self._running = 0

    def download(self, artifact: ArtifactFile, relative_path: str) -> DownloadedFile:
        """Fetch a file to a path below the directory, replacing one that is there.

        Raises `NotFound` where the file is gone, `BrokenDownload` where it never came whole, `StagingUnavailable`
        where it cannot be written, and whatever else `ApiClient.open_file` raises. None leaves anything behind.
        """
        target = self._staging.directory / relative_path
        try:
            with (
                self._counted(),
                self._staging.partial_file(relative_path) as file,
                FileWriter(file) as writer,
            ):
                part = _Part(writer)
                self._fetch(artifact, part)
                digest = writer.end()
                os.replace(file.name, target)
        except OSError as error:
            raise StagingUnavailable(str(target.parent), error.strerror or type(error).__name__) from error
        return DownloadedFile(target, relative_path, part.size, digest)

    def end(self, patience: float) -> None:
        """Wait until no download is under way, so many seconds at most; what is then is left for the next run."""
        with self._ended:
            if self._ended.wait_for(lambda: self._running == 0, patience):
                self._staging.end()

    def abandon(self) -> None:
        """Remove what downloads under way have written, without waiting for them."""
        self._staging.abandon()

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._ended:
            self._running += 1
        try:
            yield
        finally:
            with self._ended:
                self._running -= 1
                self._ended.notify_all()

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
        announced = part.begin(response, artifact.size)
        media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        is_page = media_type == "text/html" and (artifact.format or "").lower().lstrip(".") not in ("html", "htm")
        if is_page and artifact.size is None:
            part.restart()
            raise _Broken("a web page came instead")
        if announced is not None and artifact.size is not None and announced != artifact.size:
            part.restart()
            raise _Broken(f"{artifact.size} bytes are listed, but {announced} announced")
        expected = announced if artifact.size is None else artifact.size
        chunks = self._chunks(response, part, expected)
        for chunk in _unpacked(chunks, part.encoding) if part.encoding else chunks:
            if expected is not None and part.size + len(chunk) > expected:
                part.restart()
                raise _Broken(f"more than the expected {expected} bytes came")
            part.write(chunk)
            self._progress(len(chunk))
        if expected is not None and part.size < expected:
            raise _Broken(f"{part.size} of {expected} bytes came")
        if expected is None and not part.size and not response.raw.chunked:
            # an answer that breaks off within its head looks like this too
            raise _Broken("nothing came, and nothing says that the file is empty")

    def _chunks(self, response: requests.Response, part: "_Part", expected: int | None) -> Iterator[bytes]:
        raw = response.raw
        while True:
            if self._client.stopping.is_set():
                raise Stopped
            try:
                # read1: what came before a break is not lost, as it is when a whole chunk is waited for
                chunk = raw.read1(self._room(part, expected), decode_content=False)
            except (urllib3.exceptions.HTTPError, OSError):
                # without the error's own words: they may hold the address
                raise _Broken(f"the connection broke after {part.size} bytes") from None
            if not chunk:
                return
            yield chunk

    def _room(self, part: "_Part", expected: int | None) -> int:
        """Bytes to read at once: where it is known how many are to come, no more, as room for them has to be made."""
        room = min(_MOST_CHUNK, max(_LEAST_CHUNK, _ROOM_FOR_CHUNKS // self._running))
        return room if expected is None or part.encoding else min(room, max(expected - part.size, 0) + 1)


class _Broken(Exception):
    """This try did not bring the whole file; the next one may."""


class _Part:
    """The beginning of a file that has come so far, over one or more answers."""

    def __init__(self, writer: FileWriter) -> None:
        self.size = 0
        self.encoding = ""
        self._writer = writer
        self._etag: str | None = None
        self._announced: int | None = None

    def headers(self) -> dict[str, str]:
        """What to ask for: the rest where it can be told that the file has not changed since, else everything."""
        headers = {"Accept": "*/*", "Accept-Encoding": "identity"}
        if self.size and self._etag:
            headers.update({"Range": f"bytes={self.size}-", "If-Range": self._etag})
        return headers

    def begin(self, response: requests.Response, listed: int | None) -> int | None:
        """Make ready for an answer's body. Gives the size that the whole file is to have, None if unknown.

        `listed` is the size that the API says, if it does. A part of a file does not tell where the file ends unless
        some size does: the answer that broke, this one, or the listed one.
        """
        length = response.headers.get("Content-Length", "")
        etag = response.headers.get("ETag", "")
        if response.status_code == 206 and self.size and self._etag:
            matched = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
            if matched and int(matched[1]) == self.size and etag in ("", self._etag) and not _encodings(response):
                sizes = {self._announced, int(matched[3]) if matched[3] != "*" else None} - {None}
                if len(sizes) == 1 or (not sizes and listed is not None):
                    self._announced = sizes.pop() if sizes else None
                    return self._announced
        if response.status_code != 200:
            self.restart()
            raise _Broken(f"the server answers HTTP {response.status_code} to a request for the rest")
        self.restart()
        encodings = _encodings(response)
        self.encoding = ", ".join(encodings)
        if self.encoding not in _DECODABLE:
            raise _Broken(f"it is encoded as {self.encoding}, which was not asked for")
        # a weak tag says that two files mean the same, not that their bytes are; and a part of an encoded body
        # cannot be decoded
        self._etag = etag if etag.startswith('"') and not self.encoding else None
        self._announced = int(length) if _LENGTH.match(length) and not self.encoding else None
        return self._announced

    def restart(self) -> None:
        """Forget what has come."""
        self._etag = self._announced = None
        self.encoding = ""
        if self.size:
            self.size = 0
            self._writer.restart()

    def write(self, chunk: bytes) -> None:
        self._writer.write(chunk)
        self.size += len(chunk)


def _encodings(response: requests.Response) -> list[str]:
    names = [name.strip().lower() for name in response.headers.get("Content-Encoding", "").split(",")]
    return [name for name in names if name not in ("", "identity")]


def _unpacked(chunks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """A body without its compression, in pieces of bounded size. Raises `_Broken` where it does not come to its end.

    The HTTP client's own decoders do not look whether it does, and take what is no second part of it for rubbish.
    """
    unpacker = None
    packed = b""
    try:
        for chunk in chunks:
            packed += chunk
            while packed and (unpacker or len(packed) > 1):
                unpacker = unpacker or zlib.decompressobj(_window_bits(packed, encoding))
                piece = unpacker.decompress(packed, _MOST_UNPACKED)
                while piece:
                    yield piece
                    piece = unpacker.decompress(unpacker.unconsumed_tail, _MOST_UNPACKED)
                packed = unpacker.unused_data
                unpacker = None if unpacker.eof else unpacker
    except zlib.error:
        raise _Broken(f"it is not {encoding}, which it is said to be") from None
    if unpacker or packed:
        raise _Broken(f"it breaks off within its {encoding}")


def _window_bits(packed: bytes, encoding: str) -> int:
    if encoding != "deflate":
        return 16 + zlib.MAX_WBITS
    # some servers leave the wrapper out, which the first two bytes tell: they are a number divisible by 31
    has_wrapper = packed[0] & 15 == zlib.DEFLATED and int.from_bytes(packed[:2], "big") % 31 == 0
    return zlib.MAX_WBITS if has_wrapper else -zlib.MAX_WBITS
