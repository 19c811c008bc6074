"""The requirements of the image: what poetry.lock holds, less what the connector has no use for.

    poetry export --only main --without-urls --output exported
    python tools/requirements.py < exported > requirements.lock

pip installs them without looking for dependencies (`--no-deps`), so that what is left out stays out.
"""

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli

LEFT_OUT = {
    "dateparser": "guesses dates, and is imported by no module of the framework; brings regex",
    "google-cloud-secret-manager": "fetches secrets for tests, in the framework's command for developers",
    "nltk": "splits documents into sentences, in sources that read files",
    "pandas": "reads CSV and Excel, writes SQL caches, and brings numpy",
    "rapidfuzz": "is imported by no module of the framework",
    "rich": "colours what the framework's commands for developers print, and brings Pygments",
    "rich-click": "reads the command line of these commands",
    "setuptools": "is imported by no module of the framework",
    "unidecode": "is imported by no module of the framework",
}
"""Dependencies of the framework that none of the modules imports which the connector's commands import.

The framework imports them where their feature is used, and no stream of the manifest uses one. A test runs all commands
without them (`integration_tests/release`). With what only they need they are 240 MB.
"""


def main() -> None:
    root = Path(__file__).resolve().parent.parent
    package = tomli.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["poetry"]
    direct = {name for name, wanted in package["dependencies"].items() if name != "python" and not is_optional(wanted)}
    needed = reachable(direct, tomli.loads((root / "poetry.lock").read_text(encoding="utf-8")))
    print("# Made by `make lock` from poetry.lock.")
    for requirement in re.split(r"\n(?=\S)", sys.stdin.read().strip()):
        if re.split(r"[=\[ ]", requirement)[0] in needed:
            print(requirement)


def is_optional(wanted: Any) -> bool:
    return isinstance(wanted, Mapping) and bool(wanted.get("optional"))


def reachable(direct: set[str], lock: Mapping[str, Any]) -> set[str]:
    """The packages that these need, themselves included, without those that only what is left out needs."""
    needs: dict[str, set[str]] = {}
    for package in lock["package"]:
        needs.setdefault(package["name"], set()).update(map(normalized, package.get("dependencies", {})))
    found: set[str] = set()
    to_visit = {normalized(name) for name in direct}
    while to_visit:
        name = to_visit.pop()
        if name not in found and name not in LEFT_OUT:
            found.add(name)
            to_visit |= needs[name] - found if name in needs else set()
    return found


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    main()
