"""What of a project is news to a stream: single artifacts, and whole runs."""

from __future__ import annotations

from typing import Any

import pytest

from source_customerscanvas.api.artifacts import Artifact
from source_customerscanvas.api.projects import Results
from source_customerscanvas.state.scope import Scope
from source_customerscanvas.state.slice_state import Known
from source_customerscanvas.sync.jobs import Batch, Job
from source_customerscanvas.sync.kinds import FILES
from source_customerscanvas.sync.news import ReadProject, is_new_run
from unit_tests.sync.listed_shop import SLICE
from unit_tests.watched import BEFORE, CURSOR, LONG_AGO, WITHIN, project, stream, watched


def read(**fields: Any) -> ReadProject:
    one = project(**fields)
    return ReadProject(Job(Batch(SLICE), one.id, one, []), one, Results("Completed", None, []), CURSOR)


READ = read(orderId="5001")


def artifact(last_modified: str | None, format_: str = "pdf", **details: Any) -> Artifact:
    return Artifact("7f", {"format": format_}, {"id": "7f", "lastModified": last_modified, **details})


def news(known: Known, one: Artifact, covered: Scope | None = None, as_read: ReadProject = READ) -> list[Artifact]:
    state = watched(known={7: known}, owed={7}, covered=covered)
    is_new = as_read.is_new(stream(state, name=FILES), lambda one: one.format)
    return [one] if is_new(one) else []


@pytest.mark.parametrize(
    ("since", "last_modified", "is_news"),
    [
        # nothing of it was handed over
        ("", LONG_AGO, True),
        ("", None, True),
        # what is older was handed over
        (WITHIN, BEFORE, False),
        (WITHIN, WITHIN, True),
        (WITHIN, None, True),
    ],
)
def test_given_what_is_owed_of_a_project_when_its_artifacts_are_known_then_those_are_news_that_were_not_handed_over(
    since: str, last_modified: str | None, is_news: bool
) -> None:
    one = artifact(last_modified)
    assert news(Known(emitted_until=since), one) == [one] * is_news


@pytest.mark.parametrize(
    ("format_", "last_modified", "is_news"),
    [("pdf", BEFORE, False), ("png", BEFORE, True), ("pdf", WITHIN, True)],
)
def test_given_a_scope_that_was_widened_when_a_project_was_handed_over_in_it_then_only_the_other_formats_are_news(
    format_: str, last_modified: str, is_news: bool
) -> None:
    one = artifact(last_modified, format_)
    assert news(Known(emitted_until=WITHIN), one, covered=Scope(kinds=("pdf",))) == [one] * is_news


def test_given_an_artifact_that_was_emitted_as_it_is_when_looked_at_then_it_is_no_news() -> None:
    one = artifact(CURSOR)
    known = Known("recent", "seenseen", ("runrunru", READ.digest(one)))
    assert news(known, one) == []
    assert news(known, artifact(WITHIN)) == [artifact(WITHIN)]
    assert news(known, artifact(CURSOR, size=7)) != []


@pytest.mark.parametrize("fields", [{"orderId": "5002"}, {"orderId": "5001", "orderNumber": "A-1"}, {"orderId": None}])
def test_given_a_project_that_belongs_to_another_order_when_its_artifacts_are_looked_at_then_they_come_with_it(
    fields: dict[str, Any],
) -> None:
    one = artifact(CURSOR)
    known = Known("recent", "seenseen", ("runrunru", READ.digest(one)))
    assert news(known, one, as_read=read(**fields)) == [one]


@pytest.mark.parametrize(
    ("since", "last_modified", "is_new"),
    [("", LONG_AGO, True), (WITHIN, BEFORE, False), (WITHIN, WITHIN, True), (WITHIN, None, False)],
)
def test_given_a_completed_project_when_it_was_finished_before_then_only_a_younger_artifact_tells_of_another_run(
    since: str, last_modified: str | None, is_new: bool
) -> None:
    artifacts = [artifact(LONG_AGO), artifact(last_modified)]
    if since == "":
        assert is_new_run(Known(emitted_until=since), lambda: pytest.fail("asked")) is is_new
    else:
        assert is_new_run(Known(emitted_until=since), lambda: artifacts) is is_new
