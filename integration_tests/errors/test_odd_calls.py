"""Calls that are allowed or nearly so: each is done, or answered with one sentence of the right failure type."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from integration_tests.command_line import STREAMS, CommandLine, Message, Run, bare_catalog, configured, run_all
from sandbox import Sandbox

Catalog = dict[str, Any]


def catalog_of(*names: str) -> Catalog:
    """The catalog that asks for these streams in this order, each as often as it is named."""
    by_name = {entry["stream"]["name"]: entry for entry in configured(bare_catalog())["streams"]}
    unknown = {"stream": {"name": "", "json_schema": {}, "supported_sync_modes": ["full_refresh"]}}
    modes = {"sync_mode": "full_refresh", "destination_sync_mode": "append"}
    return {
        "streams": [
            by_name.get(name) or {**unknown, **modes, "stream": {**unknown["stream"], "name": name}} for name in names
        ]
    }


def assert_one_sentence(run: Run, failure_type: str, *words: str) -> None:
    assert (run.exit_code, run.errors) == (1, "")
    messages = {trace["message"] for trace in run.traces}
    assert len(messages) == 1
    (message,) = messages
    assert {trace["failure_type"] for trace in run.traces} == {failure_type}
    for word in words:
        assert word in message
    assert "\n" not in message
    assert not any(word in message for word in ("Traceback", "Error(", "Exception", "Something went wrong"))
    assert run.of_type("RECORD") == []


# Catalogs


@pytest.mark.parametrize("stream", ["projects", "storefronts"])
def test_given_a_stream_twice_in_the_catalog_when_read_then_one_sentence_names_it(
    shop: Sandbox, tmp_path: Path, stream: str
) -> None:
    run = CommandLine(tmp_path).read(shop.config(), catalog_of("artifacts", stream, stream))

    assert_one_sentence(run, "config_error", f"`{stream}`", "twice")


def test_given_an_unknown_stream_when_read_then_one_sentence_names_it_and_those_that_there_are(
    shop: Sandbox, tmp_path: Path
) -> None:
    run = CommandLine(tmp_path).read(shop.config(), catalog_of("projects", "invoices"))

    assert_one_sentence(run, "config_error", "invoices", *STREAMS)


def test_given_an_empty_catalog_when_read_then_nothing_is_read_and_nothing_fails(shop: Sandbox, tmp_path: Path) -> None:
    run = CommandLine(tmp_path).read(shop.config(), catalog_of())

    assert (run.exit_code, run.errors, run.traces) == (0, "", [])
    assert run.of_type("RECORD") == run.of_type("STATE") == []


def test_given_a_catalog_without_its_streams_when_read_then_one_sentence_says_so(shop: Sandbox, tmp_path: Path) -> None:
    assert_one_sentence(CommandLine(tmp_path).read(shop.config(), {}), "config_error", "the catalog")


# The authorities that certificates are held against


@pytest.mark.parametrize("command", ["check", "read"])
@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_given_a_bundle_of_authorities_that_is_missing_when_run_then_one_sentence_names_its_path(
    tmp_path: Path, variable: str, command: str
) -> None:
    missing = str(tmp_path / "authorities.pem")
    environment = {"REQUESTS_CA_BUNDLE": "", "CURL_CA_BUNDLE": "", variable: missing}
    line = CommandLine(tmp_path, environment)
    nowhere = "https://127.0.0.1:9"
    config = {
        "client_id": "sandbox",
        "client_secret": "sandbox-secret",
        "environment": {"region": "custom", "hub_url": nowhere, "api_url": nowhere},
    }

    if command == "check":
        status = line.check(config).connection_status
        assert status["status"] == "FAILED"
        assert missing in status["message"]
        assert variable in status["message"]
    else:
        assert_one_sentence(line.read(config, catalog_of("projects")), "config_error", missing, variable)


# States


def stream_state(name: str, state: Any) -> Message:
    return {"type": "STREAM", "stream": {"stream_descriptor": {"name": name}, "stream_state": state}}


def of_all(*states: Message, shared: Any = None) -> list[Message]:
    return [{"type": "GLOBAL", "global": {"shared_state": shared, "stream_states": [one["stream"] for one in states]}}]


Form = Callable[[Message], Any]

GOOD_FORMS: dict[str, Form] = {
    "a-list": lambda state: [state],
    "one-global": lambda state: of_all(state),
    "a-global-with-an-empty-share": lambda state: of_all(state, shared={}),
    "with-a-null-namespace": lambda state: [
        {
            **state,
            "stream": {**state["stream"], "stream_descriptor": {"name": "projects", "namespace": None}},
        }
    ],
    "among-those-of-streams-that-are-not-read": lambda state: [stream_state("artifacts", {}), state],
    "after-an-earlier-one-of-the-stream": lambda state: [stream_state("projects", {}), state],
}
FIRST_SYNCS: dict[str, Any] = {
    "no-states": [],
    "an-empty-object": {},
    "an-empty-state": [stream_state("projects", {})],
    "a-null-state": [stream_state("projects", None)],
    "another-streams": [stream_state("invoices", {"cursor": 1})],
}
REFUSED: dict[str, Any] = {
    "null": "null",
    "an-empty-text": '""',
    "a-text": '"state"',
    "a-number": "7",
    "a-list-of-lists": [[]],
    "a-message-around-it": [{"type": "STATE", "state": stream_state("projects", {})}],
    "a-stream-without-a-name": [{"type": "STREAM", "stream": {"stream_state": {}}}],
    "a-state-that-is-a-list": [stream_state("projects", [1])],
    "one-of-the-oldest-kind": {"projects": {"cursor": "2026-01-01T00:00:00Z"}},
    "one-of-an-unknown-kind": [{"type": "OTHER", "data": {}}],
    "a-share-of-all-streams": of_all(stream_state("projects", {}), shared={"cursor": 1}),
    "another-version": [stream_state("projects", {"version": 99})],
    "of-another-connector": [stream_state("projects", {"updatedAt": "2026-01-01T00:00:00Z"})],
}


@pytest.fixture(scope="module")
def projects_state(shop: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Message:
    """The state of `projects` after a sync."""
    run = CommandLine(tmp_path_factory.mktemp("state")).read(shop.config(), catalog_of("projects"))
    (state,) = run.state
    return {"type": "STREAM", "stream": state["stream"]}


@pytest.fixture(scope="module")
def syncs_with(
    shop: Sandbox, projects_state: Message, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[dict[str, Any]], dict[str, Run]]:
    def run(state: Any, folder: Path) -> Run:
        return CommandLine(folder).read(shop.config(), catalog_of("projects"), state)

    return lambda cases: run_all(run, cases, tmp_path_factory.mktemp("states"))


@pytest.fixture(scope="module")
def with_good_forms(syncs_with: Callable[[dict[str, Any]], dict[str, Run]], projects_state: Message) -> dict[str, Run]:
    return syncs_with({name: form(projects_state) for name, form in GOOD_FORMS.items()})


@pytest.fixture(scope="module")
def first_syncs(syncs_with: Callable[[dict[str, Any]], dict[str, Run]]) -> dict[str, Run]:
    return syncs_with(FIRST_SYNCS)


@pytest.fixture(scope="module")
def refused(syncs_with: Callable[[dict[str, Any]], dict[str, Run]]) -> dict[str, Run]:
    return syncs_with(REFUSED)


@pytest.mark.parametrize("name", GOOD_FORMS)
def test_given_a_state_in_any_form_of_the_protocol_when_read_then_the_sync_goes_on_from_it(
    with_good_forms: dict[str, Run], name: str
) -> None:
    run = with_good_forms[name]

    assert (run.exit_code, run.errors, run.traces) == (0, "", [])
    assert run.records("projects") == []


@pytest.mark.parametrize("name", FIRST_SYNCS)
def test_given_a_state_that_says_nothing_of_the_stream_when_read_then_all_is_read(
    shop: Sandbox, first_syncs: dict[str, Run], name: str
) -> None:
    run = first_syncs[name]

    assert (run.exit_code, run.errors, run.traces) == (0, "", [])
    assert {row["id"] for row in run.records("projects")} == {project["id"] for project in shop.shop.projects()}


@pytest.mark.parametrize("name", REFUSED)
def test_given_a_state_that_cannot_be_read_when_read_then_one_sentence_says_so(
    refused: dict[str, Run], name: str
) -> None:
    assert_one_sentence(refused[name], "config_error", "state")
