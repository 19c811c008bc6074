"""What handlers are asked and answer, apart from any HTTP library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sandbox.shop.contents import Content

Origin = Literal["api", "hub", "cdn"]
ORIGINS: tuple[Origin, ...] = ("api", "hub", "cdn")


@dataclass
class RequestRecord:
    """A request as it came, and the status of its answer (0: none, or none yet)."""

    order: int
    """The place among all requests, from 1."""
    origin: Origin
    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    """Names are case-insensitive."""
    body: bytes
    at: float
    """Of the monotonic clock."""
    status: int = 0


@dataclass
class FileBody:
    """A part of a file, `start` up to `stop`."""

    content: Content
    start: int
    stop: int
    sends_length: bool = True
    gzipped: bool = False


@dataclass
class Reply:
    """An answer: JSON in `payload`, or bytes, or a file."""

    status: int = 200
    payload: Any = None
    body: bytes = b""
    file: FileBody | None = None
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json; charset=utf-8"

    @property
    def is_json(self) -> bool:
        return self.file is None and not self.body and self.payload is not None


def problem(status: int, title: str, detail: str | None = None) -> Reply:
    return Reply(
        status,
        {"type": None, "title": title, "status": status, "detail": detail, "instance": None},
        content_type="application/problem+json; charset=utf-8",
    )


def page(status: int, title: str) -> Reply:
    """What a web server or a gateway answers, which knows nothing of the API."""
    text = f"{status} {title}"
    html = f"<html>\r\n<head><title>{text}</title></head>\r\n<body>\r\n<center><h1>{text}</h1></center>\r\n"
    html += "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    return Reply(status, body=html.encode(), content_type="text/html")


def conflict(description: str, **more: Any) -> Reply:
    return Reply(409, {"type": "GeneralConflict", "description": description, **more})
