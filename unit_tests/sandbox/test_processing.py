"""Pipelines in time: timelines, resuming, restarting, lags, and what becomes of artifacts."""

from __future__ import annotations

import pytest

from sandbox import Conflict, FileSpec, Missing, Shop, Switches
from sandbox.clock import Clock


def listed(shop: Shop, project_id: int = 1) -> object:
    return shop.project(project_id)["processingStatus"]


def status(shop: Shop, project_id: int = 1) -> object:
    return shop.results(project_id)["status"]


def output_ids(shop: Shop, project_id: int = 1) -> list[str]:
    return [detail["artifactId"] for detail in shop.results(project_id)["outputFileDetails"] or []]


def test_given_a_timeline_when_time_passes_then_the_run_starts_and_ends_on_the_tick(shop: Shop, clock: Clock) -> None:
    shop.create_project(start_after=5, run_for=10)
    assert (listed(shop), status(shop)) == (None, "Pending")
    clock.advance(5)
    assert (listed(shop), status(shop)) == ("InProgress", "InProgress")
    clock.advance(1000)
    assert (listed(shop), status(shop)) == ("Completed", "Completed")
    assert shop.artifacts(1)[0]["lastModified"] == "2024-03-05T10:00:15.0000000Z"
    assert shop.project(1)["lastModified"] is None


def test_given_the_switch_when_processing_moves_on_then_last_modified_is_the_moment_of_the_change(
    shop: Shop, clock: Clock, switches: Switches
) -> None:
    switches.processing_moves_last_modified = True
    shop.create_project(processing="InProgress", run_for=10)
    clock.advance(60)
    assert shop.project(1)["lastModified"] == "2024-03-05T10:00:10.0000000Z"


def test_given_files_of_each_type_when_the_run_ends_then_temporary_ones_go_and_final_ones_come(
    shop: Shop, clock: Clock
) -> None:
    files = [FileSpec(name=kind, type=kind) for kind in ("Final", "Temporary", "Service")]
    shop.create_project(processing="InProgress", run_for=10, files=files)
    assert [one["type"] for one in shop.artifacts(1)] == ["Temporary", "Service"]
    clock.advance(10)
    assert [one["type"] for one in shop.artifacts(1)] == ["Final", "Service"]
    assert len({one["group"] for one in shop.artifacts(1)}) == 1
    assert [detail["name"] for detail in shop.results(1)["outputFileDetails"]] == ["Final"]


def test_given_a_completed_project_when_restarted_then_its_artifacts_are_replaced(shop: Shop, clock: Clock) -> None:
    shop.create_project(processing="Completed", files=[FileSpec(id="given")])
    before = shop.artifact("given")
    shop.restart(1)
    assert status(shop) == "InProgress"
    with pytest.raises(Missing):
        shop.artifact("given")
    clock.advance(30)
    [after] = shop.artifacts(1)
    assert after["id"] != before["id"]
    assert after["group"] != before["group"]
    assert shop.file_bytes(after["id"])


def test_given_a_failed_project_when_resumed_then_the_run_goes_on_under_its_group(shop: Shop, clock: Clock) -> None:
    shop.create_project(processing="Failed", files=[FileSpec(), FileSpec(name="log", type="Service")])
    assert shop.results(1)["statusDescription"] == "Font 'Gotham' is missing"
    [log] = shop.artifacts(1)
    shop.resume(1)
    clock.advance(30)
    assert {one["group"] for one in shop.artifacts(1)} == {log["group"]}
    assert shop.results(1)["statusDescription"] is None


def test_given_outcomes_when_resumed_again_and_again_then_each_run_ends_as_planned(shop: Shop, clock: Clock) -> None:
    shop.create_project(processing="InProgress", run_for=1, outcome=["Failed", "Failed", "Completed"])
    seen = []
    for _ in range(3):
        clock.advance(1)
        seen.append(status(shop))
        if seen[-1] == "Failed":
            shop.resume(1)
    assert seen == ["Failed", "Failed", "Completed"]


@pytest.mark.parametrize("state", [None, "Pending", "InProgress"])
def test_given_a_project_that_has_not_ended_when_retried_then_it_is_a_conflict(shop: Shop, state: None) -> None:
    shop.create_project(processing=state)
    with pytest.raises(Conflict):
        shop.resume(1)
    with pytest.raises(Conflict):
        shop.restart(1)


def test_given_a_list_that_lags_when_the_run_ends_then_the_results_know_first(
    shop: Shop, clock: Clock, switches: Switches
) -> None:
    switches.processing_status_lag = 5
    shop.create_project(processing="InProgress", run_for=10)
    clock.advance(10)
    assert (listed(shop), status(shop)) == ("InProgress", "Completed")
    clock.advance(5)
    assert listed(shop) == "Completed"


def test_given_results_that_lag_when_restarted_then_they_still_show_the_old_files(
    shop: Shop, clock: Clock, switches: Switches
) -> None:
    switches.processing_status_lag = -5
    shop.create_project(processing="Completed")
    before = shop.results(1)
    shop.restart(1)
    assert listed(shop) == "InProgress"
    assert shop.results(1) == before
    clock.advance(5)
    assert (status(shop), output_ids(shop)) == ("InProgress", [])


def test_given_a_status_set_by_hand_when_an_old_timeline_is_due_then_it_does_nothing(shop: Shop, clock: Clock) -> None:
    shop.create_project(processing="InProgress", run_for=10)
    shop.process(1, "Failed", description="Out of paper")
    clock.advance(100)
    assert shop.results(1)["statusDescription"] == "Out of paper"


def test_given_unfinished_projects_when_all_are_finished_then_failed_ones_stay_failed(shop: Shop) -> None:
    for state in (None, "Pending", "InProgress", "Failed", "Completed"):
        shop.create_project(processing=state)
    assert shop.finish_all() == 3
    assert [listed(shop, one) for one in shop.project_ids()] == [*["Completed"] * 3, "Failed", "Completed"]


def test_given_an_artifact_when_regenerated_then_its_bytes_and_time_change_under_the_same_id(
    shop: Shop, clock: Clock
) -> None:
    shop.create_project(processing="Completed", files=[FileSpec(size=3_000_000), FileSpec()])
    for before in shop.artifacts(1):
        digest = shop.file_sha256(before["id"])
        clock.advance(60)
        shop.regenerate_artifact(before["id"])
        assert shop.artifact(before["id"])["lastModified"] > before["lastModified"]
        assert shop.file_sha256(before["id"]) != digest
