"""The window on the tenant's artifacts: how many have to be asked for singly."""

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any, cast

import pytest

from source_customerscanvas.api.artifacts import Artifacts
from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.errors import Conflict, CustomersCanvasError, MissingPermission, NotFound, Refused
from source_customerscanvas.times import format_utc

LISTED = 20_000

each_refusal = pytest.mark.parametrize(
    "error",
    [
        Refused(400, "artifacts", "unknown sorting"),
        MissingPermission("Artifacts: Read", "read artifacts"),
        NotFound("artifacts"),
        Conflict("artifacts", "busy"),
    ],
    ids=lambda error: type(error).__name__,
)


def row(id_: str) -> dict[str, Any]:
    """An artifact that was made so many seconds after the first one."""
    made = datetime(2026, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=int(id_))
    return {"id": id_, "lastModified": made.isoformat()}


class Api:
    """A tenant's artifacts, in the order in which they were made; counts what it is asked."""

    def __init__(self, ids: list[str]) -> None:
        self.rows: list[dict[str, Any]] = [row(id_) for id_ in ids]
        self.sorting_error: CustomersCanvasError | None = None
        self.list_error: CustomersCanvasError | None = None
        self.more: dict[str, Any] = {}
        """What artifacts that are asked for singly have besides."""
        self.pages = 0
        self.singles = 0
        self.now = datetime(2026, 2, 1, tzinfo=timezone.utc)

    def shop_now(self) -> datetime:
        return self.now

    def get_json(self, path: str, params: dict[str, Any] | None, understand: Callable[[Any], Any]) -> Any:
        if params is None:
            self.singles += 1
            return understand(row(path.rpartition("/")[2]) | self.more)
        if self.list_error:
            raise self.list_error
        if self.sorting_error and "sorting" in params:
            raise self.sorting_error
        self.pages += 1
        skip, take = params["skip"], params["take"]
        return understand({"total": len(self.rows), "items": self.rows[skip : skip + take]})


def asked_for(api: Api, ids: list[str]) -> None:
    artifacts = Artifacts(cast(ApiClient, api))
    for first, second in zip(ids[::2], ids[1::2], strict=True):
        found = dict(artifacts.details([first, second], newest_first=False))
        assert found == {first: row(first), second: row(second)}


@pytest.mark.parametrize(("changed", "singles"), [(120, 0), (30, 1), (-30, 1)], ids=["before", "just-before", "after"])
def test_given_a_page_that_was_read_ahead_when_a_project_changed_since_then_its_artifact_is_asked_for(
    changed: int, singles: int
) -> None:
    """So many seconds before the page was read; the servers' clocks may be a minute apart."""
    api = Api(names(10))
    artifacts = Artifacts(cast(ApiClient, api))
    artifacts.prepare()
    api.now += timedelta(hours=1)
    at = format_utc(api.now - timedelta(hours=1, seconds=changed))
    assert dict(artifacts.details(["000001"], newest_first=False, changed=at)) == {"000001": row("000001")}
    assert (api.pages, api.singles) == (1, singles)


def names(count: int) -> list[str]:
    return [f"{number:06d}" for number in range(count)]


def test_given_artifacts_in_the_order_of_the_list_when_asked_for_then_pages_bring_them() -> None:
    api = Api(names(LISTED))
    asked_for(api, names(LISTED))
    assert (api.singles, api.pages) == (0, LISTED // 99 + 1)


def test_given_one_shard_of_four_when_its_artifacts_are_asked_for_then_pages_bring_them() -> None:
    api = Api(names(LISTED))
    asked_for(api, [id_ for id_ in names(LISTED) if int(id_) // 2 % 4 == 1])
    assert (api.singles, api.pages) == (0, LISTED // 99 + 1)


def asked_for_with_early_ones(api: Api, step: int) -> int:
    """Before each `step` artifacts, one is asked for whose turn comes two thousand later; gives their number."""
    ids = names(LISTED)
    early = ids[2_000:-2_000:step]
    order = [id_ for id_ in ids if id_ not in set(early)]
    for number, id_ in enumerate(early):
        order.insert(number * step, id_)
    asked_for(api, order)
    return len(early)


@pytest.mark.parametrize("step", [20, 100])
def test_given_some_artifacts_that_come_long_before_their_turn_when_asked_for_then_pages_bring_the_others(
    step: int,
) -> None:
    api = Api(names(LISTED))
    early = asked_for_with_early_ones(api, step)
    assert early <= api.singles <= 1.1 * early + 100


def test_given_half_of_the_artifacts_come_long_before_their_turn_when_asked_for_then_soon_pages_bring_them_too() -> (
    None
):
    api = Api(names(LISTED))
    early = asked_for_with_early_ones(api, 2)
    assert api.singles <= early / 4


@pytest.mark.parametrize("shards", [2, 4, 10])
def test_given_artifacts_of_which_most_belong_to_others_when_asked_for_then_pages_bring_them(shards: int) -> None:
    api = Api(names(LISTED))
    asked_for(api, names(LISTED)[::shards])
    assert api.singles <= api.pages <= LISTED // 99 + 2


def test_given_artifacts_of_which_half_belong_to_others_when_asked_for_then_no_page_is_in_vain() -> None:
    api = Api(names(LISTED))
    asked_for(api, names(LISTED)[::2])
    assert api.pages <= LISTED // 99 + 2


def test_given_artifacts_listed_long_after_those_of_others_when_asked_for_then_few_pages_are_in_vain() -> None:
    api = Api(names(LISTED))
    asked_for(api, names(LISTED)[-2_000:])
    assert api.pages <= 10
    assert api.singles == 2_000


@each_refusal
def test_given_a_server_that_sorts_no_artifacts_when_asked_for_then_they_come_singly_or_in_its_own_order(
    error: CustomersCanvasError,
) -> None:
    api = Api(names(250))
    api.sorting_error = error
    artifacts = Artifacts(cast(ApiClient, api))
    assert {one["id"]: one for one in artifacts.of_group("run")} == {one["id"]: one for one in api.rows}
    assert dict(artifacts.details(["000007"], newest_first=True)) == {"000007": row("000007")}


@each_refusal
def test_given_a_server_that_lists_no_artifacts_when_asked_for_then_each_comes_singly(
    error: CustomersCanvasError,
) -> None:
    api = Api([])
    api.list_error = error
    api.more = {"group": "run"}  # of more than a page, all artifacts of the run are asked for
    ids = names(150)
    found = dict(Artifacts(cast(ApiClient, api)).details(ids, newest_first=True))
    assert found == {id_: row(id_) | api.more for id_ in ids}
