"""Random histories of a shop: whatever happens between, during and to the syncs, nothing is lost and nothing repeated.

`HISTORIES=2000 pytest integration_tests/incremental/test_histories.py` plays others, and more of them. What a sync
cannot know in a bounded number of requests is told by `traces`.
"""

import json
from collections.abc import Callable
from datetime import timedelta
from math import ceil, log2
from typing import Any

import pytest
from hypothesis import Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from integration_tests.engine import STREAMS, Read, States, Warehouse, key_of, read
from integration_tests.expected import results_of
from integration_tests.histories import ARE_THE_SAME, histories
from integration_tests.incremental.traces import Look, Traces
from sandbox import Sandbox, Switches
from source_customerscanvas.settings import Statuses
from source_customerscanvas.sync.kinds import (
    FILES,
    OF_ARTIFACTS,
    OF_ORDERS,
    ORDERS,
    PROJECTS,
    RESULTS,
    SHOP_ORDERS,
)
from source_customerscanvas.times import to_utc

PARTS = 8
"""In which they are played, each by whichever process of the tests has nothing else to do."""

STOREFRONTS = (11, 12)
ALL = (*STREAMS, ORDERS, SHOP_ORDERS)

PICKS = st.integers(min_value=0, max_value=10**6)
RUNS = st.sampled_from(["Pending", "InProgress", "Completed", "Completed", "Failed"])
ORDER_IDS = st.sampled_from([None, "500", "501", "502"])
CODES = st.sampled_from([1, 2, 3, 5])
DATES = {
    "ahead": ("last_modified", timedelta(hours=5)),
    "created ahead": ("created", timedelta(hours=5)),
    "modified before it was created": ("last_modified", timedelta(days=-400)),
}


class ShopHistory(RuleBasedStateMachine):
    """A shop, a connection to it, and a warehouse; `covered` is what the states hold of what was emitted."""

    def __init__(self) -> None:
        super().__init__()
        self.sandbox: Sandbox | None = None

    @initialize(
        page_cap=st.sampled_from([2, 2, 3, 7, 100]),
        nulls_first=st.sampled_from(["low", "high", "first", "last"]),
        tie_break=st.sampled_from(["id", "unstable"]),
        time_format=st.sampled_from(["7Z", "0", "+00:00", "offset", "none"]),
        moves=st.booleans(),
        before_run=st.sampled_from(["404", "204", "pending"]),
        status_before_run=st.sampled_from([None, None, "Pending"]),
        early=st.booleans(),
        ahead=st.sampled_from([0.0, 0.0, 7200.0, -7200.0]),
        statuses=st.sampled_from(
            [Statuses("all"), Statuses("all"), Statuses("only", (1, 3)), Statuses("except", (2, 5))]
        ),
        documents=st.sampled_from([{}, {"12": "404"}, {"12": "501"}, {"12": "problem"}]),
        before=st.sampled_from([0, 5, 9, 12]),
        is_synced=st.booleans(),
    )
    def open(self, before: int, statuses: Statuses, is_synced: bool, **switches: Any) -> None:
        """A shop with a history, a day for each project, of which a first sync has perhaps been made."""
        self.sandbox = Sandbox(empty=True, switches=switches_of(**switches), clock="manual").open()
        self.shop = self.sandbox.shop
        for storefront in STOREFRONTS:
            self.shop.add_storefront(id=storefront)
        self.states: States = {}
        self.warehouse = Warehouse()
        self.covered = Warehouse()
        self.statuses = statuses
        self.traces = {stream: Traces(stream, statuses) for stream in ALL}
        self.obsolete: set[int] = set()
        self.hidden: set[int] = set()
        self.changed: set[int] = set()
        """Projects that changed since a whole sync of all streams."""
        self.half_known: set[int] = set()
        """Those of which a sync that was killed may have told something else: the row before comes again then."""
        for number in range(before):
            self.time_passes(86_400)
            status: Any = ["Completed", "Completed", "Failed", None, "InProgress"][number % 5]
            order = [f"50{number % 3}", None][number % 4 == 2]
            code, storefront = 1 + number % 5, STOREFRONTS[number % 4 == 3]
            self.shop.create_project(storefront, order, processing=status, files=2, status=code)
        if is_synced:
            self.sync(ALL)

    def teardown(self) -> None:
        if self.sandbox:
            self.sandbox.close()

    # what happens in the shop

    def change(self, number: int, act: Callable[[int], object], *, of: str | None = None) -> None:
        """Something happens to one of the projects (of a status), a second later than all before."""
        rows = [row for row in self.shop.projects() if row["id"] not in self.obsolete]
        ids = [row["id"] for row in rows if of is None or row["processingStatus"] == of]
        if not ids:
            return
        self.time_passes(1)
        id_ = ids[number % len(ids)]
        before = self.look(id_)
        act(id_)
        after = self.look(id_)
        self.changed.add(id_)
        for traces in self.traces.values():
            traces.changed(before, after)

    def look(self, id_: int) -> Look:
        artifacts = {one["id"]: one["lastModified"] for one in self.shop.artifacts(id_)}
        return Look(self.shop.project(id_), results_of(self.shop, id_), artifacts)

    @rule(
        status=st.sampled_from([None, "Pending", "InProgress", "Completed", "Completed", "Failed"]),
        order=ORDER_IDS,
        storefront=st.sampled_from([11, 11, 12]),
        code=CODES,
        dated=st.sampled_from([None, None, None, "least", *DATES]),
    )
    def create(self, status: Any, order: Any, storefront: int, code: int, dated: str | None = None) -> None:
        times: dict[str, Any] = {}
        if dated == "least":
            times["last_modified"] = "0001-01-01T00:00:00"
        elif dated:
            field, off = DATES[dated]
            times[field] = self.shop.now() + off
        self.shop.create_project(storefront, order, processing=status, files=2, status=code, **times)

    @rule(number=PICKS)
    def modify(self, number: int) -> None:
        self.change(number, lambda id_: self.shop.modify_project(id_, name=f"name {number}"))

    @rule(number=PICKS, status=RUNS)
    def process(self, number: int, status: Any) -> None:
        self.change(number, lambda id_: self.shop.process(id_, status, files=1 + number % 3))

    @rule(number=PICKS, status=RUNS, moves=st.booleans())
    def add_run(self, number: int, status: Any, moves: bool) -> None:
        add = self.shop.add_item_run if number % 2 else self.shop.post_process
        self.change(number, lambda id_: add(id_, status, moves_last_modified=moves))

    @rule(number=PICKS)
    def add_file(self, number: int) -> None:
        self.change(number, self.shop.add_output_file, of="Completed")

    @rule(number=PICKS, is_replaced=st.booleans())
    def make_file_anew(self, number: int, is_replaced: bool) -> None:
        make = self.shop.replace_artifact if is_replaced else self.shop.regenerate_artifact

        def act(id_: int) -> None:
            for one in self.shop.artifacts(id_)[:1]:
                make(one["id"])

        self.change(number, act, of="Completed")

    def make_anew(self, number: int) -> None:
        """A file is made anew, and its project tells."""

        def act(id_: int) -> None:
            for one in self.shop.artifacts(id_)[:1]:
                self.shop.regenerate_artifact(one["id"])
            self.shop.modify_project(id_, name=f"anew {number}")

        self.change(number, act, of="Completed")

    @rule(number=PICKS, code=CODES, moves=st.booleans())
    def set_status(self, number: int, code: int, moves: bool) -> None:
        self.change(number, lambda id_: self.shop.set_status(id_, code, moves))

    @rule(number=PICKS, order=ORDER_IDS, storefront=st.sampled_from([None, None, 11, 12]))
    def move(self, number: int, order: Any, storefront: int | None) -> None:
        self.change(number, lambda id_: self.shop.move_project(id_, order, storefront))

    @rule(number=PICKS)
    def make_obsolete(self, number: int) -> None:
        def act(id_: int) -> None:
            self.vanish(id_)
            self.shop.make_obsolete(id_)
            self.obsolete.add(id_)

        self.change(number, act)

    @rule(number=PICKS)
    def remove(self, number: int) -> None:
        ids = self.shop.project_ids()
        if ids:
            id_ = ids[number % len(ids)]
            self.vanish(id_)
            self.shop.remove_project(id_)

    def vanish(self, id_: int) -> None:
        for traces in self.traces.values():
            traces.vanished(self.look(id_))

    @rule(storefront=st.sampled_from(STOREFRONTS))
    def hide_or_show_storefront(self, storefront: int) -> None:
        if storefront in self.hidden:
            self.shop.show_storefront(storefront)
            self.hidden.remove(storefront)
        elif not self.hidden:
            self.shop.hide_storefront(storefront)
            self.hidden.add(storefront)

    @rule(seconds=st.sampled_from([1, 60, 300, 700, 86_400, 31_536_000]))
    def time_passes(self, seconds: int) -> None:
        assert self.sandbox
        self.sandbox.advance(seconds)

    # what syncs do

    def sync_streams(self, streams: tuple[str, ...] = ALL, state_projects: int = 200) -> dict[str, Read]:
        assert self.sandbox
        reads = read(
            self.sandbox,
            self.states,
            streams,
            state_projects=state_projects,
            artifact_types=["Final", "Service"],
            statuses={"mode": self.statuses.mode, **({"codes": self.statuses.codes} if self.statuses.codes else {})},
        )
        for stream, taken in reads.items():
            assert taken.error is None
            self.assert_nothing_twice(stream, taken.records)
        return reads

    def passed(self, streams: tuple[str, ...], *, is_complete: bool, begins: bool = False) -> None:
        """A sync has looked at the shop (or begins to, while it is changed)."""
        looks = [self.look(row["id"]) for row in self.listed()]
        for stream in streams:
            storefronts = set() if begins else set(STOREFRONTS) - self.hidden
            self.traces[stream].passed(looks, storefronts, self.shop.now(), is_complete=is_complete, begins=begins)

    def listed(self) -> list[dict[str, Any]]:
        return [
            row
            for row in self.shop.projects()
            if row["id"] not in self.obsolete and row["storefrontId"] not in self.hidden
        ]

    def keep(self, reads: dict[str, Read]) -> None:
        for stream, taken in reads.items():
            self.warehouse.take(stream, taken.records)
            self.covered.take(stream, taken.records)
            self.states[stream] = taken.states[-1]

    @rule(
        streams=st.sampled_from(
            [ALL, ALL, ALL, STREAMS, (RESULTS,), (PROJECTS, FILES), (ORDERS,), (ORDERS, RESULTS), (SHOP_ORDERS, FILES)]
        ),
        pause=st.sampled_from([1, 300, 700, 700, 86_400]),
    )
    def sync(self, streams: tuple[str, ...], pause: int = 1) -> None:
        self.time_passes(pause)
        is_watched = all(self.traces[stream].watched >= set(STOREFRONTS) - self.hidden for stream in streams)
        reads = self.sync_streams(streams)
        self.keep(reads)
        for stream, taken in reads.items():
            keys = [key_of(stream, record) for record in taken.records]
            # the projects of an order may stand on several pages of a scan
            if stream not in OF_ORDERS or is_watched:
                assert len(keys) == len(set(keys))
        self.passed(streams, is_complete=True)
        if streams == ALL and not self.hidden:
            self.changed.clear()
            self.half_known.clear()
        for stream, taken in reads.items():
            self.assert_up_to_date(stream)
            if stream in OF_ARTIFACTS:
                self.assert_produced(taken)

    @rule(pause=st.sampled_from([1, 700, 86_400]))
    def sync_all(self, pause: int) -> None:
        self.sync(ALL, pause)

    @rule(pause=st.sampled_from([700, 86_400]), code=st.sampled_from([1, 3]))
    def sync_and_pass_on(self, pause: int, code: int) -> None:
        """What was seen becomes old: a project comes that is newer than the look-back window."""
        self.time_passes(pause)
        self.create("Completed", "503", 11, code)
        self.sync(ALL)

    @rule(
        page=st.integers(1, 6),
        change=st.sampled_from(["modify", "make anew", "create", "remove", "process"]),
        number=PICKS,
    )
    def disturbed_sync(self, page: int, change: str, number: int) -> None:
        assert self.sandbox
        ids_before = {row["id"] for row in self.listed()}
        act: dict[str, Callable[[], object]] = {
            "modify": lambda: self.modify(number),
            "make anew": lambda: self.make_anew(number),
            "remove": lambda: self.remove(number),
            "process": lambda: self.process(number, "Completed"),
            "create": lambda: self.create("Completed", f"50{number % 3}", 11, 1),
        }
        self.passed(ALL, is_complete=False, begins=True)
        hook = self.sandbox.on(r"/projects$", act[change], nth=page)
        reads = self.sync_streams()
        hook.remove()
        self.keep(reads)
        self.passed(ALL, is_complete=False)
        for stream in (PROJECTS, RESULTS):
            assert ids_before & set(self.shop.project_ids()) <= self.warehouse.tables[stream].keys()

    @rule(at=PICKS, every=st.sampled_from([1, 2, 5]))
    def killed_sync(self, at: int, every: int) -> None:
        for stream, taken in self.sync_streams(ALL, state_projects=every).items():
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
        self.half_known |= self.changed
        # perhaps no state was kept, and the next sync is the first one of a history
        self.passed(ALL, is_complete=False, begins=True)

    @precondition(lambda self: self.states)
    @rule()
    def syncs_without_news(self) -> None:
        """Once everything was taken up, there is nothing to emit, and what it costs does not grow with the history."""
        assert self.sandbox
        self.time_passes(3600)
        self.sync(ALL)
        self.sandbox.clear_requests()
        slices = [one for state in self.states.values() for one in state["slices"].values()]
        missing = {
            id_ for one in slices for id_ in one.get("missing", [])
        }  # asked for once more before it is forgotten
        reads = self.sync_streams()
        requests = len(self.sandbox.requests)
        assert {stream: taken.records for stream, taken in reads.items()} == {stream: [] for stream in ALL}
        self.keep(reads)
        self.passed(ALL, is_complete=True)
        assert requests <= self.most_requests() + 3 * len(missing)

    # what has to be true

    def assert_nothing_twice(self, stream: str, records: list[Any]) -> None:
        """No record is one that a state which the sync was given covers already."""
        if stream in (PROJECTS, RESULTS):
            for record in records:
                if key_of(stream, record) in self.half_known:
                    continue
                assert self.covered.tables[stream].get(key_of(stream, record)) != record

    def assert_produced(self, taken: Read) -> None:
        for record in taken.records:
            assert self.statuses.includes(self.shop.project(record["projectId"])["status"])

    def assert_up_to_date(self, stream: str) -> None:
        if stream in OF_ORDERS:
            self.assert_orders(stream)
            return
        traces, table = self.traces[stream], self.warehouse.tables[stream]
        for project in self.listed():
            expected, results = expected_project(project), results_of(self.shop, project["id"])
            if stream in OF_ARTIFACTS:
                if self.statuses.includes(project["status"]):
                    self.assert_files(stream, project, results)
            elif project["id"] in traces.exempt | traces.silent.keys():
                assert project["id"] in table
            elif stream == PROJECTS:
                assert table[project["id"]] == expected
            else:
                order = {name: project[name] for name in ("storefrontId", "orderId", "orderNumber")}
                order |= {"projectId": project["id"], "updatedAt": expected["updatedAt"]}
                assert table[project["id"]] == {**order, **results}

    def assert_files(self, stream: str, project: dict[str, Any], results: dict[str, Any]) -> None:
        traces, table = self.traces[stream], self.warehouse.tables[stream]
        unknown = traces.exempt | traces.silent.get(project["id"], set())
        for file in results["outputFileDetails"] or []:
            if file["artifactId"] in unknown:
                continue
            row = table[file["artifactId"]]
            assert (row["projectId"], row["name"]) == (project["id"], file["name"])
            assert row["lastModified"] == to_utc(self.shop.artifact(file["artifactId"])["lastModified"])
            if file["artifactId"] not in traces.former_order:
                head = {name: project[name] for name in ("storefrontId", "orderId", "orderNumber")}
                assert {name: row[name] for name in head} == head

    def assert_orders(self, stream: str) -> None:
        table, stale = self.warehouse.tables[stream], self.traces[stream].stale_orders
        orders: dict[Any, list[Any]] = {}
        for project in self.listed():
            if project["orderId"]:
                orders.setdefault((project["storefrontId"], project["orderId"]), []).append(project)
        for key, projects in orders.items():
            if key in stale:
                continue
            if stream == ORDERS:
                assert as_told(table[key]) == self.expected_order(key, projects)
            elif self.shop.switches.order_documents_of and key[0] == 12:
                assert key not in table
            else:
                assert table[key]["order"] == self.shop.order_document(*key)
                assert table[key]["updatedAt"] == max(expected_project(one)["updatedAt"] for one in projects)
        left = [key for key in table.keys() - orders.keys() - stale if key[0] not in self.hidden]
        assert stream != ORDERS or all(table[key]["projects"] == [] for key in left)

    def expected_order(self, key: Any, projects: list[Any]) -> dict[str, Any]:
        told = []
        for one in sorted(projects, key=lambda one: int(one["id"])):
            state = {"Completed": "Ready", "Failed": "Failed"}.get(one["processingStatus"], "InProgress")
            state = state if self.statuses.includes(one["status"]) else "Held"
            status = one["processingStatus"] or "Pending"
            told.append(
                {"id": one["id"], "name": one["name"], "status": one["status"], "processingStatus": status}
                | {"state": state}
            )
        states = [one["state"] for one in told if one["state"] != "Held"]
        state = "Held" if not states else "Failed" if "Failed" in states else "InProgress"
        state = "Ready" if set(states) == {"Ready"} else state
        return {
            **dict(zip(("storefrontId", "orderId"), key, strict=True)),
            "updatedAt": max(expected_project(one)["updatedAt"] for one in projects),
            "created": min(to_utc(one["created"]) or "" for one in projects),
            "projectCount": len(told),
            "readyCount": states.count("Ready"),
            "failedCount": states.count("Failed"),
            "unfinishedCount": states.count("InProgress"),
            "state": state,
            "projects": told,
        }

    def most_requests(self) -> int:
        """What a sync without news may cost: it grows with what is unfinished, held or recent, not with the rest."""
        listed, cap = self.listed(), self.shop.switches.page_cap
        most = 1 + 1 + len(STOREFRONTS)  # the token; the storefronts, at least one on a page
        for storefront in set(STOREFRONTS) - self.hidden:
            rows = [row for row in listed if row["storefrontId"] == storefront]
            looks = [self.look(row["id"]) for row in rows]
            unfinished = [one for one in looks if not one.is_finished]
            held = [one for one in looks if not self.statuses.includes(one.row["status"])]
            most += 5 + 3 * ceil(len(unfinished) / cap) + len(CODES_HELD) + ceil(len(held) / cap)
            most += 2 * ceil(log2(len(rows) + 1))
        return most

    @invariant()
    def states_are_small(self) -> None:
        if self.sandbox and self.states:
            assert all(len(json.dumps(state)) < 10_000 for state in self.states.values())


CODES_HELD = (2, 5)


def switches_of(
    moves: bool, before_run: Any, status_before_run: Any, early: bool, ahead: float, documents: Any, **lists: Any
) -> Switches:
    return Switches(
        **lists,
        processing_moves_last_modified=moves,
        run_moves_last_modified=moves,
        results_before_run=before_run,
        processing_status_before_run=status_before_run,
        final_artifacts_appear_early=early,
        shop_clock_ahead=ahead,
        order_documents_of=documents,
    )


def expected_project(project: dict[str, Any]) -> dict[str, Any]:
    created, modified = to_utc(project["created"]), to_utc(project["lastModified"])
    return {**project, "created": created, "lastModified": modified, "updatedAt": modified or created}


def as_told(row: dict[str, Any]) -> dict[str, Any]:
    """A row of `orders` without what is the same in all rows of a project; a run that does not exist is pending."""
    projects = [{**one, "processingStatus": one["processingStatus"] or "Pending"} for one in row["projects"]]
    others = ("orderNumber", "orderName", "orderUrl", "customerId", "customerName")
    return {**{name: value for name, value in row.items() if name not in others}, "projects": projects}


@pytest.mark.parametrize("part", range(PARTS))
def test_given_a_random_history_when_synced_then_nothing_is_lost_and_nothing_repeated(part: int) -> None:
    class Part(ShopHistory):
        pass

    run_state_machine_as_test(
        # each part has histories of its own
        seed(part)(Part) if ARE_THE_SAME else Part,
        settings=settings(
            histories(200, PARTS),
            derandomize=False,
            # threads decide what a killed sync has said, so that a shorter history need not fail again
            phases=[Phase.generate],
            stateful_step_count=40,
        ),
    )
