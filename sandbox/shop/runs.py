"""Pipeline runs of the shop's projects: moved on by hand, resumed, restarted, added, and their results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sandbox.shop.deriving import item_count, item_line
from sandbox.shop.projects import Projects
from sandbox.shop.rows import (
    PROCESSING_STATUSES,
    FileSpec,
    Pipeline,
    PipelineSpec,
    ProcessingStatus,
    Project,
    outcomes_of,
    print_files,
)
from sandbox.shop.standing import pipelines_of_item, standing, standing_of_item
from sandbox.shop.tenant import NoRun, Refused, locked


class Runs(Projects):
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
        item_id: int | None = None,
    ) -> None:
        """Set the processing status now, of one item or of every pipeline but post-processing; None: there is no run.

        After a completed run begins a new one.
        """
        if status not in (None, *PROCESSING_STATUSES):
            raise Refused(f"A processing status is one of {', '.join(PROCESSING_STATUSES)}.")
        project = self.find(project_id)
        position = self._position(project, item_id)
        made = None if files is None else print_files(files, self._file_size)
        now = self.clock.now()
        for pipeline in self._processed(project, position):
            if outcome is not None:
                pipeline.outcomes = outcomes_of(outcome)
            if status is None:
                self._processing.drop_run(pipeline)
                project.listed = standing(project, self.switches).status or self.switches.processing_status_before_run
                self._project_changed(project)
            else:
                self._processing.set_status(project, pipeline, status, now, description, made, moves_last_modified)
            pipeline.run_for = run_for
            self._processing.schedule(project, pipeline, now, None)

    def _processed(self, project: Project, position: int | None) -> list[Pipeline]:
        return project.main_pipelines if position is None else pipelines_of_item(project, position)

    @locked
    def add_item_run(
        self,
        project_id: int,
        status: ProcessingStatus = "Completed",
        files: Sequence[FileSpec] | int = 1,
        moves_last_modified: bool | None = None,
        run_for: float | None = None,
        outcome: ProcessingStatus | Sequence[ProcessingStatus] = "Completed",
    ) -> int:
        """A further item comes, with a pipeline of its own whose run has the status now; the item's id.

        What the project had stays: a pipeline of the whole project becomes its first item's.
        """
        project = self.find(project_id)
        position = item_count(project)
        if project.extra and "items" in project.extra:
            raise Refused("The project's items were set as they are.")
        for pipeline in project.main_pipelines:
            if pipeline.item is None:
                pipeline.item = 0
        project.item_count = position + 1
        spec = PipelineSpec(files, run_for=run_for, outcome=outcome)
        self._add_run(project, position, spec, status, moves_last_modified)
        return item_line(project, position).id or 0

    @locked
    def post_process(
        self,
        project_id: int,
        status: ProcessingStatus = "Completed",
        files: Sequence[FileSpec] | int = 1,
        moves_last_modified: bool | None = None,
        run_for: float | None = None,
        outcome: ProcessingStatus | Sequence[ProcessingStatus] = "Completed",
    ) -> None:
        """A post-processing run of the status comes to the project and adds its files to the others."""
        spec = PipelineSpec(files, run_for=run_for, outcome=outcome)
        self._add_run(self.find(project_id), None, spec, status, moves_last_modified)

    def _add_run(
        self, project: Project, item: int | None, spec: PipelineSpec, status: ProcessingStatus, moves: bool | None
    ) -> None:
        pipeline = self._add_pipeline(project, spec, item, is_post=item is None)
        now = self.clock.now()
        self._processing.set_status(project, pipeline, status, now, moves=moves)
        self._processing.schedule(project, pipeline, now, None)

    @locked
    def add_output_file(self, project_id: int, file: FileSpec | None = None, item_id: int | None = None) -> str:
        """One more output file in a run that has completed; `lastModified` of the project stays. The artifact's id."""
        project = self.find(project_id)
        candidates = self._processed(project, self._position(project, item_id))
        run = next((one.run for one in candidates if one.run is not None and one.run.status == "Completed"), None)
        if run is None:
            raise Refused(f"Project {project_id} has no completed run.")
        spec = file if file is not None else FileSpec(name=f"print-{len(run.files) + 1}.pdf", size=self._file_size)
        return self._artifacts.add(run, spec, self.now_ticks())

    @locked
    def finish_all(self) -> int:
        """Complete every project that is neither completed nor failed; how many there were."""
        now = self.clock.now()
        unfinished = [
            one for one in self._projects.values() if standing(one, self.switches).status not in ("Completed", "Failed")
        ]
        for project in unfinished:
            # Post-processing last: it begins when all items are processed.
            for pipeline in sorted(project.pipelines, key=lambda one: one.is_post):
                if pipeline.run is None or not pipeline.run.has_ended:
                    self._processing.finish(project, pipeline, now, "Completed")
        return len(unfinished)

    @locked
    def resume(self, project_id: int, item_id: int | None = None) -> None:
        """As the POST. Raises Missing, Conflict."""
        project = self.find(project_id)
        self._processing.retry(project, self.clock.now(), False, self._position(project, item_id))

    @locked
    def restart(self, project_id: int, item_id: int | None = None) -> None:
        """As the POST. Raises Missing, Conflict."""
        project = self.find(project_id)
        self._processing.retry(project, self.clock.now(), True, self._position(project, item_id))

    @locked
    def results(self, project_id: int, item_id: int | None = None) -> dict[str, Any]:
        """The processing results. Raises Missing: no project or item; NoRun: no run yet, where the switch says so."""
        project = self.find(project_id)
        position = self._position(project, item_id)
        results = self._results_now(project, position)
        item_has_no_run = (
            position is not None
            and self.switches.results_before_run != "pending"
            and standing_of_item(project, position, self.switches).status is None
        )
        if not results or item_has_no_run:
            raise NoRun(f"Project {project_id} has not been processed.")
        return results if project.stale is None or position is None else self.show.of_item(results, item_id)
