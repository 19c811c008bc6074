"""Tells what of a project a stream has not handed over yet, from what it remembers of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from source_customerscanvas.api.artifacts import Artifact
from source_customerscanvas.api.projects import Project, digest
from source_customerscanvas.state.slice_state import Known
from source_customerscanvas.sync.progress import StreamProgress


@dataclass(frozen=True)
class Head:
    """What the row of each artifact of a project carries of it: when it changes, all of them are news."""

    project: Project

    def digest(self, artifact: Artifact) -> str:
        """Changes when the artifact is made anew, or its project gets another order."""
        project = self.project
        return digest([*artifact.identity, project.storefront_id, project.order_id, project.row.get("orderNumber")])


def new_artifacts(
    stream: StreamProgress,
    key: str,
    project_id: int,
    head: Head,
    artifacts: Sequence[Artifact],
    kind: Callable[[Artifact], str],
) -> list[Artifact]:
    """Those artifacts that the stream has not emitted as they are now; `kind` is what its scope chooses them by."""
    with stream.lock:
        state = stream.slice(key)
        known, covered = state.of(project_id), state.covered or stream.scope
    emitted = set(known.emitted)

    def is_new(artifact: Artifact) -> bool:
        if head.digest(artifact) in emitted:
            return False
        return not covered.has_kind(kind(artifact)) or not is_older(artifact, known.since)

    return [artifact for artifact in artifacts if is_new(artifact)]


def newest_of(artifacts: Sequence[Artifact]) -> str:
    """When the newest of these artifacts was made; empty where nobody says."""
    return max((artifact.last_modified or "" for artifact in artifacts), default="")


def is_older(artifact: Artifact, since: str) -> bool:
    """Whether an artifact was there before a time; of one without a time, nobody knows."""
    return (artifact.last_modified or since) < since


def is_new_run(known: Known, artifacts: Callable[[], Sequence[Artifact]]) -> bool:
    """Whether what a completed project shows is of a run that was not handed over before.

    Of one that had finished before, and of which nothing else is known, only the age of its artifacts tells. One
    without a time tells nothing: it would have the project acknowledged again and again.
    """
    return not known.since or any((artifact.last_modified or "") >= known.since for artifact in artifacts())
