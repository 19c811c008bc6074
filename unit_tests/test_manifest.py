"""What the manifest promises, literally: whoever renames or narrows something here breaks somebody's connection."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

import source_customerscanvas

MANIFEST = yaml.safe_load(Path(source_customerscanvas.__file__).with_name("manifest.yaml").read_text(encoding="utf-8"))
SPEC = MANIFEST["spec"]["connection_specification"]

SETTINGS = {
    "client_id": "string, required",
    "client_secret": "string, secret, required",
    "environment": "object, one of us | eu | au | custom",
    "environment.region": "string, required",
    "environment.hub_url": "string, required",
    "environment.api_url": "string, required",
    "storefront_ids": "array of integer",
    "order_ids": "array of string",
    "start_date": "string",
    "statuses": "object, one of all | only | except",
    "statuses.mode": "string, required",
    "statuses.codes": "array of integer, required",
    "tenant_id": "integer",
    "artifact_types": "array of Final | Temporary | Service",
    "files": "object, one of airbyte | s3 | gcs | azure | sftp | folder | none",
    "files.delivery": "string, required",
    "files.bucket": "string, required",
    "files.prefix": "string",
    "files.region": "string",
    "files.endpoint": "string",
    "files.access_key_id": "string",
    "files.secret_access_key": "string, secret",
    "files.service_account": "string, secret",
    "files.account": "string, required",
    "files.container": "string, required",
    "files.account_key": "string, secret",
    "files.sas_token": "string, secret",
    "files.host": "string, required",
    "files.port": "integer from 1 to 65535",
    "files.user": "string, required",
    "files.password": "string, secret",
    "files.private_key": "string, secret",
    "files.host_key": "string, required",
    "files.directory": "string",
    "files.path": "string, required",
    "file_path": "string",
    "file_formats": "array of string",
    "order_manifest": "boolean",
    "processing": "object",
    "processing.wait_minutes": "integer from 0 to 1440",
    "processing.poll_seconds": "integer from 60 to 3600",
    "processing.on_failure": "string of report | resume | restart",
    "processing.max_attempts": "integer from 1 to 10",
    "processing.retry_delay_minutes": "integer from 1 to 525600",
    "acknowledge": "object, one of none | order_data | transition | status",
    "acknowledge.mode": "string, required",
    "acknowledge.key": "string, required",
    "acknowledge.value": "string, required",
    "acknowledge.since": "string",
    "acknowledge.name": "string, required",
    "acknowledge.code": "integer, required",
    "shard": "object",
    "shard.count": "integer from 2",
    "shard.index": "integer from 0",
    "lookback_minutes": "integer from 0",
    "num_workers": "integer from 2 to 64",
}

ORDER_KEYS = "storefrontId orderId orderNumber"
LINE_ITEM = "orderLineItemId orderLineItemIndex"

STREAMS = {
    "storefronts": ("id", None, "id tenantId name type created status"),
    "project_statuses": ("id", None, "id code color displayName"),
    "processing_pipelines": ("id", None, "id name rawContent"),
    "orders": (
        "storefrontId orderId",
        "updatedAt",
        f"{ORDER_KEYS} orderName orderUrl customerId customerName created updatedAt projectCount readyCount "
        "failedCount unfinishedCount state projects",
    ),
    "shop_orders": ("storefrontId orderId", "updatedAt", f"{ORDER_KEYS} updatedAt order"),
    "projects": (
        "id",
        "updatedAt",
        f"id name description storefrontId tenantId productReference orderId orderNumber orderName orderUrl "
        f"{LINE_ITEM} customerId customerName ownerId status processingStatus created lastModified updatedAt items",
    ),
    "processing_results": (
        "projectId",
        "updatedAt",
        f"{ORDER_KEYS} projectId updatedAt status statusDescription outputFileDetails",
    ),
    "artifacts": (
        "id",
        "lastModified",
        f"{ORDER_KEYS} projectId {LINE_ITEM} projectItemId id name description descriptor group alias type format size "
        "url anonymousAccess tenantId ownerId customFields lastModified",
    ),
    "artifact_files": (
        "artifactId",
        "lastModified",
        f"{ORDER_KEYS} projectId artifactId name format size sha256 filePath fileUrl lastModified",
    ),
}


def settings(schema: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    """Each setting by its path, and whether it is required where it stands."""
    for part in (schema, *schema.get("oneOf", ())):
        for name, field in part.get("properties", {}).items():
            yield f"{prefix}{name}", field, name in part.get("required", ())
            yield from settings(field, f"{prefix}{name}.")


def described(field: Mapping[str, Any], is_required: bool) -> str:
    items = field.get("items", {})
    choices = field.get("enum") or items.get("enum") or ([items["type"]] if items else [])
    text = f"{field['type']} of {' | '.join(choices)}" if choices else str(field["type"])
    if "oneOf" in field:
        constants = [one["const"] for part in field["oneOf"] for one in part["properties"].values() if "const" in one]
        text += f", one of {' | '.join(constants)}"
    text += f" from {field['minimum']}" if "minimum" in field else ""
    text += f" to {field['maximum']}" if "maximum" in field else ""
    text += ", secret" if field.get("airbyte_secret") else ""
    return text + (", required" if is_required else "")


def test_given_the_spec_when_its_settings_are_read_then_names_types_and_bounds_are_the_promised_ones() -> None:
    assert {path: described(field, is_required) for path, field, is_required in settings(SPEC)} == SETTINGS
    assert SPEC["additionalProperties"] is True


def test_given_the_spec_when_its_form_is_shown_then_each_setting_has_its_group_in_their_order() -> None:
    groups = [group["id"] for group in SPEC["groups"]]
    shown = [groups.index(field["group"]) for field in SPEC["properties"].values()]
    assert shown == sorted(shown)
    assert set(shown) == set(range(len(groups)))


def test_given_an_object_that_may_be_left_out_when_its_form_is_shown_then_it_requires_nothing() -> None:
    # Airbyte's form asks for what such an object requires although the object is not wanted
    for name, field in SPEC["properties"].items():
        assert "required" not in field or name in SPEC["required"]


def schema_properties(stream: str) -> dict[str, Any]:
    """The fields of a stream, with those that it takes from a definition."""
    properties = dict(MANIFEST["schemas"][stream]["properties"])
    reference = properties.pop("$ref", "")
    return {**properties, **(MANIFEST["definitions"][reference.split("/")[-1]] if reference else {})}


def test_given_the_manifest_when_its_streams_are_read_then_keys_cursors_and_fields_are_the_promised_ones() -> None:
    def found(stream: Mapping[str, Any]) -> tuple[str, str | None, set[str]]:
        key, cursor = stream["primary_key"], stream.get("incremental_sync", {}).get("$ref")
        fields = set(schema_properties(stream["name"]))
        names = {"#/definitions/by_update": "updatedAt", "#/definitions/by_modification": "lastModified"}
        return " ".join(key) if isinstance(key, list) else key, names.get(cursor), fields

    declared = {stream["name"]: found(stream) for stream in MANIFEST["streams"]}
    assert list(declared) == list(STREAMS)
    assert declared == {name: (key, cursor, set(fields.split())) for name, (key, cursor, fields) in STREAMS.items()}
