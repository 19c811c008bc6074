"""Tags orders in the shop once all of their files have arrived.

What a sync emits has arrived only when the next sync is given the state that covers it. So a sync begins by
acknowledging what the state that it was given calls delivered, and nothing that it delivers itself.
"""

import logging
from collections.abc import Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from threading import Lock
from typing import Any

from source_customerscanvas.api.calls import path_segment
from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.api.projects import PATH, Project, ask_project
from source_customerscanvas.api.statuses import list_result_statuses
from source_customerscanvas.errors import Conflict, CustomersCanvasError, MissingPermission, Stopped
from source_customerscanvas.settings import Settings
from source_customerscanvas.sync.ledger import Ledger
from source_customerscanvas.sync.lists import projects_in_order
from source_customerscanvas.sync.progress import StreamProgress
from source_customerscanvas.sync.slices import Slice

logger = logging.getLogger("airbyte.source-customerscanvas")


class Acknowledging:
    """The orders that a stream has delivered, as far as the state that it was given says so."""

    def __init__(
        self, settings: Settings, client: ApiClient, ledger: Ledger, changed: Sequence[StreamProgress]
    ) -> None:
        """`changed` are the streams whose rows an acknowledgement may change."""
        self._acknowledge = settings.acknowledge
        self._statuses = settings.statuses
        self._workers = settings.num_workers
        self._client = client
        self._ledger = ledger
        self._changed = changed
        self._lock = Lock()
        self._is_permitted = True

    def acknowledge(self, slices: Sequence[Slice]) -> int:
        """Acknowledge all orders of which every produced project is delivered; gives the number of projects."""
        orders = [
            (slice_, order_id, delivered)
            for slice_ in slices
            for order_id, delivered in self._ledger.of_orders(slice_.key).items()
        ]
        if not orders:
            return 0
        with ThreadPoolExecutor(self._workers, "acknowledge") as pool:
            return sum(pool.map(lambda order: self._acknowledge_order(*order), orders))

    def _acknowledge_order(self, slice_: Slice, order_id: str, delivered: frozenset[int]) -> int:
        where = f"storefront {slice_.storefront_id}, order {order_id or 'none'}"
        try:
            listed = projects_in_order(self._client, slice_, order_id) if order_id else []
            found = {project.id: project for project in listed}
            missing = {id_: ask_project(self._client.get_json, id_) for id_ in delivered - found.keys()}
        except Stopped:
            return 0
        except CustomersCanvasError as error:
            logger.warning(f"Not acknowledged yet: {where}: {error.message}")
            return 0
        for project_id, project in missing.items():
            if project is None or not slice_.has(project):
                self._ledger.remove(slice_.key, {project_id})
            elif (project.order_id or "") != order_id:
                self._ledger.move(slice_.key, project)
            elif self._is_due(slice_, order_id, {project_id}, [project]):
                # projects without an order have nothing in common: each is one of its own
                found[project_id] = project
        delivered &= found.keys()
        if order_id and not self._is_due(slice_, order_id, delivered, list(found.values())):
            return 0
        produced = [id_ for id_ in sorted(delivered) if self._is_produced(found[id_])]
        if order_id and not produced:
            self._ledger.hold(slice_.key, order_id, delivered)
        return sum(self._acknowledge_project(slice_, order_id, found[id_]) for id_ in produced)

    def _is_due(self, slice_: Slice, order_id: str, delivered: Set[int], projects: Sequence[Project]) -> bool:
        created = min((project.created for project in projects if project.created), default="")
        if created < self._ledger.since:
            if delivered and not created:
                where = f"storefront {slice_.storefront_id}, order {order_id or 'none'}"
                logger.warning(f"Not acknowledged: {where}: its projects do not say when they were created.")
            self._ledger.remove(slice_.key, delivered)
            return False
        produced = [project for project in projects if self._is_produced(project)]
        is_due = all(self._ledger.was_handed_over(slice_.key, project) for project in produced)
        if not is_due and order_id:
            self._ledger.wait(slice_.key, order_id, produced)
        return is_due

    def _is_produced(self, project: Project) -> bool:
        return self._statuses.includes(project.business_status)

    def _acknowledge_project(self, slice_: Slice, order_id: str, project: Project) -> int:
        if not self._is_permitted:
            return 0
        where = f"storefront {slice_.storefront_id}, order {order_id or 'none'}, project {project.id}"
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
            if not (isinstance(error, Conflict) and self._was_moved(project)):
                logger.warning(f"Not acknowledged, tried again in the next sync: {where}: {error.message}")
                return 0
        logger.info(f"Acknowledged: {where}.")
        if self._acknowledge.moves_projects:
            # its status is another one now, and no list may show that it has changed
            for stream in self._changed:
                if stream.scope.includes(project.latest):
                    stream.owe(slice_.key, project.id)
        self._ledger.remove(slice_.key, {project.id})
        return 1

    @cached_property
    def _result_statuses(self) -> list[Any]:
        """Where the transition leads: asked for once, as after a lost state all projects may refuse it."""
        return list_result_statuses(self._client, self._acknowledge.name)

    def _was_moved(self, project: Project) -> bool:
        """Whether a project that refuses the transition is where it leads: moved for an earlier run, or by hand."""
        if self._acknowledge.mode != "transition":
            return False
        try:
            return project.business_status in self._result_statuses
        except (Stopped, CustomersCanvasError):
            return False

    def _post(self, project_id: int) -> None:
        path = f"{PATH}/{project_id}"
        if self._acknowledge.mode == "order_data":
            entry = {"key": self._acknowledge.key, "value": self._acknowledge.value, "type": "PlainText"}
            self._client.post(f"{path}/order-data", json=[entry])
        elif self._acknowledge.mode == "transition":
            self._client.post(f"{path}/transitions/{path_segment(self._acknowledge.name)}")
        else:
            self._client.post(f"{path}/statuses/{self._acknowledge.code}")
