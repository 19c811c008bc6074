"""Jobs that belong together, and the orders that are looked at when the last of them is done."""

from source_customerscanvas.sync.jobs import Batch, Touching
from source_customerscanvas.sync.kinds import FILES, ORDERS, SHOP_ORDERS
from unit_tests.sync.listed_shop import SLICE


def noted() -> None:
    """What is noted does not matter."""


def test_given_a_batch_when_the_last_of_its_jobs_is_done_then_its_orders_come_once() -> None:
    batch = Batch(SLICE)
    batch.add()
    batch.add()
    batch.touch(ORDERS, Touching(1, ["5001"], noted))
    assert batch.done() == {}  # whoever made it
    assert batch.done() == {}
    assert list(batch.done()) == ["5001"]


def test_given_a_batch_without_jobs_when_its_maker_is_done_then_it_is_over() -> None:
    batch = Batch(SLICE)
    batch.touch(ORDERS, Touching(1, ["5001"], noted))
    assert list(batch.done()) == ["5001"]


def test_given_several_projects_of_an_order_when_the_batch_ends_then_each_stream_knows_its_own() -> None:
    one, other = (Touching(id_, ["5001"], noted) for id_ in (1, 2))
    batch = Batch(SLICE)
    batch.touch(ORDERS, one)
    batch.touch(ORDERS, other)
    batch.touch(SHOP_ORDERS, one)
    batch.touch_manifest("5002")
    assert batch.done() == {"5001": {ORDERS: [one, other], SHOP_ORDERS: [one]}, "5002": {FILES: []}}


def test_given_a_project_that_touches_two_orders_when_they_are_handed_over_then_it_is_noted_with_the_last() -> None:
    notes: list[int] = []
    one = Touching(1, ["5001", "5002"], lambda: notes.append(1))
    batch = Batch(SLICE)
    batch.touch(ORDERS, one)
    assert batch.done() == {"5001": {ORDERS: [one]}, "5002": {ORDERS: [one]}}
    one.hand_over()
    assert notes == []
    one.hand_over()
    assert notes == [1]
