"""What no message may tell, whatever a server repeats of it."""

import re
from collections import deque
from functools import lru_cache

_TOKENS_HIDDEN = 64
"""A server may speak of a token that was renewed meanwhile."""

_SHOWN = "***"
"""What stands for a secret in a message."""

_NEVER_ESCAPED = re.compile(r"[\w.~-]", re.ASCII)


class Secrets:
    """The client's secret, and the last tokens."""

    def __init__(self, client_secret: str) -> None:
        self._client_secret = client_secret
        self._tokens: deque[str] = deque(maxlen=_TOKENS_HIDDEN)

    def add(self, token: str) -> None:
        self._tokens.append(token)

    def hide(self, text: str) -> str:
        """A text without the secrets: as they are, or with characters escaped as in an address or in JSON."""
        for secret in (self._client_secret, *tuple(self._tokens)):
            if secret:
                text = _spellings(secret).sub(_SHOWN, text)
        return text


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
