"""The shops that are measured."""

from __future__ import annotations

from dataclasses import dataclass

FIRST_STOREFRONT = 11
PROJECTS_OF_AN_ORDER = 2


@dataclass(frozen=True)
class Shape:
    """A shop whose projects are finished, but for the unfinished share, and at least an hour old."""

    projects: int
    files: int = 2
    """Print files of each project."""
    file_size: int | None = None
    """Bytes of each; None: small documents."""
    latency_ms: float = 0
    storefronts: int = 1
    unfinished: float = 0
    """The share of projects that are pending, in progress or failed, one third each."""
    row_padding: int = 0
    """Bytes that make each project's row wide."""
    bytes_per_second: float | None = None
    """Of each download, as where a CDN or the way to it is slow; None: as fast as can be."""
