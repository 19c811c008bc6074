"""Setting a project's fields by their names in the API or in Python."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.clock import to_ticks
from sandbox.shop.rows import Project

_FIELDS = {
    "storefrontId": "storefront_id",
    "orderId": "order_id",
    "orderNumber": "order_number",
    "orderLineItemIndex": "line",
    "name": "name",
    "status": "status",
    "created": "created",
    "lastModified": "last_modified",
    "obsolete": "obsolete",
}
_TIMES = ("created", "lastModified")


def set_fields(project: Project, fields: Mapping[str, Any]) -> None:
    """What is not part of the model itself is kept as it is and shown."""
    for spelling, value in fields.items():
        name = _camel(spelling)
        if name in _TIMES and value is not None:
            value = to_ticks(value)
        if name in _FIELDS:
            setattr(project, _FIELDS[name], value)
        else:
            project.extra = {**(project.extra or {}), name: value}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
