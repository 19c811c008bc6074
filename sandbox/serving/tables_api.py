"""The Storefront API's short lists: storefronts, the tenant, statuses, transitions and pipelines."""

from __future__ import annotations

from sandbox.serving.asking import Lists
from sandbox.serving.messages import Reply, RequestRecord
from sandbox.serving.operations import STOREFRONT, Operation, operation
from sandbox.shop import Shop
from sandbox.shop.tables import PIPELINES, STATUSES, TRANSITIONS


class TablesApi:
    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._lists = Lists(shop.switches)

    def operations(self) -> list[Operation]:
        return [
            operation("GET", STOREFRONT + "storefronts", "storefronts_permission", self._storefronts),
            operation("GET", STOREFRONT + "tenant-info", "tenant_permission", self._tenant),
            operation("GET", STOREFRONT + "projects/statuses", "statuses_permission", self._statuses),
            operation("GET", STOREFRONT + "projects/transitions", "statuses_permission", self._transitions),
            operation("GET", STOREFRONT + "processing-pipelines", "pipelines_permission", self._pipelines),
        ]

    def _storefronts(self, request: RequestRecord) -> Reply:
        status = request.query.get("status")
        types = [kind for kind in request.query.get("types", "").split(",") if kind]
        rows = (
            row
            for row in self._shop.storefronts()
            if status in (None, "", row["status"]) and (not types or row["type"] in types)
        )
        return self._lists.table(request, rows, "name")

    def _tenant(self, request: RequestRecord) -> Reply:
        return Reply(payload=self._shop.tenant())

    def _statuses(self, request: RequestRecord) -> Reply:
        return self._lists.table(request, STATUSES, "displayName")

    def _transitions(self, request: RequestRecord) -> Reply:
        return self._lists.table(request, TRANSITIONS, "name")

    def _pipelines(self, request: RequestRecord) -> Reply:
        return self._lists.table(request, PIPELINES, "name")
