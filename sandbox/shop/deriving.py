"""What nobody set of a project and its items, derived from ids, so that a row costs nothing until it is shown."""

from __future__ import annotations

from typing import Any, NamedTuple

from sandbox.shop.rows import Project

CUSTOMERS = ("Ada Lovelace", "Jean Dubois", "Zoë Müller", "Kofi Mensah", "Mei Lin", "Søren Holm", "Ana Souza")
_PRODUCTS = ("business-card", "flyer-a5", "poster-a2", "mug", "wedding-invitation")
_ITEMS_OF_A_PROJECT = 1_000


class ItemLine(NamedTuple):
    """An item's id, and the order's line item that it belongs to."""

    id: int | None
    line_item_id: str | None
    line_item_index: int | None


def group_of(run_number: int) -> str:
    """The id of a run, as artifacts name it."""
    return f"{run_number:08x}-5a4d-4b0c-8000-{run_number * 2654435761 % (1 << 48):012x}"


def run_number_of(group: str) -> int | None:
    try:
        number = int(group[:8], 16)
    except ValueError:
        return None
    return number if group_of(number) == group else None


def customer(project: Project) -> int:
    return (project.order_number or project.id) % len(CUSTOMERS)


def owner_id(project: Project) -> str | None:
    return given(project, "ownerId", f"user-{customer(project)}")


def product_reference(project: Project) -> str | None:
    return given(project, "productReference", None if project.is_whole_order else _PRODUCTS[project.id % 5])


def line_item_id(project: Project) -> str | None:
    none = project.is_whole_order or project.order_id is None
    return given(project, "orderLineItemId", None if none else f"{project.order_id}-{project.line + 1}")


def line_item_index(project: Project) -> int | None:
    return None if project.is_whole_order or project.order_id is None else project.line


def given(project: Project, field: str, otherwise: str | None) -> str | None:
    """What was set of a field of the project."""
    if project.extra and field in project.extra:
        value: str | None = project.extra[field]
        return value
    return otherwise


def given_items(project: Project) -> list[dict[str, Any]] | None:
    """The items that were set as they are; None: they are derived."""
    if project.extra and "items" in project.extra:
        return project.extra["items"] or []
    return None


def item_count(project: Project) -> int:
    items = given_items(project)
    if items is not None:
        return len(items)
    if project.item_count is not None:
        return project.item_count
    return 2 if project.id % 7 == 0 else 1


def item_line(project: Project, position: int | None) -> ItemLine:
    """All None where there is no such item."""
    if position is None or position >= item_count(project):
        return ItemLine(None, None, None)
    items = given_items(project)
    if items is not None:
        item = items[position]
        return ItemLine(item.get("id"), item.get("orderLineItemId"), item.get("orderLineItemIndex"))
    identity = project.id * _ITEMS_OF_A_PROJECT + 1 + position
    if project.is_whole_order and project.order_id is not None:
        return ItemLine(identity, f"{project.order_id}-{position + 1}", position)
    return ItemLine(identity, line_item_id(project), line_item_index(project))


def position_of_item(project: Project, item_id: int) -> int | None:
    """None: the project has no such item."""
    found = (position for position in range(item_count(project)) if item_line(project, position).id == item_id)
    return next(found, None)


def item(project: Project, position: int, padding: int) -> dict[str, Any]:
    """A derived item; `padding`: bytes that make its row wide."""
    line = item_line(project, position)
    quantity = 50 * (1 + (project.id + position) % 5)
    own = project.is_whole_order or position == 0
    fields: dict[str, Any] = {"Name": CUSTOMERS[customer(project)], "Quantity": quantity, "Lamination": None}
    if padding:
        fields["Padding"] = "x" * padding
    return {
        "id": line.id,
        "name": project.name if position == 0 else _item_name(project, position),
        "groupId": None,
        "quantity": quantity,
        "orderLineItemId": line.line_item_id,
        "orderLineItemIndex": line.line_item_index,
        "productReference": _PRODUCTS[(project.id + position) % 5]
        if project.is_whole_order
        else product_reference(project),
        "sku": f"SKU-{(project.id + (position if own else 0)) % 40:03d}",
        "designIds": [f"{project.id * 16 + position:024x}"],
        "fields": fields,
        "hidden": {"stateId": f"state-{project.id}"} if project.id % 3 else None,
        "resources": [
            {"resourceId": f"preview-{project.id}-{position}", "name": "preview.png", "type": "Preview"},
            {"resourceId": f"hires-{project.id}-{position}", "name": "hires.pdf", "type": "Hires"},
        ],
    }


def _item_name(project: Project, position: int) -> str:
    if project.is_whole_order or position > 1:
        return f"{project.name} ({position + 1})"
    return f"{project.name} (back)"
