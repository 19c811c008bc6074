"""The business statuses of a tenant, and what leads from one to another."""

from source_customerscanvas.api.client import GetsJson
from source_customerscanvas.api.listing import Row, read_whole


def list_statuses(client: GetsJson) -> list[Row]:
    """Rows of `id`, `code`, `color`, `displayName`. https://customerscanvas.com/dev/backoffice/concepts/projects.html"""
    return read_whole(client.get_json, "storefront/v1/projects/statuses").rows


def list_transitions(client: GetsJson) -> list[Row]:
    """Rows of `id`, `name`, `displayName`, `startStatus`, `resultStatus`."""
    return read_whole(client.get_json, "storefront/v1/projects/transitions").rows
