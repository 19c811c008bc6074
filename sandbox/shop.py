"""The model: storefronts, projects, their pipeline runs and artifacts, as they change in time. No HTTP here."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

from sandbox.artifacts import ArtifactStore, Missing
from sandbox.clock import TICKS, Clock, Moment, to_ticks
from sandbox.contents import Content, sha256_of
from sandbox.fields import set_fields
from sandbox.listing import ArtifactFilter, ProjectFilter, project_field
from sandbox.processing import FONT_MISSING, Conflict, Processing
from sandbox.rows import (
    PROCESSING_STATUSES,
    Artifact,
    FileSpec,
    OrderData,
    ProcessingStatus,
    Project,
    Run,
    Storefront,
    print_files,
)
from sandbox.showing import Presenter
from sandbox.switches import Switches
from sandbox.tables import TRANSITIONS, open_transitions, status_of
from sandbox.timeline import Timeline
from sandbox.views import Query, SortKey, Views

Method = TypeVar("Method", bound=Callable[..., Any])


class Refused(Exception):
    """What was asked makes no sense."""


def locked(method: Method) -> Method:
    """Run a method of the shop alone, after everything that is due by now has happened."""

    @functools.wraps(method)
    def run(shop: Shop, *args: Any, **kwargs: Any) -> Any:
        with shop.lock:
            shop.catch_up()
            return method(shop, *args, **kwargs)

    return cast(Method, run)


class Shop:
    """A tenant's shop. Every public method may be called from any thread."""

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
        self._order_data: dict[int, list[OrderData]] = {}
        self._timeline = Timeline()
        self._runs: dict[int, Run] = {}
        self._artifacts = ArtifactStore(switches, self._projects, self._runs, seed)
        self._processing = Processing(
            switches,
            self._timeline,
            self._projects,
            self._runs,
            self._project_changed,
            self._artifacts.run_changed,
            self._results_now,
        )
        self._project_views: Views[Project] = Views(self._projects.items, project_field, seed)

    # Time

    def catch_up(self) -> None:
        """Let everything happen that is due by now."""
        now = self.clock.now()
        while event := self._timeline.due(now):
            self._processing.happen(event)

    @locked
    def finish_all(self) -> int:
        """Complete every project that is neither completed nor failed; how many there were."""
        unfinished = [one for one in self._projects.values() if one.run is None or not _ended(one.run)]
        for project in unfinished:
            self._processing.finish(project, self.clock.now(), "Completed")
        return len(unfinished)

    # Storefronts

    @locked
    def add_storefront(
        self,
        id: int | None = None,
        name: str = "Print shop",
        type: str = "Custom",
        created: Moment | None = None,
        status: str = "Prod",
    ) -> int:
        if id is None:
            id = max(self._storefronts, default=0) + 1
        moment = self._began if created is None else to_ticks(created)
        self._storefronts[id] = Storefront(id, name, type, moment, status)
        return id

    @locked
    def remove_storefront(self, storefront_id: int) -> None:
        self._storefronts.pop(storefront_id, None)

    @locked
    def storefronts(self) -> list[dict[str, Any]]:
        return [self.show.storefront(one) for one in sorted(self._storefronts.values(), key=lambda one: one.id)]

    def tenant(self) -> dict[str, Any]:
        return self.show.tenant(self._began - 400 * 86_400 * TICKS)

    # Projects

    @locked
    def create_project(
        self,
        storefront_id: int = 1,
        order_id: str | None = "5001",
        order_number: int | None = None,
        created: Moment | None = None,
        last_modified: Moment | None = None,
        processing: ProcessingStatus | None = None,
        files: Sequence[FileSpec] | int = 1,
        start_after: float | None = None,
        run_for: float | None = None,
        outcome: ProcessingStatus | Sequence[ProcessingStatus] = "Completed",
        status_description: str | None = None,
        started: Moment | None = None,
        finished: Moment | None = None,
        id: int | None = None,
        **fields: Any,
    ) -> int:
        """Add a project and return its id.

        `processing` is its status now; None: no run exists. It starts `start_after` seconds from now (None: never by
        itself), runs for `run_for` seconds (None: until told otherwise) and ends as `outcome` says; several outcomes
        are those of one run after the other, the last one for all that follow. A run that already ended did so at
        `finished`. `fields` are further fields of the project, in either spelling, and `obsolete`.
        """
        now = self.clock.now()
        self._storefronts.setdefault(storefront_id, Storefront(storefront_id, "Print shop", "Custom", self._began))
        if processing is not None and processing not in PROCESSING_STATUSES:
            raise Refused(f"processing is None or one of {', '.join(PROCESSING_STATUSES)}.")
        identity = self._next_project if id is None else id
        self._next_project = max(self._next_project, identity + 1)
        if order_number is None and order_id is not None and order_id.isdecimal():
            order_number = int(order_id)
        made = now if created is None else to_ticks(created)
        project = Project(
            id=identity,
            storefront_id=storefront_id,
            order_id=order_id,
            order_number=order_number,
            line=0,
            name=f"Project {identity}",
            status=1,
            created=made,
            last_modified=None if last_modified is None else to_ticks(last_modified),
            listed=processing or self.switches.processing_status_before_run,
            run=None,
            run_files=print_files(files, self._file_size) if isinstance(files, int) else tuple(files),
            run_for=run_for,
            outcomes=(outcome,) if isinstance(outcome, str) else tuple(outcome),
            plan=0,
            obsolete=False,
            extra=None,
        )
        if fields:
            set_fields(project, fields)
        self._projects[identity] = project
        if processing is not None:
            begun = now if started is None else to_ticks(started)
            ended = now if finished is None else to_ticks(finished)
            if processing == "Failed" and status_description is None:
                status_description = FONT_MISSING
            run = self._processing.new_run(project, processing, begun, ended, status_description)
            self._artifacts.run_changed(run, True)
        self._processing.schedule(project, now, start_after)
        self._project_changed(project)
        return identity

    @locked
    def modify_project(self, project_id: int, touch: bool = True, **fields: Any) -> None:
        """Set fields of a project, in either spelling; `lastModified` becomes now unless it is set or not touched."""
        project = self.find(project_id)
        if touch:
            project.last_modified = self.clock.now()
        set_fields(project, fields)
        self._project_changed(project)

    @locked
    def process(
        self,
        project_id: int,
        status: ProcessingStatus | None,
        files: Sequence[FileSpec] | int | None = None,
        description: str | None = None,
        moves_last_modified: bool | None = None,
        run_for: float | None = None,
        outcome: ProcessingStatus | Sequence[ProcessingStatus] | None = None,
    ) -> None:
        """Set the processing status now; None: there is no run. After a completed run begins a new one."""
        project = self.find(project_id)
        now = self.clock.now()
        if outcome is not None:
            project.outcomes = (outcome,) if isinstance(outcome, str) else tuple(outcome)
        if isinstance(files, int):
            files = print_files(files, self._file_size)
        if status is None:
            self._processing.drop_run(project)
            project.listed = self.switches.processing_status_before_run
            self._project_changed(project)
        elif status not in PROCESSING_STATUSES:
            raise Refused(f"A processing status is one of {', '.join(PROCESSING_STATUSES)}.")
        else:
            if status == "Failed" and description is None:
                description = FONT_MISSING
            self._processing.set_status(project, status, now, description, files, moves_last_modified)
        project.run_for = run_for
        self._processing.schedule(project, now, None)

    @locked
    def resume(self, project_id: int) -> None:
        """As the POST. Raises Missing, Conflict."""
        self._processing.retry(self.find(project_id), self.clock.now(), restart=False)

    @locked
    def restart(self, project_id: int) -> None:
        """As the POST. Raises Missing, Conflict."""
        self._processing.retry(self.find(project_id), self.clock.now(), restart=True)

    @locked
    def remove_project(self, project_id: int) -> None:
        """The project, its run and its artifacts are gone."""
        self._processing.drop_run(self.find(project_id))
        del self._projects[project_id]
        self._project_views.changed(project_id, None)

    @locked
    def projects(self) -> list[dict[str, Any]]:
        return [self.show.project(project) for project in self._projects.values()]

    @locked
    def project(self, project_id: int) -> dict[str, Any]:
        return self.show.project(self.find(project_id))

    @locked
    def project_ids(self) -> list[int]:
        return list(self._projects)

    @locked
    def project_page(
        self, wanted: ProjectFilter, sorting: tuple[SortKey, ...], skip: int, take: int
    ) -> tuple[int, list[dict[str, Any]]]:
        query = Query(wanted, sorting, self.switches.nulls_first)
        stable = self.switches.tie_break == "id"
        total, ids = self._project_views.page(query, wanted.matches, skip, take, stable)
        return total, [self.show.project(self._projects[identity]) for identity in ids]

    @locked
    def results(self, project_id: int, item_id: int | None = None) -> dict[str, Any]:
        """The processing results. Raises Missing: no project, no such item, or no run yet when the switch says so."""
        project = self.find(project_id)
        if item_id is not None:
            self._check_item(project, item_id)
        results = self._results_now(project, item_id)
        if not results:
            raise Missing(f"Project {project_id} has not been processed.")
        return results

    def _results_now(self, project: Project, item_id: int | None = None) -> dict[str, Any]:
        """What the results say, lagging behind when they do; empty: nothing."""
        if project.run is None:
            return {} if self.switches.results_before_run == "404" else self.show.results(project, [], item_id)
        if project.run.stale is not None:
            return project.run.stale
        return self.show.results(project, self._artifacts.of(project), item_id)

    def _check_item(self, project: Project, item_id: int) -> None:
        if all(item["id"] != item_id for item in self.show.project(project)["items"] or ()):
            raise Missing(f"Project {project.id} has no item {item_id}.")

    @locked
    def forget_views(self) -> None:
        """Sort anew what is listed next."""
        self._project_views.clear()

    # What clients change

    @locked
    def order(self, project_id: int) -> dict[str, Any]:
        return self.show.order(self.find(project_id))

    @locked
    def attach_order_data(self, project_id: int, entries: list[dict[str, Any]], item_id: int | None = None) -> None:
        project = self.find(project_id)
        if item_id is not None:
            self._check_item(project, item_id)
        self._order_data.setdefault(project_id, []).append(OrderData(project_id, item_id, entries))
        if self.switches.order_data_moves_last_modified:
            project.last_modified = self.clock.now()
            self._project_changed(project)

    @locked
    def order_data(self, project_id: int) -> list[dict[str, Any]]:
        """Every entry that was attached through the project, oldest first."""
        return [entry for one in self._order_data.get(project_id, ()) for entry in one.entries]

    @locked
    def transitions(self, project_id: int) -> list[dict[str, Any]]:
        return open_transitions(self.find(project_id).status)

    @locked
    def transition(self, project_id: int, name: str) -> dict[str, Any]:
        """Raises Missing, Refused (no such transition), Conflict (not from this status)."""
        project = self.find(project_id)
        known = [one for one in TRANSITIONS if one["name"] == name]
        if not known:
            raise Refused(f"There is no transition '{name}'.")
        if known[0]["startStatus"] != project.status:
            raise Conflict(f"Transition '{name}' is not open to project {project_id}.")
        return self.force_status(project_id, known[0]["resultStatus"])

    @locked
    def force_status(self, project_id: int, code: int) -> dict[str, Any]:
        """Raises Missing, Refused (no such status)."""
        project = self.find(project_id)
        status = status_of(code)
        if status is None:
            raise Refused(f"There is no project status {code}.")
        project.status = code
        if self.switches.status_moves_last_modified:
            project.last_modified = self.clock.now()
        self._project_changed(project)
        return status

    # Artifacts

    @locked
    def artifacts(self, project_id: int | None = None) -> list[dict[str, Any]]:
        """All artifacts that exist now, or those of one project."""
        if project_id is not None:
            return [self.show.artifact(one) for one in self._artifacts.of(self.find(project_id))]
        return [self.show.artifact(one) for _, one in self._artifacts.all()]

    @locked
    def artifact(self, artifact_id: str) -> dict[str, Any]:
        return self.show.artifact(self._artifacts.find(artifact_id))

    @locked
    def artifact_page(
        self, wanted: ArtifactFilter, sorting: tuple[SortKey, ...], skip: int, take: int
    ) -> tuple[int, list[dict[str, Any]]]:
        total, found = self._artifacts.page(wanted, sorting, skip, take)
        return total, [self.show.artifact(artifact) for artifact in found]

    @locked
    def content(self, artifact_id: str) -> tuple[Artifact, Content]:
        """An artifact with its bytes, whether or not its file is gone. Raises Missing."""
        artifact = self._artifacts.find(artifact_id)
        return artifact, self.show.content(artifact)

    def file_bytes(self, artifact_id: str) -> bytes:
        content = self.content(artifact_id)[1]
        return b"".join(content.read(0, content.length))

    def file_sha256(self, artifact_id: str) -> str:
        return sha256_of(self.content(artifact_id)[1])

    @locked
    def remove_file(self, artifact_id: str, status: int | None = None) -> None:
        """The file is gone (`status` 404 or 410; None: as the switch says), though the artifact is still listed."""
        self._artifacts.remove_file(artifact_id, self.switches.file_gone_status if status is None else status)

    @locked
    def regenerate_artifact(self, artifact_id: str) -> None:
        """The same artifact with other bytes and a later `lastModified`."""
        self._artifacts.regenerate(artifact_id, self.clock.now())

    # Inside

    def find(self, project_id: int) -> Project:
        try:
            return self._projects[project_id]
        except KeyError:
            raise Missing(f"Project {project_id} is not found.") from None

    def _project_changed(self, project: Project) -> None:
        self._project_views.changed(project.id, project)


def _ended(run: Run) -> bool:
    return run.status in ("Completed", "Failed")
