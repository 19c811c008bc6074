"""Proves that a sync with these settings can work, without changing anything."""

from source_customerscanvas.client import ApiClient
from source_customerscanvas.errors import MissingPermission, UnknownStorefront
from source_customerscanvas.listing import read_page
from source_customerscanvas.settings import Settings
from source_customerscanvas.storefronts import list_storefronts

_FULL_PROJECTS = "Projects_full"


def check_connection(client: ApiClient, settings: Settings) -> None:
    """Do once what each part of a sync does first; the errors say what to change.

    In this order: the token, the storefronts, reading projects, reading artifacts and, where the settings ask for
    changes in the shop, the permission for them.
    """
    scopes = client.token_scopes()
    storefronts = list_storefronts(client, settings)
    if not storefronts:
        raise UnknownStorefront([], [])
    read_page(client.get_json, "storefront/v1/projects", {"storefrontId": storefronts[0]["id"]}, 0, take=1)
    read_page(client.get_json, "storage/v1/artifacts", {}, 0, take=1)
    # only the scopes of the token tell whether projects may be changed, and a server may leave them out
    if scopes is not None and _FULL_PROJECTS not in scopes:
        if settings.processing.on_failure != "report":
            raise MissingPermission("Projects: Full", f"{settings.processing.on_failure} failed processing")
        if settings.acknowledge.mode != "none":
            raise MissingPermission("Projects: Full", "acknowledge orders")
