"""How often failed processing was tried again, as all streams of a sync know it together."""

from __future__ import annotations

import pytest

from source_customerscanvas.state.slice_state import Known
from source_customerscanvas.state.stream_state import Try
from source_customerscanvas.sync.progress import StreamProgress
from source_customerscanvas.sync.retries import Tries
from unit_tests.watched import AFTER, CURSOR, KEY, project, settled, stream, watched


def failed(tries: Try | None = None) -> StreamProgress:
    """A stream that knows a failed project, and what was tried of it."""
    progress = stream(watched(known={7: Known("open", "seenseen")}))
    if tries and tries.count:
        progress.state.tries[7] = tries
    return progress


@pytest.mark.parametrize(("own", "elsewhere"), [(1, 2), (2, 1), (0, 2)])
def test_given_tries_that_another_state_knows_of_when_asked_then_the_most_count(own: int, elsewhere: int) -> None:
    progress = failed(Try(own, CURSOR))
    tries = Tries([progress], {7: Try(elsewhere, CURSOR), 8: Try(3, CURSOR)})
    assert tries.of(7) == Try(2, CURSOR)
    assert tries.of(8) == Try(3, CURSOR)
    assert tries.of(9) == Try()


def test_given_a_try_when_it_is_noted_then_each_stream_that_knows_the_project_owes_it_and_counts() -> None:
    one, other, stranger = failed(), stream(watched(owed={7})), stream()
    Tries([one, other, stranger], {}).note(KEY, 7, Try(1, CURSOR))
    for progress in (one, other):
        value = progress.snapshot()
        assert (value["tries"], value["slices"][KEY]["owed"]) == ({"7": [1, CURSOR]}, [7])
    value = stranger.snapshot()
    assert "tries" not in value
    assert "owed" not in value["slices"][KEY]


@pytest.mark.parametrize("before", [Try(), Try(2, CURSOR)])
def test_given_a_try_that_was_not_made_when_taken_back_then_all_is_as_before(before: Try) -> None:
    progress = failed(before)
    was = progress.snapshot()
    tries = Tries([progress], {})
    tries.note(KEY, 7, Try(before.count + 1, AFTER))
    tries.take_back(KEY, 7, before)
    assert progress.snapshot() == was
    assert tries.of(7) == before


def test_given_a_project_that_was_owed_before_when_a_try_is_taken_back_then_it_stays_owed() -> None:
    progress = stream(watched(known={7: Known("open", "seenseen")}, owed={7}))
    tries = Tries([progress], {})
    for _ in range(2):
        tries.note(KEY, 7, Try(1, AFTER))
        tries.take_back(KEY, 7, Try())
    assert progress.snapshot()["slices"][KEY]["owed"] == [7]


def test_given_a_project_that_was_tried_again_when_it_completes_then_its_tries_are_over() -> None:
    progress = failed(Try(2, CURSOR))
    progress.settle(KEY, settled(progress, project(lastModified=AFTER)))
    assert "tries" not in progress.snapshot()


def test_given_a_project_that_is_still_failed_when_it_is_read_then_its_tries_stay() -> None:
    progress = failed(Try(2, CURSOR))
    progress.settle(KEY, settled(progress, project(processing="Failed")))
    assert progress.snapshot()["tries"] == {"7": [2, CURSOR]}
