"""What the tests of whatever sends requests share: a server of their own, and a clock that nobody waits for."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.files.download import Downloader
from source_customerscanvas.files.stores.folder import FolderStore
from unit_tests.http_server import FakeClock, Server, serve

# a slow machine makes no test fail
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture
def server() -> Iterator[Server]:
    with serve() as running:
        yield running


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def client(server: Server, clock: FakeClock) -> ApiClient:
    return ApiClient(server.settings(), clock)


@pytest.fixture
def files(client: ApiClient, clock: FakeClock, tmp_path: Path) -> Downloader:
    return Downloader(client, FolderStore(tmp_path), clock)
