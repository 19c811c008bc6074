"""Rows as the API shows them, in JSON-ready values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from sandbox.clock import Moment, to_ticks
from sandbox.shop.artifact_showing import ArtifactPresenter, position_of
from sandbox.shop.deriving import (
    CUSTOMERS,
    customer,
    item,
    item_count,
    line_item_id,
    line_item_index,
    owner_id,
    product_reference,
)
from sandbox.shop.rows import Artifact, Project, Storefront
from sandbox.shop.standing import standing, standing_of_item
from sandbox.shop.tables import TENANT, TENANT_ID


class Presenter(ArtifactPresenter):
    """Turns rows into what the API answers."""

    def tenant(self, created: Moment) -> dict[str, Any]:
        return {**TENANT, "tenantCreationTime": self.time(to_ticks(created))}

    def storefront(self, storefront: Storefront) -> dict[str, Any]:
        return {
            "id": storefront.id,
            "tenantId": TENANT_ID,
            "name": storefront.name,
            "type": storefront.type,
            "created": self.time(storefront.created),
            "status": storefront.status,
        }

    def project(self, project: Project) -> dict[str, Any]:
        order = project.order_id
        shown: dict[str, Any] = {
            "id": project.id,
            "name": project.name,
            "description": None,
            "storefrontId": project.storefront_id,
            "tenantId": TENANT_ID,
            "productReference": product_reference(project),
            "orderId": order,
            "orderNumber": project.order_number,
            "orderName": None if order is None else f"#{order}",
            "orderUrl": None if order is None else f"https://shop.example/admin/orders/{quote(order, safe='')}",
            "orderLineItemId": line_item_id(project),
            "orderLineItemIndex": line_item_index(project),
            "customerId": f"customer-{customer(project)}",
            "customerName": CUSTOMERS[customer(project)],
            "ownerId": owner_id(project),
            "status": project.status,
            "processingStatus": project.listed,
            "created": self.time(project.created),
            "lastModified": self.time(project.last_modified),
            "items": None,
        }
        if project.extra:
            shown.update(project.extra)
        if not (project.extra and "items" in project.extra):
            padding = self._switches.row_padding
            shown["items"] = [item(project, at, 0 if at else padding) for at in range(item_count(project))]
        return shown

    def results(self, project: Project, artifacts: Iterable[Artifact], position: int | None = None) -> dict[str, Any]:
        """Of the whole project, or of the item at a position."""
        switches = self._switches
        stands = standing(project, switches) if position is None else standing_of_item(project, position, switches)
        output: list[dict[str, Any]] = []
        if stands.status == "Completed" or (switches.output_appears_with_item and position is None):
            output = [
                self.detail(one)
                for one in artifacts
                if one.spec.type == "Final"
                and one.run.status == "Completed"
                and (position is None or position_of(one) == position)
            ]
        return {
            "status": stands.status or "Pending",
            "statusDescription": stands.description,
            "outputFileDetails": output or self._no_output(stands.status == "Completed"),
        }

    def _no_output(self, is_completed: bool) -> list[dict[str, Any]] | None:
        switches = self._switches
        is_null = switches.output_null_when_empty if is_completed else switches.output_null_until_completed
        return None if is_null else []

    def of_item(self, results: dict[str, Any], item_id: int | None) -> dict[str, Any]:
        """The results of a whole project, with the files of one item only."""
        output = results["outputFileDetails"]
        if output is None:
            return results
        return {**results, "outputFileDetails": [one for one in output if one["projectItemId"] == item_id]}
