"""The access token of a sync, renewed before it expires."""

import re
from collections import deque
from collections.abc import Callable, Mapping
from functools import lru_cache
from threading import Lock
from typing import Any

from source_customerscanvas.errors import CustomersCanvasError
from source_customerscanvas.times import Clock

_TOKEN_MARGIN_SECONDS = 30
_DEFAULT_TOKEN_SECONDS = 300
_SECONDS_UNTIL_KNOWN = 30
"""After a token was renewed as it was not accepted."""

_TOKENS_HIDDEN = 64
"""A server may speak of a token that was renewed meanwhile."""
_NEVER_ESCAPED = re.compile(r"[\w.~-]", re.ASCII)
SECRET_SHOWN = "***"
"""What stands for a secret in a message."""


class Secrets:
    """What no message may tell: the client's secret, and the last tokens."""

    def __init__(self, client_secret: str) -> None:
        self._client_secret = client_secret
        self._tokens: deque[str] = deque(maxlen=_TOKENS_HIDDEN)

    def add(self, token: str) -> None:
        self._tokens.append(token)

    def hide(self, text: str) -> str:
        """A text without the secrets that a server may repeat."""
        for secret in (self._client_secret, *tuple(self._tokens)):
            text = hidden(text, secret)
        return text


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
        self._text = answer["access_token"]
        self._secrets.add(self._text)
        lifetime = _seconds(answer.get("expires_in"))
        self._renew_at = asked_at + lifetime - min(_TOKEN_MARGIN_SECONDS, lifetime / 2)
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


def hidden(text: str, secret: str) -> str:
    """A text without a secret: as it is, or with some of its characters escaped as in an address or in JSON."""
    return _spellings(secret).sub(SECRET_SHOWN, text) if secret else text


@lru_cache(maxsize=2 * _TOKENS_HIDDEN)
def _spellings(secret: str) -> re.Pattern[str]:
    return re.compile("".join(map(_spelling, secret)))


def _spelling(character: str) -> str:
    if _NEVER_ESCAPED.match(character):
        return re.escape(character)
    forms = [
        "".join(f"%{byte:02x}" for byte in character.encode()),  # .NET writes these digits in small letters
        rf"\\u{ord(character):04x}",
        rf"\\?{re.escape(character)}",
    ]
    if character == " ":
        forms.append(r"\+")
    return f"(?i:{'|'.join(forms)})"


def _seconds(lifetime: object) -> float:
    try:
        return max(1.0, float(lifetime))  # type: ignore[arg-type]  # whatever the server sent
    except (TypeError, ValueError):
        return _DEFAULT_TOKEN_SECONDS
