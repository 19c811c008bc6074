"""The source: the manifest's streams, and the tracked ones beside them."""

import logging
import sys
from collections.abc import Iterator, Mapping
from operator import attrgetter
from pathlib import Path
from typing import Any

from airbyte_cdk.models import (
    AirbyteConnectionStatus,
    AirbyteMessage,
    AirbyteStateMessage,
    ConfiguredAirbyteCatalog,
    FailureType,
    Status,
    SyncMode,
    Type,
)
from airbyte_cdk.sources.connector_state_manager import ConnectorStateManager
from airbyte_cdk.sources.declarative.yaml_declarative_source import YamlDeclarativeSource
from airbyte_cdk.sources.streams.concurrent.abstract_stream import AbstractStream
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_customerscanvas.checks import check_connection
from source_customerscanvas.client import fresh_client
from source_customerscanvas.errors import CustomersCanvasError
from source_customerscanvas.progress import StreamProgress
from source_customerscanvas.projects import ARTIFACTS, FILES, PROJECTS, RESULTS
from source_customerscanvas.settings import Settings
from source_customerscanvas.state import Scope, StreamState
from source_customerscanvas.streams import TrackedPartition, traced, tracked_stream
from source_customerscanvas.sync import Sync
from source_customerscanvas.times import SYSTEM_CLOCK, Clock, format_utc
from source_customerscanvas.transfer import FileTransfer, staging_directory

TRACKED = (PROJECTS, RESULTS, ARTIFACTS, FILES)


class SourceCustomersCanvas(YamlDeclarativeSource):
    """Orders, processing results and print files of Customer's Canvas.

    One object serves one command: what a read needs is made in `read` and given to the streams there.
    """

    def __init__(
        self,
        catalog: ConfiguredAirbyteCatalog | None = None,
        config: Mapping[str, Any] | None = None,
        state: list[AirbyteStateMessage] | None = None,
        *,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        super().__init__(
            path_to_yaml=str(Path(__file__).with_name("manifest.yaml")), catalog=catalog, config=config, state=state
        )
        self._clock = clock
        self._partitions: dict[str, TrackedPartition] = {}

    def streams(self, config: Mapping[str, Any]) -> list[AbstractStream]:
        definitions = self.resolved_manifest["definitions"]["tracked_streams"]
        tracked = [tracked_stream(name, definitions[name], self._partitions.get(name), self.logger) for name in TRACKED]
        return [*super().streams(config), *tracked]

    def check(self, logger: logging.Logger, config: Mapping[str, Any]) -> AirbyteConnectionStatus:
        """Prove what a sync needs, without changing anything (see `checks`)."""
        try:
            settings = Settings.from_config(config)
            check_connection(fresh_client(settings), settings)
        except CustomersCanvasError as error:
            return AirbyteConnectionStatus(status=Status.FAILED, message=filter_secrets(error.message))
        return AirbyteConnectionStatus(status=Status.SUCCEEDED)

    def read(
        self,
        logger: logging.Logger,
        config: Mapping[str, Any],
        catalog: ConfiguredAirbyteCatalog,
        state: list[AirbyteStateMessage] | None = None,
    ) -> Iterator[AirbyteMessage]:
        try:
            progress = self._start_sync(Settings.from_config(config), catalog, state)
        except CustomersCanvasError as error:
            raise traced(error) from error
        streams = {stream.name: stream for stream in progress}
        try:
            for message in super().read(logger, config, catalog, state):
                yield message
                if message.type == Type.STATE and message.state and message.state.stream:
                    # whoever took the message has printed it by now, perhaps into a buffer
                    sys.stdout.flush()
                    stream = streams.get(message.state.stream.stream_descriptor.name)
                    if stream:
                        stream.note_state_out()
        except AirbyteTracedException as error:
            # the framework calls each failed sync a configuration error
            types = {stream.failure.failure_type for stream in progress if stream.failure}
            if len(types) == 1:
                error.failure_type = FailureType(types.pop())
            raise

    def _start_sync(
        self, settings: Settings, catalog: ConfiguredAirbyteCatalog, state: list[AirbyteStateMessage] | None
    ) -> list[StreamProgress]:
        states = ConnectorStateManager(state)
        configured = {stream.stream.name: stream for stream in catalog.streams if stream.stream.name in TRACKED}
        wants_files = settings.file_download == "always" or (
            settings.file_download == "auto" and FILES in configured and bool(configured[FILES].include_files)
        )
        # what proves that an order has arrived: its files, or else its results
        delivering = FILES if FILES in configured else RESULTS
        progress = []
        for name in TRACKED:
            if name in configured:
                # a full refresh reads everything, whatever state it is given
                is_incremental = configured[name].sync_mode == SyncMode.incremental
                given = states.get_stream_state(name, None) if is_incremental else {}
                scope = scope_of(name, settings, wants_files)
                stream_state = StreamState.from_json(name, given, scope, format_utc(self._clock.now()))
                row_digest = attrgetter("whole_digest" if name == PROJECTS else "processing_digest")
                progress.append(
                    StreamProgress(
                        name,
                        stream_state,
                        row_digest,
                        settings.lookback_minutes,
                        delivered_since=delivered_since(settings, stream_state) if name == delivering else None,
                    )
                )
        client = fresh_client(settings)
        if not progress:
            return []
        transfer = None
        if wants_files and FILES in configured:
            directory = staging_directory(settings, FILES)
            receive = next(stream.receive for stream in progress if stream.name == FILES)
            transfer = FileTransfer(client, directory, self._clock, receive)
        sync = Sync(settings, client, self._clock, progress, transfer)
        self._partitions = {stream.name: TrackedPartition(stream, sync, self._clock) for stream in progress}
        sync.start()
        return progress


def delivered_since(settings: Settings, state: StreamState) -> str | None:
    """From when on orders are acknowledged: left out, from the stream's first sync on. None where none are."""
    return None if settings.acknowledge.mode == "none" else settings.acknowledge.since or state.first_sync


def scope_of(name: str, settings: Settings, wants_files: bool) -> Scope:
    """What a stream is asked for, as far as its state has to know it."""
    if name == ARTIFACTS:
        return Scope(settings.start_date, settings.artifact_types)
    if name == FILES:
        return Scope(settings.start_date, settings.file_formats, wants_files)
    return Scope(settings.start_date)
