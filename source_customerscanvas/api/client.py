"""The one way to the API: whatever is asked of it, by any thread or stream, goes through an `ApiClient`."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from threading import Event, Lock, Semaphore
from typing import Any
from urllib.parse import quote, urlencode

import orjson
from requests import Response

from source_customerscanvas.addresses import Origin, normalised, origin_of
from source_customerscanvas.api.access_token import AccessToken
from source_customerscanvas.api.answers import TooHeavy, parsed, read_body
from source_customerscanvas.api.calls import USER_AGENT, Call
from source_customerscanvas.api.exchange import Exchange
from source_customerscanvas.api.failures import Failed
from source_customerscanvas.api.judging import Judge
from source_customerscanvas.api.outages import PATIENCE_SECONDS, Outage
from source_customerscanvas.api.portions import Portions
from source_customerscanvas.api.retrying import Retrying
from source_customerscanvas.api.secrets import Secrets
from source_customerscanvas.api.speed import LeastSpeed
from source_customerscanvas.api.token_endpoint import TokenEndpoint
from source_customerscanvas.api.transport import Transport
from source_customerscanvas.errors import Refused, ServerTrouble, Stopped
from source_customerscanvas.settings import Settings
from source_customerscanvas.times import SYSTEM_CLOCK, Clock

_ALTERNATIVE_SECONDS = 20.0
"""Patience with the host of a public file: the API has the same file."""


class ApiClient:
    """Sends requests with token, time-outs, retries and pacing; safe to share between threads.

    Raises errors of `errors` only. At most `num_workers` requests are under way at any time, downloads included.
    Once `stopping` is set, whatever waits or begins raises `Stopped`. The counters are for progress messages.
    `patience` are the seconds for which a server may be away.
    """

    def __init__(self, settings: Settings, clock: Clock = SYSTEM_CLOCK, *, patience: float = PATIENCE_SECONDS) -> None:
        self.stopping = Event()
        self.retries = 0
        self._settings = settings
        self._clock = clock
        self._patience = patience
        self._lock = Lock()
        self._slots = Semaphore(settings.num_workers)
        self._portions = Portions()
        self._transport = Transport(settings, clock, self.stopping)
        self._retrying = Retrying(clock, self.stopping, self._note_retry)
        self._secrets = Secrets(settings.client_secret)
        judge = Judge(settings, self._secrets)
        hub = self._outage(origin_of(settings.hub_url)[1])
        endpoint = TokenEndpoint(settings, clock, self._transport, judge, self._retrying, hub)
        self._token = AccessToken(endpoint.request, clock, self._secrets)
        self._exchange = Exchange(settings, self._transport, self._token, judge)
        # files come from hosts of their own, or from a part of the API that may be away alone
        self._api = self._outage(origin_of(settings.api_url)[1])
        self._files: dict[tuple[Origin, bool], Outage] = {}

    @property
    def requests(self) -> int:
        return self._transport.requests

    def get_json(
        self, path: str, params: Mapping[str, Any] | None = None, understand: Callable[[Any], Any] | None = None
    ) -> Any:
        """The parsed answer; None where the API answers without a body. `path` such as `storefront/v1/projects`.

        `understand` makes of the answer what is given back. Where it raises `ServerTrouble`, as the answer is not what
        it should be, that passes like any other trouble of a server: it is asked again. A list whose rows are wide is
        asked for fewer of them than the `take` of `params`.
        """

        def attempt() -> Any:
            with self._portions.room(path):
                answer = self._portion(path, params)
                try:
                    return understand(answer) if understand else answer
                except ServerTrouble as error:
                    raise Failed(error) from None

        return self._retrying.run(attempt, self._api)

    def post(self, path: str, params: Mapping[str, Any] | None = None, json: Any = None) -> None:
        """Change something. Tried again only when the server surely did nothing the time before."""
        body = None if json is None else orjson.dumps(json)
        call = Call("POST", self.address(path, params), _headers(body), body)
        self._retrying.run(lambda: self._read(call), self._api, repeatable=False)

    def token_scopes(self) -> frozenset[str] | None:
        """Asks for a new token. The permissions that it carries; None where the identity server does not say."""
        with self._slots:
            return self._token.scopes()

    def address(self, path: str, params: Mapping[str, Any] | None = None) -> str:
        """The URL of a path of the API, with the tenant where one is configured."""
        given = {**(params or {}), "tenantId": self._settings.tenant_id}
        texts = {key: str(value).lower() if isinstance(value, bool) else value for key, value in given.items()}
        query = {key: value for key, value in texts.items() if value is not None}
        url = f"{self._settings.api_url}/api/{path}"
        return f"{url}?{urlencode(query, quote_via=quote)}" if query else url

    @contextmanager
    def open_file(self, url: str, *, with_token: bool, headers: Mapping[str, str]) -> Iterator[Response]:
        """A download whose body is yet to be read from `raw`: status 200, 206 or 416.

        The slot of the request is kept until the block ends. Reading may raise `urllib3.exceptions.HTTPError` and
        `OSError`. `Refused` for an address that may not be asked: not https (plain http is for loopback only, when the
        API is there too), or not the API's own although a token is to be sent. `NotTheApi` at once where a public
        address answers 404 or 410, and after some tries where the API's own does so in words that are not the API's.
        """
        # with the token it is an address of our own, and made as it is to be sent
        url = url if with_token else normalised(url)
        call = Call("GET", url, {"User-Agent": USER_AGENT, **headers}, None, with_token, is_file=True)
        self._exchange.check_address(call.url, call.where)
        origin = origin_of(call.url)
        if with_token and origin != origin_of(self._settings.api_url):
            raise Refused(None, call.where, "the token is for the API only")
        with self._lock:
            outage = self._files.setdefault((origin, with_token), self._outage("", has_alternative=not with_token))

        def probe() -> None:
            with self._slots:
                self._exchange.ask(call).close()

        response = self._retrying.run(lambda: self._open(call), outage, probe=probe)
        try:
            yield response
        finally:
            response.close()
            self._slots.release()

    def wait(self, seconds: float) -> None:
        """Let time pass; raises `Stopped` as soon as `stopping` is set."""
        self._clock.wait(seconds, self.stopping)
        if self.stopping.is_set():
            raise Stopped

    def shop_now(self) -> datetime:
        """What time it is in the shop, as the API's last answers tell: aware, in UTC."""
        return self._transport.shop_clock.now()

    def _portion(self, path: str, params: Mapping[str, Any] | None) -> Any:
        while True:
            fitting = self._portions.fit(path, params)
            call = Call("GET", self.address(path, fitting), _headers(None))
            try:
                size, answer = self._read(call, self._portions.most_bytes(fitting))
            except TooHeavy as heavy:
                self._portions.note(path, fitting, heavy.size)
                continue
            self._portions.note(path, fitting, size)
            return answer

    def _read(self, call: Call, most: int | None = None) -> tuple[int, Any]:
        """The size of an answer's body, and what it says. Raises `TooHeavy` for more than `most` bytes."""
        with self._slots:
            response = self._exchange.ask(call)
            try:
                body = read_body(response, LeastSpeed(self._clock), most)
            finally:
                response.close()
        if not body and (call.method != "GET" or response.status_code == 204):
            return 0, None
        try:
            # what a change answers nobody needs, but a gateway's page in its place says that it was not made
            return len(body), parsed(body)
        except ValueError:
            kind = self._secrets.hide(response.headers.get("Content-Type", "unknown type"))
            what = "not the JSON that it is said to be" if "json" in kind.lower() else f"not JSON but {kind}"
            raise Failed(ServerTrouble(call.where, f"the answer is {what if body else 'empty'}")) from None

    def _open(self, call: Call) -> Response:
        # released here only when there is nothing to read, else by `open_file`
        self._slots.acquire()
        try:
            return self._exchange.ask(call)
        except BaseException:
            self._slots.release()
            raise

    def _outage(self, host: str, *, has_alternative: bool = False) -> Outage:
        patience = min(self._patience, _ALTERNATIVE_SECONDS) if has_alternative else self._patience
        return Outage(self._clock, self.stopping, host, patience)

    def _note_retry(self) -> None:
        with self._lock:
            self.retries += 1


def _headers(body: bytes | None) -> dict[str, str]:
    headers = {"User-Agent": USER_AGENT, "Accept": "application/json", "Accept-Encoding": "gzip, deflate"}
    return headers if body is None else {**headers, "Content-Type": "application/json"}
