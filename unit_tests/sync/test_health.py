"""When a storefront is given up as a whole, and what finding that out costs."""

from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.errors import ServerTrouble
from source_customerscanvas.state.stream_state import Scope, StreamState
from source_customerscanvas.sync.health import Health
from source_customerscanvas.sync.progress import StreamProgress
from source_customerscanvas.sync.tracker import Job, Unit
from unit_tests.http_server import Answer, Request, Server, json_answer

UNIT = Unit(11)
PROJECTS = 90


def fail(health: Health, times: int, unit: Unit = UNIT) -> None:
    stream = StreamProgress("processing_results", StreamState(Scope(), ""), lambda _: "", 10)
    for number in range(times):
        health.note_failure(Job(unit, number, None, [stream]), ServerTrouble("GET", "HTTP 500"))


def shop(server: Server, unreadable: range) -> None:
    """A storefront whose projects have the ids from 0 on, of which some cannot be read."""

    def answer(request: Request) -> Answer:
        if request.path.endswith("/projects"):
            return json_answer({"items": [{"id": int(request.query["skip"])}], "total": PROJECTS})
        return Answer(400) if int(request.path.split("/")[-2]) in unreadable else json_answer({"status": "Completed"})

    server.answer = answer


def test_given_failures_between_others_that_are_read_when_there_are_many_then_nothing_is_asked(
    server: Server, client: ApiClient
) -> None:
    health = Health(client)
    for _ in range(5):
        fail(health, 24)
        fail(health, 1, Unit(12))
        health.note_read(UNIT)
    assert server.requests == []
    assert health.broken(UNIT) is None


def test_given_the_oldest_projects_unreadable_when_many_fail_in_a_row_then_younger_ones_tell_that_it_is_not_all(
    server: Server, client: ApiClient
) -> None:
    shop(server, unreadable=range(50))
    health = Health(client)
    fail(health, 25)
    assert health.broken(UNIT) is None
    asked = len(server.api_requests)
    fail(health, 24)
    assert len(server.api_requests) == asked


def test_given_no_readable_project_when_25_fail_in_a_row_then_only_their_storefront_is_given_up(
    server: Server, client: ApiClient
) -> None:
    shop(server, unreadable=range(PROJECTS))
    health = Health(client)
    fail(health, 24)
    assert health.broken(UNIT) is None
    fail(health, 1)
    assert health.broken(UNIT) is not None
    assert health.broken(Unit(12)) is None
