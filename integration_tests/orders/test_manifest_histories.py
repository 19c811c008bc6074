"""Random histories of a shop: each `order.json` names only files that lie there, with the bytes that the API has.

`HISTORIES=500 pytest integration_tests/orders/test_manifest_histories.py` plays others, and more of them.
"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from integration_tests.conftest import STOREFRONT
from integration_tests.histories import histories
from integration_tests.orders.delivering import CANCELLED, Delivering, artifacts_of
from integration_tests.shops import DAY, HOUR, MINUTE
from sandbox import FileSpec, Sandbox

TEMPLATES = (
    "{storefrontId}/{orderId}/{projectId}/{name}",
    "{storefrontId}/{orderId}/{lineItem}/{name}",
    "{storefrontId}/{orderId}/{artifactId}",
    "{orderName}/{projectName}-{projectId}/{name}",
)
NAMES = ("print.zip", "Print.zip", "back.zip")
"""With a given size, as the sandbox writes the project's name into its own documents, without a new `lastModified`."""
STATUSES: tuple[Any, ...] = ("Completed", "Completed", "InProgress", "Failed")
NUMBERS = st.integers(min_value=0, max_value=10**6)
EVENTS = st.tuples(
    st.sampled_from(["create", "create", "run", "add", "regenerate", "remove file"])
    | st.sampled_from(["hold", "move", "rename", "line", "template"]),
    NUMBERS,
)
DAYS = st.lists(st.tuples(st.lists(EVENTS, max_size=4), st.none() | st.integers(0, 12)), min_size=1, max_size=8)


class History:
    """A shop and a connection that writes manifests."""

    def __init__(self, sandbox: Sandbox, folder: Path, template: str) -> None:
        self.sandbox = sandbox
        self.shop = sandbox.shop
        self.folder = folder
        self.delivering = Delivering(sandbox, folder, file_path=template)

    def happen(self, event: str, number: int) -> None:
        """One event; `number` picks what it is about."""
        self.sandbox.advance(1)
        names = [FileSpec(NAMES[(number + one) % 3], "zip", size=100 * (number % 5 + 1)) for one in range(number % 4)]
        status = STATUSES[number % 4]
        if event == "create":
            order_id = ("5001", "5001", "5002", None)[number // 4 % 4]
            line, is_whole = number // 16 % 3, number % 5 == 0
            self.shop.create_project(
                STOREFRONT, order_id, processing=status, files=names, orderLineItemIndex=line, whole_order=is_whole
            )
        elif event == "template":
            self.delivering.config["file_path"] = TEMPLATES[number % len(TEMPLATES)]
        elif ids := self.shop.project_ids():
            self.change(event, number, ids[number % len(ids)], names, status)

    def change(self, event: str, number: int, project_id: int, names: list[FileSpec], status: Any) -> None:
        artifacts = artifacts_of(self.sandbox, project_id)
        is_completed = self.shop.project(project_id)["processingStatus"] == "Completed"
        if event == "run":
            self.shop.process(project_id, status, files=names)
        elif event == "add" and is_completed:
            self.shop.add_output_file(project_id, FileSpec(NAMES[number % 3], "zip", size=50))
        elif event == "regenerate" and artifacts:
            self.shop.regenerate_artifact(artifacts[number % len(artifacts)])
        elif event == "remove file" and artifacts:
            self.shop.remove_file(artifacts[number % len(artifacts)])
        elif event == "hold":
            self.shop.set_status(project_id, (1, CANCELLED)[number % 2])
        fields: dict[str, Any] = {
            "move": ("orderId", ("5001", "5002", None)),
            "line": ("orderLineItemIndex", (0, 1, 2)),
        }
        field, values = fields.get(event, ("name", ("Cards", "Posters", "Flyers")))
        self.shop.modify_project(project_id, **{field: values[number % 3]})

    def sync(self, killed_after: int | None) -> None:
        self.sandbox.advance((MINUTE, HOUR, DAY)[(killed_after or 0) % 3])
        before = {path: path.stat().st_mtime_ns for path in self.folder.rglob("order.json")}
        if killed_after is not None:
            reads = self.delivering.read(killed_after=killed_after, state_projects=1)
            self.delivering.take_until_killed(reads, killed_after)
            return
        self.delivering.sync()
        for path in self.folder.rglob("order.json"):
            if before.get(path) != path.stat().st_mtime_ns:
                self.assert_right(path)

    def assert_right(self, path: Path) -> None:
        projects = json.loads(path.read_bytes())["projects"]
        files = [file for project in projects for file in project["files"]]
        assert len({file["path"] for file in files}) == len(files)
        for file in files:
            content = (self.folder / file["path"]).read_bytes()
            assert file["size"] == len(content)
            if file["sha256"] is not None:
                expected = self.shop.file_sha256(file["artifactId"])
                assert file["sha256"] == sha256(content).hexdigest() == expected


@histories(60)
@given(st.sampled_from(TEMPLATES), DAYS)
def test_given_any_history_when_a_manifest_is_written_then_it_names_what_lies_there(
    template: str, days: list[tuple[list[tuple[str, int]], int | None]]
) -> None:
    with TemporaryDirectory() as folder, Sandbox(empty=True, start="2026-01-10T12:00:00Z") as sandbox:
        sandbox.switches.page_cap = 4
        sandbox.shop.add_storefront(STOREFRONT)
        history = History(sandbox, Path(folder), template)
        for events, killed_after in days:
            for event in events:
                history.happen(*event)
            history.sync(killed_after)
        history.sync(None)
