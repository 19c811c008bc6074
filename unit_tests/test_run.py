"""What the command line does before the framework is there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from source_customerscanvas.run import begin_early
from source_customerscanvas.sync.counts import Estimate
from source_customerscanvas.sync.emissions import State
from source_customerscanvas.sync.outcomes import Outcome
from source_customerscanvas.sync.reading import Reading
from unit_tests.http_server import Answer, Request, Server, json_answer

STATE = {
    "version": 2,
    "began": None,
    "scope": {"startDate": None, "kinds": None},
    "slices": {"11": {"cursor": "2026-01-31T12:00:00.000000Z"}},
}


class Files:
    """The files that the arguments of a read name."""

    def __init__(self, folder: Path, server: Server) -> None:
        self._folder = folder
        self.environment = {"region": "custom", "hub_url": server.url, "api_url": server.url}
        self.config: Any = {"client_id": "app", "client_secret": "s3cret", "environment": self.environment}
        self.catalog: Any = {"streams": [self.stream("projects")]}
        self.state: Any = None

    @staticmethod
    def stream(name: str) -> dict[str, Any]:
        return {"stream": {"name": name}, "sync_mode": "incremental"}

    def arguments(self) -> list[str]:
        arguments = ["read"]
        for name in ("config", "catalog", "state"):
            content = getattr(self, name)
            if content is not None:
                path = self._folder / f"{name}.json"
                path.write_text(content if isinstance(content, str) else json.dumps(content))
                arguments += [f"--{name}", str(path)]
        return arguments


@pytest.fixture
def files(tmp_path: Path, server: Server) -> Files:
    return Files(tmp_path, server)


@pytest.fixture
def begun(files: Files) -> Iterator[list[Reading]]:
    """The reads that a test has begun; none is left behind."""
    readings: list[Reading] = []
    yield readings
    for reading in readings:
        reading.client.stopping.set()
        reading.sync.permit_changes()  # so that nobody waits for it


def shop(server: Server) -> None:
    """A shop with one storefront, whose one project has failed."""
    project = {"id": 7, "storefrontId": 11, "orderId": "5001", "processingStatus": "Failed"}
    project |= {"created": "2024-03-04T00:00:00Z", "lastModified": None, "status": 1}

    def answer(request: Request) -> Answer:
        if request.path.endswith("/processing-results"):
            return json_answer({"status": "Failed"})
        if request.path.endswith("/projects/7"):
            return json_answer(project)
        rows = [{"id": 11, "name": "Shop"}] if request.path.endswith("/storefronts") else [project]
        return json_answer({"items": rows[int(request.query.get("skip", 0)) :], "total": 1})

    server.answer = answer


def rows_of(reading: Reading, name: str) -> list[dict[str, Any]]:
    emissions = [one for one in reading.emissions(name) if isinstance(one, Outcome)]
    return [row for some in emissions for row, _ in some.records]


@pytest.mark.parametrize(
    "settings",
    [{}, {"files": {"delivery": "none"}}, {"processing": {"wait_minutes": 0}}, {"num_workers": 2}],
)
def test_given_a_read_when_the_command_starts_then_it_begins_before_the_framework_is_there(
    server: Server, files: Files, begun: list[Reading], settings: dict[str, Any]
) -> None:
    shop(server)
    files.config |= settings
    reading = begin_early(files.arguments())
    assert reading
    begun.append(reading)
    assert [row["id"] for row in rows_of(reading, "projects")] == [7]


@pytest.mark.parametrize(
    "settings",
    [
        {"processing": {"on_failure": "resume"}},
        {"acknowledge": {"mode": "transition", "name": "done", "since": "2020-01-01"}},
    ],
)
def test_given_settings_that_change_the_shop_when_the_command_starts_then_nothing_is_changed_before_it_is_permitted(
    server: Server, files: Files, begun: list[Reading], settings: dict[str, Any]
) -> None:
    shop(server)
    files.config |= settings
    files.catalog["streams"] = [files.stream("processing_results")]
    reading = begin_early(files.arguments())
    assert reading
    begun.append(reading)
    reading.sync.wait_for_slices()
    emissions = reading.emissions("processing_results")
    seen = [next(emissions)]
    if "processing" in settings:
        while isinstance(seen[-1], (State, Estimate)):
            seen.append(next(emissions))
    assert [request.method for request in server.api_requests if request.method != "GET"] == []


NO_READ: dict[str, tuple[str, Any]] = {
    "config-not-json": ("config", "{"),
    "config-a-list": ("config", []),
    "config-without-secret": ("config", {"client_id": "app"}),
    "config-without-https": ("config", {"client_id": "a", "client_secret": "b", "environment": "?"}),
    "catalog-empty": ("catalog", {"streams": []}),
    "catalog-of-lists": ("catalog", {"streams": [Files.stream("storefronts")]}),
    "catalog-without-names": ("catalog", {"streams": [{}]}),
    "catalog-doubled": ("catalog", {"streams": [Files.stream("projects"), Files.stream("projects")]}),
    "state-no-list": ("state", {"projects": {}}),
    "state-global": ("state", [{"type": "GLOBAL", "global": {"stream_states": []}}]),
    "state-of-a-later-version": (
        "state",
        [{"type": "STREAM", "stream": {"stream_descriptor": {"name": "projects"}, "stream_state": {"version": 9}}}],
    ),
}


WRONG_TYPES: list[dict[str, Any]] = [
    {"statuses": {"mode": "except", "codes": ["5"]}},
    {"statuses": {"mode": "Only", "codes": [5]}},
    {"order_manifest": "false"},
    {"tenant_id": "1"},
    {"num_workers": True},
    {"processing": {"wait_minutes": "5"}},
    {"acknowledge": {"mode": "tag"}},
    {"files": {"delivery": "folder", "path": "out", "prefix": 5}},
]


@pytest.mark.parametrize("setting", WRONG_TYPES, ids=str)
def test_given_a_setting_of_a_wrong_type_when_the_command_starts_then_nothing_is_delivered_before_it_is_refused(
    server: Server, files: Files, setting: dict[str, Any]
) -> None:
    files.config |= setting
    assert begin_early(files.arguments()) is None
    assert server.requests == []


@pytest.mark.parametrize(("what", "content"), NO_READ.values(), ids=NO_READ.keys())
def test_given_arguments_that_are_wrong_when_the_command_starts_then_the_framework_is_left_to_say_so(
    server: Server, files: Files, what: str, content: Any
) -> None:
    setattr(files, what, content)
    assert begin_early(files.arguments()) is None
    assert server.requests == []


@pytest.mark.parametrize("arguments", [["read"], ["read", "--config", "nowhere.json", "--catalog", "nowhere.json"]])
def test_given_no_files_when_the_command_starts_then_the_framework_is_left_to_say_so(arguments: list[str]) -> None:
    assert begin_early(arguments) is None


@pytest.mark.parametrize("option", ["--state={}", "--sta={}", "--sta {}"])
def test_given_a_state_named_in_another_way_when_the_command_starts_then_the_framework_is_left_to_read_it(
    server: Server, files: Files, option: str
) -> None:
    files.state = []
    *others, _, path = files.arguments()
    assert begin_early([*others, *option.format(path).split(" ")]) is None
    assert server.requests == []


def test_given_a_state_when_the_command_starts_then_it_goes_on_from_there(
    server: Server, files: Files, begun: list[Reading]
) -> None:
    shop(server)
    descriptor = {"stream_descriptor": {"name": "projects"}, "stream_state": STATE}
    files.state = [{"type": "STREAM", "stream": descriptor}]
    reading = begin_early(files.arguments())
    assert reading
    begun.append(reading)
    states = [one.content for one in reading.emissions("projects") if isinstance(one, State)]
    # what was scanned before is not scanned again, and the project that has failed is known now
    assert "scan" not in states[-1]["slices"]["11"]
    assert list(states[-1]["slices"]["11"]["open"]) == ["7"]
