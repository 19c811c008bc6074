"""Looks at one order when its changed projects have been read: its row, the shop's document, its manifest."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from threading import Lock

from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.api.projects import Project, ask_order
from source_customerscanvas.errors import Conflict, NotFound, Refused, Stopped, Trouble, as_known_error
from source_customerscanvas.settings import Settings
from source_customerscanvas.sync.jobs import Touched
from source_customerscanvas.sync.kinds import ORDERS, SHOP_ORDERS, digest_for
from source_customerscanvas.sync.lists import projects_in_order
from source_customerscanvas.sync.outcomes import Outcome, Touching
from source_customerscanvas.sync.progress import StreamProgress
from source_customerscanvas.sync.records import order_record, shop_order_record
from source_customerscanvas.sync.reporting import warn_of_trouble
from source_customerscanvas.sync.results_reader import ResultsReader
from source_customerscanvas.sync.settling import Settled
from source_customerscanvas.sync.slices import Slice
from source_customerscanvas.times import format_utc

logger = logging.getLogger("airbyte.source-customerscanvas")

_NOT_IMPLEMENTED = 501
"""A shop that says so gives no document at all; with any other answer, it has none of that one order."""


class OrderReader:
    """What a worker does with an order. Shared by the workers of a sync."""

    def __init__(
        self, settings: Settings, client: ApiClient, results: ResultsReader, streams: Sequence[StreamProgress]
    ) -> None:
        self._statuses = settings.statuses
        self._client = client
        self._results = results
        self._streams = {stream.name: stream for stream in streams}
        self._lock = Lock()
        self._gives_documents: dict[int, bool] = {}
        """Whether the shop of a storefront has given any, or says that it never does."""
        self._warned: set[int] = set()
        self._shown: set[tuple[str, int, str]] = set()
        """Stream, id and digest of the projects that an order's row has shown before they were read themselves."""

    def was_shown(self, stream: str, settled: Settled) -> bool:
        """Whether a row that was handed over already shows a project as it is."""
        one = (stream, settled.project_id, settled.seen)
        with self._lock:
            if one not in self._shown:
                return False
            self._shown.discard(one)
            return True

    def read(self, slice_: Slice, order_id: str, touched: Touched) -> Iterator[Outcome]:
        """All that the streams are owed of an order. Its projects stay owed where it cannot be read."""
        streams = [stream for name in touched if (stream := self._streams[name]).failure is None]
        try:
            projects = projects_in_order(self._client, slice_, order_id)
            for stream in list(streams):
                yield from self._of_stream(slice_, stream, order_id, projects, touched[stream.name])
                streams.remove(stream)
        except Stopped:
            return
        except Exception as error:
            trouble = Trouble(f"storefront {slice_.storefront_id}, order {order_id}", as_known_error(error))
            warn_of_trouble(trouble)
            for stream in streams:
                note = partial(_leave, stream, slice_.key, touched[stream.name], trouble)
                yield Outcome(stream.name, note=note, finished=len(touched[stream.name]))

    def _of_stream(
        self,
        slice_: Slice,
        stream: StreamProgress,
        order_id: str,
        projects: list[Project],
        touching: Sequence[Touching],
    ) -> Iterator[Outcome]:
        storefront_id, now = slice_.storefront_id, format_utc(self._client.shop_now())
        rows = []
        if stream.name == ORDERS and slice_.has_order(order_id):
            rows = [order_record(storefront_id, order_id, projects, self._statuses, self._status_of, now)]
        elif stream.name == SHOP_ORDERS and projects:
            document = self._document(stream, storefront_id, order_id, projects[0].id)
            rows = [shop_order_record(storefront_id, order_id, projects, document)] if document is not None else []
        # one that has moved touches two orders, and counts in the last of them
        finished = sum(one.order_ids[-1] == order_id for one in touching)
        read = {one.project_id for one in touching}
        others = [one for one in projects if one.id not in read]
        # where the results were asked for before a project finished, the row does not show it as the list does
        statuses = {one["id"]: one["processingStatus"] for row in rows for one in row.get("projects", [])}
        shown = [one for one in others if statuses.get(one.id, one.processing_status) == one.processing_status]

        def note() -> None:
            for one in touching:
                one.hand_over()
            _remember(stream, slice_.key, order_id, others, now)

        yield Outcome(stream.name, [(row, None) for row in rows], note, finished)
        with self._lock:
            self._shown |= {(stream.name, one.id, digest_for(stream.name, one)) for one in shown}

    def _status_of(self, project: Project) -> str | None:
        """The processing status: what its results said in this sync, or else what the list shows."""
        results = self._results.seen(project.id)
        return results.status if results else project.processing_status

    def _document(self, stream: StreamProgress, storefront_id: int, order_id: str, project_id: int) -> object:
        """The shop's document of an order; None where the shop has none."""
        with self._lock:
            if self._gives_documents.get(storefront_id) is False:
                return None
        why, is_never = "it answers with an error document, or with nothing", False
        try:
            document: object = ask_order(self._client.get_json, project_id)
            if document is not None:
                with self._lock:
                    self._gives_documents[storefront_id] = True
                return document
        except (NotFound, Conflict, Refused) as error:
            why, is_never = error.message, isinstance(error, Refused) and error.status == _NOT_IMPLEMENTED
        with self._lock:
            is_first = storefront_id not in self._warned
            self._warned.add(storefront_id)
            if is_never:
                self._gives_documents.setdefault(storefront_id, False)
        if is_first:
            where = f"storefront {storefront_id}"
            stream.counts.pass_over(f"{where}: its shop gives no documents of some orders")
            logger.warning(f"Passed over: {where}, order {order_id}: its shop gives no document of it: {why}")
        return None


def _remember(stream: StreamProgress, key: str, order_id: str, projects: Iterable[Project], at: str) -> None:
    """Note the projects that only the order's row has shown: where one moves on, the order has to be told of it."""
    with stream.slice(key) as state:
        for one in projects:
            if one.id not in state.known and stream.wants(key, one):
                settled = Settled.of(stream.name, one, None, at, stream.scope.statuses)
                stream.settle(key, replace(settled, emitted=(order_id,)))


def _leave(stream: StreamProgress, key: str, touching: Sequence[Touching], trouble: Trouble) -> None:
    stream.counts.note_trouble(trouble)
    for one in touching:
        stream.leave(key, one.project_id, None)
