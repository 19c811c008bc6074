"""What a read emits for a stream, as messages and records of the framework."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from airbyte_cdk.models import AirbyteMessage, AirbyteMessageSerializer
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_customerscanvas.errors import CustomersCanvasError, MissingPermission, ServerTrouble
from source_customerscanvas.files.artifact_file import DeliveredFile
from source_customerscanvas.source import SourceCustomersCanvas
from source_customerscanvas.streams import FollowingPartition
from source_customerscanvas.sync.counts import Estimate
from source_customerscanvas.sync.emissions import Emission, State
from source_customerscanvas.sync.kinds import FOLLOWING
from source_customerscanvas.sync.outcomes import Outcome

STATE: dict[str, Any] = {"version": 2, "began": None, "scope": {}, "slices": {}}


def read(*emissions: Emission, error: CustomersCanvasError | None = None) -> Iterator[Any]:
    def emit() -> Iterator[Emission]:
        yield from emissions
        if error:
            raise error

    for message in FollowingPartition("artifact_files", emit()).read():
        yield AirbyteMessageSerializer.dump(message) if isinstance(message, AirbyteMessage) else message


def test_given_rows_states_and_estimates_when_read_then_they_come_in_their_order() -> None:
    rows = Outcome("artifact_files", [({"id": 1}, None), ({"id": 2}, None)])
    estimate, first, second, state = read(Estimate(2, 1024), rows, State(STATE))
    announced = estimate["trace"]["estimate"]
    assert (announced["name"], announced["type"]) == ("artifact_files", "STREAM")
    assert (announced["row_estimate"], announced["byte_estimate"]) == (2, 1024)
    assert [dict(first.data), dict(second.data)] == [{"id": 1}, {"id": 2}]
    stream = state["state"]["stream"]
    assert (stream["stream_descriptor"]["name"], stream["stream_state"]) == ("artifact_files", STATE)


@pytest.mark.parametrize(
    ("file", "is_referred_to"),
    [
        (DeliveredFile("11/a.pdf", 3, "9f", local_path="/staging/artifact_files/11/a.pdf"), True),
        # it stays where the connector stored it: no destination may take it away
        (DeliveredFile("11/a.pdf", 3, "9f", url="file:///out/11/a.pdf", local_path="/out/11/a.pdf"), False),
        (DeliveredFile("11/a.pdf", 3, "9f", url="s3://prints/11/a.pdf"), False),
        (None, False),
    ],
)
def test_given_a_delivered_file_when_its_row_is_read_then_it_has_a_reference_if_the_destination_is_to_take_it(
    file: DeliveredFile | None, is_referred_to: bool
) -> None:
    (record,) = read(Outcome("artifact_files", [({"artifactId": "7f"}, file)]))
    reference = record.file_reference
    assert (reference is not None) is is_referred_to
    if reference:
        assert (reference.staging_file_url, reference.source_file_relative_path, reference.file_size_bytes) == (
            "/staging/artifact_files/11/a.pdf",
            "11/a.pdf",
            3,
        )


@pytest.mark.parametrize(
    ("error", "failure_type"),
    [
        (ServerTrouble("GET x", "HTTP 500"), "transient_error"),
        (MissingPermission("Artifacts: Read", "read artifacts"), "config_error"),
    ],
)
def test_given_an_error_when_read_then_it_comes_last_with_its_words_and_type(
    error: CustomersCanvasError, failure_type: str
) -> None:
    reading = read(State(STATE), error=error)
    assert next(reading)["type"] == "STATE"
    with pytest.raises(AirbyteTracedException) as raised:
        next(reading)
    assert (raised.value.message, raised.value.failure_type.value) == (error.message, failure_type)


@pytest.mark.parametrize(("delivery", "is_file_based"), [({}, True), ({"files": {"delivery": "none"}}, False)])
def test_given_the_declared_streams_when_the_source_makes_them_then_the_engine_reads_those_that_say_so(
    delivery: dict[str, Any], is_file_based: bool
) -> None:
    config = {"client_id": "app", "client_secret": "s3cret", **delivery}
    source = SourceCustomersCanvas(config=config)
    declared = {stream["name"]: stream for stream in source.resolved_manifest["streams"]}
    shown = {stream.name: stream.as_airbyte_stream() for stream in source.streams(config)}
    assert list(shown) == list(declared)
    following = {name for name, one in declared.items() if "ProjectRetriever" in one["retriever"].get("class_name", "")}
    assert following == set(FOLLOWING)
    for name in following:
        key = shown[name].source_defined_primary_key
        declared_key = declared[name]["primary_key"]
        expected = declared_key if isinstance(declared_key, list) else [declared_key]
        assert key == [path if isinstance(path, list) else [path] for path in expected]
        assert shown[name].source_defined_cursor
        assert shown[name].default_cursor_field
        assert shown[name].json_schema["properties"]
    assert {name for name, one in shown.items() if one.is_file_based} == (
        {"artifact_files"} if is_file_based else set()
    )
