"""Build the image and run its commands, without a Docker daemon and without Airbyte's registry.

    make image-check

The Dockerfile is built as it stands, on a stand-in for Airbyte's base image: Debian bookworm's packages with Python
3.11 below /usr/local and the user 1000, `airbyte`. The image then runs as that user with a read-only root and 4 MB of
/tmp, against the sandbox. Needs root, the programs below (Debian's packages of the same names), and PyPI.
"""

import json
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sandbox import Sandbox

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = ("buildah", "mmdebstrap", "podman", "runc")
BASE, IMAGE = "localhost/stand-in-base", "localhost/source-customerscanvas"
USER = 1000
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
SETUP = f"""
python3 -m venv --copies /usr/local
useradd --create-home --uid {USER} airbyte
mkdir -p /airbyte/integration_code && chown {USER} /airbyte/integration_code
"""
SETTINGS = ["ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin", "ENV PYTHONUNBUFFERED=1"]
MEGABYTE = 1 << 20


class ImageTools:
    """buildah and podman with a storage of their own, which needs no feature of the kernel and goes with its folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._storage = [f"--root={folder / 'storage'}", f"--runroot={folder / 'run'}", "--storage-driver=vfs"]

    def make_base(self) -> None:
        archive = self._folder / "base.tar"
        packages = "ca-certificates,python3,python3-venv"
        hook = f'--customize-hook=chroot "$1" sh -ec {shlex.quote(SETUP)}'
        run(["mmdebstrap", "--quiet", "--variant=minbase", f"--include={packages}", hook, "bookworm", str(archive)])
        changes = [part for setting in SETTINGS for part in ("--change", setting)]
        run(["podman", *self._storage, "import", "--quiet", *changes, str(archive), BASE])
        archive.unlink()

    def build(self) -> None:
        # the machine's own certificates, in case its way to PyPI is signed by another authority
        trust = ["--volume", f"{CERTIFICATES}:{CERTIFICATES}:ro"] if CERTIFICATES.exists() else []
        options = [f"--build-arg=BASE_IMAGE={BASE}", f"--tag={IMAGE}"]
        run(["buildah", *self._storage, "build", "--isolation=chroot", "--quiet", *trust, *options, str(ROOT)])

    def size(self, image: str) -> int:
        said = run(["podman", *self._storage, "image", "inspect", "--format={{.Size}}", image])
        return int(said)

    def run(self, *arguments: str, volumes: Sequence[str] = (), entrypoint: str | None = None) -> str:
        options = [
            "--rm",
            "--network=host",
            "--read-only",
            "--read-only-tmpfs=false",
            "--ulimit=nofile=1024:1024",
            "--ulimit=nproc=1024:1024",
        ]
        options += ["--tmpfs=/tmp:size=4m", *(f"--volume={volume}" for volume in volumes)]
        options += [f"--entrypoint={entrypoint}"] if entrypoint else []
        return run(
            [
                "podman",
                *self._storage,
                "--runtime=runc",
                "--cgroup-manager=cgroupfs",
                "run",
                *options,
                IMAGE,
                *arguments,
            ]
        )


def run(arguments: Sequence[str]) -> str:
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def main() -> None:
    missing = [program for program in PROGRAMS if not shutil.which(program)]
    if missing:
        raise SystemExit(f"Missing here: {', '.join(missing)}. On Debian: apt-get install {' '.join(missing)}")
    with tempfile.TemporaryDirectory() as folder, Sandbox(projects=60) as sandbox:
        tools = ImageTools(Path(folder))
        timed("stand-in for the base image", tools.make_base)
        timed("image, from the Dockerfile", tools.build)
        print(f"{'size':<28} {(tools.size(IMAGE) - tools.size(BASE)) / MEGABYTE:6.0f} MB on top of the base image")
        shown(tools, sandbox, Path(folder))


def timed(name: str, step: Any) -> Any:
    begun = time.monotonic()
    result = step()
    print(f"{name:<28} {time.monotonic() - begun:6.1f} s", end="\n" if result is None else "  ", flush=True)
    return result


def shown(tools: ImageTools, sandbox: Sandbox, folder: Path) -> None:
    """Run each command and hold what it says against the sandbox."""
    inputs, files = folder / "inputs", folder / "print-files"
    inputs.mkdir(mode=0o755)
    files.mkdir()
    shutil.chown(files, USER)
    folder.chmod(0o755)
    volumes = (f"{inputs}:/inputs:ro", f"{files}:/print-files")
    config = sandbox.config(files={"delivery": "folder", "path": "/print-files"})
    (inputs / "config.json").write_text(json.dumps(config), encoding="utf-8")

    def command(*arguments: str) -> list[dict[str, Any]]:
        said = timed(arguments[0], lambda: tools.run(*arguments, volumes=volumes))
        return [json.loads(line) for line in said.splitlines()]

    user = tools.run("-c", "id -u; touch /airbyte/x 2>/dev/null || echo read-only", entrypoint="sh").split()
    expect(user == [str(USER), "read-only"], f"user {USER}, read-only root", user)

    expect(any(message["type"] == "SPEC" for message in command("spec")), "a specification")
    statuses = [
        message["connectionStatus"]
        for message in command("check", "--config", "/inputs/config.json")
        if message["type"] == "CONNECTION_STATUS"
    ]
    expect([one["status"] for one in statuses] == ["SUCCEEDED"], "succeeded", statuses)
    (catalog,) = (
        message["catalog"]
        for message in command("discover", "--config", "/inputs/config.json")
        if message["type"] == "CATALOG"
    )
    expect(bool(catalog["streams"]), f"{len(catalog['streams'])} streams")
    configured = {
        "streams": [
            {"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "overwrite"}
            for stream in catalog["streams"]
        ]
    }
    (inputs / "catalog.json").write_text(json.dumps(configured), encoding="utf-8")
    messages = command("read", "--config", "/inputs/config.json", "--catalog", "/inputs/catalog.json")
    records = [message["record"] for message in messages if message["type"] == "RECORD"]
    read = {record["data"]["id"] for record in records if record["stream"] == "projects"}
    expect(read == {project["id"] for project in sandbox.shop.projects()}, f"{len(records)} records", read)
    delivered = {
        record["data"]["filePath"]: record["data"]["artifactId"]
        for record in records
        if record["stream"] == "artifact_files"
    }
    stored = {path.relative_to(files).as_posix(): path for path in files.rglob("*") if path.is_file()}
    expect(stored.keys() == delivered.keys() and len(stored) > 0, "", sorted(stored.keys() ^ delivered.keys())[:5])
    for path, artifact_id in delivered.items():
        expect(stored[path].read_bytes() == sandbox.shop.file_bytes(artifact_id), "", path)
    print(
        f"{'':<28}           {len(stored)} print files, byte for byte those of the shop, in the folder mounted for them"
    )


def expect(holds: bool, said: str, *found: Any) -> None:
    if not holds:
        raise SystemExit(f"\nNot as expected ({said}): {found}")
    if said:
        print(said)


if __name__ == "__main__":
    main()
