"""Orders of the seeded shop that are out of the ordinary, one of each kind."""

from __future__ import annotations

from typing import Any

from sandbox.clock import TICKS
from sandbox.shop import Shop
from sandbox.shop.rows import FileSpec, PipelineSpec
from sandbox.shop.tables import CANCELLED, COMPLETE, ON_HOLD, PROCESSING

COUNT = 11
"""How many projects they have."""

_VENDOR_NAMED = (
    FileSpec(name="result", format="Pdf"),
    FileSpec(name="brochure v1.2", format="Pdf"),
    FileSpec(name="preview", format="Jpeg", anonymous=True, alias="preview", link="null"),
    FileSpec(name="proof", format="Png", anonymous=True, link="refused"),
)


class SpecialOrders:
    """Fills orders of one storefront from a number on; projects are created one step of ticks after the other."""

    def __init__(self, shop: Shop, storefront: int, first_order: int, first: int, step: int) -> None:
        self._shop = shop
        self._storefront = storefront
        self._order = first_order
        self._created = first
        self._step = step

    def add(self) -> None:
        items = [self._pipeline("cover.pdf"), self._pipeline("inside.pdf")]
        imposition = (FileSpec(name="imposition.pdf", description="All items on one sheet"),)
        self._project("Photo book", item_pipelines=items, post_processing=self._pipeline(files=imposition))
        lines = [self._pipeline(f"line-{number}.pdf") for number in (1, 2, 3)]
        self._project("Whole order", item_pipelines=lines, whole_order=True)
        self._project("Cancelled flyer", status=CANCELLED)
        self._project("Unpaid poster", status=ON_HOLD)
        failed = self._pipeline("back.pdf", processing="Failed", outcome="Completed", run_for=20.0)
        self._project("Two-sided sign", item_pipelines=[self._pipeline("front.pdf"), failed])
        self._project("Sample without an order", order_id=None)
        for line in range(3):
            self._project(f"Stationery {line + 1}", status=COMPLETE, order_line_item_index=line, ends_order=line == 2)
        self._project("Gift voucher", files=())
        self._project("Brochure", files=_VENDOR_NAMED)

    def _project(self, name: str, ends_order: bool = True, **fields: Any) -> None:
        arguments: dict[str, Any] = {
            "name": name,
            "storefront_id": self._storefront,
            "order_id": str(self._order),
            "created": self._created,
            "last_modified": self._created + 20 * TICKS,
            "status": PROCESSING,
            **self._finished(),
            **fields,
        }
        self._shop.create_project(**arguments)
        self._created += self._step
        if ends_order and arguments["order_id"] is not None:
            self._order += 1

    def _pipeline(self, name: str = "print.pdf", **fields: Any) -> PipelineSpec:
        return PipelineSpec(**{"files": (FileSpec(name=name),), **self._finished(), **fields})

    def _finished(self) -> dict[str, Any]:
        """A run that has completed."""
        started, finished = self._created + 5 * TICKS, self._created + 20 * TICKS
        return {"processing": "Completed", "started": started, "finished": finished}
