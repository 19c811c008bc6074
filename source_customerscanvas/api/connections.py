"""The connections that are kept to the API and to the hosts of its files."""

import io
import logging
import os
import sys
from collections.abc import Mapping
from http import HTTPStatus, client
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import get_environ_proxies
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import ConnectionPool, HTTPConnectionPool

from source_customerscanvas.addresses import Origin, origin_of
from source_customerscanvas.api.speed import LeastSpeed
from source_customerscanvas.errors import MissingCertificates
from source_customerscanvas.times import SYSTEM_CLOCK

CONNECT_SECONDS = 10
SILENCE_SECONDS = 60

_MOST_HOSTS = 100


class _Head:
    """The lines of an answer's head, given up where they drip: the time-out is for each byte, not for a line."""

    def __init__(self, connection: io.BufferedReader) -> None:
        self._connection = connection
        self._speed = LeastSpeed(SYSTEM_CLOCK)

    def readline(self, most: int | None = -1) -> bytes:
        left = sys.maxsize if most is None or most < 0 else most
        line = b""
        while left > len(line) and not line.endswith(b"\n"):
            # what is there already, or the next that comes, and nothing of what follows the line
            there = self._connection.peek(1)
            if not there:
                break
            part = self._connection.read(min(there.find(b"\n") + 1 or len(there), left - len(line)))
            self._speed.note(len(part))
            line += part
        return line

    def close(self) -> None:
        self._connection.close()


class _FinalAnswer(client.HTTPResponse):
    """An answer whose head does not drip, without those before it that only announce it, such as "early hints".

    Python passes over "continue" alone. Any other one it takes for the answer, and the real one is left on the
    connection for the next request to find: a file of somebody else's order, it may be.
    """

    def begin(self) -> None:
        connection = self.fp
        head: Any = _Head(connection)
        self.fp = head
        try:
            super().begin()
        finally:
            if self.fp is head:  # what is no answer is closed already
                self.fp = connection

    def _read_status(self) -> tuple[str, int, str]:
        version, status, reason = super()._read_status()  # type: ignore[misc]  # Python's types leave it out
        return version, HTTPStatus.CONTINUE if 100 <= status < 200 else status, reason


class _Connection(HTTPConnection):
    response_class = _FinalAnswer


class _SecureConnection(HTTPSConnection):
    response_class = _FinalAnswer


_CONNECTIONS: dict[type[Any], type[Any]] = {HTTPConnection: _Connection, HTTPSConnection: _SecureConnection}


class Connections(HTTPAdapter):
    """Sends one request at a time and thread; safe to share between threads.

    An adapter and not a session: a session would take credentials from ~/.netrc, keep cookies, follow redirects with
    the token, and read the environment for each request, which costs more time than sending it. The methods that are
    overridden here are documented for subclasses. They spare a fifth of a request's processor time: looking up a host's
    connections, and reading cookies that nobody is to keep.
    """

    def __init__(self, at_once: int) -> None:
        super().__init__(pool_connections=_MOST_HOSTS, pool_maxsize=at_once)
        self._verify = _certificates()
        self._proxies: dict[Origin, dict[str, str]] = {}
        self._pools: dict[Origin, ConnectionPool] = {}
        for name in ("urllib3.connectionpool", "urllib3.connection"):
            logging.getLogger(name).addFilter(_without_query)

    def transmit(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> requests.Response:
        """The head of the answer; its body is yet to be read from `raw`.

        Raises `OSError` (of which requests' own errors are) and `urllib3.exceptions.HTTPError`.
        """
        request = requests.PreparedRequest()
        request.method, request.url, request.body = method, url, body
        request.headers = CaseInsensitiveDict(headers)
        if body is not None:
            # without it the body would go in chunks, which some gateways refuse
            request.headers["Content-Length"] = str(len(body))
        return self.send(
            request,
            stream=True,
            timeout=(CONNECT_SECONDS, SILENCE_SECONDS),
            verify=self._verify,
            proxies=self._proxies_for(url),
        )

    def get_connection_with_tls_context(
        self,
        request: requests.PreparedRequest,
        verify: bool | str | None,
        proxies: Mapping[str, str] | None = None,
        cert: Any = None,
    ) -> ConnectionPool:
        origin = origin_of(request.url or "")
        pool = self._pools.get(origin)
        if pool is None:
            if len(self._pools) == _MOST_HOSTS:
                # the base class may close one of those that are kept here: all are asked for anew
                self._pools.clear()
            pool = super().get_connection_with_tls_context(request, verify, proxies, cert)
            if isinstance(pool, HTTPConnectionPool):
                # a SOCKS proxy has connections of its own
                pool.ConnectionCls = _CONNECTIONS.get(pool.ConnectionCls, pool.ConnectionCls)
            self._pools[origin] = pool
        return pool

    def build_response(self, request: requests.PreparedRequest, raw: Any) -> requests.Response:
        response = requests.Response()
        response.status_code, response.reason = raw.status, raw.reason
        response.headers = CaseInsensitiveDict(raw.headers)
        response.raw, response.request, response.url = raw, request, request.url or ""
        return response

    def _proxies_for(self, url: str) -> dict[str, str]:
        # the environment is read once for each host: `no_proxy` tells them apart
        origin = origin_of(url)
        proxies = self._proxies.get(origin)
        if proxies is None:
            proxies = self._proxies[origin] = get_environ_proxies(url)
        return proxies


def _certificates() -> str | bool:
    """The bundle that the environment names, or the built-in one. Raises `MissingCertificates`."""
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        path = os.environ.get(variable)
        if path:
            if not os.path.exists(path):
                raise MissingCertificates(variable, path)
            return path
    return True


def _without_query(record: logging.LogRecord) -> bool:
    """urllib3 logs each request's target with its query, which may be the signature of a CDN address.

    Of headers that it cannot read, it logs all that follow.
    """

    def told(arg: object) -> object:
        if isinstance(arg, str):
            return arg.partition("?")[0]
        return type(arg).__name__ if isinstance(arg, BaseException) else arg

    if isinstance(record.args, tuple):
        record.args = tuple(told(arg) for arg in record.args)
    record.exc_info = None
    return True
