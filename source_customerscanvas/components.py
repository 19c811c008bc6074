"""What the manifest's own streams need and the low-code language cannot say."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import Any

from airbyte_cdk.sources.declarative.extractors.record_filter import RecordFilter
from airbyte_cdk.sources.declarative.retrievers import Retriever
from airbyte_cdk.sources.declarative.transformations import RecordTransformation
from airbyte_cdk.sources.types import Config, StreamSlice, StreamState

from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.api.listing import Row, read_page, read_unpaged, row_id, walk
from source_customerscanvas.errors import CustomersCanvasError, NeedsItsSource, NotFound, NotTheApi, Stopped, WrongHost
from source_customerscanvas.settings import Settings
from source_customerscanvas.streams import traced
from source_customerscanvas.times import to_utc

logger = logging.getLogger("airbyte.source-customerscanvas")


@dataclass(frozen=True)
class _Shared:
    client: ApiClient
    failure: Callable[[], CustomersCanvasError | None] = lambda: None


_shared: dict[Settings, _Shared] = {}
_sharing = Lock()


def share(settings: Settings, client: ApiClient, failure: Callable[[], CustomersCanvasError | None]) -> None:
    """Let this client be the one for these settings; `failure` tells what has stopped it.

    The framework makes the manifest's components itself, one for each stream and without a place to hand them a
    client. One client for all keeps one token, one count of requests under way and one pace.
    """
    with _sharing:
        _shared.clear()
        _shared[settings] = _Shared(client, failure)


def _shared_for(settings: Settings) -> _Shared:
    with _sharing:
        if settings not in _shared:
            _shared[settings] = _Shared(ApiClient(settings))
        return _shared[settings]


@dataclass
class ListRetriever(Retriever):
    """Reads a whole list of the API, each row once, through the connector's one HTTP client.

    A stock requester would ask for a token of its own, and would neither count towards `num_workers` nor slow down
    together with the streams that follow projects. The stock paginators miss rows that move from one page to another
    while they read, ask for ever where a server gives one page again and again, and fail on a row that is no object.

    `{path: storefront/v1/storefronts, params: {sorting: Id ASC}}` →
    `GET {api_url}/api/storefront/v1/storefronts?sorting=Id%20ASC&skip=0&take=100`, and the pages after it;
    with `is_paged: false` one request without `skip` and `take`, and more only where its answer tells of more rows
    """

    config: Config
    name: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    is_paged: bool = True
    record_filter: RecordFilter | None = None
    transformations: list[RecordTransformation] = field(default_factory=list)

    def read_records(
        self, records_schema: Mapping[str, Any], stream_slice: StreamSlice | None = None
    ) -> Iterable[Mapping[str, Any]]:
        """The rows. Every error is one of the connector's own, as the framework reports it."""
        try:
            settings = Settings.from_config(self.config)
            shared = _shared_for(settings)
            rows: Iterable[Mapping[str, Any]] = self._rows(shared.client)
            if self.record_filter:
                rows = self.record_filter.filter_records(rows, stream_state={}, stream_slice=stream_slice)
            emitted = 0
            for row in rows:
                record = dict(row)
                for transformation in self.transformations:
                    transformation.transform(record, self.config, stream_slice=stream_slice)
                yield record
                emitted += 1
            logger.info(f"Summary of {self.name}: {emitted} records.")
        except (NotFound, NotTheApi) as error:
            if isinstance(error, NotTheApi) and error.is_known:
                raise traced(error) from error
            raise traced(WrongHost(settings.api_url, f"it has no {self.path}")) from None
        except Stopped as error:
            raise traced(shared.failure() or error) from error
        except CustomersCanvasError as error:
            raise traced(error) from error

    def _rows(self, client: ApiClient) -> Iterator[Row]:
        fetch = partial(read_page, client.get_json, self.path, self.params)
        pages = walk(fetch, fetch(0)) if self.is_paged else read_unpaged(client.get_json, self.path)
        seen: set[str] = set()
        has_nameless = False
        for page in pages:
            for row in page.rows:
                number = row_id(row)
                id_ = row.get("id") if number is None else number
                has_nameless = has_nameless or id_ is None
                if id_ is not None and str(id_) not in seen:
                    seen.add(str(id_))
                    yield {**row, "id": id_}
        if has_nameless:
            logger.warning(f"The list of {self.name} has rows without an id: they are passed over.")


@dataclass
class ProjectRetriever(Retriever):
    """Stands for what reads a stream that follows projects: the source gives the stream the engine's partition.

    The low-code language's cursors keep one entry for each project that ever was, notice only what moves a project's
    `lastModified`, and read each stream for itself. The engine (see `sync`) reads all of these streams together.
    """

    config: Config

    def read_records(
        self, records_schema: Mapping[str, Any], stream_slice: StreamSlice | None = None
    ) -> Iterable[Mapping[str, Any]]:
        """Only `SourceCustomersCanvas` can read such a stream. Raises `NeedsItsSource`."""
        raise traced(NeedsItsSource())


@dataclass
class UtcTimes(RecordTransformation):
    """Writes times as the connector's schemas promise; what is not a time becomes null.

    The low-code language parses no more than six fractional digits, .NET writes seven.

    `{fields: [created]}`: `{"created": "2024-03-05T12:11:12.1234567+02:00"}` →
    `{"created": "2024-03-05T10:11:12.123456Z"}`
    """

    fields: list[str]

    def transform(
        self,
        record: dict[str, Any],
        config: Config | None = None,
        stream_state: StreamState | None = None,
        stream_slice: StreamSlice | None = None,
    ) -> None:
        for name in self.fields:
            if name in record:
                record[name] = to_utc(record[name])
