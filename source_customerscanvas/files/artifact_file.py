"""A file before and after its delivery."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from source_customerscanvas.api.artifacts import format_of


@dataclass(frozen=True)
class ArtifactFile:
    """What the API says of a file; `size` in bytes, None where it does not say; `format` as `format_of` gives it."""

    id: str
    size: int | None
    url: str | None
    anonymous_access: bool
    format: str = ""

    @classmethod
    def from_row(cls, id_: str, row: Mapping[str, Any]) -> "ArtifactFile":
        """From an artifact or an output file detail."""
        size, url = row.get("size"), row.get("url")
        if isinstance(size, float) and size.is_integer():
            size = int(size)  # JSON knows one kind of numbers
        return cls(
            id=id_,
            size=size if isinstance(size, int) and not isinstance(size, bool) and size >= 0 else None,
            url=url if isinstance(url, str) else None,
            anonymous_access=row.get("anonymousAccess") is True,
            format=format_of(row),
        )


@dataclass(frozen=True)
class DeliveredFile:
    """A file that the store has confirmed; `size` in bytes and `sha256` (hexadecimal) are those of what lies there.

    `url` is where others find it, `local_path` (absolute) where it lies on this machine; None where it does not.
    """

    relative_path: str
    size: int
    sha256: str
    url: str | None = None
    local_path: str | None = None
