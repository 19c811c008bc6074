"""Random histories of a shop: whatever happens between, during and to the syncs, nothing is lost and nothing repeated.

`HISTORIES=2000 pytest integration_tests/test_histories.py` plays more of them.
"""

import json
import os
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from integration_tests.engine import KEYS, STREAMS, Read, States, Warehouse, read, states_of
from sandbox import Missing, Sandbox, Switches
from source_customerscanvas.sync.kinds import ARTIFACTS, PROJECTS, RESULTS
from source_customerscanvas.times import to_utc

HISTORIES = int(os.environ.get("HISTORIES", "200"))
STOREFRONT = 11

STATUSES = st.sampled_from([None, "Pending", "InProgress", "Completed", "Failed"])
PICKS = st.integers(min_value=0, max_value=10**6)


class ShopHistory(RuleBasedStateMachine):
    """A shop, a connection to it, and a warehouse; `covered` is what the states hold of what was emitted."""

    def __init__(self) -> None:
        super().__init__()
        self.sandbox: Sandbox | None = None

    @initialize(
        page_cap=st.sampled_from([2, 3, 7, 100]),
        nulls_first=st.sampled_from(["low", "high", "first", "last"]),
        tie_break=st.sampled_from(["id", "unstable"]),
        time_format=st.sampled_from(["7Z", "0", "+00:00", "offset", "none"]),
        moves=st.booleans(),
        before_run=st.sampled_from(["404", "pending"]),
        early=st.booleans(),
        before=st.integers(min_value=0, max_value=12),
    )
    def open(
        self,
        page_cap: int,
        nulls_first: Any,
        tie_break: Any,
        time_format: Any,
        moves: bool,
        before_run: Any,
        early: bool,
        before: int,
    ) -> None:
        switches = Switches(
            page_cap=page_cap,
            nulls_first=nulls_first,
            tie_break=tie_break,
            time_format=time_format,
            processing_moves_last_modified=moves,
            run_moves_last_modified=moves,
            results_before_run=before_run,
            final_artifacts_appear_early=early,
        )
        self.sandbox = Sandbox(empty=True, switches=switches, clock="manual").open()
        self.shop = self.sandbox.shop
        self.shop.add_storefront(id=STOREFRONT)
        self.states: States = {}
        self.warehouse = Warehouse()
        self.covered = Warehouse()
        # a finished project that was run again, and has finished again before the next sync, may leave no trace
        self.traceless: dict[str, set[int]] = {stream: set() for stream in STREAMS}
        for number in range(before):
            self.create(["Completed", "Completed", "Failed", None, "InProgress"][number % 5], number % 3)

    def teardown(self) -> None:
        if self.sandbox:
            self.sandbox.close()

    def pick(self, number: int) -> int | None:
        ids = self.shop.project_ids()
        return ids[number % len(ids)] if ids else None

    @rule(status=STATUSES, order=st.integers(min_value=0, max_value=3))
    def create(self, status: Any, order: int) -> None:
        self.shop.create_project(storefront_id=STOREFRONT, order_id=f"50{order}", processing=status, files=2)

    @rule(number=PICKS)
    def modify(self, number: int) -> None:
        project_id = self.pick(number)
        if project_id is not None:
            self.time_passes(1)
            self.shop.modify_project(project_id, name=f"name {number}")
            self.traceless[RESULTS].discard(project_id)

    @rule(number=PICKS, status=st.sampled_from(["Pending", "InProgress", "Completed", "Failed"]))
    def process(self, number: int, status: Any) -> None:
        project_id = self.pick(number)
        if project_id is not None:
            self.time_passes(1)
            is_finished = self.shop.project(project_id)["processingStatus"] == "Completed"
            if is_finished and not self.shop.switches.processing_moves_last_modified:
                for ids in self.traceless.values():
                    ids.add(project_id)
            self.shop.process(project_id, status, files=1 + number % 3)

    @rule(number=PICKS)
    def remove(self, number: int) -> None:
        project_id = self.pick(number)
        if project_id is not None:
            self.shop.remove_project(project_id)

    @rule(seconds=st.sampled_from([1, 60, 700, 86_400, 31_536_000]))
    def time_passes(self, seconds: int) -> None:
        assert self.sandbox
        self.sandbox.advance(seconds)

    def sync_streams(self, streams: tuple[str, ...], state_projects: int) -> dict[str, Read]:
        assert self.sandbox
        reads = read(
            self.sandbox,
            self.states,
            streams,
            state_projects=state_projects,
            artifact_types=["Final", "Service"],
            storefront_ids=[STOREFRONT],
        )
        for taken in reads.values():
            assert taken.error is None
        return reads

    @rule(
        streams=st.sampled_from([STREAMS, STREAMS, ("processing_results",), ("projects", "artifact_files")]),
        during=st.one_of(
            st.none(), st.tuples(st.integers(1, 4), st.sampled_from(["modify", "create", "remove"]), PICKS)
        ),
    )
    def sync(self, streams: tuple[str, ...], during: tuple[int, str, int] | None) -> None:
        assert self.sandbox
        ids_before = set(self.shop.project_ids())
        hook = None
        if during:
            page, change, number = during
            act = {"modify": self.modify, "remove": self.remove, "create": lambda n: self.create("Completed", n % 3)}
            hook = self.sandbox.on(r"/projects$", lambda request: act[change](number), nth=page)
        reads = self.sync_streams(streams, state_projects=200)
        if hook:
            hook.remove()
        for stream, taken in reads.items():
            self.assert_nothing_twice(stream, taken.records)
            self.warehouse.take(stream, taken.records)
            self.covered.take(stream, taken.records)
            self.states[stream] = taken.states[-1]
            self.assert_complete(stream, ids_before & set(self.shop.project_ids()))
            if not during:
                self.assert_up_to_date(stream)
                self.traceless[stream] -= {id_ for id_ in self.shop.project_ids() if not self.is_completed(id_)}

    @rule(at=PICKS, every=st.sampled_from([1, 2, 5]))
    def killed_sync(self, at: int, every: int) -> None:
        for stream, taken in self.sync_streams(STREAMS, state_projects=every).items():
            self.assert_nothing_twice(stream, taken.records)
            messages = taken.messages[: at % (len(taken.messages) + 1)]
            uncovered: list[Any] = []
            for kind, content in messages:
                if kind == "record":
                    uncovered.append(content)
                else:
                    self.covered.take(stream, uncovered)
                    uncovered = []
                    self.states[stream] = content
            self.warehouse.take(stream, [content for kind, content in messages if kind == "record"])

    def assert_nothing_twice(self, stream: str, records: list[Any]) -> None:
        """No record is one that a state which the sync was given covers already."""
        if stream in ("projects", "processing_results"):
            for record in records:
                assert self.covered.tables[stream].get(record[KEYS[stream]]) != record

    def is_completed(self, project_id: int) -> bool:
        return bool(self.shop.project(project_id)["processingStatus"] == "Completed")

    def assert_complete(self, stream: str, ids: set[int]) -> None:
        """All projects that were there all the time have been emitted."""
        if stream in (PROJECTS, RESULTS):
            assert ids <= self.warehouse.tables[stream].keys()

    def assert_up_to_date(self, stream: str) -> None:
        table = self.warehouse.tables[stream]
        for project in self.shop.projects():
            if project["id"] in self.traceless[stream]:
                continue
            expected, results = expected_project(project), results_of(self.shop, project["id"])
            if stream == PROJECTS:
                assert table[project["id"]] == expected
            elif stream == RESULTS:
                row = table[project["id"]]
                assert {key: row[key] for key in results} == results
                assert row["updatedAt"] == expected["updatedAt"]
            elif stream == ARTIFACTS or results["status"] == "Completed":
                for file in results["outputFileDetails"] or []:
                    row = table[file["artifactId"]]
                    assert (row["projectId"], row["name"]) == (project["id"], file["name"])
                    assert row["lastModified"] == to_utc(self.shop.artifact(file["artifactId"])["lastModified"])

    @rule()
    def two_syncs_without_news(self) -> None:
        """Once everything was taken up, there is nothing to emit."""
        for _ in range(2):
            reads = self.sync_streams(STREAMS, state_projects=200)
            for stream, taken in reads.items():
                self.assert_nothing_twice(stream, taken.records)
                self.warehouse.take(stream, taken.records)
                self.covered.take(stream, taken.records)
            self.states = states_of(reads)
        assert {stream: taken.records for stream, taken in reads.items()} == {stream: [] for stream in STREAMS}

    @invariant()
    def states_are_small(self) -> None:
        if self.sandbox and self.states:
            assert all(len(json.dumps(state)) < 6_000 for state in self.states.values())


def expected_project(project: dict[str, Any]) -> dict[str, Any]:
    created, modified = to_utc(project["created"]), to_utc(project["lastModified"])
    return {**project, "created": created, "lastModified": modified, "updatedAt": modified or created}


def results_of(shop: Any, project_id: int) -> dict[str, Any]:
    try:
        return dict(shop.results(project_id))
    except Missing:
        return {"status": "Pending", "statusDescription": None, "outputFileDetails": None}


TestHistories = ShopHistory.TestCase
TestHistories.settings = settings(
    max_examples=HISTORIES,
    stateful_step_count=14,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
