"""The storefronts that a sync covers."""

import logging
from functools import partial

from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.api.listing import Row, read_page, row_id, walk
from source_customerscanvas.errors import MissingPermission, NotFound, NotTheApi, UnknownStorefront, WrongHost
from source_customerscanvas.settings import Settings

logger = logging.getLogger("airbyte.source-customerscanvas")


def list_storefronts(client: ApiClient, settings: Settings) -> list[Row]:
    """The storefronts that the app can see, or those of them that the settings name.

    Raises `UnknownStorefront` where there is none, or the settings name one that the app cannot see, and `WrongHost`
    where there is no such list. Where the app may not list them, those of the settings are taken at their word.
    """
    wanted = settings.storefront_ids
    rows = _listed(client, settings)
    if wanted is None:
        return list(rows.values())
    missing = [id_ for id_ in wanted if id_ not in rows]
    if missing:
        raise UnknownStorefront(missing, [(id_, str(row.get("name") or "")) for id_, row in rows.items()])
    return [rows[id_] for id_ in wanted]


def visible_storefronts(client: ApiClient, settings: Settings, *, is_known: bool = False) -> list[Row]:
    """As `list_storefronts`, whichever the settings name: some of those may be missing for this time.

    `is_known`: an earlier sync has read from there. Then a gateway's 404 is raised as it is (`NotTheApi`).
    """
    return list(_listed(client, settings, is_known=is_known).values())


def _listed(client: ApiClient, settings: Settings, *, is_known: bool = False) -> dict[int, Row]:
    fetch = partial(read_page, client.get_json, "storefront/v1/storefronts", {})
    try:
        first = fetch(0)
    except (NotFound, NotTheApi) as error:
        if isinstance(error, NotTheApi) and (is_known or error.is_known):
            raise
        raise WrongHost(settings.api_url, "it has no list of storefronts") from None
    except MissingPermission:
        if settings.storefront_ids is None:
            raise
        return {id_: {"id": id_} for id_ in settings.storefront_ids}
    listed = [(row_id(row), row) for page in walk(fetch, first) for row in page.rows]
    if any(id_ is None for id_, _ in listed):
        logger.warning("The list of storefronts has rows without a usable id: they are passed over.")
    rows = {id_: row for id_, row in listed if id_ is not None}
    if not rows:
        # a list that is empty for once would end what is remembered of each storefront
        raise UnknownStorefront([], [])
    return rows
