"""A store may be abandoned by any thread, at any moment: while a run begins, writes or ends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Barrier, Thread

import pytest

from integration_tests.files.stores.conftest import STORES, Delivering
from source_customerscanvas.errors import Stopped
from source_customerscanvas.files.stores.store import Writer

MB = 1024 * 1024
TIMES = 4
"""How often two threads meet, as each time they may meet elsewhere."""


def at_once(*jobs: Callable[[], object]) -> None:
    """Run jobs at the same moment. Raises what one of them raises, but for `Stopped`."""
    barrier, failures = Barrier(len(jobs)), []

    def run(job: Callable[[], object]) -> None:
        barrier.wait(30)
        try:
            job()
        except Stopped:
            pass
        except BaseException as error:
            failures.append(error)

    threads = [Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    if failures:
        raise failures[0]


def finish(writer: Writer) -> None:
    """Some is perhaps taken before it is noticed that nobody is there any more."""
    for _ in range(20):
        writer.write(bytes(MB))
    writer.commit()


def assert_nothing_is_left(delivering: Delivering, *paths: str) -> None:
    """Only these files lie there, and no hidden folder."""
    assert delivering.place.contents().keys() == set(paths)
    assert delivering.place.unfinished() == 0
    root = Path(str(delivering.place.files.get("directory") or delivering.place.files.get("path") or "/missing"))
    assert list(root.rglob(".*")) == []


@pytest.mark.parametrize("place", STORES, indirect=True)
def test_given_a_run_that_is_over_when_abandoned_and_ended_again_then_what_was_stored_stays_alone(
    delivering: Delivering,
) -> None:
    store = delivering.store()
    store.begin()
    store.put("1/card.pdf", b"card")
    for step in (store.end, store.abandon, store.end, store.abandon):
        step()
    assert_nothing_is_left(delivering, "1/card.pdf")


@pytest.mark.parametrize("place", STORES, indirect=True)
def test_given_an_upload_under_way_when_abandoned_before_the_run_ends_then_nothing_of_it_is_left(
    delivering: Delivering,
) -> None:
    store = delivering.store()
    store.begin()
    writer = store.open("1/card.pdf", 11 * MB, None)
    writer.write(bytes(6 * MB))
    store.abandon()
    with pytest.raises(Stopped):
        store.open("1/late.pdf", 4, None)
    with pytest.raises(Stopped):
        finish(writer)
    writer.abort()
    store.end()
    store.abandon()
    assert_nothing_is_left(delivering)


@pytest.mark.parametrize("place", STORES, indirect=True)
def test_given_a_run_that_ends_when_abandoned_at_once_then_both_come_to_their_end(delivering: Delivering) -> None:
    for number in range(TIMES):
        store = delivering.store()
        store.begin()
        store.put(f"{number}.pdf", b"card")
        at_once(store.end, store.abandon)
    assert_nothing_is_left(delivering, *(f"{number}.pdf" for number in range(TIMES)))


@pytest.mark.parametrize("place", STORES, indirect=True)
def test_given_a_run_that_begins_when_abandoned_at_once_then_nothing_is_left(delivering: Delivering) -> None:
    for _ in range(TIMES):
        store = delivering.store()
        at_once(store.begin, store.abandon)
    assert delivering.place.contents() == {}


@pytest.mark.parametrize("place", STORES, indirect=True)
@pytest.mark.parametrize("step", ["open", "write", "commit", "abort"])
def test_given_a_step_of_an_upload_when_abandoned_at_once_then_the_file_is_there_whole_or_not_at_all(
    delivering: Delivering, step: str
) -> None:
    content = bytes(6 * MB)
    store = delivering.store()
    store.begin()
    writer = None if step == "open" else store.open("card.pdf", None, None)
    if writer and step != "write":
        writer.write(content)
    steps: dict[str, Callable[[], object]] = {"open": lambda: store.put("card.pdf", content)}
    if writer:
        steps |= {"write": lambda: writer.write(content)}
        steps |= {name: getattr(writer, name) for name in ("commit", "abort")}
    at_once(steps[step], store.abandon, store.abandon)
    if writer:
        writer.abort()
    store.end()
    found = delivering.place.contents()
    assert found in ({}, {"card.pdf": content} if step in ("open", "commit") else {})
    assert_nothing_is_left(delivering, *found)
