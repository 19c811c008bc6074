"""How pipelines go: runs start, finish, fail, are resumed and restarted, by timeline or by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from sandbox.clock import TICKS
from sandbox.shop.rows import FileSpec, Pipeline, ProcessingStatus, Project, Run
from sandbox.shop.standing import pipelines_of_item, standing
from sandbox.shop.timeline import Event, Timeline
from sandbox.switches import Switches

FONT_MISSING = "Font 'Gotham' is missing"


class Conflict(Exception):
    """The project is not in a state that allows what was asked."""


class Processing:
    """The state machine of runs. `project_changed` is called with each project whose row changed, `run_changed` with
    each run before (False) and after (True) its artifacts changed; `results` gives what the results say now; `stamp`
    makes a tick of the sandbox's clock one of the shop's."""

    def __init__(
        self,
        switches: Switches,
        projects: Mapping[int, Project],
        runs: dict[int, Run],
        project_changed: Callable[[Project], None],
        run_changed: Callable[[Run, bool], None],
        results: Callable[[Project], dict[str, Any]],
        stamp: Callable[[int], int],
    ) -> None:
        self._switches = switches
        self._timeline = Timeline()
        self._projects = projects
        self._project_changed = project_changed
        self._run_changed = run_changed
        self._results = results
        self._stamp = stamp
        self._runs = runs
        self._run_count = 0

    def catch_up(self, now: int) -> None:
        """Let everything happen that is due by now."""
        while event := self._timeline.due(now):
            project = self._projects.get(event.project_id)
            if project is not None:
                self._happen(project, event)

    def _happen(self, project: Project, event: Event) -> None:
        if event.pipeline is not None:
            pipeline = project.pipelines[event.pipeline]
            if event.plan != pipeline.plan:
                return
            if event.action == "finish":
                self.finish(project, pipeline, event.at)
            else:
                self.set_status(project, pipeline, "InProgress", event.at)
                self.schedule(project, pipeline, event.at, None)
        elif event.action == "list":
            self._list(project, cast("ProcessingStatus | None", event.status), event.at, None)
        else:
            project.awaited -= 1
            if project.awaited <= 0:
                project.stale = None

    def schedule(self, project: Project, pipeline: Pipeline, now: int, start_after: float | None) -> None:
        """Plan what happens next to a pipeline that is new or whose status was just set."""
        pipeline.plan += 1
        run = pipeline.run
        if (run is None or run.status == "Pending") and start_after is not None:
            self._plan(now + int(start_after * TICKS), "start", project, pipeline)
        elif run is not None and run.status == "InProgress" and pipeline.run_for is not None:
            self._plan(now + int(pipeline.run_for * TICKS), "finish", project, pipeline)

    def _plan(self, at: int, action: str, project: Project, pipeline: Pipeline) -> None:
        position = next(index for index, one in enumerate(project.pipelines) if one is pipeline)
        self._timeline.plan_run(at, action, project.id, position, pipeline.plan)

    def new_run(
        self,
        project: Project,
        pipeline: Pipeline,
        status: ProcessingStatus,
        started: int,
        ended: int,
        description: str | None = None,
    ) -> Run:
        """Give the pipeline a run, without further effects; times are the shop's."""
        self._run_count += 1
        if status == "Failed" and description is None:
            description = FONT_MISSING
        run = Run(
            number=self._run_count,
            project_id=project.id,
            item=pipeline.item if pipeline.item is not None or pipeline.is_post else 0,
            files=pipeline.files,
            status=status,
            description=description,
            started=started,
            ended=ended,
        )
        self._runs[run.number] = run
        pipeline.run = run
        return run

    def finish(self, project: Project, pipeline: Pipeline, now: int, outcome: ProcessingStatus | None = None) -> None:
        if outcome is None:
            outcome = pipeline.outcomes[0]
            pipeline.outcomes = pipeline.outcomes[1:] or pipeline.outcomes
        pipeline.plan += 1
        self.set_status(project, pipeline, outcome, now)

    def set_status(
        self,
        project: Project,
        pipeline: Pipeline,
        status: ProcessingStatus,
        now: int,
        description: str | None = None,
        files: Sequence[FileSpec] | None = None,
        moves: bool | None = None,
        anew: bool = False,
    ) -> None:
        """A new status, in the pipeline's run or, if there is none, it is completed, or `anew`, in a new run."""
        with_lag = int(self._switches.processing_status_lag * TICKS)
        stale = self._results(project) if with_lag < 0 else None
        run = pipeline.run
        if run is None or run.status == "Completed" or anew:
            if run is not None:
                self.drop_run(pipeline)
                pipeline.files = _without_ids(pipeline.files)
            if files is not None:
                pipeline.files = files
            run = self.new_run(project, pipeline, status, self._stamp(now), self._stamp(now), description)
        else:
            self._run_changed(run, False)
            if files is not None:
                run.files = pipeline.files = files
            if status == "InProgress":
                run.started = self._stamp(now)
            run.ended = self._stamp(now)
            run.status = status
            run.description = FONT_MISSING if status == "Failed" and description is None else description
        self._run_changed(run, True)
        if status == "Completed" and pipeline.sets_status is not None:
            self.set_business_status(project, pipeline.sets_status, now)
        if status == "Completed" and not pipeline.is_post:
            self._begin_post_processing(project, now)
        if with_lag < 0:
            project.stale = stale
            project.awaited += 1
            self._timeline.plan(now - with_lag, "show", project.id)
        stands = standing(project, self._switches).status
        if with_lag > 0:
            self._timeline.plan(now + with_lag, "list", project.id, stands)
        else:
            self._list(project, stands, now, moves)

    def set_business_status(self, project: Project, code: int | None, now: int, moves: bool | None = None) -> None:
        """`moves` None: the switch says whether `lastModified` follows."""
        project.status = code
        if self._switches.status_moves_last_modified if moves is None else moves:
            project.last_modified = self._stamp(now)
        self._project_changed(project)

    def _begin_post_processing(self, project: Project, now: int) -> None:
        """What comes after all items were processed, again when an item was run again."""
        if any(one.run is None or one.run.status != "Completed" for one in project.main_pipelines):
            return
        for pipeline in project.pipelines:
            if not pipeline.is_post or pipeline.start_after is None:
                continue
            if pipeline.run is not None:
                self.drop_run(pipeline)
            run = self.new_run(project, pipeline, "Pending", self._stamp(now), self._stamp(now))
            self._run_changed(run, True)
            self.schedule(project, pipeline, now, pipeline.start_after)

    def _list(self, project: Project, status: ProcessingStatus | None, now: int, moves: bool | None) -> None:
        project.listed = status or self._switches.processing_status_before_run
        if self._switches.processing_moves_last_modified if moves is None else moves:
            project.last_modified = self._stamp(now)
        self._project_changed(project)

    def drop_run(self, pipeline: Pipeline) -> None:
        """The run and its artifacts are gone."""
        if pipeline.run is not None:
            self._run_changed(pipeline.run, False)
            del self._runs[pipeline.run.number]
            pipeline.run = None

    def retry(self, project: Project, now: int, restart: bool, position: int | None = None) -> None:
        """What the two POSTs do, for one item or the whole project. Raises Conflict."""
        concerned = project.pipelines if position is None else pipelines_of_item(project, position)
        ended = [one for one in concerned if one.run is not None and one.run.has_ended]
        failed = [one for one in ended if one.run is not None and one.run.status == "Failed"]
        chosen = ended if restart else failed
        if position is None and failed and self._switches.restart_without_item == "failed":
            chosen = failed
        if restart and any(not one.is_post for one in chosen):
            # It begins by itself once the items are processed again.
            chosen = [one for one in chosen if not one.is_post or one.start_after is None]
        if not chosen:
            raise Conflict("The project is not processed yet." if restart else "Only failed processing can be resumed.")
        if position is None and standing(project, self._switches).status not in ("Completed", "Failed"):
            raise Conflict("The project is being processed.")
        for pipeline in chosen:
            self._run_again(project, pipeline, now, restart)

    def _run_again(self, project: Project, pipeline: Pipeline, now: int, anew: bool) -> None:
        moves = self._switches.run_moves_last_modified or None
        if pipeline.run_for is None:
            pipeline.run_for = self._switches.retry_run_for
        wait = self._switches.retry_starts_after
        self.set_status(project, pipeline, "Pending" if wait else "InProgress", now, moves=moves, anew=anew)
        self.schedule(project, pipeline, now, wait or None)


def _without_ids(files: Sequence[FileSpec]) -> Sequence[FileSpec]:
    """What replaces an artifact has another id; plain print files have none of their own."""
    if isinstance(files, tuple) and any(spec.id for spec in files):
        return tuple(replace(spec, id=None) for spec in files)
    return files
