"""airbyte-serverless with the installed command as its source: two runs, the second from the states of the first."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integration_tests.conftest import truth
from integration_tests.engine import KEYS
from sandbox import Sandbox

pytestmark = [
    pytest.mark.pyairbyte,
    pytest.mark.skipif(
        importlib.util.find_spec("airbyte_serverless") is None,
        reason="airbyte-serverless is not installed beside this Python: `make test-pyairbyte` runs this test",
    ),
    # its own
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture
def shop() -> Iterator[Sandbox]:
    with Sandbox(projects=30) as sandbox:
        yield sandbox


def test_given_a_shop_when_run_twice_then_what_is_loaded_is_what_the_shop_shows_and_then_only_what_is_new(
    shop: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    from airbyte_serverless.connections import Connection

    source = {
        "executable": str(Path(sys.executable).with_name("source-customerscanvas")),
        "config": shop.config(files={"delivery": "none"}),
        "streams": ",".join(KEYS),
    }
    connection = Connection({"source": source, "destination": {"connector": "print", "config": {}}})
    assert connection.source.connection_status == {"status": "SUCCEEDED"}
    capsys.readouterr()

    connection.run()
    rows, states = loaded(capsys.readouterr().out)
    for stream, key in KEYS.items():
        assert {row[key] for row in rows[stream]} == truth(shop)[stream].keys(), stream

    finished = {row["id"] for row in shop.shop.projects() if row["processingStatus"] not in ("Completed", "Failed")}
    assert shop.shop.finish_all() == len(finished) > 0
    again = [one["record"] for one in connection.source.extract(states) if one["type"] == "RECORD"]
    assert {one["data"]["projectId"] for one in again if one["stream"] == "processing_results"} == finished


def loaded(printed: str) -> tuple[dict[str, list[Any]], list[Any]]:
    """The rows of each stream and the last state of each, from what its destination that prints has printed."""
    rows: dict[str, list[Any]] = {stream: [] for stream in KEYS}
    states: dict[str, Any] = {}
    table = ""
    for line in printed.splitlines():
        if line.startswith("_AIRBYTE_"):
            table = line.lower().removeprefix("_airbyte_raw_")
        elif line.startswith('{"_airbyte_raw_id"'):
            data = json.loads(json.loads(line)["_airbyte_data"])
            if table == "_airbyte_states":
                states[data["stream"]["stream_descriptor"]["name"]] = data
            elif table in rows:
                rows[table].append(data)
    return rows, list(states.values())
