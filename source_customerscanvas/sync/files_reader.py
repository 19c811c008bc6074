"""Delivers the files of one project, and tells of each when it is stored."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from threading import Lock

from source_customerscanvas.api.artifacts import Artifact
from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.api.packed import those
from source_customerscanvas.api.projects import Project
from source_customerscanvas.errors import NotFound, Stopped, StoreAway, StoreUnavailable, Trouble, as_known_error
from source_customerscanvas.files.artifact_file import ArtifactFile, DeliveredFile
from source_customerscanvas.files.download import Downloader
from source_customerscanvas.files.paths import PathTemplate, ProjectValues, line_items_of
from source_customerscanvas.settings import Settings
from source_customerscanvas.state.slice_state import ManifestFiles
from source_customerscanvas.sync.kinds import FILES
from source_customerscanvas.sync.lists import projects_in_order
from source_customerscanvas.sync.news import ReadProject, is_new_run
from source_customerscanvas.sync.outcomes import Found, Outcome
from source_customerscanvas.sync.progress import StreamProgress
from source_customerscanvas.sync.records import file_record
from source_customerscanvas.sync.reporting import warn_of_trouble
from source_customerscanvas.sync.settling import Settled

logger = logging.getLogger("airbyte.source-customerscanvas")

_MOST_AT_ONCE = 1000
"""Files of one project that wait for a worker: it may have hundreds of thousands."""


@dataclass
class _Deliveries:
    """The files of one project on their way: the workers have `under_way` of them, and the next are those `to_do`."""

    read: ReadProject
    stream: StreamProgress
    settled: Settled
    downloader: Downloader
    paths: Mapping[str, str]
    to_do: Iterator[Artifact]
    under_way: int
    trouble: Trouble | None = None
    lock: Lock = field(default_factory=Lock)


class FilesReader:
    """The stream of files: rows alone where no downloader is given. Shared by the workers of a sync."""

    def __init__(self, settings: Settings, client: ApiClient, downloader: Downloader | None) -> None:
        self._settings = settings
        self._client = client
        self._downloader = downloader
        self._has_manifests = settings.order_manifest and downloader is not None
        self._template = PathTemplate(settings.file_path, has_order_files=settings.order_manifest)
        self.storefront_names: dict[int, str] = {}
        """Filled before the first project is read."""
        self.formats: set[str] = set()
        """Those of all final files that were seen."""

    def begin(self, streams: Iterable[StreamProgress]) -> None:
        """Make ready where files go; if that cannot be, only their stream ends. Raises `Stopped`."""
        for stream in streams:
            if self._downloader and stream.name == FILES:
                try:
                    self._downloader.begin()
                    logger.info(f"The stream {FILES} delivers files to {self._downloader.place}.")
                except (StoreUnavailable, StoreAway) as error:
                    stream.fail(error)

    def read(self, read: ReadProject, stream: StreamProgress, artifacts: Sequence[Artifact]) -> Found:
        """The rows of a completed project's files, or the tasks in which workers deliver them first."""
        project, results, known = read.project, read.results, read.known(stream)
        finals = those(artifacts, lambda artifact: results.is_completed and bool(artifact.output_file))
        self.formats.update(artifact.format for artifact in finals)
        in_scope = those(finals, lambda artifact: stream.scope.has_kind(artifact.format))
        news = those(in_scope, read.is_new(stream, lambda artifact: artifact.format))
        if results.is_completed:
            # by all files of the run, not only those in scope: a wider scope adds files of the same run
            new_run = not known.saw(results.digest) and is_new_run(known, lambda: finals)
            settled = read.handed_over(stream, in_scope, is_new_run=new_run)
        else:
            settled = read.settled(stream, emitted=(results.digest, *known.emitted[1:]))
        sizes = [ArtifactFile.from_row(artifact.id, artifact.listed).size or 0 for artifact in news]
        stream.counts.expect_rows(len(sizes), None if self._downloader is None else sum(sizes))
        order_id = project.order_id
        if self._has_manifests and order_id:
            read.job.batch.results[project.id] = results
        if self._downloader is None or not sizes:
            if self._has_manifests and order_id and known.condition == "held" and any(True for _ in in_scope):
                with stream.slice(read.job.key) as state:  # a manifest that was written meanwhile does not name it
                    state.manifests.setdefault(order_id, ManifestFiles())
            yield from read.job.hand_over(stream, settled, (file_record(project, artifact, None) for artifact in news))
            return
        paths = self.paths(project, finals, lambda: projects_in_order(self._client, read.job.slice, order_id or ""))
        to_do = iter(news)
        first = list(islice(to_do, _MOST_AT_ONCE))
        deliveries = _Deliveries(read, stream, settled, self._downloader, paths, to_do, len(first))
        for artifact in first:
            yield partial(self._deliver, deliveries, artifact)

    def paths(
        self, project: Project, finals: Iterable[Artifact], order: Callable[[], Sequence[Project]]
    ) -> dict[str, str]:
        """Where each of a project's final artifacts goes; all of them have to be given.

        `order` gives the projects of its order, which are asked for only where paths rest on their line items.
        """
        values = self.values(project)
        if self._template.rests_on_line_items and project.order_id:
            values = replace(values, line_items=line_items_of({**one.row, "id": one.id} for one in order()))
        return self._template.paths(values, (artifact.listed for artifact in finals))

    def order_folder(self, project: Project) -> str:
        """The folder that all files of the project's order share."""
        return self._template.order_folder(self.values(project), self._settings.storefront_ids)

    def values(self, project: Project) -> ProjectValues:
        storefront_id = project.storefront_id
        name = self.storefront_names.get(storefront_id, "") if isinstance(storefront_id, int) else ""
        return ProjectValues(storefront_id, name, {**project.row, "id": project.id})

    def _deliver(self, deliveries: _Deliveries, artifact: Artifact) -> Found:
        """Deliver a file and tell of it; the next one follows, and whoever delivers the last finishes the project."""
        stream, read = deliveries.stream, deliveries.read
        where = f"{read.project.describe()}, artifact {artifact.id}"
        try:
            if stream.failure is None:
                file = ArtifactFile.from_row(artifact.id, artifact.listed)
                delivered = deliveries.downloader.deliver(file, deliveries.paths[artifact.id])
                row = file_record(read.project, artifact, delivered)
                note = partial(self._note, deliveries, artifact, delivered)
                yield Outcome(stream.name, [(row, delivered)], note)
        except NotFound:
            logger.warning(f"The file of {where} is gone: it is not tried again unless the artifact changes.")
            stream.counts.pass_over(f"{where}: the file is gone")
            # at once, as another file of the project may stay in trouble
            yield Outcome(stream.name, note=partial(self._note, deliveries, artifact, None))
        except (StoreUnavailable, StoreAway) as error:
            stream.fail(error)
        except Stopped:
            return
        except Exception as error:
            deliveries.trouble = Trouble(where, as_known_error(error))
        if stream.failure is not None:
            return
        with deliveries.lock:
            following = next(deliveries.to_do, None)
            deliveries.under_way -= following is None
            is_last = deliveries.under_way == 0
        if following:
            yield partial(self._deliver, deliveries, following)
        if not is_last:
            return
        if deliveries.trouble:
            warn_of_trouble(deliveries.trouble)
            yield read.job.leave(stream, deliveries.trouble)
        else:
            yield read.job.settle(stream, deliveries.settled)

    def _note(self, deliveries: _Deliveries, artifact: Artifact, delivered: DeliveredFile | None) -> None:
        stream, read = deliveries.stream, deliveries.read
        order_id = read.project.order_id
        with stream.slice(read.job.key) as state:
            state.add_emitted(read.project.id, read.digest(artifact))
            if delivered and self._has_manifests and order_id:
                manifest = state.manifests.setdefault(order_id, ManifestFiles())
                manifest.add(artifact.id, delivered.relative_path, delivered.size, delivered.sha256)
