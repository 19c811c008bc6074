"""What a stream remembers of one slice: a storefront, or one order of it.

`docs/state.md` shows one, and says what each part is.

What holds between the parts, in every state that leaves the connector:

1. Without a `scan`, a project that is in none of `open`, `recent`, `held` and `owed` has finished, has not changed
   since the look-back window before `cursor`, and was handed over. Project 17 is nowhere: it was delivered last year.
2. With a `scan`, only the projects with an id up to `after` have been read. Project 4800 is nowhere, and `after` is
   4711: it was never read. With `covered` too, all projects had been read before, in that narrower scope, to which the
   times of `emittedUntil` refer. Where files go to another place now, `kinds` of that scope is empty: it covers
   nothing. `covered` counts as long as there is a scan or something is owed.
3. `open` are the projects whose processing may move on without a trace in `lastModified`: they have not finished, or
   the list's row and the processing results disagree. The first text is the digest of the list's row. Where it is
   empty, the project is read again whenever a list shows it. The second text is the digest of the results (in streams
   of orders: the order that its row was in), empty while only some files were emitted. The others name the artifacts
   that were emitted.
4. `recent` are finished projects that a list will show again, that are asked for once more (`onceMore`, with the time
   at which they were seen to finish), or that are `delivered` and not acknowledged. One whose files are newer than
   what anybody changed before them stays too, until the look-back window has passed the time in `staysUntil`: what is
   not known any more counts as handed over only as far as the window. Of an order, which has few projects, all finished
   ones stay. `orderless` are those without an order that stay too, as their files come again when they get one.
5. `held` are projects with completed results whose business status, under which they stand here, keeps them from being
   produced. Like an open one, a held one is read again whenever a list shows it while its first text is empty.
6. `owed` is whatever has to be read, from the moment that a list was passed on which it stood until all of its records
   were handed over.
7. `emittedUntil` says of an owed, open or held project that it had finished earlier, and that everything of it that is
   older than this time was emitted then. Without a time, nothing was emitted except what the digests name. A later
   time never replaces an earlier one.
8. `unlisted` are the open projects without a processing status, which no list of unfinished projects shows. `missing`
   are owed projects that were not there when they were asked for, or that no list showed: they are forgotten if that is
   still so the next time.

`read` is when the slice was last listed, by the shop's clock, and `newest` the time of the newest artifact that was
emitted. An artifact that is older than both has been emitted.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from source_customerscanvas.state.scope import Scope, read_moment, read_text, read_texts, read_time

Condition = Literal["open", "recent", "held"]


@dataclass(frozen=True)
class Known:
    """What is remembered of one project; empty texts stand for nothing. See the module for the meaning of each part."""

    condition: Condition | None = None
    seen: str = ""
    emitted: Sequence[str] = ()
    emitted_until: str = ""
    held_by: str = ""
    """The business status under which a held one stands."""
    stays_until: str = ""
    """A recent one is not forgotten before the look-back window has passed this time."""

    def saw(self, results_digest: str) -> bool:
        """Whether the processing results had this digest when what is known was emitted."""
        return bool(self.emitted) and self.emitted[0].startswith(results_digest)


@dataclass
class ManifestFiles:
    """The delivered files of an order without a manifest, by artifact: path, size and SHA-256."""

    files: dict[str, tuple[str, int, str]] = field(default_factory=dict)
    waits_for: int | None = None
    """The project that was not delivered when the order was last looked at; None: it has to be looked at."""
    is_looked_at: bool = field(default=False, compare=False)
    """Whether a worker looks at the order now, or could not read it. The next sync looks at it anyway."""

    @property
    def is_due(self) -> bool:
        return self.waits_for is None and not self.is_looked_at

    def look_again(self) -> None:
        """Note that the order has to be looked at: it may be complete."""
        self.waits_for, self.is_looked_at = None, False

    def add(self, artifact_id: str, path: str, size: int, sha256: str) -> None:
        """Note a file that was delivered."""
        self.look_again()
        self.files[artifact_id] = (path, size, sha256)


@dataclass
class SliceState:
    """The state of one slice. Whoever reads or writes it holds the lock of its stream (see `sync.progress`)."""

    cursor: str = ""
    read: str = ""
    scan: int | None = -1
    """The id up to which a first reading of all projects has come; None when it has come to its end."""
    covered: Scope | None = None
    """The earlier, narrower scope in which the projects of a scan were handed over before."""
    known: dict[int, Known] = field(default_factory=dict)
    owed: set[int] = field(default_factory=set)
    unlisted: set[int] = field(default_factory=set)
    missing: set[int] = field(default_factory=set)
    newest: str = ""
    orderless: dict[int, None] = field(default_factory=dict)
    """Ids in the order in which they came, so that the oldest can go first."""
    once_more: dict[int, str] = field(default_factory=dict)
    delivered: dict[int, str] = field(default_factory=dict)
    """The order of each project that is still to be acknowledged."""
    waiting: dict[str, int] = field(default_factory=dict)
    """The project for which each order waits; written by `wait`."""
    awaited: dict[int, set[str]] = field(default_factory=dict, compare=False)
    """`waiting` the other way round, with orders among them that wait for another project by now, or for none."""
    manifests: dict[str, ManifestFiles] = field(default_factory=dict)

    def of(self, project_id: int) -> Known:
        return self.known.get(project_id) or Known()

    def is_pending(self, project_id: int) -> bool:
        """Whether something of a project is still to be handed over, now or when it finishes or is released."""
        return project_id in self.owed or self.of(project_id).condition in ("open", "held")

    def is_kept(self, project_id: int) -> bool:
        """Whether a finished project is remembered although no list may show it again."""
        return any(project_id in some for some in (self.once_more, self.orderless, self.delivered))

    def having(self, condition: Condition) -> Iterator[tuple[int, Known]]:
        return ((id_, known) for id_, known in self.known.items() if known.condition == condition)

    def owe(self, project_id: int, emitted_until: str = "") -> None:
        """Note that a project is to be read. The time counts only where it is neither known nor owed yet."""
        if project_id not in self.known and project_id not in self.owed and emitted_until:
            self.known[project_id] = Known(emitted_until=emitted_until)
        self.owed.add(project_id)

    def settle(self, project_id: int, known: Known | None) -> None:
        """Note that all that was owed of a project was handed over; None: nothing has to be remembered of it."""
        self.owed.discard(project_id)
        self.unlisted.discard(project_id)
        self.missing.discard(project_id)
        if known is None or known.condition != "recent":
            self.orderless.pop(project_id, None)
            self.once_more.pop(project_id, None)
        if known is None:
            self.known.pop(project_id, None)
        else:
            self.known[project_id] = known

    def add_emitted(self, project_id: int, digest: str) -> None:
        """Note one more artifact of a project that stays owed. It stays in its condition, or becomes open.

        The digest of its results stays as it is: empty where nothing was handed over as a whole.
        """
        known = self.of(project_id)
        emitted = known.emitted
        if not isinstance(emitted, list):
            # it may become very long: to copy it each time would take long too, and leave gaps all over the memory
            emitted = list(emitted) or [""]
            self.known[project_id] = replace(known, condition=known.condition or "open", emitted=emitted)
        emitted.append(digest)

    def forget(self, project_id: int) -> None:
        """Note that a project does not belong to the slice any more."""
        self.settle(project_id, None)
        self.end_waiting(project_id)

    def wait(self, order_id: str, project_id: int) -> None:
        """Note that an order waits for a project."""
        self.waiting[order_id] = project_id
        self.awaited.setdefault(project_id, set()).add(order_id)

    def end_waiting(self, project_id: int, order_id: str = "") -> None:
        """Note that a project has changed: the orders that wait for it, and its own, are to be looked at again."""
        for other in self.awaited.pop(project_id, ()):
            if self.waiting.get(other) == project_id:
                del self.waiting[other]
        self.waiting.pop(order_id, None)
        for other, manifest in self.manifests.items():
            if manifest.waits_for == project_id or other == order_id:
                manifest.look_again()

    def restart_scan(self, covered: Scope) -> None:
        """Read everything once more in a wider scope than that of `covered`.

        A second widening during the scan reads once more what the first one was about. A slice of which the first scan
        has not ended is read as if new, and so is one that has left its first scope meanwhile.
        """
        if self.scan is None and self.covered is None and self.cursor:
            self.covered = covered
        elif not (self.covered and covered.covers(self.covered)):
            self.known = {id_: replace(one, emitted_until="") for id_, one in self.known.items() if one.condition}
            self.covered = None
        self.scan = -1

    def deliver_again(self, before: Scope) -> None:
        """Read everything once more, as its files go somewhere else: no run is new by that."""
        self.restart_scan(before)
        if self.covered:
            self.covered = replace(self.covered, kinds=())
        self.known = {id_: replace(known, emitted=known.emitted[:1]) for id_, known in self.known.items()}
        self.manifests.clear()

    def to_json(self) -> dict[str, Any]:
        value: dict[str, Any] = {"cursor": self.cursor or None}
        value |= {name: time for name, time in (("read", self.read), ("newest", self.newest)) if time}
        if self.scan is not None:
            value["scan"] = {"after": self.scan}
        if self.covered:
            value["covered"] = self.covered.to_json()
        parts: dict[str, dict[str, Any]] = {"open": {}, "recent": {}, "held": {}, "emittedUntil": {}, "staysUntil": {}}
        for project_id, known in self.known.items():
            if known.condition == "held":
                by_status = parts["held"].setdefault(known.held_by, {})
                by_status[str(project_id)] = [known.seen, *known.emitted]
            elif known.condition:
                parts[known.condition][str(project_id)] = [known.seen, *known.emitted]
            if known.emitted_until:
                parts["emittedUntil"][str(project_id)] = known.emitted_until
            if known.stays_until:
                parts["staysUntil"][str(project_id)] = known.stays_until
        value |= {name: part for name, part in parts.items() if part}
        lists: dict[str, Any] = {"owed": sorted(self.owed), "unlisted": sorted(self.unlisted)}
        lists |= {"missing": sorted(self.missing), "orderless": list(self.orderless)}
        lists["onceMore"] = {str(id_): at for id_, at in self.once_more.items()}
        delivered: dict[str, list[int]] = {}
        for project_id in sorted(self.delivered):
            delivered.setdefault(self.delivered[project_id], []).append(project_id)
        lists["delivered"] = delivered
        lists["waiting"] = {order: id_ for order, id_ in self.waiting.items() if order in delivered}
        lists["manifests"] = {
            order: {
                **({} if one.waits_for is None else {"waitsFor": one.waits_for}),
                "files": {id_: list(file) for id_, file in one.files.items()},
            }
            for order, one in self.manifests.items()
        }
        return value | {name: part for name, part in lists.items() if part}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "SliceState":
        """Raises `ValueError`, `KeyError`, `TypeError`, `AttributeError` or `OverflowError` for what is no state."""
        state = cls(cursor=read_time(value["cursor"]), read=read_time(value.get("read")), scan=None)
        if value.get("scan") is not None:
            state.scan = int(value["scan"]["after"])
        emitted_until = {int(id_): read_moment(at) for id_, at in value.get("emittedUntil", {}).items()}
        for id_, texts in value.get("open", {}).items():
            state.known[int(id_)] = _known("open", texts, emitted_until.get(int(id_), ""))
        stays_until = {int(id_): read_moment(at) for id_, at in value.get("staysUntil", {}).items()}
        for id_, texts in value.get("recent", {}).items():
            state.known[int(id_)] = replace(_known("recent", texts), stays_until=stays_until.get(int(id_), ""))
        for status, held in value.get("held", {}).items():
            for id_, texts in held.items():
                state.known[int(id_)] = _known("held", texts, emitted_until.get(int(id_), ""), str(status))
        for id_ in _ids(value.get("owed", [])):
            state.owe(id_, emitted_until.get(id_, ""))
        if value.get("covered") is not None and (state.scan is not None or state.owed):
            state.covered = Scope.from_json(value["covered"])
        state.unlisted = set(_ids(value.get("unlisted", [])))
        state.missing = set(_ids(value.get("missing", [])))
        state.newest = read_time(value.get("newest"))
        state.orderless = dict.fromkeys(_ids(value.get("orderless", [])))
        state.once_more = {int(id_): read_moment(at) for id_, at in value.get("onceMore", {}).items()}
        delivered = value.get("delivered", {}).items()
        state.delivered = {int(id_): str(order) for order, ids in delivered for id_ in ids}
        for order, id_ in value.get("waiting", {}).items():
            state.wait(str(order), int(id_))
        state.manifests = {str(order): _manifest(one) for order, one in value.get("manifests", {}).items()}
        return state


def _ids(value: Any) -> list[int]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is no list of ids")
    return [int(id_) for id_ in value]


def _known(condition: Condition, texts: Any, emitted_until: str = "", held_by: str = "") -> Known:
    seen, *emitted = read_texts(texts)
    return Known(condition, seen, tuple(emitted), emitted_until, held_by)


def _manifest(value: Mapping[str, Any]) -> ManifestFiles:
    given: Mapping[str, Any] = value["files"]
    files = {str(id_): (read_text(path), int(size), read_text(sha256)) for id_, (path, size, sha256) in given.items()}
    waits_for = value.get("waitsFor")
    return ManifestFiles(files, None if waits_for is None else int(waits_for))
