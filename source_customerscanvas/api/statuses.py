"""The business statuses of a tenant, and what leads from one to another."""

from source_customerscanvas.api.client import GetsJson
from source_customerscanvas.api.listing import Row, read_page


def list_statuses(client: GetsJson) -> list[Row]:
    """Rows of `id`, `code`, `color`, `displayName`. https://customerscanvas.com/dev/backoffice/concepts/projects.html"""
    return _list(client, "storefront/v1/projects/statuses")


def list_transitions(client: GetsJson) -> list[Row]:
    """Rows of `id`, `name`, `displayName`, `startStatus`, `resultStatus`."""
    return _list(client, "storefront/v1/projects/transitions")


def _list(client: GetsJson, path: str) -> list[Row]:
    # these lists take no `skip` and `take`: one answer is all
    return read_page(lambda where, _, page: client.get_json(where, None, page), path, {}, 0).rows
