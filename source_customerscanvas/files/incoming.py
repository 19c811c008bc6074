"""What a server answers to a download, over as many answers as it takes."""

import re
import zlib
from collections.abc import Callable, Iterator
from threading import Event

import requests
import urllib3.exceptions

from source_customerscanvas.api.speed import LeastSpeed, TooSlow
from source_customerscanvas.errors import Stopped
from source_customerscanvas.files.artifact_file import ArtifactFile
from source_customerscanvas.files.hashing import HashingThread
from source_customerscanvas.files.stores.store import Writer
from source_customerscanvas.times import Clock

_CHUNK = 512 * 1024
"""Bytes read at once. Large chunks spare a download most of its waiting for the interpreter's lock."""

_MOST_UNPACKED = 256 * 1024
"""Bytes that a chunk gives at once when its compression is undone, which may be a thousand times as many."""

_LENGTH = re.compile(r"\d{1,18}\Z", re.ASCII)  # more digits are no length of anything
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)\Z", re.ASCII)
_WHOLE = frozenset({200, 203, 204})
"""What a file comes with: also from a proxy that says that it is one, and one without a byte."""

_GZIP = 16 + zlib.MAX_WBITS
_DECODABLE = frozenset({"", "gzip", "x-gzip"})


class Broken(Exception):
    """This try did not bring the whole file; the next one may. `is_useless` says that what came is no part of it."""

    def __init__(self, why: str, *, is_useless: bool = False) -> None:
        super().__init__(why)
        self.is_useless = is_useless


class Part:
    """The beginning of a file that has come so far, over one or more answers, and its writer.

    The file is begun anew, with a writer of its own, where what has come turns out to be of no use.
    Where the listed size is that of the compressed body, the body is stored compressed. The announced length tells that
    at once; without one, the first try unpacks it and finds the wrong size.
    """

    def __init__(
        self, artifact: ArtifactFile, open_writer: Callable[[], Writer], clock: Clock, stopping: Event
    ) -> None:
        self.size = 0
        self._artifact = artifact
        self._open_writer = open_writer
        self._writer: Writer | None = None
        self._hash = HashingThread()
        self._clock = clock
        self._stopping = stopping
        self._encoding = ""
        self._is_stored_packed = False
        self._etag: str | None = None
        self._announced: int | None = None

    @property
    def artifact_id(self) -> str:
        return self._artifact.id

    def begin(self) -> Writer:
        """Have a writer. Raises what `Store.open` raises."""
        if self._writer is None:
            self._writer = self._open_writer()
        return self._writer

    def headers(self) -> dict[str, str]:
        """What to ask for: the rest where it can be told that the file has not changed since, else everything."""
        headers = {"Accept": "*/*", "Accept-Encoding": "identity"}
        if self.size and self._etag:
            headers.update({"Range": f"bytes={self.size}-", "If-Range": self._etag})
        return headers

    def receive(self, response: requests.Response, progress: Callable[[int], None]) -> None:
        """Read one answer to its end. Raises `Broken` when the file is not whole then."""
        listed = self._artifact.size
        announced = self._begin(response)
        self._refuse_what_is_no_file(response, announced)
        expected = announced if listed is None else listed
        try:
            chunks = self._chunks(response, expected)
            for chunk in _unpacked(chunks) if self._encoding else chunks:
                if expected is not None and self.size + len(chunk) > expected:
                    raise Broken(f"more than the expected {expected} bytes came", is_useless=True)
                self._hash.add(chunk)
                self.begin().write(chunk)
                self.size += len(chunk)
                progress(len(chunk))
            if expected is not None and self.size < expected:
                raise Broken(f"{self.size} of {expected} bytes came")
        except Broken as broken:
            if _encodings(response) and listed is not None and "Content-Length" not in response.headers:
                # with or without its compression: one of both is what is listed
                self._is_stored_packed = not self._is_stored_packed
                raise Broken(str(broken), is_useless=True) from None
            raise
        if expected is None and not self.size and not response.raw.chunked:
            # an answer that breaks off within its head looks like this too
            raise Broken("nothing came, and nothing says that the file is empty")

    @property
    def may_be_nothing(self) -> bool:
        """Whether nothing came, and only the answer says that the file is empty."""
        return not self.size and self._artifact.size is None

    def commit(self) -> tuple[int, str]:
        """Give the whole file its name. Gives its size in bytes and its SHA-256, hexadecimal."""
        self.begin().commit()
        return self.size, self._hash.digest()

    def forget(self) -> None:
        """Leave nothing behind of what has come, unless it was committed: the next answer begins the file anew."""
        self.size = 0
        self._hash.end()
        self._hash = HashingThread()
        writer, self._writer = self._writer, None
        if writer:
            writer.abort()

    def _begin(self, response: requests.Response) -> int | None:
        """Make ready for an answer's body. Gives the size that the whole file is to have, None if unknown.

        A part of a file does not tell where the file ends unless some size does: the answer that broke, this one, or
        the listed one.
        """
        length = response.headers.get("Content-Length", "")
        etag = response.headers.get("ETag", "")
        encodings = _encodings(response)
        matched = (
            _CONTENT_RANGE.match(response.headers.get("Content-Range", "")) if response.status_code == 206 else None
        )
        if matched and self.size and self._etag:
            is_same = etag == self._etag and (not encodings or self._is_stored_packed)
            if int(matched[1]) == self.size and is_same:
                sizes = {self._announced, int(matched[3]) if matched[3] != "*" else None} - {None}
                if len(sizes) == 1 or (not sizes and self._artifact.size is not None):
                    self._announced = sizes.pop() if sizes else None
                    return self._announced
        # some caches give the whole file as a part of itself
        is_whole = matched and int(matched[1]) == 0 and matched[3] == str(int(matched[2]) + 1)
        if response.status_code not in _WHOLE and not is_whole:
            raise Broken(f"the server answers HTTP {response.status_code} instead of the file", is_useless=True)
        if self.size:
            self.forget()
        announced = int(length) if _LENGTH.match(length) else None
        if announced is None and is_whole and matched:
            announced = int(matched[3])
        if encodings and self._artifact.size is not None and announced == self._artifact.size:
            self._is_stored_packed = True
        self._encoding = "" if self._is_stored_packed else ", ".join(encodings)
        if self._encoding not in _DECODABLE:
            raise Broken(f"it is encoded as {self._encoding}, which was not asked for", is_useless=True)
        # a weak tag says that two files mean the same, not that their bytes are; and a part of an encoded body
        # cannot be decoded
        self._etag = etag if etag.startswith('"') and not self._encoding else None
        self._announced = None if self._encoding else announced
        return self._announced

    def _refuse_what_is_no_file(self, response: requests.Response, announced: int | None) -> None:
        listed = self._artifact.size
        media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if media_type == "text/html" and self._artifact.format not in ("html", "htm") and listed is None:
            raise Broken("a web page came instead", is_useless=True)
        if media_type == "application/problem+json" and listed is None:
            raise Broken("an error document came instead", is_useless=True)
        if announced is not None and listed is not None and announced != listed:
            raise Broken(f"{listed} bytes are listed, but {announced} announced", is_useless=True)

    def _chunks(self, response: requests.Response, expected: int | None) -> Iterator[bytes]:
        speed = LeastSpeed(self._clock)
        while True:
            if self._stopping.is_set():
                raise Stopped
            most = _CHUNK
            if expected is not None and not self._encoding:
                # no more than are to come, as room for them has to be made
                most = min(most, max(expected - self.size, 0) + 1)
            speed.begin()
            try:
                # read1: what came before a break is not lost, as it is when a whole chunk is waited for
                chunk = response.raw.read1(most, decode_content=False)
                if not chunk:
                    return
                speed.note(len(chunk))
            except TooSlow as error:
                raise Broken(f"it comes too slowly ({error})") from None
            except (urllib3.exceptions.HTTPError, OSError):
                # without the error's own words: they may hold the address
                raise Broken(f"the connection broke after {self.size} bytes") from None
            yield chunk


def _encodings(response: requests.Response) -> list[str]:
    names = [name.strip().lower() for name in response.headers.get("Content-Encoding", "").split(",")]
    return [name for name in names if name not in ("", "identity")]


def _unpacked(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """A body without its gzip, in pieces of bounded size. Raises `Broken` where it does not come to its end.

    The HTTP client's own decoders do not look whether it does, and take what is no second part of it for rubbish.
    """
    unpacker = None
    try:
        for packed in chunks:
            while packed:
                unpacker = unpacker or zlib.decompressobj(_GZIP)
                piece = unpacker.decompress(packed, _MOST_UNPACKED)
                while piece:
                    yield piece
                    piece = unpacker.decompress(unpacker.unconsumed_tail, _MOST_UNPACKED)
                packed = unpacker.unused_data
                unpacker = None if unpacker.eof else unpacker
    except zlib.error:
        raise Broken("it is not gzip, which it is said to be") from None
    if unpacker:
        raise Broken("it breaks off within its gzip")
