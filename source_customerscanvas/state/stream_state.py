"""What a stream remembers from one sync to the next.

A stream's state, as it is emitted:

    {"version": 1,
     "firstSync": "2026-01-30T09:00:00.000000Z",
     "lastSync": "2026-01-31T12:00:00.000000Z",
     "scope": {"startDate": null, "kinds": ["Final"], "files": true},
     "units": {"11": {"cursor": "2026-01-31T12:00:00.000000Z",
                      "artifactCursor": "2026-01-31T11:58:00.000000Z",
                      "newestArtifact": "2026-01-31T12:01:00.000000Z",
                      "withoutStatus": 12,
                      "hiddenAsked": "2026-01-31T09:00:00.000000Z",
                      "scan": {"after": 4711, "at": 300},
                      "covered": {"startDate": null, "kinds": ["Service"], "files": true},
                      "projects": ["4711Pxxxxxyyyy 4712!", …],
                      "tries": {"4690": [1, "2026-01-31T11:30:00.000000Z"]},
                      "delivered": {"5001": [4698, 4699]},
                      "waiting": {"5001": 4712},
                      "acknowledged": {"4697": "2026-01-31T12:00:00.000000Z"}}}}

A *unit* is what is listed together: a storefront (`11`), or one of its orders where only some are synced (`11/5001`).
What holds for each of them, in every state that leaves the connector:

1. Without a `scan`, the stream has emitted all that the API showed of each project that changed up to `cursor`,
   except of those that are marked as owed.
2. With a `scan`, the same is true only of the projects with an id up to `after` (and of what an earlier, narrower
   scope `covered`); `at` is where in the list that was, to go on from there.
3. A project is marked while it may change without a trace in `lastModified` (it is unfinished), while it lies within
   the look-back window (it will be listed again), or while it is owed. Of an order, which has few projects, every one
   that was handed over stays marked. Nothing else is remembered.
4. Something is owed from the moment that the reader passes it until all of its records have been handed over.

So a state that is taken up again, whichever it is, repeats nothing that was emitted before it and misses nothing.

A mark is the id, a sign if the project is owed, a letter for its processing status (`P`ending, `I`nProgress, `F`ailed,
`N`one, `C`ompleted; `R`: the list and the results do not agree yet; `H`idden: it is unfinished and no list shows it),
five characters that change with what the list shows of the project, and four for each thing emitted of it and for its
run. The signs: `!` everything is owed; `?` the project had been finished before, so that what is older than the
artifact cursor was emitted; `+` it was emitted in the scope that is `covered`, and only what that left out is owed; `*`
that, and what has changed since; `-` it was not there when it was looked at, and everything is owed if it is back. The
marks are packed into text because a state is emitted every few seconds, and thousands of them must cost next to
nothing.

`newestArtifact` is when the newest artifact was made that was emitted since the artifact cursor moved, which it does at
the end of a sync only.

`withoutStatus` is how many projects without any processing status there were besides the marked ones (less than none
where some of these are on no list at all): no list of unfinished ones shows them, and while their number is the same
none of them has moved on. `hiddenAsked` is when hidden projects were last asked for: once a day, and whenever a list
shows one of them.

`tries` counts how often the processing of a failed project was tried again, and when last. `delivered` are the finished
projects of each order that are still to be acknowledged in the shop, `waiting` those of these orders that have to wait,
each with a project that it waits for and of which the stream will hear. `lastSync` is when the last sync began that
read everything: what is not marked was handed over before. `acknowledged` are the projects that syncs acknowledged
since, and when these syncs began. These four are there only where orders are acknowledged.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from source_customerscanvas.errors import UnreadableState
from source_customerscanvas.times import to_utc

VERSION = 1
DIGEST_LENGTH = 4

_MARK = re.compile(r"(\d+)([!?+*-]?)(?:([PIFNCRH])([\w-]{5})((?:[\w-]{4})*))?")


@dataclass(frozen=True)
class Mark:
    """What is remembered of one project; `row` and `content` are digests (see `projects.digest`)."""

    status: str = ""
    row: str = ""
    content: str = ""
    owed: str = ""

    def __str__(self) -> str:
        return f"{self.owed}{self.status}{self.row}{self.content}"

    @property
    def emitted(self) -> set[str]:
        """The digests of what was emitted."""
        return {self.content[at : at + DIGEST_LENGTH] for at in range(0, len(self.content), DIGEST_LENGTH)}


OWED = "!"
OWED_AGAIN = "?"
OWED_MORE = "+"
OWED_MORE_AGAIN = "*"
OWED_IF_BACK = "-"


def is_order(key: str) -> bool:
    """Whether a unit is one order of a storefront, by its key in the state."""
    return "/" in key


class Marks:
    """The marked projects of a unit, kept so that rendering them again costs only what changed since."""

    _CHUNK = 8  # bits of the id: 256 projects are rendered anew when one of them changes

    def __init__(self, packed: Iterable[str] = ()) -> None:
        self._chunks: dict[int, dict[int, str]] = {}
        self._rendered: dict[int, str] = {}
        for text in packed:
            for token in text.split():
                matched = _MARK.fullmatch(token)
                if not matched:
                    raise ValueError(f"{token[:40]!r} is no mark of a project")
                project_id = int(matched[1])
                self._chunks.setdefault(project_id >> self._CHUNK, {})[project_id] = token[len(matched[1]) :]

    def __contains__(self, project_id: int) -> bool:
        return project_id in self._chunks.get(project_id >> self._CHUNK, ())

    def __iter__(self) -> Iterator[int]:
        for chunk in self._chunks.values():
            yield from chunk

    def __len__(self) -> int:
        return sum(map(len, self._chunks.values()))

    def get(self, project_id: int) -> Mark | None:
        text = self._chunks.get(project_id >> self._CHUNK, {}).get(project_id)
        if text is None:
            return None
        matched = _MARK.fullmatch(f"0{text}")
        if not matched:
            raise ValueError(f"{text!r} is no mark of a project")
        return Mark(matched[3] or "", matched[4] or "", matched[5] or "", matched[2])

    def set(self, project_id: int, mark: Mark | None) -> None:
        """Remember a mark, or forget the project when it is None."""
        chunk_id = project_id >> self._CHUNK
        chunk = self._chunks.setdefault(chunk_id, {})
        if mark is None:
            chunk.pop(project_id, None)
        else:
            chunk[project_id] = str(mark)
        if not chunk:
            del self._chunks[chunk_id]
        self._rendered.pop(chunk_id, None)

    def owe(self, project_id: int, owed: str = OWED) -> None:
        """Remember that something of the project is to be handed over, keeping what was known of it."""
        mark = self.get(project_id) or Mark()
        self.set(project_id, replace(mark, owed=mark.owed or owed))

    def packed(self) -> list[str]:
        for chunk_id, chunk in self._chunks.items():
            if chunk_id not in self._rendered:
                self._rendered[chunk_id] = " ".join(f"{project_id}{mark}" for project_id, mark in chunk.items())
        return [self._rendered[chunk_id] for chunk_id in self._chunks]


@dataclass(frozen=True)
class Scope:
    """What a stream was asked for, as far as widening it means that old projects have to be read again."""

    start_date: str | None = None
    kinds: tuple[str, ...] | None = None
    files: bool = False

    def to_json(self) -> dict[str, Any]:
        return {
            "startDate": self.start_date,
            "kinds": None if self.kinds is None else list(self.kinds),
            "files": self.files,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Scope":
        kinds, files = value["kinds"], value["files"]
        if not isinstance(files, bool):
            raise ValueError(f"{files!r} is neither true nor false")
        return cls(_time(value["startDate"]) or None, None if kinds is None else tuple(_texts(kinds)), files)

    def includes(self, updated_at: str) -> bool:
        return self.start_date is None or updated_at >= self.start_date

    def has_kind(self, kind: str) -> bool:
        return self.kinds is None or kind in self.kinds

    def has_kinds_of(self, other: "Scope") -> bool:
        return self.kinds is None or (other.kinds is not None and set(other.kinds) <= set(self.kinds))

    def covers(self, other: "Scope") -> bool:
        """Whether all that the other scope asks for, this one asks for too."""
        has_dates = self.start_date is None or (other.start_date is not None and other.start_date >= self.start_date)
        return has_dates and self.has_kinds_of(other)


@dataclass(frozen=True, order=True)
class Try:
    """How often the processing of a project was tried again, and when last, as `times.format_utc` writes it."""

    count: int = 0
    at: str = ""


def tries_of(states: Iterable[Any]) -> dict[int, Try]:
    """The tries of each project that any of these stream states knows of; ids are unique in a tenant.

    The states may be those of streams that are not read, or are read anew. One that is damaged counts for nothing here.
    """
    found: dict[int, Try] = {}
    for state in states:
        with suppress(KeyError, TypeError, ValueError, AttributeError, OverflowError):
            for unit in state["units"].values():
                for id_, (count, at) in unit.get("tries", {}).items():
                    found[int(id_)] = max(Try(int(count), _time(at)), found.get(int(id_), Try()))
    return found


@dataclass
class Scan:
    """How far a reading of all projects in the order of their ids has come."""

    after: int = -1
    at: int = 0

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Scan":
        after, at = int(value["after"]), int(value["at"])
        if after < -1 or at < 0:
            raise ValueError("a scan cannot be before its beginning")
        return cls(after, at)


@dataclass
class Unit:
    """The state of one unit. Whoever reads or writes it holds the lock of its stream (see `progress`)."""

    cursor: str = ""
    artifact_cursor: str = ""
    newest_artifact: str = ""
    scan: Scan | None = field(default_factory=Scan)
    covered: Scope | None = None
    without_status: int = 0
    hidden_asked: str = ""
    marks: Marks = field(default_factory=Marks)
    tries: dict[int, Try] = field(default_factory=dict)
    delivered: dict[int, str] = field(default_factory=dict)
    """The order of each project that is still to be acknowledged."""
    waiting: dict[int, str] = field(default_factory=dict)
    """The order that waits for a project."""
    acknowledged: dict[int, str] = field(default_factory=dict)

    def read_again(self, covered: Scope) -> None:
        """Read everything once more, in a wider scope than the one that is `covered`."""
        known = self.covered
        # an interrupted scan stands for what nobody has read yet: only what was read before it is sure
        if self.scan is None:
            self.covered = covered
        elif known is None or not covered.covers(known):
            self.covered = None
        self.scan = Scan()
        if self.covered is known and known is not None:
            return  # what is owed of some refers to the same scope as before
        for project_id in list(self.marks):
            mark = self.marks.get(project_id)
            if mark and mark.owed in (OWED_MORE, OWED_MORE_AGAIN):
                self.marks.set(project_id, replace(mark, owed=OWED))  # what that scope covered is not known any more

    def end_scan(self) -> None:
        """Note that everything was read; what is still owed of it may refer to what was covered."""
        self.scan = None
        marks = map(self.marks.get, self.marks)
        if not any(mark and mark.owed in (OWED_MORE, OWED_MORE_AGAIN) for mark in marks):
            self.covered = None

    def to_json(self) -> dict[str, Any]:
        value: dict[str, Any] = {"cursor": self.cursor or None}
        if self.artifact_cursor:
            value["artifactCursor"] = self.artifact_cursor
        if self.newest_artifact:
            value["newestArtifact"] = self.newest_artifact
        if self.without_status:
            value["withoutStatus"] = self.without_status
        if self.hidden_asked:
            value["hiddenAsked"] = self.hidden_asked
        if self.scan:
            value["scan"] = {"after": self.scan.after, "at": self.scan.at}
        if self.covered:
            value["covered"] = self.covered.to_json()
        value["projects"] = self.marks.packed()
        if self.tries:
            value["tries"] = {str(id_): [one.count, one.at] for id_, one in self.tries.items()}
        delivered: dict[str, list[int]] = {}
        for project_id in sorted(self.delivered):
            delivered.setdefault(self.delivered[project_id], []).append(project_id)
        if delivered:
            value["delivered"] = delivered
        waiting = {order_id: project_id for project_id, order_id in self.waiting.items() if order_id in delivered}
        if waiting:
            value["waiting"] = waiting
        if self.acknowledged:
            value["acknowledged"] = {str(id_): began for id_, began in self.acknowledged.items()}
        return value

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Unit":
        scan, covered = value.get("scan"), value.get("covered")
        return cls(
            cursor=_time(value["cursor"]),
            artifact_cursor=_time(value.get("artifactCursor")),
            newest_artifact=_time(value.get("newestArtifact")),
            scan=None if scan is None else Scan.from_json(scan),
            covered=None if covered is None else Scope.from_json(covered),
            without_status=int(value.get("withoutStatus", 0)),
            hidden_asked=_time(value.get("hiddenAsked")),
            marks=Marks(_texts(value["projects"])),
            tries={int(id_): Try(int(count), _time(at)) for id_, (count, at) in value.get("tries", {}).items()},
            delivered={int(id_): str(order) for order, ids in value.get("delivered", {}).items() for id_ in ids},
            waiting={int(id_): str(order) for order, id_ in value.get("waiting", {}).items()},
            acknowledged={int(id_): _time(began) for id_, began in value.get("acknowledged", {}).items()},
        )


@dataclass
class StreamState:
    """The state of a stream: its scope and its units."""

    scope: Scope
    first_sync: str
    units: dict[str, Unit] = field(default_factory=dict)
    last_sync: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "firstSync": self.first_sync,
            **({"lastSync": self.last_sync} if self.last_sync else {}),
            "scope": self.scope.to_json(),
            "units": {key: unit.to_json() for key, unit in self.units.items()},
        }

    @classmethod
    def from_json(cls, stream: str, value: Mapping[str, Any], scope: Scope, now: str) -> "StreamState":
        """Take up a state that was emitted earlier, in the scope that is wanted now.

        Raises `UnreadableState` for anything that is not one: reading on as if there were none would repeat a shop's
        whole history, and guessing would lose some of it.
        """
        if not isinstance(value, Mapping):
            raise UnreadableState(stream, "it is no object")
        if not value:
            return cls(scope, now)
        if value.get("version") != VERSION:
            version = f"version {value['version']!r}" if "version" in value else "no version"
            raise UnreadableState(stream, f"it has {version}, this connector reads version {VERSION}")
        try:
            before = Scope.from_json(value["scope"])
            first_sync, last_sync = _time(value["firstSync"]), _time(value.get("lastSync"))
            units = {str(key): Unit.from_json(unit) for key, unit in value["units"].items()}
            if not first_sync:
                raise ValueError("it does not say when the first sync began")
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise UnreadableState(stream, f"{type(error).__name__}: {error}") from error
        if scope.files and not before.files:
            return cls(scope, first_sync)  # each row has to be emitted once more, with its file
        if not before.covers(scope):
            for unit in units.values():
                unit.read_again(before)
        return cls(scope, first_sync, units, last_sync)


def _time(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or to_utc(value) != value:
        raise ValueError(f"{value!r} is no time")
    return value


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise ValueError(f"{value!r} is no list of texts")
    return value
