"""Sends one request, at the pace of its server, and gives the head of the answer."""

from contextlib import suppress
from dataclasses import dataclass
from threading import Event, Lock

import requests
import urllib3.exceptions

from source_customerscanvas.addresses import Origin, origin_of
from source_customerscanvas.api.access_token import AccessToken
from source_customerscanvas.api.answers import retry_after
from source_customerscanvas.api.calls import Call
from source_customerscanvas.api.connections import Connections
from source_customerscanvas.api.failures import network_failure
from source_customerscanvas.api.limits import Limit, limit_told_by
from source_customerscanvas.api.pacing import Pace
from source_customerscanvas.api.shop_clock import ShopClock
from source_customerscanvas.api.speed import LeastSpeed
from source_customerscanvas.settings import Settings
from source_customerscanvas.times import Clock

_MOST_BYTES, _CHUNK = 64 * 1024, 8 * 1024
"""Of a body that nobody asked for."""


@dataclass(frozen=True)
class Answer:
    """The head of an answer; its body is yet to be read from `response.raw`.

    `retry_after` are the seconds that the server asks to wait. `limit`: it may have had enough for now.
    """

    response: requests.Response
    retry_after: float | None
    limit: Limit | None
    clock: Clock

    def read_beginning(self) -> bytes:
        """Of a body that nobody asked for, as much as a problem document needs: the rest may have no end.

        One that is read whole leaves its connection to the next request.
        """
        speed, body = LeastSpeed(self.clock), b""
        # the status has come, and says more than its explanation
        with suppress(OSError, urllib3.exceptions.HTTPError):
            while len(body) < _MOST_BYTES and (chunk := self.response.raw.read1(_CHUNK, decode_content=True)):
                body += chunk
                speed.note(len(chunk))
        return body


class Transport:
    """Shared by all workers. `shop_clock` is set by the answers of the API's own origin."""

    def __init__(self, settings: Settings, clock: Clock, stopping: Event) -> None:
        self.requests = 0
        self.shop_clock = ShopClock(clock)
        self._clock = clock
        self._stopping = stopping
        self._api = origin_of(settings.api_url)
        self._lock = Lock()
        self._paces: dict[Origin, Pace] = {}
        self._connections = Connections(settings.num_workers)

    def send(self, call: Call, url: str, token: AccessToken | None = None) -> Answer:
        """Ask for `url` as `call` says. Raises `Failed` where nothing is answered, and `Stopped`."""
        origin = origin_of(url)
        pace = self._pace(origin)
        sent, headers = self._begin(call, pace, token)
        try:
            response = self._connections.transmit(call.method, url, headers, call.body)
        except (OSError, urllib3.exceptions.HTTPError) as error:
            raise network_failure(error, origin[1]) from None
        finally:
            pace.end()
        now = self._clock.monotonic()
        if origin == self._api:
            self.shop_clock.note(response.headers.get("Date", ""))
        if response.status_code not in (429, 503):
            pace.note_served(sent, now)
        asked = retry_after(response, self._clock.now())
        limit = limit_told_by(response.status_code, asked, pace, sent, now)
        return Answer(response, asked, limit, self._clock)

    def _begin(self, call: Call, pace: Pace, token: AccessToken | None) -> tuple[float, dict[str, str]]:
        """Wait for the moment at which a request may leave; gives it, and the headers to send then."""
        headers = dict(call.headers)
        while True:
            if token:
                token.get()  # before the turn is taken: whoever renews it would be late for it
            sent = pace.wait()
            if token:
                # the wait may be longer than a token lives, and renewing it waits for a turn of its own
                text = token.current()
                if text is None:
                    pace.end()
                    continue
                headers["Authorization"] = f"Bearer {text}"
            with self._lock:
                self.requests += 1
            return sent, headers

    def _pace(self, origin: Origin) -> Pace:
        pace = self._paces.get(origin)
        if pace is None:
            with self._lock:
                pace = self._paces.setdefault(origin, Pace(self._clock, self._stopping))
        return pace
