"""Check what describes the connector: manifest, metadata, versions, licence, icon, lock and docs have to agree.

Airbyte's own checks are run by `check_qa.py`; here stands what they leave open.
"""

import importlib.util
import re
import sys
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pydantic
import tomli
import yaml
from airbyte_cdk.sources.declarative.concurrent_declarative_source import ConcurrentDeclarativeSource
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parent.parent
ICON_BYTES = 2000
REQUIRED = (
    "allowedHosts",
    "connectorBuildOptions",
    "connectorSubtype",
    "connectorType",
    "definitionId",
    "dockerImageTag",
    "dockerRepository",
    "documentationUrl",
    "githubIssueLabel",
    "icon",
    "license",
    "name",
    "registryOverrides",
    "releaseDate",
    "releaseStage",
    "remoteRegistries",
    "suggestedStreams",
    "supportLevel",
    "supportsFileTransfer",
    "tags",
)
DOCS_ORDER = (
    "Customer's Canvas",
    "Prerequisites",
    "Setup guide",
    "Set up Customer's Canvas",
    "Set up the Customer's Canvas connector in Airbyte",
    "For Airbyte Cloud:",
    "For Airbyte Open Source:",
    "Supported sync modes",
    "Supported Streams",
    "IP allow list",
    "Performance considerations",
    "Data type map",
    "Limitations & Troubleshooting",
    "Tutorials",
    "Changelog",
)


def main() -> int:
    manifest = resolved_manifest()
    metadata = yaml.safe_load(read("metadata.yaml"))
    problems = [
        *manifest_problems(manifest),
        *schema_problems(metadata),
        *metadata_problems(metadata["data"], streams(manifest), manifest["spec"]["documentation_url"]),
        *agreement_problems(metadata["data"]),
        *icon_problems(read(metadata["data"]["icon"])),
        *lock_problems(read("poetry.lock"), read("requirements.lock")),
        *docs_problems(read("docs/customerscanvas.md")),
    ]
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def resolved_manifest() -> Mapping[str, Any]:
    """The manifest with its references resolved, valid against the framework's schema of components."""
    source = yaml.safe_load(read("source_customerscanvas/manifest.yaml"))
    return ConcurrentDeclarativeSource(catalog=None, config=None, state=None, source_config=source).resolved_manifest


def streams(manifest: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Schemas by stream name."""
    return {stream["name"]: stream["schema_loader"]["schema"] for stream in manifest["streams"]}


def manifest_problems(manifest: Mapping[str, Any]) -> Iterator[str]:
    specification = manifest["spec"]["connection_specification"]
    jsonschema.Draft7Validator.check_schema(specification)
    for path, field in spec_fields(specification):
        missing = [key for key in ("title", "description", "order", "examples") if key not in field]
        if missing and "const" not in field:
            yield f"manifest.yaml: the spec's {path} has no {', '.join(missing)}"
    for name, schema in streams(manifest).items():
        jsonschema.Draft7Validator.check_schema(schema)
        for path, field in schema_fields(name, schema):
            if not field.get("description"):
                yield f"manifest.yaml: {path} has no description"
            if "null" not in field.get("type", ("null",)):  # without a type, it may be anything
                yield f"manifest.yaml: {path} does not accept null, and any field of the API may be null"


def spec_fields(schema: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every setting of the spec by its path: `processing`, `processing.wait_minutes`."""
    for variant in (schema, *schema.get("oneOf", ())):
        for name, field in variant.get("properties", {}).items():
            path = f"{prefix}{name}"
            yield path, field
            yield from spec_fields(field, f"{path}.")


def schema_fields(path: str, schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, field in schema.get("properties", {}).items():
        yield f"{path}.{name}", field
        yield from schema_fields(f"{path}.{name}", field)
        yield from schema_fields(f"{path}.{name}[]", field.get("items", {}))


def schema_problems(metadata: Mapping[str, Any]) -> Iterator[str]:
    """Hold metadata.yaml against the schema of Airbyte's registry, which the package airbyte-connector-models ships."""
    if importlib.util.find_spec("airbyte_connector_models") is None:
        print("metadata.yaml is not held against Airbyte's schema: its package does not support this Python.")
        return
    from airbyte_connector_models.metadata.v0.connector_metadata_definition_v0 import ConnectorMetadataDefinitionV0

    try:
        ConnectorMetadataDefinitionV0.model_validate(metadata)
    except pydantic.ValidationError as error:
        for one in error.errors():
            yield f"metadata.yaml: {'.'.join(map(str, one['loc']))}: {one['msg']}"


def metadata_problems(data: Mapping[str, Any], schemas: Mapping[str, Any], documentation_url: str) -> Iterator[str]:
    for key in REQUIRED:
        if key not in data:
            yield f"metadata.yaml: {key} is missing"
    uuid.UUID(data["definitionId"])
    # a manifest in a Python package is both
    if sorted(data["tags"]) != ["cdk:low-code", "language:python"]:
        yield f"metadata.yaml: the tags are {data['tags']}, they have to be cdk:low-code and language:python"
    if not data["remoteRegistries"]["pypi"]["enabled"]:
        yield "metadata.yaml: PyAirbyte's users need the connector on PyPI"
    for name in data["suggestedStreams"]["streams"]:
        if name not in schemas:
            yield f"metadata.yaml: there is no stream {name} to suggest"
    if data["connectorBuildOptions"]["baseImage"] not in read("Dockerfile"):
        yield "Dockerfile: another base image than in metadata.yaml"
    if data["documentationUrl"] != documentation_url:
        yield "metadata.yaml: another documentationUrl than in the manifest's spec"
    if not documentation_url.startswith("https://"):
        yield "metadata.yaml: documentationUrl has to be https"


def agreement_problems(data: Mapping[str, Any]) -> Iterator[str]:
    package = tomli.loads(read("pyproject.toml"))["tool"]["poetry"]
    versions = {
        "pyproject.toml": package["version"],
        "metadata.yaml": data["dockerImageTag"],
        "CHANGELOG.md": first(r"^## (\S+)", read("CHANGELOG.md")),
        "docs/customerscanvas.md": first(r"^\| (\d\S*)", read("docs/customerscanvas.md")),
    }
    if len(set(versions.values())) != 1:
        yield f"the versions differ: {versions}"
    if not re.fullmatch(r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?", package["version"]):
        yield f"pyproject.toml: {package['version']} is no semantic version"
    licences = {
        "pyproject.toml": package["license"],
        "metadata.yaml": data["license"],
        "LICENSE": first(r"\A(\S+) License", read("LICENSE")),
    }
    if len(set(licences.values())) != 1:
        yield f"the licences differ: {licences}"


def first(pattern: str, text: str) -> str | None:
    found = re.search(pattern, text, re.MULTILINE)
    return found[1] if found else None


def lock_problems(poetry_lock: str, requirements: str) -> Iterator[str]:
    """The locks have to hold each dependency in a version that pyproject.toml allows, and to name no package index."""
    locked: dict[str, set[str]] = {}
    for package in tomli.loads(poetry_lock)["package"]:
        locked.setdefault(package["name"], set()).add(package["version"])
    for name, wanted in tomli.loads(read("pyproject.toml"))["tool"]["poetry"]["dependencies"].items():
        for one in wanted if isinstance(wanted, list) else [wanted]:  # each Python may need a version of its own
            allowed = SpecifierSet(specifier(one["version"] if isinstance(one, dict) else one))
            if name != "python" and not any(allowed.contains(version) for version in locked.get(name, ())):
                yield f"poetry.lock: {name} {allowed} is not locked; run `make lock`"
    for name, version in re.findall(r"^([a-z0-9][\w.-]*)==([^\s;]+)", requirements, re.MULTILINE):
        if version not in locked.get(name, ()):
            yield f"requirements.lock: {name} {version} is not what poetry.lock has; run `make lock`"
    if "://" in requirements or "package.source" in poetry_lock:
        yield "a lock names an address; run `make lock`"


def specifier(version: str) -> str:
    """Poetry's way to say a version, as others say it: `1.2` is `==1.2`, `~2.82` is `~=2.82.0`."""
    if version.startswith("~") and not version.startswith("~="):
        return f"~={version[1:]}.0"
    return version if version[0] in "<>=!~" else f"=={version}"


def icon_problems(icon: str) -> Iterator[str]:
    if len(icon.encode()) >= ICON_BYTES:
        yield f"icon.svg: {len(icon.encode())} bytes, it has to be smaller than {ICON_BYTES}"
    root = ET.fromstring(icon)
    if not root.get("width") or root.get("width") != root.get("height"):
        yield "icon.svg: it has to be square"


def docs_problems(docs: str) -> Iterator[str]:
    """The order of the sections; what has to stand in them is held by `integration_tests/release/test_docs.py`."""
    headings = [heading for heading in re.findall(r"^#{1,4} (.+)$", docs, re.MULTILINE) if heading in DOCS_ORDER]
    if headings != list(DOCS_ORDER):
        yield f"docs: the sections are {headings}, they have to be {list(DOCS_ORDER)}"


if __name__ == "__main__":
    sys.exit(main())
