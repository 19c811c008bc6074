"""The page that shows the orders, their state and their files."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from demo.orders import Order

_KILOBYTE = 1024


def write_report(page: Path, orders: Sequence[Order], finished: Collection[int], now: datetime) -> None:
    """Write the page; it links to the files relatively, so `page` has to lie in the folder that their paths start in.

    `finished` are the projects that are marked as new.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(link=_link, size=_size, day=_day)
    projects = [project for order in orders for project in order.projects]
    files = [file for order in orders for file in order.files]
    text = environment.get_template("report.html.j2").render(
        orders=sorted(orders, key=lambda order: (_day(order.created, "%Y%m%d%H%M%S"), order.id), reverse=True),
        projects=projects,
        ready=sum(project.state == "ready" for project in projects),
        failed=[project for project in projects if project.state == "failed"],
        files=files,
        pdfs=sum(file.format == "pdf" for file in files),
        bytes=sum(file.size for file in files),
        finished=set(finished),
        now=now,
    )
    page.write_text(text, encoding="utf-8")


def _link(path: Path) -> str:
    return quote(path.as_posix())


def _size(count: int) -> str:
    """Bytes as people say them: `845 B`, `12 KB`, `1.4 MB`."""
    if count < _KILOBYTE:
        return f"{count} B"
    if count < _KILOBYTE**2:
        return f"{count / _KILOBYTE:.0f} KB"
    return f"{count / _KILOBYTE**2:.1f} MB"


def _day(moment: datetime | None, style: str = "%d %b %Y") -> str:
    return "" if moment is None else moment.strftime(style)
