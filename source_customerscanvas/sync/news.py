"""A project as a worker has read it, and which of its artifacts a stream has not emitted yet."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from source_customerscanvas.api.artifacts import Artifact
from source_customerscanvas.api.projects import Project, Results, digest
from source_customerscanvas.state.slice_state import Known
from source_customerscanvas.sync.jobs import Job
from source_customerscanvas.sync.progress import StreamProgress
from source_customerscanvas.sync.settling import Settled


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
        if self.job.once_more:
            # its results were asked for before itself: what changed in between, the next list has to show as a change
            found["seen"] = self.known(stream).seen
        return replace(Settled.of(stream.name, self.project, self.results, self.at), **found)

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
        with stream.slice(self.job.key) as state:
            known, covered = state.of(self.project.id), state.covered or stream.scope
        emitted = frozenset(known.emitted)
        return lambda artifact: (
            self.digest(artifact) not in emitted
            # of an artifact without a time, nobody knows whether it is older
            and not (covered.has_kind(kind(artifact)) and "" < (artifact.last_modified or "") < known.emitted_until)
        )


def is_new_run(known: Known, artifacts: Callable[[], Iterable[Artifact]]) -> bool:
    """Whether a completed project's results are of a run that was not delivered before.

    If all that is known is that the project had finished before `emitted_until`, the times of its artifacts decide.
    Artifacts without a time count as old: otherwise the project would be acknowledged in every sync.
    """
    until = known.emitted_until
    return not until or any((artifact.last_modified or "") >= until for artifact in artifacts())
