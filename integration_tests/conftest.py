"""What many tests share: shops, a clock that nobody has to wait for, and a connection that remembers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from threading import Event, Lock, current_thread
from typing import Any, cast

import pytest

from integration_tests.engine import STREAMS, Read, Row, States, Warehouse, key_of, read
from integration_tests.expected import results_of
from sandbox import Sandbox
from source_customerscanvas.sync.kinds import ARTIFACTS, FILES, PROJECTS, RESULTS
from source_customerscanvas.times import Clock, to_utc

STOREFRONT = 11


class ShopClock:
    """The sandbox's time, perhaps off by some minutes. Waiting takes no time, it only lets `monotonic` move on."""

    def __init__(self, sandbox: Sandbox, off: timedelta = timedelta()) -> None:
        self._sandbox = sandbox
        self._off = off
        self._lock = Lock()
        self._seconds = 0.0

    def now(self) -> datetime:
        return self._sandbox.now() + self._off

    def monotonic(self) -> float:
        with self._lock:
            return self._seconds

    def wait(self, seconds: float, stop: Event | None = None) -> None:
        if current_thread().name == "reporter":
            cast(Event, stop).wait(seconds)  # it reports for as long as the others work
            return
        with self._lock:
            self._seconds += seconds


class Connection:
    """A connection to the sandbox: its configuration, its states, and the warehouse where its records arrive."""

    def __init__(self, sandbox: Sandbox, streams: tuple[str, ...] = STREAMS, **config: Any) -> None:
        self.sandbox = sandbox
        self.streams = streams
        self.config = config
        self.clock: Clock = ShopClock(sandbox)
        self.states: States = {}
        self.warehouse = Warehouse()

    def read(self, streams: tuple[str, ...] | None = None, **options: Any) -> dict[str, Read]:
        """One sync from the states; what comes is only given back."""
        config = {"clock": self.clock, **self.config, **options}
        return read(self.sandbox, self.states, streams or self.streams, **config)

    def take(self, reads: dict[str, Read]) -> dict[str, list[Any]]:
        """Keep records and states; gives the keys of the records of each stream that has any."""
        for stream, taken in reads.items():
            self.warehouse.take(stream, taken.records)
            self.states[stream] = taken.states[-1]
        return {
            stream: [key_of(stream, record) for record in taken.records]
            for stream, taken in reads.items()
            if taken.records
        }

    def take_until_killed(self, reads: dict[str, Read], taken_of_each: int) -> None:
        """Keep what had come of each stream when the sync was killed after so many messages of each."""
        for stream, taken in reads.items():
            for kind, content in taken.messages[:taken_of_each]:
                if kind == "state":
                    self.states[stream] = content
                else:
                    self.warehouse.take(stream, [content])

    def sync(self, streams: tuple[str, ...] | None = None, **options: Any) -> dict[str, list[Any]]:
        """One sync without trouble; gives the keys of the records of each stream that has any."""
        reads = self.read(streams, **options)
        assert {stream: taken.error for stream, taken in reads.items() if taken.error} == {}
        return self.take(reads)

    def assert_up_to_date(self, ids: set[int] | None = None) -> None:
        """The warehouse holds what the API shows now, of these projects or of all."""
        for stream, rows in truth(self.sandbox, ids).items():
            if stream in self.streams:
                table = self.warehouse.tables[stream]
                assert {key: table.get(key) for key in rows} == rows, stream


def truth(sandbox: Sandbox, ids: set[int] | None = None) -> dict[str, dict[Any, Row]]:
    """The rows of each stream as they should be now."""
    rows: dict[str, dict[Any, Row]] = {stream: {} for stream in STREAMS}
    for project in sandbox.shop.projects():
        if ids is not None and project["id"] not in ids:
            continue
        created, modified = to_utc(project["created"]), to_utc(project["lastModified"])
        order = {"storefrontId": project["storefrontId"], "orderId": project["orderId"]}
        order |= {"orderNumber": project["orderNumber"], "projectId": project["id"]}
        times = {"created": created, "lastModified": modified, "updatedAt": modified or created}
        rows[PROJECTS][project["id"]] = {**project, **times}
        results = results_of(sandbox.shop, project["id"])
        rows[RESULTS][project["id"]] = {**order, "updatedAt": modified or created, **results}
        for file in results["outputFileDetails"] or []:
            artifact = sandbox.shop.artifact(file["artifactId"])
            last_modified = to_utc(artifact["lastModified"])
            item = {key: file[key] for key in ("orderLineItemId", "orderLineItemIndex", "projectItemId")}
            rows[ARTIFACTS][artifact["id"]] = {**artifact, "lastModified": last_modified, **order, **item}
            listed = {key: file[key] for key in ("artifactId", "name", "format", "size")}
            unfetched = {
                "sha256": None,
                "filePath": None,
                "fileUrl": None,
                "lastModified": last_modified,
            }
            rows[FILES][file["artifactId"]] = {**order, **listed, **unfetched}
    return rows


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A shop without projects, which gives pages of four: so a few projects are a long list."""
    with Sandbox(empty=True, start="2026-01-10T12:00:00Z") as sandbox:
        sandbox.switches.page_cap = 4
        sandbox.shop.add_storefront(STOREFRONT)
        yield sandbox


@pytest.fixture(scope="session")
def shop() -> Iterator[Sandbox]:
    """A shop with projects, for tests that leave them as they are."""
    with Sandbox(projects=60) as sandbox:
        yield sandbox


@pytest.fixture
def connection(sandbox: Sandbox) -> Connection:
    return Connection(sandbox)
