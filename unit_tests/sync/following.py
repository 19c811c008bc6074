"""A stream that follows a shop as the engine does, one step at a time: so that it can be killed at any moment."""

from __future__ import annotations

import copy
import json
from typing import Any

from source_customerscanvas.api.artifacts import Artifacts
from source_customerscanvas.api.listing import Row
from source_customerscanvas.api.projects import Project
from source_customerscanvas.settings import ALL_STATUSES, Settings, Statuses
from source_customerscanvas.state.scope import Scope
from source_customerscanvas.state.slice_state import SliceState
from source_customerscanvas.state.stream_state import StreamState
from source_customerscanvas.sync.artifacts_reader import ArtifactsReader
from source_customerscanvas.sync.files_reader import FilesReader
from source_customerscanvas.sync.jobs import Batch, Job
from source_customerscanvas.sync.kinds import OF_ARTIFACTS, RESULTS, digest_for
from source_customerscanvas.sync.lists import NEWEST_CREATED, NEWEST_MODIFIED
from source_customerscanvas.sync.order_reader import OrderReader
from source_customerscanvas.sync.outcomes import Outcome
from source_customerscanvas.sync.progress import StreamProgress
from source_customerscanvas.sync.project_reader import ProjectReader
from source_customerscanvas.sync.results_reader import ResultsReader
from source_customerscanvas.sync.scan import ScannedPage, scan_pages, start_watch
from source_customerscanvas.sync.settling import Settled
from source_customerscanvas.sync.watch import Watch
from unit_tests.sync.listed_shop import SLICE, ListedShop

KEY = SLICE.key
LOOKBACK = 10
HOLDING = 5
PRODUCED = Statuses("except", (HOLDING,))


class SettlingStream(StreamProgress):
    """Keeps what was last found of each project."""

    settled: dict[int, Settled]

    def settle(self, key: str, settled: Settled) -> None:
        super().settle(key, settled)
        self.settled[settled.project_id] = settled


class Following:
    """One stream over any number of syncs. `handed_over` is whatever was emitted, the last row of each key.

    `listed` are the rows that the lists showed when they were last read, as far as the state says that they were.
    """

    def __init__(self, name: str, page_cap: int = 3) -> None:
        self.name = name
        self.shop = ListedShop(page_cap)
        self.listed: dict[int, Row] = {}
        self.shown: set[str] = set()
        self.handed_over: dict[str, Row] = {}
        self.emitted = 0
        self.kills = 0
        self.jobs: list[Job] = []
        self._saved: tuple[Row, dict[int, Row], dict[int, Settled]] = ({}, {}, {})
        self._begin()

    def _begin(self) -> None:
        state, listed, settled = copy.deepcopy(self._saved)
        self.listed = listed
        self.jobs = []
        scope = Scope(statuses=PRODUCED if self.name in OF_ARTIFACTS else ALL_STATUSES)
        self.stream = SettlingStream(self.name, StreamState.from_json(self.name, state, scope), LOOKBACK)
        self.stream.settled = settled
        client = self.shop.client()
        settings = Settings("app", "s3cret", "https://hub.example", "https://api.example", statuses=PRODUCED)
        results = ResultsReader(client, self.shop)
        orders = OrderReader(settings, client, results, [self.stream])
        files = FilesReader(settings, client, None)
        self._reader = ProjectReader(
            settings, client, files, results, orders, ArtifactsReader(settings, Artifacts(client))
        )
        self._pages = None if self.state.scan is None else self._scan()

    @property
    def state(self) -> SliceState:
        return self.stream.state.slice(KEY)

    @property
    def value(self) -> dict[str, Any]:
        """The state of the slice as a person reads it."""
        value: dict[str, Any] = json.loads(json.dumps(self.stream.snapshot()["slices"][KEY]))
        return value

    def save(self) -> None:
        """A state is emitted."""
        self._saved = copy.deepcopy((self.stream.snapshot(), self.listed, self.stream.settled))

    def end_sync(self) -> None:
        """All that is to be read is read, then a sync ends and the next one begins."""
        while self.look() or self.jobs:
            self.read_all()
            if self._pages is None:
                break
        self.read_all()
        self.save()
        self._begin()

    def kill(self) -> None:
        """The sync ends without a word; the next one is given the last state."""
        self.kills += 1
        self._begin()

    def look(self) -> bool:
        """Read a page of the scan, or all lists of a watch; whether there may be more."""
        if self._pages is None:
            self.read_all()  # a watch begins when all that was handed out before is noted
            watch = Watch(self.shop.lists(self.stream), KEY, [self.stream], self.shop.time)
            watch.look(self.shop.lists(self.stream).top(NEWEST_MODIFIED))
            self._note_listed(self.shop.rows.values())
            self.jobs += list(watch.changes.jobs(Batch(SLICE)))
            return False
        projects = next(self._pages, None)
        if projects is None:
            self.state.scan = None
            self._pages = None
            return False
        page = ScannedPage(KEY, projects)
        for outcome in page.take([self.stream]):
            self._take(outcome)
        self.jobs += page.jobs(Batch(SLICE))
        self._note_listed(project.row for project in projects)
        return True

    def read_one(self, number: int) -> None:
        """A worker reads one of the projects that wait."""
        if self.jobs:
            job = self.jobs.pop(number % len(self.jobs))
            for found in self._reader.read(job):
                assert isinstance(found, Outcome)
                self._take(found)

    def read_all(self) -> None:
        while self.jobs:
            self.read_one(0)

    def _take(self, outcome: Outcome) -> None:
        self.emitted += len(outcome.records)
        for row, _ in outcome.records:
            if self.name == RESULTS:
                files = row["outputFileDetails"] or []
                self.handed_over |= {file["artifactId"]: row for file in files}
            else:
                self.handed_over[str(row.get("artifactId") or row["id"])] = row
        assert outcome.note
        outcome.note()

    def _scan(self) -> Any:
        lists = self.shop.lists(self.stream)
        tops = lists.top(NEWEST_MODIFIED), lists.top(NEWEST_CREATED)
        start_watch([self.stream], KEY, lists.newest(*tops, until=self.shop.time), self.shop.time)
        return scan_pages(lists, KEY, [self.stream])

    def _note_listed(self, rows: Any) -> None:
        for row in rows:
            self.listed[row["id"]] = dict(row)
            project = Project.from_row(row)
            assert project
            self.shown.add(digest_for(self.name, project))

    def files_of(self, project_id: int) -> list[str]:
        """The artifacts of a project's present run."""
        files = self.shop.results.get(project_id, {}).get("outputFileDetails") or []
        return [file["artifactId"] for file in files]

    def was_handed_over(self, project_id: int, until: str) -> bool:
        """Whether its present files that are older than a time were handed over."""
        return all(
            artifact in self.handed_over
            for artifact in self.files_of(project_id)
            if self.shop.artifacts[artifact]["lastModified"] < until
        )
