"""The page that shows the orders, their state and their files; it holds all that it shows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from demo.orders import STATES, Order
from demo.stores import Store
from demo.thumbnails import thumbnail

_KILOBYTE = 1024


def write_report(page: Path, orders: Sequence[Order], store: Store, finished: Collection[int], now: datetime) -> None:
    """Write the page, beside the folder where the files are if they are in one.

    `finished` are the projects that are marked as new.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(size=size_text, day=_day, sentence=_sentence)
    projects = [project for order in orders for project in order.projects]
    text = environment.get_template("report.html.j2").render(
        orders=sorted(orders, key=lambda order: (_day(order.updated, "%Y%m%d%H%M%S"), order.key), reverse=True),
        projects=projects,
        files=[file for order in orders for file in order.files],
        failures=[(order, project) for order in orders for project in order.projects if project.state == "Failed"],
        states=STATES,
        counts={state: sum(order.state == state for order in orders) for state in STATES},
        texts={order.key: _searched(order) for order in orders},
        pictures={project.id: thumbnail(project.files, store.read) for project in projects},
        link_to=store.link,
        place=store.place,
        finished=set(finished),
        now=now,
    )
    page.write_text(text, encoding="utf-8")


def size_text(count: int) -> str:
    """Bytes as people say them: `845 B`, `12 KB`, `1.4 MB`."""
    if count < _KILOBYTE:
        return f"{count} B"
    if count < _KILOBYTE**2:
        return f"{count / _KILOBYTE:.0f} KB"
    return f"{count / _KILOBYTE**2:.1f} MB"


def _searched(order: Order) -> str:
    """What the page's search looks at."""
    words = [order.id, order.customer, order.storefront, STATES[order.state]]
    for project in order.projects:
        words += [project.name, project.product, project.business_status, STATES[project.state], project.reason or ""]
        words += [file.path for file in project.files]
    return " ".join(words).lower()


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _day(moment: datetime | None, style: str = "%d %b %Y") -> str:
    return "" if moment is None else moment.strftime(style)
