"""Why one try of a request failed."""

from collections.abc import Callable, Iterator

import requests
import urllib3.exceptions

from source_customerscanvas.api.connections import CONNECT_SECONDS, SILENCE_SECONDS
from source_customerscanvas.api.speed import TooSlow
from source_customerscanvas.errors import CustomersCanvasError, ServerTrouble, Unreachable


class Failed(Exception):
    """One try failed in a way that may pass.

    `untouched` says that the server surely did nothing, `hopeless` that a few minutes will not change it, `is_unknown`
    that there is no such host. For a limit, `throttle` makes all workers pause, `asked` seconds where the server says;
    `is_doubtful` says that it may be none.
    """

    def __init__(
        self,
        error: CustomersCanvasError,
        *,
        throttle: Callable[[float | None], None] | None = None,
        asked: float | None = None,
        untouched: bool = False,
        hopeless: bool = False,
        is_unknown: bool = False,
        is_doubtful: bool = False,
    ) -> None:
        super().__init__(error.message)
        self.error = error
        self.throttle = throttle
        self.asked = asked
        self.untouched = untouched
        self.hopeless = hopeless
        self.is_unknown = is_unknown
        self.is_doubtful = is_doubtful


def network_failure(error: Exception, host: str) -> Failed:
    """Why there was no answer. The error's own text is left out: it holds the URL with its query."""
    chain = list(_causes(error))

    def found(*kinds: type) -> bool:
        return any(isinstance(cause, kinds) for cause in chain)

    if found(urllib3.exceptions.NameResolutionError):
        return Failed(Unreachable(host, "there is no such host (DNS)"), untouched=True, is_unknown=True)
    if found(urllib3.exceptions.SSLError, requests.exceptions.SSLError):
        why = "its TLS certificate is not trusted, or what answers does not speak TLS"
        return Failed(Unreachable(host, why), untouched=True, hopeless=True)
    if found(urllib3.exceptions.ProxyError):
        return Failed(Unreachable(host, "the proxy that the environment names does not let through"), untouched=True)
    if found(ConnectionRefusedError):
        return Failed(Unreachable(host, "it refuses connections"), untouched=True)
    if found(urllib3.exceptions.ConnectTimeoutError):
        return Failed(Unreachable(host, f"no connection within {CONNECT_SECONDS} seconds"), untouched=True)
    if found(urllib3.exceptions.NewConnectionError):
        return Failed(Unreachable(host, "no connection"), untouched=True)
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
