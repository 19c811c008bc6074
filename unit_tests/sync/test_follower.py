"""What a slice's lists lead to, and what is noted when they have been read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import cast

import pytest

from source_customerscanvas.errors import StoreUnavailable
from source_customerscanvas.sync.dispatcher import Dispatcher
from source_customerscanvas.sync.follower import Follower
from source_customerscanvas.sync.jobs import Batch, Job
from source_customerscanvas.sync.kinds import FILES, RESULTS
from source_customerscanvas.sync.outcomes import Outcome
from source_customerscanvas.sync.slices import Slice
from unit_tests.sync.listed_shop import SLICE, ListedShop
from unit_tests.watched import KEY, stream, watched


class Taking:
    """Stands for the dispatcher: what is put is noted at once, and `on_batch` acts when projects are handed out."""

    def __init__(self) -> None:
        self.on_batch: Callable[[], None] = lambda: None
        self.read: list[int] = []

    def put(self, outcome: Outcome) -> None:
        if outcome.note:
            outcome.note()

    def take_batch(self, slice_: Slice, jobs: Callable[[Batch], Iterable[Job]]) -> None:
        self.read += [job.project_id for job in jobs(Batch(slice_))]
        self.on_batch()

    def is_broken(self, slice_: Slice) -> bool:
        return False

    def raise_if_stopping(self) -> None:
        pass

    def drain(self) -> None:
        pass


@pytest.mark.parametrize("has_failed", [False, True])
def test_given_a_stream_that_fails_during_its_first_scan_when_that_ends_then_the_next_sync_goes_on_where_it_was(
    has_failed: bool,
) -> None:
    shop = ListedShop(page_cap=4)
    for _ in range(9):
        shop.create()
    files, results = (stream(watched(cursor="", read="", scan=-1), name=name) for name in (FILES, RESULTS))
    taking = Taking()
    if has_failed:
        taking.on_batch = lambda: files.fail(StoreUnavailable("/files", "it is full"))
    Follower(shop.client(), SLICE, [results, files], cast(Dispatcher, taking)).follow()
    assert sorted(taking.read) == list(range(1, 10))
    assert [one.state.slice(KEY).scan for one in (results, files)] == [None, 4 if has_failed else None]
