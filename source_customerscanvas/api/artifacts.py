"""Finds the details of artifacts with as few requests as possible.

Processing results name a project's files, but not when they were made. The Asset Storage API gives the details of an
artifact singly, or a hundred at a time in one list of the whole tenant. Artifacts are made in about the order in which
their projects are looked at, so a window that moves along the list finds most of them; the rest is asked for singly.
"""

from collections import OrderedDict, deque
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property, partial
from pathlib import PurePosixPath
from threading import Lock
from typing import Any

from source_customerscanvas.api.calls import path_segment
from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.api.listing import PAGE_SIZE, FetchPage, Page, Row, read_page, walk
from source_customerscanvas.errors import Conflict, MissingPermission, NotFound, Refused, ServerTrouble, TransientError
from source_customerscanvas.settings import file_format
from source_customerscanvas.times import format_utc, parse_utc, to_utc

_KEPT = 5000
"""Artifacts that a window keeps at most until somebody asks for them: this bounds its memory."""

_MOST_AHEAD = 2
"""A window reads so many pages at most of which no artifact was asked for yet."""

_PATIENCE = 5
"""Pages after which a window has to be worth its requests."""

_WORTH = 2
"""Artifacts that a page has to bring."""

_REFUSALS = (Conflict, MissingPermission, NotFound, Refused)
"""How a server may refuse a list although it gives each artifact singly."""

_CLOCKS_APART = timedelta(minutes=1)
"""How far the clocks of the servers of one installation may be apart."""


def format_of(row: Mapping[str, Any]) -> str:
    """An artifact's format as the settings name it (see `settings.file_format`).

    It is that of the name where the API does not say; empty where that has none.
    """
    return file_format(str(row.get("format") or PurePosixPath(str(row.get("name") or "")).suffix))


@dataclass(frozen=True)
class Artifact:
    """An artifact of a project: what the processing results say of it and what the Asset Storage API does."""

    id: str
    output_file: Row
    details: Row

    @classmethod
    def from_json(cls, value: tuple[str, Row, Row]) -> "Artifact":
        return cls(*value)

    def to_json(self) -> tuple[str, Row, Row]:
        return self.id, self.output_file, self.details

    @property
    def last_modified(self) -> str | None:
        return to_utc(self.details.get("lastModified"))

    @property
    def type(self) -> str:
        # what is listed among the output files without a type of its own is a final artifact
        return str(self.details.get("type") or "Final")

    @cached_property
    def listed(self) -> Row:
        """All that is said of it as a file: what the processing results leave out, its details may say."""
        output_file = {key: value for key, value in self.output_file.items() if value is not None}
        return {**self.details, **output_file, "id": self.id, "lastModified": self.details.get("lastModified")}

    @property
    def format(self) -> str:
        return format_of(self.listed)

    @property
    def item(self) -> Row:
        """The item and the line of its order that it was made for; null where the processing results do not say."""
        return {name: self.output_file.get(name) for name in ("projectItemId", "orderLineItemId", "orderLineItemIndex")}

    @property
    def identity(self) -> list[Any]:
        """What differs as soon as the artifact is made anew."""
        return [self.id, self.last_modified, self.output_file.get("size"), self.details.get("size")]


class Artifacts:
    """The artifacts of a tenant, as one sync asks for them; shared by its workers."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client
        self._oldest_first = _Window(client, "LastModified ASC,Id ASC")
        self._newest_first = _Window(client, "LastModified DESC,Id DESC")

    def details(self, wanted: Collection[str], *, newest_first: bool, changed: str = "") -> Iterator[tuple[str, Row]]:
        """The artifacts with these ids, each once; an empty row for one that the API does not know any more.

        `newest_first` says in which order projects are being looked at: as a watch or as a scan does. `changed` (RFC
        3339, UTC) is when their project was last modified: they are as they were then, or later.
        """
        window = self._newest_first if newest_first else self._oldest_first
        left = set(wanted)
        group = None
        for artifact_id in sorted(left):
            if artifact_id not in left:
                continue
            left.remove(artifact_id)
            artifact = window.take(artifact_id, changed)
            if artifact is None:
                artifact = self._one(artifact_id)
                window.note_single(artifact)
            yield artifact_id, artifact
            if group is None and artifact.get("group") and len(left) > PAGE_SIZE:
                # so many of one project fill pages of their own; what these do not bring is asked for singly
                group = str(artifact["group"])
                with suppress(*_REFUSALS):
                    for row in self.of_group(group):
                        if (id_ := str(row.get("id"))) in left:
                            left.remove(id_)
                            yield id_, row

    def prepare(self) -> None:
        """Read the oldest part of the list now, unless somebody does: soon everybody waits for it."""
        self._oldest_first.prepare()

    def of_group(self, group: str) -> Iterator[Row]:
        """All artifacts of a pipeline's run, whatever their type; some may come twice."""
        fetch = self._list({"group": group, "sorting": "Id ASC"})
        try:
            first = fetch(0)
        except _REFUSALS:
            fetch = self._list({"group": group})  # a run that has ended makes no more: any order will do
            first = fetch(0)
        return (row for page in walk(fetch, first) for row in page.rows if row.get("id") is not None)

    def _list(self, params: Mapping[str, str]) -> FetchPage:
        return partial(read_page, self._client.get_json, "storage/v1/artifacts", params)

    def _one(self, artifact_id: str) -> Row:
        try:
            details: Row = self._client.get_json(f"storage/v1/artifacts/{path_segment(artifact_id)}", None, _details)
        except NotFound:
            return {}
        return details


def _details(answer: Any) -> Row:
    # any field may be absent, but not all of them
    if not isinstance(answer, dict) or not answer.keys() & {"id", "name", "lastModified"}:
        raise ServerTrouble("the details of an artifact", "the answer is not an artifact")
    return answer


@dataclass
class _ReadPage:
    """A page of the list: the shop's time when it was asked for, and whether nobody has taken an artifact of it."""

    at: str
    is_ahead: bool


class _Window:
    """A part of the tenant's list of final artifacts that moves on as artifacts are asked for.

    It moves on as long as a page brings two artifacts or more that are asked for: singly they would cost as much.
    Whoever finds it running low moves it on, so that the others seldom have to wait for the next page. Much of what it
    shows may never be asked for, such as the files of other storefronts or shards: it is ahead as long as nothing of
    its last pages was.
    """

    def __init__(self, client: ApiClient, sorting: str) -> None:
        self._client = client
        self._lock = Lock()
        self._moving = Lock()
        self._pages = _pages(client, sorting)
        self._is_newest_first = sorting.startswith("LastModified DESC")
        self._kept: OrderedDict[str, tuple[Row, _ReadPage]] = OrderedDict()
        self._last_pages: deque[_ReadPage] = deque(maxlen=_MOST_AHEAD)
        self._missed: OrderedDict[str, None] = OrderedDict()
        self._is_behind = False
        self._times: tuple[str, str] | None = None
        """When the first and the last artifact of the last page were made."""
        self._read = 0
        self._found = 0
        self._is_over = False

    def take(self, artifact_id: str, changed: str) -> Row | None:
        """Hand out an artifact once; None where it has to be asked for singly."""
        found = self._pop(artifact_id)
        if found is None:
            with self._moving:
                # the one who moved it before may have brought the artifact
                while (found := self._pop(artifact_id)) is None and self._may_move():
                    self._move()
            if found is None:
                self._miss(artifact_id)
        elif self._ahead() == 0:
            self._move_unless_busy()
        if found is None:
            return None
        artifact, page = found
        # the page may be older than the last change of the project
        return artifact if changed <= page.at else None

    def note_single(self, artifact: Row) -> None:
        """Take note of where an artifact lies that the window did not have: on the next page, or far from it."""
        made, times = to_utc(artifact.get("lastModified")), self._times
        if made and times:
            beyond, length = _seconds(times[1], made), _seconds(*times)
            if self._is_newest_first:
                beyond, length = -beyond, -length
            self._is_behind = self._is_behind or 0 < beyond <= length

    def prepare(self) -> None:
        if self._read == 0:
            self._move_unless_busy()

    def _pop(self, artifact_id: str) -> tuple[Row, _ReadPage] | None:
        with self._lock:
            found = self._kept.pop(artifact_id, None)
            if found:
                found[1].is_ahead = False
                self._found += 1
            return found

    def _miss(self, artifact_id: str) -> None:
        with self._lock:
            self._missed[artifact_id] = None
            if len(self._missed) > _KEPT:
                self._missed.popitem(last=False)

    def _ahead(self) -> int:
        return sum(page.is_ahead for page in list(self._last_pages))

    def _may_move(self) -> bool:
        if self._is_over or (self._read >= _PATIENCE and self._found < _WORTH * self._read):
            return False
        return self._ahead() < _MOST_AHEAD or self._is_behind

    def _move_unless_busy(self) -> None:
        if self._may_move() and self._moving.acquire(blocking=False):
            try:
                self._move()
            finally:
                self._moving.release()

    def _move(self) -> None:
        at = format_utc(self._client.shop_now() - _CLOCKS_APART)
        page = next(self._pages, None)
        with self._lock:
            if page is None:
                self._is_over = True
                return
            self._read += 1
            self._is_behind = False
            ends = [to_utc(row.get("lastModified")) for row in (page.rows[:1] + page.rows[-1:])]
            self._times = (ends[0], ends[1]) if len(ends) > 1 and ends[0] and ends[1] else None
            # what was asked for singly meanwhile is left out: nobody comes for it any more
            rows = {id_: row for row in page.rows if (id_ := str(row.get("id"))) not in self._missed}
            # if a third of the page was asked for singly, the window is late: the page does not count as ahead
            read = _ReadPage(at, is_ahead=3 * len(rows) > 2 * len(page.rows))
            self._last_pages.append(read)
            for id_, row in rows.items():
                self._kept[id_] = row, read
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)


def _seconds(begin: str, end: str) -> float:
    return (parse_utc(end) - parse_utc(begin)).total_seconds()


def _pages(client: ApiClient, sorting: str) -> Iterator[Page]:
    fetch = partial(read_page, client.get_json, "storage/v1/artifacts", {"type": "Final", "sorting": sorting})
    # without pages, each artifact is asked for singly; if that fails too, its error is told
    with suppress(*_REFUSALS, TransientError):
        yield from walk(fetch, fetch(0))
