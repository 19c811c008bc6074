"""What of a project is news to a stream: single artifacts, and whole runs."""

from __future__ import annotations

import pytest

from source_customerscanvas.api.artifacts import Artifact
from source_customerscanvas.state.stream_state import OWED, OWED_AGAIN, OWED_MORE, OWED_MORE_AGAIN, Mark, Scope, Unit
from source_customerscanvas.sync.news import is_new_run, new_artifacts
from source_customerscanvas.sync.progress import StreamProgress
from unit_tests.watched import BEFORE, CURSOR, KEY, LONG_AGO, WITHIN, stream


def artifact(last_modified: str | None, format_: str = "pdf") -> Artifact:
    return Artifact("7f", {"format": format_}, {"id": "7f", "lastModified": last_modified})


def marked(mark: Mark, *, acknowledges: bool = True, covered: Scope | None = None) -> StreamProgress:
    unit = Unit(cursor=CURSOR, artifact_cursor=CURSOR, scan=None, covered=covered)
    unit.marks.set(7, mark)
    return stream(unit, since=LONG_AGO if acknowledges else None)


@pytest.mark.parametrize(
    ("owed", "last_modified", "format_", "is_new"),
    [
        (OWED, LONG_AGO, "pdf", True),
        (OWED, None, "pdf", True),
        # finished before: what is older than the artifact cursor, less the look-back, was emitted
        (OWED_AGAIN, BEFORE, "pdf", False),
        (OWED_AGAIN, WITHIN, "pdf", True),
        (OWED_AGAIN, None, "pdf", True),
        # emitted in a narrower scope: only what that left out
        (OWED_MORE, CURSOR, "pdf", False),
        (OWED_MORE, LONG_AGO, "png", True),
        # and what has changed since
        (OWED_MORE_AGAIN, BEFORE, "pdf", False),
        (OWED_MORE_AGAIN, WITHIN, "pdf", True),
        (OWED_MORE_AGAIN, LONG_AGO, "png", True),
    ],
)
def test_given_what_is_owed_of_a_project_when_its_artifacts_are_known_then_those_are_news_that_were_not_emitted(
    owed: str, last_modified: str | None, format_: str, is_new: bool
) -> None:
    one = artifact(last_modified, format_)
    covered = Scope(kinds=("pdf",))
    assert (
        new_artifacts(marked(Mark(owed=owed), covered=covered), KEY, 7, [one], lambda one: one.format) == [one] * is_new
    )
    known = Mark("C", "-----", one.digest, owed)
    assert new_artifacts(marked(known, covered=covered), KEY, 7, [one], lambda one: one.format) == []


@pytest.mark.parametrize(
    ("owed", "last_modified", "is_new"),
    [
        (OWED, LONG_AGO, True),
        (OWED_AGAIN, BEFORE, False),
        (OWED_AGAIN, WITHIN, True),
        (OWED_AGAIN, None, False),
        (OWED_MORE_AGAIN, BEFORE, False),
        (OWED_MORE_AGAIN, WITHIN, True),
    ],
)
def test_given_a_completed_project_when_it_was_finished_before_then_only_a_younger_artifact_tells_of_another_run(
    owed: str, last_modified: str | None, is_new: bool
) -> None:
    mark = Mark(owed=owed)
    artifacts = [artifact(LONG_AGO), artifact(last_modified)]
    assert is_new_run(marked(mark), KEY, 7, mark, lambda: artifacts) is is_new


@pytest.mark.parametrize(("owed", "is_new"), [(OWED, True), (OWED_AGAIN, False)])
def test_given_nothing_to_acknowledge_when_a_project_is_completed_then_its_artifacts_are_not_asked_for(
    owed: str, is_new: bool
) -> None:
    mark = Mark(owed=owed)
    assert is_new_run(marked(mark, acknowledges=False), KEY, 7, mark, lambda: pytest.fail("asked")) is is_new


def test_given_a_project_that_this_sync_acknowledged_when_it_is_listed_anew_then_that_is_no_new_run() -> None:
    mark = Mark(owed=OWED)
    progress = marked(mark)
    progress.deliveries.note_acknowledged(KEY, 7, CURSOR)
    assert not is_new_run(progress, KEY, 7, mark, lambda: [artifact(CURSOR)])
