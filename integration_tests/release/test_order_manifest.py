"""The documented form of `order.json`: its schema and its page, compared with what the connector writes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from integration_tests.command_line import ROOT, CommandLine, bare_catalog, configured
from sandbox import Sandbox

PAGE = (ROOT / "docs" / "order-manifest.md").read_text(encoding="utf-8")
SCHEMA: dict[str, Any] = json.loads((ROOT / "docs" / "order.schema.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What the connector writes of the sandbox's shop."""
    folder = tmp_path_factory.mktemp("manifests")
    with Sandbox(projects=40) as sandbox:
        config = sandbox.config(files={"delivery": "folder", "path": str(folder / "files")}, order_manifest=True)
        run = CommandLine(folder).read(config, configured(bare_catalog(), "artifact_files"))
        assert run.exit_code == 0, run.traces
    return [json.loads(path.read_bytes()) for path in sorted(folder.glob("files/*/*/order.json"))]


def strict(schema: Any) -> Any:
    """The schema without room for fields that it does not know."""
    if isinstance(schema, dict):
        closed = {"additionalProperties": False} if schema.get("type") == "object" else {}
        return {name: strict(value) for name, value in schema.items()} | closed
    return [strict(value) for value in schema] if isinstance(schema, list) else schema


def fields(schema: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for name, of_field in schema["properties"].items():
        yield f"{prefix}{name}", of_field
        if of_field.get("type") == "array":
            kind = of_field["items"]["$ref"].rpartition("/")[2]
            yield from fields(SCHEMA["definitions"][kind], f"{prefix}{name}[].")


def test_given_a_shop_when_its_manifests_are_written_then_each_is_valid_and_has_no_other_field(
    manifests: list[dict[str, Any]],
) -> None:
    validator = Draft7Validator(strict(SCHEMA))
    assert len(manifests) > 5
    assert any(len(manifest["projects"]) > 1 for manifest in manifests)
    for manifest in manifests:
        assert [error.message for error in validator.iter_errors(manifest)] == []


def test_given_the_schema_when_read_then_it_is_one_and_requires_every_field() -> None:
    Draft7Validator.check_schema(SCHEMA)
    for schema in (SCHEMA, *SCHEMA["definitions"].values()):
        assert schema["required"] == list(schema["properties"])
        assert all(one.get("description") or "$ref" in one for one in schema["properties"].values())


def test_given_the_page_when_compared_with_the_schema_then_it_has_the_same_fields_and_a_valid_example() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    Draft7Validator(strict(SCHEMA)).validate(json.loads(example))

    table = re.findall(r"^\| `([^`]+)` \| ([^|]+) \|", PAGE, re.MULTILINE)
    assert [name for name, _ in table] == [name for name, _ in fields(SCHEMA)]
    for (name, said), (_, schema) in zip(table, fields(SCHEMA), strict=True):
        assert ("or null" in said) == ("null" in schema.get("type", ())), name


def test_given_a_manifest_with_something_else_when_validated_then_the_schema_says_so(
    manifests: list[dict[str, Any]],
) -> None:
    manifest = manifests[0]
    (file, *_) = manifest["projects"][0]["files"]
    validator = Draft7Validator(SCHEMA)
    assert validator.is_valid({**manifest, "added later": True})
    broken: dict[str, Any]
    for broken in ({"version": 2}, {"orderId": None}, {"projects": []}, {"storefrontId": "11"}):
        assert not validator.is_valid({**manifest, **broken})
    broken_file: dict[str, Any]
    for broken_file in ({"sha256": "AB"}, {"sha256": 1}, {"size": -1}, {"path": ""}):
        project = {**manifest["projects"][0], "files": [{**file, **broken_file}]}
        assert not validator.is_valid({**manifest, "projects": [project]})


def test_given_the_page_when_its_links_are_followed_then_the_files_are_there() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", PAGE)
    assert len(links) >= 2
    assert all((Path(ROOT / "docs") / link).is_file() for link in links)
