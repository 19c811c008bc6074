"""Sets up a read of the streams that follow projects from the configuration, the catalog and the state.

It takes plain values and nothing of the framework, so that it can begin before the framework is imported.
"""

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.errors import CustomersCanvasError
from source_customerscanvas.files.download import Downloader
from source_customerscanvas.files.paths import check_template
from source_customerscanvas.files.stores import store_for
from source_customerscanvas.settings import ALL_STATUSES, Settings
from source_customerscanvas.state.scope import Scope
from source_customerscanvas.state.stream_state import StreamState, tries_of
from source_customerscanvas.sync.emissions import STATE_PROJECTS, Emission, emissions
from source_customerscanvas.sync.kinds import ARTIFACTS, FILES, FOLLOWING, OF_STATUSES, RESULTS
from source_customerscanvas.sync.progress import StreamProgress
from source_customerscanvas.sync.sync import Sync
from source_customerscanvas.times import Clock

logger = logging.getLogger("airbyte.source-customerscanvas")


@dataclass(frozen=True)
class Selected:
    """How the configured catalog asks for a stream; `state` is empty where there is none."""

    state: Mapping[str, Any]
    include_files: bool = False
    full_refresh: bool = False


@dataclass(frozen=True)
class Reading:
    """A read that has begun."""

    client: ApiClient
    sync: Sync
    _streams: Mapping[str, StreamProgress]
    _clock: Clock

    @property
    def names(self) -> Collection[str]:
        return self._streams.keys()

    def emissions(self, name: str, state_projects: int = STATE_PROJECTS) -> Iterator[Emission]:
        return emissions(self._streams[name], self.sync.dispatcher, self._clock, state_projects)

    def note_state_out(self, name: str) -> None:
        """A state has left the connector."""
        self._streams[name].states_out.note_out()

    def failure(self) -> CustomersCanvasError | None:
        """What has ended the read as a whole."""
        return next((stream.failure for stream in self._streams.values() if stream.failure), None)


def begin_reading(
    settings: Settings, selected: Mapping[str, Selected], clock: Clock, all_states: Iterable[Any] = ()
) -> Reading:
    """Begin to read the selected streams; what is found waits for their readers.

    `all_states` are those of all streams, of which tries of failed projects count whether they are selected or not.
    Nothing is changed in the shop before `Sync.permit_changes`. Raises `UnreadableState` and `InvalidSetting`.
    """
    check_template(settings.file_path, settings.storefront_ids)
    delivery = settings.files.delivery
    wants_files = FILES in selected and (selected[FILES].include_files if delivery == "airbyte" else delivery != "none")
    # what proves that an order has arrived: its files, or else its results
    acknowledging = FILES if FILES in selected else RESULTS
    streams = {}
    for name in FOLLOWING:
        if name in selected:
            one = selected[name]
            acknowledges = name == acknowledging and settings.acknowledge.mode != "none"
            scope = _scope(name, settings, wants_files, acknowledges=acknowledges)
            state = StreamState.from_json(name, one.state, scope, full_refresh=one.full_refresh)
            since = settings.acknowledge.since
            streams[name] = StreamProgress(
                name, state, settings.lookback_minutes, since=since, acknowledges=acknowledges
            )
    client = ApiClient(settings, clock)
    downloader = _downloader(settings, client, clock, streams[FILES]) if wants_files else None
    if FILES in selected and selected[FILES].include_files and delivery != "airbyte":
        logger.warning(
            f"The connection expects the files of {FILES} from Airbyte, but with these settings the connector stores "
            "them itself: refresh the connection's schema."
        )
    if FILES in selected and not wants_files:
        logger.info(f"The stream {FILES} emits rows without delivering files. {_how_to_get_files(settings)}")
    sync = Sync(settings, client, clock, list(streams.values()), downloader, tries_of(all_states))
    if streams:
        sync.start()
    return Reading(client, sync, streams, clock)


def _downloader(settings: Settings, client: ApiClient, clock: Clock, stream: StreamProgress) -> Downloader | None:
    store = store_for(settings, clock, client.stopping)
    return Downloader(client, store, clock, stream.counts.receive) if store else None


def _how_to_get_files(settings: Settings) -> str:
    if settings.files.delivery == "none":
        return "To get the files, set `files` to the place where they are to go."
    return (
        "To get the files, set `files` to a bucket, an SFTP server or a folder, or sync to a destination that stores "
        "files (`include_files` in the configured catalog)."
    )


def _scope(name: str, settings: Settings, wants_files: bool, *, acknowledges: bool) -> Scope:
    """What a stream is asked for, as far as its state has to know it (`acknowledges`: see `StreamProgress`)."""
    kinds = {ARTIFACTS: settings.artifact_types, FILES: settings.file_formats}.get(name)
    return Scope(
        start_date=settings.start_date,
        kinds=kinds,
        statuses=settings.statuses if name in OF_STATUSES or acknowledges else ALL_STATUSES,
        shard=settings.shard,
        destination=settings.files.destination if name == FILES and wants_files else None,
    )
