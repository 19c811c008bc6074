"""What is counted of a stream, and what of it a summary names."""

from __future__ import annotations

from source_customerscanvas.errors import NotFound, Trouble
from source_customerscanvas.sync.counts import Estimate
from source_customerscanvas.sync.kinds import ORDERS
from source_customerscanvas.sync.reporting import summary
from unit_tests.watched import stream


def test_given_thousands_of_projects_that_are_left_out_when_counted_then_only_the_first_are_kept_and_named() -> None:
    progress = stream()
    for number in range(5000):
        progress.counts.hold(f"project {number}")
        progress.counts.pass_over(f"artifact {number}")
    for named in (progress.counts.held, progress.counts.passed_over):
        assert (named.count, len(named.first)) == (5000, 20)
    progress.counts.note_trouble(Trouble("project 7", NotFound("it")))
    line = summary(progress)
    assert "held by their status: 5000 (project 0; project 1; " in line
    assert "; artifact 19 and 4980 more)" in line
    assert "could not be read: 1 (project 7)" in line


def test_given_nothing_that_is_left_out_when_summed_up_then_it_says_so() -> None:
    assert "passed over: none; could not be read: none" in summary(stream())


def test_given_a_stream_of_orders_when_its_projects_are_counted_then_they_are_not_announced_as_rows() -> None:
    counts = stream(name=ORDERS).counts
    counts.expect(400)
    assert counts.estimate() == Estimate(0, None)
    counts.expect_rows(49)
    assert counts.estimate() == Estimate(49, None)


def test_given_more_rows_than_were_expected_when_estimated_then_no_fewer_than_have_been_emitted() -> None:
    counts = stream().counts
    counts.expect_rows(1)
    counts.emitted = 3
    assert counts.estimate() == Estimate(3, None)
