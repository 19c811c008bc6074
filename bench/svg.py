"""As much of SVG as the charts need. Colours fit light and dark pages."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

INK = "#57606a"
GRID = "#afb8c1"
GOOD, BAD = "#2da44e", "#cf222e"
SERIES = ("#0969da", "#8250df", "#bf8700")


class Drawing:
    """A picture of fixed size, in pixels."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self._parts = [
            '<svg xmlns="http://www.w3.org/2000/svg"'  # ignore-https-check
            f' viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
            f' font-family="system-ui, sans-serif" font-size="12" role="img" aria-label="{escape(title)}">'
        ]

    def text(self, x: float, y: float, text: str, anchor: str = "start", color: str = INK, bold: bool = False) -> None:
        weight = ' font-weight="600"' if bold else ""
        self._parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" fill="{color}" text-anchor="{anchor}"{weight}>{escape(text)}</text>'
        )

    def line(self, x1: float, y1: float, x2: float, y2: float, color: str = GRID, width: float = 1) -> None:
        self._parts.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{color}" stroke-width="{width}"/>'
        )

    def bar(self, x: float, y: float, width: float, height: float, color: str) -> None:
        self._parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{height:.1f}" rx="2" fill="{color}"/>'
        )

    def dot(self, x: float, y: float, color: str) -> None:
        self._parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{color}" fill-opacity="0.8"/>')

    def curve(self, points: Iterable[tuple[float, float]], color: str) -> None:
        places = list(points)
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        self._parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        self._parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{color}"/>' for x, y in places]

    def render(self) -> str:
        return "\n".join([*self._parts, "</svg>", ""])
