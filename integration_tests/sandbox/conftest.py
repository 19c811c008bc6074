"""A sandbox with one completed project, and a client that has a token."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from sandbox import FileSpec, Sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(empty=True) as sandbox:
        sandbox.shop.create_project(processing="Completed", files=[FileSpec(size=100_000)])
        yield sandbox


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=sandbox.url, trust_env=False, timeout=5) as client:
        form = {"grant_type": "client_credentials", "client_id": "sandbox", "client_secret": "sandbox-secret"}
        token = client.post("/connect/token", data=form).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client
