"""Reads one project at a time and tells what is news of it: its row, results, artifacts and files."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from source_customerscanvas.api.artifacts import Artifact, Artifacts
from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.api.packed import compact, those
from source_customerscanvas.api.projects import Project, Results, ask_project, digest
from source_customerscanvas.errors import (
    ConfigurationError,
    CustomersCanvasError,
    MissingPermission,
    ServerAway,
    Stopped,
    Trouble,
    as_known_error,
    shorten,
)
from source_customerscanvas.settings import Settings
from source_customerscanvas.state.slice_state import Known
from source_customerscanvas.sync.files_reader import FilesReader
from source_customerscanvas.sync.health import Health
from source_customerscanvas.sync.jobs import Job, Touching
from source_customerscanvas.sync.kinds import ARTIFACTS, FILES, OF_ORDERS, OF_RESULTS, PROJECTS, RESULTS, digest_for
from source_customerscanvas.sync.lists import is_listed
from source_customerscanvas.sync.news import ReadProject, is_new_run
from source_customerscanvas.sync.order_reader import OrderReader
from source_customerscanvas.sync.outcomes import Found, Outcome
from source_customerscanvas.sync.progress import StreamProgress
from source_customerscanvas.sync.records import artifact_record, project_record, results_record
from source_customerscanvas.sync.reporting import pass_over, warn_of_trouble
from source_customerscanvas.sync.results_reader import ResultsReader
from source_customerscanvas.sync.settling import settled_of
from source_customerscanvas.times import format_utc

logger = logging.getLogger("airbyte.source-customerscanvas")


class ProjectReader:
    """What a worker does with a project. It keeps nothing of one but what its outcomes carry."""

    def __init__(
        self,
        settings: Settings,
        client: ApiClient,
        files: FilesReader,
        results: ResultsReader,
        orders: OrderReader,
        artifacts: Artifacts,
    ) -> None:
        self.health = Health(client)
        self._artifacts = artifacts
        self._orders = orders
        self._settings = settings
        self._client = client
        self._files = files
        self._results = results

    def read(self, job: Job) -> Found:
        """All that is news of a project to the streams that want it. Raises what ends the whole sync."""
        if self.health.broken(job.slice):
            return  # it stays owed
        waiting = [stream for stream in job.streams if stream.failure is None]
        try:
            yield from self._once_more(job, waiting) if job.once_more else self._read(job, waiting)
        except Stopped:
            return
        except Exception as error:
            known = as_known_error(error)
            if is_fatal(known):
                raise known from None
            trouble = Trouble(job.describe(), known)
            warn_of_trouble(trouble)
            for stream in waiting:
                yield job.leave(stream, trouble)
            self.health.note_failure(job, known)

    def _once_more(self, job: Job, waiting: list[StreamProgress]) -> Found:
        """Ask for the results of a finished project; only where they have changed, the project is read again."""
        results = self._results.ask(job.project_id)
        if results is None:
            yield from self._pass_over(job, waiting, None)
            return
        for stream in list(waiting):
            if stream.known(job.key, job.project_id).saw(results.digest):
                waiting.remove(stream)
                yield Outcome(stream.name, note=partial(stream.end_once_more, job.key, job.project_id))
        if waiting:
            yield from self._read(job, waiting)

    def _read(self, job: Job, waiting: list[StreamProgress]) -> Found:
        """Tell what is news of a project, and take each stream from `waiting` that got its outcome."""
        project = job.project or ask_project(self._client.get_json, job.project_id)
        if project is None or not job.slice.has(project):
            yield from self._pass_over(job, waiting, project)
            return
        if job.is_unlisted and _is_obsolete(self._client, job, waiting, project):
            yield from self._pass_over(job, waiting, None)
            return
        if job.is_unlisted and not project.is_completed:
            yield from self._still_unlisted(job, waiting, project)
        at = format_utc(self._client.shop_now())
        if waiting and waiting[0].name == PROJECTS:
            yield self._project(job, waiting.pop(0), project, at)
        results = None
        if any(stream.name in OF_RESULTS for stream in waiting):
            results = self._results.of(project)
            if results is None:
                yield from self._pass_over(job, waiting, None)
                return
        # before the artifacts: if those cannot be read, the order's row comes all the same
        for stream in [stream for stream in waiting if stream.name in OF_ORDERS]:
            waiting.remove(stream)
            yield from self._order(job, stream, project, self._results.seen_of(project.id) or results, at)
        if results is not None:
            yield from self._of_results(ReadProject(job, project, results, at), waiting)
        self.health.note_read(job.slice)

    def _still_unlisted(self, job: Job, waiting: list[StreamProgress], project: Project) -> Iterator[Outcome]:
        """Settle an open project that a watch missed and that has not changed, and take its streams from `waiting`."""
        for stream in list(waiting):
            known = stream.known(job.key, project.id)
            if known.condition == "open" and known.seen == digest_for(stream.name, project):
                waiting.remove(stream)
                yield Outcome(stream.name, note=partial(_settle_unchanged, stream, job.key, project), finished=1)

    def _of_results(self, read: ReadProject, waiting: list[StreamProgress]) -> Found:
        project, results = read.project, read.results
        if not (read.job.from_scan and results.is_completed):
            # of a shop's history, the log names only what is not simply done
            logger.info(f"{project.describe()}: {results.status}, files: {len(results.files or [])}.")
        if results.is_failed:
            _warn_of_failure(read, waiting[0])
        if waiting[0].name == RESULTS:
            yield self._results_outcome(read, waiting.pop(0))
        # only streams of artifacts are left
        for stream in list(waiting):
            if not stream.scope.statuses.includes(project.business_status):
                waiting.remove(stream)
                yield self._held(read, stream)
        if not waiting:
            return
        if results.has_nameless_files:
            pass_over(waiting, f"{project.describe()}: output files without an artifact id")
        artifacts = self._artifacts_of(read, waiting)
        if waiting[0].name == ARTIFACTS:
            yield from self._artifact_rows(read, waiting.pop(0), artifacts)
        if waiting and waiting[0].name == FILES:
            yield from self._files.read(read, waiting.pop(0), artifacts)

    def _artifacts_of(self, read: ReadProject, streams: Sequence[StreamProgress]) -> Sequence[Artifact]:
        """All artifacts of the project that one of the streams may want."""
        if read.job.from_scan:
            self._artifacts.prepare()
        wants_others = streams[0].name == ARTIFACTS and set(self._settings.artifact_types) != {"Final"}
        found = self._found_artifacts(read, wants_others=wants_others)
        return compact(found, Artifact.to_json, Artifact.from_json)

    def _found_artifacts(self, read: ReadProject, *, wants_others: bool) -> Iterator[Artifact]:
        files, places = read.results.files or [], read.results.places
        groups: set[str] = set()
        changed = read.project.updated_at
        for id_, details in self._artifacts.details(places, newest_first=not read.job.from_scan, changed=changed):
            if wants_others and details.get("group"):
                groups.add(str(details["group"]))
            yield Artifact(id_, files[places[id_]], details)
        others: set[str] = set()
        for group in sorted(groups):
            for row in self._artifacts.of_group(group):
                id_ = str(row["id"])
                if id_ not in places and id_ not in others:
                    others.add(id_)
                    yield Artifact(id_, {}, row)

    def _project(self, job: Job, stream: StreamProgress, project: Project, at: str) -> Outcome:
        settled = settled_of(stream.name, project, None, at)
        is_news = stream.known(job.key, project.id).seen != settled.seen
        return job.settle(stream, settled, [project_record(project)] if is_news else [])

    def _results_outcome(self, read: ReadProject, stream: StreamProgress) -> Outcome:
        project, results, known = read.project, read.results, read.known(stream)
        emitted: tuple[str, ...] = (results.digest + digest([project.order_keys, project.updated_at]),)
        rows = [results_record(project, results)] if known.emitted[:1] != emitted else []
        settled = read.settled(stream)
        new_run = self._is_new_run(read, stream, known) if results.is_completed else None
        if stream.ledger and new_run is not None and not stream.scope.statuses.includes(project.business_status):
            # a held project is not delivered; the second digest is of the run that was delivered before it was held
            delivered = tuple(known.emitted[1:]) if known.condition == "held" else () if new_run else (results.digest,)
            emitted += delivered
            settled = replace(settled, condition="held", held_by=str(project.business_status))
            new_run = None
        return read.job.settle(stream, replace(settled, emitted=emitted, is_new_run=new_run), rows)

    def _is_new_run(self, read: ReadProject, stream: StreamProgress, known: Known) -> bool:
        """Whether a completed project's results are of a run that was not delivered before."""
        if known.condition == "held":
            return read.results.digest not in known.emitted[1:]
        # of a project that finished before the first sync only its artifacts tell; only acknowledging is worth them
        if known.saw(read.results.digest) or (known.emitted_until and stream.ledger is None):
            return False
        return is_new_run(known, lambda: self._artifacts_of(read, [stream]))

    def _held(self, read: ReadProject, stream: StreamProgress) -> Outcome:
        """A project that is not produced: nothing of it is emitted, and what was emitted before stays known."""
        known, held_by = read.known(stream), str(read.project.business_status)
        settled = read.settled(stream, held_by=held_by, emitted=(read.results.digest, *known.emitted[1:]))
        if read.results.is_completed:
            # also where the list is yet to follow: a run that is seen while it is held does not count as delivered, as
            # it is a new one when it is produced
            settled = replace(settled, condition="held", emitted=tuple(known.emitted))
        stream.counts.hold(read.project.describe())
        if stream.name == FILES:
            self._files.touch(read, stream)
        return read.job.settle(stream, settled)

    def _artifact_rows(self, read: ReadProject, stream: StreamProgress, artifacts: Sequence[Artifact]) -> Found:
        for artifact in those(artifacts, lambda artifact: not artifact.details):
            stream.counts.pass_over(f"{read.project.describe()}: artifact {artifact.id} is gone")
        in_scope = those(artifacts, lambda artifact: bool(artifact.details) and stream.scope.has_kind(artifact.type))
        news = those(in_scope, read.is_new(stream, lambda artifact: artifact.type))
        count = sum(1 for _ in news)
        stream.counts.expect_rows(count)
        settled = read.handed_over(stream, in_scope, is_new_run=count > 0)
        yield from read.job.hand_over(stream, settled, (artifact_record(read.project, artifact) for artifact in news))

    def _order(
        self, job: Job, stream: StreamProgress, project: Project, results: Results | None, at: str
    ) -> Iterator[Outcome]:
        """Have the project's order looked at when all of the batch was read, and the order that it was in before."""
        settled = settled_of(stream.name, project, results, at)
        settled = replace(settled, emitted=(project.order_id or "",))
        former = stream.known(job.key, project.id).emitted[:1]
        orders = [order_id for order_id in former if order_id not in ("", project.order_id)]
        if project.order_id and (orders or not self._orders.was_shown(stream.name, settled)):
            orders.append(project.order_id)
        if orders:
            note = partial(stream.settle, job.key, settled)
            job.batch.touch(stream.name, Touching(project.id, orders, note))
        else:
            yield job.settle(stream, settled)

    def _pass_over(self, job: Job, waiting: Sequence[StreamProgress], project: Project | None) -> Iterator[Outcome]:
        """Leave out a project that is gone (None), or that belongs elsewhere now and is found there."""
        where = job.describe()
        if project is None:
            logger.warning(f"{where} is gone: passed over.")
        for stream in waiting:
            with stream.lock:
                state = stream.slice(job.key)
                former, was_missing = state.of(job.project_id).emitted[:1], job.project_id in state.missing
            if stream.name == FILES:
                self._files.touch_waiting(job, stream)
            if project is None:
                stream.counts.pass_over(f"{where} is gone")
                note = partial(stream.miss, job.key, job.project_id, is_listed=job.project is not None)
            else:
                note = partial(stream.pass_on, job.key, project)
            if stream.name in OF_ORDERS and any(former) and not was_missing:
                # a state that has forgotten the project would never have its row taken from the order
                job.batch.touch(stream.name, Touching(job.project_id, former, note))
            else:
                yield Outcome(stream.name, note=note, finished=1)


def _warn_of_failure(read: ReadProject, stream: StreamProgress) -> None:
    """Say once that a project has failed, whichever streams are selected."""
    if not read.known(stream).saw(read.results.digest):
        # the row has all of it, with the signed addresses that a failed task may name
        reason = shorten(str(read.results.description or "")) or "no reason given"
        logger.warning(f"The processing of {read.project.describe()} has failed: {reason}")


def is_fatal(error: CustomersCanvasError) -> bool:
    """Whether an error is the whole sync's, and not one project's."""
    is_setting = isinstance(error, ConfigurationError) and not isinstance(error, MissingPermission)
    return is_setting or isinstance(error, ServerAway)


def _is_obsolete(client: ApiClient, job: Job, waiting: Sequence[StreamProgress], project: Project) -> bool:
    """Whether an open or held project is on no list: it was thrown away, although it is still given by its id."""
    is_held = any(stream.known(job.key, project.id).condition == "held" for stream in waiting)
    return (is_held or not project.is_completed) and not is_listed(client, job.slice, project)


def _settle_unchanged(stream: StreamProgress, key: str, project: Project) -> None:
    with stream.lock:
        state = stream.slice(key)
        state.settle(project.id, state.of(project.id))
        if project.processing_status is None:
            state.unlisted.add(project.id)
