"""Gives the framework the streams of the manifest. Those that follow projects are read by the engine."""

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.logger import PRINT_BUFFER
from airbyte_cdk.models import (
    AirbyteCatalog,
    AirbyteConnectionStatus,
    AirbyteErrorTraceMessage,
    AirbyteMessage,
    AirbyteMessageSerializer,
    AirbyteStateMessage,
    AirbyteStateType,
    AirbyteStreamState,
    ConfiguredAirbyteCatalog,
    ConnectorSpecification,
    Status,
    StreamDescriptor,
    SyncMode,
    Type,
)
from airbyte_cdk.sources.declarative.yaml_declarative_source import YamlDeclarativeSource
from airbyte_cdk.sources.streams.concurrent.abstract_stream import AbstractStream
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.api.packed import LONG_LIST
from source_customerscanvas.api.storefronts import list_storefronts
from source_customerscanvas.checks import CHECK_PATIENCE_SECONDS, check_configuration, check_connection
from source_customerscanvas.components import share
from source_customerscanvas.errors import CustomersCanvasError, DoubledStream, UnknownStream, UnreadableInput
from source_customerscanvas.settings import Settings
from source_customerscanvas.streams import FollowingPartition, following_stream, traced
from source_customerscanvas.sync.kinds import FILES, FOLLOWING
from source_customerscanvas.sync.reading import Reading, Selected, begin_reading
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
        begun: Reading | None = None,
    ) -> None:
        super().__init__(
            path_to_yaml=str(Path(__file__).with_name("manifest.yaml")), catalog=catalog, config=config, state=state
        )
        self._clock = clock
        self._begun = begun
        self._partitions: dict[str, FollowingPartition] = {}

    @classmethod
    def read_state(cls, state_path: str) -> list[AirbyteStateMessage]:
        """The state of each stream, in whichever form the file holds them. Raises `UnreadableInput`.

        The framework passes over what it does not know, and a sync would read everything anew without a word.
        """
        if state_path == "":
            raise UnreadableInput("state", state_path, "the option names none")
        states: list[AirbyteStreamState] = []
        messages = super().read_state(state_path)
        if state_path and not messages and json.loads(Path(state_path).read_bytes()) not in ([], {}):
            raise UnreadableInput("state", state_path, "it is JSON, but no list of states")
        for message in messages:
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

    def configure(self, config: Mapping[str, Any], temp_dir: str) -> Mapping[str, Any]:
        """The configuration as it is: the framework also writes it to a file, which stays when a signal ends a read."""
        return config

    def streams(self, config: Mapping[str, Any]) -> list[AbstractStream]:
        stages_files = Settings.from_config(config).files.delivery == "airbyte"
        return [
            following_stream(
                stream,
                self._partitions.get(stream.name),
                self.logger,
                is_file_based=stream.name == FILES and stages_files,
            )
            if stream.name in FOLLOWING
            else stream
            for stream in super().streams(config)
        ]

    def check(self, logger: logging.Logger, config: Mapping[str, Any]) -> AirbyteConnectionStatus:
        """Prove what a sync needs; nothing is changed in the shop (see `checks`)."""
        try:
            settings = Settings.from_config(config)
            check_connection(ApiClient(settings, patience=CHECK_PATIENCE_SECONDS), settings)
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
            reading = self._begun or self._begin(settings, catalog, state)
            reading.sync.permit_changes()
            share(settings, reading.client, reading.failure)
            if settings.storefront_ids:
                # the manifest's own streams would pass over a storefront that is not there without a word
                if reading.names:
                    reading.sync.wait_for_slices()
                else:
                    list_storefronts(reading.client, settings)
        except CustomersCanvasError as error:
            raise traced(error) from error
        self._partitions = {name: FollowingPartition(name, reading.emissions(name)) for name in reading.names}
        errors: list[AirbyteErrorTraceMessage] = []
        try:
            for message in super().read(logger, config, catalog, state):
                if message.type == Type.TRACE and message.trace and message.trace.error:
                    errors.append(message.trace.error)
                yield message
                if message.type == Type.RECORD and message.record and message.record.stream in self._partitions:
                    self._partitions[message.record.stream].note_record_out()
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

    def _check_streams(self, catalog: ConfiguredAirbyteCatalog) -> None:
        # the framework passes over a stream that it does not know without a word, and stumbles over one that is doubled
        known = [stream["name"] for stream in self.resolved_manifest["streams"]]
        names = [configured.stream.name for configured in catalog.streams]
        if unknown := [name for name in names if name not in known]:
            raise UnknownStream(unknown, known)
        if doubled := sorted({name for name in names if names.count(name) > 1}):
            raise DoubledStream(doubled)

    def _begin(
        self, settings: Settings, catalog: ConfiguredAirbyteCatalog, state: list[AirbyteStateMessage] | None
    ) -> Reading:
        given = [one.stream for one in state or [] if one.stream and one.stream.stream_state]
        states = {one.stream_descriptor.name: vars(one.stream_state) for one in given}
        selected = {
            stream.stream.name: Selected(
                states.get(stream.stream.name, {}),
                bool(stream.include_files),
                full_refresh=stream.sync_mode == SyncMode.full_refresh,
            )
            for stream in catalog.streams
            if stream.stream.name in FOLLOWING
        }
        return begin_reading(settings, selected, self._clock, states.values())


class Entrypoint(AirbyteEntrypoint):
    """The framework's commands, but for two things.

    A configuration that does not fit the spec is told in sentences of the connector's own: the framework's say neither
    which setting is wrong nor, for one with alternatives, what is wrong about it. And a record with a very long list is
    written as the bytes that it is: the framework makes a text of it, and has that in memory three times over.
    """

    def read(
        self, source_spec: ConnectorSpecification, config: Any, catalog: Any, state: list[Any]
    ) -> Iterator[AirbyteMessage]:
        for message in super().read(source_spec, config, catalog, state):
            if message.record and isinstance(message.record.data.get(LONG_LIST), orjson.Fragment):
                _write_out(orjson.dumps(AirbyteMessageSerializer.dump(message), option=orjson.OPT_APPEND_NEWLINE))
            else:
                yield message

    @staticmethod
    def validate_connection(source_spec: ConnectorSpecification, config: Mapping[str, Any]) -> None:
        try:
            check_configuration(config, source_spec.connectionSpecification)
        except CustomersCanvasError as error:
            raise traced(error) from None


def _write_out(line: bytes) -> None:
    """Write a message behind those that were printed before it."""
    with PRINT_BUFFER.lock:
        PRINT_BUFFER.flush()
        if sys.__stdout__:
            sys.__stdout__.buffer.write(line)
            sys.__stdout__.flush()
