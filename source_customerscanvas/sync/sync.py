"""One read of the streams that follow projects: the order of its phases, and its threads.

acknowledge what the last sync delivered → follow each slice → wait for what is unfinished
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Thread

from source_customerscanvas.api.artifacts import Artifacts
from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.api.storefronts import visible_storefronts
from source_customerscanvas.errors import Stopped, Trouble, UnknownStorefront, as_known_error
from source_customerscanvas.files.download import Downloader
from source_customerscanvas.settings import Settings
from source_customerscanvas.state.stream_state import Try
from source_customerscanvas.sync.acknowledging import Acknowledging
from source_customerscanvas.sync.artifacts_reader import ArtifactsReader
from source_customerscanvas.sync.dispatcher import Dispatcher
from source_customerscanvas.sync.files_reader import FilesReader
from source_customerscanvas.sync.follower import Follower
from source_customerscanvas.sync.kinds import FILES, ORDERS, PROJECTS, SHOP_ORDERS
from source_customerscanvas.sync.manifests import ManifestWriter, forget_manifests
from source_customerscanvas.sync.order_reader import OrderReader
from source_customerscanvas.sync.progress import StreamProgress
from source_customerscanvas.sync.project_reader import ProjectReader, is_fatal
from source_customerscanvas.sync.reporting import Reporter, warn_of_formats, warn_of_orders
from source_customerscanvas.sync.results_reader import ResultsReader
from source_customerscanvas.sync.retries import Retries, Tries
from source_customerscanvas.sync.slices import Slice
from source_customerscanvas.sync.waiting import Waiting
from source_customerscanvas.times import Clock, format_utc

logger = logging.getLogger("airbyte.source-customerscanvas")

_FOLLOWED_AT_ONCE = 4
"""Slices whose lists are read at the same time."""

_CLEARING_SECONDS = 5.0
"""For downloads that are under way when a sync is ended to remove what they have written."""


class Sync:
    """One read of the streams that follow projects. Nothing is asked of the API before `start`."""

    def __init__(
        self,
        settings: Settings,
        client: ApiClient,
        clock: Clock,
        streams: Sequence[StreamProgress],
        downloader: Downloader | None = None,
        tries: Mapping[int, Try] | None = None,
    ) -> None:
        """`tries`: those of all states that the sync was given (see `stream_state.tries_of`)."""
        self._settings = settings
        self._client = client
        self._clock = clock
        self._streams = streams
        self._downloader = downloader
        artifacts = Artifacts(client)
        self._results = ResultsReader(client, clock)
        self._files = FilesReader(settings, client, downloader)
        orders = OrderReader(settings, client, self._results, streams)
        artifact_rows = ArtifactsReader(settings, artifacts)
        self._projects = ProjectReader(settings, client, self._files, self._results, orders, artifact_rows)
        manifests = None
        if downloader and settings.order_manifest:
            manifests = ManifestWriter(settings, client, self._results, artifacts, self._files, downloader)
        else:
            forget_manifests(streams)
        self.dispatcher = Dispatcher(settings.num_workers, client.stopping, streams, self._projects, orders, manifests)
        self._tries = Tries(streams, tries or {})
        self._reporter = Reporter(client, clock, streams)
        self._possible_orders: set[str] = set()
        """Order ids that a project has, or may have, as not all could be listed."""
        # only a sync that reads everything sees all formats
        self._reads_all_files = any(one.name == FILES and not one.state.slices for one in streams)
        self._has_slices = Event()
        self._may_change = Event()

    def start(self) -> None:
        """Begin to work; outcomes arrive in each stream's queue, which ends with None."""
        self.dispatcher.start()
        Thread(target=self._run, name="sync", daemon=True).start()
        self._reporter.start()

    def permit_changes(self) -> None:
        """The configuration has been held against the spec: what changes something in the shop may begin."""
        self._may_change.set()

    def wait_for_slices(self) -> None:
        """Wait until the storefronts to sync are known, or the sync has ended without them."""
        self._has_slices.wait()

    def _run(self) -> None:
        try:
            self._files.begin(self._streams)
            slices = self._slices()
            self._begin_states()
            self._has_slices.set()
            self._acknowledge(slices)
            with ThreadPoolExecutor(min(_FOLLOWED_AT_ONCE, max(len(slices), 1)), "follower") as pool:
                list(pool.map(self._follow, slices))
            self.dispatcher.drain()
            self._note_broken(slices)
            self._wait(slices)
            self._count_failed()
            self._warn_of_unmatched()
        except Stopped:
            pass
        except Exception as error:
            self.dispatcher.fail(as_known_error(error))
        finally:
            self._has_slices.set()
            if self._downloader:
                self._downloader.end(_CLEARING_SECONDS)
            self.dispatcher.end()
            self._reporter.stop()

    def _slices(self) -> list[Slice]:
        """What is to be read. A storefront that is not listed now keeps its state; what the settings leave out, not."""
        known = {key.partition("/")[0] for stream in self._streams for key in stream.state.slices}
        rows = visible_storefronts(self._client, self._settings, is_known=bool(known))
        names = {int(row["id"]): str(row.get("name") or "") for row in rows}
        self._files.storefront_names.update(names)
        wanted = set(self._settings.storefront_ids or names)
        missing = wanted - names.keys()
        if new := sorted(id_ for id_ in missing if str(id_) not in known):
            raise UnknownStorefront(new, list(names.items()))
        vanished = known - set(map(str, names))
        if self._settings.storefront_ids:
            vanished &= set(map(str, wanted))
        for id_ in sorted(vanished):
            logger.warning(f"Storefront {id_} is not listed now: it is passed over, and its state is kept.")
        slices = self._slices_of(sorted(wanted & names.keys()))
        kept = {one.key for one in [*slices, *self._slices_of(map(int, vanished))]}
        for stream in self._streams:
            with stream.lock:
                stream.state.keep_slices(sorted(kept))
        return slices

    def _slices_of(self, storefront_ids: Iterable[int]) -> list[Slice]:
        orders: Sequence[str | None] = self._settings.order_ids or [None]
        return [Slice(id_, order, self._settings.shard) for id_ in storefront_ids for order in orders]

    def _begin_states(self) -> None:
        """A stream's first sync begins by the shop's clock, which is known from the first answer on."""
        for stream in self._streams:
            with stream.lock:
                stream.state.began = stream.state.began or format_utc(self._client.shop_now())

    def _acknowledge(self, slices: Sequence[Slice]) -> None:
        changed = [stream for stream in self._streams if stream.name in (PROJECTS, ORDERS, SHOP_ORDERS)]
        for stream in self._streams:
            if stream.ledger:
                self._wait_for_permission()
                acknowledging = Acknowledging(self._settings, self._client, stream.ledger, changed)
                if acknowledging.acknowledge(slices):
                    self.dispatcher.checkpoint(and_wait=False)

    def _follow(self, slice_: Slice) -> None:
        """Follow a slice; what stops it does not stop the others."""
        follower = Follower(self._client, slice_, self._streams, self.dispatcher)
        is_listed = False
        try:
            follower.follow()
            is_listed = True
        except Stopped:
            pass
        except Exception as error:
            known = as_known_error(error)
            if is_fatal(known):
                self.dispatcher.fail(known)
                return
            for stream in self._streams:
                stream.counts.note_trouble(Trouble(slice_.describe(), known), first=True)
        self._results.listed_as_failed.update((slice_.key, project_id) for project_id in follower.failed)
        if slice_.order_id is not None and (follower.has_projects or not is_listed):
            self._possible_orders.add(slice_.order_id)

    def _note_broken(self, slices: Sequence[Slice]) -> None:
        """Tell of the slices that were given up; what was not read of them is owed."""
        for slice_ in slices:
            if error := self._projects.health.broken(slice_):
                for stream in self._streams:
                    stream.counts.note_trouble(Trouble(slice_.describe(), error), first=True)

    def _count_failed(self) -> None:
        for stream in self._streams:
            with stream.lock:
                open_ = [(key, id_) for key, state in stream.state.slices.items() for id_, _ in state.having("open")]
            stream.counts.failed = sum(self._results.has_failed(key, id_) for key, id_ in open_)

    def _warn_of_unmatched(self) -> None:
        warn_of_orders(self._settings.order_ids or (), self._possible_orders)
        if self._reads_all_files:
            warn_of_formats(self._settings.file_formats or (), self._files.formats)

    def _wait(self, slices: Sequence[Slice]) -> None:
        processing = self._settings.processing
        if processing.on_failure == "report" and not processing.wait_minutes:
            return
        if processing.on_failure != "report":
            self._wait_for_permission()
        retries = Retries(self._settings, self._client, self._tries, self.dispatcher)
        waiting = Waiting(
            self._settings, self._client, self._clock, self._streams, self.dispatcher, retries, self._results
        )
        waiting.follow(slices)

    def _wait_for_permission(self) -> None:
        self._may_change.wait()
        self.dispatcher.raise_if_stopping()
