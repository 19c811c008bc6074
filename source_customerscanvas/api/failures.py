"""Why one try of a request failed."""

from collections.abc import Iterator
from dataclasses import dataclass
from ssl import SSLEOFError, SSLZeroReturnError

import requests
import urllib3.exceptions

from source_customerscanvas.api.connections import CONNECT_SECONDS, SILENCE_SECONDS
from source_customerscanvas.api.limits import Limit
from source_customerscanvas.api.speed import TooSlow
from source_customerscanvas.errors import CustomersCanvasError, ServerTrouble, Unreachable


@dataclass(eq=False)
class Failed(Exception):
    """One try failed in a way that may pass.

    `limit`: the server may have had enough for now. `is_unprocessed`: the server surely did nothing. `is_permanent`: a
    few minutes change nothing. `is_unknown_host`: there is no such host.
    """

    error: CustomersCanvasError
    limit: Limit | None = None
    is_unprocessed: bool = False
    is_permanent: bool = False
    is_unknown_host: bool = False


def network_failure(error: Exception, host: str) -> Failed:
    """Why there was no answer. The error's own text is left out: it holds the URL with its query."""
    chain = list(_causes(error))

    def found(*kinds: type) -> bool:
        return any(isinstance(cause, kinds) for cause in chain)

    if found(urllib3.exceptions.NameResolutionError):
        return Failed(Unreachable(host, "there is no such host (DNS)"), is_unprocessed=True, is_unknown_host=True)
    if found(SSLEOFError, SSLZeroReturnError):
        # a balancer whose servers are away takes the connection and closes it: no certificate was looked at
        return Failed(Unreachable(host, "the connection broke before it was secured"))
    if found(urllib3.exceptions.SSLError, requests.exceptions.SSLError):
        why = "its TLS certificate is not trusted, or what answers does not speak TLS"
        return Failed(Unreachable(host, why), is_unprocessed=True, is_permanent=True)
    if found(urllib3.exceptions.ProxyError):
        why = "the proxy that the environment names does not let through"
        return Failed(Unreachable(host, why), is_unprocessed=True)
    if found(ConnectionRefusedError):
        return Failed(Unreachable(host, "it refuses connections"), is_unprocessed=True)
    if found(urllib3.exceptions.ConnectTimeoutError):
        return Failed(Unreachable(host, f"no connection within {CONNECT_SECONDS} seconds"), is_unprocessed=True)
    if found(urllib3.exceptions.NewConnectionError):
        return Failed(Unreachable(host, "no connection"), is_unprocessed=True)
    if found(TooSlow):
        return Failed(ServerTrouble(host, f"its answer comes too slowly ({error})"))
    if found(TimeoutError, urllib3.exceptions.ReadTimeoutError):
        return Failed(Unreachable(host, f"it was silent for {SILENCE_SECONDS} seconds"))
    if found(urllib3.exceptions.IncompleteRead):
        return Failed(ServerTrouble(host, "its answer broke off"))
    if found(urllib3.exceptions.DecodeError, requests.exceptions.ContentDecodingError):
        return Failed(ServerTrouble(host, "its answer cannot be decompressed"))
    return Failed(Unreachable(host, "the connection broke", type(chain[-1]).__name__))


def _causes(error: object) -> Iterator[BaseException]:
    # requests and urllib3 keep the reason in `args`, in `reason` or as the cause, each at its own level
    if isinstance(error, BaseException):
        yield error
        for inner in (*error.args, getattr(error, "reason", None), error.__cause__):
            if inner is not error:
                yield from _causes(inner)
