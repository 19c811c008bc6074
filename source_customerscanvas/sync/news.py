"""Tells what of a project is news to a stream, from what the stream remembers of it."""

from collections.abc import Callable, Sequence

from source_customerscanvas.api.artifacts import Artifact
from source_customerscanvas.state.stream_state import OWED_AGAIN, OWED_MORE, OWED_MORE_AGAIN, Mark
from source_customerscanvas.sync.progress import StreamProgress


def new_artifacts(
    stream: StreamProgress,
    key: str,
    project_id: int,
    artifacts: Sequence[Artifact],
    kind: Callable[[Artifact], str],
) -> list[Artifact]:
    """Those artifacts that the stream has not emitted as they are now; `kind` is what its scope chooses them by."""
    with stream.lock:  # once for all: each time, the workers may have to wait for each other
        mark = stream.mark(key, project_id)
        covered = stream.covered(key)
        changed_since = stream.unchanged_before(key, project_id)

    def is_new(artifact: Artifact) -> bool:
        if artifact.digest in mark.emitted:
            return False
        if mark.owed in (OWED_MORE, OWED_MORE_AGAIN) and not covered.has_kind(kind(artifact)):
            return True
        return mark.owed != OWED_MORE and (artifact.last_modified or changed_since) >= changed_since

    return [artifact for artifact in artifacts if is_new(artifact)]


def is_new_run(
    stream: StreamProgress, key: str, project_id: int, mark: Mark, artifacts: Callable[[], Sequence[Artifact]]
) -> bool:
    """Whether what a completed project shows, and its mark does not know, is of a run not handed over before."""
    if stream.deliveries.was_acknowledged(key, project_id):
        return False
    if mark.owed not in (OWED_AGAIN, OWED_MORE_AGAIN):
        return True
    if stream.deliveries.since is None:
        return False
    # finished before, and changed since: only the age of its artifacts tells whether it was run again
    boundary = stream.deliveries.handed_over_before(key, project_id)
    return any((artifact.last_modified or "") >= boundary for artifact in artifacts())
