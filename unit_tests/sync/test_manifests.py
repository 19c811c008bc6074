"""When the manifest of an order is written, and what it says."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from source_customerscanvas.api.artifacts import Artifacts
from source_customerscanvas.api.projects import PATH, Results
from source_customerscanvas.errors import CustomersCanvasError, NotFound, ServerTrouble, StoreAway, StoreUnavailable
from source_customerscanvas.files.artifact_file import ArtifactFile, DeliveredFile
from source_customerscanvas.files.download import Downloader
from source_customerscanvas.settings import Settings, Statuses
from source_customerscanvas.state.scope import Scope
from source_customerscanvas.state.slice_state import Known, ManifestFiles
from source_customerscanvas.sync.files_reader import FilesReader
from source_customerscanvas.sync.kinds import FILES
from source_customerscanvas.sync.manifests import ManifestWriter, take_due_manifests
from source_customerscanvas.sync.outcomes import Outcome
from source_customerscanvas.sync.results_reader import ResultsReader
from unit_tests.sync.listed_shop import SLICE, ListedShop
from unit_tests.watched import KEY, LONG_AGO, settled, stream, watched

ORDER = "5001"


class Place:
    """Where files go; stands for the downloader. `content` is what was put there."""

    def __init__(self) -> None:
        self.content: dict[str, Any] = {}
        self.found: list[tuple[str, str]] = []
        self.delivered: list[tuple[str, str]] = []
        self.gone: set[str] = set()
        self.stored = True
        """Whether what was delivered earlier lies where it is looked for."""
        self.earlier: bytes | None = None
        """The manifest that lies there."""
        self.failure: Exception | None = None

    def put(self, path: str, content: bytes, content_type: str) -> DeliveredFile:
        assert content_type == "application/json"
        if self.failure:
            raise self.failure
        self.content[path] = json.loads(content)
        return DeliveredFile(path, len(content), "ma", url=f"file:///out/{path}")

    def read(self, path: str) -> bytes | None:
        return self.earlier

    def find(self, artifact: ArtifactFile, path: str) -> tuple[int, str | None] | None:
        self.found.append((artifact.id, path))
        return (7, None if artifact.id in self.gone else "me") if self.stored else None

    def deliver(self, artifact: ArtifactFile, path: str) -> DeliveredFile:
        if artifact.id in self.gone:
            raise NotFound(artifact.id)
        self.delivered.append((artifact.id, path))
        return DeliveredFile(path, 8, "de", url=f"file:///out/{path}")


class Order:
    """An order of finished projects, of which the files of the first one were delivered in this sync."""

    def __init__(self, projects: int = 2) -> None:
        self.shop = ListedShop()
        for _ in range(projects):
            items = [{"id": 1, "name": "Front", "quantity": 100, "sku": "BC-1"}]
            self.shop.create(created=LONG_AGO, orderName="Cards", items=items)
        (self.first,) = self.files_of(1)
        files = {self.first: (f"11/{ORDER}/1/print.pdf", 1024, "9f")}
        self.stream = stream(watched(manifests={ORDER: ManifestFiles(files)}), name=FILES)
        self.place = Place()
        settings = Settings(
            "app",
            "s3cret",
            "https://hub.example",
            "https://api.example",
            order_manifest=True,
            statuses=Statuses("except", (5,)),
        )
        client, downloader = self.shop.client(), cast(Downloader, self.place)
        results = ResultsReader(client, self.shop)
        self.files_reader = FilesReader(settings, client, downloader)
        self.writer = ManifestWriter(settings, client, results, Artifacts(client), self.files_reader, downloader)

    def files_of(self, project_id: int) -> list[str]:
        return [file["artifactId"] for file in self.shop.results[project_id]["outputFileDetails"]]

    def write(self, results: dict[int, Results] | None = None) -> list[Outcome]:
        found = list(self.writer.write(SLICE, self.stream, ORDER, results or {}))
        for outcome in found:
            assert outcome.note
            outcome.note()
        return found

    @property
    def due(self) -> list[str]:
        """What is taken is not due any more in this sync: here, the sync ends."""
        due = take_due_manifests(self.stream, KEY)
        for order_id in due:
            self.pending[order_id].is_looked_at = False
        return due

    @property
    def pending(self) -> dict[str, ManifestFiles]:
        return self.stream.state.slice(KEY).manifests


def test_given_a_complete_order_when_its_last_file_is_delivered_then_the_manifest_names_all_of_them() -> None:
    order = Order()
    (second,) = order.files_of(2)

    (outcome,) = order.write()

    ((path, document),) = order.place.content.items()
    assert path == f"11/{ORDER}/order.json"
    assert [document[name] for name in ("storefrontId", "orderId", "orderName")] == [11, ORDER, "Cards"]
    assert [project["id"] for project in document["projects"]] == [1, 2]
    files = [file for project in document["projects"] for file in project["files"]]
    assert [(file["artifactId"], file["path"], file["size"], file["sha256"]) for file in files] == [
        (order.first, f"11/{ORDER}/1/print.pdf", 1024, "9f"),
        # delivered earlier: fetched once more to be hashed
        (second, f"11/{ORDER}/2/print.pdf", 7, "me"),
    ]
    assert (order.place.found, order.place.delivered) == ([(second, f"11/{ORDER}/2/print.pdf")], [])
    ((row, delivered),) = outcome.records
    assert (row["artifactId"], row["filePath"], row["projectId"]) == (f"order/11/{ORDER}", path, None)
    assert delivered is not None
    assert row["fileUrl"] == delivered.url
    assert order.pending == {}


@pytest.mark.parametrize("status", ["Pending", "InProgress", "Failed", None])
def test_given_an_order_with_an_unfinished_project_when_looked_at_then_it_waits_and_keeps_what_was_delivered(
    status: str | None,
) -> None:
    order = Order()
    order.shop.rows[2]["processingStatus"] = status
    order.write()
    assert (order.place.content, order.due, list(order.pending)) == ({}, [], [ORDER])


@pytest.mark.parametrize("known", [None, Known("open", "seenseen")])
def test_given_an_order_with_a_project_whose_files_are_not_all_delivered_when_looked_at_then_it_waits(
    known: Known | None,
) -> None:
    order = Order()
    state = order.stream.state.slice(KEY)
    if known:
        state.known[2] = known
    else:
        state.owe(2)
    order.write()
    assert (order.place.content, list(order.pending)) == ({}, [ORDER])


def test_given_an_order_with_a_project_that_could_not_be_read_in_this_sync_when_looked_at_then_it_waits() -> None:
    order = Order()
    order.stream.leave(KEY, 2, None)
    order.write()
    assert (order.place.content, list(order.pending)) == ({}, [ORDER])


def test_given_a_held_project_when_the_others_are_delivered_then_the_manifest_is_about_those() -> None:
    order = Order()
    order.shop.rows[2] |= {"status": 5, "processingStatus": "InProgress"}
    order.write()
    (document,) = order.place.content.values()
    assert [project["id"] for project in document["projects"]] == [1]


def test_given_formats_that_are_not_wanted_when_written_then_their_files_are_neither_named_nor_delivered() -> None:
    order = Order()
    (second,) = order.files_of(2)
    order.stream.scope = Scope(kinds=("pdf",))
    order.shop.results[2]["outputFileDetails"][0] |= {"name": "preview.png", "format": "png"}
    order.place.stored = False
    order.write()
    (document,) = order.place.content.values()
    assert [[file["artifactId"] for file in project["files"]] for project in document["projects"]] == [
        [order.first],
        [],
    ]
    assert (second in dict(order.place.found), order.place.delivered) == (False, [])


def test_given_a_file_that_does_not_lie_there_any_more_when_written_then_it_is_delivered_with_its_row_first() -> None:
    order = Order()
    order.place.stored = False
    (second,) = order.files_of(2)
    path = f"11/{ORDER}/2/print.pdf"

    again, manifest = order.writer.write(SLICE, order.stream, ORDER, {})

    assert order.place.delivered == [(second, path)]
    ((row, _),) = again.records
    assert (row["artifactId"], row["projectId"], row["filePath"], row["sha256"]) == (second, 2, path, "de")
    assert row["lastModified"] == order.shop.artifacts[second]["lastModified"]
    (document,) = order.place.content.values()
    (file,) = document["projects"][1]["files"]
    assert (file["path"], file["size"], file["sha256"]) == (path, 8, "de")
    # killed in between, the next sync need not deliver it once more
    assert again.note
    assert manifest.note
    again.note()
    assert order.pending[ORDER].files[second] == (path, 8, "de")
    manifest.note()
    assert order.pending == {}


@pytest.mark.parametrize(
    ("earlier", "is_delivered"),
    [
        ({}, False),
        ({"path": "11/5001/2/print-2-0.pdf"}, True),
        ({"path": 7}, True),
        ({"sha256": "of what it was before"}, True),
        ({"sha256": None}, True),
        ({"artifactId": "another"}, True),
        ({"artifactId": "another", "path": "11/5001/2/back.pdf"}, False),
    ],
)
def test_given_the_last_manifest_when_written_again_then_only_what_it_had_in_its_place_as_it_is_now_is_trusted(
    earlier: dict[str, Any], is_delivered: bool
) -> None:
    order = Order()
    (second,) = order.files_of(2)
    file = {"artifactId": second, "path": "11/5001/2/print.pdf", "sha256": "me", **earlier}
    order.place.earlier = json.dumps({"projects": [{"files": [file]}]}).encode()
    order.write()
    assert [artifact for artifact, _ in order.place.delivered] == ([second] if is_delivered else [])


@pytest.mark.parametrize(
    "earlier", [b"", b"[]", b'{"projects": 1}', b'{"projects": [7]}', b'{"projects": [{"files": [{}]}]}']
)
def test_given_a_manifest_that_somebody_wrote_on_when_written_again_then_it_says_nothing(earlier: bytes) -> None:
    order = Order()
    order.place.earlier = earlier
    order.write()
    assert len(order.place.content) == 1


@pytest.mark.parametrize(("stored", "expected"), [(True, [(7, None)]), (False, [])])
def test_given_a_file_that_the_api_does_not_have_any_more_when_written_then_it_is_named_if_it_lies_there(
    stored: bool, expected: list[tuple[int, None]], caplog: pytest.LogCaptureFixture
) -> None:
    order = Order()
    order.place.stored = stored
    (second,) = order.files_of(2)
    order.place.gone = {second}
    order.write()
    (document,) = order.place.content.values()
    assert [(file["size"], file["sha256"]) for file in document["projects"][1]["files"]] == expected
    assert [second in record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == (
        [] if stored else [True]
    )


def test_given_a_scan_that_has_not_come_to_a_project_of_the_order_when_looked_at_then_it_waits() -> None:
    order = Order()
    order.stream.state.slice(KEY).scan = 1
    order.write()
    assert (order.place.content, list(order.pending)) == ({}, [ORDER])


@pytest.mark.parametrize("failure", [StoreAway("place", "it does not answer"), StoreUnavailable("place", "full")])
def test_given_a_store_that_takes_nothing_when_a_manifest_is_put_then_the_stream_ends_and_the_next_one_asks_nothing(
    failure: CustomersCanvasError,
) -> None:
    order = Order()
    order.place.failure = failure
    order.write()
    assert order.stream.failure is failure
    assert order.due == [ORDER]
    order.shop.asked.clear()
    assert order.write() == []
    assert order.shop.asked == []


def test_given_results_that_were_just_read_when_written_then_they_are_not_asked_for_again() -> None:
    order = Order()
    order.write({id_: Results.from_answer(order.shop.results[id_]) for id_ in (1, 2)})
    assert order.place.content
    assert [path for path, _ in order.shop.asked] == [PATH]


def test_given_a_due_order_when_it_is_taken_then_it_is_due_again_only_when_something_of_it_has_changed() -> None:
    order = Order()
    assert take_due_manifests(order.stream, KEY) == [ORDER]
    assert take_due_manifests(order.stream, KEY) == []
    order.stream.settle(KEY, settled(order.stream, order.shop.project(2)))
    assert take_due_manifests(order.stream, KEY) == [ORDER]


def test_given_nothing_delivered_since_the_last_manifest_when_looked_at_then_nothing_is_asked() -> None:
    order = Order()
    order.pending.clear()
    assert order.write() == []
    assert order.shop.asked == []


@pytest.mark.parametrize("is_made_anew", [False, True])
def test_given_a_file_that_is_delivered_while_the_manifest_is_written_when_it_is_out_then_another_one_is_due(
    is_made_anew: bool,
) -> None:
    order = Order()
    (outcome,) = order.writer.write(SLICE, order.stream, ORDER, {})
    late = order.first if is_made_anew else "late"
    order.pending[ORDER].files[late] = ("late.pdf", 1, "la")
    assert outcome.note
    outcome.note()
    assert (order.due, list(order.pending[ORDER].files)) == ([ORDER], [late])


def test_given_a_late_project_when_it_is_delivered_before_the_wait_for_it_is_noted_then_the_order_is_due() -> None:
    order = Order()
    state = order.stream.state.slice(KEY)
    state.owe(2)
    (look,) = order.writer.write(SLICE, order.stream, ORDER, {})
    state.settle(2, None)
    order.pending[ORDER].waits_for = 3  # of an earlier look
    assert look.note
    look.note()
    assert order.due == [ORDER]
    order.write()
    assert len(order.place.content) == 1


def test_given_an_order_of_which_nothing_is_produced_when_looked_at_then_it_waits_for_a_held_project() -> None:
    order = Order()
    for row in order.shop.rows.values():
        row |= {"status": 5}
    order.write()
    assert (order.place.content, order.due) == ({}, [])
    assert order.pending[ORDER].waits_for == 1


def test_given_an_order_that_waits_when_another_file_of_it_is_delivered_then_it_is_due() -> None:
    order = Order()
    order.pending[ORDER].waits_for = 2
    assert order.due == []
    order.pending[ORDER].add("late", "late.pdf", 1, "la")
    assert order.due == [ORDER]


def test_given_an_order_that_cannot_be_read_when_looked_at_then_it_is_a_trouble_and_due_in_the_next_sync() -> None:
    order = Order()

    def refuse(path: str, params: Any) -> None:
        raise ServerTrouble("GET", "HTTP 500")

    order.shop.on_ask = refuse
    order.write()
    assert [trouble.where for trouble in order.stream.counts.troubles] == [f"storefront 11, order {ORDER}, order.json"]
    assert order.due == [ORDER]
