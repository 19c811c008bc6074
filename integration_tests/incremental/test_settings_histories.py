"""Random histories of a connection: whatever its settings were before, what they ask for now is there after a sync.

Between syncs the settings become wider and narrower, files go somewhere else, and streams are left out; syncs are
killed, and projects cannot be read for a while. `HISTORIES=2000 pytest
integration_tests/incremental/test_settings_histories.py` plays others, and more of them.
"""

from __future__ import annotations

import shutil
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import Phase, given, seed, settings
from hypothesis import strategies as st

from integration_tests.conftest import STOREFRONT, Connection, truth
from integration_tests.engine import STREAMS
from integration_tests.histories import ARE_THE_SAME, histories
from integration_tests.shops import DAY, HOUR, MINUTE
from sandbox import FileSpec, Sandbox
from source_customerscanvas.settings import Shard, Statuses
from source_customerscanvas.sync.kinds import ARTIFACTS, FILES, OF_ARTIFACTS, ORDERS, PROJECTS, RESULTS
from source_customerscanvas.times import to_utc

PARTS = 4
"""In which they are played, each by whichever process of the tests has nothing else to do."""

OTHER = 12
ALL = (*STREAMS, ORDERS)
HALF, THIRD = ({"count": count, "index": 0} for count in (2, 3))
CHOICES: dict[str, list[Any]] = {
    "statuses": [{"mode": "all"}, {"mode": "only", "codes": [1]}, {"mode": "except", "codes": [1]}],
    "start_date": [None, "2026-01-03", "2026-01-06"],
    "file_formats": [None, ["pdf"], ["zip"]],
    "artifact_types": [["Final", "Service"], ["Final"], ["Service"]],
    "storefront_ids": [None, [STOREFRONT], [OTHER]],
    "order_ids": [None, ["500"], ["500", "501"]],
    "shard": [None, HALF, THIRD],
    "files": [None, "here", "there"],
    "streams": [ALL, (PROJECTS, RESULTS), (FILES,), (ARTIFACTS, ORDERS)],
}
"""The first one of each asks for most, the last one for least."""

PDF, ZIP = FileSpec("a.pdf", "pdf", size=50), FileSpec("b.zip", "zip", size=60)
LOG = FileSpec("c.txt", "txt", size=10, type="Service")
RUNS: tuple[Any, ...] = ("Completed", "Completed", "Completed", "InProgress", "Failed")

NUMBERS = st.integers(0, 10**6)
CHANGES = st.tuples(st.sampled_from(["create", "modify", "run", "finish", "status", "regenerate"]), NUMBERS)
KILLED = st.tuples(st.just("killed"), st.integers(0, 40))
SYNCS = st.one_of(KILLED, KILLED, st.tuples(st.just("trouble"), NUMBERS), st.tuples(st.just("sync"), st.just(0)))
PAUSES = st.sampled_from([MINUTE, HOUR, DAY])


@st.composite
def plans(draw: st.DrawFn) -> tuple[list[str], list[Any]]:
    """The settings that change in a history, and its days: events of the shop, new choices, more events, and a sync."""
    names = draw(st.lists(st.sampled_from(sorted(CHOICES)), min_size=1, max_size=2, unique=True))
    choices = st.lists(st.tuples(st.sampled_from(names), NUMBERS), max_size=2)
    day = st.tuples(st.lists(CHANGES, max_size=2), choices, st.lists(CHANGES, max_size=1), PAUSES, SYNCS)
    return names, draw(st.lists(day, min_size=2, max_size=8))


class History:
    """A shop, a connection whose settings change, and the folders to which files go."""

    def __init__(self, sandbox: Sandbox, folder: Path, names: list[str]) -> None:
        """`names`: the settings that change; they begin with what asks for least."""
        self.sandbox = sandbox
        self.shop = sandbox.shop
        self.folder = folder
        self.connection = Connection(sandbox, ALL)
        self.chosen = {name: choices[-1 if name in names else 0] for name, choices in CHOICES.items()}

    # what happens in the shop: a change shows in `lastModified`, or is one that lists of unfinished projects show

    def change(self, event: str, number: int) -> None:
        self.sandbox.advance(1)
        if event == "create":
            order_id, storefront_id = ("500", "501", None)[number % 3], (STOREFRONT, OTHER)[number // 3 % 4 == 0]
            files, status = [PDF, ZIP, LOG], (1, 3)[number // 12 % 2]
            run = RUNS[number // 24 % len(RUNS)]
            self.shop.create_project(storefront_id, order_id, processing=run, files=files, status=status)
        elif ids := self.shop.project_ids():
            self.change_project(event, ids[number % len(ids)], number // len(ids))

    def change_project(self, event: str, project_id: int, number: int) -> None:
        if event == "finish" and self.shop.project(project_id)["processingStatus"] != "Completed":
            self.shop.process(project_id, "Completed")
            return
        if event == "run":
            self.shop.process(project_id, RUNS[number % len(RUNS)], files=[PDF, ZIP][: number % 3])
        elif event == "regenerate" and (artifacts := self.shop.artifacts(project_id)):
            self.shop.regenerate_artifact(artifacts[number % len(artifacts)]["id"])
        elif event == "status":
            self.shop.set_status(project_id, (1, 3)[number % 2])
        self.shop.modify_project(project_id, name=f"name {number}")

    # what is asked for, and what syncs do

    def choose(self, name: str, number: int) -> None:
        """Ask for a little more, or for anything."""
        choices = CHOICES[name]
        wider = max(choices.index(self.chosen[name]) - 1, 0)
        self.chosen[name] = choices[wider if number % 2 else number // 2 % len(choices)]

    def sync(self, kind: str, number: int) -> None:
        if kind == "sync":
            self.whole_sync()
        elif kind == "killed":
            self.read(killed_after=number, state_projects=1 + number % 2)
        elif ids := self.shop.project_ids():
            fault = self.sandbox.fault(rf"/projects/{ids[number % len(ids)]}/processing-results", status=400)
            self.read()
            fault.remove()

    def whole_sync(self) -> None:
        assert [taken.error for taken in self.read().values() if taken.error] == []
        self.assert_up_to_date()
        assert {stream: taken.records for stream, taken in self.read().items() if taken.records} == {}

    def read(self, **options: Any) -> Any:
        config = {name: value for name, value in self.chosen.items() if value is not None} | options
        files = self.chosen["files"] and self.folder / self.chosen["files"]
        reads = self.connection.read(**{**config, "files": files})
        for stream, taken in reads.items():
            self.connection.take_until_killed({stream: taken}, len(taken.messages))
        self.remove_what_lies_elsewhere()
        return reads

    def remove_what_lies_elsewhere(self) -> None:
        """Who begins to take files from another folder may empty the one before."""
        if state := self.connection.states.get(FILES):
            known = Path(str(state["scope"].get("files"))).name
            for path in self.folder.iterdir():
                if path.name not in (known, self.chosen["files"]):
                    shutil.rmtree(path)

    # what has to be true

    def assert_up_to_date(self) -> None:
        """Each stream that was read has all that is in the scope of the settings, as the API shows it now."""
        projects = {project["id"]: project for project in self.shop.projects() if self.is_wanted(project)}
        produced = {id_ for id_, project in projects.items() if self.statuses.includes(project["status"])}
        for stream, rows in truth(self.sandbox, set(projects)).items():
            table = self.connection.warehouse.tables[stream]
            if stream in self.chosen["streams"] and stream not in OF_ARTIFACTS:
                assert {key: table.get(key) for key in rows} == rows
        completed = [id_ for id_ in sorted(produced) if projects[id_]["processingStatus"] == "Completed"]
        artifacts = [artifact for project_id in completed for artifact in self.shop.artifacts(project_id)]
        if ARTIFACTS in self.chosen["streams"]:
            self.assert_artifacts(artifacts)
        if FILES in self.chosen["streams"]:
            self.assert_files([artifact for artifact in artifacts if artifact["type"] == "Final"])
        if ORDERS in self.chosen["streams"]:
            self.assert_orders({id_: project for id_, project in projects.items() if id_ in produced})

    def assert_artifacts(self, artifacts: list[dict[str, Any]]) -> None:
        table = self.connection.warehouse.tables[ARTIFACTS]
        for artifact in artifacts:
            if artifact["type"] in self.chosen["artifact_types"]:
                assert table[artifact["id"]]["lastModified"] == to_utc(artifact["lastModified"])

    def assert_files(self, artifacts: list[dict[str, Any]]) -> None:
        table, formats = self.connection.warehouse.tables[FILES], self.chosen["file_formats"]
        for artifact in artifacts:
            if formats and artifact["format"] not in formats:
                continue
            row = table[artifact["id"]]
            assert row["lastModified"] == to_utc(artifact["lastModified"])
            if self.chosen["files"]:
                content = (self.folder / self.chosen["files"] / row["filePath"]).read_bytes()
                assert sha256(content).hexdigest() == row["sha256"] == self.shop.file_sha256(artifact["id"])

    def assert_orders(self, produced: dict[int, dict[str, Any]]) -> None:
        table = self.connection.warehouse.tables[ORDERS]
        for id_, project in produced.items():
            if project["orderId"]:
                told = {one["id"]: one for one in table[project["storefrontId"], project["orderId"]]["projects"]}
                status = project["processingStatus"]
                state = {"Completed": "Ready", "Failed": "Failed"}.get(status, "InProgress")
                assert (told[id_]["name"], told[id_]["state"]) == (project["name"], state)

    @property
    def statuses(self) -> Statuses:
        return Statuses(self.chosen["statuses"]["mode"], tuple(self.chosen["statuses"].get("codes", ())))

    def is_wanted(self, project: dict[str, Any]) -> bool:
        storefronts, orders, shard, start = (
            self.chosen[name] for name in ("storefront_ids", "order_ids", "shard", "start_date")
        )
        key = project["storefrontId"], project["orderId"]
        return (
            (not storefronts or key[0] in storefronts)
            and (not orders or key[1] in orders)
            and (not shard or Shard(**shard).has(*key, project["id"]))
            and (not start or (project["lastModified"] or project["created"]) >= start)
        )


def play(before: list[int], plan: tuple[list[str], list[Any]], page_cap: int) -> None:
    names, days = plan
    with TemporaryDirectory() as folder, Sandbox(empty=True, start="2026-01-01T00:00:00Z", clock="manual") as sandbox:
        sandbox.switches.page_cap = page_cap
        for storefront_id in (STOREFRONT, OTHER):
            sandbox.shop.add_storefront(storefront_id)
        history = History(sandbox, Path(folder), names)
        for number in before:
            history.change("create", number)
            sandbox.advance(DAY)
        for earlier, choices, later, pause, sync in days:
            for event in earlier:
                history.change(*event)
            for name, number in choices:
                history.choose(name, number)
            for event in later:
                history.change(*event)
            sandbox.advance(pause)
            history.sync(*sync)
        history.whole_sync()


@pytest.mark.parametrize("part", range(PARTS))
def test_given_settings_that_change_when_synced_then_what_they_ask_for_is_there_and_comes_once(part: int) -> None:
    played = settings(
        histories(80, PARTS),
        derandomize=False,
        # threads decide what a killed sync has said, so that a shorter history need not fail again
        phases=[Phase.generate],
    )(given(st.lists(NUMBERS, min_size=3, max_size=10), plans(), st.sampled_from([2, 3, 100]))(play))
    # each part has histories of its own
    (seed(part)(played) if ARE_THE_SAME else played)()
