"""What a state holds, and what another scope makes of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from integration_tests.conftest import STOREFRONT, Connection, warnings
from integration_tests.engine import STREAMS
from integration_tests.shops import DAY, HOUR, fill, shop_of
from sandbox import FileSpec, Sandbox
from source_customerscanvas.sync.kinds import ARTIFACTS, FILES, PROJECTS, RESULTS


def size_of(state: dict[str, Any]) -> int:
    return len(json.dumps(state))


def test_given_5000_unfinished_projects_when_synced_then_each_state_stays_under_250_kilobytes() -> None:
    with Sandbox(empty=True, start="2026-01-10T12:00:00Z") as sandbox:
        for number in range(5000):
            sandbox.advance(1)
            sandbox.shop.create_project(STOREFRONT, processing="InProgress", id=7_000_000 + number)
        connection = Connection(sandbox, num_workers=16)
        reads = connection.read()
        sizes = {stream: max(map(size_of, taken.states)) for stream, taken in reads.items()}
        assert {stream: size for stream, size in sizes.items() if size >= 250_000} == {}


def test_given_5000_finished_projects_when_synced_then_no_state_grows_with_them() -> None:
    with shop_of(5000) as sandbox:
        reads = Connection(sandbox, num_workers=16).read((PROJECTS, RESULTS))
        assert max(size_of(state) for taken in reads.values() for state in taken.states) < 2000


def test_given_a_storefront_is_added_to_the_scope_when_synced_then_only_it_is_read_as_new(
    sandbox: Sandbox, connection: Connection
) -> None:
    fill(sandbox, 5)
    connection.sync(storefront_ids=[STOREFRONT])
    other = sandbox.shop.create_project(12, processing="Completed")
    for wider in ({"storefront_ids": [STOREFRONT, 12]}, {"storefront_ids": None}):
        news = connection.sync(**wider)
        assert news.get(PROJECTS) == ([other] if wider["storefront_ids"] else None)
    connection.assert_up_to_date()
    connection.sync(storefront_ids=[12])
    assert sorted(connection.sync(storefront_ids=[STOREFRONT, 12])[PROJECTS]) == [1, 2, 3, 4, 5]


def test_given_an_order_is_added_to_the_scope_when_synced_then_only_it_is_read_as_new(
    sandbox: Sandbox, connection: Connection
) -> None:
    for order in ("a", "b", "c"):
        for _ in range(6):
            sandbox.shop.create_project(STOREFRONT, processing="Completed", order_id=order)
    assert sorted(connection.sync(order_ids=["a"])[RESULTS]) == [1, 2, 3, 4, 5, 6]
    assert sorted(connection.sync(order_ids=["b", "a"])[RESULTS]) == [7, 8, 9, 10, 11, 12]
    assert connection.sync(order_ids=["a", "b"]) == {}
    found = connection.sync()
    assert {stream: len(keys) for stream, keys in found.items()} == dict.fromkeys(STREAMS, 6)
    assert sorted(found[RESULTS]) == [13, 14, 15, 16, 17, 18]
    connection.assert_up_to_date()
    assert connection.sync() == {}


@pytest.mark.parametrize("page_cap", [1, 4, 100])
def test_given_a_project_that_finished_long_ago_when_it_comes_to_an_order_then_all_of_it_is_emitted(
    sandbox: Sandbox, connection: Connection, page_cap: int
) -> None:
    sandbox.switches.page_cap = page_cap
    ids = fill(sandbox, 6, order_id="5001")
    late = sandbox.shop.create_project(STOREFRONT, processing="Completed", order_id="cart")
    connection.config["order_ids"] = ["5001"]
    for _ in range(2):
        sandbox.advance(DAY)
        ids.append(sandbox.shop.create_project(STOREFRONT, processing="Completed", order_id="5001"))
        connection.sync()
    sandbox.advance(HOUR)
    sandbox.shop.modify_project(late, order_id="5001")
    sandbox.shop.modify_project(ids[0], description="changed")
    found = connection.sync()
    assert sorted(found[PROJECTS]) == sorted(found[RESULTS]) == [ids[0], late]
    assert {row["projectId"] for row in connection.warehouse.tables[FILES].values()} == {*ids, late}
    files_of_late = [artifact["id"] for artifact in sandbox.shop.artifacts(late)]
    assert found[FILES] == found[ARTIFACTS] == files_of_late  # those of the project that was there are unchanged
    connection.assert_up_to_date()
    assert connection.sync() == {}


@pytest.mark.parametrize("page_cap", [4, 100])
def test_given_an_earlier_start_date_when_synced_then_what_changed_since_it_is_emitted_and_nothing_else(
    sandbox: Sandbox, connection: Connection, page_cap: int
) -> None:
    sandbox.switches.page_cap = page_cap
    ids = fill(sandbox, 5)
    sandbox.advance(DAY)
    first, later_ids = sandbox.now(), fill(sandbox, 5)
    sandbox.advance(DAY)
    second, last_ids = sandbox.now(), fill(sandbox, 5)
    for start, news in ((second, last_ids), (first, later_ids), (None, ids)):
        sandbox.advance(HOUR)
        found = connection.sync(start_date=start and start.isoformat())
        assert {stream: len(keys) for stream, keys in found.items()} == dict.fromkeys(STREAMS, 5)
        assert sorted(found[RESULTS]) == news
    connection.assert_up_to_date()
    # narrower and wide again: only what the narrow scope left out is read anew
    assert connection.sync(start_date=second.isoformat()) == {}
    assert sorted(connection.sync()[RESULTS]) == ids + later_ids
    assert connection.sync() == {}


@pytest.mark.parametrize("taken_of_each", [1, 4, 9, 14])
def test_given_a_start_date_moved_twice_when_the_sync_in_between_was_killed_then_what_was_there_before_is_not_repeated(
    sandbox: Sandbox, connection: Connection, taken_of_each: int
) -> None:
    sandbox.switches.page_cap = 4
    ids = fill(sandbox, 9)
    sandbox.advance(DAY)
    start, last_ids = sandbox.now().isoformat(), fill(sandbox, 9)
    sandbox.advance(HOUR)
    connection.sync(start_date=start)
    reads = connection.read(start_date="2020-01-01", state_projects=1)
    connection.take_until_killed(reads, taken_of_each)
    found = connection.sync()
    assert not any(set(found.get(stream, [])) & set(last_ids) for stream in (PROJECTS, RESULTS))
    assert set(found.get(PROJECTS, [])) <= set(ids)
    connection.assert_up_to_date()


@pytest.mark.parametrize("page_cap", [4, 100])
def test_given_more_artifact_types_when_synced_then_only_artifacts_of_those_types_are_emitted(
    sandbox: Sandbox, connection: Connection, page_cap: int
) -> None:
    sandbox.switches.page_cap = page_cap
    ids = fill(sandbox, 9, files=[FileSpec(), FileSpec(name="a.log", type="Service")])
    sandbox.advance(DAY)
    sandbox.shop.modify_project(ids[8], description="new cursor")
    connection.sync()
    services = {row["id"] for row in sandbox.shop.artifacts() if row["type"] == "Service"}
    found = connection.sync(artifact_types=["Service", "Final"])
    assert found.keys() == {ARTIFACTS}
    assert set(found[ARTIFACTS]) == services
    assert connection.sync(artifact_types=["Final", "Service"]) == {}
    # narrower, and wide again
    assert connection.sync() == {}
    again = set(connection.sync(artifact_types=["Final", "Service"])[ARTIFACTS])
    assert again == services - {sandbox.shop.artifacts(ids[8])[1]["id"]}  # that of the newest project is remembered


@pytest.mark.parametrize("page_cap", [4, 100])
def test_given_more_file_formats_when_synced_then_only_files_of_those_formats_are_emitted(
    sandbox: Sandbox, connection: Connection, page_cap: int
) -> None:
    sandbox.switches.page_cap = page_cap
    fill(sandbox, 9, files=[FileSpec(), FileSpec(name="a.png", format="png")])
    sandbox.advance(DAY)
    fill(sandbox, 1)
    assert len(connection.sync(file_formats=["PDF"])[FILES]) == 10
    assert len(connection.sync(file_formats=["pdf", "png"])[FILES]) == 9
    assert connection.sync() == {}
    assert connection.sync(file_formats=["png"]) == {}
    connection.assert_up_to_date()


@pytest.mark.parametrize("page_cap", [4, 100])
def test_given_a_wider_scope_when_a_project_was_run_again_before_the_sync_then_its_new_files_are_there_too(
    sandbox: Sandbox, connection: Connection, page_cap: int
) -> None:
    sandbox.switches.update(page_cap=page_cap, processing_moves_last_modified=True)
    files = [FileSpec(), FileSpec(name="a.png", format="png"), FileSpec(name="a.log", type="Service", format="txt")]
    ids = fill(sandbox, 9, files=files)
    sandbox.advance(DAY)
    fill(sandbox, 1)
    connection.sync(file_formats=["pdf"], artifact_types=["Final"])
    sandbox.advance(DAY)
    sandbox.shop.process(ids[2], "Completed")
    connection.sync(file_formats=["pdf", "png"], artifact_types=["Final", "Service"])
    connection.assert_up_to_date()


def test_given_rows_only_when_files_are_wanted_then_each_file_is_emitted_once_more(
    sandbox: Sandbox, connection: Connection, tmp_path: Path
) -> None:
    fill(sandbox, 6)
    connection.sync()
    found = connection.sync(files=tmp_path)
    assert {stream: len(keys) for stream, keys in found.items()} == {FILES: 6}
    assert all(row["sha256"] for row in connection.warehouse.tables[FILES].values())
    assert connection.sync(files=tmp_path) == {}


def test_given_wider_settings_when_files_are_wanted_before_they_were_read_then_each_file_comes(
    sandbox: Sandbox, connection: Connection, tmp_path: Path
) -> None:
    fill(sandbox, 6)
    connection.sync(file_formats=["pdf"])
    fault = sandbox.fault("/storefronts$", status=400)
    connection.take(connection.read(file_formats=["pdf", "png"]))
    fault.remove()
    connection.sync(file_formats=["pdf", "png"], files=tmp_path)
    rows = connection.warehouse.tables[FILES].values()
    assert [row for row in rows if not row["fileUrl"]] == []


@pytest.mark.parametrize("page_cap", [4, 100])
def test_given_a_start_date_when_an_older_project_is_modified_then_its_files_are_emitted_with_it(
    sandbox: Sandbox, connection: Connection, page_cap: int
) -> None:
    sandbox.switches.page_cap = page_cap
    ids = fill(sandbox, 5)
    sandbox.advance(DAY)
    connection.config["start_date"] = sandbox.now().isoformat()
    fill(sandbox, 5)
    connection.sync()
    sandbox.advance(DAY)
    sandbox.shop.modify_project(ids[1], description="in scope now")
    found = connection.sync()
    assert {stream: len(keys) for stream, keys in found.items()} == dict.fromkeys(STREAMS, 1)
    connection.assert_up_to_date({ids[1]})


def test_given_a_project_dated_a_year_ahead_when_others_change_then_they_are_not_hidden_by_it(
    sandbox: Sandbox, connection: Connection
) -> None:
    ids = fill(sandbox)
    sandbox.advance(HOUR)
    sandbox.shop.modify_project(ids[3], lastModified="2027-01-01T00:00:00Z")
    connection.sync()
    sandbox.advance(HOUR)
    sandbox.shop.modify_project(ids[4], description="changed")
    assert connection.sync() == {PROJECTS: [ids[4]], RESULTS: [ids[4]]}


def test_given_orders_that_no_project_has_when_synced_then_one_warning_names_them(
    sandbox: Sandbox, connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    fill(sandbox, 2, order_id="5001")
    connection.sync(order_ids=["5001 ", "5001,5002", "5003"])
    (warning,) = warnings(caplog)
    assert "'5001,5002', '5003'" in warning
    assert "`order_ids`" in warning
    assert set(connection.warehouse.tables[PROJECTS]) == {1, 2}


def test_given_orders_whose_list_cannot_be_read_when_synced_then_nobody_says_that_no_project_has_them(
    sandbox: Sandbox, connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    fill(sandbox, 2, order_id="5001")
    sandbox.fault(r"/projects$", status=400)
    reads = connection.read(order_ids=["5001"])
    assert "order 5001" in str(reads[PROJECTS].error)
    assert not [warning for warning in warnings(caplog) if "`order_ids`" in warning]


def test_given_formats_that_no_file_has_when_everything_is_read_then_one_warning_names_them_and_those_that_are_there(
    sandbox: Sandbox, connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    fill(sandbox, 2, files=[FileSpec(), FileSpec(name="a.jpg", format="Jpeg")])
    found = connection.sync(file_formats=[" *.PDF", "jpg", "psd"])
    assert len(found[FILES]) == 4
    (warning,) = warnings(caplog)
    assert "psd. There are jpeg, pdf" in warning
    caplog.clear()
    connection.sync(file_formats=["pdf", "jpg", "psd"])
    assert warnings(caplog) == []
