"""The seeded shop: the same every time, with something of everything."""

from __future__ import annotations

from collections import Counter

from sandbox import Shop, Switches
from sandbox.clock import Clock
from sandbox.shop.seed import fill


def shop_of(projects: int) -> Shop:
    shop = Shop(Clock("manual", start="2024-03-05T10:00:00Z"), Switches(), seed=1)
    fill(shop, projects)
    return shop


def test_given_a_seed_when_filled_twice_then_the_shops_are_the_same() -> None:
    first, second = shop_of(60), shop_of(60)
    assert first.projects() == second.projects()
    assert first.artifacts() == second.artifacts()
    assert len(first.projects()) == 60


def test_given_the_seeded_shop_when_looked_at_then_it_has_orders_out_of_the_ordinary() -> None:
    shop = shop_of(60)
    projects = shop.projects()
    results = {project["id"]: shop.results(project["id"]) for project in projects}
    statuses = Counter(project["status"] for project in projects)
    assert statuses[2] == statuses[5] == 1
    assert [project["orderId"] for project in projects].count(None) == 1
    assert any(len({artifact["group"] for artifact in shop.artifacts(one["id"])}) == 3 for one in projects)
    assert any(one["orderLineItemId"] is None and len(one["items"]) == 3 for one in projects)
    assert any(one["outputFileDetails"] == [] and one["status"] == "Completed" for one in results.values())
    assert any(len(order["projectIds"]) == 3 for order in shop.orders())
    failed = [one["id"] for one in projects if results[one["id"]]["status"] == "Failed" and len(one["items"]) == 2]
    of_items = [shop.results(failed[-1], item["id"])["status"] for item in shop.project(failed[-1])["items"]]
    assert of_items == ["Completed", "Failed"]
    formats = {detail["format"] for one in results.values() for detail in one["outputFileDetails"] or ()}
    assert {"Pdf", "Jpeg", "pdf"} <= formats
    unlinked = [one["name"] for one in shop.artifacts() if one["anonymousAccess"] and one["url"] is None]
    assert unlinked == ["preview"]
