"""What is listed together, what belongs to it, and in which order news of it are noted."""

from typing import Any, cast

import pytest

from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.api.projects import Project
from source_customerscanvas.state.stream_state import Scope, StreamState
from source_customerscanvas.state.stream_state import Unit as UnitState
from source_customerscanvas.sync.progress import StreamProgress
from source_customerscanvas.sync.tracker import Job, Tracker, Unit, Work
from unit_tests.http_server import FakeClock, Server, json_answer

CURSOR, LATER = "2024-03-04T12:00:00.000000Z", "2024-03-04T14:00:00.000000Z"


@pytest.mark.parametrize(
    ("unit", "storefront_id", "order_id", "belongs"),
    [
        (Unit(11), 11, "5001", True),
        (Unit(11), "11", None, True),
        (Unit(11), None, None, True),  # the answer for a project may leave its storefront out
        (Unit(11), 12, "5001", False),
        (Unit(11, "5001"), 11, "5001", True),
        (Unit(11, "5001"), 11, 5001, True),
        (Unit(11, "5001"), 11, "5002", False),
        (Unit(11, "5001"), 11, None, False),
        (Unit(11, "5001"), 12, "5001", False),
    ],
)
def test_given_a_project_that_was_asked_for_when_it_is_taken_up_then_only_if_it_belongs_to_the_unit(
    unit: Unit, storefront_id: Any, order_id: Any, belongs: bool
) -> None:
    project = Project.from_row({"id": 7, "storefrontId": storefront_id, "orderId": order_id})
    assert project
    assert unit.has(project) is belongs


class Watched(StreamProgress):
    """A stream that keeps a state of each moment at which one could be emitted."""

    def __init__(self, unit: Unit) -> None:
        state = StreamState(Scope(), CURSOR, {unit.key: UnitState(cursor=CURSOR, scan=None)})
        super().__init__("projects", state, lambda project: project.whole_digest, 10)
        self.moments: list[tuple[str, int]] = []

    def keep(self) -> None:
        (unit,) = self.snapshot()["units"].values()
        self.moments.append((unit["cursor"], " ".join(unit["projects"]).count("!")))

    def owe(self, key: str, project_id: int, project: Project | None) -> None:
        super().owe(key, project_id, project)
        self.keep()

    def move_cursor(self, key: str, newest: str, seen: dict[int, str]) -> None:
        super().move_cursor(key, newest, seen)
        self.keep()

    def expect(self, stream: StreamProgress, projects: int) -> None:
        pass

    def take_job(self, job: Job) -> None:
        self.keep()


def test_given_news_when_noted_then_all_of_it_is_owed_before_the_cursor_moves_and_both_before_it_is_handed_out(
    server: Server, client: ApiClient, clock: FakeClock
) -> None:
    rows = [{"id": id_, "processingStatus": "Completed", "created": CURSOR, "lastModified": LATER} for id_ in (7, 8, 9)]
    server.answer = lambda _: json_answer({"items": rows, "total": 3})
    unit = Unit(11)
    stream = Watched(unit)

    Tracker(client, clock, unit, [stream], cast(Work, stream)).follow()

    owing = [(CURSOR, 1), (CURSOR, 2), (CURSOR, 3)]
    assert stream.moments == [*owing, (LATER, 3), *[(LATER, 3)] * 3]
