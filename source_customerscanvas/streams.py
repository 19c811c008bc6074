"""The tracked streams as the framework sees them.

The low-code language's cursors keep one entry for each project that ever was and notice only what moves a project's
`lastModified`. These streams therefore plug into the framework's own extension points (`DefaultStream`, `Cursor`,
`PartitionGenerator`): each has one partition, which hands over what a read emits for it (see `emissions`).

States travel with the records, through the same queue: a partition may yield any message, and the framework passes it
on in order. So a state cannot overtake the records that it covers.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
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
from airbyte_cdk.sources.streams.concurrent.cursor import Cursor, CursorField
from airbyte_cdk.sources.streams.concurrent.default_stream import DefaultStream
from airbyte_cdk.sources.streams.concurrent.partitions.partition import Partition
from airbyte_cdk.sources.streams.concurrent.partitions.partition_generator import PartitionGenerator
from airbyte_cdk.sources.types import Record
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_customerscanvas.errors import CustomersCanvasError
from source_customerscanvas.sync.emissions import Emission, Estimate, Records, State
from source_customerscanvas.sync.outcomes import StagedFile


def traced(error: CustomersCanvasError) -> AirbyteTracedException:
    """An error as the framework reports it."""
    return AirbyteTracedException(
        message=error.message,
        internal_message=error.detail or error.message,
        failure_type=FailureType(error.failure_type),
        exception=error,
    )


def tracked_stream(
    name: str, definition: Mapping[str, Any], partition: "TrackedPartition | None", logger: logging.Logger
) -> DefaultStream:
    """A stream as `definitions.tracked_streams` of the manifest declares it; it can be read if it has a partition."""
    return DefaultStream(
        partition_generator=_OnePartition(partition),
        name=name,
        json_schema=definition["schema"],
        primary_key=[definition["primary_key"]],
        cursor_field=CursorField(definition["cursor_field"]),
        logger=logger,
        cursor=_PartitionKeepsState(),
        supports_file_transfer=definition["file_based"],
    )


class TrackedPartition(Partition):
    """All that a read emits for one stream."""

    def __init__(self, stream_name: str, emissions: Iterator[Emission]) -> None:
        self._stream_name = stream_name
        self._emissions = emissions

    def read(self) -> Iterator[Record]:
        # the framework declares records only, and passes on each other message as it is
        return cast(Iterator[Record], self._messages())

    def _messages(self) -> Iterator[Record | AirbyteMessage]:
        try:
            for emission in self._emissions:
                if isinstance(emission, Records):
                    for row, file in emission.rows:
                        yield self._record(row, file)
                elif isinstance(emission, State):
                    yield self._state(emission)
                else:
                    yield self._estimate(emission)
        except CustomersCanvasError as error:
            raise traced(error) from error

    def _record(self, data: Mapping[str, Any], file: StagedFile | None) -> Record:
        reference = file and AirbyteRecordMessageFileReference(
            staging_file_url=file.path, source_file_relative_path=file.relative_path, file_size_bytes=file.size
        )
        return Record(data=data, stream_name=self._stream_name, file_reference=reference)

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
