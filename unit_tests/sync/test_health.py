"""When a storefront is given up as a whole, and what finding that out costs."""

from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.errors import ServerTrouble
from source_customerscanvas.sync.health import Health
from source_customerscanvas.sync.jobs import Batch, Job
from source_customerscanvas.sync.slices import Slice
from unit_tests.http_server import Answer, Request, Server, json_answer
from unit_tests.watched import stream

SLICE = Slice(11)
PROJECTS = 90


def fail(health: Health, times: int, slice_: Slice = SLICE) -> None:
    progress = stream()
    for number in range(times):
        health.note_failure(Job(Batch(slice_), number, None, [progress]), ServerTrouble("GET", "HTTP 500"))


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
        fail(health, 1, Slice(12))
        health.note_read(SLICE)
    assert server.requests == []
    assert health.broken(SLICE) is None


def test_given_the_oldest_projects_unreadable_when_many_fail_in_a_row_then_younger_ones_tell_that_it_is_not_all(
    server: Server, client: ApiClient
) -> None:
    shop(server, unreadable=range(50))
    health = Health(client)
    fail(health, 25)
    assert health.broken(SLICE) is None
    asked = len(server.api_requests)
    fail(health, 24)
    assert len(server.api_requests) == asked


def test_given_no_readable_project_when_25_fail_in_a_row_then_only_their_storefront_is_given_up(
    server: Server, client: ApiClient
) -> None:
    shop(server, unreadable=range(PROJECTS))
    health = Health(client)
    fail(health, 24)
    assert health.broken(SLICE) is None
    fail(health, 1)
    assert health.broken(SLICE) is not None
    assert health.broken(Slice(12)) is None
