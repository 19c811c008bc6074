"""What is listed together, and what belongs to it."""

from typing import Any

import pytest

from source_customerscanvas.projects import Project
from source_customerscanvas.tracker import Unit


@pytest.mark.parametrize(
    ("unit", "storefront_id", "order_id", "belongs"),
    [
        (Unit(11), 11, "5001", True),
        (Unit(11), "11", None, True),
        (Unit(11), None, None, True),  # the answer for a project may leave its storefront out
        (Unit(11), 12, "5001", False),
        (Unit(11, "5001"), 11, "5001", True),
        (Unit(11, "5001"), 11, 5001, True),
        (Unit(11, "5001"), 11, "5002", False),
        (Unit(11, "5001"), 11, None, False),
        (Unit(11, "5001"), 12, "5001", False),
    ],
)
def test_given_a_project_that_was_asked_for_when_it_is_taken_up_then_only_if_it_belongs_to_the_unit(
    unit: Unit, storefront_id: Any, order_id: Any, belongs: bool
) -> None:
    project = Project.from_row({"id": 7, "storefrontId": storefront_id, "orderId": order_id})
    assert project
    assert unit.has(project) is belongs
