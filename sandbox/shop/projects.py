"""Projects of the shop: how they come, change and go, and how they are listed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sandbox.clock import Moment, to_ticks
from sandbox.shop.fields import set_fields
from sandbox.shop.listing import ProjectFilter, project_field
from sandbox.shop.rows import (
    PROCESSING_STATUSES,
    FileSpec,
    Pipeline,
    PipelineSpec,
    ProcessingStatus,
    Project,
    Storefront,
    outcomes_of,
    print_files,
)
from sandbox.shop.standing import standing
from sandbox.shop.tables import status_of
from sandbox.shop.tenant import Refused, Tenant, locked
from sandbox.shop.views import Query, SortKey, Views


class Projects(Tenant):
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
        sets_status: int | None = None,
        item_pipelines: Sequence[PipelineSpec] = (),
        post_processing: PipelineSpec | None = None,
        item_count: int | None = None,
        whole_order: bool = False,
        **fields: Any,
    ) -> int:
        """Add a project and return its id.

        `processing` is its status now; None: no run exists. It starts `start_after` seconds from now (None: never by
        itself), runs for `run_for` seconds (None: until told otherwise) and ends as `outcome` says; several outcomes
        are those of one run after the other, the last one for all that follow. A run that already ended did so at
        `finished`. `sets_status` is the business status that a completed run gives the project.

        With `item_pipelines` it has an item for each of them, which has that pipeline, instead of one pipeline of
        its own; `post_processing` follows when all items are processed. `whole_order`: its items are the order's line
        items. `fields` are further fields of the project, in either spelling, and `obsolete`.
        """
        self._storefronts.setdefault(storefront_id, Storefront(storefront_id, "Print shop", "Custom", self._began))
        identity = self._next_project if id is None else id
        if order_number is None and order_id is not None and order_id.isdecimal():
            order_number = int(order_id)
        own = PipelineSpec(
            files, processing, start_after, run_for, outcome, status_description, started, finished, sets_status
        )
        specs = list(item_pipelines) or [own]
        if any(one.processing not in (None, *PROCESSING_STATUSES) for one in specs):
            raise Refused(f"processing is None or one of {', '.join(PROCESSING_STATUSES)}.")
        project = Project(
            id=identity,
            storefront_id=storefront_id,
            order_id=order_id,
            order_number=order_number,
            line=0,
            name=f"Project {identity}",
            status=1,
            created=self.now_ticks() if created is None else to_ticks(created),
            last_modified=None if last_modified is None else to_ticks(last_modified),
            listed=None,
            pipelines=[],
            item_count=len(item_pipelines) or None if item_count is None else item_count,
            is_whole_order=whole_order,
            stale=None,
            awaited=0,
            obsolete=False,
            extra=None,
        )
        if fields:
            set_fields(project, fields)
        self._next_project = max(self._next_project, identity + 1)
        self._projects[identity] = project
        for position, spec in enumerate(specs):
            self._add_pipeline(project, spec, position if item_pipelines else None)
        if post_processing is not None:
            self._add_pipeline(project, post_processing, None, is_post=True)
        project.listed = standing(project, self.switches).status or self.switches.processing_status_before_run
        self._project_changed(project)
        return identity

    def _add_pipeline(self, project: Project, spec: PipelineSpec, item: int | None, is_post: bool = False) -> Pipeline:
        """With its run, where it has one; what happens to it next is planned."""
        pipeline = Pipeline(
            item=item,
            is_post=is_post,
            files=print_files(spec.files, self._file_size),
            run=None,
            run_for=spec.run_for,
            outcomes=outcomes_of(spec.outcome),
            plan=0,
            start_after=spec.start_after if is_post else None,
            sets_status=spec.sets_status,
        )
        project.pipelines.append(pipeline)
        if spec.processing is not None:
            begun = self.now_ticks() if spec.started is None else to_ticks(spec.started)
            ended = self.now_ticks() if spec.finished is None else to_ticks(spec.finished)
            run = self._processing.new_run(project, pipeline, spec.processing, begun, ended, spec.status_description)
            self._artifacts.run_changed(run, True)
        self._processing.schedule(project, pipeline, self.clock.now(), None if is_post else spec.start_after)
        return pipeline

    @locked
    def modify_project(self, project_id: int, touch: bool = True, **fields: Any) -> None:
        """Set fields of a project, in either spelling; `lastModified` becomes now unless it is set or not touched."""
        project = self.find(project_id)
        if touch:
            project.last_modified = self.now_ticks()
        set_fields(project, fields)
        self._project_changed(project)

    @locked
    def move_project(
        self, project_id: int, order_id: str | None, storefront_id: int | None = None, touch: bool = True
    ) -> None:
        """It belongs to another order from now on (None: to none), perhaps of another storefront; a project that had
        none gets one. `touch` False: `lastModified` stays."""
        project = self.find(project_id)
        number = int(order_id) if order_id is not None and order_id.isdecimal() else None
        fields = {"order_id": order_id, "order_number": number}
        storefront = project.storefront_id if storefront_id is None else storefront_id
        self.modify_project(project_id, touch, storefront_id=storefront, **fields)

    @locked
    def set_status(self, project_id: int, code: int | None, moves_last_modified: bool | None = None) -> None:
        """The shop gives it another business status, as at every save of the order (None: none).

        `moves_last_modified` None: as the switch `status_moves_last_modified` says.
        """
        if code is not None and status_of(code) is None:
            raise Refused(f"There is no project status {code}.")
        project = self.find(project_id)
        self._processing.set_business_status(project, code, self.clock.now(), moves_last_modified)

    @locked
    def make_obsolete(self, project_id: int, obsolete: bool = True) -> None:
        """Prepare it to be removed: lists hide it without `includeObsolete`; by its id it is still given."""
        self.modify_project(project_id, touch=False, obsolete=obsolete)

    @locked
    def remove_project(self, project_id: int) -> None:
        """The project, its runs and its artifacts are gone."""
        project = self.find(project_id)
        for pipeline in project.pipelines:
            self._processing.drop_run(pipeline)
        del self._projects[project_id]
        self._orders.project_changed(project, exists=False)
        self._project_views.changed(project_id, None)

    @locked
    def projects(self) -> list[dict[str, Any]]:
        """All projects, obsolete ones too."""
        return [self.show.project(project) for project in self._projects.values()]

    @locked
    def project(self, project_id: int) -> dict[str, Any]:
        return self.show.project(self.find(project_id))

    @locked
    def preview(self, project_id: int) -> bytes:
        """A picture of the project, as PNG. Raises Missing."""
        return self.show.preview(self.find(project_id))

    @locked
    def project_ids(self) -> list[int]:
        return list(self._projects)

    @locked
    def project_page(
        self, wanted: ProjectFilter, sorting: tuple[SortKey, ...], skip: int, take: int
    ) -> tuple[int, list[dict[str, Any]]]:
        views = self._project_views
        if wanted.order_id is not None:
            # One order is quickly looked through, while a view for each order would have to look at every project.
            order_id = wanted.order_id
            views = Views(lambda: self._orders.with_order_id(order_id), project_field, self.seed)
        query = Query(wanted, sorting, self.switches.nulls_first)
        total, ids = views.page(query, wanted.matches, skip, take, self.switches.tie_break == "id")
        return total, [self.show.project(self._projects[identity]) for identity in ids]

    @locked
    def forget_views(self) -> None:
        """Sort anew what is listed next."""
        self._project_views.clear()
