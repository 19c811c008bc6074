"""The source: the manifest's streams, and the tracked ones beside them."""

import logging
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.models import (
    AirbyteCatalog,
    AirbyteConnectionStatus,
    AirbyteErrorTraceMessage,
    AirbyteMessage,
    AirbyteStateMessage,
    AirbyteStateType,
    AirbyteStreamState,
    ConfiguredAirbyteCatalog,
    ConnectorSpecification,
    FailureType,
    Status,
    StreamDescriptor,
    SyncMode,
    Type,
)
from airbyte_cdk.sources.connector_state_manager import ConnectorStateManager
from airbyte_cdk.sources.declarative.yaml_declarative_source import YamlDeclarativeSource
from airbyte_cdk.sources.streams.concurrent.abstract_stream import AbstractStream
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_customerscanvas.api.client import ApiClient, share_client
from source_customerscanvas.api.storefronts import list_storefronts
from source_customerscanvas.beside import ReadingProcess
from source_customerscanvas.checks import check_configuration, check_connection
from source_customerscanvas.errors import CustomersCanvasError, Stopped, UnknownStream, UnreadableInput
from source_customerscanvas.settings import Settings
from source_customerscanvas.streams import TrackedPartition, traced, tracked_stream
from source_customerscanvas.sync.reading import TRACKED, Reading, Selected, begin_reading
from source_customerscanvas.times import SYSTEM_CLOCK, Clock


class SourceCustomersCanvas(YamlDeclarativeSource):
    """Orders, processing results and print files of Customer's Canvas.

    One object serves one command: what a read needs is made in `read` and given to the streams there. `begun` is a
    read with the same configuration, catalog and state that has begun already (see `run`).
    """

    def __init__(
        self,
        catalog: ConfiguredAirbyteCatalog | None = None,
        config: Mapping[str, Any] | None = None,
        state: list[AirbyteStateMessage] | None = None,
        *,
        clock: Clock = SYSTEM_CLOCK,
        begun: ReadingProcess | None = None,
    ) -> None:
        super().__init__(
            path_to_yaml=str(Path(__file__).with_name("manifest.yaml")), catalog=catalog, config=config, state=state
        )
        self._clock = clock
        self._begun = begun
        self._partitions: dict[str, TrackedPartition] = {}

    @classmethod
    def read_state(cls, state_path: str) -> list[AirbyteStateMessage]:
        """The state of each stream, in whichever form the file holds them. Raises `UnreadableInput`.

        The framework passes over what it does not know, and a sync would read everything anew without a word.
        """
        states: list[AirbyteStreamState] = []
        for message in super().read_state(state_path):
            if message.global_ and not (message.global_.shared_state and vars(message.global_.shared_state)):
                states += message.global_.stream_states
            elif message.stream:
                states.append(message.stream)
            else:
                why = "it holds a state of all streams together, which this connector never wrote"
                raise UnreadableInput("state", state_path, why)
        return [
            AirbyteStateMessage(
                type=AirbyteStateType.STREAM,
                stream=AirbyteStreamState(StreamDescriptor(state.stream_descriptor.name), state.stream_state),
            )
            for state in states
        ]

    def streams(self, config: Mapping[str, Any]) -> list[AbstractStream]:
        definitions = self.resolved_manifest["definitions"]["tracked_streams"]
        tracked = [tracked_stream(name, definitions[name], self._partitions.get(name), self.logger) for name in TRACKED]
        return [*super().streams(config), *tracked]

    def check(self, logger: logging.Logger, config: Mapping[str, Any]) -> AirbyteConnectionStatus:
        """Prove what a sync needs, without changing anything (see `checks`)."""
        try:
            settings = Settings.from_config(config)
            check_connection(ApiClient(settings), settings)
        except CustomersCanvasError as error:
            return AirbyteConnectionStatus(status=Status.FAILED, message=filter_secrets(error.message))
        return AirbyteConnectionStatus(status=Status.SUCCEEDED)

    def discover(self, logger: logging.Logger, config: Mapping[str, Any]) -> AirbyteCatalog:
        try:
            Settings.from_config(config)
            return super().discover(logger, config)
        except CustomersCanvasError as error:
            raise traced(error) from error

    def read(
        self,
        logger: logging.Logger,
        config: Mapping[str, Any],
        catalog: ConfiguredAirbyteCatalog,
        state: list[AirbyteStateMessage] | None = None,
    ) -> Iterator[AirbyteMessage]:
        try:
            self._check_streams(catalog)
            settings = Settings.from_config(config)
            reading = self._begun if self._begun and self._begun.begin() else self._begin(settings, catalog, state)
            share_client(settings, reading.client)
            if settings.storefront_ids:
                # the manifest's own streams would pass over a storefront that is not there without a word
                if reading.names:
                    reading.wait_for_units()
                else:
                    list_storefronts(reading.client, settings)
        except CustomersCanvasError as error:
            raise traced(error) from error
        self._partitions = {name: TrackedPartition(name, reading.emissions(name)) for name in reading.names}
        errors: list[AirbyteErrorTraceMessage] = []
        try:
            for message in super().read(logger, config, catalog, state):
                if message.type == Type.TRACE and message.trace and message.trace.error:
                    _explain(message.trace.error, reading)
                    errors.append(message.trace.error)
                yield message
                if message.type == Type.STATE and message.state and message.state.stream:
                    # whoever took the message has printed it by now, perhaps into a buffer
                    sys.stdout.flush()
                    name = message.state.stream.stream_descriptor.name
                    if name in reading.names:
                        reading.note_state_out(name)
        except AirbyteTracedException as error:
            # the framework calls each failed sync a configuration error, and lists exceptions where sentences belong
            if errors:
                error.message = " ".join(dict.fromkeys(str(one.message) for one in errors))
            types = {one.failure_type for one in errors}
            if len(types) == 1:
                error.failure_type = types.pop() or error.failure_type
            raise
        finally:
            reading.end()

    def _check_streams(self, catalog: ConfiguredAirbyteCatalog) -> None:
        # the framework passes over a stream that it does not know without a word
        known = [*(stream["name"] for stream in self.resolved_manifest["streams"]), *TRACKED]
        unknown = [configured.stream.name for configured in catalog.streams if configured.stream.name not in known]
        if unknown:
            raise UnknownStream(unknown, known)

    def _begin(
        self, settings: Settings, catalog: ConfiguredAirbyteCatalog, state: list[AirbyteStateMessage] | None
    ) -> Reading:
        states = ConnectorStateManager(state)
        selected = {}
        for stream in catalog.streams:
            name = stream.stream.name
            if name in TRACKED:
                # a full refresh reads everything, whatever state it is given
                is_incremental = stream.sync_mode == SyncMode.incremental
                given = states.get_stream_state(name, None) if is_incremental else {}
                selected[name] = Selected(given, bool(stream.include_files))
        all_states = [vars(one.stream.stream_state) for one in state or [] if one.stream and one.stream.stream_state]
        return begin_reading(settings, selected, self._clock, all_states)


def _explain(error: AirbyteErrorTraceMessage, reading: "Reading | ReadingProcess") -> None:
    """Let a stream that was ended because others could not go on tell of what ended them."""
    failure = reading.failure() if error.message == Stopped().message else None
    if failure:
        error.message = error.internal_message = failure.message
        error.failure_type = FailureType(failure.failure_type)


class Entrypoint(AirbyteEntrypoint):
    """The framework's commands, with sentences of the connector's own for a configuration that does not fit the spec.

    The framework's say neither which setting is wrong nor, for one with alternatives, what is wrong about it.
    """

    @staticmethod
    def validate_connection(source_spec: ConnectorSpecification, config: Mapping[str, Any]) -> None:
        try:
            check_configuration(config, source_spec.connectionSpecification)
        except CustomersCanvasError as error:
            raise traced(error) from None
