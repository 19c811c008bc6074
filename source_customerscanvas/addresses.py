"""Web addresses: whose they are, whether they can be sent at all, and whether nobody on the way reads along."""

import ipaddress
from functools import lru_cache
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


def is_private(url: str, beside: str = "") -> bool:
    """Whether nobody between here and an address can read what is sent: it is https, or http to this machine itself.

    `beside` is the address of the API: where one is given, http is good only if that is on this machine too.
    Raises `ValueError` for an address that is none.
    """
    parts = urlsplit(url)
    if not parts.hostname:
        return False
    is_here = is_loopback(parts.hostname) and (not beside or is_loopback(urlsplit(beside).hostname or ""))
    return parts.scheme == "https" or (parts.scheme == "http" and is_here)


@lru_cache  # asked for each file
def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine itself."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
