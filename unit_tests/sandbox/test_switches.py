"""Switches as they come from JSON or a command line."""

from __future__ import annotations

import pytest

from sandbox.switches import Switches


def test_given_values_by_name_when_updated_then_they_are_set_and_numbers_stand_for_their_text() -> None:
    switches = Switches()
    switches.update(page_cap=20, results_before_run=404, time_format=0, permissions=["Projects_read"])
    assert (switches.page_cap, switches.results_before_run, switches.time_format) == (20, "404", "0")
    assert switches.permissions == {"Projects_read"}


@pytest.mark.parametrize("values", [{"no_such": 1}, {"nulls_first": "middle"}])
def test_given_a_wrong_name_or_value_when_updated_then_it_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"is one of|There is no switch"):
        Switches().update(**values)
