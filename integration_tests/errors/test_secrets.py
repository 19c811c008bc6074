"""Secrets stay secret."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from integration_tests.command_line import CommandLine, bare_catalog, configured
from sandbox import Sandbox


def test_given_debug_when_all_streams_are_read_then_neither_secret_nor_token_is_in_any_line(
    shop: Sandbox, tmp_path: Path
) -> None:
    shop.clear_requests()
    shop.expire_tokens()
    shop.fault("/processing-results", status=401, times=1)
    config = shop.config(files={"delivery": "folder", "path": "files"}, order_ids=["5001"])

    run = CommandLine(tmp_path).read(config, configured(bare_catalog()), None, "--debug")

    assert run.exit_code == 0
    assert run.logs("DEBUG")
    tokens = {
        request.headers["Authorization"].split()[1] for request in shop.requests if "Authorization" in request.headers
    }
    assert len(tokens) == 2
    for secret in ("sandbox-secret", *tokens):
        assert secret not in run.output + run.errors


def test_given_no_configuration_when_asked_for_the_spec_then_one_message_marks_the_secrets(tmp_path: Path) -> None:
    run = CommandLine(tmp_path).spec()

    assert (run.exit_code, run.errors) == (0, "")
    (spec,) = run.of_type("SPEC")
    properties = spec["connectionSpecification"]["properties"]
    assert [name for name, field in properties.items() if field.get("airbyte_secret")] == ["client_secret"]
    of_stores = {
        name
        for store in properties["files"]["oneOf"]
        for name, field in store["properties"].items()
        if field.get("airbyte_secret")
    }
    others = {"service_account", "account_key", "sas_token", "password", "private_key"}
    assert of_stores >= {"secret_access_key", *others}
    assert spec["connectionSpecification"]["required"] == ["client_id", "client_secret"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is no memory that has a path")
def test_given_inputs_that_come_through_pipes_when_read_then_they_are_read_like_files(
    shop: Sandbox, tmp_path: Path
) -> None:
    installed = Path(sys.executable).with_name("source-customerscanvas")
    piped = f'cat "$2" | {installed} read --config /dev/stdin --catalog=<(cat "$4") --state <(cat "$6")'
    command = CommandLine(tmp_path, program=["bash", "-c", piped, "bash"])
    inputs = {"config": shop.config(order_ids=["5001"]), "catalog": configured(bare_catalog(), "projects")}
    state = CommandLine(tmp_path).read(inputs["config"], inputs["catalog"]).state

    first = command.run(*command.arguments(**inputs, state=[]))
    second = command.run(*command.arguments(**inputs, state=state))

    assert (first.exit_code, second.exit_code) == (0, 0)
    assert {row["orderId"] for row in first.records("projects")} == {"5001"}
    assert second.records("projects") == []
