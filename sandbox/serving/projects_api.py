"""The Storefront API's operations on projects."""

from __future__ import annotations

from typing import Any

import orjson

from sandbox.serving.asking import Lists, choice, number
from sandbox.serving.messages import Reply, RequestRecord, conflict, problem
from sandbox.serving.operations import STOREFRONT, Operation, operation
from sandbox.shop import Conflict, NoDocument, NoRun, Refused, Shop
from sandbox.shop.listing import PERIOD_DAYS, SORTABLE_OF_PROJECTS, ProjectFilter, period_start
from sandbox.shop.rows import PROCESSING_STATUSES

_VALUE_TYPES = ("PlainText", "CommaSeparatedList", "SerializedJson")


class ProjectsApi:
    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._switches = shop.switches
        self._lists = Lists(shop.switches)

    def operations(self) -> list[Operation]:
        project = STOREFRONT + r"projects/(\d+)"
        return [
            operation("GET", project + "/processing-results", "Projects_read", self._results),
            operation("GET", STOREFRONT + "projects", "Projects_read", self._projects),
            operation("GET", project, "Projects_read", self._project),
            operation("GET", project + "/order", "Projects_read", self._order),
            operation("GET", project + "/preview", "Projects_read", self._preview),
            operation("GET", project + "/preview-url", "Projects_read", self._preview_url),
            operation("GET", project + "/transitions", "Projects_read", self._open_transitions),
            operation("POST", project + "/resume-processing", "Projects_full", self._resume),
            operation("POST", project + "/restart-processing", "Projects_full", self._restart),
            operation("POST", project + "/order-data", "Projects_full", self._order_data),
            operation("POST", project + "/transitions/([^/]+)", "Projects_full", self._transition),
            operation("POST", project + "/statuses/([^/]+)", "Projects_full", self._force_status),
        ]

    def _projects(self, request: RequestRecord) -> Reply:
        query = request.query
        period = choice(request, "datePeriod", ("All", *PERIOD_DAYS))
        wanted = ProjectFilter(
            storefront_id=number(request, "storefrontId"),
            order_id=query.get("orderId") or None,
            status=number(request, "status"),
            processing_status=choice(request, "processingStatus", PROCESSING_STATUSES),
            since=period_start(period, self._shop.now_ticks()),
            since_looks_at=self._switches.date_period_looks_at,
            include_obsolete=query.get("includeObsolete", "").lower() == "true",
            owner_id=query.get("ownerId") or None,
            product_reference=query.get("productReference") or None,
            search=query.get("search") or None,
        )
        sorting = self._lists.sorting(request, SORTABLE_OF_PROJECTS)
        return self._lists.page(*self._shop.project_page(wanted, sorting, *self._lists.bounds(request)))

    def _project(self, request: RequestRecord, project_id: str) -> Reply:
        return Reply(payload=self._shop.project(int(project_id)))

    def _results(self, request: RequestRecord, project_id: str) -> Reply:
        try:
            return Reply(payload=self._shop.results(int(project_id), number(request, "itemId")))
        except NoRun:
            if self._switches.results_before_run == "204":
                return Reply(204)
            raise

    def _order(self, request: RequestRecord, project_id: str) -> Reply:
        try:
            return Reply(payload=self._shop.order(int(project_id)))
        except NoDocument as error:
            if error.answer == "409":
                return conflict(str(error))
            if error.answer == "problem":
                return Reply(200, problem(404, "Not Found", str(error)).payload)
            return problem(int(error.answer), "Not Found" if error.answer == "404" else "Not Implemented", str(error))

    def _preview(self, request: RequestRecord, project_id: str) -> Reply:
        return Reply(body=self._shop.preview(int(project_id)), content_type="image/png")

    def _preview_url(self, request: RequestRecord, project_id: str) -> Reply:
        self._shop.find(int(project_id))
        return Reply(payload=f"{self._shop.show.cdn_url}/previews/{int(project_id)}.png")

    def _open_transitions(self, request: RequestRecord, project_id: str) -> Reply:
        return self._lists.table(request, self._shop.transitions(int(project_id)), "name")

    def _resume(self, request: RequestRecord, project_id: str) -> Reply:
        self._shop.resume(int(project_id), number(request, "itemId"))
        return Reply(204)

    def _restart(self, request: RequestRecord, project_id: str) -> Reply:
        self._shop.restart(int(project_id), number(request, "itemId"))
        return Reply(204)

    def _order_data(self, request: RequestRecord, project_id: str) -> Reply:
        try:
            entries = orjson.loads(request.body or b"[]")
        except orjson.JSONDecodeError:
            raise Refused("The body is not JSON.") from None
        if not isinstance(entries, list) or not all(_is_order_data(entry) for entry in entries):
            raise Refused("The body has to be a list of key, value and type.")
        self._shop.attach_order_data(int(project_id), entries, number(request, "itemId"))
        return Reply(204)

    def _transition(self, request: RequestRecord, project_id: str, name: str) -> Reply:
        try:
            return Reply(payload=self._shop.transition(int(project_id), name))
        except Conflict as error:
            return conflict(str(error), availableTransitions=self._shop.transitions(int(project_id)))

    def _force_status(self, request: RequestRecord, project_id: str, code: str) -> Reply:
        if not code.isdecimal():
            raise Refused(f"'{code}' is not a status code.")
        return Reply(payload=self._shop.force_status(int(project_id), int(code)))


def _is_order_data(entry: Any) -> bool:
    if not isinstance(entry, dict) or entry.get("type") not in (None, *_VALUE_TYPES):
        return False
    return all(isinstance(entry.get(name), (str, type(None))) for name in ("key", "value"))
