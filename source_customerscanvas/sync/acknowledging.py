"""Tags orders in the shop once all of their files have arrived.

What a sync emits has arrived only when the next sync is given the state that covers it. So a sync begins by
acknowledging what the state that it was given calls delivered, and nothing that it delivers itself.
"""

import logging
from collections.abc import Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Lock

from source_customerscanvas.api.calls import path_segment
from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.api.listing import read_page, walk
from source_customerscanvas.api.projects import Project, ask_project
from source_customerscanvas.errors import CustomersCanvasError, MissingPermission, Stopped
from source_customerscanvas.settings import Settings
from source_customerscanvas.sync.progress import StreamProgress
from source_customerscanvas.sync.tracker import Unit

logger = logging.getLogger("airbyte.source-customerscanvas")


class Acknowledging:
    """The orders that a stream has delivered, as far as the state that it was given says so."""

    def __init__(
        self,
        settings: Settings,
        client: ApiClient,
        stream: StreamProgress,
        projects: StreamProgress | None,
        began: str,
    ) -> None:
        """`projects` is the stream whose rows an acknowledgement may change, `began` when the sync did."""
        self._acknowledge = settings.acknowledge
        self._workers = settings.num_workers
        self._client = client
        self._deliveries = stream.deliveries
        self._projects = projects
        self._began = began
        self._lock = Lock()
        self._is_permitted = True

    def acknowledge(self, units: Sequence[Unit]) -> int:
        """Acknowledge all orders of which every project is delivered; gives the number of projects."""
        orders = [
            (unit, order_id, delivered)
            for unit in units
            for order_id, delivered in self._deliveries.of_orders(unit.key).items()
        ]
        if not orders:
            return 0
        with ThreadPoolExecutor(self._workers, "acknowledge") as pool:
            return sum(pool.map(lambda order: self._acknowledge_order(*order), orders))

    def _acknowledge_order(self, unit: Unit, order_id: str, delivered: frozenset[int]) -> int:
        where = f"storefront {unit.storefront_id}, order {order_id or 'none'}"
        try:
            listed = self._projects_of(unit, order_id) if order_id else []
            found = {project.id: project for project in listed}
            missing = {id_: ask_project(self._client.get_json, id_) for id_ in delivered - found.keys()}
        except Stopped:
            return 0
        except CustomersCanvasError as error:
            logger.warning(f"Not acknowledged yet: {where}: {error.message}")
            return 0
        for project_id, project in missing.items():
            if project is None or not unit.has(project):
                self._deliveries.forget(unit.key, {project_id})
            elif (project.order_id or "") != order_id:
                self._deliveries.move(unit.key, project)
            elif self._is_due(unit, order_id, {project_id}, [project]):
                # projects without an order have nothing in common: each is one of its own
                found[project_id] = project
        delivered &= found.keys()
        if order_id and not self._is_due(unit, order_id, delivered, list(found.values())):
            return 0
        return sum(self._acknowledge_project(unit, order_id, found[id_]) for id_ in sorted(delivered))

    def _is_due(self, unit: Unit, order_id: str, delivered: Set[int], projects: Sequence[Project]) -> bool:
        created = min((project.created for project in projects), default="")
        if created < (self._deliveries.since or ""):
            self._deliveries.forget(unit.key, delivered)
            return False
        is_due = all(self._deliveries.has_finished(unit.key, project) for project in projects)
        if not is_due and order_id:
            self._deliveries.wait(unit.key, order_id, projects)
        return is_due

    def _acknowledge_project(self, unit: Unit, order_id: str, project: Project) -> int:
        if not self._is_permitted:
            return 0
        where = f"storefront {unit.storefront_id}, order {order_id or 'none'}, project {project.id}"
        try:
            self._post(project.id)
        except Stopped:
            return 0
        except MissingPermission as error:
            with self._lock:
                is_first, self._is_permitted = self._is_permitted, False
            if is_first:
                logger.warning(f"Orders are not acknowledged: {error.message}")
            return 0
        except CustomersCanvasError as error:
            # a 404 too: no transition of that name, a status that is no more, or a project that the next sync misses
            logger.warning(f"Not acknowledged, tried again in the next sync: {where}: {error.message}")
            return 0
        logger.info(f"Acknowledged: {where}.")
        if self._projects and self._projects.scope.includes(project.updated_at) and self._acknowledge.moves_projects:
            # its status is another one now, and no list may show that it has changed
            self._projects.owe(unit.key, project.id, None)
        self._deliveries.note_acknowledged(unit.key, project.id, self._began)
        return 1

    def _post(self, project_id: int) -> None:
        path = f"storefront/v1/projects/{project_id}"
        if self._acknowledge.mode == "order_data":
            entry = {"key": self._acknowledge.key, "value": self._acknowledge.value, "type": "PlainText"}
            self._client.post(f"{path}/order-data", json=[entry])
        elif self._acknowledge.mode == "transition":
            self._client.post(f"{path}/transitions/{path_segment(self._acknowledge.name)}")
        else:
            self._client.post(f"{path}/statuses/{self._acknowledge.code}")

    def _projects_of(self, unit: Unit, order_id: str) -> list[Project]:
        params = {"storefrontId": unit.storefront_id, "orderId": order_id, "sorting": "Id ASC"}
        fetch = partial(read_page, self._client.get_json, "storefront/v1/projects", params)
        rows = [row for page in walk(fetch, fetch(0), to_the_end=True) for row in page.rows]
        projects = [project for row in rows if (project := Project.from_row(row))]
        return [project for project in projects if unit.has(project) and project.order_id == order_id]
