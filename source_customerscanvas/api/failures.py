"""Why one try of a request failed, and for how long it is worth trying again."""

import random
from collections.abc import Callable, Iterator

import requests
import urllib3.exceptions

from source_customerscanvas.api.calls import Call
from source_customerscanvas.api.connections import CONNECT_SECONDS, SILENCE_SECONDS
from source_customerscanvas.errors import CustomersCanvasError, MissingPermission, ServerTrouble, Unreachable
from source_customerscanvas.times import Clock

_MOST_TRIES = 6
_TROUBLE_SECONDS = 120
_THROTTLED_SECONDS = 600
_FIRST_BACK_OFF = 0.5
_LONGEST_BACK_OFF = 30.0


class Failed(Exception):
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


class Patience:
    """How long one request is worth trying: six times within two minutes, and ten minutes of "too many requests"."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = clock.monotonic()
        self._throttled_since: float | None = None
        self._failures = 0
        self._refusals = 0

    def pause_after(self, failed: Failed) -> float | None:
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


def missing_permission(call: Call) -> MissingPermission:
    if "/api/storage/" in call.url:
        return MissingPermission("Artifacts: Read", "read artifacts and their files")
    if call.method != "GET":
        return MissingPermission("Projects: Full", "change projects and run their pipelines")
    return MissingPermission("Projects: Read", "read storefronts and projects")


def network_failure(error: Exception, host: str) -> Failed:
    """Why there was no answer. The error's own text is left out: it holds the URL with its query."""
    chain = list(_causes(error))

    def found(*kinds: type) -> bool:
        return any(isinstance(cause, kinds) for cause in chain)

    if found(urllib3.exceptions.NameResolutionError):
        return Failed(Unreachable(host, "there is no such host (DNS)"), untouched=True)
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
