"""Which orders are tagged in the shop, and in which order a project is looked for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from source_customerscanvas.settings import Acknowledge, Settings
from source_customerscanvas.state.scope import Scope
from source_customerscanvas.state.slice_state import Known
from source_customerscanvas.sync.acknowledging import Acknowledging
from source_customerscanvas.sync.kinds import FILES, ORDERS, PROJECTS
from unit_tests.sync.listed_shop import SLICE, ListedShop
from unit_tests.watched import AFTER, BEFORE, KEY, LONG_AGO, stream, watched

SETTINGS = Settings(
    "app",
    "s3cret",
    "https://hub.example",
    "https://api.example",
    acknowledge=Acknowledge("order_data", key="files", value="delivered"),
)


def test_given_a_delivered_project_that_got_another_order_without_a_trace_when_acknowledged_then_in_that_order() -> (
    None
):
    shop = ListedShop()
    id_ = shop.create(orderId="5002")
    known = {id_: Known("recent", shop.project(id_).fingerprint.followed)}
    progress = stream(watched(known=known, delivered={id_: "5001"}), name=FILES, acknowledges=True, since=LONG_AGO)
    assert progress.ledger
    acknowledging = Acknowledging(SETTINGS, shop.client(), progress.ledger, [])
    assert acknowledging.acknowledge([SLICE]) == 0
    assert progress.ledger.of_orders(KEY) == {"5002": frozenset([id_])}
    assert acknowledging.acknowledge([SLICE]) == 1
    assert [path for path, _ in shop.posted] == [f"storefront/v1/projects/{id_}/order-data"]
    assert progress.ledger.of_orders(KEY) == {}


@pytest.mark.parametrize(("created", "posts"), [((LONG_AGO, None), 2), ((BEFORE, None), 2), ((None, None), 0)])
def test_given_a_project_that_does_not_say_when_it_was_created_when_acknowledged_then_the_others_tell_the_orders_age(
    created: tuple[str | None, ...], posts: int, caplog: pytest.LogCaptureFixture
) -> None:
    shop = ListedShop()
    ids = [shop.create(created=at) for at in created]
    known = {id_: Known("recent", shop.project(id_).fingerprint.followed) for id_ in ids}
    state = watched(known=known, delivered=dict.fromkeys(ids, "5001"))
    progress = stream(state, name=FILES, acknowledges=True, since=LONG_AGO)
    assert progress.ledger
    assert Acknowledging(SETTINGS, shop.client(), progress.ledger, []).acknowledge([SLICE]) == posts
    assert progress.ledger.of_orders(KEY) == {}
    said = [record for record in caplog.records if record.levelname == "WARNING"]
    assert ["order 5001" in record.getMessage() for record in said] == ([] if posts else [True])


@pytest.mark.parametrize(
    ("acknowledge", "is_moved"), [(Acknowledge("transition", name="Done"), True), (SETTINGS.acknowledge, False)]
)
def test_given_an_acknowledgement_that_moves_a_project_when_made_then_its_rows_are_owed_where_they_are_wanted(
    acknowledge: Acknowledge, is_moved: bool
) -> None:
    shop = ListedShop()
    id_ = shop.create()
    known = {id_: Known("recent", shop.project(id_).fingerprint.followed)}
    progress = stream(watched(known=known, delivered={id_: "5001"}), name=FILES, acknowledges=True, since=LONG_AGO)
    assert progress.ledger
    wanted, too_old = stream(name=PROJECTS), stream(name=ORDERS, scope=Scope(start_date=AFTER))
    settings = replace(SETTINGS, acknowledge=acknowledge)
    acknowledging = Acknowledging(settings, shop.client(), progress.ledger, [wanted, too_old])
    assert acknowledging.acknowledge([SLICE]) == 1
    assert (wanted.state.slice(KEY).owed, too_old.state.slice(KEY).owed) == ({id_} if is_moved else set(), set())
