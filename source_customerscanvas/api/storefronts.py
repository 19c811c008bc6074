"""The storefronts that a sync covers."""

import logging
from functools import partial

from source_customerscanvas.api.client import GetsJson
from source_customerscanvas.api.listing import Row, read_page, row_id, walk
from source_customerscanvas.errors import NotFound, UnknownStorefront, WrongHost
from source_customerscanvas.settings import Settings

logger = logging.getLogger("airbyte.source-customerscanvas")


def visible_storefronts(client: GetsJson, settings: Settings) -> list[Row]:
    """The storefronts that the app can see, or those of them that the settings name, without those that are missing."""
    fetch = partial(read_page, client.get_json, "storefront/v1/storefronts", {})
    listed = [(row_id(row), row) for page in walk(fetch, fetch(0)) for row in page.rows]
    rows = {id_: row for id_, row in listed if id_ is not None}
    if not rows:
        raise UnknownStorefront([], [])
    return [row for id_, row in rows.items() if settings.storefront_ids is None or id_ in settings.storefront_ids]


def list_storefronts(client: GetsJson, settings: Settings) -> list[Row]:
    """The storefronts that the app can see, or those of them that the settings name.

    Raises `UnknownStorefront` where the settings name one that it cannot see, `WrongHost` where there is no such list.
    """
    fetch = partial(read_page, client.get_json, "storefront/v1/storefronts", {})
    try:
        first = fetch(0)
    except NotFound:
        raise WrongHost(settings.api_url, "it has no list of storefronts") from None
    listed = [(row_id(row), row) for page in walk(fetch, first) for row in page.rows]
    if any(id_ is None for id_, _ in listed):
        logger.warning("The list of storefronts has rows without a usable id: they are passed over.")
    rows = {id_: row for id_, row in listed if id_ is not None}
    if settings.storefront_ids is None:
        return list(rows.values())
    missing = [id_ for id_ in settings.storefront_ids if id_ not in rows]
    if missing:
        raise UnknownStorefront(missing, [(id_, str(row.get("name") or "")) for id_, row in rows.items()])
    return [rows[id_] for id_ in settings.storefront_ids]
