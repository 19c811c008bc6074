"""Streams that are synced together share their requests."""

from __future__ import annotations

import pytest

from integration_tests.conftest import STOREFRONT, Connection
from integration_tests.engine import STREAMS
from integration_tests.shops import DAY, LISTS, fill
from sandbox import Sandbox
from source_customerscanvas.sync.kinds import ARTIFACTS, FILES, PROJECTS, RESULTS


@pytest.mark.parametrize("page_cap", [4, 100])
def test_given_all_streams_when_synced_then_the_list_is_paged_once_and_results_are_asked_once(
    sandbox: Sandbox, connection: Connection, page_cap: int
) -> None:
    sandbox.switches.page_cap = page_cap
    fill(sandbox, 12)
    connection.sync((PROJECTS,))
    pages = sandbox.count(LISTS)
    sandbox.clear_requests()
    connection.states = {}
    connection.sync()
    assert sandbox.count(LISTS) == pages
    assert sandbox.count("processing-results$") == 12


@pytest.mark.parametrize("stream", STREAMS)
def test_given_one_stream_alone_when_synced_then_it_works_like_all_of_them(sandbox: Sandbox, stream: str) -> None:
    connection = Connection(sandbox, (stream,))
    ids = fill(sandbox)
    running = sandbox.shop.create_project(STOREFRONT, processing="InProgress")
    connection.sync()
    connection.assert_up_to_date()
    sandbox.advance(DAY)
    sandbox.shop.process(running, "Completed")
    sandbox.shop.process(ids[1], "InProgress")
    sandbox.shop.modify_project(ids[2], description="changed")
    connection.sync()
    connection.assert_up_to_date()
    assert connection.sync() == {}


@pytest.mark.parametrize("page_cap", [4, 100])
def test_given_streams_that_are_added_later_when_synced_then_each_project_is_asked_for_once(
    sandbox: Sandbox, connection: Connection, page_cap: int
) -> None:
    sandbox.switches.page_cap = page_cap
    ids = fill(sandbox, 12)
    running = sandbox.shop.create_project(STOREFRONT, processing="InProgress")
    connection.sync((PROJECTS, RESULTS))
    sandbox.advance(DAY)
    sandbox.shop.process(running, "Completed")
    for project_id in ids[::3]:
        sandbox.shop.modify_project(project_id, description="changed")
    sandbox.clear_requests()
    found = connection.sync()
    assert sorted(found[RESULTS]) == sorted([*ids[::3], running])
    assert len(found[FILES]) == len(found[ARTIFACTS]) == 13
    asked = [request.path for request in sandbox.requests if "processing-results" in request.path]
    assert len(asked) == len(set(asked)) == 13
    connection.assert_up_to_date()
    assert connection.sync() == {}


def test_given_a_stream_that_is_behind_the_others_when_synced_together_then_it_has_what_changed_since_its_own_state(
    sandbox: Sandbox, connection: Connection
) -> None:
    ids = fill(sandbox, 12)
    connection.sync((PROJECTS, RESULTS))
    for project_id in ids[:5:2]:
        sandbox.advance(DAY)
        sandbox.shop.modify_project(project_id, description="changed")
        connection.sync((PROJECTS,))
    found = connection.sync((PROJECTS, RESULTS))
    assert {stream: sorted(keys) for stream, keys in found.items()} == {RESULTS: ids[:5:2]}
