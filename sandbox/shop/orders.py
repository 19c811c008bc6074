"""The shop system's orders: which projects belong to one, its document, and the data that was attached to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.shop.deriving import CUSTOMERS, customer, item_count, item_line, line_item_id
from sandbox.shop.rows import Project
from sandbox.switches import Switches

OrderKey = tuple[int, str]
"""Storefront and order id: two storefronts may both have an order 123."""


@dataclass
class OrderData:
    """One attachment of data to an order."""

    project_id: int
    item_id: int | None
    entries: list[dict[str, Any]] = field(default_factory=list)


class NoDocument(Exception):
    """The shop system cannot give an order's document; `answer` says how it tells so."""

    def __init__(self, answer: str) -> None:
        super().__init__("The shop system has no document of this order.")
        self.answer = answer


class OrderBook:
    """Orders exist as long as a project names them."""

    def __init__(self, switches: Switches, projects: Mapping[int, Project]) -> None:
        self._switches = switches
        self._projects = projects
        self._order_of: dict[int, OrderKey] = {}
        self._projects_of: dict[str, dict[int, None]] = {}
        self._documents: dict[OrderKey, Any] = {}
        self._data: dict[int, list[OrderData]] = {}

    def project_changed(self, project: Project, exists: bool = True) -> None:
        key = (project.storefront_id, project.order_id) if exists and project.order_id is not None else None
        before = self._order_of.pop(project.id, None)
        if before is not None and (key is None or before[1] != key[1]):
            of_order = self._projects_of[before[1]]
            del of_order[project.id]
            if not of_order:
                del self._projects_of[before[1]]
        if key is not None:
            self._order_of[project.id] = key
            self._projects_of.setdefault(key[1], {})[project.id] = None

    def with_order_id(self, order_id: str) -> Iterator[tuple[int, Project]]:
        """The projects of all storefronts whose order has this id."""
        for identity in self._projects_of.get(order_id, ()):
            yield identity, self._projects[identity]

    def of(self, key: OrderKey) -> list[Project]:
        return [one for _, one in self.with_order_id(key[1]) if one.storefront_id == key[0]]

    def all(self) -> list[OrderKey]:
        return list(dict.fromkeys(self._order_of.values()))

    def set_document(self, key: OrderKey, document: Any) -> None:
        self._documents[key] = document

    def document(self, key: OrderKey, created: Any) -> Any:
        """The document that was set, or one of the order's projects; `created` in the API's spelling."""
        if key in self._documents:
            return self._documents[key]
        projects = self.of(key)
        first = projects[0]
        document: dict[str, Any] = {
            "id": key[1],
            "number": first.order_number,
            "createdAt": created,
            "customer": {
                "name": CUSTOMERS[customer(first)],
                "email": f"customer-{customer(first)}@shop.example",
            },
            "lineItems": list(_line_items(projects)),
        }
        if self._switches.order_document_padding:
            document["notes"] = "x" * self._switches.order_document_padding
        return document

    def check_answer(self, storefront_id: int) -> None:
        """Raises NoDocument where the storefront's shop system has none."""
        of_storefronts = {str(key): answer for key, answer in self._switches.order_documents_of.items()}
        answer = of_storefronts.get(str(storefront_id), self._switches.order_documents)
        if answer != "given":
            raise NoDocument(answer)

    def attach(self, project_id: int, item_id: int | None, entries: list[dict[str, Any]]) -> None:
        self._data.setdefault(project_id, []).append(OrderData(project_id, item_id, entries))

    def attached(self, project_id: int) -> list[dict[str, Any]]:
        """Every entry that was attached through the project, oldest first."""
        return [entry for one in self._data.get(project_id, ()) for entry in one.entries]


def _line_items(projects: Iterable[Project]) -> Iterator[dict[str, Any]]:
    for project in projects:
        if not project.is_whole_order:
            yield {"id": line_item_id(project), "title": project.name, "quantity": 100}
            continue
        for position in range(item_count(project)):
            line = item_line(project, position)
            yield {"id": line.line_item_id, "title": f"{project.name} ({position + 1})", "quantity": 100}
