"""What a stream was asked for, as far as its state has to know it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from source_customerscanvas.settings import ALL_STATUSES, Shard, Statuses
from source_customerscanvas.times import to_utc


@dataclass(frozen=True)
class Scope:
    """The settings that decide which projects, and what of them, a stream emits.

    `start_date`: projects last changed before are left out; None: none are.
    `kinds`: the artifact types of `artifacts`, the file formats of `artifact_files`; None: all.
    `statuses`: the business statuses whose projects are produced.
    `shard`: the part of the orders that this connection reads; None: all.
    `destination`: where files go, without secrets; None: nowhere.
    """

    start_date: str | None = None
    kinds: tuple[str, ...] | None = None
    statuses: Statuses = ALL_STATUSES
    shard: Shard | None = None
    destination: str | None = None

    def to_json(self) -> dict[str, Any]:
        value: dict[str, Any] = {
            "startDate": self.start_date,
            "kinds": None if self.kinds is None else list(self.kinds),
        }
        if self.statuses.mode != "all":
            value["statuses"] = {"mode": self.statuses.mode, "codes": list(self.statuses.codes)}
        if self.shard:
            value["shard"] = str(self.shard)
        if self.destination:
            value["files"] = self.destination
        return value

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Scope":
        """Raises `ValueError`, `KeyError` or `TypeError` for what `to_json` never wrote."""
        kinds, statuses = value["kinds"], value.get("statuses") or {"mode": "all", "codes": []}
        if statuses["mode"] not in ("all", "only", "except"):
            raise ValueError(f"{statuses['mode']!r} is no choice of statuses")
        return cls(
            start_date=read_time(value["startDate"]) or None,
            kinds=None if kinds is None else tuple(read_texts(kinds)),
            statuses=Statuses(statuses["mode"], tuple(int(code) for code in statuses["codes"])),
            shard=Shard.from_text(text) if (text := read_text(value.get("shard"))) else None,
            destination=read_text(value.get("files")) or None,
        )

    def includes(self, moment: str) -> bool:
        """Whether a project that changed last at that moment is not too old."""
        return self.start_date is None or moment >= self.start_date

    def has_kind(self, kind: str) -> bool:
        return self.kinds is None or kind in self.kinds

    def has_kinds_of(self, other: "Scope") -> bool:
        return self.kinds is None or (other.kinds is not None and set(other.kinds) <= set(self.kinds))

    def covers(self, other: "Scope") -> bool:
        """Whether all that the other scope asks for, this one asks for too."""
        has_dates = self.start_date is None or (other.start_date is not None and other.start_date >= self.start_date)
        has_shard = self.shard is None or self.shard == other.shard
        return has_dates and has_shard and self.has_kinds_of(other) and self.statuses.covers(other.statuses)

    def is_elsewhere(self, before: "Scope") -> bool:
        """Whether files are wanted, and were not wanted before or went somewhere else."""
        return self.destination is not None and self.destination != before.destination


def read_time(value: Any) -> str:
    """A time of a state; empty for null. Raises `ValueError` for anything else."""
    if value is None:
        return ""
    if not isinstance(value, str) or to_utc(value) != value:
        raise ValueError(f"{value!r} is no time")
    return value


def read_moment(value: Any) -> str:
    """As `read_time`, where a time has to be."""
    if value is None:
        raise ValueError("a time is missing")
    return read_time(value)


def read_text(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text")
    return value


def read_texts(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise ValueError(f"{value!r} is no list of texts")
    return value
