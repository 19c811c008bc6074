"""Shops whose projects have a history, and what may happen to them, for the tests of incremental syncs."""

from __future__ import annotations

from typing import Any

import pytest

from integration_tests.conftest import STOREFRONT
from sandbox import Sandbox
from sandbox.shop.listing import ProjectFilter

MINUTE, HOUR, DAY, YEAR = 60, 3600, 86_400, 31_536_000
LISTS = r"/projects$"
ANY = ProjectFilter()

WAYS: dict[str, dict[str, Any]] = {
    "plain": {},
    "one-page": {"page_cap": 100},
    "page-of-one": {"page_cap": 1},
    "nulls-high": {"nulls_first": "high"},
    "nulls-first": {"nulls_first": "first"},
    "nulls-last": {"nulls_first": "last"},
    "moves": {"processing_moves_last_modified": True, "run_moves_last_modified": True},
    "unstable": {"tie_break": "unstable"},
    "no-fraction": {"time_format": "0"},
    "zero-offset": {"time_format": "+00:00"},
    "offset": {"time_format": "offset"},
    "no-zone": {"time_format": "none"},
    "results-404": {"results_before_run": "404"},
    "status-pending": {"processing_status_before_run": "Pending"},
    "status-lags": {"processing_status_lag": 30.0},
    "results-lag": {"processing_status_lag": -30.0},
    "null-lists": {"items_null_when_empty": True},
    "early-artifacts": {"final_artifacts_appear_early": True},
}
"""How an API may behave where its documentation is silent."""

each_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())


def fill(sandbox: Sandbox, finished: int = 9, **fields: Any) -> list[int]:
    """So many finished projects, one a minute, every third one modified afterwards."""
    ids = []
    for number in range(finished):
        sandbox.advance(MINUTE)
        order = {"order_id": f"50{number % 3}"} | fields
        ids.append(sandbox.shop.create_project(STOREFRONT, processing="Completed", **order))
        if number % 3 == 0:
            sandbox.advance(1)
            sandbox.shop.modify_project(ids[-1], description=f"changed {number}")
    return ids


def let_lag_pass(sandbox: Sandbox) -> None:
    sandbox.advance(abs(sandbox.switches.processing_status_lag))


def change_shop(sandbox: Sandbox, change: str, ids: list[int]) -> None:
    """Do something to the shop that moves the rows of its lists."""
    sandbox.advance(1)
    if change == "modify":
        sandbox.shop.modify_project(ids[-2], description="moved to the top")
    elif change == "create":
        sandbox.shop.create_project(STOREFRONT, processing="Completed")
    elif change == "remove first":
        sandbox.shop.remove_project(ids[0])
    elif change == "remove some":
        for project_id in ids[:6:2]:
            sandbox.shop.remove_project(project_id)
    elif change == "remove a page":
        for project_id in ids[:4]:
            sandbox.shop.remove_project(project_id)
    elif change == "remove the row read last":
        sandbox.shop.remove_project(ids[3])
    elif change == "remove nearly all":
        for project_id in ids[:-2]:
            sandbox.shop.remove_project(project_id)
    elif change == "finish":
        for project_id in ids:
            if sandbox.shop.project(project_id)["processingStatus"] != "Completed":
                sandbox.shop.process(project_id, "Completed")


CHANGES = ("modify", "create", "remove first", "remove some", "remove a page", "remove the row read last", "finish")


def shop_of(projects: int, storefronts: int = 1, modified: bool = True) -> Sandbox:
    """A shop that is not yet open, its projects finished long ago."""
    sandbox = Sandbox(empty=True, start="2026-01-10T12:00:00Z")
    for number in range(projects):
        sandbox.advance(MINUTE)
        now = sandbox.now() if modified else None
        sandbox.shop.create_project(STOREFRONT + number % storefronts, processing="Completed", last_modified=now)
    sandbox.advance(HOUR)
    return sandbox
