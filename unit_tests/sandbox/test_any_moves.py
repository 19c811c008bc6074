"""Whatever is done in a shop, in any order: what it says of itself fits together."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sandbox import Conflict, PipelineSpec, Refused, Shop, Switches
from sandbox.clock import Clock
from sandbox.shop.listing import SORTABLE_OF_ARTIFACTS, ArtifactFilter, ProjectFilter, parse_sorting
from sandbox.shop.rows import ProcessingStatus

STATUSES: tuple[ProcessingStatus, ...] = ("Pending", "InProgress", "Completed", "Failed")


def create(shop: Shop, number: int) -> None:
    specs = [PipelineSpec(files=1, processing=STATUSES[(number + one) % 4]) for one in range(number % 3)]
    post = PipelineSpec(start_after=5, run_for=5) if number % 2 else None
    shop.create_project(
        storefront_id=1 + number % 2,
        order_id=None if number % 5 == 0 else str(number % 3),
        processing=STATUSES[number % 4],
        run_for=20,
        item_pipelines=specs,
        post_processing=post,
    )


def artifact_of(shop: Shop, project: int, number: int) -> str | None:
    artifacts = shop.artifacts(project)
    return artifacts[number % len(artifacts)]["id"] if artifacts else None


def with_artifact(move: Callable[[Shop, str], object]) -> Callable[[Shop, int, int], object]:
    def run(shop: Shop, project: int, number: int) -> object:
        artifact = artifact_of(shop, project, number)
        return move(shop, artifact) if artifact else None

    return run


MOVES: dict[str, Callable[[Shop, int, int], object]] = {
    "process": lambda shop, project, number: shop.process(project, STATUSES[number % 4]),
    "modify": lambda shop, project, number: shop.modify_project(project, name=str(number)),
    "item": lambda shop, project, number: shop.add_item_run(project, STATUSES[number % 4]),
    "post": lambda shop, project, number: shop.post_process(project, STATUSES[number % 4]),
    "file": lambda shop, project, number: shop.add_output_file(project),
    "resume": lambda shop, project, number: shop.resume(project),
    "restart": lambda shop, project, number: shop.restart(project),
    "status": lambda shop, project, number: shop.set_status(project, 1 + number % 5),
    "move": lambda shop, project, number: shop.move_project(project, str(number % 3), storefront_id=1 + number % 2),
    "obsolete": lambda shop, project, number: shop.make_obsolete(project, number % 2 == 0),
    "remove": lambda shop, project, number: shop.remove_project(project),
    "finish": lambda shop, project, number: shop.finish_all(),
    "regenerate": with_artifact(lambda shop, artifact: shop.regenerate_artifact(artifact)),
    "replace": with_artifact(lambda shop, artifact: shop.replace_artifact(artifact)),
}


@given(
    moves=st.lists(st.tuples(st.sampled_from(sorted(MOVES)), st.integers(0, 11), st.integers(0, 60)), max_size=30),
    failure=st.sampled_from(["at end", "at once"]),
    early=st.booleans(),
)
def test_given_any_moves_when_the_shop_is_looked_at_then_everything_fits_together(
    moves: list[tuple[str, int, int]], failure: Any, early: bool
) -> None:
    clock = Clock("manual", start="2024-03-05T10:00:00Z")
    shop = Shop(clock, Switches(failure_shows=failure, completed_before_post_processing=early))
    for number in range(4):
        create(shop, number)
    for name, number, seconds in moves:
        pages(shop)
        ids = shop.project_ids()
        if not ids:
            create(shop, number)
            continue
        # Some moves are not open to the project as it is.
        with suppress(Conflict, Refused):
            MOVES[name](shop, ids[number % len(ids)], number)
        clock.advance(seconds)
    fits_together(shop)
    kept = pages(shop)
    shop.forget_views()
    assert pages(shop) == kept


def pages(shop: Shop) -> Any:
    sorting = parse_sorting("LastModified DESC, Id", SORTABLE_OF_ARTIFACTS, True)
    everything = ProjectFilter(include_obsolete=True)
    return (
        shop.project_page(everything, sorting, 0, 1000),
        shop.artifact_page(ArtifactFilter(), sorting, 0, 1000),
    )


def fits_together(shop: Shop) -> None:
    orders: dict[tuple[int, str], list[int]] = {}
    for project in shop.projects():
        if project["orderId"] is not None:
            orders.setdefault((project["storefrontId"], project["orderId"]), []).append(project["id"])
        results = shop.results(project["id"])
        assert results["status"] == (project["processingStatus"] or "Pending")
        finals = [one["id"] for one in shop.artifacts(project["id"]) if one["type"] == "Final"]
        if results["status"] == "Completed":
            assert [one["artifactId"] for one in results["outputFileDetails"]] == finals
        for artifact in shop.artifacts(project["id"]):
            of_group = shop.artifact_page(ArtifactFilter(group=artifact["group"]), (), 0, 1000)[1]
            assert artifact in of_group
            assert shop.artifact(artifact["id"]) == artifact
    assert {(one["storefrontId"], one["orderId"]): one["projectIds"] for one in shop.orders()} == {
        key: sorted(ids) for key, ids in orders.items()
    }
