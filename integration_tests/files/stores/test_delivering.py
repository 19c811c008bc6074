"""Files arrive in every store whole, under the same names, and nothing else does."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from integration_tests.files.stores.conftest import STORES, Delivering
from sandbox import FileSpec
from source_customerscanvas.errors import Stopped
from source_customerscanvas.files.stores.store import abandon_stores
from source_customerscanvas.times import SYSTEM_CLOCK

MB = 1024 * 1024
NAMES = ("Visitenkarte Müller.pdf", "50 % #1 & more?", "a+b=c;d,e", "~tilde 'quoted' [1]", "print", "Print", "日本.pdf")


@pytest.mark.parametrize("place", STORES, indirect=True)
def test_given_two_deliveries_when_files_are_made_anew_in_between_then_the_store_holds_exactly_the_shops_files(
    delivering: Delivering,
) -> None:
    files = [FileSpec(name, id=f"f{number}", size=1000 * number) for number, name in enumerate(NAMES)]
    first = delivering.add(*files, FileSpec("large", id="large", size=11 * MB))
    delivered = delivering.deliver(first)
    delivering.assert_holds(delivered)

    second = delivering.add(FileSpec("print", id="second", size=2 * MB), order_id="10/02")
    delivered |= delivering.deliver(first, second)

    delivering.assert_holds(delivered)


@pytest.mark.parametrize("place", STORES, indirect=True)
def test_given_a_store_when_it_is_checked_then_it_is_fine_and_nothing_is_left_there(delivering: Delivering) -> None:
    delivering.store().check()
    assert delivering.place.contents() == {}


@pytest.mark.parametrize("place", STORES, indirect=True)
def test_given_uploads_under_way_when_abandoned_then_nothing_of_them_is_left(delivering: Delivering) -> None:
    project = delivering.add(*(FileSpec(id=f"f{number}", size=12 * MB) for number in range(3)))
    under_way, abandoned = Event(), Event()
    came = 0

    def hold(size: int) -> None:
        nonlocal came
        came += size
        if came > 8 * MB:
            under_way.set()
            assert abandoned.wait(60)

    gc.collect()  # no store of another test is left
    downloader = delivering.downloader(SYSTEM_CLOCK, hold)
    with ThreadPoolExecutor(3) as pool:
        tasks = [pool.submit(downloader.deliver, *one) for one in delivering.wanted(project).values()]
        assert under_way.wait(60)
        abandon_stores()
        assert delivering.place.contents() == {}
        abandoned.set()
        for task in tasks:
            assert isinstance(task.exception(), Stopped)
    assert delivering.place.contents() == {}
    assert delivering.place.unfinished() == 0


@pytest.mark.parametrize("place", STORES, indirect=True)
def test_given_a_file_of_the_connectors_own_when_it_is_put_twice_then_the_second_one_lies_there(
    delivering: Delivering,
) -> None:
    downloader = delivering.downloader()
    downloader.put("1/order.json", b"{}", "application/json")
    file = downloader.put("1/order.json", b'{"state": "Ready"}', "application/json")
    downloader.end(30)
    assert delivering.place.contents() == {"1/order.json": b'{"state": "Ready"}'}
    assert (file.relative_path, file.size) == ("1/order.json", 18)
    assert file.url
    assert file.url.endswith("1/order.json")


@pytest.mark.parametrize("place", STORES, indirect=True)
def test_given_a_delivered_file_when_it_is_looked_for_then_the_store_has_it_under_its_path_only(
    delivering: Delivering,
) -> None:
    project = delivering.add(FileSpec("print", id="f1", size=1000))
    ((file, path),) = delivering.wanted(project).values()
    downloader = delivering.downloader()
    assert downloader.find(file, path) is None
    delivered = downloader.deliver(file, path)
    assert downloader.find(file, path) == (1000, delivered.sha256)
    assert downloader.find(file, f"elsewhere/{path}") is None
    content = downloader.read(path)
    assert content is not None
    assert len(content) == 1000
    assert downloader.read("no/order.json") is None
    downloader.end(30)
