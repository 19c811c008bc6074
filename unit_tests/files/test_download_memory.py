"""However long an answer is, a download takes little memory."""

import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from source_customerscanvas.errors import CustomersCanvasError
from source_customerscanvas.files.download import Downloader
from unit_tests.downloads import BODY, PATH, PRIVATE
from unit_tests.http_server import Answer, Server

MEMORY = """
import resource, sys
from pathlib import Path
from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.settings import Settings
from source_customerscanvas.files.stores.folder import FolderStore
from source_customerscanvas.files.artifact_file import ArtifactFile
from source_customerscanvas.files.download import Downloader
url, directory = sys.argv[1:]
client = ApiClient(Settings("app", "s3cret", url, url))
peak = []
for id_ in ("small", "large"):
    Downloader(client, FolderStore(Path(directory))).deliver(ArtifactFile(id_, None, None, False), id_)
    peak.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
print(peak[1] - peak[0])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems count memory otherwise")
def test_given_a_large_file_when_downloaded_then_memory_stays_as_it_was(server: Server, tmp_path: Path) -> None:
    large = bytes(100_000_000)
    server.answer = lambda request: Answer(200, large if "large" in request.path else BODY)
    run = subprocess.run(
        [sys.executable, "-c", MEMORY, server.url, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert int(run.stdout) < 10_000  # KiB
    assert (tmp_path / "large").stat().st_size == len(large)


@pytest.mark.parametrize("status", [302, 401, 404, 500])
def test_given_an_error_with_an_endless_body_when_downloaded_then_only_its_beginning_is_read(
    server: Server, files: Downloader, status: int
) -> None:
    answer = Answer(status, bytes(50_000_000), {"Location": f"{server.url}/elsewhere"})
    server.answer = lambda _: answer
    tracemalloc.start()
    try:
        with pytest.raises(CustomersCanvasError):
            files.deliver(PRIVATE, PATH)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
