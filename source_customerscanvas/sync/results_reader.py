"""Asks for the processing results of projects, once for all streams of a sync."""

from dataclasses import dataclass
from threading import Lock

from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.api.projects import Project, Results, ask_project, ask_results
from source_customerscanvas.errors import NotFound
from source_customerscanvas.sync.jobs import Job
from source_customerscanvas.times import Clock

LEAST_SECONDS_BETWEEN_QUESTIONS = 60
"""How long a project's results are left alone after they were asked for: the API's own rule."""


@dataclass(frozen=True)
class Seen:
    """What the processing results of a project said, and when they were asked for (of the clock's `monotonic`)."""

    results: Results
    at: float


class ResultsReader:
    """The processing results that a sync has seen; shared by its workers."""

    def __init__(self, client: ApiClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._lock = Lock()
        self._seen: dict[int, Seen] = {}

    def of(self, job: Job, project: Project) -> Results | None:
        """The processing results, asked for once for all streams; None where the project is gone."""
        with self._lock:
            seen = self._seen.get(project.id)
        if job.results is None and seen and self._clock.monotonic() < seen.at + LEAST_SECONDS_BETWEEN_QUESTIONS:
            return seen.results  # the list showed the project twice, or it has moved here meanwhile
        results = job.results or self.ask(job)
        if results is not None:
            self.note(project.id, results, is_simple=results.is_completed and project.is_completed)
        return results

    def note(self, project_id: int, results: Results, *, is_simple: bool) -> None:
        """Remember what the results said, unless list and results say that the project is completed."""
        with self._lock:
            if is_simple:
                self._seen.pop(project_id, None)
            else:
                self._seen[project_id] = Seen(results, self._clock.monotonic())

    def seen(self, project_id: int) -> Seen | None:
        with self._lock:
            return self._seen.get(project_id)

    def seen_of(self, project_id: int) -> Results | None:
        seen = self.seen(project_id)
        return seen.results if seen else None

    def ask(self, job: Job) -> Results | None:
        """The results of a job's project, whoever has asked before; None where the project is gone."""
        try:
            return ask_results(self._client.get_json, job.project_id)
        except NotFound:
            # no run yet, or no project any more: only asking for the project itself tells them apart
            is_there = ask_project(self._client.get_json, job.project_id)
            return Results.from_answer(None) if is_there else None
