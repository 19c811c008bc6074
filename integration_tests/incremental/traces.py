"""What a bounded number of requests can know of a shop: the contract's exceptions, as narrow as they are.

A change that shows in no list is a silent one: a finished project is run again (or gets a file, a status, an item) and
its `lastModified` stays. A sync comes across it only where it reads the project for another reason. Nothing here looks
at a state: what is exempt follows from what happened in the shop and from when syncs looked.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from source_customerscanvas.settings import Statuses
from source_customerscanvas.sync.kinds import OF_ORDERS, PROJECTS, RESULTS
from source_customerscanvas.times import format_utc, to_utc

LOOKBACK = timedelta(minutes=10)
STEP = timedelta(seconds=3)
"""By how much two readings of the shop's clock may be off."""

OrderKey = tuple[int, str]


@dataclass(frozen=True)
class Look:
    """A project as it is at one moment: its row, its results, and when each of its artifacts was made."""

    row: dict[str, Any]
    results: dict[str, Any]
    artifacts: dict[str, Any]

    @property
    def status(self) -> str | None:
        status: str | None = self.row["processingStatus"]
        return status

    @property
    def is_finished(self) -> bool:
        return self.status == "Completed"

    @property
    def order(self) -> OrderKey | None:
        return (self.row["storefrontId"], self.row["orderId"]) if self.row["orderId"] else None

    @property
    def latest(self) -> str:
        return max(to_utc(self.row["created"]) or "", to_utc(self.row["lastModified"]) or "")

    def differs_in_row(self, other: Look) -> bool:
        return any(self.row[name] != other.row[name] for name in self.row if name != "processingStatus")


@dataclass
class Traces:
    """What one stream has looked at, and what it need not know."""

    stream: str
    statuses: Statuses
    last: dict[int, Look] = field(default_factory=dict)
    """Each project when a sync last looked at it."""
    touched: set[int] = field(default_factory=set)
    """Projects whose `lastModified` moved since."""
    silent: dict[int, set[str]] = field(default_factory=dict)
    """Projects that changed silently since, with the artifacts that are new."""
    remade: dict[int, set[str]] = field(default_factory=dict)
    """Artifacts of projects that were made anew since, which only who reads the project knows: its results stay."""
    again: dict[int, datetime] = field(default_factory=dict)
    """Projects that are asked for once more, with the time at which a watch saw them finish."""
    held: set[int] = field(default_factory=set)
    """Projects that were held when they were last read."""
    exempt: set[Any] = field(default_factory=set)
    """Projects and artifacts whose silent change was passed by."""
    former_order: set[str] = field(default_factory=set)
    """Artifacts whose rows may name the order that their project had before."""
    stale_orders: set[OrderKey] = field(default_factory=set)
    sure: set[int] = field(default_factory=set)
    """Storefronts whose last sync was neither killed nor disturbed."""
    scanned: set[int] = field(default_factory=set)
    """Storefronts of which the history was read."""
    newest_look: str = ""

    @property
    def watched(self) -> set[int]:
        """Storefronts of which the next sync scans nothing: one in which no project was seen is scanned again."""
        return self.sure & {look.row["storefrontId"] for look in self.last.values()}

    def changed(self, before: Look, after: Look) -> None:
        """Something happened to a project."""
        id_ = after.row["id"]
        made = {one for one, at in after.artifacts.items() if before.artifacts.get(one, "") != at}
        if after.row["lastModified"] != before.row["lastModified"]:
            self.touched.add(id_)
        elif self.stream == PROJECTS or self.stream in OF_ORDERS:
            if before.differs_in_row(after):
                self.silent.setdefault(id_, set())
        elif before.results != after.results:
            self.silent.setdefault(id_, set()).update(made)
        else:
            self.remade.setdefault(id_, set()).update(made)
        if (before.row["storefrontId"], before.order) != (after.row["storefrontId"], after.order):
            self._moved(id_, before, after)

    def _moved(self, id_: int, before: Look, after: Look) -> None:
        last = self.last.get(id_)
        # where the last sync looked at it: between two syncs it may move more than once
        storefront = (last or before).row["storefrontId"]
        in_storefront = storefront == after.row["storefrontId"]
        is_sure = last is not None and storefront in self.sure
        is_remembered = last is not None and is_sure and in_storefront and last.latest >= self.newest_look
        is_open = last is not None and is_sure and not last.is_finished
        if not (is_remembered or is_open):
            self.stale_orders |= {order for order in (before.order, (last or before).order) if order}
        if not in_storefront and last is None and (to_utc(before.row["created"]) or "") < self.newest_look:
            # it was finished where no sync looked, and where it is now nothing tells that it has not been there
            self.exempt |= after.artifacts.keys()
        is_held = in_storefront and id_ in self.held
        has_had_none = in_storefront and last is not None and last.order is None
        if last is None or not last.is_finished or is_remembered or has_had_none or is_held:
            self.former_order -= after.artifacts.keys()
        else:
            self.former_order |= after.artifacts.keys()

    def vanished(self, look: Look) -> None:
        """A project will never be listed again: of its order, only a change of another project tells."""
        last = self.last.get(look.row["id"], look)
        self.stale_orders |= {order for order in (look.order, last.order) if order}

    def passed(
        self, looks: Iterable[Look], storefronts: Iterable[int], now: datetime, *, is_complete: bool, begins: bool
    ) -> None:
        """A sync has looked at all projects that are listed now, or at some of them where it was not a complete one.

        `begins`: it is about to, while the shop changes.
        """
        self.newest_look = max(self.newest_look, format_utc(now - LOOKBACK))
        for look in looks:
            if not (begins and self._may_end_unseen(look)):
                self._pass(look, now, is_complete=is_complete)
        self.scanned.update(storefronts)
        self.sure = self.sure | set(storefronts) if is_complete else set()

    def _may_end_unseen(self, look: Look) -> bool:
        """Whether a finished project is run again without a trace: the run may end before a list shows it."""
        last = self.last.get(look.row["id"])
        return last is not None and last.is_finished and not look.is_finished and look.row["id"] not in self.touched

    def _pass(self, look: Look, now: datetime, *, is_complete: bool) -> None:
        id_, last = look.row["id"], self.last.get(look.row["id"])
        is_news = last is None or id_ in self.touched or last.status != look.status
        if self.stream in OF_ORDERS:
            if is_news and is_complete and look.order:
                self.stale_orders.discard(look.order)
            elif id_ in self.silent and look.status in (None, "Completed") and look.order:
                self.stale_orders.add(look.order)
            self.silent.pop(id_, None)
        else:
            self._settle_silent(look, last, is_news, now)
        self.touched.discard(id_)
        self.last[id_] = look

    def _settle_silent(self, look: Look, last: Look | None, is_news: bool, now: datetime) -> None:
        id_ = look.row["id"]
        is_read = is_news or look.status in ("Pending", "InProgress", "Failed")
        is_produced = self.stream in (PROJECTS, RESULTS) or self.statuses.includes(look.row["status"])
        if self.stream != PROJECTS:
            is_read = is_read or last is None or not last.is_finished or (id_ in self.held and is_produced)
        if is_read:
            self.exempt -= self.remade.pop(id_, set())
        elif id_ not in self.held:
            self.exempt |= self.remade.pop(id_, set())
        seen_at = self.again.get(id_)
        if seen_at and now >= seen_at + LOOKBACK + STEP:
            is_read = True
        if is_read:
            self.exempt -= {id_, *self.silent.pop(id_, ())}
            (self.held.discard if is_produced else self.held.add)(id_)
        elif id_ in self.silent and id_ not in self.held and not (seen_at and now < seen_at + LOOKBACK - STEP):
            self.exempt |= {id_, *self.silent.pop(id_)}
        if seen_at and now >= seen_at + LOOKBACK - STEP:
            del self.again[id_]
        is_first_finished = look.is_finished and not (last and last.is_finished)
        if not look.is_finished:
            self.again.pop(id_, None)
        elif is_first_finished and look.row["storefrontId"] in self.scanned and self.stream != PROJECTS:
            self.again[id_] = now
