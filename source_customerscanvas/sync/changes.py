"""What the lists of a slice showed in one watch, as far as some stream wants it."""

import zlib
from collections.abc import Iterator, Sequence

import orjson

from source_customerscanvas.api.projects import FAILED, Project
from source_customerscanvas.sync.jobs import Batch, Job
from source_customerscanvas.sync.kinds import OF_RESULTS
from source_customerscanvas.sync.progress import StreamProgress

_HEAVY_BYTES = 64 * 1024
"""The bytes of a row from which on it is asked for once more when its turn comes: its `_OWED_FIELDS` alone are kept."""

_OWED_FIELDS = ("storefrontId", "orderId", "status", "processingStatus", "created", "lastModified")
"""What tells a stream how much of a project it is owed."""


class Changes:
    """The changed projects of a slice.

    Rows are kept packed, and of heavy ones a few fields: after a long pause there may be very many.
    """

    def __init__(self, key: str, streams: Sequence[StreamProgress]) -> None:
        self.seen: dict[int, str] = {}
        """The latest time of each project that a list showed."""
        self.without_status: set[int] = set()
        self.failed: set[int] = set()
        self._key = key
        self._streams = streams
        self._packed: dict[int, bytes | None] = {}
        """The rows of the changed projects; None for one that no list showed."""
        self._heavy: set[int] = set()
        self._wanted_by: dict[int, set[str]] = {}
        self._once_more: dict[int, set[str]] = {}

    def consider(self, project: Project) -> None:
        """Take note of a project as a list shows it."""
        self.seen[project.id] = project.latest
        if project.processing_status is None:
            self.without_status.add(project.id)
        elif project.processing_status == FAILED:
            self.failed.add(project.id)
        wanted_by = {stream.name for stream in self._streams if stream.wants(self._key, project)}
        if wanted_by:
            row = project.row
            if project.fingerprint.weight > _HEAVY_BYTES:
                self._heavy.add(project.id)
                row = {name: row.get(name) for name in _OWED_FIELDS}
            self._packed[project.id] = zlib.compress(orjson.dumps(row), 1)
            self._wanted_by[project.id] = wanted_by

    def add_unlisted(self, project_id: int, stream: StreamProgress) -> None:
        """A project that no list showed is to be asked for."""
        self._packed[project_id] = None
        self._wanted_by.setdefault(project_id, set()).add(stream.name)

    def add_once_more(self, now: str) -> None:
        """Have those asked for once more that were seen to finish a look-back window ago."""
        for stream in self._streams:
            if stream.name not in OF_RESULTS:
                continue
            with stream.slice(self._key) as state:
                due = [id_ for id_, at in state.once_more.items() if stream.lookback.has_passed(at, now)]
            for project_id in due:
                # one that is read anyway is not asked for twice
                reading = self._wanted_by if project_id in self._packed else self._once_more
                reading.setdefault(project_id, set()).add(stream.name)

    def owe(self) -> None:
        """Note that the streams are owed all that a list showed; what none showed is asked for in each sync anyway."""
        for _, project, streams in self._changed():
            for stream in streams:
                if project:
                    stream.owe(self._key, project)
                stream.counts.expect(1)

    def jobs(self, batch: Batch) -> Iterator[Job]:
        """The projects to read, the newest first: in the order in which the list of artifacts shows their files."""
        for project_id, project, streams in self._changed():
            whole = None if project_id in self._heavy else project
            yield Job(batch, project_id, whole, streams, is_unlisted=project is None)
        for project_id, names in sorted(self._once_more.items(), reverse=True):
            yield Job(batch, project_id, None, self._named(names), once_more=True)

    def _changed(self) -> Iterator[tuple[int, Project | None, list[StreamProgress]]]:
        for project_id in sorted(self._packed, reverse=True):
            packed = self._packed[project_id]
            project = Project(orjson.loads(zlib.decompress(packed)), project_id) if packed else None
            yield project_id, project, self._named(self._wanted_by[project_id])

    def _named(self, names: set[str]) -> list[StreamProgress]:
        return [stream for stream in self._streams if stream.name in names]
