"""Finds the artifacts of one project, and tells which of them are news."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from source_customerscanvas.api.artifacts import Artifact, Artifacts
from source_customerscanvas.api.packed import compact, those
from source_customerscanvas.settings import Settings
from source_customerscanvas.sync.kinds import ARTIFACTS
from source_customerscanvas.sync.news import ReadProject
from source_customerscanvas.sync.outcomes import Found
from source_customerscanvas.sync.progress import StreamProgress
from source_customerscanvas.sync.records import artifact_record


class ArtifactsReader:
    """The stream of artifacts, and what the files are chosen from. Shared by the workers of a sync."""

    def __init__(self, settings: Settings, artifacts: Artifacts) -> None:
        self._artifacts = artifacts
        self._wants_others = set(settings.artifact_types) != {"Final"}

    def of(self, read: ReadProject, streams: Sequence[StreamProgress]) -> Sequence[Artifact]:
        """All artifacts of the project that one of the streams may want."""
        if read.job.from_scan:
            self._artifacts.prepare()
        wants_others = self._wants_others and any(stream.name == ARTIFACTS for stream in streams)
        return compact(self._found(read, wants_others=wants_others), Artifact.to_json, Artifact.from_json)

    def _found(self, read: ReadProject, *, wants_others: bool) -> Iterator[Artifact]:
        files, places = read.results.files or [], read.results.places
        groups: set[str] = set()
        changed = read.project.updated_at
        if read.job.project is None:
            # its run may have ended just now, without a trace in the project's own times
            changed = max(changed, read.at)
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

    def read(self, read: ReadProject, stream: StreamProgress, artifacts: Sequence[Artifact]) -> Found:
        """The rows of the artifacts in scope that are news."""
        for artifact in those(artifacts, lambda artifact: not artifact.details):
            stream.counts.pass_over(f"{read.project.describe()}: artifact {artifact.id} is gone")
        in_scope = those(artifacts, lambda artifact: bool(artifact.details) and stream.scope.has_kind(artifact.type))
        news = those(in_scope, read.is_new(stream, lambda artifact: artifact.type))
        count = sum(1 for _ in news)
        stream.counts.expect_rows(count)
        settled = read.handed_over(stream, in_scope, is_new_run=count > 0)
        if not read.results.is_completed:
            # when the run has ended, its results may list again what they do not list now
            emitted = dict.fromkeys((*settled.emitted, *read.known(stream).emitted[1:]))
            settled = replace(settled, emitted=tuple(emitted))
        yield from read.job.hand_over(stream, settled, (artifact_record(read.project, artifact) for artifact in news))
