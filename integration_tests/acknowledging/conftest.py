"""What the tests of acknowledging share: orders, a connection that acknowledges them, what it has acknowledged."""

from __future__ import annotations

from typing import Any

import pytest

from integration_tests.conftest import STOREFRONT, Connection
from integration_tests.engine import STREAMS, SandboxClock
from integration_tests.shops import HOUR, MINUTE
from sandbox import RequestRecord, Sandbox
from source_customerscanvas.sync.kinds import FILES, PROJECTS, RESULTS

POSTED = r"/projects/\d+/(order-data|transitions/.+|statuses/.+)$"
LONG_AGO = "2020-01-01T00:00:00Z"

MODES: dict[str, dict[str, Any]] = {
    "order_data": {"mode": "order_data", "key": "print-files", "value": "delivered"},
    "transition": {"mode": "transition", "name": "start-production"},
    "status": {"mode": "status", "code": 4},
}
each_mode = pytest.mark.parametrize("mode", MODES)
each_move = pytest.mark.parametrize("moves", [False, True], ids=["moves-nothing", "moves-last-modified"])
each_delivering = pytest.mark.parametrize("streams", [STREAMS, (RESULTS,), (FILES,), (PROJECTS, RESULTS)], ids=" ".join)


class Acknowledging(Connection):
    """A connection that acknowledges orders; each sync begins an hour after the one before."""

    def __init__(self, sandbox: Sandbox, streams: tuple[str, ...] = STREAMS, mode: str = "order_data", **more: Any):
        super().__init__(sandbox, streams, acknowledge={**MODES[mode], **more})
        self.clock = SandboxClock(sandbox)

    def sync(self, streams: tuple[str, ...] | None = None, **options: Any) -> dict[str, list[Any]]:
        self.sandbox.advance(HOUR)
        return super().sync(streams, **options)

    def acknowledged(self) -> list[int]:
        """The projects that this sync acknowledges, in order."""
        before = len(posts(self.sandbox))
        self.sync()
        return sorted(posts(self.sandbox)[before:])

    def of_delivering(self, key: str) -> Any:
        """What the state of the stream that delivers says of its storefront."""
        state = self.states[FILES if FILES in self.streams else RESULTS]
        return state["slices"][str(STOREFRONT)].get(key)


def posts(sandbox: Sandbox) -> list[int]:
    """The projects that were acknowledged, in the order in which it came."""
    return [int(request.path.split("projects/")[1].split("/")[0]) for request in sandbox.requests if is_post(request)]


def is_post(request: RequestRecord) -> bool:
    return request.method == "POST" and request.path != "/connect/token" and request.status < 300


def order(sandbox: Sandbox, *statuses: Any, order_id: str | None = "5001", **fields: Any) -> list[int]:
    """An order with one project for each of the statuses."""
    sandbox.advance(MINUTE)
    fields = {"storefront_id": STOREFRONT, "order_id": order_id, **fields}
    return [sandbox.shop.create_project(processing=status, **fields) for status in statuses]


def begun(sandbox: Sandbox, streams: tuple[str, ...] = STREAMS, mode: str = "order_data", **more: Any) -> Acknowledging:
    connection = Acknowledging(sandbox, streams, mode, **more)
    connection.sync()
    return connection


@pytest.fixture
def connection(sandbox: Sandbox) -> Acknowledging:
    """A connection that has synced once already, without any order."""
    connection = Acknowledging(sandbox)
    connection.sync()
    return connection
