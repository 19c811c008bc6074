"""What the tests of orders share."""

from __future__ import annotations

from pathlib import Path

import pytest

from integration_tests.orders.delivering import Delivering
from sandbox import Sandbox


@pytest.fixture
def delivering(sandbox: Sandbox, tmp_path: Path) -> Delivering:
    return Delivering(sandbox, tmp_path)
