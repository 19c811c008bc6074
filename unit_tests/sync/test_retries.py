"""Which failed projects are tried again, when, and which of their items."""

from __future__ import annotations

from typing import Any, cast

import pytest

from source_customerscanvas.api.projects import Results
from source_customerscanvas.errors import Conflict, MissingPermission, NotFound, Refused, ServerTrouble
from source_customerscanvas.settings import Processing, Settings, Statuses
from source_customerscanvas.state.slice_state import Known
from source_customerscanvas.state.stream_state import Try
from source_customerscanvas.sync.dispatcher import Dispatcher
from source_customerscanvas.sync.progress import StreamProgress
from source_customerscanvas.sync.retries import Retries, Tries, Waited
from source_customerscanvas.times import minutes_before
from unit_tests.sync.listed_shop import SLICE, START, ListedShop
from unit_tests.watched import stream, watched

FOUR_MINUTES_AGO, FIVE_MINUTES_AGO = (minutes_before(START, minutes) for minutes in (4, 5))


class Emitting:
    """Emits a state when it is asked to, and keeps it."""

    def __init__(self, progress: StreamProgress) -> None:
        self._progress = progress
        self.states: list[dict[str, Any]] = []

    def checkpoint(self, *, and_wait: bool) -> None:
        assert and_wait
        self.states.append(self._progress.snapshot())


class Failed:
    """A shop with projects that have failed, and what tries them again."""

    def __init__(
        self, projects: int = 1, tries: dict[int, Try] | None = None, num_workers: int = 16, **processing: Any
    ) -> None:
        self.shop = ListedShop()
        for _ in range(projects):
            self.shop.create("Failed")
        known = {id_: Known("open", "seenseen") for id_ in self.shop.rows}
        self.stream = stream(watched(known=known))
        self.stream.state.tries = tries or {}
        self.emitting = Emitting(self.stream)
        settings = Settings(
            "app",
            "s3cret",
            "https://hub.example",
            "https://api.example",
            processing=Processing(**{"on_failure": "resume", **processing}),
            statuses=Statuses("except", (5,)),
            num_workers=num_workers,
        )
        dispatcher = cast(Dispatcher, self.emitting)
        self.retries = Retries(settings, self.shop.client(), Tries([self.stream], {}), dispatcher)

    def waited(self) -> list[Waited]:
        return [Waited(SLICE, id_) for id_ in self.shop.rows]

    def make(self, results: Results | None = None) -> list[int]:
        """Try all of them again, after their results have said this."""
        return sorted(one.project_id for one in self.retries.make(dict.fromkeys(self.waited(), results)))

    @property
    def state(self) -> dict[str, Any]:
        return self.stream.snapshot()

    def refuse(self, error: Exception) -> None:
        def post(*_: Any, **__: Any) -> None:
            raise error

        self.shop.post = post  # type: ignore[method-assign]  # the shop refuses


@pytest.mark.parametrize(
    ("known", "is_due"),
    [
        (Try(), True),
        (Try(1, FOUR_MINUTES_AGO), False),
        (Try(1, FIVE_MINUTES_AGO), True),
        (Try(2, FIVE_MINUTES_AGO), True),
        (Try(3, FIVE_MINUTES_AGO), False),
    ],
)
def test_given_earlier_tries_when_it_is_time_then_only_after_the_delay_and_below_the_most(
    known: Try, is_due: bool
) -> None:
    failed = Failed(tries={1: known} if known.count else {})
    assert failed.retries.is_due(failed.waited()[0]) is is_due


def test_given_failures_that_are_only_reported_when_it_is_time_then_nothing_is_tried() -> None:
    failed = Failed(on_failure="report")
    assert not failed.retries.is_due(failed.waited()[0])


@pytest.mark.parametrize("verb", ["resume", "restart"])
def test_given_a_failed_project_when_tried_again_then_the_try_is_in_an_emitted_state_before_its_request(
    verb: str,
) -> None:
    failed = Failed(on_failure=verb)
    posted = failed.shop.posted
    emitted_before: list[int] = []
    post = failed.shop.post

    def note_and_post(*given: Any, **options: Any) -> None:
        emitted_before.append(len(failed.emitting.states))
        post(*given, **options)

    failed.shop.post = note_and_post  # type: ignore[method-assign]  # as the shop does, and notes the moment
    assert failed.make() == [1]
    assert posted == [(f"storefront/v1/projects/1/{verb}-processing", {})]
    assert emitted_before == [1]
    assert failed.emitting.states[0]["tries"] == {"1": [1, START]}
    assert failed.emitting.states[0]["slices"][SLICE.key]["owed"] == [1]


def test_given_a_project_of_several_items_when_some_have_failed_then_only_those_are_tried_again() -> None:
    failed = Failed()
    failed.shop.rows[1]["items"] = [{"id": 101}, {"id": 102}, {"id": 103}, {"id": 104}]
    statuses = {101: "Completed", 102: "Failed", 103: "Failed"}

    def answer(path: str, params: Any) -> None:
        if "itemId" in params:
            if params["itemId"] not in statuses:
                raise NotFound(path)
            failed.shop.results[1] = {"status": statuses[params["itemId"]]}

    failed.shop.on_ask = answer
    assert failed.make(Results("Failed", None, [{"artifactId": "7f", "projectItemId": 101}])) == [1]
    path = "storefront/v1/projects/1/resume-processing"
    assert failed.shop.posted == [(path, {"itemId": 102}), (path, {"itemId": 103})]


def test_given_an_item_that_the_shop_refuses_when_others_have_failed_too_then_those_are_tried_all_the_same() -> None:
    failed = Failed()
    failed.shop.rows[1]["items"] = [{"id": 101}, {"id": 102}, {"id": 103}, {"id": 104}]
    failed.shop.on_ask = lambda path, params: failed.shop.results.update(
        {1: {"status": "Completed" if params.get("itemId") == 101 else "Failed"}}
    )
    post = failed.shop.post

    def refuse_one(path: str, params: Any = None, json: Any = None) -> None:
        post(path, params)
        if params["itemId"] == 102:
            raise Conflict("POST", "it is running")

    failed.shop.post = refuse_one  # type: ignore[method-assign]  # the shop refuses
    assert failed.make(Results("Failed", None, [{"artifactId": "7f", "projectItemId": 101}])) == [1]
    assert [params["itemId"] for _, params in failed.shop.posted] == [102, 103, 104]
    assert failed.state["tries"] == {"1": [1, START]}


def test_given_a_project_whose_items_have_all_failed_when_tried_again_then_as_a_whole() -> None:
    failed = Failed()
    failed.shop.rows[1]["items"] = [{"id": 101}, {"id": 102}]
    failed.make(Results("Failed", None, None))
    assert failed.shop.posted == [("storefront/v1/projects/1/resume-processing", {})]


def test_given_a_held_project_when_it_has_failed_then_it_is_left_alone() -> None:
    failed = Failed()
    failed.shop.rows[1]["status"] = 5
    assert failed.make() == []
    assert (failed.shop.posted, failed.emitting.states) == ([], [])


@pytest.mark.parametrize(
    ("error", "under_way"),
    [
        (Conflict("POST", "it is running"), [1]),
        (ServerTrouble("POST", "HTTP 500"), [1]),
        (NotFound("POST"), []),
        (Refused(400, "POST"), []),
    ],
)
def test_given_a_shop_that_says_no_when_tried_again_then_the_try_counts_and_only_what_may_run_is_waited_for(
    error: Exception, under_way: list[int]
) -> None:
    failed = Failed()
    failed.refuse(error)
    assert failed.make() == under_way
    assert failed.state["tries"] == {"1": [1, START]}


def test_given_an_app_without_the_permission_when_many_have_failed_then_it_is_said_once_and_no_try_counts(
    caplog: pytest.LogCaptureFixture,
) -> None:
    failed = Failed(projects=5, tries={2: Try(1, FIVE_MINUTES_AGO)})
    failed.refuse(MissingPermission("Projects: Full", "resume failed processing"))
    assert failed.make() == []
    assert failed.state["tries"] == {"2": [1, FIVE_MINUTES_AGO]}
    assert len([message for message in caplog.messages if "Projects: Full" in message]) == 1
    assert not failed.retries.is_due(failed.waited()[0])


def test_given_several_projects_when_one_is_tried_after_the_other_then_each_delay_counts_from_its_own_try() -> None:
    failed = Failed(projects=2, num_workers=1)
    noted: list[dict[str, Any]] = []

    def post(*_: Any, **__: Any) -> None:
        noted.append(dict(failed.state["tries"]))
        failed.shop.pass_time(minutes=10)

    failed.shop.post = post  # type: ignore[method-assign]  # the shop takes its time
    assert failed.make() == [1, 2]
    assert noted[1]["1"][1] > noted[0]["1"][1]
