"""Proves that a sync with these settings can work. Nothing is changed in the shop."""

from collections.abc import Mapping, Sequence
from typing import Any

from jsonschema import Draft7Validator
from jsonschema.exceptions import ValidationError

from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.api.listing import read_page
from source_customerscanvas.api.projects import as_number
from source_customerscanvas.api.statuses import list_statuses, list_transitions
from source_customerscanvas.api.storefronts import list_storefronts
from source_customerscanvas.errors import (
    InvalidSetting,
    MissingPermission,
    NotFound,
    NotTheApi,
    WrongHost,
    shorten,
)
from source_customerscanvas.files.paths import check_template
from source_customerscanvas.files.stores import store_for
from source_customerscanvas.settings import Settings, as_entered
from source_customerscanvas.times import SYSTEM_CLOCK

CHECK_PATIENCE_SECONDS = 15.0
"""For a server that does not answer: whoever checks sits and waits, and has most likely mistyped."""

_FULL_PROJECTS = "Projects_full"
_MOST_NAMED = 20


def check_configuration(config: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    """Hold a configuration against the spec's schema. Raises `InvalidSetting`."""
    _check(as_entered(config), schema, ())


def _check(value: Any, schema: Mapping[str, Any], path: Sequence[object]) -> None:
    for error in Draft7Validator(schema).iter_errors(value):
        there = [*path, *error.absolute_path]
        if error.validator == "oneOf" and isinstance(error.instance, dict):
            name, alternatives = _alternatives(error.validator_value)
            if name not in error.instance:
                raise InvalidSetting(_dotted(*there, name), "it is missing")
            meant = [schema for value, schema in alternatives if value == error.instance[name]]
            if not meant:
                known = ", ".join(str(value) for value, _ in alternatives)
                raise InvalidSetting(_dotted(*there, name), f"it has to be one of {known}")
            _check(error.instance, meant[0], there)
        raise _invalid_setting(error, there)


def _alternatives(schemas: Any) -> tuple[str, list[tuple[Any, Mapping[str, Any]]]]:
    """The property that tells alternatives apart, such as `delivery`, and the schema for each of its values."""
    constants = [{name for name, one in schema["properties"].items() if "const" in one} for schema in schemas]
    (name,) = set.intersection(*constants)
    return name, [(schema["properties"][name]["const"], schema) for schema in schemas]


def _dotted(*path: object) -> str:
    return ".".join(map(str, path))


def _invalid_setting(error: ValidationError, path: Sequence[object]) -> InvalidSetting:
    # the values themselves are left out: one of them may be a secret in the wrong place
    allowed: Any = error.validator_value
    if error.validator == "required":
        instance: Any = error.instance
        missing = next(name for name in allowed if name not in instance)
        return InvalidSetting(_dotted(*path, missing), "it is missing")
    reasons = {
        "type": f"it has to be of the type {allowed}",
        "enum": f"it has to be one of {', '.join(map(str, allowed)) if isinstance(allowed, list) else allowed}",
        "minimum": f"it has to be at least {allowed}",
        "maximum": f"it has to be at most {allowed}",
        "uniqueItems": "it names something twice",
    }
    return InvalidSetting(_dotted(*path), reasons.get(str(error.validator), "it does not fit"))


def check_connection(client: ApiClient, settings: Settings) -> None:
    """Do once what each part of a sync does first; the errors say what to change.

    In this order: the token, the storefronts, reading projects, the business statuses and transitions that the settings
    name, reading artifacts, the store for files and, where the settings ask for changes in the shop, the permission for
    them. A `file_path` that is no good is told before anything is asked.
    """
    check_template(settings.file_path, settings.storefront_ids)
    store = store_for(settings, SYSTEM_CLOCK, client.stopping, is_hasty=True)
    scopes = client.token_scopes()
    storefronts = list_storefronts(client, settings)
    _list(client, settings, "storefront/v1/projects", {"storefrontId": storefronts[0]["id"]})
    _check_names(client, settings)
    _list(client, settings, "storage/v1/artifacts", {})
    if store:
        store.check()
    # only the scopes of the token tell whether projects may be changed, and a server may leave them out
    if scopes is not None and _FULL_PROJECTS not in scopes:
        if settings.processing.on_failure != "report":
            raise MissingPermission("Projects: Full", f"{settings.processing.on_failure} failed processing")
        if settings.acknowledge.mode != "none":
            raise MissingPermission("Projects: Full", "acknowledge orders")


def _check_names(client: ApiClient, settings: Settings) -> None:
    """Raises `InvalidSetting` for what the tenant does not have."""
    acknowledge = settings.acknowledge
    named = {"statuses.codes": settings.statuses.codes}
    if acknowledge.mode == "status":
        named["acknowledge.code"] = (acknowledge.code,)
    if any(named.values()):
        names = {as_number(row.get("code")): str(row.get("displayName") or "unnamed") for row in list_statuses(client)}
        existing = [f"{code} ({shorten(name)})" for code, name in names.items() if isinstance(code, int)]
        for field, codes in named.items():
            missing = [str(code) for code in codes if code not in names]
            if missing:
                raise _unknown(field, f"business status {', '.join(missing)}", existing)
    if acknowledge.mode == "transition":
        transitions = [name for row in list_transitions(client) if isinstance(name := row.get("name"), str)]
        if acknowledge.name not in transitions:
            existing = [f"“{shorten(name)}”" for name in transitions]
            raise _unknown("acknowledge.name", f"status transition “{shorten(acknowledge.name)}”", existing)


def _unknown(field: str, what: str, existing: Sequence[str]) -> InvalidSetting:
    there = ", ".join(existing[:_MOST_NAMED]) or "none at all"
    return InvalidSetting(field, f"there is no {what}; the tenant has {there}")


def _list(client: ApiClient, settings: Settings, path: str, params: Mapping[str, Any]) -> None:
    try:
        read_page(client.get_json, path, params, 0, take=1)
    except (NotFound, NotTheApi):
        raise WrongHost(settings.api_url, f"it has no {path}") from None
