"""Only what the settings choose is read."""

from __future__ import annotations

import datetime
from pathlib import Path

from integration_tests.command_line import TRACKED, CommandLine, Run, bare_catalog, configured
from integration_tests.expected import Rows, by_key, expected, without_delivery
from sandbox import Sandbox


def rows_of(run: Run) -> dict[str, Rows]:
    return {stream: by_key(stream, [without_delivery(row) for row in run.records(stream)]) for stream in TRACKED}


def test_given_orders_that_both_storefronts_have_when_only_these_are_wanted_then_both_are_read_and_nothing_else(
    shop: Sandbox, tmp_path: Path
) -> None:
    orders = ["5001", "5003", "none-such"]

    run = CommandLine(tmp_path).read(shop.config(order_ids=orders), configured(bare_catalog()))

    assert run.exit_code == 0
    assert rows_of(run) == expected(shop, lambda project: project["orderId"] in orders)
    assert {(row["storefrontId"], row["orderId"]) for row in run.records("projects")} == {
        (storefront, order) for storefront in (11, 12) for order in ("5001", "5003")
    }


def test_given_one_storefront_a_date_and_kinds_of_files_when_read_then_only_these_are_emitted(
    shop: Sandbox, tmp_path: Path
) -> None:
    since = (shop.now() - datetime.timedelta(days=30)).strftime("%Y-%m-%d")
    settings = {"storefront_ids": [12], "start_date": since, "artifact_types": ["Service"], "file_formats": ["PNG"]}

    run = CommandLine(tmp_path).read(shop.config(**settings), configured(bare_catalog()))

    assert run.exit_code == 0
    wanted = expected(
        shop,
        lambda project: project["storefrontId"] == 12 and project["updatedAt"] >= since,
        types=frozenset({"Service"}),
    )
    files = {id_: row for id_, row in wanted["artifact_files"].items() if row["format"] == "png"}
    assert rows_of(run) == {**wanted, "artifact_files": files}
    assert all(wanted.values())
    assert 0 < len(files) < len(wanted["artifact_files"])
    assert [row["id"] for row in run.records("storefronts")] == [12]
