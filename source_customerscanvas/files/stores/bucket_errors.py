"""What the library for buckets raises, and what it means for a store."""

import re

from obstore.exceptions import (
    InvalidPathError,
    NotSupportedError,
    PermissionDeniedError,
    UnauthenticatedError,
)

from source_customerscanvas.errors import (
    CustomersCanvasError,
    FileRefused,
    StoreAway,
    StoreUnavailable,
    shorten,
)

# in an answer, or in the library's words for one of the answers that a request about several objects gets
_STATUS = re.compile(r"(?:status code|\(code): (\d{3})\b")
_CODE = re.compile(r"(?:<Code>|\(code: )([A-Za-z]\w{0,99})[<)]")
_WORDS = re.compile(r"(?:<Message>|failed for key [^\n:]{1,2000}: )([^<\n]{1,300}?)(?:<| \(code: |\n|$)")
_NETWORK = (
    ("dns error", "there is no such host (DNS)"),
    ("Connection refused", "it refuses connections"),
    ("InvalidCertificate", "its TLS certificate is not trusted"),
    ("Timeout", "it does not answer in time"),
    ("timed out", "it does not answer in time"),
)
_FULL = frozenset({"XMinioStorageFull", "QuotaExceeded", "InsufficientStorage", "AccountQuotaExceeded"})
_PASSING_STATUS = frozenset({408, 425, 429})
_PASSING_CODES = frozenset({"RequestTimeout"})
"""What S3 says with 400 where the bytes of an upload came too slowly."""

_OF_ONE_OBJECT = frozenset({409, 412})
"""It is leased, must not be changed, or is changed by somebody else."""


def store_error(error: Exception, text: str, place: str, path: str, permissions: str) -> CustomersCanvasError:
    """What a store raises for an error of the library's with these words."""
    status, code, said = (pattern.search(text) for pattern in (_STATUS, _CODE, _WORDS))
    number = int(status[1]) if status else None
    name = code[1] if code else ""
    why = shorten(": ".join(part for part in (name, said[1] if said else "") if part)).rstrip(".")
    why = why or (f"HTTP {number}" if number else _network_reason(text))
    is_odd = isinstance(error, (InvalidPathError, NotSupportedError, ValueError)) or name == "KeyTooLongError"
    if is_odd or number in _OF_ONE_OBJECT:
        return FileRefused(place, path, why)
    if isinstance(error, FileNotFoundError) or number == 404:
        return StoreUnavailable(place, why, "There is no such bucket or container: create it, or correct it.")
    is_forbidden = isinstance(error, (PermissionDeniedError, UnauthenticatedError, PermissionError))
    if is_forbidden or number in (401, 403) or name == "AccessDenied":
        return StoreUnavailable(place, why, f"Check the key in `files`, and that it may {permissions} there.")
    if name in _FULL or number == 507:
        return StoreUnavailable(place, why)
    if name in _PASSING_CODES:
        return StoreAway(place, why)
    if number is not None and number < 500 and number not in _PASSING_STATUS:
        return StoreUnavailable(place, why, "Correct `files`: region, endpoint or names do not fit.")
    if "redirect" in text:
        return StoreUnavailable(place, "it lies in another region", "Correct `files.region`.")
    # the library has tried for as long as it was told to
    return StoreAway(place, why, is_bridged=True)


def _network_reason(text: str) -> str:
    return next((reason for sign, reason in _NETWORK if sign in text), "the connection broke")
