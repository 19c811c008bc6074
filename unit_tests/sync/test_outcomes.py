"""The queue between the workers and the reader of a stream: bounded while somebody reads, never in the way after."""

from __future__ import annotations

from queue import Empty
from threading import Thread

import pytest

from source_customerscanvas.sync.kinds import RESULTS
from source_customerscanvas.sync.outcomes import Outcome, OutcomeQueue

MOST = 2000
A_WHILE = 0.2
LONG = 60.0


def records(count: int) -> Outcome:
    return Outcome(RESULTS, [({"id": number}, None) for number in range(count)])


def full() -> OutcomeQueue:
    queue = OutcomeQueue()
    for _ in range(MOST):
        queue.put(records(1))
    return queue


def putting(queue: OutcomeQueue, outcome: Outcome | None) -> Thread:
    worker = Thread(target=queue.put, args=(outcome,), daemon=True)
    worker.start()
    return worker


def test_given_outcomes_when_taken_then_in_the_order_in_which_they_came_and_then_the_end() -> None:
    queue = OutcomeQueue()
    some = [records(1), Outcome(RESULTS, finished=1), records(3)]
    for outcome in some:
        queue.put(outcome)
    queue.put(None)
    assert [queue.take(0) for _ in range(4)] == [*some, None]
    with pytest.raises(Empty):
        queue.take(0)


def test_given_a_slow_reader_when_many_records_wait_for_it_then_the_workers_wait_too() -> None:
    queue = full()
    worker = putting(queue, records(1))
    worker.join(A_WHILE)
    assert worker.is_alive()
    queue.take(0)
    worker.join(LONG)
    assert not worker.is_alive()


def test_given_a_page_of_records_when_it_is_taken_then_as_many_workers_go_on() -> None:
    queue = OutcomeQueue()
    queue.put(records(MOST))
    workers = [putting(queue, records(1)) for _ in range(5)]
    queue.take(0)
    for worker in workers:
        worker.join(LONG)
    assert not any(worker.is_alive() for worker in workers)


def test_given_outcomes_without_records_when_many_wait_then_they_are_bounded_too() -> None:
    queue = OutcomeQueue()
    for _ in range(MOST):
        queue.put(Outcome(RESULTS, finished=1))
    worker = putting(queue, Outcome(RESULTS, finished=1))
    worker.join(A_WHILE)
    assert worker.is_alive()
    queue.close()
    worker.join(LONG)


def test_given_a_full_queue_when_the_sync_ends_then_its_end_never_waits() -> None:
    worker = putting(full(), None)
    worker.join(LONG)
    assert not worker.is_alive()


def test_given_a_full_queue_when_it_is_closed_then_nobody_waits_any_more_nor_does_who_comes_later() -> None:
    queue = full()
    workers = [putting(queue, records(1)) for _ in range(5)]
    queue.close()
    workers.append(putting(queue, records(1)))
    for worker in workers:
        worker.join(LONG)
    assert not any(worker.is_alive() for worker in workers)
