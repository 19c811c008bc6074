"""Looks at one project at a time and hands over what is news of it: its row, results, artifacts and files."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Lock
from typing import Protocol

from source_customerscanvas.api.artifacts import Artifact, Artifacts
from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.api.listing import Row
from source_customerscanvas.api.projects import (
    ARTIFACTS,
    FILES,
    HIDDEN,
    NO_STATUS,
    PROJECTS,
    RESULTS,
    UNFINISHED_CODES,
    Project,
    Results,
    Seen,
    artifact_record,
    ask_project,
    ask_results,
    digest,
    file_record,
    is_listed,
    project_record,
    results_record,
)
from source_customerscanvas.errors import (
    ConfigurationError,
    CustomersCanvasError,
    MissingPermission,
    NotFound,
    Stopped,
    StoreAway,
    StoreUnavailable,
    Trouble,
    as_known_error,
    shorten,
)
from source_customerscanvas.files.artifact_file import ArtifactFile
from source_customerscanvas.files.download import Downloader
from source_customerscanvas.files.paths import PathTemplate, ProjectValues
from source_customerscanvas.settings import Settings
from source_customerscanvas.state.stream_state import DIGEST_LENGTH, OWED_MORE
from source_customerscanvas.sync.health import Health
from source_customerscanvas.sync.news import is_new_run, new_artifacts
from source_customerscanvas.sync.outcomes import Outcome, StagedFile
from source_customerscanvas.sync.progress import StreamProgress
from source_customerscanvas.sync.reporting import pass_over
from source_customerscanvas.sync.tracker import Job, Unit
from source_customerscanvas.times import Clock

logger = logging.getLogger("airbyte.source-customerscanvas")


class Receiver(Protocol):
    """Who takes what is found (see `sync.Sync`)."""

    def put(self, stream: StreamProgress, outcome: Outcome) -> None:
        """Hand an outcome over to the reader of a stream, when there is room for it."""

    def put_file(self, task: "partial[None]") -> None:
        """Let some worker fetch a file."""

    def fail(self, failure: CustomersCanvasError) -> None:
        """End all streams with an error."""


@dataclass
class _Download:
    """The files of one project on their way; `left` counts those that no worker has finished."""

    job: Job
    project: Project
    stream: StreamProgress
    status: str
    delivered: bool
    left: int
    run: str
    unchanged: str
    content: str = ""
    trouble: Trouble | None = None
    lock: Lock = field(default_factory=Lock)


class Delivery:
    """What the workers of a sync do. It keeps nothing of a project but what its outcomes carry."""

    def __init__(
        self,
        settings: Settings,
        client: ApiClient,
        clock: Clock,
        transfer: Downloader | None,
        receiver: Receiver,
    ) -> None:
        self._settings = settings
        self._client = client
        self._clock = clock
        self._transfer = transfer
        self._receiver = receiver
        self.artifacts = Artifacts(client, clock)
        self._lock = Lock()
        self.health = Health(client)
        self.seen: dict[int, Seen] = {}
        """What the processing results said of the projects that are not simply completed, by id."""

    def put_page(self, stream: StreamProgress, unit: Unit, projects: list[Project], after: int, at: int) -> None:
        """Hand over the rows of a scan's page, which ends with the project `after` and begins at the offset `at`."""

        def remember() -> None:
            for project in projects:
                stream.settle(unit.key, project, project.status_code, "")
            stream.pass_page(unit.key, after, at)

        records: list[tuple[Row, StagedFile | None]] = [(project_record(project), None) for project in projects]
        self._receiver.put(stream, Outcome(records, remember, len(projects)))

    def do(self, job: Job) -> None:
        """Look at a project for all streams that want it."""
        if self.health.broken(job.unit):
            return  # it stays owed
        waiting = [stream for stream in job.streams if stream.failure is None]
        try:
            if waiting:
                self._look_at(job, waiting)
        except Exception as error:
            self._give_up(job, waiting, as_known_error(error))

    def _look_at(self, job: Job, waiting: list[StreamProgress]) -> None:
        """Hand over what is news of a project, and take each stream from `waiting` that got its outcome."""
        project = job.project or ask_project(self._client.get_json, job.project_id)
        if project is None or not job.unit.has(project):
            self._pass_over(job, waiting, is_gone=project is None)
            return
        if job.is_unlisted and project.status_code == NO_STATUS:
            # its status would not bring it on a list either
            job = replace(job, is_unlisted=not is_listed(self._client.get_json, job.unit.params, project))
        if waiting[0].name == PROJECTS:
            self._put_project(job, waiting.pop(0), project)
        if not waiting:
            self.health.note_read(job.unit)
            return
        if waiting[-1].name in (ARTIFACTS, FILES):
            self.artifacts.note_newest()
            if job.from_scan:
                self.artifacts.prepare()
        results = self._results(job, project)
        if results is None:
            self._pass_over(job, waiting, is_gone=True)
            return
        if not (job.from_scan and results.is_completed):
            # of a shop's history, the log names only what is not simply done
            logger.info(f"{project.describe()}: {results.status}, files: {len(results.files or [])}.")
        if results.is_failed:
            self._warn_of_failure(job, waiting[0], project, results)
        if waiting[0].name == RESULTS:
            self._put_results(job, waiting.pop(0), project, results)
        if not waiting:
            return
        if results.has_nameless_files:
            pass_over(waiting, f"{project.describe()}: output files without an artifact id")
        artifacts = self._artifacts_of(job, waiting, results)
        if waiting[0].name == ARTIFACTS:
            self._put_artifacts(job, waiting.pop(0), project, results, artifacts)
        if waiting:
            self._put_files(job, waiting.pop(0), project, results, artifacts)

    # what is asked for

    def _results(self, job: Job, project: Project) -> Results | None:
        """The processing results, asked for once for all streams; None where the project is gone."""
        with self._lock:
            seen = self.seen.get(project.id)
        if job.results or not seen or not seen.is_fresh(self._clock.monotonic()):
            results = job.results or self._ask_results(job, project)
            if results is None:
                return None
            seen = Seen(results, self._clock.monotonic())
        # else another stream has asked, or the list showed the project twice, or it has moved here meanwhile
        self.health.note_read(job.unit)
        with self._lock:
            if not seen.results.is_completed or project.status_code != "C":
                self.seen[project.id] = seen
        return seen.results

    def _ask_results(self, job: Job, project: Project) -> Results | None:
        try:
            return ask_results(self._client.get_json, project.id)
        except NotFound:
            # no run yet, or no project any more: only asking for the project itself tells them apart
            is_there = job.project is None or ask_project(self._client.get_json, job.project_id)
            return Results.from_answer(None) if is_there else None

    def _artifacts_of(self, job: Job, streams: Sequence[StreamProgress], results: Results) -> list[Artifact]:
        """All artifacts of the project that one of the streams may want, in the order of their ids."""
        output_files = {str(file["artifactId"]): file for file in results.files or [] if file.get("artifactId")}
        details = self.artifacts.details(output_files, newest_first=not job.from_scan)
        if streams[0].name == ARTIFACTS and set(self._settings.artifact_types) - {"Final"}:
            groups = {str(artifact["group"]) for artifact in details.values() if artifact.get("group")}
            for group in groups:
                for artifact in self.artifacts.of_group(group):
                    details.setdefault(str(artifact.get("id")), artifact)
        ids = sorted(output_files.keys() | details.keys())
        return [Artifact(id_, output_files.get(id_, {}), details.get(id_, {})) for id_ in ids]

    # what is handed over

    def _put_project(self, job: Job, stream: StreamProgress, project: Project) -> None:
        is_news = stream.mark(job.unit.key, project.id).row != stream.row_digest(project)
        self._put(job, stream, project, project.status_code, [project_record(project)] if is_news else [], "")

    def _put_results(self, job: Job, stream: StreamProgress, project: Project, results: Results) -> None:
        record = results_record(project, results)
        mark = stream.mark(job.unit.key, project.id)
        content, run = digest(record, DIGEST_LENGTH), ""
        is_news = content != mark.content[:DIGEST_LENGTH]
        if results.is_completed:
            # an artifact that is made anew may keep its id
            made = sorted([str(file.get("artifactId")), str(file.get("size"))] for file in results.files or [])
            run = digest(made, DIGEST_LENGTH)
        delivered = None
        if results.is_completed:
            is_same_run = mark.content[DIGEST_LENGTH:] == run
            delivered = not is_same_run and is_new_run(
                stream, job.unit.key, project.id, mark, lambda: self._artifacts_of(job, [stream], results)
            )
        records = [record] if is_news else []
        self._put(job, stream, project, results.status_code(project), records, content + run, delivered=delivered)

    def _warn_of_failure(self, job: Job, stream: StreamProgress, project: Project, results: Results) -> None:
        """Say once that a project has failed, whichever streams are selected."""
        mark = stream.mark(job.unit.key, project.id)
        if stream.name == RESULTS:
            is_known = mark.content[:DIGEST_LENGTH] == digest(results_record(project, results), DIGEST_LENGTH)
        else:
            is_known = mark.status in ("F", "R", HIDDEN) and mark.row == stream.row_digest(project)
        if not is_known:
            # the row has all of it, with the signed addresses that a failed task may name
            reason = shorten(str(results.description or "")) or "no reason given"
            logger.warning(f"The processing of {project.describe()} has failed: {reason}")

    def _put_artifacts(
        self, job: Job, stream: StreamProgress, project: Project, results: Results, artifacts: list[Artifact]
    ) -> None:
        for artifact in artifacts:
            if not artifact.details:
                stream.counts.pass_over(f"{project.describe()}: artifact {artifact.id} is gone")
        in_scope = [artifact for artifact in artifacts if artifact.details and stream.scope.has_kind(artifact.type)]
        news = new_artifacts(stream, job.unit.key, project.id, in_scope, lambda artifact: artifact.type)
        details = [{**artifact.details, "id": artifact.id} for artifact in news]
        records = [artifact_record(project, row, one.output_file) for row, one in zip(details, news, strict=True)]
        content = "".join(artifact.digest for artifact in in_scope)
        stream.counts.expect_rows(len(records))
        self._put(job, stream, project, results.status_code(project), records, content)

    def _put_files(
        self, job: Job, stream: StreamProgress, project: Project, results: Results, artifacts: list[Artifact]
    ) -> None:
        """Hand over the rows of a completed project's files, or let the workers fetch them first."""
        finals = [artifact for artifact in artifacts if artifact.output_file] if results.is_completed else []
        in_scope = [artifact for artifact in finals if stream.scope.has_kind(artifact.format)]
        news = new_artifacts(stream, job.unit.key, project.id, in_scope, lambda artifact: artifact.format)
        status, run = results.status_code(project), ""
        delivered = None
        if results.is_completed:
            # of all files, as a wider scope only adds to those that were emitted, while another run replaces them
            run = digest(sorted(artifact.digest for artifact in finals), DIGEST_LENGTH)
            mark = stream.mark(job.unit.key, project.id)
            if mark.emitted and mark.status in ("C", "R"):
                delivered = run not in mark.emitted
            else:
                delivered = mark.owed != OWED_MORE and is_new_run(
                    stream, job.unit.key, project.id, mark, lambda: finals
                )
        if self._transfer is None or not news:
            records = [file_record(project, artifact.listed) for artifact in news]
            content = run + "".join(artifact.digest for artifact in in_scope)
            stream.counts.expect_rows(len(records))
            self._put(job, stream, project, status, records, content, delivered=delivered)
            return
        rows = [artifact.listed for artifact in finals]
        values = ProjectValues(job.unit.storefront_id, None, project.row)
        paths = PathTemplate(self._settings.file_path).paths(values, rows)
        to_fetch = {artifact.id for artifact in news}
        unchanged = "".join(artifact.digest for artifact in in_scope if artifact.id not in to_fetch)
        sizes = [ArtifactFile.from_row(artifact.id, artifact.listed).size or 0 for artifact in news]
        stream.counts.expect_rows(len(news), sum(sizes))
        download = _Download(job, project, stream, status, bool(delivered), len(news), run, unchanged)
        for artifact in news:
            self._receiver.put_file(partial(self._fetch, self._transfer, download, artifact, paths[artifact.id]))

    def _fetch(self, transfer: Downloader, download: _Download, artifact: Artifact, path: str) -> None:
        """Fetch a file and hand it over; whoever fetches the last one finishes the project."""
        stream, key = download.stream, download.job.unit.key
        where = f"{download.project.describe()}, artifact {artifact.id}"
        try:
            if stream.failure is None:
                fetched = transfer.deliver(ArtifactFile.from_row(artifact.id, artifact.listed), path)
                record = file_record(
                    download.project,
                    artifact.listed,
                    size=fetched.size,
                    sha256=fetched.sha256,
                    path=fetched.relative_path,
                )
                path_here = fetched.local_path if self._settings.files.delivery == "airbyte" else None
                staged = StagedFile(path_here, fetched.relative_path, fetched.size) if path_here else None
                remember = partial(
                    stream.add_content, key, download.project.id, artifact.digest, artifact.last_modified
                )
                self._receiver.put(stream, Outcome([(record, staged)], remember))
        except NotFound:
            logger.warning(f"The file of {where} is gone: it is not tried again unless the artifact changes.")
            stream.counts.pass_over(f"{where}: the file is gone")
            # at once, as another file of the project may stay in trouble
            remember = partial(stream.add_content, key, download.project.id, artifact.digest)
            self._receiver.put(stream, Outcome(remember=remember))
        except (StoreUnavailable, StoreAway) as error:
            stream.fail(error)
        except Exception as error:
            download.trouble = Trouble(where, as_known_error(error))
        with download.lock:
            download.content += artifact.digest
            download.left -= 1
            is_last = download.left == 0
        if is_last and stream.failure is None:
            if download.trouble:
                self._leave(download.job, [stream], download.trouble, download.unchanged)
            else:
                content = download.run + download.unchanged + download.content
                self._put(
                    download.job, stream, download.project, download.status, [], content, delivered=download.delivered
                )

    def _put(
        self,
        job: Job,
        stream: StreamProgress,
        project: Project,
        status: str,
        records: list[Row],
        content: str,
        *,
        delivered: bool | None = None,
    ) -> None:
        newest = None
        if stream.name in (ARTIFACTS, FILES):
            newest = max((record["lastModified"] or "" for record in records), default=None)
        mark = stream.mark(job.unit.key, project.id)
        is_as_before = mark.status in (status, HIDDEN) and mark.row == stream.row_digest(project)
        if job.is_unlisted and is_as_before and status in UNFINISHED_CODES:
            status = HIDDEN
        remember = partial(stream.settle, job.unit.key, project, status, content, delivered=delivered, newest=newest)
        self._receiver.put(stream, Outcome([(record, None) for record in records], remember, finished=1))

    def _pass_over(self, job: Job, waiting: list[StreamProgress], *, is_gone: bool) -> None:
        """Leave out a project that is gone; forget one that belongs elsewhere now and is found there."""
        if is_gone:
            logger.warning(f"{_where(job)} is gone: passed over.")
        for stream in waiting:
            remember = partial(stream.forget, job.unit.key, job.project_id)
            if is_gone:
                stream.counts.pass_over(f"{_where(job)} is gone")
                remember = partial(stream.miss, job.unit.key, job.project_id, is_listed=job.project is not None)
            self._receiver.put(stream, Outcome(remember=remember, finished=1))

    def _give_up(self, job: Job, waiting: list[StreamProgress], error: CustomersCanvasError) -> None:
        """Leave a project that could not be read to the next sync."""
        if isinstance(error, Stopped):
            return
        if isinstance(error, ConfigurationError) and not isinstance(error, MissingPermission):
            self._receiver.fail(error)
            return
        self._leave(job, waiting, Trouble(_where(job), error))
        with suppress(Stopped):
            self.health.note_failure(job, error)

    def _leave(self, job: Job, waiting: list[StreamProgress], trouble: Trouble, unchanged: str | None = None) -> None:
        logger.warning(f"Left to the next sync: {trouble}", exc_info=trouble.error.__cause__)
        for stream in waiting:
            remember = partial(stream.leave, job.unit.key, job.project_id, trouble, unchanged)
            self._receiver.put(stream, Outcome(remember=remember, finished=1))


def _where(job: Job) -> str:
    return job.project.describe() if job.project else f"{job.unit.describe()}, project {job.project_id}"
