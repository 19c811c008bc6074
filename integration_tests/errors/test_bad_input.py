"""Bad input is answered with one clear sentence."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from integration_tests.command_line import CommandLine, Message, Run, bare_catalog, configured, run_all
from sandbox import Sandbox

SECRET = "s3cr3t-of-nobody"


@dataclass(frozen=True)
class Bad:
    """An input that cannot be used: what takes the place of the good one, and what the sentence has to say."""

    words: tuple[str, ...]
    command: str = "read"
    inputs: Callable[[Sandbox], dict[str, Any]] = lambda _: {}
    """`config`, `catalog` and `state`: JSON, or a text as it stands."""
    missing: str | None = None
    failure_type: str = "config_error"


def config_with(**settings: Any) -> Callable[[Sandbox], dict[str, Any]]:
    return lambda sandbox: {"config": sandbox.config(**settings)}


def given(**inputs: Any) -> Callable[[Sandbox], dict[str, Any]]:
    return lambda _: inputs


def state_of(stream: str, state: Any) -> list[Message]:
    return [{"type": "STREAM", "stream": {"stream_descriptor": {"name": stream}, "stream_state": state}}]


SCOPE = {"startDate": None, "kinds": None}
NOWHERE = {"region": "custom", "hub_url": "http://127.0.0.1:9", "api_url": "http://127.0.0.1:9"}
BAD: dict[str, Bad] = {
    "check-without-its-config": Bad(("the config", "No such file"), "check", missing="config"),
    "discover-without-its-config": Bad(("the config", "No such file"), "discover", missing="config"),
    "read-without-its-config": Bad(("the config", "No such file"), missing="config"),
    "read-without-its-catalog": Bad(("the catalog", "No such file"), missing="catalog"),
    "read-without-its-state": Bad(("the state", "No such file"), missing="state"),
    "config-no-json": Bad(("the config", "not JSON"), "check", given(config='{"client_secret": "' + SECRET)),
    "config-a-list": Bad(("the config",), "check", given(config=[SECRET])),
    "config-too-deep": Bad(("the config",), inputs=given(config='{"client_id": ' + "[" * 100_000)),
    "config-of-half-a-character": Bad(
        ("`order_ids`", "an invalid character"), inputs=config_with(order_ids=["\ud83d"])
    ),
    "catalog-no-json": Bad(("the catalog", "not JSON"), inputs=given(catalog="{")),
    "catalog-a-list": Bad(("the catalog",), inputs=given(catalog=[])),
    "catalog-as-discovered": Bad(("the catalog",), inputs=given(catalog=bare_catalog())),
    "catalog-of-another-connector": Bad(
        ("invoices", "artifact_files"),
        inputs=given(
            catalog={
                "streams": [
                    {
                        "stream": {"name": "invoices", "json_schema": {}, "supported_sync_modes": ["full_refresh"]},
                        "sync_mode": "full_refresh",
                        "destination_sync_mode": "append",
                    }
                ]
            }
        ),
    ),
    "state-no-json": Bad(("the state", "not JSON"), inputs=given(state="[")),
    "state-of-numbers": Bad(("the state",), inputs=given(state=[1, 2])),
    "state-an-object": Bad(("the state",), inputs=given(state={"projects": {"updatedAt": "2024-03-05"}})),
    "state-of-all-streams": Bad(
        ("the state", "all streams"), inputs=given(state=[{"type": "LEGACY", "data": {"projects": {}}}])
    ),
    "state-that-streams-share": Bad(
        ("the state", "all streams"),
        inputs=given(state=[{"type": "GLOBAL", "global": {"shared_state": {"a": 1}, "stream_states": []}}]),
    ),
    "state-of-another-version": Bad(
        ("`projects`", "version 9", "Reset"), inputs=given(state=state_of("projects", {"version": 9}))
    ),
    "state-of-another-connector": Bad(
        ("`artifacts`", "Reset"), inputs=given(state=state_of("artifacts", {"updatedAt": "2024-03-05"}))
    ),
    "state-that-is-broken": Bad(
        ("`artifact_files`", "Reset"),
        inputs=given(
            state=state_of(
                "artifact_files",
                {"version": 2, "began": None, "scope": SCOPE, "slices": {"11": {"cursor": None, "open": "?"}}},
            )
        ),
    ),
    "retry-delay-of-thousands-of-years": Bad(
        ("`processing.retry_delay_minutes`",), inputs=config_with(processing={"retry_delay_minutes": 2_000_000_000})
    ),
    "shard-without-its-count": Bad(("`shard.count`", "missing"), inputs=config_with(shard={"index": 1})),
    "config-not-in-spec": Bad(("`num_workers`", "at most 64"), inputs=config_with(num_workers=65)),
    "discover-not-in-spec": Bad(("`order_ids`", "array"), "discover", config_with(order_ids="1001")),
    "secret-missing": Bad(("`client_secret`", "missing"), inputs=given(config={"client_id": "sandbox"})),
    "region-missing": Bad(("`environment.region`", "missing"), inputs=config_with(environment={})),
    "mode-missing": Bad(("`acknowledge.mode`", "missing"), inputs=config_with(acknowledge={"since": ""})),
    "secret-of-a-wrong-type": Bad(("`client_secret`",), inputs=config_with(client_secret={"is": SECRET})),
    "wrong-secret": Bad(("`client_secret`", "`environment`"), inputs=config_with(client_secret=SECRET)),
    "unknown-storefront": Bad(("No such storefront: 99", "11 (", "12 ("), inputs=config_with(storefront_ids=[99])),
    "bad-date": Bad(("`start_date`", "2024-02-31"), inputs=config_with(start_date="2024-02-31")),
    "http": Bad(
        ("`environment.hub_url`", "https://"),
        inputs=config_with(environment={**NOWHERE, "hub_url": "http://customerscanvas.example"}),
    ),
    "http-when-discovering": Bad(
        ("`environment.api_url`", "https://"),
        "discover",
        config_with(environment={**NOWHERE, "api_url": "http://customerscanvas.example"}),
    ),
    "unreachable": Bad(
        ("No answer from 127.0.0.1", "`environment`"),
        inputs=config_with(environment=NOWHERE),
        failure_type="transient_error",
    ),
}


@pytest.fixture(scope="module")
def bad_runs(shop: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    def run(bad: Bad, folder: Path) -> Run:
        command = CommandLine(folder)
        inputs: dict[str, Any] = {"config": shop.config()}
        if bad.command == "read":
            inputs |= {"catalog": configured(bare_catalog()), "state": []}
        inputs |= bad.inputs(shop)
        arguments = command.arguments(**{what: value for what, value in inputs.items() if what != bad.missing})
        arguments += [f"--{bad.missing}", "missing.json"] if bad.missing else []
        # with more words, among which a secret might slip
        return command.run(bad.command, *arguments, "--debug")

    return run_all(run, BAD, tmp_path_factory.mktemp("bad"))


@pytest.mark.parametrize("name", BAD)
def test_given_bad_input_when_run_then_one_clear_sentence_and_no_secret(bad_runs: dict[str, Run], name: str) -> None:
    run, bad = bad_runs[name], BAD[name]

    assert run.exit_code == 1
    assert run.errors == ""
    last = run.traces[-1]
    assert {trace["message"] for trace in run.traces} == {last["message"]}
    assert {trace["failure_type"] for trace in run.traces} == {bad.failure_type}
    for words in bad.words:
        assert words in last["message"]
    assert "\n" not in last["message"]
    assert not any(word in last["message"] for word in ("Traceback", "Exception", "Something went wrong"))
    assert SECRET not in run.output
    assert "sandbox-secret" not in run.output
    assert run.of_type("RECORD") == []


@pytest.mark.parametrize("arguments", [[], ["write"], ["check"], ["read", "--config", "config.json"]], ids=" ".join)
def test_given_arguments_that_are_none_when_run_then_the_usage_is_told_and_nothing_printed(
    tmp_path: Path, arguments: list[str]
) -> None:
    run = CommandLine(tmp_path).run(*arguments)

    assert (run.exit_code, run.output) == (2, "")
    assert "usage: source-customerscanvas" in run.errors


def test_given_a_file_whose_name_is_no_text_when_run_then_one_clear_sentence_says_so(tmp_path: Path) -> None:
    run = CommandLine(tmp_path).run("check", "--config", os.fsdecode(b"\xff.json"))

    assert (run.exit_code, run.errors) == (1, "")
    assert "No such file" in run.traces[-1]["message"]


def test_given_a_locale_without_its_characters_when_run_then_a_message_is_whole(shop: Sandbox, tmp_path: Path) -> None:
    command = CommandLine(tmp_path, {"PYTHONIOENCODING": "latin-1"})

    run = command.check(shop.config(start_date="\u4e2d"))

    assert (run.exit_code, run.errors) == (0, "")
    assert "\u4e2d" in run.connection_status["message"]


def test_given_a_machine_that_knows_ascii_only_when_run_then_it_reads_and_writes_all_characters(
    shop: Sandbox, tmp_path: Path
) -> None:
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}

    run = CommandLine(tmp_path, ascii_only).check(shop.config(start_date="\u4e2d"))

    assert (run.exit_code, run.errors) == (0, "")
    assert "\u4e2d" in run.connection_status["message"]


def test_given_a_state_option_without_a_file_when_read_then_it_is_not_taken_for_an_empty_state(
    shop: Sandbox, tmp_path: Path
) -> None:
    command = CommandLine(tmp_path)
    options = command.arguments(config=shop.config(), catalog=configured(bare_catalog()))
    run = command.run("read", *options, "--state", "")
    assert run.exit_code == 1
    assert "the state" in run.traces[-1]["message"]
    assert run.records("projects") == []
