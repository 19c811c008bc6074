"""A store that is slow, pauses, breaks or is away for a while gets its files all the same."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from integration_tests.files.stores.conftest import Delivering
from integration_tests.files.stores.line import Line, line_to
from integration_tests.files.stores.places import Place
from sandbox import FileSpec
from source_customerscanvas.errors import StoreAway
from source_customerscanvas.files.stores import clouds
from unit_tests.http_server import FakeClock

MB = 1024 * 1024
SERVERS = ("s3", "gcs", "azure", "sftp")


@pytest.fixture
def line(place: Place) -> Iterator[Line]:
    with line_to(place.port) as made:
        yield made


def over(line: Line, place: Place) -> dict[str, Any]:
    """The settings that reach the store by this line."""
    old, new = f":{place.port}", f":{line.port}"
    if "service_account" in place.files:
        return {"service_account": place.files["service_account"].replace(old, new)}
    return {"port": line.port} if "port" in place.files else {"endpoint": place.files["endpoint"].replace(old, new)}


@pytest.mark.parametrize("place", SERVERS, indirect=True)
def test_given_a_line_that_breaks_in_the_middle_of_an_upload_when_it_is_there_again_then_the_file_arrives(
    delivering: Delivering, place: Place, line: Line
) -> None:
    project = delivering.add(FileSpec(id="large", size=16 * MB), FileSpec("small", id="small", size=1000))
    downloader = delivering.downloader(**over(line, place))
    line.cut_after(7 * MB, refused=2)
    delivered = {id_: downloader.deliver(*one) for id_, one in delivering.wanted(project).items()}
    downloader.end(30)
    assert line.is_cut.is_set()
    delivering.assert_holds(delivered)


@pytest.mark.parametrize("place", SERVERS, indirect=True)
def test_given_a_store_that_takes_little_at_once_and_pauses_when_a_file_is_delivered_then_it_is_waited_for(
    delivering: Delivering, place: Place, line: Line
) -> None:
    project = delivering.add(FileSpec(id="large", size=12 * MB))
    downloader = delivering.downloader(**over(line, place))
    line.piece = 4000
    line.hold_after(7 * MB)
    [(id_, wanted)] = delivering.wanted(project).items()
    with ThreadPoolExecutor(1) as pool:
        delivery = pool.submit(downloader.deliver, *wanted)
        assert line.is_held.wait(60)
        assert [path for path in place.contents() if "/." not in path] == []
        line.flow.set()
        delivered = {id_: delivery.result()}
    downloader.end(30)
    delivering.assert_holds(delivered)


@pytest.mark.parametrize("place", ["sftp"], indirect=True)
def test_given_a_server_that_is_away_for_less_than_two_minutes_when_a_file_is_delivered_then_it_arrives(
    delivering: Delivering, place: Place, line: Line
) -> None:
    project = delivering.add(FileSpec(id="large", size=16 * MB), FileSpec("small", id="small", size=1000))
    clock = FakeClock()
    clock.on_wait = lambda: line.restore() if sum(clock.waits) >= 110 else None
    downloader = delivering.downloader(clock, **over(line, place))
    line.cut_after(7 * MB, refused=1_000_000)
    delivered = {id_: downloader.deliver(*one) for id_, one in delivering.wanted(project).items()}
    downloader.end(30)
    assert sum(clock.waits) >= 110
    delivering.assert_holds(delivered)


@pytest.mark.parametrize("place", ["sftp"], indirect=True)
def test_given_a_server_that_stays_away_when_it_is_back_at_the_end_of_the_run_then_what_it_has_of_the_file_goes(
    delivering: Delivering, place: Place, line: Line
) -> None:
    project = delivering.add(FileSpec(id="large", size=16 * MB))
    clock = FakeClock()
    downloader = delivering.downloader(clock, **over(line, place))
    line.cut_after(7 * MB, refused=1_000_000)
    [wanted] = delivering.wanted(project).values()
    with pytest.raises(StoreAway):
        downloader.deliver(*wanted)
    assert 120 <= sum(clock.waits) < 200
    assert [path.rpartition("/")[2][0] for path in place.contents()] == ["."]
    line.restore()
    downloader.end(30)
    assert place.contents() == {}


@pytest.mark.parametrize("place", ["s3"], indirect=True)
def test_given_a_bucket_that_stays_away_when_its_time_is_over_then_it_is_given_up_and_not_waited_for_once_more(
    delivering: Delivering, place: Place, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clouds, "_AWAY_SECONDS", 1)
    project = delivering.add(FileSpec(id="large", size=16 * MB))
    clock = FakeClock()
    downloader = delivering.downloader(clock, **over(line, place))
    line.cut_after(7 * MB, refused=1_000_000)
    [wanted] = delivering.wanted(project).values()
    with pytest.raises(StoreAway) as caught:
        downloader.deliver(*wanted)
    assert caught.value.failure_type == "transient_error"
    assert sum(clock.waits) == 0
    assert place.contents() == {}


@pytest.mark.parametrize("place", ["s3", "azure", "sftp"], indirect=True)
def test_given_a_server_that_never_answers_when_checked_then_it_says_so_in_time(
    delivering: Delivering, place: Place, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clouds, "_HASTY", (1, 1, 0))  # as for a shorter one
    line.flow.clear()
    with pytest.raises(StoreAway, match=r"does not answer (in time|as an SSH server does)"):
        delivering.check(**over(line, place))
