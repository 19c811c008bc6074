"""What is asked of a server: addresses, and one request of the API or for a file."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import quote, urljoin, urlsplit

from source_customerscanvas.addresses import normalised

USER_AGENT = "source-customerscanvas"


def path_segment(text: str) -> str:
    """Any text as one segment of a path, so that a slash or a `..` in an id asks for nothing else."""
    return text.replace(".", "%2E") if text in (".", "..") else quote(text, safe="")


def redirected(url: str, location: str) -> str:
    """Where a redirect leads, as it can be sent; the empty text where it leads nowhere."""
    with suppress(UnicodeError):
        # the bytes of a header are read as Latin-1, but a name in an address is UTF-8
        location = location.encode("latin-1").decode()
    try:
        return normalised(urljoin(url, location))
    except ValueError:
        return ""


@dataclass(frozen=True)
class Call:
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None = None
    with_token: bool = True
    is_file: bool = False

    @property
    def where(self) -> str:
        """For messages: without the query, which may be a signature."""
        parts = urlsplit(self.url)
        return f"{self.method} {parts.hostname}{parts.path}"
