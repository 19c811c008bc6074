"""Troubles that pass by themselves in the middle of a sync are bridged: all comes, and the sync ends well."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from integration_tests.command_line import CommandLine, Run, bare_catalog, configured, run_all
from sandbox import Sandbox

RESULTS, TOKEN = r"/processing-results$", r"/connect/token$"
STREAM = "processing_results"
PROJECTS, APART = 100, 20
CONNECTOR_SECOND = 1 / 20
"""Of the server's seconds: the connector's clock runs as much faster."""


def away(kind: str, seconds: float, *where: str) -> Callable[[Sandbox], None]:
    def begin(sandbox: Sandbox) -> None:
        sandbox.expire_tokens()  # so that the identity server is asked too
        sandbox.outage(kind, where, seconds * CONNECTOR_SECOND)  # type: ignore[arg-type]  # texts of the table below

    return begin


def limited_by_503(sandbox: Sandbox) -> None:
    sandbox.limit(20 / CONNECTOR_SECOND, retry_after=None, burst=5, status=503)


def refused_until_a_date(clock_ahead: float) -> Callable[[Sandbox], None]:
    def begin(sandbox: Sandbox) -> None:
        sandbox.shop.set_clock(clock_ahead)
        sandbox.fault(RESULTS, times=1, status=429, retry_after_date=3)

    return begin


def renewal_answered_by(page: str) -> Callable[[Sandbox], None]:
    def begin(sandbox: Sandbox) -> None:
        sandbox.fault(TOKEN, times=1, page=page)
        sandbox.expire_tokens()

    return begin


def renewal_with_a_byte_order_mark(sandbox: Sandbox) -> None:
    sandbox.fault(TOKEN, times=1, bom=True)
    sandbox.expire_tokens()


def fresh_token_not_known_yet(sandbox: Sandbox) -> None:
    sandbox.switches.token_valid_after = 3 * CONNECTOR_SECOND
    sandbox.expire_tokens()


TROUBLES: dict[str, tuple[Callable[[Sandbox], None], ...]] = {
    "the API answers 503 for 45 s": (away("503", 45, "api"),),
    "the API resets for 20 s, and refuses connections for 10 s": (away("reset", 20, "api"), away("refused", 10, "api")),
    "the identity server answers 503 for 20 s": (away("503", 20, "hub"),),
    "a limit of 20 a second is told by 503": (limited_by_503,),
    "Retry-After is a date 3 s ahead, of a clock that is 5 minutes ahead, and 2 hours": (
        refused_until_a_date(300),
        refused_until_a_date(7200),
    ),
    "renewals are answered by pages, with a byte order mark, and by a token that is not known for 3 s": (
        renewal_answered_by("not found"),
        renewal_answered_by("forbidden"),
        renewal_with_a_byte_order_mark,
        fresh_token_not_known_yet,
    ),
}
"""Each begins some requests after the one before."""


@dataclass(frozen=True)
class Synced:
    run: Run
    begun: int
    tokens: int


def sync(troubles: tuple[Callable[[Sandbox], None], ...], folder: Path) -> Synced:
    with Sandbox(empty=True) as sandbox:
        sandbox.shop.add_storefront(11)
        for _ in range(PROJECTS):
            sandbox.shop.create_project(11, processing="Completed")
        begun: list[Callable[[Sandbox], None]] = []

        def begin(trouble: Callable[[Sandbox], None]) -> None:
            begun.append(trouble)
            trouble(sandbox)

        for number, trouble in enumerate(troubles, 1):
            sandbox.on(RESULTS, partial(begin, trouble), nth=APART * number)
        run = CommandLine(folder).read(sandbox.config(), configured(bare_catalog(), STREAM))
        return Synced(run, len(begun), sandbox.count(TOKEN))


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Synced]:
    return run_all(sync, TROUBLES, tmp_path_factory.mktemp("troubles"))


@pytest.mark.parametrize("name", TROUBLES)
def test_given_a_trouble_that_passes_when_synced_then_all_comes_and_the_sync_ends_well(
    synced: dict[str, Synced], name: str
) -> None:
    done = synced[name]
    assert done.begun == len(TROUBLES[name])
    assert done.run.traces == []
    assert done.run.exit_code == 0
    assert len(done.run.records(STREAM)) == PROJECTS
    assert done.run.statuses() == {STREAM: "COMPLETE"}
    assert done.tokens > (1 if "token" in name or "identity" in name else 0)
