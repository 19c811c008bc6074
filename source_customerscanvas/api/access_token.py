"""The access token of a sync, renewed before it expires."""

from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any

from source_customerscanvas.api.secrets import Secrets
from source_customerscanvas.errors import CustomersCanvasError
from source_customerscanvas.times import Clock

_TOKEN_MARGIN_SECONDS = 30
_DEFAULT_TOKEN_SECONDS = 300
_LEAST_TOKEN_SECONDS = 1.0
_SECONDS_UNTIL_KNOWN = 30
"""After a token was renewed as it was not accepted."""


class AccessToken:
    """The access token, shared by all workers: one renews it while the others wait for that one."""

    def __init__(self, request: Callable[[], Mapping[str, Any]], clock: Clock, secrets: Secrets) -> None:
        self._request = request
        self._clock = clock
        self._secrets = secrets
        self._lock = Lock()
        self._text = ""
        self._renew_at = float("-inf")
        self._rejected_at = float("-inf")
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

    def current(self) -> str | None:
        """The token, or None where it is to be renewed first."""
        # without the lock: whoever renews it holds that, perhaps for minutes
        text = self._text
        return text if self._clock.monotonic() < self._renew_at else None

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
        self._error = None
        self._text = answer["access_token"]
        self._secrets.add(self._text)
        lifetime = _seconds(answer.get("expires_in"))
        renew_at = asked_at + lifetime - min(_TOKEN_MARGIN_SECONDS, lifetime / 2)
        # where getting it takes longer than it lives, it has to be tried all the same, or nothing else is ever asked
        self._renew_at = max(renew_at, self._clock.monotonic() + _LEAST_TOKEN_SECONDS)
        return answer

    def reject(self, text: str) -> bool:
        """The API did not accept this token; gives whether there is another one to try.

        A new one may not be known everywhere yet: it is not replaced at once because of that.
        """
        with self._lock:
            now = self._clock.monotonic()
            if text == self._text and self._renew_at > now:
                if now < self._rejected_at + _SECONDS_UNTIL_KNOWN:
                    return False
                self._rejected_at = now
                self._renew_at = float("-inf")
            return True


def _seconds(lifetime: object) -> float:
    try:
        return max(_LEAST_TOKEN_SECONDS, float(lifetime))  # type: ignore[arg-type]  # whatever the server sent
    except (TypeError, ValueError):
        return _DEFAULT_TOKEN_SECONDS
