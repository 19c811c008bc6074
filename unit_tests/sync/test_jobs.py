"""Jobs that belong together, and the orders that are looked at when the last of them is done."""

import pytest

from source_customerscanvas.sync.jobs import Batch, Job
from source_customerscanvas.sync.kinds import ARTIFACTS, ORDERS, SHOP_ORDERS
from source_customerscanvas.sync.outcomes import Touching
from unit_tests.sync.listed_shop import SLICE
from unit_tests.watched import project, settled, stream


def noted() -> None:
    """What is noted does not matter."""


def test_given_a_batch_when_the_last_of_its_jobs_is_done_then_its_orders_come_once() -> None:
    batch = Batch(SLICE)
    batch.add()
    batch.add()
    batch.touch(Touching(ORDERS, 1, ["5001"], noted))
    assert not batch.end_job()  # whoever made it
    assert not batch.end_job()
    assert batch.end_job()
    assert list(batch.touched) == ["5001"]


def test_given_a_batch_without_jobs_when_its_maker_is_done_then_it_is_over() -> None:
    batch = Batch(SLICE)
    batch.touch(Touching(ORDERS, 1, ["5001"], noted))
    assert batch.end_job()
    assert list(batch.touched) == ["5001"]


def test_given_several_projects_of_an_order_when_the_batch_ends_then_each_stream_knows_its_own() -> None:
    one, other = (Touching(ORDERS, id_, ["5001"], noted) for id_ in (1, 2))
    of_shop = Touching(SHOP_ORDERS, 1, ["5001"], noted)
    batch = Batch(SLICE)
    batch.touch(one)
    batch.touch(other)
    batch.touch(of_shop)
    assert batch.touched == {"5001": {ORDERS: [one, other], SHOP_ORDERS: [of_shop]}}


def test_given_a_project_that_touches_two_orders_when_they_are_handed_over_then_it_is_noted_with_the_last() -> None:
    notes: list[int] = []
    one = Touching(ORDERS, 1, ["5001", "5002"], lambda: notes.append(1))
    batch = Batch(SLICE)
    batch.touch(one)
    assert batch.touched == {"5001": {ORDERS: [one]}, "5002": {ORDERS: [one]}}
    one.hand_over()
    assert notes == []
    one.hand_over()
    assert notes == [1]


@pytest.mark.parametrize(("count", "portions"), [(0, [0]), (3, [3]), (500, [500]), (501, [500, 1]), (1000, [500, 500])])
def test_given_rows_of_one_project_when_handed_over_then_it_is_noted_with_the_last_of_them(
    count: int, portions: list[int]
) -> None:
    progress = stream(name=ARTIFACTS)
    job = Job(Batch(SLICE), 1, project(1), [progress])
    rows = ({"id": str(number)} for number in range(count))
    outcomes = list(job.hand_over(progress, settled(progress, project(1)), rows))
    assert [len(outcome.records) for outcome in outcomes] == portions
    assert [row["id"] for outcome in outcomes for row, _ in outcome.records] == [str(number) for number in range(count)]
    *before, last = outcomes
    assert all((outcome.note, outcome.finished) == (None, 0) for outcome in before)
    assert last.note
    assert last.finished == 1
