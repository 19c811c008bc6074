"""Asks for the processing results of projects, once for all streams of a sync."""

from math import inf
from threading import Lock

from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.api.projects import Project, Results, ask_project, ask_results
from source_customerscanvas.errors import NotFound
from source_customerscanvas.times import Clock

LEAST_SECONDS_BETWEEN_QUESTIONS = 60
"""How long a project's results are left alone after they were asked for: the API's own rule."""


class ResultsReader:
    """The processing results that a sync has seen; shared by its workers."""

    def __init__(self, client: ApiClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._lock = Lock()
        self._seen: dict[int, tuple[Results, float]] = {}
        """With the time of the clock's `monotonic` at which they were asked for."""
        self._without_run: set[int] = set()
        """Projects that were there, and had no run: asked for once, until they have had one."""
        self.listed_as_failed: set[tuple[str, int]] = set()
        """By slice and id, the projects that a list of this sync showed as failed."""

    def of(self, project: Project) -> Results | None:
        """The processing results, asked for once for all streams; None where the project is gone."""
        seen = self.seen(project.id)
        if seen and not self.may_ask(project.id):
            return seen  # a list showed the project twice, it has moved here meanwhile, or was waited for
        results = self._ask(project.id)
        if results and results.is_completed and project.is_completed:
            with self._lock:
                self._seen.pop(project.id, None)  # nobody will ask, and a history has very many
        else:
            self._keep(project.id, results)
        return results

    def ask(self, project_id: int) -> Results | None:
        """The results of a project, whoever has asked before; None where the project is gone."""
        results = self._ask(project_id)
        self._keep(project_id, results)
        return results

    def _keep(self, project_id: int, results: Results | None) -> None:
        if results:
            with self._lock:
                self._seen[project_id] = results, self._clock.monotonic()

    def _ask(self, project_id: int) -> Results | None:
        try:
            results = ask_results(self._client.get_json, project_id)
            self._without_run.discard(project_id)
        except NotFound:
            # no run yet, or no project any more: only asking for the project itself tells them apart
            if project_id not in self._without_run and ask_project(self._client.get_json, project_id) is None:
                return None
            self._without_run.add(project_id)
            results = Results.from_answer(None)
        return results

    def may_ask(self, project_id: int) -> bool:
        """Whether it is long enough ago that a project's results were asked for."""
        with self._lock:
            _, at = self._seen.get(project_id, (None, -inf))
        return self._clock.monotonic() >= at + LEAST_SECONDS_BETWEEN_QUESTIONS

    def seen(self, project_id: int) -> Results | None:
        """What a project's results said last, unless they and a list said that it is completed."""
        with self._lock:
            results, _ = self._seen.get(project_id, (None, -inf))
        return results

    def has_failed(self, key: str, project_id: int) -> bool:
        """Whether an unfinished project has failed: its results tell, or else the lists."""
        results = self.seen(project_id)
        return results.is_failed if results else (key, project_id) in self.listed_as_failed
