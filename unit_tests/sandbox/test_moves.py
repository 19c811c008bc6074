"""Moves of the shop: statuses, storefronts that vanish, clocks, obsolete projects, links and wide rows."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox import FileSpec, Refused, Shop, Switches
from sandbox.clock import Clock
from sandbox.shop.listing import ProjectFilter

PUBLIC = [FileSpec(name="a b.pdf", anonymous=True)]


@pytest.mark.parametrize(
    ("switch", "given", "moves"), [(True, None, True), (False, None, False), (True, False, False), (False, True, True)]
)
def test_given_a_business_status_when_the_shop_sets_it_then_last_modified_follows_as_said(
    shop: Shop, switches: Switches, switch: bool, given: bool | None, moves: bool
) -> None:
    switches.status_moves_last_modified = switch
    shop.create_project()
    shop.set_status(1, 5, moves_last_modified=given)
    assert shop.project(1)["status"] == 5
    assert (shop.project(1)["lastModified"] is not None) == moves
    assert shop.project_page(ProjectFilter(status=5), (), 0, 10)[0] == 1
    assert shop.project_page(ProjectFilter(status=1), (), 0, 10)[0] == 0
    with pytest.raises(Refused):
        shop.set_status(1, 9)


def test_given_a_storefront_when_hidden_then_only_the_list_leaves_it_out(shop: Shop) -> None:
    shop.create_project(storefront_id=1)
    shop.create_project(storefront_id=2)
    shop.hide_storefront(1)
    assert [one["id"] for one in shop.storefronts()] == [2]
    assert shop.project_page(ProjectFilter(storefront_id=1), (), 0, 10)[0] == 1
    shop.show_storefront(1)
    assert [one["id"] for one in shop.storefronts()] == [1, 2]


def test_given_a_shops_clock_ahead_when_things_happen_then_their_times_are_the_shops(shop: Shop, clock: Clock) -> None:
    shop.set_clock(3 * 3600)
    shop.create_project(processing="InProgress", run_for=10)
    clock.advance(10)
    assert shop.project(1)["created"] == "2024-03-05T13:00:00.0000000Z"
    assert shop.artifacts(1)[0]["lastModified"] == "2024-03-05T13:00:10.0000000Z"
    shop.set_clock(-3600)
    shop.modify_project(1)
    assert shop.project(1)["lastModified"] == "2024-03-05T09:00:10.0000000Z"
    assert shop.now().isoformat() == "2024-03-05T09:00:10+00:00"


def test_given_an_obsolete_project_when_listed_then_it_is_hidden_but_given_by_id(shop: Shop) -> None:
    shop.create_project()
    shop.make_obsolete(1)
    assert shop.project_page(ProjectFilter(), (), 0, 10)[0] == 0
    assert shop.project_page(ProjectFilter(include_obsolete=True), (), 0, 10)[0] == 1
    assert shop.project(1)["lastModified"] is None


@pytest.mark.parametrize(
    ("link", "start"),
    [("works", "/files/"), ("null", None), ("internal", "http://storage.internal.example/"), ("refused", "/files/")],
)
def test_given_public_files_when_links_are_useless_then_url_says_so(
    shop: Shop, switches: Switches, link: Any, start: str | None
) -> None:
    switches.public_links = link
    shop.create_project(processing="Completed", files=PUBLIC)
    [detail] = shop.results(1)["outputFileDetails"]
    assert detail["url"] == shop.artifact(detail["artifactId"])["url"]
    assert (detail["url"] or "None").startswith(start or "None")


def test_given_an_expired_link_when_renewed_then_the_url_is_another_one(shop: Shop) -> None:
    shop.create_project(processing="Completed", files=[FileSpec(anonymous=True, link="expired")])
    [before] = shop.artifacts(1)
    shop.change_link(before["id"], "works")
    [after] = shop.artifacts(1)
    assert after["url"] != before["url"]
    assert {**after, "url": None} == {**before, "url": None}


def test_given_a_file_made_anew_when_it_is_another_artifact_then_only_its_id_and_time_changed(
    shop: Shop, clock: Clock
) -> None:
    shop.create_project(processing="Completed", files=2)
    first, second = shop.artifacts(1)
    clock.advance(60)
    changed = shop.replace_artifact(first["id"])
    assert [one["id"] for one in shop.artifacts(1)] == [changed, second["id"]]
    after = shop.artifact(changed)
    assert after["lastModified"] > first["lastModified"]
    assert (after["name"], after["group"]) == (first["name"], first["group"])
    assert shop.file_bytes(changed)


def test_given_the_vendors_way_when_files_are_shown_then_names_have_no_extension_and_formats_capitals(
    shop: Shop, switches: Switches
) -> None:
    switches.names_without_extension = switches.formats_as_vendor_spells = True
    files = [FileSpec(), FileSpec(name="brochure v1.2", format="jpeg"), FileSpec(name="data.json", format="json")]
    shop.create_project(processing="Completed", files=files)
    shown = [(one["name"], one["format"]) for one in shop.results(1)["outputFileDetails"]]
    assert shown == [("print", "Pdf"), ("brochure v1.2", "Jpeg"), ("data", "Json")]


@pytest.mark.parametrize("is_null", [False, True])
def test_given_a_run_without_a_file_when_completed_then_the_output_is_empty_or_null(
    shop: Shop, switches: Switches, is_null: bool
) -> None:
    switches.output_null_when_empty = is_null
    shop.create_project(processing="Completed", files=0)
    assert shop.results(1) == {
        "status": "Completed",
        "statusDescription": None,
        "outputFileDetails": None if is_null else [],
    }


def test_given_padding_when_rows_are_shown_then_each_is_that_wide(shop: Shop, switches: Switches) -> None:
    switches.row_padding = 1_000_000
    shop.create_project()
    assert len(shop.project(1)["items"][0]["fields"]["Padding"]) == 1_000_000
