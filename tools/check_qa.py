"""Airbyte's own checks of its connectors (the package airbyte-internal-ops), on this connector as it would be listed.

They look for a connector below `airbyte-integrations/connectors` and its page below `docs`, and for a page whose
address begins with Airbyte's: such a folder is made for them. They also ask Airbyte's registry whether a version is
released, which is answered here, so that they run without it.
"""

import contextlib
import io
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from airbyte_ops_mcp.connector_ops.utils import Connector
from airbyte_ops_mcp.connector_qa.checks import ENABLED_CHECKS
from airbyte_ops_mcp.connector_qa.models import Check, CheckResult, CheckStatus
from airbyte_ops_mcp.metadata_validator import (
    PRE_UPLOAD_VALIDATORS,
    ValidatorOptions,
    validate_and_load,
    validate_docker_image_tag_is_not_decremented,
    validate_metadata_base_images_in_dockerhub,
)

ROOT = Path(__file__).resolve().parent.parent
NAME = "source-customerscanvas"
PAGE = "integrations/sources/customerscanvas"
ASK_DOCKERS_REGISTRY = (validate_docker_image_tag_is_not_decremented, validate_metadata_base_images_in_dockerhub)
AS_IF_CERTIFIED = ("CheckDocumentationHeadersOrder", "CheckPrerequisitesSectionDescribesRequiredFieldsFromSpec")
UNFIT = {
    "CheckConnectorUsesPythonBaseImage": "Airbyte builds its images itself and allows no Dockerfile; users of this "
    "connector build theirs from it, on the base image that the metadata names",
    "ValidateMetadata": "it looks images up in Docker's registry (all else that it validates is validated here)",
    "CheckVersionIncrement": "it looks the version before this one up in Airbyte's repository",
    "CheckDocumentationLinks": "it opens every address of the page",
}


class Unlisted(Connector):
    """A connector that is not in Airbyte's registry."""

    is_released = False
    cloud_usage = None


class Certified(Unlisted):
    """Held to what is asked of connectors that Airbyte supports itself.

    For the headings only: the sentences asked of such are about Airbyte's cloud, which does not offer this one.
    """

    ab_internal_sl = 300


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        lay_out(Path(folder))
        os.chdir(folder)
        error = metadata_error()
        results = [run(check) for check in ENABLED_CHECKS if type(check).__name__ not in UNFIT]
    failed = [result for result in results if result.status is CheckStatus.FAILED]
    for result in failed:
        print(f"{result.check.name}: {result.message}", file=sys.stderr)
    if error:
        print(f"metadata.yaml: {error}", file=sys.stderr)
    passed = sum(result.status is CheckStatus.PASSED for result in results)
    print(
        f"Airbyte's checks: {passed} passed, {len(failed)} failed, {len(results) - passed - len(failed)} do not apply"
    )
    for name, reason in UNFIT.items():
        print(f"    not run: {name}, since {reason}")
    return 1 if failed or error else 0


def run(check: Check) -> CheckResult:
    is_asked_more = type(check).__name__ in AS_IF_CERTIFIED
    return check.run((Certified if is_asked_more else Unlisted)(NAME))


def metadata_error() -> str | None:
    """What Airbyte's validators say of metadata.yaml, but for those that ask Docker's registry."""
    connector = Unlisted(NAME)
    validators = [one for one in PRE_UPLOAD_VALIDATORS if one not in ASK_DOCKERS_REGISTRY]
    options = ValidatorOptions(docs_path=str(connector.documentation_file_path))
    with contextlib.redirect_stdout(io.StringIO()):
        metadata, error = validate_and_load(connector.metadata_file_path, validators, options)
    return None if metadata else str(error)


def lay_out(folder: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    connector = folder / "airbyte-integrations" / "connectors" / NAME
    for path in listed.stdout.splitlines():
        if (ROOT / path).is_file() and not path.startswith("docs/"):
            (connector / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, connector / path)
    page = folder / "docs" / f"{PAGE}.md"
    page.parent.mkdir(parents=True)
    shutil.copy(ROOT / "docs" / "customerscanvas.md", page)
    metadata = connector / "metadata.yaml"
    lines = metadata.read_text(encoding="utf-8").splitlines()
    listing = f"  documentationUrl: https://docs.airbyte.com/{PAGE}"
    metadata.write_text(
        "\n".join(listing if line.startswith("  documentationUrl:") else line for line in lines), encoding="utf-8"
    )


if __name__ == "__main__":
    sys.exit(main())
