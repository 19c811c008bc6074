"""Tells what of a project a stream has not handed over yet, from what it remembers of it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from source_customerscanvas.api.artifacts import Artifact
from source_customerscanvas.api.projects import Project, Results, digest
from source_customerscanvas.state.slice_state import Known
from source_customerscanvas.sync.jobs import Job
from source_customerscanvas.sync.progress import StreamProgress
from source_customerscanvas.sync.settling import Settled, settled_of


@dataclass(frozen=True)
class ReadProject:
    """A project of which a worker has just read the processing results; `at` is the shop's time."""

    job: Job
    project: Project
    results: Results
    at: str

    def known(self, stream: StreamProgress) -> Known:
        return stream.known(self.job.key, self.project.id)

    def settled(self, stream: StreamProgress, **found: Any) -> Settled:
        """What the stream's state has to know of it, with what was `found` besides project and results."""
        return replace(settled_of(stream.kind, self.project, self.results, self.at), **found)

    def handed_over(self, stream: StreamProgress, artifacts: Iterable[Artifact], **found: Any) -> Settled:
        """What the stream's state has to know of it when these of its artifacts were handed over."""
        emitted, newest = [self.results.digest], ""
        for artifact in artifacts:
            emitted.append(self.digest(artifact))
            newest = max(newest, artifact.last_modified or "")
        return self.settled(stream, emitted=tuple(emitted), newest=newest, **found)

    def digest(self, artifact: Artifact) -> str:
        """Changes when the artifact is made anew, or its project gets another order."""
        project = self.project
        return digest([*artifact.identity, project.storefront_id, project.order_id, project.row.get("orderNumber")])

    def is_new(self, stream: StreamProgress, kind: Callable[[Artifact], str]) -> Callable[[Artifact], bool]:
        """Tells an artifact that the stream had not emitted by now as it is; `kind` is what its scope chooses it by."""
        with stream.lock:
            state = stream.slice(self.job.key)
            known, covered = state.of(self.project.id), state.covered or stream.scope
        emitted = frozenset(known.emitted)
        return lambda artifact: (
            self.digest(artifact) not in emitted
            and not (covered.has_kind(kind(artifact)) and is_older(artifact, known.since))
        )


def newest_of(artifacts: Iterable[Artifact]) -> str:
    """When the newest of these artifacts was made; empty where nobody says."""
    return max((artifact.last_modified or "" for artifact in artifacts), default="")


def is_older(artifact: Artifact, since: str) -> bool:
    """Whether an artifact was there before a time; of one without a time, nobody knows."""
    return (artifact.last_modified or since) < since


def is_new_run(known: Known, artifacts: Callable[[], Iterable[Artifact]]) -> bool:
    """Whether what a completed project shows is of a run that was not handed over before.

    Of one that had finished before, and of which nothing else is known, only the age of its artifacts tells. One
    without a time tells nothing: it would have the project acknowledged again and again.
    """
    return not known.since or newest_of(artifacts()) >= known.since
