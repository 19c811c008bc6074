"""What the manifest's own streams need and the low-code language cannot say."""

from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import InitVar, dataclass, field
from typing import Any

import requests
from airbyte_cdk.sources.declarative.auth.declarative_authenticator import DeclarativeAuthenticator, NoAuth
from airbyte_cdk.sources.declarative.interpolation.interpolated_string import InterpolatedString
from airbyte_cdk.sources.declarative.requesters.request_options import InterpolatedRequestOptionsProvider
from airbyte_cdk.sources.declarative.requesters.requester import HttpMethod, Requester
from airbyte_cdk.sources.declarative.transformations import RecordTransformation
from airbyte_cdk.sources.types import Config, StreamSlice, StreamState

from source_customerscanvas.client import shared_client
from source_customerscanvas.errors import CustomersCanvasError, NotFound, WrongHost
from source_customerscanvas.settings import Settings
from source_customerscanvas.streams import traced
from source_customerscanvas.times import to_utc


@dataclass
class ApiRequester(Requester):
    """Sends through the connector's one HTTP client.

    Stock requesters would each ask for a token of their own, and would neither count towards `num_workers` nor slow
    down together with the tracked streams.

    `{path: storefront/v1/storefronts, request_parameters: {take: "100"}}`, second page →
    `GET {api_url}/api/storefront/v1/storefronts?take=100&skip=100` and the answer, its JSON checked
    """

    config: Config
    parameters: InitVar[Mapping[str, Any]]
    path: str = ""
    http_method: str = "GET"
    request_parameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        self._path = InterpolatedString.create(self.path, parameters=parameters)
        self._options = InterpolatedRequestOptionsProvider(
            config=self.config, parameters=parameters, request_parameters=self.request_parameters
        )

    def send_request(
        self,
        stream_state: StreamState | None = None,
        stream_slice: StreamSlice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
        path: str | None = None,
        request_headers: Mapping[str, Any] | None = None,
        request_params: Mapping[str, Any] | None = None,
        request_body_data: Mapping[str, Any] | str | None = None,
        request_body_json: Mapping[str, Any] | None = None,
        log_formatter: Callable[[requests.Response], Any] | None = None,
    ) -> requests.Response | None:
        """The answer. Every error is one of the connector's own, as the framework reports it."""
        own = self.get_request_params(stream_slice=stream_slice, next_page_token=next_page_token)
        where = path or self.get_path(stream_slice=stream_slice, next_page_token=next_page_token)
        try:
            settings = Settings.from_config(self.config)
            return shared_client(settings).send(self.get_method().value, where, {**own, **(request_params or {})})
        except NotFound:
            raise traced(WrongHost(settings.api_url, f"it has no {where}")) from None
        except CustomersCanvasError as error:
            raise traced(error) from error

    def get_authenticator(self) -> DeclarativeAuthenticator:
        return NoAuth(parameters={})

    def get_url(
        self,
        *,
        stream_state: StreamState | None = None,
        stream_slice: StreamSlice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> str:
        return self.get_url_base() + self.get_path(stream_slice=stream_slice, next_page_token=next_page_token)

    def get_url_base(
        self,
        *,
        stream_state: StreamState | None = None,
        stream_slice: StreamSlice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> str:
        return f"{Settings.from_config(self.config).api_url}/api/"

    def get_path(
        self,
        *,
        stream_state: StreamState | None = None,
        stream_slice: StreamSlice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> str:
        return str(self._path.eval(self.config, stream_slice=stream_slice, next_page_token=next_page_token))

    def get_method(self) -> HttpMethod:
        return HttpMethod[self.http_method]

    def get_request_params(
        self,
        *,
        stream_state: StreamState | None = None,
        stream_slice: StreamSlice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> MutableMapping[str, Any]:
        return self._options.get_request_params(stream_slice=stream_slice, next_page_token=next_page_token)

    def get_request_headers(
        self,
        *,
        stream_state: StreamState | None = None,
        stream_slice: StreamSlice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> Mapping[str, Any]:
        return {}

    def get_request_body_data(
        self,
        *,
        stream_state: StreamState | None = None,
        stream_slice: StreamSlice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> Mapping[str, Any] | str:
        return {}

    def get_request_body_json(
        self,
        *,
        stream_state: StreamState | None = None,
        stream_slice: StreamSlice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> Mapping[str, Any]:
        return {}


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
