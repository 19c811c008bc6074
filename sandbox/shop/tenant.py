"""The rows of a tenant's shop behind one lock, and the time in it: what every part of the shop works on."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar, cast

from sandbox.clock import TICKS, Clock, to_datetime
from sandbox.shop.artifacts import ArtifactStore, Missing
from sandbox.shop.deriving import position_of_item
from sandbox.shop.listing import project_field
from sandbox.shop.orders import OrderBook
from sandbox.shop.processing import Processing
from sandbox.shop.rows import Project, Run, Storefront
from sandbox.shop.showing import Presenter
from sandbox.shop.views import Views
from sandbox.switches import Switches

Method = TypeVar("Method", bound=Callable[..., Any])


class Refused(Exception):
    """What was asked makes no sense."""


class NoRun(Missing):
    """The project has not been processed, and the results say so by their status."""


def locked(method: Method) -> Method:
    """Run a method of the shop alone, after everything that is due by now has happened."""

    @functools.wraps(method)
    def run(shop: Tenant, *args: Any, **kwargs: Any) -> Any:
        with shop.lock:
            shop.catch_up()
            return method(shop, *args, **kwargs)

    return cast(Method, run)


class Tenant:
    """Written and read under `lock` only; the parts of `Shop` are its public face."""

    def __init__(self, clock: Clock, switches: Switches, seed: int = 1, file_size: int | None = None) -> None:
        self.clock = clock
        self.switches = switches
        self.seed = seed
        self.lock = threading.RLock()
        self.show = Presenter(switches, seed)
        self._file_size = file_size
        self._began = clock.now()
        self._storefronts: dict[int, Storefront] = {}
        self._projects: dict[int, Project] = {}
        self._next_project = 1
        self._runs: dict[int, Run] = {}
        self._orders = OrderBook(switches, self._projects)
        self._artifacts = ArtifactStore(switches, self._projects, self._runs, seed)
        self._processing = Processing(
            switches,
            self._projects,
            self._runs,
            self._project_changed,
            self._artifacts.run_changed,
            self._results_now,
            self._stamp,
        )
        self._project_views: Views[Project] = Views(self._projects.items, project_field, seed)

    def catch_up(self) -> None:
        """Let everything happen that is due by now."""
        self._processing.catch_up(self.clock.now())

    def now(self) -> datetime:
        """By the shop's own clock, which `created`, `lastModified` and each answer's `Date` follow."""
        return to_datetime(self.now_ticks())

    def set_clock(self, ahead: float) -> None:
        """The shop's clock is so many seconds ahead of the sandbox's (negative: behind) from now on."""
        self.switches.shop_clock_ahead = ahead

    def find(self, project_id: int) -> Project:
        try:
            return self._projects[project_id]
        except KeyError:
            raise Missing(f"Project {project_id} is not found.") from None

    def now_ticks(self) -> int:
        """`now` in ticks."""
        return self._stamp(self.clock.now())

    def _stamp(self, ticks: int) -> int:
        return ticks + int(self.switches.shop_clock_ahead * TICKS)

    def _position(self, project: Project, item_id: int | None) -> int | None:
        """Raises Missing where the project has no such item."""
        if item_id is None:
            return None
        position = position_of_item(project, item_id)
        if position is None:
            raise Missing(f"Project {project.id} has no item {item_id}.")
        return position

    def _results_now(self, project: Project, position: int | None = None) -> dict[str, Any]:
        """What the results say, lagging behind when they do; empty: nothing."""
        if project.stale is not None:
            return project.stale
        if self.switches.results_before_run != "pending" and all(one.run is None for one in project.pipelines):
            return {}
        return self.show.results(project, self._artifacts.of(project), position)

    def _project_changed(self, project: Project) -> None:
        self._orders.project_changed(project)
        self._project_views.changed(project.id, project)
