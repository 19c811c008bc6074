"""Sets up a read of the tracked streams from the configuration, the catalog and the state.

It takes plain values and nothing of the framework, so that `run` can begin to read while the framework is still being
imported.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from source_customerscanvas.client import fresh_client
from source_customerscanvas.errors import StagingUnavailable
from source_customerscanvas.progress import StreamProgress
from source_customerscanvas.projects import ARTIFACTS, FILES, PROJECTS, RESULTS
from source_customerscanvas.settings import Settings
from source_customerscanvas.staging import staging_directory
from source_customerscanvas.state import Scope, StreamState
from source_customerscanvas.sync import Sync
from source_customerscanvas.times import Clock, format_utc
from source_customerscanvas.transfer import FileTransfer

TRACKED = (PROJECTS, RESULTS, ARTIFACTS, FILES)

logger = logging.getLogger("airbyte.source-customerscanvas")


@dataclass(frozen=True)
class Selected:
    """How the configured catalog asks for a tracked stream; `state` is empty where it is to be read from the start."""

    state: Mapping[str, Any]
    include_files: bool = False


@dataclass(frozen=True)
class Reading:
    """A read of the tracked streams that has begun."""

    sync: Sync
    streams: Mapping[str, StreamProgress]


def begin_reading(settings: Settings, selected: Mapping[str, Selected], clock: Clock) -> Reading:
    """Begin to read the selected streams; what is found waits for their readers.

    Raises `UnreadableState`.
    """
    wants_files = FILES in selected and (
        settings.file_download == "always" or (settings.file_download == "auto" and selected[FILES].include_files)
    )
    # what proves that an order has arrived: its files, or else its results
    delivering = FILES if FILES in selected else RESULTS
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
            )
    client = fresh_client(settings)
    transfer = None
    if wants_files:
        try:
            directory = staging_directory(settings, FILES)
            transfer = FileTransfer(client, directory, clock, streams[FILES].receive)
        except StagingUnavailable as error:
            streams[FILES].fail(error)  # the others need no room
    elif FILES in selected:
        logger.info(f"The stream {FILES} emits rows without downloading files. {_how_to_get_files(settings)}")
    sync = Sync(settings, client, clock, list(streams.values()), transfer)
    if streams:
        sync.start()
    return Reading(sync, streams)


def _how_to_get_files(settings: Settings) -> str:
    if settings.file_download == "never":
        return "To get the files, set `file_download` to `auto` or `always`."
    return (
        "To get the files, sync to a destination that stores files (`include_files` in the configured catalog), or set "
        "`file_download` to `always`."
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
