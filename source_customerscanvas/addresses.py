"""Web addresses: whose they are, and whether they can be sent at all."""

from urllib.parse import urlsplit

import requests

Origin = tuple[str, str, int | None]
"""Scheme, host and port: what a token or a pace belongs to."""


def origin_of(url: str) -> Origin:
    """Raises `ValueError` for a port that is none."""
    parts = urlsplit(url)
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    return parts.scheme, parts.hostname or "", port


def normalised(url: str) -> str:
    """An address of somebody else's making as it can be sent; one that cannot becomes the empty text."""
    request = requests.PreparedRequest()
    try:
        request.prepare_url(url, None)
        origin_of(request.url or "")[1].encode("idna")  # which no empty part and none of more than 63 bytes passes
    except (requests.RequestException, ValueError):
        return ""
    return request.url or ""
