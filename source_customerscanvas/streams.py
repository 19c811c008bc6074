"""The tracked streams as the framework sees them.

The low-code language's cursors keep one entry for each project that ever was and notice only what moves a project's
`lastModified`. These streams therefore plug into the framework's own extension points (`DefaultStream`, `Cursor`,
`PartitionGenerator`): each has one partition, which emits what a `sync.Sync` finds for it.

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

from source_customerscanvas.errors import CustomersCanvasError, ProjectsFailed
from source_customerscanvas.outcomes import StagedFile
from source_customerscanvas.progress import StreamProgress
from source_customerscanvas.reporting import estimate, summary
from source_customerscanvas.sync import Sync
from source_customerscanvas.times import Clock

logger = logging.getLogger("airbyte.source-customerscanvas")

STATE_PROJECTS = 200
"""Finished projects after which a state is emitted."""

STATE_SECONDS = 10.0
"""Seconds after which a state is emitted. The reader looks whether it is due as often as `_PATIENCE` says."""

_PATIENCE = 2.5

_NOTHING: tuple[int, int | None] = (0, None)


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
    """All that a sync finds for one stream, with the states that cover it."""

    def __init__(
        self, progress: StreamProgress, sync: Sync, clock: Clock, state_projects: int = STATE_PROJECTS
    ) -> None:
        self._progress = progress
        self._sync = sync
        self._clock = clock
        self._state_projects = state_projects

    def read(self) -> Iterator[Record]:
        # the framework declares records only, and passes on each other message as it is
        return cast(Iterator[Record], self._messages())

    def _messages(self) -> Iterator[Record | AirbyteMessage]:
        counts = self._progress.counts
        emitted_at = self._clock.monotonic()
        emitted_finished = 0
        estimated = _NOTHING
        for outcome in self._sync.outcomes(self._progress, patience=_PATIENCE):
            now = self._clock.monotonic()
            if estimated == _NOTHING or now - emitted_at >= STATE_SECONDS:
                yield from self._estimate(estimated)
                estimated = estimate(counts)
            finished = counts.finished - emitted_finished
            is_due = finished >= self._state_projects or now - emitted_at >= STATE_SECONDS
            if outcome and finished + outcome.finished > self._state_projects:
                is_due = True  # a page of projects finishes many at once
            if is_due or (outcome and outcome.checkpoint):
                yield self._state_message(self._progress.snapshot())
                emitted_at, emitted_finished = now, counts.finished
            for record, file in outcome.records if outcome else ():
                yield self._record(record, file)
        yield from self._estimate(estimated)
        yield self._state_message(self._progress.snapshot())
        logger.info(summary(self._progress))
        if self._progress.failure:
            raise traced(self._progress.failure)
        if counts.troubles:
            raise traced(ProjectsFailed(self._progress.name, counts.troubles))

    def _estimate(self, before: tuple[int, int | None]) -> Iterator[AirbyteMessage]:
        """The rows and bytes to expect, where they are not those that were announced before."""
        rows, size = now = estimate(self._progress.counts)
        if now != before:
            announced = AirbyteEstimateTraceMessage(
                name=self._progress.name, type=EstimateType.STREAM, row_estimate=rows, byte_estimate=size
            )
            trace = AirbyteTraceMessage(type=TraceType.ESTIMATE, emitted_at=time() * 1000, estimate=announced)
            yield AirbyteMessage(type=Type.TRACE, trace=trace)

    def _record(self, data: Mapping[str, Any], file: StagedFile | None) -> Record:
        reference = file and AirbyteRecordMessageFileReference(
            staging_file_url=file.path, source_file_relative_path=file.relative_path, file_size_bytes=file.size
        )
        return Record(data=data, stream_name=self._progress.name, file_reference=reference)

    def _state_message(self, state: Mapping[str, Any]) -> AirbyteMessage:
        stream = AirbyteStreamState(
            stream_descriptor=StreamDescriptor(name=self._progress.name),
            stream_state=AirbyteStateBlob(**state),
        )
        return AirbyteMessage(type=Type.STATE, state=AirbyteStateMessage(type=AirbyteStateType.STREAM, stream=stream))

    def to_slice(self) -> Mapping[str, Any] | None:
        return None

    def stream_name(self) -> str:
        return self._progress.name

    def __hash__(self) -> int:
        return hash(self._progress.name)


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
