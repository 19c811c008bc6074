"""What is released: the wheel, the sdist, and the steps that the image is built with, in a clean environment.

Images cannot be built where the project is checked, so the commands of the Dockerfile's first stage are run here.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path
from typing import NamedTuple

import pytest

from integration_tests.command_line import CommandLine, configured
from sandbox import Sandbox
from tools.requirements import LEFT_OUT

ROOT = Path(__file__).parents[2]
PACKAGE = "source_customerscanvas"
pytestmark = pytest.mark.timeout(1200)  # pip's downloads
(VERSION,) = re.findall(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)


class Distributions(NamedTuple):
    wheel: Path
    sdist: Path


class Environment:
    """A virtual environment of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        run(sys.executable, "-m", "venv", folder)

    def pip(self, *arguments: str | Path, folder: Path | None = None) -> None:
        run(self.folder / "bin" / "python", "-m", "pip", *arguments, "--quiet", folder=folder)

    def spec(self) -> dict[str, object]:
        """What the installed command says; it runs in a folder without the checkout's package."""
        message: dict[str, object] = json.loads(
            run(self.folder / "bin" / "source-customerscanvas", "spec", folder=self.folder).splitlines()[-1]
        )
        return message


def run(*arguments: str | Path, folder: Path | None = None) -> str:
    done = subprocess.run(
        [str(one) for one in arguments], cwd=folder, capture_output=True, text=True, timeout=1100, check=False
    )
    assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    """The sdist, and the wheel that is built from it."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", folder, ROOT)
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return Distributions(wheel, sdist)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment made by the commands of the Dockerfile's first stage, out of the files that it copies."""
    environment = Environment(tmp_path_factory.mktemp("image") / "venv")
    environment.pip("uninstall", "--yes", "setuptools")  # new environments of Python 3.10 and 3.11 have it
    work = tmp_path_factory.mktemp("build")
    for instruction, rest in first_stage():
        words = shlex.split(rest)
        if instruction == "COPY":
            for source in words[:-1]:
                copy(ROOT / source, work / words[-1] if len(words) == 2 and words[-1] != "./" else work / source)
        elif instruction == "RUN":
            assert words[:2] == ["pip", "install"], rest
            # what is in pip's cache need not be loaded anew
            kept = [word for word in words[1:] if not word.startswith("--prefix=") and word != "--no-cache-dir"]
            environment.pip(*kept, f"--prefix={environment.folder}", folder=work)
    return environment


def first_stage() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile up to its second stage."""
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    instructions = [(line.split()[0], line.partition(" ")[2]) for line in lines if line and not line.startswith("#")]
    _, second = (at for at, (instruction, _) in enumerate(instructions) if instruction == "FROM")
    return instructions[:second]


def copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)


def test_given_the_wheel_when_opened_then_it_holds_the_connector_with_its_manifest_and_nothing_else(
    distributions: Distributions,
) -> None:
    with zipfile.ZipFile(distributions.wheel) as wheel:
        names = set(wheel.namelist())
        metadata = Parser().parsestr(wheel.read(f"{PACKAGE}-{VERSION}.dist-info/METADATA").decode())
        entry_points = wheel.read(f"{PACKAGE}-{VERSION}.dist-info/entry_points.txt").decode()
    sources = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / PACKAGE).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert f"{PACKAGE}/manifest.yaml" in names
    assert {name for name in names if ".dist-info/" not in name} == sources
    assert any(name.endswith("LICENSE") for name in names)
    assert (metadata["Name"], metadata["Version"]) == ("source-customerscanvas", VERSION)
    assert metadata["License"] == "MIT" or metadata["License-Expression"] == "MIT"
    assert "source-customerscanvas=source_customerscanvas.run:run" in entry_points.replace(" ", "")


def test_given_the_sdist_when_opened_then_it_holds_what_the_wheel_is_built_from(distributions: Distributions) -> None:
    with tarfile.open(distributions.sdist) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert {"LICENSE", "README.md", "pyproject.toml", f"{PACKAGE}/manifest.yaml", f"{PACKAGE}/run.py"} <= names


def test_given_the_dockerfiles_steps_when_run_in_a_clean_environment_then_each_command_does_its_work(
    image: Environment, shop: Sandbox, tmp_path: Path
) -> None:
    command = CommandLine(tmp_path, program=[str(image.folder / "bin" / "source-customerscanvas")])
    config = shop.config(files={"delivery": "none"})

    assert command.spec().of_type("SPEC")
    assert command.check(config).connection_status["status"] == "SUCCEEDED"
    read = command.read(config, configured(command.discover(config).catalog))

    assert (read.exit_code, read.traces) == (0, [])
    assert {row["id"] for row in read.records("projects")} == {project["id"] for project in shop.shop.projects()}


def test_given_the_dockerfiles_steps_when_run_then_nothing_is_missing_but_what_is_left_out_by_name(
    image: Environment,
) -> None:
    done = subprocess.run(
        [image.folder / "bin" / "python", "-m", "pip", "check"], capture_output=True, text=True, check=False
    )
    complaints = [
        re.fullmatch(r"\S+ \S+ requires (\S+), which is not installed\.", one) for one in done.stdout.splitlines()
    ]
    assert {complaint[1] if complaint else None for complaint in complaints} == set(LEFT_OUT), done.stdout


def test_given_the_dockerfiles_steps_when_run_then_only_what_is_locked_is_installed(image: Environment) -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    locked = {line.split()[0] for line in lock if "==" in line}
    listed = json.loads(run(image.folder / "bin" / "python", "-m", "pip", "list", "--format=json"))
    installed = {re.sub(r"[-_.]+", "-", one["name"].lower()): one["version"] for one in listed}
    installed.pop("source-customerscanvas")
    installed.pop("pip")  # the environment's own
    assert {f"{name}=={version}" for name, version in installed.items()} <= locked
    assert not installed.keys() & {"pytest", "moto", "aiohttp", "airbyte"}


@pytest.mark.parametrize("kind", Distributions._fields)
def test_given_a_distribution_when_installed_in_a_clean_environment_then_the_connector_answers(
    distributions: Distributions, image: Environment, kind: str
) -> None:
    # the image's environment has the dependencies; the connector itself goes, and comes back from the distribution
    image.pip("uninstall", "--yes", "source-customerscanvas")
    assert not (image.folder / "bin" / "source-customerscanvas").exists()
    image.pip("install", "--no-deps", getattr(distributions, kind))
    assert image.spec()["type"] == "SPEC"


def test_given_no_choice_of_pythons_when_they_are_tested_then_each_supported_version_is() -> None:
    # The tests may have been started by make themselves: nothing of that make is handed on.
    ours = ("env", "-u", "PYTHONS", "-u", "MAKEFLAGS", "-u", "MAKELEVEL")
    steps = run(*ours, "make", "--dry-run", "test-pythons", folder=ROOT)
    (supported,) = re.findall(r'^python = "(.+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    low, high = (int(minor) for minor in re.findall(r"3\.(\d+)", supported))
    assert [f"python3.{minor}" for minor in range(low, high)] == re.findall(r"python3\.\d+", steps.splitlines()[0])
