"""A shop in memory that answers what the engine asks a client for, without a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from threading import Event
from typing import Any, cast

from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.api.listing import Row
from source_customerscanvas.api.projects import PATH, Project
from source_customerscanvas.errors import NotFound
from source_customerscanvas.sync.lists import ProjectLists
from source_customerscanvas.sync.progress import StreamProgress
from source_customerscanvas.sync.slices import Slice
from source_customerscanvas.times import format_utc, parse_utc

ARTIFACTS_PATH = "storage/v1/artifacts"
START = "2026-01-31T12:00:00.000000Z"
SLICE = Slice(11)

_SORTED_BY = {"LastModified": "lastModified", "Created": "created", "Id": "id"}
_FILTERS = {"storefrontId": "storefrontId", "orderId": "orderId", "processingStatus": "processingStatus"}


class ListedShop:
    """Projects, results and artifacts; stands for the client and for the clock. `asked` are the requests."""

    def __init__(self, page_cap: int = 100) -> None:
        self.rows: dict[int, Row] = {}
        self.results: dict[int, Row] = {}
        self.artifacts: dict[str, Row] = {}
        self.documents: dict[int, Any] = {}
        """What the shop says of the order of a project: its document, or an error to raise."""
        self.page_cap = page_cap
        self.nulls_first = False
        """Whether a list with the newest on top begins with the rows that have no time."""
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.posted: list[tuple[str, dict[str, Any]]] = []
        self.stopping = Event()
        self.on_ask: Callable[[str, Mapping[str, Any]], None] = lambda path, params: None
        self._now = parse_utc(START)

    # the clock

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._now.timestamp()

    def wait(self, seconds: float, stop: Event | None = None) -> None:
        self.pass_time(seconds=seconds)

    def shop_now(self) -> datetime:
        return self._now

    def pass_time(self, minutes: float = 0, seconds: float = 0) -> None:
        self._now += timedelta(minutes=minutes, seconds=seconds)

    @property
    def time(self) -> str:
        return format_utc(self._now)

    # the client

    def client(self) -> ApiClient:
        return cast(ApiClient, self)

    def get_json(
        self, path: str, params: Mapping[str, Any] | None = None, understand: Callable[[Any], Any] | None = None
    ) -> Any:
        self.asked.append((path, dict(params or {})))
        self.on_ask(path, params or {})
        answer = self._answer(path, params or {})
        return understand(answer) if understand else answer

    def post(self, path: str, params: Mapping[str, Any] | None = None, json: Any = None) -> None:
        self.posted.append((path, dict(params or {})))

    def _answer(self, path: str, params: Mapping[str, Any]) -> Any:
        if path == PATH:
            return self._page(self.rows.values(), params)
        if path == ARTIFACTS_PATH:
            return self._page(self.artifacts.values(), params)
        kind, _, name = path.partition(f"{PATH}/")[2].partition("/")
        if path.startswith(ARTIFACTS_PATH):
            found: Any = self.artifacts.get(path.rpartition("/")[2])
        elif name == "order":
            found = self.documents.get(int(kind))
        elif name:
            found = self.results.get(int(kind)) if int(kind) in self.rows else None
        else:
            found = self.rows.get(int(kind))
        if isinstance(found, Exception):
            raise found
        if found is None:
            raise NotFound(path)
        return found

    def _page(self, rows: Any, params: Mapping[str, Any]) -> Row:
        wanted = {_FILTERS[name]: value for name, value in params.items() if name in _FILTERS}
        found = [row for row in rows if all(row.get(name) == value for name, value in wanted.items())]
        if "status" in params:
            found = [row for row in found if str(row.get("status")) == params["status"]]
        for one in reversed(str(params.get("sorting") or "Id ASC").split(",")):
            name, _, direction = one.partition(" ")
            field = _SORTED_BY[name]
            found.sort(
                key=lambda row: ((row[field] is None) is self.nulls_first, row[field]), reverse=direction == "DESC"
            )
        skip = int(params.get("skip", 0))
        take = min(int(params.get("take", 100)), self.page_cap)
        return {"total": len(found), "items": [dict(row) for row in found[skip : skip + take]]}

    # what happens in the shop

    def create(self, processing: str | None = "Completed", **fields: Any) -> int:
        """A new project; a completed one has run once."""
        id_ = max(self.rows, default=0) + 1
        row = {
            "id": id_,
            "storefrontId": 11,
            "orderId": "5001",
            "orderNumber": None,
            "status": 1,
            "created": self.time,
            "lastModified": None,
            "processingStatus": processing,
        }
        self.rows[id_] = {**row, **fields}
        if processing is not None and processing != "Pending":
            self.run(id_, processing)
        return id_

    def run(self, id_: int, status: str, *, is_shown: bool = True) -> None:
        """Let a project's run reach a status; a list may show it later (see `show`)."""
        files = None
        if status == "Completed":
            artifact = f"{id_}-{sum(name.startswith(f'{id_}-') for name in self.artifacts)}"
            file = {"name": "print.pdf", "format": "pdf", "size": 1}
            self.artifacts[artifact] = {**file, "id": artifact, "type": "Final", "lastModified": self.time}
            files = [{**file, "artifactId": artifact}]
        self.results[id_] = {"status": status, "statusDescription": None, "outputFileDetails": files}
        if is_shown:
            self.show(id_)

    def show(self, id_: int) -> None:
        """Let the lists show what the results say."""
        self.rows[id_]["processingStatus"] = self.results[id_]["status"]

    def modify(self, id_: int, **fields: Any) -> None:
        self.rows[id_] = {**self.rows[id_], "lastModified": self.time, **fields}

    def remove(self, id_: int) -> None:
        del self.rows[id_]

    def project(self, id_: int) -> Project:
        found = Project.from_row(self.rows[id_])
        assert found
        return found

    def lists(self, *streams: StreamProgress, slice_: Slice = SLICE) -> ProjectLists:
        return ProjectLists(self.client(), slice_, streams)

    def asked_for(self, word: str) -> list[dict[str, Any]]:
        """The parameters of the requests whose path ends like that."""
        return [params for path, params in self.asked if path.endswith(word)]
