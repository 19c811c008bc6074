"""Random histories of a shop: no order is acknowledged before a state covers its files.

`HISTORIES=2000 pytest integration_tests/acknowledging/test_histories.py` plays others, and more of them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from integration_tests.acknowledging.conftest import LONG_AGO, MODES, POSTED, posts
from integration_tests.conftest import STOREFRONT
from integration_tests.engine import STREAMS, Read, SandboxClock, States, read
from integration_tests.histories import histories
from integration_tests.shops import DAY, MINUTE
from sandbox import RequestRecord, Sandbox, Switches
from source_customerscanvas.sync.kinds import FILES, RESULTS

CANCELLED = 5
OTHER = 12


@dataclass
class Day:
    """What happens in the shop, and then to a sync: its output is stored, lost, or cut off after some messages."""

    events: list[tuple[str, Any, int]]
    fate: str = "stored"
    after: int = 0
    every: int = 200


NUMBERS = st.integers(min_value=0, max_value=10**6)
EVENTS = st.one_of(
    st.tuples(st.just("create"), st.sampled_from([None, "InProgress", "Completed", "Completed", "Failed"]), NUMBERS),
    st.tuples(st.just("finish"), st.none(), NUMBERS),
    st.tuples(st.just("process"), st.sampled_from(["InProgress", "Completed", "Completed", "Failed"]), NUMBERS),
    st.tuples(st.sampled_from(["modify", "modify", "remove"]), st.none(), NUMBERS),
    st.tuples(st.just("add run"), st.sampled_from(["InProgress", "Completed", "Failed"]), NUMBERS),
    st.tuples(st.just("set status"), st.sampled_from([1, 1, CANCELLED]), NUMBERS),
    st.tuples(st.just("hide or show"), st.none(), NUMBERS),
    st.tuples(st.just("pass"), st.sampled_from([MINUTE, 20 * MINUTE, DAY]), NUMBERS),
)
DAYS = st.lists(
    st.builds(
        Day,
        st.lists(EVENTS, max_size=4),
        st.sampled_from(["stored", "stored", "stored", "lost", "killed"]),
        st.integers(min_value=0, max_value=30),
        st.sampled_from([1, 200]),
    ),
    max_size=7,
)


class History:
    """A shop, a connection that acknowledges, and what the states that it was given have covered.

    `stored` are the artifacts whose rows came before a state that is still kept: the destination has them for sure.
    """

    def __init__(self, sandbox: Sandbox, streams: tuple[str, ...], acknowledge: dict[str, Any]) -> None:
        self.sandbox = sandbox
        self.shop = sandbox.shop
        self.streams = streams
        self.delivering = FILES if FILES in streams else RESULTS
        self.acknowledge = acknowledge
        self.states: States = {}
        self.stored: dict[int, set[str]] = {}
        self.traceless: set[int] = set()
        """Finished projects that were run again without a trace in their `lastModified`: nobody can know of them."""
        self.times: Counter[int] = Counter()
        """How often the last run of a project was acknowledged, as far as a state that is kept knows of it."""
        self.acknowledged: set[int] = set()
        """The projects whose last run was acknowledged, perhaps by a sync whose output was lost."""
        self.is_hidden = False
        self.wrong: list[str] = []
        sandbox.on(POSTED, self.judge, method="POST")

    def judge(self, request: RequestRecord) -> None:
        """At the moment at which an acknowledgement arrives: is everything of its order stored?"""
        project = self.shop.project(int(request.path.split("projects/")[1].split("/")[0]))
        if project["status"] == CANCELLED:
            self.wrong.append(f"project {project['id']} is cancelled")
        siblings = [
            one for one in self.shop.projects() if key_of(one) == key_of(project) and one["status"] != CANCELLED
        ]
        self.times[project["id"]] += 1
        self.acknowledged.add(project["id"])
        if self.times[project["id"]] > 1 and project["id"] not in self.traceless:
            self.wrong.append(f"project {project['id']} is acknowledged twice")
        for one in siblings:
            if one["processingStatus"] != "Completed":
                self.wrong.append(f"project {one['id']} of the order has not finished")
            elif one["id"] not in self.traceless and not self.files_of(one["id"]) <= self.stored.get(one["id"], set()):
                self.wrong.append(f"project {one['id']} of the order is not stored")

    def files_of(self, project_id: int) -> set[str]:
        return {file["artifactId"] for file in self.shop.results(project_id)["outputFileDetails"] or []}

    def happen(self, event: str, what: Any, number: int) -> None:
        """One event; `number` picks the project, where it is about one."""
        self.sandbox.advance(what if event == "pass" else 1)
        if event == "create":
            storefront, status = (STOREFRONT, OTHER)[number % 5 == 0], (1, CANCELLED)[number % 7 == 0]
            self.shop.create_project(
                storefront, f"50{number % 2}", processing=what, files=1 + number % 2, status=status
            )
        if event == "hide or show":
            self.is_hidden = not self.is_hidden
            (self.shop.hide_storefront if self.is_hidden else self.shop.show_storefront)(OTHER)
            return
        ids = [
            project["id"]
            for project in self.shop.projects()
            if event != "finish" or project["processingStatus"] != "Completed"
        ]
        if not ids:
            return
        project_id = ids[number % len(ids)]
        if event == "finish":
            self.shop.process(project_id, "Completed", files=1 + number % 2)
        elif event == "process":
            self.run_again(project_id)
            self.shop.process(project_id, what, files=1 + number % 2)
        elif event == "add run":
            self.run_again(project_id)
            (self.shop.post_process if number % 2 else self.shop.add_item_run)(project_id, what)
        elif event == "set status":
            self.shop.set_status(project_id, what)
        elif event == "modify":
            self.shop.modify_project(project_id, description=f"edited {number}")
        elif event == "remove":
            self.shop.remove_project(project_id)

    def run_again(self, project_id: int) -> None:
        """Another run of a finished project is another one to acknowledge, if anybody can know of it."""
        if self.shop.project(project_id)["processingStatus"] == "Completed":
            self.times[project_id] = 0
            self.acknowledged.discard(project_id)
            if not self.sandbox.switches.processing_moves_last_modified:
                self.traceless.add(project_id)

    def sync(self, fate: str = "stored", after: int = 0, every: int = 200) -> None:
        self.sandbox.advance(MINUTE)
        reads = read(
            self.sandbox,
            self.states,
            self.streams,
            clock=SandboxClock(self.sandbox),
            state_projects=every,
            killed_after=after if fate == "killed" else None,
            acknowledge=self.acknowledge,
            statuses={"mode": "except", "codes": [CANCELLED]},
        )
        assert self.wrong == []
        if fate != "stored":
            # its acknowledgements may have to be repeated: no state that is kept knows of them
            self.times.clear()
        if fate != "lost":
            for stream, taken in reads.items():
                self.keep(stream, taken)

    def keep(self, stream: str, taken: Read) -> None:
        """Store what a state covers."""
        uncovered: list[Any] = []
        for kind, content in taken.messages:
            if kind == "record":
                uncovered.append(content)
                continue
            self.states[stream] = content
            if stream == self.delivering:
                for row in uncovered:
                    self.stored.setdefault(row["projectId"], set()).update(artifacts_in(row))
            uncovered = []

    def assert_all_is_acknowledged(self) -> None:
        """Of all orders that are finished, each project was acknowledged, and none of them is waited for."""
        orders: dict[Any, list[Any]] = {}
        for project in self.shop.projects():
            if project["status"] != CANCELLED:
                orders.setdefault(key_of(project), []).append(project)
        done = {key for key, ones in orders.items() if all(one["processingStatus"] == "Completed" for one in ones)}
        slices = self.states[self.delivering]["slices"]
        waiting = {
            (int(storefront), order): ids
            for storefront, one in slices.items()
            for order, ids in one.get("delivered", {}).items()
        }
        for key in done & waiting.keys():
            assert not {one["id"] for one in orders[key]} & set(waiting[key])
        if self.acknowledge["since"]:
            ids = {project["id"] for order_id in done for project in orders[order_id]}
            assert ids - self.traceless <= self.acknowledged


def key_of(project: dict[str, Any]) -> tuple[int, str]:
    return project["storefrontId"], project["orderId"]


def artifacts_in(row: dict[str, Any]) -> set[str]:
    if "artifactId" in row:
        return {row["artifactId"]}
    return {file["artifactId"] for file in row["outputFileDetails"] or []}


@histories(100)
@given(
    days=DAYS,
    page_cap=st.sampled_from([2, 100]),
    moves=st.booleans(),
    processing_moves=st.booleans(),
    streams=st.sampled_from([STREAMS, (RESULTS,), (RESULTS, FILES)]),
    mode=st.sampled_from(["order_data", "status"]),
    since=st.sampled_from([LONG_AGO, LONG_AGO, None]),
)
def test_given_any_history_when_syncs_are_lost_and_killed_then_no_order_is_acknowledged_before_a_state_covers_its_files(
    days: list[Day],
    page_cap: int,
    moves: bool,
    processing_moves: bool,
    streams: tuple[str, ...],
    mode: str,
    since: str | None,
) -> None:
    switches = Switches(
        page_cap=page_cap,
        order_data_moves_last_modified=moves,
        status_moves_last_modified=moves,
        processing_moves_last_modified=processing_moves,
    )
    with Sandbox(empty=True, switches=switches, start="2026-01-10T12:00:00Z") as sandbox:
        sandbox.shop.add_storefront(STOREFRONT)
        sandbox.shop.add_storefront(OTHER)
        history = History(sandbox, streams, {**MODES[mode], "since": since})
        for day in days:
            for event in day.events:
                history.happen(*event)
            history.sync(day.fate, day.after, day.every)
        sandbox.shop.show_storefront(OTHER)
        for _ in range(3):
            history.sync()
        before = posts(sandbox)
        history.sync()
        assert posts(sandbox) == before
        history.assert_all_is_acknowledged()
