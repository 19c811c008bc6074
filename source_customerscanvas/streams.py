"""The streams that follow projects as the framework sees them.

They plug into the framework's own extension points (`DefaultStream`, `Cursor`, `PartitionGenerator`): each has one
partition, which hands over what a read emits for it (see `sync.emissions`).

States travel with the records, through the same queue: a partition may yield any message, and the framework passes it
on in order. So a state cannot overtake the records that it covers.
"""

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from threading import Condition
from time import time
from typing import Any, cast

from airbyte_cdk.models import (
    AirbyteEstimateTraceMessage,
    AirbyteMessage,
    AirbyteRecordMessageFileReference,
    AirbyteStateBlob,
    AirbyteStateMessage,
    AirbyteStateType,
    AirbyteStreamState,
    AirbyteTraceMessage,
    EstimateType,
    FailureType,
    StreamDescriptor,
    TraceType,
    Type,
)
from airbyte_cdk.sources.streams.concurrent.abstract_stream import AbstractStream
from airbyte_cdk.sources.streams.concurrent.cursor import Cursor, CursorField
from airbyte_cdk.sources.streams.concurrent.default_stream import DefaultStream
from airbyte_cdk.sources.streams.concurrent.partitions.partition import Partition
from airbyte_cdk.sources.streams.concurrent.partitions.partition_generator import PartitionGenerator
from airbyte_cdk.sources.types import Record
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_customerscanvas.api.packed import unpacked
from source_customerscanvas.errors import CustomersCanvasError
from source_customerscanvas.files.artifact_file import DeliveredFile
from source_customerscanvas.sync.counts import Estimate
from source_customerscanvas.sync.emissions import Emission, State

_MOST_BYTES = 1024 * 1024
"""Bytes of one stream's records in the framework's queue, which counts nothing but records."""


def traced(error: CustomersCanvasError) -> AirbyteTracedException:
    """An error as the framework reports it."""
    return AirbyteTracedException(
        message=error.message,
        internal_message=error.detail or error.message,
        failure_type=FailureType(error.failure_type),
        exception=error,
    )


def following_stream(
    declared: AbstractStream, partition: "FollowingPartition | None", logger: logging.Logger, *, is_file_based: bool
) -> DefaultStream:
    """A stream with the name, key, cursor and schema that the manifest declares, which the engine reads.

    It can be read if it has a partition.
    """
    shown = declared.as_airbyte_stream()
    return DefaultStream(
        partition_generator=_OnePartition(partition),
        name=declared.name,
        json_schema=shown.json_schema,
        primary_key=[path[0] for path in shown.source_defined_primary_key or []],
        cursor_field=CursorField((shown.default_cursor_field or [""])[0]),
        logger=logger,
        cursor=_PartitionKeepsState(),
        supports_file_transfer=is_file_based,
    )


class FollowingPartition(Partition):
    """All that a read emits for one stream.

    It bounds the bytes of records that are on their way through the framework, whose queue counts records: used by the
    thread that reads the stream and by the one that prints.
    """

    def __init__(self, stream_name: str, emissions: Iterator[Emission]) -> None:
        self._stream_name = stream_name
        self._emissions = emissions
        self._changed = Condition()
        self._weights: deque[int] = deque()
        self._bytes = 0

    def note_record_out(self) -> None:
        """A record has left the connector, in the order in which they were read."""
        with self._changed:
            self._bytes -= self._weights.popleft()
            self._changed.notify()

    def read(self) -> Iterator[Record]:
        # the framework declares records only, and passes on each other message as it is
        return cast(Iterator[Record], self._messages())

    def _messages(self) -> Iterator[Record | AirbyteMessage]:
        try:
            for emission in self._emissions:
                if isinstance(emission, State):
                    yield self._state(emission)
                elif isinstance(emission, Estimate):
                    yield self._estimate(emission)
                else:
                    weight = emission.weight // len(emission.records)
                    for row, file in emission.records:
                        self._wait_for_room(weight)
                        yield self._record(row, file)
        except CustomersCanvasError as error:
            raise traced(error) from error

    def _wait_for_room(self, weight: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._weights or self._bytes + weight <= _MOST_BYTES)
            self._weights.append(weight)
            self._bytes += weight

    def _record(self, data: Mapping[str, Any], file: DeliveredFile | None) -> Record:
        reference = None
        if file and file.local_path and not file.url:
            # only what lies there for the destination to take away
            reference = AirbyteRecordMessageFileReference(
                staging_file_url=file.local_path,
                source_file_relative_path=file.relative_path,
                file_size_bytes=file.size,
            )
        return Record(data=unpacked(data), stream_name=self._stream_name, file_reference=reference)

    def _state(self, state: State) -> AirbyteMessage:
        stream = AirbyteStreamState(
            stream_descriptor=StreamDescriptor(name=self._stream_name),
            stream_state=AirbyteStateBlob(**state.content),
        )
        return AirbyteMessage(type=Type.STATE, state=AirbyteStateMessage(type=AirbyteStateType.STREAM, stream=stream))

    def _estimate(self, estimate: Estimate) -> AirbyteMessage:
        announced = AirbyteEstimateTraceMessage(
            name=self._stream_name, type=EstimateType.STREAM, row_estimate=estimate.rows, byte_estimate=estimate.size
        )
        trace = AirbyteTraceMessage(type=TraceType.ESTIMATE, emitted_at=time() * 1000, estimate=announced)
        return AirbyteMessage(type=Type.TRACE, trace=trace)

    def to_slice(self) -> Mapping[str, Any] | None:
        return None

    def stream_name(self) -> str:
        return self._stream_name

    def __hash__(self) -> int:
        return hash(self._stream_name)


class _OnePartition(PartitionGenerator):
    def __init__(self, partition: Partition | None) -> None:
        self._partition = partition

    def generate(self) -> Iterable[Partition]:
        return [self._partition] if self._partition else []


class _PartitionKeepsState(Cursor):
    """The cursor that the framework asks for; the partition emits the states itself, between its records."""

    @property
    def state(self) -> MutableMapping[str, Any]:
        return {}

    def observe(self, record: Record) -> None:
        pass

    def close_partition(self, partition: Partition) -> None:
        pass

    def ensure_at_least_one_state_emitted(self) -> None:
        pass

    def should_be_synced(self, record: Record) -> bool:
        return True
