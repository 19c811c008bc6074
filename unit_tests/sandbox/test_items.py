"""Projects of several items: each with a pipeline of its own, and post-processing when all are processed."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox import Conflict, FileSpec, Missing, PipelineSpec, Shop, Switches
from sandbox.clock import Clock
from sandbox.shop.listing import ArtifactFilter

BOTH = ("front.pdf", "back.pdf")


def pipeline(name: str, **fields: Any) -> PipelineSpec:
    return PipelineSpec(files=(FileSpec(name=name),), **fields)


def create(shop: Shop, *states: Any, post: PipelineSpec | None = None, **fields: Any) -> list[int]:
    """Project 1 with an item in each state; the items' ids."""
    pipelines = [pipeline(name, processing=state) for name, state in zip(BOTH, states, strict=True)]
    shop.create_project(item_pipelines=pipelines, post_processing=post, **fields)
    return [item["id"] for item in shop.project(1)["items"]]


def stands(shop: Shop) -> tuple[Any, Any]:
    """What the list and the results say."""
    return shop.project(1)["processingStatus"], shop.results(1)["status"]


def output(shop: Shop, item_id: int | None = None) -> list[tuple[Any, str]]:
    details = shop.results(1, item_id)["outputFileDetails"] or []
    return [(detail["projectItemId"], detail["name"]) for detail in details]


def test_given_two_items_when_both_are_processed_then_the_results_have_the_files_of_both_runs(shop: Shop) -> None:
    first, second = create(shop, "Completed", "InProgress")
    assert stands(shop) == ("InProgress", "InProgress")
    assert output(shop) == []
    assert output(shop, first) == [(first, "front.pdf")]
    assert shop.results(1, second)["status"] == "InProgress"
    shop.process(1, "Completed", item_id=second)
    assert stands(shop) == ("Completed", "Completed")
    assert output(shop) == [(first, "front.pdf"), (second, "back.pdf")]
    assert len({artifact["group"] for artifact in shop.artifacts(1)}) == 2
    with pytest.raises(Missing):
        shop.results(1, 99)


@pytest.mark.parametrize(("when", "shown"), [("at end", "InProgress"), ("at once", "Failed")])
def test_given_a_failed_item_when_another_one_still_runs_then_the_switch_says_what_the_project_is(
    shop: Shop, switches: Switches, when: Any, shown: str
) -> None:
    switches.failure_shows = when
    _, second = create(shop, "Failed", "InProgress")
    assert stands(shop)[1] == shown
    shop.process(1, "Completed", item_id=second)
    assert stands(shop) == ("Failed", "Failed")
    assert shop.results(1)["statusDescription"] == "Font 'Gotham' is missing"


def test_given_a_failed_item_when_the_switch_says_so_then_the_other_ones_files_are_shown(
    shop: Shop, switches: Switches
) -> None:
    first, _ = create(shop, "Completed", "Failed")
    assert output(shop) == []
    switches.output_appears_with_item = True
    assert output(shop) == [(first, "front.pdf")]


def test_given_a_failed_item_when_it_is_resumed_then_the_other_one_is_not_run_again(shop: Shop, clock: Clock) -> None:
    first, second = create(shop, "Completed", "Failed")
    before = output(shop, first), shop.results(1, first)["outputFileDetails"][0]["artifactId"]
    with pytest.raises(Conflict):
        shop.resume(1, first)
    shop.resume(1, second)
    assert shop.results(1, first)["status"] == "Completed"
    clock.advance(30)
    assert stands(shop) == ("Completed", "Completed")
    assert (output(shop, first), shop.results(1, first)["outputFileDetails"][0]["artifactId"]) == before


@pytest.mark.parametrize(("concerned", "kept"), [("all", 0), ("failed", 1)])
def test_given_a_failed_item_when_restarted_without_item_id_then_the_switch_says_what_runs_again(
    shop: Shop, clock: Clock, switches: Switches, concerned: Any, kept: int
) -> None:
    switches.restart_without_item = concerned
    create(shop, "Completed", "Failed")
    before = {artifact["id"] for artifact in shop.artifacts(1)}
    shop.restart(1)
    clock.advance(30)
    assert stands(shop)[1] == "Completed"
    assert len(before & {artifact["id"] for artifact in shop.artifacts(1)}) == kept


def test_given_post_processing_when_all_items_are_processed_then_it_runs_and_adds_its_files(
    shop: Shop, clock: Clock
) -> None:
    first, second = create(shop, "Completed", "InProgress", post=pipeline("sheet.pdf", start_after=5, run_for=10))
    shop.process(1, "Completed", item_id=second)
    assert stands(shop) == ("InProgress", "InProgress")
    clock.advance(5)
    assert stands(shop) == ("InProgress", "InProgress")
    clock.advance(10)
    assert stands(shop) == ("Completed", "Completed")
    assert output(shop) == [(first, "front.pdf"), (second, "back.pdf"), (None, "sheet.pdf")]


def test_given_the_switch_when_post_processing_has_not_begun_then_the_project_is_completed_for_a_moment(
    shop: Shop, clock: Clock, switches: Switches
) -> None:
    switches.completed_before_post_processing = True
    _, second = create(shop, "Completed", "InProgress", post=pipeline("sheet.pdf", start_after=5, run_for=10))
    shop.process(1, "Completed", item_id=second)
    seen = [stands(shop)[1]]
    for seconds in (5, 10):
        clock.advance(seconds)
        seen.append(stands(shop)[1])
    assert seen == ["Completed", "InProgress", "Completed"]


def test_given_a_processed_project_when_an_item_is_restarted_then_post_processing_follows_again(
    shop: Shop, clock: Clock
) -> None:
    first, _ = create(
        shop, "Completed", "Completed", post=pipeline("sheet.pdf", processing="Completed", start_after=5, run_for=10)
    )
    before = {artifact["name"]: artifact["id"] for artifact in shop.artifacts(1)}
    shop.restart(1, first)
    clock.advance(30)
    assert stands(shop)[1] == "InProgress"
    clock.advance(15)
    after = {artifact["name"]: artifact["id"] for artifact in shop.artifacts(1)}
    assert stands(shop)[1] == "Completed"
    assert after.keys() == before.keys()
    assert {name for name in before if after[name] == before[name]} == {"back.pdf"}


def test_given_a_completed_project_when_runs_and_files_are_added_then_they_come_without_moving_last_modified(
    shop: Shop,
) -> None:
    shop.create_project(processing="Completed")
    added = shop.add_item_run(1)
    shop.post_process(1, files=[FileSpec(name="sheet.pdf")])
    artifact = shop.add_output_file(1)
    [first, second] = [item["id"] for item in shop.project(1)["items"]]
    assert second == added
    assert output(shop) == [(first, "print.pdf"), (first, "print-2.pdf"), (second, "print.pdf"), (None, "sheet.pdf")]
    assert shop.artifact(artifact)["name"] == "print-2.pdf"
    assert stands(shop) == ("Completed", "Completed")
    assert shop.project(1)["lastModified"] is None


def test_given_a_whole_order_in_one_project_when_shown_then_the_items_are_its_line_items(shop: Shop) -> None:
    create(shop, "Completed", "Completed", whole_order=True, order_id="77")
    project = shop.project(1)
    assert (project["orderLineItemId"], project["orderLineItemIndex"], project["productReference"]) == (None,) * 3
    assert [(item["orderLineItemId"], item["orderLineItemIndex"]) for item in project["items"]] == [
        ("77-1", 0),
        ("77-2", 1),
    ]
    assert all(item["productReference"] and item["sku"] for item in project["items"])
    assert [detail["orderLineItemId"] for detail in shop.results(1)["outputFileDetails"]] == ["77-1", "77-2"]


def test_given_a_pipeline_that_sets_the_business_status_when_it_completes_then_the_project_has_it(
    shop: Shop, clock: Clock
) -> None:
    shop.create_project(processing="InProgress", run_for=10, sets_status=4)
    clock.advance(10)
    assert shop.project(1)["status"] == 4


def test_given_two_hundred_thousand_files_when_listed_then_the_last_page_is_that_of_the_whole(
    clock: Clock, switches: Switches
) -> None:
    shop = Shop(clock, switches, file_size=1 << 40)
    shop.create_project(processing="Completed", files=200_000)
    details = shop.results(1)["outputFileDetails"]
    of_run = ArtifactFilter(group=shop.artifact(details[0]["artifactId"])["group"])
    [last] = shop.artifact_page(of_run, (), 199_999, 9)[1]
    assert (len(details), last["id"], last["size"]) == (200_000, details[-1]["artifactId"], 1 << 40)
