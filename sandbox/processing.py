"""How pipelines go: runs start, finish, fail, are resumed and restarted, by timeline or by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from sandbox.clock import TICKS
from sandbox.rows import FileSpec, ProcessingStatus, Project, Run
from sandbox.switches import Switches
from sandbox.timeline import Event, Timeline

FONT_MISSING = "Font 'Gotham' is missing"


class Conflict(Exception):
    """The project is not in a state that allows what was asked."""


class Processing:
    """The state machine of runs. `project_changed` is called with each project whose row changed, `run_changed` with
    each run before (False) and after (True) its artifacts changed; `results` gives what the results say now."""

    def __init__(
        self,
        switches: Switches,
        timeline: Timeline,
        projects: Mapping[int, Project],
        runs: dict[int, Run],
        project_changed: Callable[[Project], None],
        run_changed: Callable[[Run, bool], None],
        results: Callable[[Project], dict[str, Any]],
    ) -> None:
        self._switches = switches
        self._timeline = timeline
        self._projects = projects
        self._project_changed = project_changed
        self._run_changed = run_changed
        self._results = results
        self._runs = runs
        self._run_count = 0

    def schedule(self, project: Project, now: int, start_after: float | None) -> None:
        """Plan what happens next to a project that was just created or whose status was just set."""
        project.plan += 1
        run = project.run
        if (run is None or run.status == "Pending") and start_after is not None:
            self._timeline.plan(now + int(start_after * TICKS), "start", project.id, project.plan)
        elif run is not None and run.status == "InProgress" and project.run_for is not None:
            self._timeline.plan(now + int(project.run_for * TICKS), "finish", project.id, project.plan)

    def happen(self, event: Event) -> None:
        project = self._projects.get(event.project_id)
        if project is None or (event.plan is not None and event.plan != project.plan):
            return
        if event.action == "start":
            self.set_status(project, "InProgress", event.at)
            self.schedule(project, event.at, None)
        elif event.action == "finish":
            self.finish(project, event.at)
        elif event.action == "list":
            self._list(project, cast("ProcessingStatus | None", event.status), event.at, None)
        elif event.action == "show" and project.run is not None:
            project.run.awaited -= 1
            if project.run.awaited <= 0:
                project.run.stale = None

    def new_run(
        self, project: Project, status: ProcessingStatus, started: int, ended: int, description: str | None = None
    ) -> Run:
        """Give the project a run, without further effects."""
        self._run_count += 1
        run = Run(
            number=self._run_count,
            project_id=project.id,
            files=project.run_files,
            status=status,
            description=description,
            started=started,
            ended=ended,
            stale=None,
            awaited=0,
        )
        self._runs[run.number] = run
        project.run = run
        return run

    def finish(self, project: Project, now: int, outcome: ProcessingStatus | None = None) -> None:
        if outcome is None:
            outcome = project.outcomes[0]
            project.outcomes = project.outcomes[1:] or project.outcomes
        project.plan += 1
        self.set_status(project, outcome, now, FONT_MISSING if outcome == "Failed" else None)

    def set_status(
        self,
        project: Project,
        status: ProcessingStatus,
        now: int,
        description: str | None = None,
        files: Sequence[FileSpec] | None = None,
        moves: bool | None = None,
        anew: bool = False,
    ) -> None:
        """A new status, in the project's run or, if there is none, it is completed, or `anew`, in a new run."""
        lag = int(self._switches.processing_status_lag * TICKS)
        stale = self._results(project) if lag < 0 else None
        run = project.run
        if run is None or run.status == "Completed" or anew:
            awaited = run.awaited if run is not None else 0
            if run is not None:
                self.drop_run(project)
                # What replaces an artifact has another id.
                project.run_files = tuple(replace(spec, id=None) if spec.id else spec for spec in project.run_files)
            if files is not None:
                project.run_files = tuple(files)
            run = self.new_run(project, status, started=now, ended=now, description=description)
            run.awaited = awaited
        else:
            self._run_changed(run, False)
            if files is not None:
                run.files = project.run_files = tuple(files)
            if status == "InProgress":
                run.started = now
            run.ended = now
            run.status = status
            run.description = description
        self._run_changed(run, True)
        if lag < 0:
            run.stale = stale
            run.awaited += 1
            self._timeline.plan(now - lag, "show", project.id, None)
        if lag > 0:
            self._timeline.plan(now + lag, "list", project.id, None, run.status)
        else:
            self._list(project, run.status, now, moves)

    def _list(self, project: Project, status: ProcessingStatus | None, now: int, moves: bool | None) -> None:
        project.listed = status
        if self._switches.processing_moves_last_modified if moves is None else moves:
            project.last_modified = now
        self._project_changed(project)

    def drop_run(self, project: Project) -> None:
        """The run and its artifacts are gone."""
        if project.run is not None:
            self._run_changed(project.run, False)
            del self._runs[project.run.number]
            project.run = None

    def retry(self, project: Project, now: int, restart: bool) -> None:
        """What the two POSTs do. Raises Conflict."""
        status = project.run.status if project.run else None
        if restart and status not in ("Completed", "Failed"):
            raise Conflict("The project is not processed yet.")
        if not restart and status != "Failed":
            raise Conflict("Only failed processing can be resumed.")
        moves = self._switches.run_moves_last_modified or None
        if project.run_for is None:
            project.run_for = self._switches.retry_run_for
        wait = self._switches.retry_starts_after
        self.set_status(project, "Pending" if wait else "InProgress", now, moves=moves, anew=restart)
        self.schedule(project, now, wait or None)
