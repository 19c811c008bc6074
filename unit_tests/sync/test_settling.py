"""What is found of a project whose list and results may differ."""

from __future__ import annotations

import pytest

from source_customerscanvas.api.projects import Results
from source_customerscanvas.sync.kinds import RESULTS
from source_customerscanvas.sync.settling import Settled
from unit_tests.watched import CURSOR, project


@pytest.mark.parametrize(
    ("listed", "results", "condition", "is_seen"),
    [
        ("Completed", "Completed", "finished", True),
        (None, "Completed", "open", True),
        ("InProgress", "InProgress", "open", True),
        ("Failed", "Failed", "open", True),
        (None, "Pending", "open", True),
        ("InProgress", "Completed", "open", False),
        ("Completed", "InProgress", "open", False),
        ("Completed", "Pending", "open", False),
    ],
)
def test_given_what_list_and_results_say_when_they_differ_then_the_project_is_open_and_looked_at_again(
    listed: str | None, results: str, condition: str, is_seen: bool
) -> None:
    one = project(processing=listed)
    found = Settled.of(RESULTS, one, Results(results, None, None), CURSOR)
    assert found.condition == condition
    assert (found.seen == one.fingerprint.followed) is is_seen
    assert found.has_status is (listed is not None)
