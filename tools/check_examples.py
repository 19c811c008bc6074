"""Check the examples that no test can run whole: Kubernetes' manifests and Terraform's configuration.

The manifests are held against Kubernetes' published schemas, which the package kubernetes-validate ships; Terraform's
files are parsed, and what they refer to has to be declared. The configuration in the manifests has to fit the spec.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hcl2
import jsonschema
import kubernetes_validate
import yaml

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
VERSIONS = ("1.33", kubernetes_validate.latest_version())
"""The first in which all that is used is no longer a trial, and the newest."""


def main() -> int:
    problems = [*kubernetes_problems(), *terraform_problems()]
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def kubernetes_problems() -> Iterator[str]:
    manifest = yaml.safe_load((ROOT / "source_customerscanvas" / "manifest.yaml").read_text(encoding="utf-8"))
    spec = jsonschema.Draft7Validator(manifest["spec"]["connection_specification"])
    for path in sorted((EXAMPLES / "kubernetes").glob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            problems = (misfit(document, version) for version in VERSIONS)
            yield from (f"{path.name}: {problem}" for problem in problems if problem)
            config = document.get("stringData", {}).get("config.json")
            if config:
                yield from (f"{path.name}: config.json: {one.message}" for one in spec.iter_errors(json.loads(config)))


def misfit(document: Any, version: str) -> str | None:
    """What Kubernetes' schema of a version says against a document."""
    try:
        kubernetes_validate.validate(document, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return f"{'.'.join(map(str, error.path))}: {error.message} (Kubernetes {version})"
    return None


def terraform_problems() -> Iterator[str]:
    declared: set[str] = set()
    used: set[str] = set()
    for path in sorted((EXAMPLES / "terraform").glob("*.tf")):
        text = path.read_text(encoding="utf-8")
        try:
            parsed: dict[str, Any] = hcl2.loads(text)
        except Exception as error:  # the parser's own, of several kinds
            yield f"{path.name}: {error}"
            continue
        declared |= {f"var.{name}" for block in parsed.get("variable", ()) for name in unquoted(block)}
        declared |= {f"local.{name}" for block in parsed.get("locals", ()) for name in unquoted(block)}
        for block in parsed.get("resource", ()):
            declared |= {f"{kind}.{name}" for kind in unquoted(block) for name in unquoted(block[f'"{kind}"'])}
        used |= set(re.findall(r"\b((?:var|local)\.\w+|airbyte_\w+\.\w+)", text))
    yield from (f"terraform: {name} is not declared" for name in sorted(used - declared))


def unquoted(block: dict[str, Any]) -> list[str]:
    return [name.strip('"') for name in block if not name.startswith("__")]


if __name__ == "__main__":
    sys.exit(main())
