"""Only what has changed or is missing is downloaded again."""

from __future__ import annotations

import shutil

from integration_tests.command_line import Run, State
from integration_tests.files.conftest import Shop, error_of
from sandbox import FileSpec


def test_given_files_that_are_gone_when_synced_then_one_warning_each_and_no_new_try_until_the_artifact_changes(
    shop: Shop,
) -> None:
    projects = [shop.add(FileSpec(id=id_), order_id=f"order-{id_}") for id_ in ("first", "second", "here")]
    shop.sandbox.shop.remove_file("first", 404)
    shop.sandbox.shop.remove_file("second", 410)

    first = shop.sync()

    assert first.exit_code == 0
    assert shop.delivered(first) == {"here"}
    warnings = first.logs("WARN")
    assert len(warnings) == 2
    for id_, project in zip(("first", "second"), projects, strict=False):
        assert sum(f"order order-{id_}, project {project}, artifact {id_}" in warning for warning in warnings) == 1

    shop.sandbox.clear_requests()
    second = shop.sync(first.state)
    assert shop.requested() == []
    assert second.logs("WARN") == []

    shop.sandbox.advance(3600)
    shop.sandbox.shop.regenerate_artifact("second")
    shop.sandbox.shop.modify_project(projects[1])
    shutil.rmtree(shop.files)
    third = shop.sync(second.state)
    assert shop.delivered(third) == {"second"}
    assert shop.requested() == ["second"]


def test_given_a_file_that_is_gone_beside_a_broken_one_when_synced_again_then_only_the_broken_one_is_tried(
    shop: Shop,
) -> None:
    shop.add(FileSpec(id="gone"), FileSpec(id="broken"))
    shop.sandbox.shop.remove_file("gone", 404)
    shop.sandbox.fault("/broken/file", status=500)

    first = shop.sync()
    assert error_of(first)
    assert set(shop.requested()) == {"gone", "broken"}

    shop.sandbox.clear_requests()
    second = shop.sync(first.state)
    assert set(shop.requested()) == {"broken"}
    assert not any("is gone" in warning for warning in second.logs("WARN"))


def test_given_a_project_with_a_new_run_when_synced_then_only_its_changed_artifacts_are_downloaded_again(
    shop: Shop,
) -> None:
    again = shop.add(FileSpec(id="kept"), FileSpec(id="redone"))
    rerun = shop.add(FileSpec(name="old.pdf"))
    shop.add(FileSpec(id="untouched"))
    first = shop.sync()
    assert len(shop.delivered(first)) == 4

    shop.sandbox.advance(3600)
    shop.sandbox.shop.regenerate_artifact("redone")
    shop.sandbox.shop.modify_project(again)
    new = [FileSpec(name="new.pdf", id="new")]
    shop.sandbox.shop.process(rerun, "Completed", files=new, moves_last_modified=True)
    shop.sandbox.clear_requests()
    shutil.rmtree(shop.files)
    second = shop.sync(first.state)

    assert shop.delivered(second) == {"redone", "new"}
    assert sorted(shop.requested()) == ["new", "redone"]


def test_given_a_new_run_whose_file_stays_broken_when_another_project_moves_then_only_what_is_new_is_downloaded(
    shop: Shop,
) -> None:
    def sync(state: State) -> tuple[Run, list[str]]:
        shop.sandbox.clear_requests()
        run = shop.sync(state)
        return run, sorted(set(shop.requested()))

    broken = shop.add(FileSpec(id="kept"), FileSpec(id="broken"))
    shop.sandbox.advance(3600)
    shop.add(FileSpec(id="second"))
    run = shop.sync()
    fault = shop.sandbox.fault("/broken/file", status=500)
    shop.sandbox.advance(3600)
    shop.sandbox.shop.regenerate_artifact("broken")
    shop.sandbox.shop.modify_project(broken)
    other = shop.add(FileSpec(id="other"))
    run, asked = sync(run.state)
    assert asked == ["broken", "other"]

    shop.sandbox.advance(3600)
    shop.add(FileSpec(id="later"))
    run, asked = sync(run.state)
    assert asked == ["broken", "later"]

    shop.sandbox.advance(3600)
    shop.sandbox.shop.modify_project(other)
    run, asked = sync(run.state)
    assert asked == ["broken"]

    fault.remove()
    run, asked = sync(run.state)
    assert run.exit_code == 0
    assert asked == ["broken"]
