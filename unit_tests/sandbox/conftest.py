"""A shop without HTTP, and the time in it."""

from __future__ import annotations

import pytest

from sandbox.clock import Clock
from sandbox.shop import Shop
from sandbox.switches import Switches


@pytest.fixture
def switches() -> Switches:
    return Switches()


@pytest.fixture
def clock() -> Clock:
    return Clock("manual", start="2024-03-05T10:00:00Z")


@pytest.fixture
def shop(clock: Clock, switches: Switches) -> Shop:
    return Shop(clock, switches)
