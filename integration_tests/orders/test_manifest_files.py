"""The files that `order.json` names lie there as it says, whatever has happened to their names since."""

from __future__ import annotations

from pathlib import Path

import pytest

from integration_tests.conftest import STOREFRONT, warnings
from integration_tests.orders.delivering import KEY, Delivering, artifacts_of, order
from integration_tests.shops import DAY, HOUR
from sandbox import FileSpec, PipelineSpec, Sandbox
from source_customerscanvas.sync.kinds import FILES

PRINT = FileSpec("print.pdf", size=500)


def paths(delivering: Delivering) -> list[str]:
    return [file["path"] for project in delivering.manifest()["projects"] for file in project["files"]]


def delivered(sandbox: Sandbox, delivering: Delivering, *files: FileSpec) -> int:
    """A project whose files were delivered days ago."""
    (project_id,) = order(sandbox, "Completed", files=files or [PRINT])
    for _ in range(3):
        delivering.sync()
        sandbox.advance(DAY)
    return project_id


def test_given_a_delivered_file_when_another_one_gets_its_name_then_both_lie_where_the_manifest_says(
    sandbox: Sandbox, delivering: Delivering
) -> None:
    project_id = delivered(sandbox, delivering)
    (first,) = artifacts_of(sandbox, project_id)
    second = sandbox.shop.add_output_file(project_id, PRINT)
    sandbox.shop.modify_project(project_id, description="one more")

    found = delivering.files()
    assert found[-1] == KEY
    assert set(found) == {first, second, KEY}
    expected = [f"{STOREFRONT}/5001/{project_id}/print-{one}.pdf" for one in (first, second)]
    assert sorted(paths(delivering)) == sorted(expected)
    table = delivering.warehouse.tables[FILES]
    assert [table[one]["filePath"] for one in (first, second)] == expected
    assert table[first]["lastModified"]
    sandbox.advance(DAY)
    assert delivering.sync() == {}


def test_given_two_files_of_one_name_when_one_is_replaced_by_another_name_then_the_other_lies_where_the_manifest_says(
    sandbox: Sandbox, delivering: Delivering
) -> None:
    project_id = delivered(sandbox, delivering, PRINT, PRINT)
    first, second = artifacts_of(sandbox, project_id)
    assert all(f"print-{one}.pdf" in " ".join(paths(delivering)) for one in (first, second))
    sandbox.shop.process(project_id, "Completed", files=[PRINT])
    sandbox.shop.modify_project(project_id, description="run again")
    delivering.sync()
    assert paths(delivering) == [f"{STOREFRONT}/5001/{project_id}/print.pdf"]


@pytest.mark.parametrize(
    "template", ["{storefrontId}/{orderId}/{projectId}-{name}", "{storefrontId}/{orderId}/{artifactId}"]
)
def test_given_another_file_path_when_a_further_project_completes_then_all_files_lie_where_the_manifest_says(
    sandbox: Sandbox, delivering: Delivering, template: str
) -> None:
    project_id = delivered(sandbox, delivering)
    delivering.config["file_path"] = template
    assert delivering.sync() == {}  # what was delivered stays where it is
    order(sandbox, "Completed", files=[PRINT])
    assert len(delivering.files()) == 3
    assert len(paths(delivering)) == 2
    assert not any(f"/{project_id}/" in path for path in paths(delivering))


def test_given_a_project_that_got_another_name_when_a_further_one_completes_then_all_files_lie_where_the_manifest_says(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    delivering = Delivering(sandbox, tmp_path, file_path="{storefrontId}/{orderId}/{projectName}-{projectId}/{name}")
    project_id = delivered(sandbox, delivering)
    sandbox.shop.modify_project(project_id, name="Posters")
    delivering.sync()
    order(sandbox, "Completed", files=[PRINT])
    delivering.sync()
    assert f"{STOREFRONT}/5001/Posters-{project_id}/print.pdf" in paths(delivering)


def test_given_a_file_that_somebody_took_away_when_the_manifest_is_written_again_then_it_lies_there_again(
    sandbox: Sandbox, delivering: Delivering
) -> None:
    project_id = delivered(sandbox, delivering)
    (delivering.folder / f"{STOREFRONT}/5001/{project_id}/print.pdf").unlink()
    order(sandbox, "Completed", files=[PRINT])
    assert set(artifacts_of(sandbox, project_id)) < set(delivering.files())
    assert len(paths(delivering)) == 2


@pytest.mark.parametrize("is_another_artifact", [False, True])
def test_given_a_file_made_anew_unseen_in_its_old_size_when_a_project_comes_then_it_lies_as_the_manifest_says(
    sandbox: Sandbox, delivering: Delivering, is_another_artifact: bool
) -> None:
    project_id = delivered(sandbox, delivering)
    (artifact,) = artifacts_of(sandbox, project_id)
    make_anew = sandbox.shop.replace_artifact if is_another_artifact else sandbox.shop.regenerate_artifact
    make_anew(artifact)
    (other,) = order(sandbox, "Completed", files=[PRINT])
    delivering.sync()
    assert delivering.named() == {one: artifacts_of(sandbox, one) for one in (project_id, other)}


def test_given_a_file_that_the_api_has_cleaned_up_when_the_manifest_is_written_again_then_it_names_what_lies_there(
    sandbox: Sandbox, delivering: Delivering
) -> None:
    project_id = delivered(sandbox, delivering)
    (artifact,) = artifacts_of(sandbox, project_id)
    before = delivering.manifest()["projects"][0]["files"]
    sandbox.shop.remove_file(artifact)
    order(sandbox, "Completed", files=[PRINT])
    delivering.sync()
    (file, _) = [file for project in delivering.written()["projects"] for file in project["files"]]
    assert [file] == [{**before[0], "sha256": None}]


def test_given_a_file_that_is_nowhere_when_the_manifest_is_written_again_then_it_is_left_out_with_a_warning(
    sandbox: Sandbox, delivering: Delivering, caplog: pytest.LogCaptureFixture
) -> None:
    project_id = delivered(sandbox, delivering)
    (artifact,) = artifacts_of(sandbox, project_id)
    sandbox.shop.remove_file(artifact)
    (delivering.folder / f"{STOREFRONT}/5001/{project_id}/print.pdf").unlink()
    order(sandbox, "Completed", files=[PRINT])
    delivering.sync()
    assert len(paths(delivering)) == 1
    assert [f"project {project_id}, artifact {artifact}" in line for line in warnings(caplog)] == [True]


def test_given_an_item_of_a_project_when_the_manifest_is_written_then_each_file_says_whose_it_is(
    sandbox: Sandbox, delivering: Delivering
) -> None:
    (project_id,) = order(
        sandbox, "Completed", whole_order=True, item_pipelines=[PipelineSpec(processing="Completed")] * 2
    )
    delivering.sync()
    files = delivering.manifest()["projects"][0]["files"]
    fields = ("projectItemId", "orderLineItemId", "orderLineItemIndex")
    listed = sandbox.shop.results(project_id)["outputFileDetails"]
    assert {file["artifactId"]: [file[name] for name in fields] for file in files} == {
        file["artifactId"]: [file[name] for name in fields] for file in listed
    }
    assert len({file["projectItemId"] for file in files}) == 2


def test_given_projects_of_one_order_with_one_line_item_when_paths_rest_on_it_then_no_file_takes_the_place_of_another(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    delivering = Delivering(sandbox, tmp_path, file_path="{storefrontId}/{orderId}/{lineItem}/{name}")
    first, second = order(sandbox, "Completed", "Completed", files=[PRINT], orderLineItemIndex=0)
    delivering.sync()
    folder = f"{STOREFRONT}/5001"
    assert paths(delivering) == [f"{folder}/1/print.pdf", f"{folder}/1-{second}/print.pdf"]
    sandbox.advance(DAY)
    (third,) = order(sandbox, "Completed", files=[PRINT], orderLineItemIndex=0)
    assert delivering.files() == [*artifacts_of(sandbox, third), KEY]
    assert paths(delivering) == [f"{folder}/{one}/print.pdf" for one in ("1", f"1-{second}", f"1-{third}")]
    table = delivering.warehouse.tables[FILES]
    assert [table[artifacts_of(sandbox, one)[0]]["filePath"] for one in (first, second, third)] == paths(delivering)


@pytest.mark.parametrize(
    ("template", "more"), [("{storefrontId}/{orderId}/{lineItem}", 1), ("{projectId}-{lineItem}", 0)]
)
def test_given_paths_that_rest_on_line_items_when_a_project_has_files_then_its_order_is_asked_for_once(
    sandbox: Sandbox, tmp_path: Path, template: str, more: int
) -> None:
    delivering = Delivering(sandbox, tmp_path, file_path=template)
    delivering.config["order_manifest"] = False
    order(sandbox, "Completed", "InProgress", files=[PRINT, FileSpec("b.pdf")])
    delivering.sync()
    assert sum("orderId" in request.query for request in sandbox.requests) == more


def test_given_an_order_that_waits_when_manifests_are_turned_off_and_on_then_the_next_one_names_what_lies_there_now(
    sandbox: Sandbox, delivering: Delivering
) -> None:
    done, unfinished = order(sandbox, "Completed", "InProgress")
    delivering.sync()
    sandbox.advance(HOUR)
    delivering.config["order_manifest"] = False
    sandbox.shop.regenerate_artifact(artifacts_of(sandbox, done)[0])
    sandbox.shop.modify_project(done, description="changed")
    delivering.sync()
    sandbox.advance(DAY)
    delivering.config["order_manifest"] = True
    sandbox.shop.process(unfinished, "Completed")
    delivering.sync()
    assert delivering.named() == {id_: artifacts_of(sandbox, id_) for id_ in (done, unfinished)}
