"""`order.json`: what an order consists of, written after the last of its files."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from integration_tests.conftest import STOREFRONT
from integration_tests.orders.delivering import CANCELLED, KEY, Delivering, artifacts_of, order
from integration_tests.shops import DAY, HOUR
from sandbox import FileSpec, Sandbox
from source_customerscanvas.sync.kinds import FILES


def remove(sandbox: Sandbox, project_id: int) -> None:
    sandbox.shop.remove_project(project_id)


def hide(sandbox: Sandbox, project_id: int) -> None:
    sandbox.shop.make_obsolete(project_id)


def move(sandbox: Sandbox, project_id: int) -> None:
    sandbox.shop.modify_project(project_id, orderId="5002")


def cancel(sandbox: Sandbox, project_id: int) -> None:
    sandbox.shop.set_status(project_id, CANCELLED)


def has_manifest(folder: Path, order_id: str = "5001") -> bool:
    return (folder / f"{STOREFRONT}/{order_id}/order.json").exists()


def test_given_a_complete_order_when_synced_then_its_manifest_comes_after_the_last_file(
    sandbox: Sandbox, delivering: Delivering
) -> None:
    ids = order(sandbox, "Completed", "Completed", "Completed")
    found = delivering.files()
    assert found[-1] == KEY
    assert len(found) == 7
    assert delivering.named() == {id_: artifacts_of(sandbox, id_) for id_ in ids}
    row = delivering.warehouse.tables[FILES][KEY]
    content = (delivering.folder / row["filePath"]).read_bytes()
    assert (row["size"], row["sha256"]) == (len(content), sha256(content).hexdigest())
    manifest = delivering.manifest()
    assert (manifest["storefrontId"], manifest["orderId"], manifest["orderNumber"]) == (STOREFRONT, "5001", 5001)
    (item, *_) = manifest["projects"][0]["items"]
    listed = sandbox.shop.project(ids[0])["items"][0]
    assert (item["quantity"], item["sku"]) == (listed["quantity"], listed["sku"])
    sandbox.advance(HOUR)
    assert delivering.sync() == {}
    assert delivering.sync() == {}


def test_given_an_order_whose_id_is_no_name_of_a_folder_when_synced_then_its_manifest_lies_beside_its_files(
    sandbox: Sandbox, delivering: Delivering
) -> None:
    for order_id in ("gid://shop/Order/5001", "gid___shop_Order_5001"):
        order(sandbox, "Completed", order_id=order_id)
    delivering.sync()
    rows = delivering.warehouse.tables[FILES].values()
    folders = {row["filePath"].split(f"/{row['projectId']}/")[0] for row in rows if row["projectId"]}
    manifests = {row["filePath"].removesuffix("/order.json") for row in rows if not row["projectId"]}
    assert manifests == folders
    assert len(manifests) == 2


@pytest.mark.parametrize("status", [None, "Pending", "InProgress", "Failed"])
def test_given_an_order_with_an_unfinished_project_when_synced_then_its_manifest_waits_for_that_one(
    sandbox: Sandbox, delivering: Delivering, status: Any
) -> None:
    done, unfinished = order(sandbox, "Completed", status)
    order(sandbox, "Completed", order_id="5002")
    assert KEY not in delivering.files()
    assert not has_manifest(delivering.folder)
    assert has_manifest(delivering.folder, "5002")
    sandbox.advance(DAY)
    assert delivering.files() == []
    sandbox.shop.process(unfinished, "Completed")
    found = delivering.files()
    assert found[-1] == KEY
    assert delivering.named() == {id_: artifacts_of(sandbox, id_) for id_ in (done, unfinished)}


@pytest.mark.parametrize("processing", ["InProgress", "Failed", "Completed"])
def test_given_a_held_project_in_an_order_when_synced_then_the_manifest_comes_without_it(
    sandbox: Sandbox, delivering: Delivering, processing: Any
) -> None:
    (produced,) = order(sandbox, "Completed")
    (held,) = order(sandbox, processing, status=CANCELLED)
    assert delivering.files()[-1] == KEY
    assert delivering.named() == {produced: artifacts_of(sandbox, produced)}
    sandbox.advance(DAY)
    sandbox.shop.process(held, "Completed")
    sandbox.shop.set_status(held, 1, False)
    assert delivering.files()[-1] == KEY
    assert delivering.named() == {id_: artifacts_of(sandbox, id_) for id_ in (produced, held)}


def test_given_a_delivered_project_that_was_on_hold_when_it_is_released_then_the_manifest_names_it_again(
    sandbox: Sandbox, delivering: Delivering
) -> None:
    ids = order(sandbox, "Completed", "Completed")
    delivering.sync()
    sandbox.advance(DAY)
    sandbox.shop.set_status(ids[0], CANCELLED)
    sandbox.shop.regenerate_artifact(artifacts_of(sandbox, ids[1])[0])
    sandbox.shop.modify_project(ids[1], description="a file was made anew")
    delivering.sync()
    assert set(delivering.named()) == {ids[1]}
    sandbox.advance(DAY)
    sandbox.shop.set_status(ids[0], 3)
    assert delivering.files() == [KEY]
    assert delivering.named() == {id_: artifacts_of(sandbox, id_) for id_ in ids}
    assert delivering.sync() == {}


def test_given_an_unfinished_project_that_is_cancelled_when_synced_then_the_manifest_comes_without_it(
    sandbox: Sandbox, delivering: Delivering
) -> None:
    done, unfinished = order(sandbox, "Completed", "InProgress")
    delivering.sync()
    sandbox.advance(DAY)
    sandbox.shop.set_status(unfinished, CANCELLED, True)
    assert delivering.files() == [KEY]
    assert delivering.named() == {done: artifacts_of(sandbox, done)}


def test_given_an_unfinished_project_when_its_status_is_left_out_of_the_settings_then_the_manifest_comes_without_it(
    sandbox: Sandbox, delivering: Delivering
) -> None:
    first, last = order(sandbox, "Completed", "InProgress")
    cancel(sandbox, last)
    delivering.sync(statuses={"mode": "all"})
    assert not has_manifest(delivering.folder)
    assert delivering.files() == [KEY]
    assert delivering.named().keys() == {first}
    assert delivering.sync() == {}


@pytest.mark.parametrize("leaves", [remove, hide, move], ids=lambda leaves: leaves.__name__)
def test_given_an_unfinished_project_that_leaves_its_order_when_synced_then_the_manifest_comes_without_it(
    sandbox: Sandbox, delivering: Delivering, leaves: Callable[[Sandbox, int], object]
) -> None:
    done, unfinished = order(sandbox, "Completed", "InProgress")
    assert KEY not in delivering.files()
    sandbox.advance(DAY)
    leaves(sandbox, unfinished)
    assert delivering.files() == [KEY]
    assert delivering.named() == {done: artifacts_of(sandbox, done)}
    sandbox.advance(DAY)
    assert delivering.files() == []


def test_given_an_order_that_waits_when_its_last_project_leaves_it_then_the_state_forgets_it(
    sandbox: Sandbox, delivering: Delivering
) -> None:
    done, unfinished = order(sandbox, "Completed", "InProgress")
    delivering.sync()
    assert '"5001"' in json.dumps(delivering.states)
    sandbox.advance(DAY)
    sandbox.shop.modify_project(done, orderId=None)
    delivering.sync()
    sandbox.advance(DAY)
    sandbox.shop.remove_project(unfinished)
    delivering.sync()
    assert '"5001"' not in json.dumps(delivering.states)
    assert not has_manifest(delivering.folder)


def test_given_a_delivered_order_when_a_file_of_it_changes_then_its_manifest_is_written_again_with_all_files(
    sandbox: Sandbox, delivering: Delivering
) -> None:
    ids = order(sandbox, "Completed", "Completed")
    delivering.sync()
    for _ in range(2):
        sandbox.advance(DAY)
        delivering.sync()
    changed = artifacts_of(sandbox, ids[0])[0]
    sandbox.shop.regenerate_artifact(changed)
    sandbox.shop.modify_project(ids[0], description="made anew")
    assert delivering.files() == [changed, KEY]
    assert delivering.named() == {id_: artifacts_of(sandbox, id_) for id_ in ids}
    sandbox.advance(DAY)
    sandbox.shop.process(ids[1], "Completed", files=3)
    sandbox.shop.modify_project(ids[1], description="run again")
    assert delivering.files()[-1] == KEY
    assert delivering.named() == {id_: artifacts_of(sandbox, id_) for id_ in ids}


def test_given_a_new_project_in_a_delivered_order_when_it_finishes_then_the_manifest_is_written_again(
    sandbox: Sandbox, delivering: Delivering
) -> None:
    ids = order(sandbox, "Completed")
    delivering.sync()
    sandbox.advance(DAY)
    ids += order(sandbox, "InProgress")
    assert delivering.files() == []
    sandbox.advance(DAY)
    sandbox.shop.process(ids[1], "Completed")
    assert delivering.files()[-1] == KEY
    assert delivering.named() == {id_: artifacts_of(sandbox, id_) for id_ in ids}


def test_given_a_file_that_cannot_be_fetched_when_synced_then_the_manifest_comes_with_it_in_the_next_sync(
    sandbox: Sandbox, delivering: Delivering
) -> None:
    ids = order(sandbox, "Completed", "Completed")
    broken = artifacts_of(sandbox, ids[0])[0]
    sandbox.fault(f"/artifacts/{broken}/file$", status=403)
    reads = delivering.read()
    assert broken in str(reads[FILES].error)
    assert KEY not in delivering.take(reads)[FILES]
    assert not has_manifest(delivering.folder)
    sandbox.clear_faults()
    assert delivering.files() == [broken, KEY]
    assert delivering.named() == {id_: artifacts_of(sandbox, id_) for id_ in ids}


def test_given_a_file_that_is_gone_when_synced_then_the_manifest_does_not_name_it(
    sandbox: Sandbox, delivering: Delivering
) -> None:
    (project_id,) = order(sandbox, "Completed")
    missing, left = artifacts_of(sandbox, project_id)
    sandbox.shop.remove_file(missing)
    delivering.sync()
    assert delivering.named() == {project_id: [left]}


def test_given_a_file_that_is_gone_after_it_was_delivered_when_the_order_is_complete_then_the_manifest_names_it(
    sandbox: Sandbox, delivering: Delivering
) -> None:
    done, unfinished = order(sandbox, "Completed", "InProgress")
    delivering.sync()
    sandbox.advance(DAY)
    sandbox.shop.remove_file(artifacts_of(sandbox, done)[0])
    sandbox.shop.process(unfinished, "Completed")
    delivering.sync()
    assert delivering.named() == {id_: artifacts_of(sandbox, id_) for id_ in (done, unfinished)}


def test_given_file_formats_when_synced_then_the_manifest_names_what_was_delivered(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    delivering = Delivering(sandbox, tmp_path, file_formats=["pdf"])
    order(sandbox, "Completed", files=[FileSpec("a.pdf"), FileSpec("b.json", "json")])
    delivering.sync()
    (project,) = delivering.manifest()["projects"]
    assert [file["name"] for file in project["files"]] == ["a.pdf"]


def test_given_two_storefronts_with_equal_orders_when_synced_then_each_has_its_manifest(
    sandbox: Sandbox, delivering: Delivering
) -> None:
    order(sandbox, "Completed")
    sandbox.shop.create_project(12, "5001", processing="Completed")
    assert {KEY, "order/12/5001"} <= set(delivering.files())
    assert (delivering.folder / "12/5001/order.json").exists()


def test_given_projects_without_an_order_when_synced_then_there_is_no_manifest(
    sandbox: Sandbox, delivering: Delivering
) -> None:
    order(sandbox, "Completed", order_id=None)
    assert len(delivering.files()) == 2


@pytest.mark.parametrize("taken", range(16))
def test_given_a_sync_that_is_killed_anywhere_when_synced_again_then_the_manifest_is_there_and_names_every_file(
    sandbox: Sandbox, delivering: Delivering, taken: int
) -> None:
    ids = order(sandbox, "Completed", "Completed", "Completed")
    delivering.take_until_killed(delivering.read(killed_after=taken, state_projects=1), taken)
    if has_manifest(delivering.folder):
        delivering.manifest()
    delivering.sync()
    assert delivering.named() == {id_: artifacts_of(sandbox, id_) for id_ in ids}
    assert KEY in delivering.warehouse.tables[FILES]
    sandbox.advance(HOUR)
    delivering.sync()
    assert delivering.sync() == {}


@pytest.mark.parametrize("change", [move, cancel], ids=lambda change: change.__name__)
def test_given_an_order_whose_last_project_brings_no_file_when_killed_before_the_manifest_then_the_next_sync_writes_it(
    sandbox: Sandbox, delivering: Delivering, change: Callable[[Sandbox, int], object]
) -> None:
    done, awaited = order(sandbox, "Completed", "InProgress")
    delivering.sync()
    sandbox.advance(DAY)
    change(sandbox, awaited)
    reads = delivering.read(state_projects=1)
    kinds = [kind for kind, _ in reads[FILES].messages]
    assert kinds.index("record") > 0
    (delivering.folder / f"{STOREFRONT}/5001/order.json").unlink()
    delivering.take_until_killed(reads, kinds.index("record"))
    sandbox.advance(HOUR)
    assert delivering.files() == [KEY]
    assert delivering.named() == {done: artifacts_of(sandbox, done)}


@pytest.mark.parametrize("kept", range(12))
def test_given_output_that_is_lost_when_synced_again_then_each_file_and_the_manifest_have_their_rows(
    sandbox: Sandbox, delivering: Delivering, kept: int
) -> None:
    ids = order(sandbox, "Completed", "Completed")
    delivering.take_until_killed(delivering.read(state_projects=1), kept)
    delivering.sync()
    artifacts = [one for id_ in ids for one in artifacts_of(sandbox, id_)]
    assert {*artifacts, KEY} <= delivering.warehouse.tables[FILES].keys()
    row, manifest = delivering.warehouse.tables[FILES][KEY], delivering.folder / f"{STOREFRONT}/5001/order.json"
    assert row["sha256"] == sha256(manifest.read_bytes()).hexdigest()
