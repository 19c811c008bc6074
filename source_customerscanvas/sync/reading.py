"""Sets up a read of the tracked streams from the configuration, the catalog and the state.

It takes plain values and nothing of the framework, so that a process without it can read (see `beside`).
"""

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.api.projects import ARTIFACTS, FILES, PROJECTS, RESULTS
from source_customerscanvas.errors import CustomersCanvasError, StoreAway, StoreUnavailable
from source_customerscanvas.files.download import Downloader
from source_customerscanvas.files.stores import store_for
from source_customerscanvas.settings import Settings
from source_customerscanvas.state.stream_state import Scope, StreamState, tries_of
from source_customerscanvas.sync.emissions import STATE_PROJECTS, Emission, emissions
from source_customerscanvas.sync.progress import StreamProgress
from source_customerscanvas.sync.sync import Sync
from source_customerscanvas.times import Clock, format_utc

TRACKED = (PROJECTS, RESULTS, ARTIFACTS, FILES)

logger = logging.getLogger("airbyte.source-customerscanvas")


@dataclass(frozen=True)
class Selected:
    """How the configured catalog asks for a tracked stream; `state` is empty where it is to be read from the start."""

    state: Mapping[str, Any]
    include_files: bool = False


@dataclass(frozen=True)
class Reading:
    """A read of the tracked streams that has begun in this process."""

    client: ApiClient
    _sync: Sync
    _streams: Mapping[str, StreamProgress]
    _clock: Clock

    @property
    def names(self) -> Collection[str]:
        return self._streams.keys()

    def emissions(self, name: str, state_projects: int = STATE_PROJECTS) -> Iterator[Emission]:
        return emissions(self._streams[name], self._sync, self._clock, state_projects)

    def note_state_out(self, name: str) -> None:
        """A state has left the connector."""
        self._streams[name].note_state_out()

    def wait_for_units(self) -> None:
        """Wait until the storefronts to sync are known, or the read has ended without them."""
        if self._streams:
            self._sync.wait_for_units()

    def failure(self) -> CustomersCanvasError | None:
        """What has ended the read as a whole."""
        return next((stream.failure for stream in self._streams.values() if stream.failure), None)

    def end(self) -> None:
        """All that was emitted has been handed over: there is nothing left to be ended."""

    def abandon(self) -> None:
        """End it as it is, at once; what was handed over stays."""
        self._sync.abandon()


def begin_reading(
    settings: Settings, selected: Mapping[str, Selected], clock: Clock, given: Iterable[Any] = ()
) -> Reading:
    """Begin to read the selected streams; what is found waits for their readers.

    `given` are the states of all streams, of which tries of failed projects count whether they are selected or not.
    Raises `UnreadableState`.
    """
    wants_files = FILES in selected and (
        settings.files.delivery != "none" and (settings.files.delivery != "airbyte" or selected[FILES].include_files)
    )
    # what proves that an order has arrived: its files, or else its results
    delivering = FILES if FILES in selected else RESULTS
    tries = tries_of(given)
    streams = {}
    for name in TRACKED:
        if name in selected:
            scope = _scope(name, settings, wants_files)
            state = StreamState.from_json(name, selected[name].state, scope, format_utc(clock.now()))
            streams[name] = StreamProgress(
                name,
                state,
                attrgetter("whole_digest" if name == PROJECTS else "processing_digest"),
                settings.lookback_minutes,
                delivered_since=_delivered_since(settings, state) if name == delivering else None,
                tries=tries,
            )
    client = ApiClient(settings)
    transfer = None
    if wants_files:
        try:
            store = store_for(settings, clock, client.stopping)
            if store:
                transfer = Downloader(client, store, clock, streams[FILES].counts.receive)
                transfer.begin()
        except (StoreUnavailable, StoreAway) as error:
            transfer = None
            streams[FILES].fail(error)  # the others need no room
    elif FILES in selected:
        logger.info(f"The stream {FILES} emits rows without downloading files. {_how_to_get_files(settings)}")
    sync = Sync(settings, client, clock, list(streams.values()), transfer)
    if streams:
        sync.start()
    return Reading(client, sync, streams, clock)


def _how_to_get_files(settings: Settings) -> str:
    if settings.files.delivery == "none":
        return "To get the files, set `files` to a place for them."
    return (
        "To get the files, sync to a destination that stores files (`include_files` in the configured catalog), or set "
        "`files` to a place of your own."
    )


def _delivered_since(settings: Settings, state: StreamState) -> str | None:
    """From when on orders are acknowledged: left out, from the stream's first sync on. None where none are."""
    return None if settings.acknowledge.mode == "none" else settings.acknowledge.since or state.first_sync


def _scope(name: str, settings: Settings, wants_files: bool) -> Scope:
    """What a stream is asked for, as far as its state has to know it."""
    if name == ARTIFACTS:
        return Scope(settings.start_date, settings.artifact_types)
    if name == FILES:
        return Scope(settings.start_date, settings.file_formats, wants_files)
    return Scope(settings.start_date)
