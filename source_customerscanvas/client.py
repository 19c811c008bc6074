"""The one way to the API: whatever is asked of it, by any thread or stream, goes through an `ApiClient`."""

import json as standard_json
import logging
import os
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import lru_cache, partial
from threading import Event, Lock, Semaphore
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urljoin, urlsplit

import orjson
import requests
import urllib3.exceptions
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import get_environ_proxies

from source_customerscanvas.errors import (
    Conflict,
    CustomersCanvasError,
    MissingPermission,
    NotFound,
    Refused,
    ServerTrouble,
    Stopped,
    Unreachable,
    WrongClient,
    WrongHost,
    shorten,
)
from source_customerscanvas.pacing import Pace
from source_customerscanvas.settings import Settings, is_loopback
from source_customerscanvas.times import SYSTEM_CLOCK, Clock

T = TypeVar("T")
Origin = tuple[str, str, int | None]

_log = logging.getLogger(__name__)

_CONNECT_SECONDS = 10
_SILENCE_SECONDS = 60
_MOST_TRIES = 6
_TROUBLE_SECONDS = 120
_THROTTLED_SECONDS = 600
_FIRST_BACK_OFF = 0.5
_LONGEST_BACK_OFF = 30.0
_MOST_REDIRECTS = 5
_TOKEN_MARGIN_SECONDS = 30
_DEFAULT_TOKEN_SECONDS = 300
_OTHER_HOSTS = 8
_USER_AGENT = "source-customerscanvas"
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SECRET_SHOWN = "***"


def path_segment(text: str) -> str:
    """Any text as one segment of a path, so that a slash or a `..` in an id asks for nothing else."""
    return text.replace(".", "%2E") if text in (".", "..") else quote(text, safe="")


@dataclass(frozen=True)
class _Call:
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None = None
    with_token: bool = True
    is_file: bool = False

    @property
    def where(self) -> str:
        """For messages: without the query, which may be a signature."""
        parts = urlsplit(self.url)
        return f"{self.method} {parts.hostname}{parts.path}"


class _Failed(Exception):
    """One try failed in a way that may pass.

    `asked` are the seconds that the server wants to be left alone for; `untouched` says that it surely did nothing,
    `hopeless` that a few minutes will not change it. For "too many requests", `throttle` makes all workers pause.
    """

    def __init__(
        self,
        error: CustomersCanvasError,
        *,
        throttle: Callable[[float | None], None] | None = None,
        asked: float | None = None,
        untouched: bool = False,
        hopeless: bool = False,
    ) -> None:
        super().__init__(error.message)
        self.error = error
        self.throttle = throttle
        self.asked = asked
        self.untouched = untouched
        self.hopeless = hopeless


class _Patience:
    """How long one request is worth trying: six times within two minutes, and ten minutes of "too many requests"."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = clock.monotonic()
        self._throttled_since: float | None = None
        self._failures = 0
        self._refusals = 0

    def pause_after(self, failed: _Failed) -> float | None:
        """Seconds until the next try; None when there is to be none."""
        now = self._clock.monotonic()
        if failed.throttle is not None:
            if self._throttled_since is None:
                self._throttled_since = now
            self._refusals += 1
            pause = failed.asked or _back_off(self._refusals)
            if now + pause - self._throttled_since > _THROTTLED_SECONDS:
                return None
            # the two minutes are for what goes wrong, not for a queue
            self._began = now + pause
            failed.throttle(failed.asked)
            return pause
        self._failures += 1
        left = self._began + _TROUBLE_SECONDS - now
        if failed.hopeless or self._failures >= _MOST_TRIES or left <= 0:
            return None
        pause = min(failed.asked, left) if failed.asked else _back_off(self._failures)
        return pause if pause <= left else None


def _back_off(failures: int) -> float:
    return random.uniform(0, min(_LONGEST_BACK_OFF, _FIRST_BACK_OFF * 2.0 ** (failures - 1)))


class _Token:
    """The access token, shared by all workers: one renews it while the others wait for that one."""

    def __init__(self, request: Callable[[], Mapping[str, Any]], clock: Clock) -> None:
        self._request = request
        self._clock = clock
        self._lock = Lock()
        self._text = ""
        self._renew_at = float("-inf")
        self._error: CustomersCanvasError | None = None
        self._failures = 0

    def get(self) -> str:
        """A token that is not about to expire. Whoever waits for a renewal that fails gets its error."""
        failures = self._failures
        with self._lock:
            if self._error is not None and failures != self._failures:
                raise self._error
            if self._clock.monotonic() >= self._renew_at:
                self._renew()
            return self._text

    def scopes(self) -> frozenset[str] | None:
        """The permissions of a new token, such as `Projects_full`; None where the identity server does not say."""
        with self._lock:
            scope = self._renew().get("scope")
        return frozenset(scope.split()) if isinstance(scope, str) and scope.strip() else None

    def _renew(self) -> Mapping[str, Any]:
        asked_at = self._clock.monotonic()
        try:
            answer = self._request()
        except CustomersCanvasError as error:
            self._error = error
            self._failures += 1
            raise
        self._text = answer["access_token"]
        lifetime = _seconds(answer.get("expires_in"))
        self._renew_at = asked_at + lifetime - min(_TOKEN_MARGIN_SECONDS, lifetime / 2)
        return answer

    def reject(self, text: str) -> None:
        """The API did not accept this token; unless another worker has renewed it already, the next one is new."""
        with self._lock:
            if text == self._text:
                self._renew_at = float("-inf")

    def hide(self, text: str) -> str:
        return text.replace(self._text, _SECRET_SHOWN) if self._text else text


def _seconds(lifetime: object) -> float:
    try:
        return max(1.0, float(lifetime))  # type: ignore[arg-type]  # whatever the server sent
    except (TypeError, ValueError):
        return _DEFAULT_TOKEN_SECONDS


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
        self._origin = _origin(settings.api_url)
        self._token = _Token(self._request_token, self._clock)
        self._slots = Semaphore(settings.num_workers)
        self._lock = Lock()
        self._paces: dict[Origin, Pace] = {}
        self._proxies: dict[Origin, dict[str, str]] = {}
        # An adapter and not a session: a session would take credentials from ~/.netrc, keep cookies, follow redirects
        # with the token, and read the environment for each request, which costs more time than sending it.
        self._adapter = HTTPAdapter(pool_connections=_OTHER_HOSTS, pool_maxsize=settings.num_workers)
        self._verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
        logging.getLogger("urllib3.connectionpool").addFilter(_without_query)

    def get_json(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """The parsed answer; None where the API answers without a body. `path` such as `storefront/v1/projects`."""
        return self._ask("GET", path, params)[1]

    def post(self, path: str, params: Mapping[str, Any] | None = None, json: Any = None) -> None:
        """Change something. Tried again only when the server surely did nothing the time before."""
        self._ask("POST", path, params, json)

    def send(
        self, method: str, path: str, params: Mapping[str, Any] | None = None, json: Any = None
    ) -> requests.Response:
        """The successful answer itself, its body read and, for a GET, known to be JSON."""
        return self._ask(method, path, params, json)[0]

    def token_scopes(self) -> frozenset[str] | None:
        """Asks for a new token. The permissions that it carries; None where the identity server does not say."""
        with self._slots:
            return self._token.scopes()

    def address(self, path: str, params: Mapping[str, Any] | None = None) -> str:
        """The URL of a path of the API, with the tenant where one is configured."""
        query = {key: _query_value(value) for key, value in (params or {}).items() if value is not None}
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
        call = _Call("GET", _normalised(url), {"User-Agent": _USER_AGENT, **headers}, None, with_token, is_file=True)
        self._check_address(call.url, call.where)
        if with_token and _origin(call.url) != self._origin:
            raise Refused(None, call.where, "the token is for the API only")
        response = self._persist(lambda: self._open(call), repeatable=True)
        try:
            yield response
        finally:
            response.close()
            self._slots.release()

    def wait(self, seconds: float) -> None:
        """Let time pass; raises `Stopped` as soon as `stopping` is set."""
        self._clock.wait(seconds, self.stopping)
        self._check_stopped()

    def _ask(
        self, method: str, path: str, params: Mapping[str, Any] | None, json: Any = None
    ) -> tuple[requests.Response, Any]:
        headers = {"User-Agent": _USER_AGENT, "Accept": "application/json", "Accept-Encoding": "gzip, deflate"}
        body = None
        if json is not None:
            body = orjson.dumps(json)
            headers["Content-Type"] = "application/json"
        call = _Call(method, self.address(path, params), headers, body)
        return self._persist(lambda: self._once(call), repeatable=method == "GET")

    def _persist(self, attempt: Callable[[], T], repeatable: bool) -> T:
        patience = _Patience(self._clock)
        while True:
            self._check_stopped()
            try:
                return attempt()
            except _Failed as failed:
                pause = patience.pause_after(failed) if repeatable or failed.untouched else None
                if pause is None:
                    raise failed.error from None
                _log.debug("Again in %.1f s: %s", pause, failed.error.message)
            self.wait(pause)
            self._count(retries=1)

    def _once(self, call: _Call) -> tuple[requests.Response, Any]:
        with self._slots:
            response = self._follow(call)
            try:
                self._judge(response, call)
                body = self._body(response, call)
            finally:
                response.close()
        if call.method != "GET" or (response.status_code == 204 and not body):
            return response, None
        return response, self._parse(response, body, call)

    def _open(self, call: _Call) -> requests.Response:
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

    def _follow(self, call: _Call) -> requests.Response:
        """The first answer that is no redirect. The token stays with the API's own origin."""
        url, with_token = call.url, call.with_token
        for _ in range(_MOST_REDIRECTS + 1):
            response = self._with_token(call, url) if with_token else self._transmit(call, url, call.headers)
            target = response.headers.get("Location")
            if response.status_code not in _REDIRECTS or not target:
                return response
            self._body(response, call)
            response.close()
            if call.method != "GET":
                raise WrongHost(self._settings.api_url, f"it redirects {call.where}")
            url = _normalised(urljoin(url, target))
            self._check_address(url, f"{call.where}, which redirects to another address,")
            # once away from the API, a stranger decides where to go: the token does not come back
            with_token = with_token and _origin(url) == self._origin
        raise ServerTrouble(call.where, "it redirects without end")

    def _with_token(self, call: _Call, url: str) -> requests.Response:
        for _ in range(2):
            token = self._token.get()
            response = self._transmit(call, url, {**call.headers, "Authorization": f"Bearer {token}"})
            if response.status_code != 401:
                return response
            self._body(response, call)
            response.close()
            self._token.reject(token)
        raise WrongHost(self._settings.api_url, f"it does not accept the tokens of {self._settings.hub_url}")

    def _transmit(self, call: _Call, url: str, headers: Mapping[str, str]) -> requests.Response:
        """One request and the head of its answer."""
        origin = _origin(url)
        pace = self._pace(origin)
        sent = pace.wait()
        self._count(requests=1)
        request = requests.PreparedRequest()
        request.method, request.url, request.body = call.method, url, call.body
        request.headers = CaseInsensitiveDict(headers)
        if call.body is not None:
            # without it the body would go in chunks, which some gateways refuse
            request.headers["Content-Length"] = str(len(call.body))
        try:
            response = self._adapter.send(
                request,
                stream=True,
                timeout=(_CONNECT_SECONDS, _SILENCE_SECONDS),
                verify=self._verify,
                proxies=self._proxies_for(origin, url),
            )
        except (OSError, urllib3.exceptions.HTTPError) as error:
            raise _network_failure(error, origin[1]) from None
        now = self._clock.monotonic()
        if response.status_code != 429:
            pace.served(sent, now)
            return response
        self._count(refused_429=1)
        response.close()
        raise _Failed(
            ServerTrouble(call.where, "too many requests (HTTP 429), for more than ten minutes"),
            asked=self._retry_after(response),
            untouched=True,
            throttle=partial(pace.refused, sent, now),
        )

    def _judge(self, response: requests.Response, call: _Call) -> None:
        """Raises unless the answer is a success, or one that a download knows how to go on from."""
        status = response.status_code
        if 200 <= status < 300 or (call.is_file and status == 416):
            return
        said = self._quote(self._body(response, call))
        if status >= 500 or status == 408:
            asked = self._retry_after(response)
            raise _Failed(
                ServerTrouble(call.where, f"HTTP {status} {said}"),
                asked=asked,
                untouched=status == 503 and asked is not None,
            )
        if status == 403 and call.with_token:
            error = _missing_permission(call)
            error.detail = f"{call.where}: HTTP 403 {said}"
            raise error
        if status in (404, 410):
            raise NotFound(call.where)
        if status == 409:
            raise Conflict(call.where, said)
        raise Refused(status, call.where, said)

    def _body(self, response: requests.Response, call: _Call) -> bytes:
        try:
            return response.content
        except (OSError, urllib3.exceptions.HTTPError) as error:
            raise _network_failure(error, urlsplit(call.url).hostname or "") from None

    def _parse(self, response: requests.Response, body: bytes, call: _Call) -> Any:
        try:
            return orjson.loads(body)
        except ValueError:
            pass
        try:
            # half an emoji, as software that cuts names by length leaves it, is no error of a whole page
            text = standard_json.dumps(standard_json.loads(body), ensure_ascii=False)
            return orjson.loads(text.encode("utf-8", "replace"))
        except (ValueError, RecursionError):
            kind = response.headers.get("Content-Type", "unknown type")
            raise _Failed(ServerTrouble(call.where, f"the answer is not JSON but {kind}")) from None

    def _quote(self, body: bytes) -> str:
        """What a problem or conflict document says, as far as it may stand in a message."""
        try:
            document = orjson.loads(body)
        except ValueError:
            return ""
        if not isinstance(document, dict):
            return ""
        words = [document.get(key) for key in ("title", "detail", "description", "error")]
        said = ": ".join(word for word in words if isinstance(word, str) and word)
        return shorten(self._token.hide(said.replace(self._settings.client_secret or "\0", _SECRET_SHOWN)))

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
        call = _Call("POST", url, headers, urlencode(form).encode(), with_token=False)
        # asking twice for a token does no harm, so this POST is repeatable
        return self._persist(lambda: self._token_once(call), repeatable=True)

    def _token_once(self, call: _Call) -> Mapping[str, Any]:
        # the worker that asks holds a slot already, for the request that the token is for
        response = self._transmit(call, call.url, call.headers)
        try:
            body = self._body(response, call)
        finally:
            response.close()
        status = response.status_code
        if status >= 500 or status == 408:
            raise _Failed(ServerTrouble(call.where, f"HTTP {status}"), asked=self._retry_after(response))
        try:
            answer = orjson.loads(body)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise WrongHost(self._settings.hub_url, f"HTTP {status} in answer to a request for a token")
        if status == 200 and isinstance(answer.get("access_token"), str):
            return answer
        if answer.get("error") == "invalid_client":
            raise WrongClient(self._settings.hub_url)
        if "error" in answer:
            raise Refused(status, "the request for a token", self._quote(body), failure_type="config_error")
        raise WrongHost(self._settings.hub_url, f"HTTP {status} and no token in answer to a request for one")

    def _retry_after(self, response: requests.Response) -> float | None:
        """Seconds to wait, from either form of `Retry-After`; None where it is absent or says nothing."""
        text = response.headers.get("Retry-After", "").strip()
        if text.isascii() and text.isdigit():
            return float(text) or None
        try:
            moment = parsedate_to_datetime(text)
            seconds = (moment - self._clock.now()).total_seconds()
        except (TypeError, ValueError):
            return None
        return seconds if seconds > 0 else None

    def _check_address(self, url: str, where: str) -> None:
        scheme, host, _ = _origin(url)
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

    def _proxies_for(self, origin: Origin, url: str) -> dict[str, str]:
        # the environment is read once for each host: `no_proxy` tells them apart
        proxies = self._proxies.get(origin)
        if proxies is None:
            proxies = self._proxies[origin] = get_environ_proxies(url)
        return proxies


@lru_cache(maxsize=4)
def _client(settings: Settings) -> ApiClient:
    return ApiClient(settings)


_creating = Lock()


def shared_client(settings: Settings) -> ApiClient:
    """The process' client for these settings.

    The framework makes the manifest's components itself, one for each stream and without a place to hand them a
    client. One client for all keeps one token, one count of requests under way and one pace.
    """
    with _creating:
        return _client(settings)


def fresh_client(settings: Settings) -> ApiClient:
    """The process' client from now on: one that was stopped, as a sync that failed stops its own, would stay so."""
    with _creating:
        _client.cache_clear()
        return _client(settings)


def _origin(url: str) -> Origin:
    parts = urlsplit(url)
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    return parts.scheme, parts.hostname or "", port


def _normalised(url: str) -> str:
    """An address of somebody else's making as it can be sent; one that cannot becomes the empty text."""
    request = requests.PreparedRequest()
    try:
        request.prepare_url(url, None)
        _origin(request.url or "")
    except (requests.RequestException, ValueError):
        return ""
    return request.url or ""


def _query_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _missing_permission(call: _Call) -> MissingPermission:
    if "/api/storage/" in call.url:
        return MissingPermission("Artifacts: Read", "read artifacts and their files")
    if call.method != "GET":
        return MissingPermission("Projects: Full", "change projects and run their pipelines")
    return MissingPermission("Projects: Read", "read storefronts and projects")


def _network_failure(error: Exception, host: str) -> _Failed:
    """Why there was no answer. The error's own text is left out: it holds the URL with its query."""
    chain = list(_causes(error))

    def found(*kinds: type) -> bool:
        return any(isinstance(cause, kinds) for cause in chain)

    if found(urllib3.exceptions.NameResolutionError):
        return _Failed(Unreachable(host, "there is no such host (DNS)"), untouched=True)
    if found(urllib3.exceptions.SSLError, requests.exceptions.SSLError):
        why = "its TLS certificate is not trusted, or what answers does not speak TLS"
        return _Failed(Unreachable(host, why), untouched=True, hopeless=True)
    if found(urllib3.exceptions.ProxyError):
        return _Failed(Unreachable(host, "the proxy that the environment names does not let through"), untouched=True)
    if found(ConnectionRefusedError):
        return _Failed(Unreachable(host, "it refuses connections"), untouched=True)
    if found(urllib3.exceptions.ConnectTimeoutError):
        return _Failed(Unreachable(host, f"no connection within {_CONNECT_SECONDS} seconds"), untouched=True)
    if found(urllib3.exceptions.NewConnectionError):
        return _Failed(Unreachable(host, "no connection"), untouched=True)
    if found(TimeoutError, urllib3.exceptions.ReadTimeoutError):
        return _Failed(Unreachable(host, f"it was silent for {_SILENCE_SECONDS} seconds"))
    if found(urllib3.exceptions.IncompleteRead):
        return _Failed(ServerTrouble(host, "its answer broke off"))
    if found(urllib3.exceptions.DecodeError, requests.exceptions.ContentDecodingError):
        return _Failed(ServerTrouble(host, "its answer cannot be decompressed"))
    return _Failed(Unreachable(host, "the connection broke", type(chain[-1]).__name__))


def _causes(error: object) -> Iterator[BaseException]:
    # requests and urllib3 keep the reason in `args`, in `reason` or as the cause, each at its own level
    if isinstance(error, BaseException):
        yield error
        for inner in (*error.args, getattr(error, "reason", None), error.__cause__):
            if inner is not error:
                yield from _causes(inner)


def _without_query(record: logging.LogRecord) -> bool:
    """urllib3 logs each request's target with its query, which may be the signature of a CDN address."""
    if isinstance(record.args, tuple):
        record.args = tuple(arg.partition("?")[0] if isinstance(arg, str) else arg for arg in record.args)
    return True
