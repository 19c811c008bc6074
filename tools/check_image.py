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
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from integration_tests.command_line import CommandLine, configured
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

    def program(self, *options: str) -> list[str]:
        """What runs the image, for arguments to follow; it sees the machine's loopback, where the sandbox is."""
        program = ["podman", *self._storage, "--runtime=runc", "--cgroup-manager=cgroupfs", "run", "--rm"]
        program += ["--network=host", "--read-only", "--read-only-tmpfs=false", "--tmpfs=/tmp:size=4m"]
        program += ["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"]  # its own are more than root may here
        return [*program, *options, IMAGE]


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
        tools.make_base()
        tools.build()
        told("image", f"{(tools.size(IMAGE) - tools.size(BASE)) / MEGABYTE:.0f} MB on top of the base image")
        try_commands(tools, sandbox, Path(folder))


def try_commands(tools: ImageTools, sandbox: Sandbox, folder: Path) -> None:
    """Run each command and hold what it says against the sandbox."""
    inputs, files = folder / "inputs", folder / "print-files"
    inputs.mkdir()
    files.mkdir()
    shutil.chown(files, USER)
    folder.chmod(0o755)
    command = CommandLine(inputs, program=tools.program(f"--volume={inputs}:{inputs}:ro", f"--volume={files}:/files"))
    config = sandbox.config(files={"delivery": "folder", "path": "/files"})

    shell = [*tools.program("--entrypoint=sh"), "-c", "id -u; touch /airbyte/x 2>/dev/null || echo read-only"]
    expect(run(shell).split() == [str(USER), "read-only"])
    told("image", f"runs as user {USER}, its root read-only, 4 MB of /tmp")

    expect(len(command.spec().of_type("SPEC")) == 1)
    told("spec", "a specification")
    status = command.check(config).connection_status
    expect(status["status"] == "SUCCEEDED", status)
    told("check", "succeeded")
    catalog = command.discover(config).catalog
    told("discover", f"{len(catalog['streams'])} streams")

    read = command.read(config, configured(catalog))
    expect((read.exit_code, read.traces) == (0, []), read.traces, read.errors)
    expect({row["id"] for row in read.records("projects")} == {one["id"] for one in sandbox.shop.projects()})
    told("read", f"{len(read.of_type('RECORD'))} records")
    stored = {path.relative_to(files).as_posix(): path.read_bytes() for path in files.rglob("*") if path.is_file()}
    delivered = {row["filePath"]: sandbox.shop.file_bytes(row["artifactId"]) for row in read.records("artifact_files")}
    expect(stored == delivered and len(stored) > 0, sorted(stored.keys() ^ delivered.keys())[:5])
    told("read", f"{len(stored)} print files, byte for byte the shop's, in the folder mounted for them")

    try_job(tools, {**config, "shard": {"count": 3}}, inputs, files)


def try_job(tools: ImageTools, config: dict[str, Any], inputs: Path, files: Path) -> None:
    """Run the container command of examples/kubernetes, for one of its shards."""
    (inputs / "config.json").write_text(json.dumps(config), encoding="utf-8")
    mounts = [f"{ROOT / 'examples'}:/job:ro", f"{inputs}:/config:ro", f"{files}:/files"]
    options = [f"--volume={mount}" for mount in mounts] + ["--env=JOB_COMPLETION_INDEX=1", "--entrypoint=python"]
    run([*tools.program(*options), "/job/cron_job.py", "/config/config.json", "/files/synced/shard-1"])
    state = json.loads((files / "synced" / "shard-1" / "state.json").read_bytes())
    scopes = {one["stream"]["stream_state"]["scope"]["shard"] for one in state["states"].values()}
    expect(scopes == {"1/3"}, scopes)
    told("job", "the container command of examples/kubernetes, as shard 1 of 3")


def told(what: str, result: str) -> None:
    print(f"{what:<8}  {result}", flush=True)


def expect(holds: bool, *found: Any) -> None:
    if not holds:
        raise SystemExit(f"Not as expected: {found}")


if __name__ == "__main__":
    main()
