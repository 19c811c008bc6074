"""What the command line does before the framework is there."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from source_customerscanvas.run import begin_early
from source_customerscanvas.sync.emissions import Records
from unit_tests.http_server import Server, json_answer

COUNTING = """
import ast, sys
parsed = []
parse = ast.parse
ast.parse = lambda *given, **options: parsed.append(given) or parse(*given, **options)
sys.argv = ["source-customerscanvas", "spec"]
{command}
sys.stderr.write(f"parsed: {{len(parsed)}}")
"""


@pytest.mark.parametrize(
    ("command", "is_parsed"),
    [
        ("import airbyte_cdk", True),  # else there is nothing to spare any more
        ("import source_customerscanvas.run; source_customerscanvas.run.run()", False),
    ],
)
def test_given_the_frameworks_enums_when_it_is_imported_then_their_source_is_not_parsed_for_the_command_line(
    command: str, is_parsed: bool
) -> None:
    code = COUNTING.format(command=command)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (int(run.stderr.rpartition("parsed: ")[2]) > 10) == is_parsed


@pytest.mark.parametrize(
    ("settings", "begins"),
    [
        ({}, True),
        ({"acknowledge": {"mode": "none"}, "processing": {"on_failure": "report"}}, True),
        ({"acknowledge": {"mode": "transition", "name": "done"}}, False),
        ({"processing": {"on_failure": "resume"}}, False),
        ({"num_workers": 5000}, False),
    ],
)
def test_given_a_read_when_the_command_starts_then_it_begins_early_only_if_it_changes_nothing_in_the_shop(
    server: Server, tmp_path: Path, settings: dict[str, Any], begins: bool
) -> None:
    environment = {"region": "custom", "hub_url": server.url, "api_url": server.url}
    config = {"client_id": "app", "client_secret": "s3cret", "environment": environment, **settings}
    stream = {"stream": {"name": "projects"}, "sync_mode": "incremental"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "catalog.json").write_text(json.dumps({"streams": [stream]}))
    server.answer = lambda _: json_answer({"items": [], "total": 0})
    files = ["--config", str(tmp_path / "config.json"), "--catalog", str(tmp_path / "catalog.json")]

    begun = begin_early(["read", *files])

    assert (begun is not None) == begins
    if begun:
        assert [emission for emission in begun.emissions("projects") if isinstance(emission, Records)] == []
    assert (len(server.requests) > 0) == begins
