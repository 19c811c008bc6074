"""The one way to the API: whatever is asked of it, by any thread or stream, goes through an `ApiClient`."""

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from threading import Event, Lock, Semaphore
from typing import Any, Protocol, TypeVar
from urllib.parse import quote, urlencode

import orjson
import requests
import urllib3.exceptions

from source_customerscanvas.api.access_token import AccessToken, hidden
from source_customerscanvas.api.answers import parsed, read_beginning, read_body, retry_after, words_of
from source_customerscanvas.api.calls import Call, Origin, normalised, origin_of, query_value, redirected
from source_customerscanvas.api.connections import Connections
from source_customerscanvas.api.failures import (
    Failed,
    Patience,
    missing_permission,
    network_failure,
)
from source_customerscanvas.api.pacing import Pace
from source_customerscanvas.errors import (
    Conflict,
    NotFound,
    Refused,
    ServerTrouble,
    Stopped,
    WrongClient,
    WrongHost,
    shorten,
)
from source_customerscanvas.settings import Settings, is_loopback
from source_customerscanvas.times import SYSTEM_CLOCK, Clock

T = TypeVar("T")

_log = logging.getLogger(__name__)

_MOST_REDIRECTS = 5
_USER_AGENT = "source-customerscanvas"
_TOKEN = re.compile(r"[!-~]+\Z")
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PASSING = frozenset({304, 408, 425})
"""What says no for the moment. Nothing is asked for on a condition, so that 304 is a mistake of somebody in between."""


class ApiClient:
    """Sends requests with token, time-outs, retries and pacing; safe to share between threads.

    Raises errors of `errors` only. At most `num_workers` requests are under way at any time, downloads included.
    Once `stopping` is set, whatever waits or begins raises `Stopped`. The counters are for progress messages.
    """

    def __init__(self, settings: Settings, clock: Clock = SYSTEM_CLOCK) -> None:
        self.stopping = Event()
        self.requests = 0
        self.retries = 0
        self.refused_429 = 0
        self._settings = settings
        self._clock = clock
        self._origin = origin_of(settings.api_url)
        self._token = AccessToken(self._request_token, self._clock)
        self._slots = Semaphore(settings.num_workers)
        self._lock = Lock()
        self._paces: dict[Origin, Pace] = {}
        self._connections = Connections(settings.num_workers)

    def get_json(
        self, path: str, params: Mapping[str, Any] | None = None, understand: Callable[[Any], Any] | None = None
    ) -> Any:
        """The parsed answer; None where the API answers without a body. `path` such as `storefront/v1/projects`.

        `understand` makes of the answer what is given back. Where it raises `ServerTrouble`, as the answer is not what
        it should be, that passes like any other trouble of a server: it is asked again.
        """
        return self._ask("GET", path, params, understand=understand)

    def post(self, path: str, params: Mapping[str, Any] | None = None, json: Any = None) -> None:
        """Change something. Tried again only when the server surely did nothing the time before."""
        self._ask("POST", path, params, json)

    def token_scopes(self) -> frozenset[str] | None:
        """Asks for a new token. The permissions that it carries; None where the identity server does not say."""
        with self._slots:
            return self._token.scopes()

    def address(self, path: str, params: Mapping[str, Any] | None = None) -> str:
        """The URL of a path of the API, with the tenant where one is configured."""
        query = {key: query_value(value) for key, value in (params or {}).items() if value is not None}
        if self._settings.tenant_id is not None:
            query["tenantId"] = str(self._settings.tenant_id)
        url = f"{self._settings.api_url}/api/{path}"
        return f"{url}?{urlencode(query, quote_via=quote)}" if query else url

    @contextmanager
    def open_file(self, url: str, *, with_token: bool, headers: Mapping[str, str]) -> Iterator[requests.Response]:
        """A download whose body is yet to be read from `raw`: status 200, 206 or 416.

        The slot of the request is kept until the block ends. Reading may raise `urllib3.exceptions.HTTPError` and
        `OSError`. `Refused` for an address that may not be asked: not https (plain http is for loopback only, when the
        API is there too), or not the API's own although a token is to be sent.
        """
        # with the token it is an address of our own, and made as it is to be sent
        url = url if with_token else normalised(url)
        call = Call("GET", url, {"User-Agent": _USER_AGENT, **headers}, None, with_token, is_file=True)
        self._check_address(call.url, call.where)
        if with_token and origin_of(call.url) != self._origin:
            raise Refused(None, call.where, "the token is for the API only")
        response = self._persist(lambda: self._open(call), repeatable=True)
        try:
            yield response
        finally:
            response.close()
            self._slots.release()

    def shop_now(self) -> datetime:
        """The shop's clock."""
        return self._clock.now()

    def wait(self, seconds: float) -> None:
        """Let time pass; raises `Stopped` as soon as `stopping` is set."""
        self._clock.wait(seconds, self.stopping)
        self._check_stopped()

    def _ask(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any] | None,
        json: Any = None,
        understand: Callable[[Any], Any] | None = None,
    ) -> Any:
        headers = {"User-Agent": _USER_AGENT, "Accept": "application/json", "Accept-Encoding": "gzip, deflate"}
        body = None
        if json is not None:
            body = orjson.dumps(json)
            headers["Content-Type"] = "application/json"
        call = Call(method, self.address(path, params), headers, body)

        def attempt() -> Any:
            answer = self._once(call)
            try:
                return understand(answer) if understand else answer
            except ServerTrouble as error:
                raise Failed(error) from None

        return self._persist(attempt, repeatable=method == "GET")

    def _persist(self, attempt: Callable[[], T], repeatable: bool) -> T:
        patience = Patience(self._clock)
        while True:
            self._check_stopped()
            try:
                return attempt()
            except Failed as failed:
                pause = patience.pause_after(failed) if repeatable or failed.untouched else None
                if pause is None:
                    raise failed.error from None
                _log.debug("Again in %.1f s: %s", pause, failed.error.message)
            self.wait(pause)
            self._count(retries=1)

    def _once(self, call: Call) -> Any:
        with self._slots:
            response = self._follow(call)
            try:
                self._judge(response, call)
                body = read_body(response)
            finally:
                response.close()
        if not body and (call.method != "GET" or response.status_code == 204):
            return None
        try:
            # what a change answers nobody needs, but a gateway's page in its place says that it was not made
            return parsed(body)
        except ValueError:
            kind = self._hide(response.headers.get("Content-Type", "unknown type"))
            raise Failed(ServerTrouble(call.where, f"the answer is not JSON but {kind}")) from None

    def _open(self, call: Call) -> requests.Response:
        # released here only when there is nothing to read, else by `open_file`
        self._slots.acquire()
        response = None
        try:
            response = self._follow(call)
            self._judge(response, call)
            return response
        except BaseException:
            if response is not None:
                response.close()
            self._slots.release()
            raise

    def _follow(self, call: Call) -> requests.Response:
        """The first answer that is no redirect. The token stays with the API's own origin."""
        url, with_token = call.url, call.with_token
        for _ in range(_MOST_REDIRECTS + 1):
            response = self._with_token(call, url) if with_token else self._transmit(call, url)
            target = response.headers.get("Location")
            if response.status_code not in _REDIRECTS or not target:
                return response
            read_beginning(response)
            response.close()
            if call.method != "GET":
                raise WrongHost(self._settings.api_url, f"it redirects {call.where}")
            url = redirected(url, target)
            self._check_address(url, f"{call.where}, which redirects to another address,")
            # once away from the API, a stranger decides where to go: the token does not come back
            with_token = with_token and origin_of(url) == self._origin
        raise ServerTrouble(call.where, "it redirects without end")

    def _with_token(self, call: Call, url: str) -> requests.Response:
        for _ in range(2):
            response = self._transmit(call, url, self._token)
            if response.status_code != 401:
                return response
            read_beginning(response)
            response.close()
            self._token.reject(response.request.headers["Authorization"].removeprefix("Bearer "))
        raise WrongHost(self._settings.api_url, f"it does not accept the tokens of {self._settings.hub_url}")

    def _transmit(self, call: Call, url: str, token: AccessToken | None = None) -> requests.Response:
        """One request and the head of its answer."""
        origin = origin_of(url)
        pace = self._pace(origin)
        if token:
            token.get()  # before the turn is taken: whoever renews it would be late for it
        sent = pace.wait()
        self._count(requests=1)
        headers = dict(call.headers)
        if token:
            # after the wait, which may be longer than a token lives
            headers["Authorization"] = f"Bearer {token.get()}"
        try:
            response = self._connections.transmit(call.method, url, headers, call.body)
        except (OSError, urllib3.exceptions.HTTPError) as error:
            raise network_failure(error, origin[1]) from None
        now = self._clock.monotonic()
        if response.status_code != 429:
            pace.served(sent, now)
            return response
        self._count(refused_429=1)
        response.close()
        raise Failed(
            ServerTrouble(call.where, "too many requests (HTTP 429), for more than ten minutes"),
            asked=retry_after(response, self._clock.now()),
            untouched=True,
            throttle=partial(pace.refused, sent, now),
        )

    def _judge(self, response: requests.Response, call: Call) -> None:
        """Raises unless the answer is a success, or one that a download knows how to go on from."""
        status = response.status_code
        if 200 <= status < 300 or (call.is_file and status == 416):
            return
        said = self._quote(read_beginning(response))
        if status >= 500 or status in _PASSING:
            asked = retry_after(response, self._clock.now())
            raise Failed(
                ServerTrouble(call.where, f"HTTP {status} {said}"),
                asked=asked,
                untouched=status == 425 or (status == 503 and asked is not None),
            )
        if status == 403 and call.with_token and origin_of(response.url) == self._origin:
            error = missing_permission(call)
            error.detail = f"{call.where}: HTTP 403 {said}"
            raise error
        if status in (404, 410):
            raise NotFound(call.where)
        if status == 409:
            raise Conflict(call.where, said)
        raise Refused(status, call.where, said)

    def _quote(self, body: bytes) -> str:
        return shorten(self._hide(words_of(body)))

    def _hide(self, text: str) -> str:
        """Without the secrets that a server may repeat."""
        return self._token.hide(hidden(text, self._settings.client_secret))

    def _request_token(self) -> Mapping[str, Any]:
        form = {
            "grant_type": "client_credentials",
            "client_id": self._settings.client_id,
            "client_secret": self._settings.client_secret,
        }
        headers = {
            "User-Agent": _USER_AGENT,
            "Accept": "application/json",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        url = f"{self._settings.hub_url}/connect/token"
        call = Call("POST", url, headers, urlencode(form).encode(), with_token=False)
        # asking twice for a token does no harm, so this POST is repeatable
        return self._persist(lambda: self._token_once(call), repeatable=True)

    def _token_once(self, call: Call) -> Mapping[str, Any]:
        # the worker that asks holds a slot already, for the request that the token is for
        response = self._transmit(call, call.url)
        try:
            body = read_body(response)
        finally:
            response.close()
        status = response.status_code
        if status >= 500 or status in _PASSING:
            raise Failed(ServerTrouble(call.where, f"HTTP {status}"), asked=retry_after(response, self._clock.now()))
        try:
            answer = orjson.loads(body)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            error = WrongHost(self._settings.hub_url, f"HTTP {status} in answer to a request for a token")
            # a page in place of the token may also be a gateway's, for a moment
            raise Failed(error) if 200 <= status < 300 else error
        token = answer.get("access_token")
        # what cannot stand in a header would be told by the error that it makes there
        if status == 200 and isinstance(token, str) and _TOKEN.match(token):
            return answer
        if answer.get("error") == "invalid_client":
            raise WrongClient(self._settings.hub_url)
        if "error" in answer:
            raise Refused(status, "the request for a token", self._quote(body), failure_type="config_error")
        raise WrongHost(self._settings.hub_url, f"HTTP {status} and no token in answer to a request for one")

    def _check_address(self, url: str, where: str) -> None:
        scheme, host, _ = origin_of(url)
        local = scheme == "http" and is_loopback(host) and is_loopback(self._origin[1])
        if not host or not (scheme == "https" or local):
            raise Refused(None, where, "its address is not https")

    def _check_stopped(self) -> None:
        if self.stopping.is_set():
            raise Stopped

    def _count(self, requests: int = 0, retries: int = 0, refused_429: int = 0) -> None:
        with self._lock:
            self.requests += requests
            self.retries += retries
            self.refused_429 += refused_429

    def _pace(self, origin: Origin) -> Pace:
        pace = self._paces.get(origin)
        if pace is None:
            with self._lock:
                pace = self._paces.setdefault(origin, Pace(self._clock, self.stopping))
        return pace


class GetsJson(Protocol):
    """Whatever can be asked for an answer of the API."""

    def get_json(
        self, path: str, params: Mapping[str, Any] | None = None, understand: Callable[[Any], Any] | None = None
    ) -> Any:
        """See `ApiClient.get_json`."""
