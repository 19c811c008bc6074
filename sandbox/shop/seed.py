"""The seeded shop: two storefronts with orders of the last sixty days in every state that processing knows."""

from __future__ import annotations

import random
from collections.abc import Sequence

from sandbox.clock import TICKS
from sandbox.shop import Shop, special_orders
from sandbox.shop.processing import FONT_MISSING
from sandbox.shop.rows import FileSpec, ProcessingStatus, print_files
from sandbox.shop.special_orders import SpecialOrders
from sandbox.shop.tables import COMPLETE, NEW, PROCESSING

STOREFRONTS = ((11, "Print shop EU", "Shopify"), (12, "Corporate portal", "Custom"))

_DAYS = 60
_FIRST_ORDER = 5001
_PREVIEW = FileSpec(name="preview.png", format="png", anonymous=True, alias="preview")
_TICKET = FileSpec(name="job-ticket.json", format="json", custom_fields={"station": "press-2"})
_PROOF = FileSpec(name="proof.pdf", type="Temporary")
_LOG = FileSpec(name="pipeline.log", format="txt", type="Service", item=None)
_FILE_SETS: tuple[tuple[FileSpec, ...], ...] = (
    (FileSpec(), _PREVIEW, _TICKET, _PROOF, _LOG),
    (FileSpec(), _PREVIEW, _PROOF),
    (FileSpec(name="card.pdf"), FileSpec(name="card.pdf", description="Back"), _TICKET, _LOG),
    (FileSpec(anonymous=True), _PREVIEW),
)
_NAMES = ("Business cards", "Summer flyer", "Trade fair poster", "Team mugs", "Invitation")
_FAILURES = (FONT_MISSING, "Image 'logo.tif' is not found", "The stock photo could not be bought")
_STATES: tuple[ProcessingStatus | None, ...] = ("Completed", "Failed", "InProgress", "Pending", None)
_WEIGHTS = (82, 6, 4, 5, 3)
_LEAST_WITH_SPECIAL_ORDERS = 30


def fill(shop: Shop, projects: int, files_per_project: int | None = None, file_size: int | None = None) -> None:
    """Create as many projects, the same ones for the same seed (times count back from the shop's now)."""
    dice = random.Random(shop.seed)
    now = shop.clock.now()
    for identity, name, kind in STOREFRONTS:
        shop.add_storefront(identity, name, kind, now - 300 * 86_400 * TICKS)
    sets = _FILE_SETS if files_per_project is None and file_size is None else None
    same = print_files(1 if files_per_project is None else files_per_project, file_size)
    order_of = dict.fromkeys((identity for identity, _, _ in STOREFRONTS), _FIRST_ORDER)
    special = special_orders.COUNT if sets and projects >= _LEAST_WITH_SPECIAL_ORDERS else 0
    step = _DAYS * 86_400 * TICKS // max(projects, 1)
    created = now - _DAYS * 86_400 * TICKS
    made = 0
    while made < projects - special:
        storefront = STOREFRONTS[0 if dice.random() < 0.6 else 1][0]
        order = order_of[storefront]
        order_of[storefront] += 1
        for line in range(min(dice.choice((1, 1, 1, 2, 2, 3, 4)), projects - special - made)):
            created += int(step * dice.random() * 1.9)
            made += 1
            files = sets[dice.randrange(len(sets))] if sets else same
            state = _STATES[made - 1] if made <= len(_STATES) else dice.choices(_STATES, _WEIGHTS)[0]
            _create(shop, dice, storefront, str(order), line, min(created, now - 60 * TICKS), state, files)
    if special:
        storefront = STOREFRONTS[0][0]
        created = min(created, now - 3600 * TICKS)
        SpecialOrders(shop, storefront, order_of[storefront], created, 60 * TICKS).add()


def _create(
    shop: Shop,
    dice: random.Random,
    storefront: int,
    order: str,
    line: int,
    created: int,
    state: ProcessingStatus | None,
    files: Sequence[FileSpec],
) -> None:
    started = created + dice.randrange(2 * TICKS, 20 * TICKS)
    ended = started + dice.randrange(2 * TICKS, 30 * TICKS)
    # Of the unfinished ones half go on by themselves, soon; the others wait for somebody.
    moves_on = dice.random() < 0.5
    shop.create_project(
        storefront_id=storefront,
        order_id=order,
        created=created,
        last_modified=None if dice.random() < 0.4 else ended,
        processing=state,
        files=files,
        started=started,
        finished=ended,
        start_after=dice.uniform(5, 45) if state in ("Pending", None) and moves_on else None,
        run_for=dice.uniform(10, 70) if moves_on else None,
        outcome="Failed" if moves_on and dice.random() < 0.2 else "Completed",
        status_description=dice.choice(_FAILURES) if state == "Failed" else None,
        name=f"{dice.choice(_NAMES)} {order}/{line + 1}",
        order_line_item_index=line,
        status=dice.choice((PROCESSING, PROCESSING, COMPLETE)) if state == "Completed" else NEW,
    )
