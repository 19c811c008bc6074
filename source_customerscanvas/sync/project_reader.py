"""Reads one project at a time and tells what is news of it: its row, results, artifacts and files."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from source_customerscanvas.api.client import ApiClient
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
from source_customerscanvas.sync.artifacts_reader import ArtifactsReader
from source_customerscanvas.sync.files_reader import FilesReader
from source_customerscanvas.sync.health import Health
from source_customerscanvas.sync.jobs import Job
from source_customerscanvas.sync.kinds import (
    ARTIFACTS,
    OF_ARTIFACTS,
    OF_ORDERS,
    OF_RESULTS,
    PROJECTS,
    RESULTS,
    digest_for,
)
from source_customerscanvas.sync.lists import is_listed
from source_customerscanvas.sync.news import ReadProject, is_new_run
from source_customerscanvas.sync.order_reader import OrderReader
from source_customerscanvas.sync.outcomes import Found, Outcome, Touching
from source_customerscanvas.sync.progress import StreamProgress
from source_customerscanvas.sync.records import project_record, results_record
from source_customerscanvas.sync.reporting import pass_over, warn_of_trouble
from source_customerscanvas.sync.results_reader import ResultsReader
from source_customerscanvas.sync.settling import Settled
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
        artifacts: ArtifactsReader,
    ) -> None:
        self.health = Health(client)
        self._artifacts = artifacts
        self._orders = orders
        self._statuses = settings.statuses
        self._client = client
        self._files = files
        self._results = results

    def read(self, job: Job) -> Found:
        """All that is news of a project to the streams that want it. Raises what ends the whole sync."""
        if self.health.broken(job.slice):
            return  # it stays owed
        streams = [stream for stream in job.streams if stream.failure is None]
        done: set[str] = set()
        try:
            for found in self._once_more(job, streams) if job.once_more else self._read(job, streams):
                if isinstance(found, Touching) or (isinstance(found, Outcome) and found.note):
                    done.add(found.stream)
                yield found
        except Stopped:
            return
        except Exception as error:
            known = as_known_error(error)
            if is_fatal(known):
                raise known from None
            trouble = Trouble(job.describe(), known)
            warn_of_trouble(trouble)
            yield from (job.leave(stream, trouble) for stream in streams if stream.name not in done)
            self.health.note_failure(job, known)

    def _once_more(self, job: Job, streams: Sequence[StreamProgress]) -> Found:
        """Ask for the results of a finished project; only where they have changed, the project is read again."""
        results = self._results.ask(job.project_id)
        if results is None:
            yield from self._pass_over(job, streams, None)
            return
        changed = [one for one in streams if not one.known(job.key, job.project_id).saw(results.digest)]
        for stream in streams:
            if stream not in changed:
                yield Outcome(stream.name, note=partial(stream.end_once_more, job.key, job.project_id))
        if changed:
            yield from self._read(job, changed)

    def _read(self, job: Job, streams: Sequence[StreamProgress]) -> Found:
        """The last that each stream gets of a project is an outcome with a note, or the orders that it touches."""
        project = job.project or ask_project(self._client.get_json, job.project_id)
        if project is None or not job.slice.has(project):
            yield from self._pass_over(job, streams, project)
            return
        if job.is_unlisted:
            if _is_obsolete(self._client, job, streams, project):
                yield from self._pass_over(job, streams, None)
                return
            changed = [stream for stream in streams if not _is_open_as_before(job, stream, project)]
            for stream in streams:
                if stream not in changed:
                    yield Outcome(stream.name, note=partial(_settle_unchanged, stream, job.key, project), finished=1)
            streams = changed
        at = format_utc(self._client.shop_now())
        for stream in streams:
            if stream.name == PROJECTS:
                yield self._project(job, stream, project, at)
        results = None
        of_results = [stream for stream in streams if stream.name in OF_RESULTS]
        if of_results:
            results = self._results.of(project)
            if results is None:
                yield from self._pass_over(job, [stream for stream in streams if stream.name != PROJECTS], None)
                return
        # before the artifacts: if those cannot be read, the order's row comes all the same
        for stream in streams:
            if stream.name in OF_ORDERS:
                yield self._order(job, stream, project, self._results.seen(project.id) or results, at)
        if results is not None:
            yield from self._of_results(ReadProject(job, project, results, at), of_results)
        self.health.note_read(job.slice)

    def _of_results(self, read: ReadProject, streams: Sequence[StreamProgress]) -> Found:
        project, results = read.project, read.results
        if not (read.job.from_scan and results.is_completed):
            # of a shop's history, the log names only what is not simply done
            logger.info(f"{project.describe()}: {results.status}, files: {len(results.files or [])}.")
        if results.is_failed:
            _warn_of_failure(read, streams[0])
        for stream in streams:
            if stream.name == RESULTS:
                yield self._results_outcome(read, stream)
        of_artifacts = [stream for stream in streams if stream.name in OF_ARTIFACTS]
        if not self._statuses.includes(project.business_status):
            yield from (self._held(read, stream) for stream in of_artifacts)
        elif of_artifacts:
            if results.has_nameless_files:
                pass_over(of_artifacts, f"{project.describe()}: output files without an artifact id")
            artifacts = self._artifacts.of(read, of_artifacts)
            for stream in of_artifacts:
                reader = self._artifacts if stream.name == ARTIFACTS else self._files
                yield from reader.read(read, stream, artifacts)

    def _project(self, job: Job, stream: StreamProgress, project: Project, at: str) -> Outcome:
        settled = Settled.of(stream.name, project, None, at)
        is_news = stream.known(job.key, project.id).seen != settled.seen
        return job.settle(stream, settled, [project_record(project)] if is_news else [])

    def _results_outcome(self, read: ReadProject, stream: StreamProgress) -> Outcome:
        project, results, known = read.project, read.results, read.known(stream)
        emitted: tuple[str, ...] = (results.digest + digest([project.order_keys, project.updated_at]),)
        rows = [results_record(project, results)] if known.emitted[:1] != emitted else []
        settled = read.settled(stream)
        new_run = self._is_new_run(read, stream, known) if results.is_completed else None
        if stream.ledger and new_run is not None and not self._statuses.includes(project.business_status):
            # a held project is not delivered; the second digest is of the run that was delivered before it was held
            delivered = tuple(known.emitted[1:]) if known.condition == "held" else () if new_run else (results.digest,)
            emitted += delivered
            settled = replace(settled, condition="held")
            new_run = None
        return read.job.settle(stream, replace(settled, emitted=emitted, is_new_run=new_run), rows)

    def _is_new_run(self, read: ReadProject, stream: StreamProgress, known: Known) -> bool:
        """Whether a completed project's results are of a run that was not delivered before."""
        if known.condition == "held":
            return read.results.digest not in known.emitted[1:]
        # of a project that finished before the first sync only its artifacts tell; only acknowledging is worth them
        if known.saw(read.results.digest) or (known.emitted_until and stream.ledger is None):
            return False
        return is_new_run(known, lambda: self._artifacts.of(read, [stream]))

    def _held(self, read: ReadProject, stream: StreamProgress) -> Outcome:
        """A project that is not produced: nothing of it is emitted, and what was emitted before stays known."""
        known = read.known(stream)
        settled = read.settled(stream, emitted=(read.results.digest, *known.emitted[1:]))
        if read.results.is_completed:
            # also where the list is yet to follow: a run that is seen while it is held does not count as delivered, as
            # it is a new one when it is produced
            settled = replace(settled, condition="held", emitted=tuple(known.emitted))
        stream.counts.hold(read.project.describe())
        return read.job.settle(stream, settled)

    def _order(
        self, job: Job, stream: StreamProgress, project: Project, results: Results | None, at: str
    ) -> Outcome | Touching:
        """Its order, to be looked at when all of the batch was read, and the order that it was in before."""
        settled = Settled.of(stream.name, project, results, at, stream.scope.statuses)
        settled = replace(settled, emitted=(project.order_id or "",))
        former = stream.known(job.key, project.id).emitted[:1]
        orders = [order_id for order_id in former if order_id not in ("", project.order_id)]
        if project.order_id and (orders or not self._orders.was_shown(stream.name, settled)):
            orders.append(project.order_id)
        if not orders:
            return job.settle(stream, settled)
        return Touching(stream.name, project.id, orders, partial(stream.settle, job.key, settled))

    def _pass_over(self, job: Job, streams: Sequence[StreamProgress], project: Project | None) -> Found:
        """Leave out a project that is gone (None), or that belongs elsewhere now and is found there."""
        where = job.describe()
        if project is None:
            logger.warning(f"{where} is gone: passed over.")
        for stream in streams:
            with stream.slice(job.key) as state:
                former, was_missing = state.of(job.project_id).emitted[:1], job.project_id in state.missing
            if project is None:
                stream.counts.pass_over(f"{where} is gone")
                note = partial(stream.miss, job.key, job.project_id, is_listed=job.project is not None)
            else:
                note = partial(stream.pass_on, job.key, project)
            if stream.name in OF_ORDERS and any(former) and not was_missing:
                # a state that has forgotten the project would never have its row taken from the order
                yield Touching(stream.name, job.project_id, former, note)
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


def _is_obsolete(client: ApiClient, job: Job, streams: Sequence[StreamProgress], project: Project) -> bool:
    """Whether an open or held project is on no list: it was thrown away, although it is still given by its id."""
    is_held = any(stream.known(job.key, project.id).condition == "held" for stream in streams)
    return (is_held or not project.is_completed) and not is_listed(client, job.slice, project)


def _is_open_as_before(job: Job, stream: StreamProgress, project: Project) -> bool:
    """Whether an open project that no list showed has not moved on, and nothing is owed of it from an earlier sync."""
    with stream.slice(job.key) as state:
        known, is_owed = state.of(project.id), project.id in state.owed
    is_open = not project.is_completed and known.condition == "open"
    return is_open and not is_owed and known.seen == digest_for(stream.name, project)


def _settle_unchanged(stream: StreamProgress, key: str, project: Project) -> None:
    with stream.slice(key) as state:
        state.settle(project.id, state.of(project.id))
        if project.processing_status is None:
            state.unlisted.add(project.id)
