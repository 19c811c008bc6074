"""The operations of the Storefront and the Asset Storage API, and the CDN's, as functions from request to reply."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple
from urllib.parse import unquote

import orjson

from sandbox.artifacts import Missing
from sandbox.files import Files
from sandbox.identity import Identity
from sandbox.listing import (
    PERIOD_DAYS,
    SORTABLE_OF_ARTIFACTS,
    SORTABLE_OF_PROJECTS,
    ArtifactFilter,
    ProjectFilter,
    UnknownSorting,
    parse_sorting,
    period_start,
)
from sandbox.messages import Reply, RequestRecord, conflict, problem
from sandbox.processing import Conflict
from sandbox.rows import PROCESSING_STATUSES
from sandbox.shop import Refused, Shop
from sandbox.tables import PIPELINES, STATUSES, TRANSITIONS
from sandbox.views import SortKey

_STOREFRONT = "/api/storefront/v1/"
_STORAGE = "/api/storage/v1/"
_VALUE_TYPES = ("PlainText", "CommaSeparatedList", "SerializedJson")
_GREATEST_ID = 2**31 - 1

Handler = Callable[..., Reply]


class Operation(NamedTuple):
    """An operation: its path below the host, the permission it needs, and the handler that gets the path's parts."""

    method: str
    path: re.Pattern[str]
    permission: str | None
    handler: Handler


class Api:
    """Routes requests to operations; the errors of the shop become the API's."""

    def __init__(self, shop: Shop, identity: Identity, files: Files) -> None:
        self._shop = shop
        self._switches = shop.switches
        self._identity = identity
        self._files = files
        project = _STOREFRONT + r"projects/(\d+)"
        artifact = _STORAGE + r"artifacts/([^/]+)"
        self._operations = [
            _operation("GET", project + "/processing-results", "Projects_read", self._results),
            _operation("GET", artifact + "/file", "Artifacts_read", self._file),
            _operation("GET", _STOREFRONT + "projects", "Projects_read", self._projects),
            _operation("GET", project, "Projects_read", self._project),
            _operation("GET", _STORAGE + "artifacts", "Artifacts_read", self._artifacts),
            _operation("GET", artifact, "Artifacts_read", self._artifact),
            _operation("GET", _STOREFRONT + "storefronts", "*", self._storefronts),
            _operation("GET", _STOREFRONT + "tenant-info", "Tenants_read", self._tenant),
            _operation("GET", _STOREFRONT + "projects/statuses", "Projects_read", self._statuses),
            _operation("GET", _STOREFRONT + "projects/transitions", "Projects_read", self._transitions),
            _operation("GET", project + "/transitions", "Projects_read", self._open_transitions),
            _operation("GET", project + "/order", "Projects_read", self._order),
            _operation("POST", project + "/resume-processing", "Projects_full", self._resume),
            _operation("POST", project + "/restart-processing", "Projects_full", self._restart),
            _operation("POST", project + "/order-data", "Projects_full", self._order_data),
            _operation("POST", project + "/transitions/([^/]+)", "Projects_full", self._transition),
            _operation("POST", project + "/statuses/([^/]+)", "Projects_full", self._force_status),
            _operation("GET", _STOREFRONT + "processing-pipelines", "*", self._pipelines),
        ]

    def answer(self, request: RequestRecord) -> Reply:
        """The reply to a request to the API or the identity server."""
        if request.path == "/connect/token":
            return self._identity.token(request) if request.method == "POST" else problem(405, "Method Not Allowed")
        method = "GET" if request.method == "HEAD" else request.method
        known = False
        for operation in self._operations:
            match = operation.path.fullmatch(request.path)
            if match is None:
                continue
            known = True
            if operation.method == method:
                return self._run(operation, request, [unquote(part) for part in match.groups()])
        return problem(405, "Method Not Allowed") if known else problem(404, "Not Found")

    def _run(self, operation: Operation, request: RequestRecord, parts: list[str]) -> Reply:
        permission = operation.permission
        if permission == "*":
            permission = self._switches.storefronts_permission
        refusal = self._identity.refusal(request, permission)
        if refusal is not None:
            return refusal
        try:
            return operation.handler(request, *parts)
        except Missing as error:
            return problem(404, "Not Found", str(error))
        except (Refused, UnknownSorting) as error:
            return problem(400, "Bad Request", str(error))
        except Conflict as error:
            return conflict(str(error))

    # Lists

    def _bounds(self, request: RequestRecord) -> tuple[int, int]:
        cap = self._switches.page_cap
        default = cap if self._switches.default_take is None else self._switches.default_take
        skip, take = _number(request, "skip"), _number(request, "take")
        return max(skip or 0, 0), max(min(default if take is None else take, cap), 0)

    def _page(self, total: int, items: list[dict[str, Any]]) -> Reply:
        empty = self._switches.items_null_when_empty and not items
        return Reply(payload={"total": total, "items": None if empty else items})

    def _sorting(self, request: RequestRecord, sortable: tuple[str, ...]) -> tuple[SortKey, ...]:
        asked = request.query.get("sorting", "")
        keys = parse_sorting(asked, sortable, self._switches.unknown_sort == "refuse")
        return keys or parse_sorting(self._switches.default_sorting, sortable, False)

    def _table(self, request: RequestRecord, rows: Iterable[dict[str, Any]], text_field: str) -> Reply:
        """A page of a short table that is sorted by id, or by name when asked."""
        search = request.query.get("search", "").lower()
        found = [row for row in rows if search in str(row[text_field]).lower()]
        keys = parse_sorting(request.query.get("sorting", ""), ("Id", "Name"), self._switches.unknown_sort == "refuse")
        for name, descending in reversed(keys):
            by = "id" if name == "Id" else text_field
            found.sort(key=lambda row: row[by], reverse=descending)
        skip, take = self._bounds(request)
        return self._page(len(found), found[skip : skip + take])

    # Storefront API

    def _storefronts(self, request: RequestRecord) -> Reply:
        status = request.query.get("status")
        types = [kind for kind in request.query.get("types", "").split(",") if kind]
        rows = (
            row
            for row in self._shop.storefronts()
            if status in (None, "", row["status"]) and (not types or row["type"] in types)
        )
        return self._table(request, rows, "name")

    def _tenant(self, request: RequestRecord) -> Reply:
        return Reply(payload=self._shop.tenant())

    def _projects(self, request: RequestRecord) -> Reply:
        query = request.query
        period = _choice(request, "datePeriod", ("All", *PERIOD_DAYS))
        wanted = ProjectFilter(
            storefront_id=_number(request, "storefrontId"),
            order_id=query.get("orderId") or None,
            status=_number(request, "status"),
            processing_status=_choice(request, "processingStatus", PROCESSING_STATUSES),
            since=period_start(period, self._shop.clock.now()),
            since_looks_at=self._switches.date_period_looks_at,
            include_obsolete=query.get("includeObsolete", "").lower() == "true",
            owner_id=query.get("ownerId") or None,
            product_reference=query.get("productReference") or None,
            search=query.get("search") or None,
        )
        sorting = self._sorting(request, SORTABLE_OF_PROJECTS)
        return self._page(*self._shop.project_page(wanted, sorting, *self._bounds(request)))

    def _project(self, request: RequestRecord, project_id: str) -> Reply:
        return Reply(payload=self._shop.project(int(project_id)))

    def _results(self, request: RequestRecord, project_id: str) -> Reply:
        return Reply(payload=self._shop.results(int(project_id), _number(request, "itemId")))

    def _statuses(self, request: RequestRecord) -> Reply:
        return self._table(request, STATUSES, "displayName")

    def _transitions(self, request: RequestRecord) -> Reply:
        return self._table(request, TRANSITIONS, "name")

    def _open_transitions(self, request: RequestRecord, project_id: str) -> Reply:
        return self._table(request, self._shop.transitions(int(project_id)), "name")

    def _order(self, request: RequestRecord, project_id: str) -> Reply:
        return Reply(payload=self._shop.order(int(project_id)))

    def _pipelines(self, request: RequestRecord) -> Reply:
        return self._table(request, PIPELINES, "name")

    def _resume(self, request: RequestRecord, project_id: str) -> Reply:
        self._shop.resume(int(project_id))
        return Reply(204)

    def _restart(self, request: RequestRecord, project_id: str) -> Reply:
        self._shop.restart(int(project_id))
        return Reply(204)

    def _order_data(self, request: RequestRecord, project_id: str) -> Reply:
        try:
            entries = orjson.loads(request.body or b"[]")
        except orjson.JSONDecodeError:
            raise Refused("The body is not JSON.") from None
        if not isinstance(entries, list) or not all(_is_order_data(entry) for entry in entries):
            raise Refused("The body has to be a list of key, value and type.")
        self._shop.attach_order_data(int(project_id), entries, _number(request, "itemId"))
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

    # Asset Storage API

    def _artifacts(self, request: RequestRecord) -> Reply:
        wanted = ArtifactFilter(
            group=request.query.get("group") or None,
            type=_choice(request, "type", ("Final", "Temporary", "Service")),
            alias=request.query.get("alias") or None,
            search=request.query.get("search") or None,
        )
        sorting = self._sorting(request, SORTABLE_OF_ARTIFACTS)
        return self._page(*self._shop.artifact_page(wanted, sorting, *self._bounds(request)))

    def _artifact(self, request: RequestRecord, artifact_id: str) -> Reply:
        return Reply(payload=self._shop.artifact(artifact_id))

    def _file(self, request: RequestRecord, artifact_id: str) -> Reply:
        return self._files.with_token(request, artifact_id)


def _operation(method: str, path: str, permission: str | None, handler: Handler) -> Operation:
    return Operation(method, re.compile(path), permission, handler)


def _number(request: RequestRecord, name: str) -> int | None:
    text = request.query.get(name)
    if not text:
        return None
    try:
        number = int(text)
    except ValueError:
        raise Refused(f"{name} has to be a number.") from None
    if abs(number) > _GREATEST_ID:
        raise Refused(f"{name} is too great.")
    return number


def _choice(request: RequestRecord, name: str, values: tuple[str, ...]) -> str | None:
    text = request.query.get(name)
    if not text:
        return None
    for value in values:
        if value.lower() == text.lower():
            return value
    raise Refused(f"{name} is one of {', '.join(values)}.")


def _is_order_data(entry: Any) -> bool:
    if not isinstance(entry, dict) or entry.get("type") not in (None, *_VALUE_TYPES):
        return False
    return all(isinstance(entry.get(name), (str, type(None))) for name in ("key", "value"))
