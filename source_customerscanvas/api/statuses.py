"""The business statuses of a tenant, and what leads from one to another."""

from typing import Any

from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.api.listing import Row, read_unpaged
from source_customerscanvas.api.projects import as_number


def list_statuses(client: ApiClient) -> list[Row]:
    """Rows of `id`, `code`, `color`, `displayName`. https://customerscanvas.com/dev/backoffice/concepts/projects.html"""
    return _rows(client, "storefront/v1/projects/statuses")


def list_transitions(client: ApiClient) -> list[Row]:
    """Rows of `id`, `name`, `displayName`, `startStatus`, `resultStatus`."""
    return _rows(client, "storefront/v1/projects/transitions")


def list_result_statuses(client: ApiClient, name: str) -> list[Any]:
    """The codes of the business statuses to which the transitions of that name lead."""
    return [as_number(row.get("resultStatus")) for row in list_transitions(client) if row.get("name") == name]


def _rows(client: ApiClient, path: str) -> list[Row]:
    return [row for page in read_unpaged(client.get_json, path) for row in page.rows]
