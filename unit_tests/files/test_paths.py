"""Where files go, whatever their names are."""

import unicodedata
from collections.abc import Sequence
from pathlib import PurePosixPath, PureWindowsPath
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_customerscanvas.errors import InvalidSetting
from source_customerscanvas.files.paths import (
    PLACEHOLDERS,
    PathTemplate,
    ProjectValues,
    check_template,
    line_items_of,
)
from source_customerscanvas.settings import DEFAULT_FILE_PATH
from unit_tests.files.texts import ANYTHING, NAMES, NASTY

DEFAULT = PathTemplate(DEFAULT_FILE_PATH)
ARTIFACTS = st.lists(
    st.fixed_dictionaries(
        {"id": st.one_of(st.text(min_size=1, max_size=8), NASTY.filter(bool)), "name": st.none() | NAMES,
         "format": st.none() | st.sampled_from(["pdf", "PDF", "../x", "json", ""]) | st.text(max_size=5)},
        optional={"projectItemId": st.integers(0, 3), "orderLineItemId": NAMES, "orderLineItemIndex": ANYTHING},
    ),
    max_size=6, unique_by=lambda artifact: artifact["id"],
)  # fmt: skip
ITEMS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={"id": st.integers(0, 3), "name": ANYTHING, "sku": ANYTHING, "quantity": ANYTHING,
                  "orderLineItemId": NAMES, "orderLineItemIndex": ANYTHING},
    ),
    max_size=3,
)  # fmt: skip
PROJECTS = st.fixed_dictionaries(
    {"id": st.integers(1, 10**9)},
    optional={
        "name": ANYTHING, "orderId": st.none() | NAMES, "orderNumber": ANYTHING, "orderName": ANYTHING,
        "orderLineItemIndex": st.none() | st.integers(0, 5), "created": ANYTHING, "items": ITEMS | ANYTHING,
        "productReference": ANYTHING,
    },
)  # fmt: skip
VALUES = st.builds(ProjectValues, st.integers(1, 99), st.none() | NAMES, PROJECTS)
PARTS = st.lists(
    st.sampled_from([f"{{{name}}}" for name in PLACEHOLDERS]) | st.sampled_from(["-", " ", "a", ".", "Ü", ":", ".pdf"]),
    min_size=1, max_size=4,
).map("".join).filter(lambda part: part.strip(" ."))  # fmt: skip
TEMPLATES = st.lists(PARTS, min_size=1, max_size=5).map("/".join)


def values(**project: Any) -> ProjectValues:
    return ProjectValues(2, "Web shop", {"id": 15, "orderId": "1001", **project})


def paths(template: str, *artifacts: dict[str, Any], **project: Any) -> list[str]:
    found = PathTemplate(template).paths(values(**project), artifacts)
    return [found[artifact["id"]] for artifact in artifacts]


def names(*artifacts: tuple[str, str | None, str | None]) -> dict[str, str]:
    rows = [{"id": id_, "name": name, "format": format_} for id_, name, format_ in artifacts]
    return {id_: PurePosixPath(path).name for id_, path in DEFAULT.paths(values(), rows).items()}


@given(TEMPLATES, VALUES, ARTIFACTS)
def test_given_any_names_when_placed_then_no_path_escapes_on_any_system(
    template: str, project: ProjectValues, artifacts: list[dict[str, Any]]
) -> None:
    depth = template.count("/") + 1
    for path in PathTemplate(template).paths(project, artifacts).values():
        for reading in (path, unicodedata.normalize("NFKC", path)):
            assert ".." not in reading.split("/")
            assert ".." not in path
            assert len(PurePosixPath(reading).parts) == depth
            assert len(PureWindowsPath(reading).parts) == depth
            assert not PureWindowsPath(reading).is_absolute()
            assert not PureWindowsPath(reading).drive
        for part in path.split("/"):
            assert 0 < len(part.encode()) <= 200
            assert part == unicodedata.normalize("NFC", part)
            assert part == part.strip(" .")
            assert not any(unicodedata.category(character) in ("Cc", "Cs") for character in part)
            assert part.partition(".")[0].rstrip().upper() not in {"CON", "PRN", "AUX", "NUL", "COM1", "LPT9"}


@given(TEMPLATES, VALUES, ARTIFACTS)
def test_given_any_names_when_placed_then_no_two_files_meet_even_where_case_does_not_count(
    template: str, project: ProjectValues, artifacts: list[dict[str, Any]]
) -> None:
    found = PathTemplate(template).paths(project, artifacts)
    assert found.keys() == {artifact["id"] for artifact in artifacts}
    for fold in (str.casefold, str.upper, str.lower):
        assert len({unicodedata.normalize("NFC", fold(path)) for path in found.values()}) == len(found)


@given(TEMPLATES, VALUES, ARTIFACTS, st.randoms())
def test_given_the_same_artifacts_in_another_order_when_placed_then_the_paths_are_the_same(
    template: str, project: ProjectValues, artifacts: list[dict[str, Any]], random: Random
) -> None:
    shuffled = random.sample(artifacts, len(artifacts))
    assert PathTemplate(template).paths(project, shuffled) == PathTemplate(template).paths(project, artifacts)


@given(TEMPLATES, st.lists(VALUES, min_size=2, max_size=2, unique_by=lambda one: one.project["id"]), NAMES, st.data())
def test_given_a_template_that_is_unique_by_its_ids_when_two_projects_are_placed_then_their_files_do_not_meet(
    template: str, two: list[ProjectValues], name: str, data: st.DataObject
) -> None:
    try:
        check_template(template, None)
    except InvalidSetting:
        template += "/{projectId} {name}"
    if "{projectId}" not in template and "{artifactId}" not in template:
        # the API has one project for each line item of an order
        two = [
            ProjectValues(one.storefront_id, one.storefront_name, {**one.project, "items": [], **order})
            for one, order in zip(
                two,
                data.draw(
                    st.lists(
                        st.fixed_dictionaries({"orderId": NAMES, "orderLineItemIndex": st.integers(0, 3)}),
                        min_size=2, max_size=2, unique_by=lambda one: (one["orderId"], one["orderLineItemIndex"]),
                    )
                ),
                strict=True,
            )
        ]  # fmt: skip
    artifacts = [{"id": f"id{number}", "name": name, "format": "pdf"} for number in range(2)]
    one, other = (
        PathTemplate(template).paths(project, [artifact])
        for project, artifact in zip(two, artifacts, strict=True)
    )  # fmt: skip
    assert one["id0"] != other["id1"]


# Examples


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (DEFAULT_FILE_PATH, "2/1001/15/Card_ front.pdf"),
        ("{storefrontName}/{orderNumber}/{orderName}/{projectId}", "Web shop/77/#77/15.pdf"),
        ("{orderId}_{lineItem}_{sku}_{quantity}x", "1001_3_BC-90_250x.pdf"),
        ("{date}/{projectName}/{item}/{artifactId}", "2024-03-05/Cards/Business card/7f.pdf"),
        ("{format}/{projectId}/{name}.{format}", "pdf/15/Card_ front.pdf"),
        ("jobs:new/{projectId}.pdf", "jobs_new/15.pdf"),
    ],
)
def test_given_a_template_when_filled_in_then_each_placeholder_has_its_value(template: str, expected: str) -> None:
    project = {
        "name": "Cards", "orderNumber": 77, "orderName": "#77", "created": "2024-03-05T23:11:12.1234567+00:00",
        "items": [
            {"id": 1, "name": "Flyer", "sku": "FL", "quantity": 1, "orderLineItemIndex": 0},
            {"id": 2, "name": "Business card", "sku": "BC-90", "quantity": 250.0, "orderLineItemIndex": 2},
        ],
    }  # fmt: skip
    artifact = {"id": "7f", "name": "Card: front", "format": "Pdf", "projectItemId": 2}
    assert paths(template, artifact, **project) == [expected]


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{storefrontName}/{orderNumber}/{orderName}/{projectId}", "2/no-order/no-order/15"),
        ("{orderId}/{lineItem}/{projectName}/{item}", "no-order/15/15/15"),
        ("{projectId}/{sku}/{quantity}/{date}/{format}", "15/none/none/none/none"),
        ("{projectId}/{name}", "15/7f"),
    ],
)
def test_given_nothing_to_fill_in_when_placed_then_an_id_or_none_stands_there(template: str, expected: str) -> None:
    project = ProjectValues(2, " .. ", {"id": 15})
    assert PathTemplate(template).paths(project, [{"id": "7f"}]) == {"7f": expected}


@pytest.mark.parametrize(
    ("artifact", "expected"),
    [
        ({"projectItemId": 2}, "2 B"),
        ({"orderLineItemId": "line-1"}, "1 A"),
        ({"projectItemId": 9, "orderLineItemId": "line-2"}, "2 B"),
        ({"orderLineItemIndex": 6}, "7 Cards"),
        ({}, "5 Cards"),
    ],
)
def test_given_a_project_of_several_items_when_placed_then_a_file_is_named_after_its_own(
    artifact: dict[str, Any], expected: str
) -> None:
    items = [
        {"id": 1, "name": "A", "orderLineItemId": "line-1", "orderLineItemIndex": 0},
        {"id": 2, "name": "B", "orderLineItemId": "line-2", "orderLineItemIndex": 1},
    ]
    found = paths("{lineItem} {item}", {"id": "7f", **artifact}, name="Cards", items=items, orderLineItemIndex=4)
    assert found == [expected]


@pytest.mark.parametrize(
    ("name", "format_", "expected"),
    [
        ("brochure v1.2", "pdf", "brochure v1.2.pdf"),
        ("result", "Pdf", "result.pdf"),
        ("photo.jpeg", "jpeg", "photo.jpeg"),
        ("photo.jpg", "Jpeg", "photo.jpg"),
        ("photo", "JPG", "photo.jpg"),
        ("photo.jpeg", "jpg", "photo.jpeg"),
        ("scan", "tif", "scan.tif"),
        ("scan.TIF", "Tiff", "scan.TIF"),
        ("report.json", "pdf", "report.json.pdf"),
        ("nul.tar.gz", "pdf", "_nul.tar.gz.pdf"),
        ("archive", "tar.gz", "archive.tar.gz"),
        ("archive.tar.gz", "tar.gz", "archive.tar.gz"),
        ("archive.gz", "tar.gz", "archive.gz.tar.gz"),
        ("archive.tar.gz", "gz", "archive.tar.gz"),
        ("Order no. 5", "pdf", "Order no. 5.pdf"),
        ("card", None, "card"),
        ("card", ".pdf", "card.pdf"),
        ("card", "PRN", "card.prn"),
        ("card", "a/b", "card.a_b"),
        ("x" * 300, "pdf", "x" * 196 + ".pdf"),
        ("é" * 150 + ".pdf", "pdf", "é" * 98 + ".pdf"),
        ("", "pdf", "7f.pdf"),
        (None, "pdf", "7f.pdf"),
        ("..", "pdf", "7f.pdf"),
    ],
)
def test_given_a_name_and_a_format_when_placed_then_the_name_ends_with_the_format_once(
    name: str | None, format_: str | None, expected: str
) -> None:
    assert names(("7f", name, format_)) == {"7f": expected}


def test_given_a_long_name_before_an_id_when_placed_then_the_id_stays() -> None:
    [found] = paths("{name} {artifactId} {orderId}", {"id": "7f", "name": "x" * 500, "format": "pdf"})
    assert found.endswith("x 7f 1001.pdf")
    assert len(found) == 200


# Twins


@pytest.mark.parametrize("first", ["8a", "c0"])
def test_given_two_items_with_one_name_when_either_is_run_again_then_no_file_takes_the_place_of_a_sibling(
    first: str,
) -> None:
    before = names(("8a", "print.pdf", "pdf"), ("c0", "print.pdf", "pdf"))
    after = names((first, "print.pdf", "pdf"), ("1f", "print.pdf", "pdf"))
    assert before == {"8a": "print-8a.pdf", "c0": "print-c0.pdf"}
    assert after == {first: f"print-{first}.pdf", "1f": "print-1f.pdf"}


def test_given_names_that_differ_in_case_when_placed_then_each_carries_its_id() -> None:
    placed = names(("c", "card.pdf", "pdf"), ("a", "Card.PDF", "pdf"), ("b", "card", "pdf"), ("d", "map", "pdf"))
    assert placed == {"a": "Card-a.PDF", "b": "card-b.pdf", "c": "card-c.pdf", "d": "map.pdf"}


def test_given_a_template_without_the_name_when_a_project_has_two_files_then_each_carries_its_id() -> None:
    artifacts: Sequence[dict[str, Any]] = [{"id": "a", "format": "pdf"}, {"id": "b", "format": "pdf"}]
    assert paths("{orderId}-{projectId}", *artifacts) == ["1001-15-a.pdf", "1001-15-b.pdf"]


@pytest.mark.parametrize("small", ["\u03b0", "\u0390", "\u1fe2", "\u1fc7"], ids=ascii)
def test_given_letters_whose_capitals_are_two_characters_when_placed_then_both_names_are_twins(small: str) -> None:
    capital = unicodedata.normalize("NFC", unicodedata.normalize("NFD", small).upper())
    assert names(("1", small, None), ("2", capital, None))["2"].endswith("-2")


@pytest.mark.parametrize(("one", "other"), [("\u0131", "i"), ("\u017f", "s"), ("\u1e9e", "ss")], ids=ascii)
def test_given_letters_that_meet_when_capitals_and_small_ones_are_the_same_when_placed_then_both_names_are_twins(
    one: str, other: str
) -> None:
    assert names(("1", one, None), ("2", other, None)) == {"1": f"{one}-1", "2": f"{other}-2"}


def test_given_a_name_that_looks_like_a_distinguished_one_when_placed_then_none_meet() -> None:
    placed = names(("a", "card.pdf", "pdf"), ("b", "card.pdf", "pdf"), ("c", "card-b.pdf", "pdf"))
    assert placed["a"] == "card-a.pdf"
    assert placed["c"] == "card-b-c.pdf"
    assert placed["b"].startswith("card-b-")
    assert len(set(placed.values())) == 3


def test_given_ids_that_are_the_same_when_made_safe_when_placed_then_no_two_files_meet() -> None:
    placed = names(("a/b", "card.pdf", "pdf"), ("a_b", "card.pdf", "pdf"))
    assert placed["a_b"] == "card-a_b.pdf"
    assert placed["a/b"].startswith("card-a_b-")


@pytest.mark.parametrize(
    ("order_id", "folder"), [(None, "no-order"), ("", "no-order"), ("#1001", "#1001"), ("a/b", "a_b"), ("..", "_")]
)
def test_given_an_order_when_placed_then_its_folder_is_safe(order_id: str | None, folder: str) -> None:
    assert paths("{orderId}/{projectId}", {"id": "7f"}, orderId=order_id) == [f"{folder}/15"]


@pytest.mark.parametrize(("one", "other"), [("a/b", "a_b"), ("a/b", "a:b"), (None, "no-order"), ("..", "_")])
def test_given_orders_that_look_alike_when_nothing_else_tells_their_files_apart_then_they_do_not_meet(
    one: str | None, other: str
) -> None:
    template = "{storefrontId}/{orderId}/{lineItem}"
    found = {paths(template, {"id": "7f"}, orderId=id_, orderLineItemIndex=14)[0] for id_ in (one, other)}
    assert len(found) == 2


LINES = "{storefrontId}/{orderId}/{lineItem}/{name}"


def line_of(project: dict[str, Any], order: list[dict[str, Any]], **artifact: Any) -> str:
    """The folder of a project's file below that of its order."""
    found = ProjectValues(2, None, {"orderId": "1001", **project}, line_items_of(order))
    (path,) = PathTemplate(LINES).paths(found, [{"id": "7f", "name": "print", **artifact}]).values()
    return path.split("/")[2]


@pytest.mark.parametrize(
    ("projects", "expected"),
    [
        ([{"id": 40, "orderLineItemIndex": 0}, {"id": 41, "orderLineItemIndex": 1}], ["1", "2"]),
        ([{"id": 41, "orderLineItemIndex": 0}, {"id": 40, "orderLineItemIndex": 0}], ["1-41", "1"]),
        ([{"id": number, "orderLineItemIndex": 0} for number in (40, 41, 42)], ["1", "1-41", "1-42"]),
        # without a line item it is the id
        ([{"id": 2}, {"id": 40, "orderLineItemIndex": 1}], ["2", "2-40"]),
        ([{"id": 40}, {"id": 2, "orderLineItemIndex": 39}], ["40-40", "40"]),
        ([{"id": 2, "items": [{"id": 9, "orderLineItemIndex": 0}]}, {"id": 1, "orderLineItemIndex": 1}], ["1", "2"]),
        ([{"id": 2, "orderLineItemIndex": 5}, {"id": 1, "items": [{"id": 9, "orderLineItemIndex": 5}]}], ["6-2", "6"]),
    ],
)
def test_given_projects_of_one_order_when_several_have_a_line_item_then_all_but_the_first_carry_their_id(
    projects: list[dict[str, Any]], expected: list[str]
) -> None:
    assert [line_of(project, projects) for project in projects] == expected


def test_given_a_file_whose_line_item_no_row_shows_when_placed_then_it_carries_the_projects_id() -> None:
    order: list[dict[str, Any]] = [{"id": 40, "orderLineItemIndex": 0}, {"id": 41, "items": []}]
    assert line_of(order[1], order, orderLineItemIndex=0) == "1-41"
    assert line_of(order[1], order, orderLineItemIndex=7) == "8-41"


@given(st.lists(PROJECTS, min_size=1, max_size=6, unique_by=lambda one: one["id"]), st.data())
def test_given_any_projects_of_one_order_when_placed_by_line_items_then_no_two_of_them_meet(
    order: list[dict[str, Any]], data: st.DataObject
) -> None:
    indexes = st.none() | st.integers(0, 3)
    for project in order:
        project["orderId"] = "1001"
    found = [line_of(project, order, orderLineItemIndex=data.draw(indexes)) for project in order]
    assert len(set(found)) == len(order)


# What is no template


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{storefront}/{projectId}", "{storefront}"),
        ("{}/{projectId}", "no placeholder"),
        ("{projectId", "brace"),
        ("{projectId}}", "brace"),
        ("/{projectId}", "empty part"),
        ("{projectId}/", "empty part"),
        ("{orderId}//{projectId}", "empty part"),
        ("../{projectId}", "dots"),
        ("{projectId}/../{name}", "dots"),
        ("{orderId}/{name}", "{storefrontId} and {lineItem}"),
        ("{orderNumber}/{lineItem}", "{projectId} or {artifactId}"),
        ("{storefrontId}/{orderId}/{name}", ", or {lineItem}"),
        ("{storefrontName}/{orderId}/{lineItem}", ", or {storefrontId}"),
        ("{name}", "{projectId} or {artifactId}"),
        ("{projectId}{name}", "between it and the next placeholder"),
        ("{name}{projectId}", "between it and the next placeholder"),
        ("{storefrontId}/{orderId}{lineItem}", "or {orderId} and {lineItem}"),
        # 10102 is order 1 and line item 102, or order 101 and line item 2
        ("{storefrontId}/{orderId}0{lineItem}", "or {orderId} and {lineItem}"),
        ("{name}2024{projectId}", "a text that is no number between it and the next placeholder"),
    ],
)
def test_given_a_template_that_is_none_or_not_unique_when_checked_then_it_says_what_would_help(
    template: str, why: str
) -> None:
    with pytest.raises(InvalidSetting) as caught:
        check_template(template, [1, 2])
    assert "`file_path`" in caught.value.message
    assert why in caught.value.message


@pytest.mark.parametrize(
    ("template", "storefront_ids"),
    [
        (DEFAULT_FILE_PATH, None),
        ("{projectId}", None),
        ("{artifactId}", [1, 2]),
        ("{storefrontId}-{orderId}-{lineItem}", None),
        ("{orderId}-{lineItem}", [1]),
        ("{orderId}{lineItem}/{projectId}", None),
        ("{projectId}-{name}{quantity}", None),
        ("2024{projectId}0", None),
        ("{storefrontId}/{orderId} line 0{lineItem}", None),
    ],
)
def test_given_a_template_that_is_unique_when_checked_then_it_is_taken(
    template: str, storefront_ids: list[int] | None
) -> None:
    check_template(template, storefront_ids)


@pytest.mark.parametrize(
    ("template", "storefront_ids", "folder"),
    [
        (DEFAULT_FILE_PATH, None, "2/1001"),
        ("jobs/{storefrontId} {orderId}/{orderName}/{lineItem}/{name}", None, "jobs/2 1001/77"),
        ("{orderId}/{projectId}/{name}", [2], "1001"),
        ("{orderId}/{projectId}/{name}", None, "2/1001"),
        ("{date}/{storefrontId}/{orderId}/{projectId}", None, "2/1001"),
        ("{storefrontId}/{orderId}-{projectId}/{name}", None, "2/1001"),
        ("{orderId}-{lineItem}", [2], "2/1001"),
        ("{storefrontId}{orderId}/{projectId}/{name}", None, "2/1001"),
        ("{orderId}{orderNumber}/{projectId}/{name}", [2], "2/1001"),
        ("{storefrontId}0{orderId}/{projectId}", None, "2/1001"),
        ("{orderId}{orderNumber}/{orderId}/{projectId}", [2], "100177/1001"),
    ],
)
def test_given_a_template_when_asked_for_an_orders_folder_then_it_belongs_to_that_order_alone(
    template: str, storefront_ids: list[int] | None, folder: str
) -> None:
    assert PathTemplate(template).order_folder(values(orderName="77", orderNumber=77), storefront_ids) == folder
