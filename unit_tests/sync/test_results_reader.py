"""How often the processing results of a project are asked for, and when it counts as gone."""

from __future__ import annotations

import pytest

from source_customerscanvas.sync.results_reader import ResultsReader
from unit_tests.sync.listed_shop import ListedShop


@pytest.mark.parametrize(("seconds", "asked"), [(59, 1), (60, 2)])
def test_given_an_unfinished_project_when_several_streams_read_it_then_it_is_asked_for_once_a_minute(
    seconds: int, asked: int
) -> None:
    shop = ListedShop()
    one = shop.project(shop.create("InProgress"))
    reader = ResultsReader(shop.client(), shop)
    assert reader.of(one) == reader.of(one)
    shop.pass_time(seconds=seconds)
    reader.of(one)
    assert len(shop.asked_for("/processing-results")) == asked


def test_given_a_completed_project_when_it_was_read_then_its_results_are_not_kept() -> None:
    shop = ListedShop()
    done, differing = shop.create(), shop.create("InProgress")
    shop.run(differing, "Completed", is_shown=False)
    reader = ResultsReader(shop.client(), shop)
    for id_ in (done, differing):
        assert reader.of(shop.project(id_))
    assert reader.seen(done) is None
    assert reader.seen(differing)


def test_given_a_project_without_a_run_when_asked_for_then_whether_it_is_there_is_asked_once_until_it_has_had_one() -> (
    None
):
    shop = ListedShop()
    id_ = shop.create("Pending")
    reader = ResultsReader(shop.client(), shop)
    found = [reader.ask(id_) for _ in range(3)]
    assert [results.status if results else None for results in found] == ["Pending"] * 3
    assert len(shop.asked_for(f"/{id_}")) == 1
    shop.run(id_, "Failed")
    assert reader.ask(id_)
    shop.remove(id_)
    assert reader.ask(id_) is None
