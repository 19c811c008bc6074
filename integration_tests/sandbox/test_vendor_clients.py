"""Every operation of the sandbox, read through the vendor's own generated clients with their strict models."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine, Iterator
from datetime import datetime, timezone
from typing import Any, TypeVar

import httpx
import pytest
from aurigma import asset_storage, storefront
from aurigma.asset_storage.exceptions import ForbiddenException as ForbiddenStorage
from aurigma.asset_storage.exceptions import NotFoundException as ArtifactNotFound
from aurigma.storefront.exceptions import ConflictException, ForbiddenException, NotFoundException
from aurigma.storefront.models.date_period import DatePeriod
from aurigma.storefront.models.order_data_item_dto import OrderDataItemDto
from aurigma.storefront.models.order_data_item_value_type import OrderDataItemValueType
from aurigma.storefront.models.project_processing_status import ProjectProcessingStatus

from sandbox import FileSpec, PipelineSpec, Sandbox, Switches

Answer = TypeVar("Answer")


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    # The clients follow proxy settings, and the server is on loopback.
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    with Sandbox(projects=40, seed=3) as sandbox:
        yield sandbox


def token(sandbox: Sandbox, **more: str) -> str:
    config = sandbox.config()
    form = {"grant_type": "client_credentials", **more}
    form |= {"client_id": config["client_id"], "client_secret": config["client_secret"]}
    answer = httpx.post(f"{sandbox.url}/connect/token", data=form).raise_for_status().json()
    assert answer["token_type"] == "Bearer"
    assert answer["expires_in"] > 0
    return str(answer["access_token"])


class Clients:
    """The generated APIs. As `Any`: in their models every field is optional, and each test knows what is there."""

    def __init__(self, sandbox: Sandbox, access_token: str) -> None:
        self._storefront: Any = storefront.ApiClient(
            storefront.Configuration(host=sandbox.url, access_token=access_token)
        )
        self._storage: Any = asset_storage.ApiClient(
            asset_storage.Configuration(host=sandbox.url, access_token=access_token)
        )
        self.projects: Any = storefront.ProjectsApi(self._storefront)
        self.storefronts: Any = storefront.StorefrontsApi(self._storefront)
        self.tenant: Any = storefront.TenantInfoApi(self._storefront)
        self.pipelines: Any = storefront.ProcessingPipelinesApi(self._storefront)
        self.artifacts: Any = asset_storage.ArtifactsApi(self._storage)

    async def __aenter__(self) -> Clients:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._storefront.close()
        await self._storage.close()


def run(work: Coroutine[Any, Any, Answer]) -> Answer:
    return asyncio.run(work)


def test_given_the_seeded_shop_when_every_list_is_read_then_the_strict_models_accept_each_row(
    sandbox: Sandbox,
) -> None:
    async def read() -> None:
        async with Clients(sandbox, token(sandbox)) as api:
            tenant = await api.tenant.tenant_info_get_info()
            storefronts = await api.storefronts.storefronts_get_all(take=10)
            statuses = await api.projects.projects_get_all_statuses()
            transitions = await api.projects.projects_get_all_transitions()
            pipelines = await api.pipelines.processing_pipelines_get_all()
            projects = await api.projects.projects_get_all(take=100, sorting="LastModified DESC, Id DESC")
            artifacts = await api.artifacts.artifacts_get_all(take=100)
        assert tenant.is_active
        assert [one.id for one in storefronts.items] == [11, 12]
        assert {one.code for one in statuses.items} >= {1, 2}
        assert transitions.total == len(transitions.items)
        assert all(one.raw_content for one in pipelines.items)
        assert projects.total == len(projects.items) == 40
        assert {one.processing_status for one in projects.items} == {None, *ProjectProcessingStatus}
        assert artifacts.items

    run(read())


def test_given_filters_of_the_client_when_projects_are_listed_then_the_shop_applies_them(sandbox: Sandbox) -> None:
    wanted = sandbox.shop.create_project(
        storefront_id=11, order_id="9001", processing="Failed", name="Very special", status=2
    )

    async def read() -> list[int]:
        async with Clients(sandbox, token(sandbox)) as api:
            page = await api.projects.projects_get_all(
                storefront_id=11,
                order_id="9001",
                status=2,
                processing_status=ProjectProcessingStatus.FAILED,
                date_period=DatePeriod.TODAY,
                include_obsolete=True,
                search="special",
                owner_id=sandbox.shop.project(wanted)["ownerId"],
                product_reference=sandbox.shop.project(wanted)["productReference"],
                tenant_id=7001,
            )
            return [one.id for one in page.items]

    assert run(read()) == [wanted]


def test_given_each_project_when_read_singly_then_project_results_and_order_are_accepted(sandbox: Sandbox) -> None:
    async def read() -> None:
        async with Clients(sandbox, token(sandbox)) as api:
            for identity in sandbox.shop.project_ids():
                project = await api.projects.projects_get(identity)
                results = await api.projects.projects_get_project_processing_results(identity)
                assert project.order_id == sandbox.shop.project(identity)["orderId"]
                assert results.status in set(ProjectProcessingStatus)
                if project.order_id is not None:
                    assert await api.projects.projects_get_project_order(identity)
                await api.projects.projects_get_available_transitions(identity)

    run(read())


def test_given_a_completed_project_when_its_files_are_downloaded_then_they_are_the_shops_bytes(
    sandbox: Sandbox,
) -> None:
    files = [FileSpec(), FileSpec(name="preview.png", format="png", anonymous=True, alias="preview")]
    identity = sandbox.shop.create_project(storefront_id=11, order_id="9001", processing="Completed", files=files)

    async def read() -> None:
        async with Clients(sandbox, token(sandbox, scope="Projects_read Artifacts_read")) as api:
            results = await api.projects.projects_get_project_processing_results(identity)
            for detail in results.output_file_details:
                artifact = await api.artifacts.artifacts_get(detail.artifact_id)
                content = await api.artifacts.artifacts_get_file(detail.artifact_id, attachment=True)
                group = await api.artifacts.artifacts_get_all(group=artifact.group)
                assert len(content) == detail.size == artifact.size
                assert content == sandbox.shop.file_bytes(detail.artifact_id)
                assert group.total == len(files)
            aliased = await api.artifacts.artifacts_get_all(group=artifact.group, alias="preview")
            assert httpx.get(aliased.items[0].url).content == content

    run(read())


def test_given_a_failed_project_when_resumed_and_restarted_then_it_completes_and_conflicts_are_told(
    sandbox: Sandbox,
) -> None:
    identity = sandbox.shop.create_project(storefront_id=11, processing="Failed")

    async def read() -> None:
        async with Clients(sandbox, token(sandbox)) as api:
            await api.projects.projects_resume_project_processing(identity)
            with pytest.raises(ConflictException):
                await api.projects.projects_restart_project_processing(identity)
            sandbox.advance(60)
            before = await api.projects.projects_get_project_processing_results(identity)
            await api.projects.projects_restart_project_processing(identity)
            running = await api.projects.projects_get_project_processing_results(identity)
            sandbox.advance(60)
            after = await api.projects.projects_get_project_processing_results(identity)
            assert running.status == ProjectProcessingStatus.INPROGRESS
            assert before.output_file_details[0].artifact_id != after.output_file_details[0].artifact_id

    run(read())


def test_given_a_project_when_data_is_attached_and_its_status_changed_then_the_shop_has_both(sandbox: Sandbox) -> None:
    identity = sandbox.shop.create_project(storefront_id=11)

    async def read() -> None:
        async with Clients(sandbox, token(sandbox)) as api:
            data = [OrderDataItemDto(key="synced", value="yes", type=OrderDataItemValueType.PLAINTEXT)]
            await api.projects.projects_attach_data_to_project_order(identity, order_data_item_dto=data)
            status = await api.projects.projects_change_status(identity, "start-production")
            assert status.code == 3
            with pytest.raises(ConflictException) as conflict:
                await api.projects.projects_change_status(identity, "start-production")
            assert conflict.value.data is not None
            assert conflict.value.data.available_transitions[0].name == "finish-production"
            forced = await api.projects.projects_force_status(identity, 4)
            assert forced.display_name == "Complete"

    run(read())
    assert sandbox.shop.order_data(identity) == [{"key": "synced", "value": "yes", "type": "PlainText"}]
    assert sandbox.shop.project(identity)["status"] == 4


def test_given_what_is_missing_or_forbidden_when_read_then_the_clients_raise_their_documented_errors(
    sandbox: Sandbox,
) -> None:
    identity = sandbox.shop.create_project(storefront_id=11)
    sandbox.switches.results_before_run = "404"

    async def read() -> None:
        async with Clients(sandbox, token(sandbox)) as api:
            with pytest.raises(NotFoundException) as missing:
                await api.projects.projects_get(999_999)
            assert missing.value.data is not None
            assert missing.value.data.status == 404
            with pytest.raises(NotFoundException):
                await api.projects.projects_get_project_processing_results(identity)
            with pytest.raises(ArtifactNotFound):
                await api.artifacts.artifacts_get_file("no-such-artifact")
            sandbox.switches.permissions = {"Projects_read"}
            with pytest.raises(ForbiddenException):
                await api.projects.projects_restart_project_processing(identity)

    run(read())


@pytest.mark.parametrize("time_format", ["7Z", "0", "+00:00", "offset", "none"])
def test_given_each_format_of_times_when_a_project_is_read_then_it_is_the_same_moment(
    sandbox: Sandbox, time_format: Any
) -> None:
    sandbox.switches.time_format = time_format
    created = datetime(2024, 3, 5, 10, 11, 12, tzinfo=timezone.utc)
    identity = sandbox.shop.create_project(storefront_id=11, created=created)

    async def read() -> datetime:
        async with Clients(sandbox, token(sandbox)) as api:
            project = await api.projects.projects_get(identity)
            moment = project.created
            assert isinstance(moment, datetime)
            return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)

    assert run(read()) == created


def test_given_empty_lists_as_null_when_read_then_the_models_accept_them() -> None:
    with Sandbox(empty=True, switches=Switches(items_null_when_empty=True)) as sandbox:

        async def read() -> None:
            async with Clients(sandbox, token(sandbox)) as api:
                assert (await api.projects.projects_get_all(storefront_id=5)).items is None
                assert (await api.artifacts.artifacts_get_all()).items is None

        run(read())


def test_given_a_project_of_several_items_when_read_then_each_has_results_and_groups_of_its_own(
    sandbox: Sandbox,
) -> None:
    pipelines = [PipelineSpec(files=[FileSpec(name=name)], processing="Completed") for name in ("a.pdf", "b.pdf")]
    post = PipelineSpec(files=[FileSpec(name="sheet.pdf")], processing="Completed")
    identity = sandbox.shop.create_project(
        storefront_id=11, order_id="77", item_pipelines=pipelines, post_processing=post, whole_order=True
    )

    async def read() -> None:
        async with Clients(sandbox, token(sandbox)) as api:
            project = await api.projects.projects_get(identity)
            assert project.order_line_item_id is None
            assert [(one.order_line_item_id, one.order_line_item_index) for one in project.items] == [
                ("77-1", 0),
                ("77-2", 1),
            ]
            results = await api.projects.projects_get_project_processing_results(identity)
            details = results.output_file_details
            assert [one.project_item_id for one in details] == [*(one.id for one in project.items), None]
            assert [one.order_line_item_id for one in details] == ["77-1", "77-2", None]
            groups = {(await api.artifacts.artifacts_get(one.artifact_id)).group for one in details}
            assert len(groups) == 3
            for item, detail in zip(project.items, details, strict=False):
                own = await api.projects.projects_get_project_processing_results(identity, item_id=item.id)
                assert [one.artifact_id for one in own.output_file_details] == [detail.artifact_id]
            with pytest.raises(NotFoundException):
                await api.projects.projects_get_project_processing_results(identity, item_id=1)

    run(read())


def test_given_a_failed_item_when_retried_by_its_id_then_the_others_are_not_run_again(sandbox: Sandbox) -> None:
    pipelines = [PipelineSpec(processing="Completed"), PipelineSpec(processing="Failed")]
    identity = sandbox.shop.create_project(storefront_id=11, item_pipelines=pipelines)

    async def read() -> None:
        async with Clients(sandbox, token(sandbox)) as api:
            done, failed = (one.id for one in (await api.projects.projects_get(identity)).items)
            assert (await api.projects.projects_get_project_processing_results(identity)).status == "Failed"
            with pytest.raises(ConflictException):
                await api.projects.projects_resume_project_processing(identity, item_id=done)
            with pytest.raises(NotFoundException):
                await api.projects.projects_resume_project_processing(identity, item_id=1)
            before = await api.projects.projects_get_project_processing_results(identity, item_id=done)
            await api.projects.projects_resume_project_processing(identity, item_id=failed)
            sandbox.advance(60)
            after = await api.projects.projects_get_project_processing_results(identity)
            assert after.status == ProjectProcessingStatus.COMPLETED
            assert len(after.output_file_details) == 2
            assert after.output_file_details[0] == before.output_file_details[0]
            await api.projects.projects_restart_project_processing(identity, item_id=done)
            running = await api.projects.projects_get_project_processing_results(identity, item_id=done)
            assert running.status == ProjectProcessingStatus.INPROGRESS

    run(read())


def test_given_business_statuses_when_the_shop_sets_them_then_lists_filter_by_them(sandbox: Sandbox) -> None:
    cancelled = sandbox.shop.create_project(storefront_id=11, order_id="77")
    obsolete = sandbox.shop.create_project(storefront_id=11, order_id="77")
    sandbox.shop.set_status(cancelled, 5)
    sandbox.shop.make_obsolete(obsolete)

    async def read() -> None:
        async with Clients(sandbox, token(sandbox)) as api:
            names = {one.code: one.display_name for one in (await api.projects.projects_get_all_statuses()).items}
            assert names == {1: "New", 2: "On hold", 3: "Processing", 4: "Complete", 5: "Cancelled"}
            of_order = await api.projects.projects_get_all(order_id="77", status=5)
            assert [one.id for one in of_order.items] == [cancelled]
            everything = await api.projects.projects_get_all(order_id="77", include_obsolete=True)
            assert [one.id for one in everything.items] == [cancelled, obsolete]
            assert (await api.projects.projects_get_all(order_id="77")).total == 1
            assert (await api.projects.projects_get(obsolete)).id == obsolete

    run(read())


@pytest.mark.parametrize(
    "switches",
    [
        {"names_without_extension": True, "formats_as_vendor_spells": True, "public_links": "null"},
        {"public_links": "internal", "private_url": False, "output_null_when_empty": True},
        {"output_appears_with_item": True, "output_null_until_completed": False},
        {"row_padding": 100_000, "order_document_padding": 100_000},
    ],
    ids=lambda switches: next(iter(switches)),
)
def test_given_other_ways_of_the_api_when_everything_is_read_then_the_models_accept_it(
    sandbox: Sandbox, switches: dict[str, Any]
) -> None:
    sandbox.switches.update(**switches)

    async def read() -> None:
        async with Clients(sandbox, token(sandbox)) as api:
            projects = await api.projects.projects_get_all(take=100)
            for project in projects.items:
                results = await api.projects.projects_get_project_processing_results(project.id)
                for detail in results.output_file_details or ():
                    artifact = await api.artifacts.artifacts_get(detail.artifact_id)
                    assert (artifact.name, artifact.format, artifact.url) == (detail.name, detail.format, detail.url)
                if project.order_id is not None:
                    assert await api.projects.projects_get_project_order(project.id)

    run(read())


@pytest.mark.parametrize("document", [{"a": [1, {"b": None}]}, {}, {"lines": ["x" * 1_000_000]}])
def test_given_a_document_of_an_order_when_read_then_it_is_the_shops(sandbox: Sandbox, document: Any) -> None:
    identity = sandbox.shop.create_project(storefront_id=11, order_id="77")
    sandbox.shop.set_order_document(11, "77", document)

    async def read() -> Any:
        async with Clients(sandbox, token(sandbox)) as api:
            return await api.projects.projects_get_project_order(identity)

    assert run(read()) == document


def test_given_a_project_when_its_preview_is_asked_for_then_image_and_address_are_given(sandbox: Sandbox) -> None:
    async def read() -> None:
        async with Clients(sandbox, token(sandbox)) as api:
            image = await api.projects.projects_get_preview(1)
            assert image.startswith(b"\x89PNG")
            assert httpx.get(await api.projects.projects_get_preview_url(1)).content == image
            with pytest.raises(NotFoundException):
                await api.projects.projects_get_preview_url(999_999)

    run(read())


def test_given_no_run_when_results_are_empty_then_the_client_has_none(sandbox: Sandbox) -> None:
    identity = sandbox.shop.create_project(storefront_id=11)
    sandbox.switches.results_before_run = "204"

    async def read() -> Any:
        async with Clients(sandbox, token(sandbox)) as api:
            return await api.projects.projects_get_project_processing_results(identity)

    assert run(read()) is None


@pytest.mark.parametrize(
    ("missing", "call"),
    [
        ("Storefronts_read", lambda api: api.storefronts.storefronts_get_all()),
        ("Tenants_read", lambda api: api.tenant.tenant_info_get_info()),
        ("Projects_read", lambda api: api.projects.projects_get_all()),
        ("Artifacts_read", lambda api: api.artifacts.artifacts_get_all()),
    ],
)
def test_given_a_permission_that_is_missing_when_called_then_the_client_is_forbidden(
    sandbox: Sandbox, missing: str, call: Any
) -> None:
    everything = {"Storefronts_read", "Tenants_read", "Projects_read", "Artifacts_read"}

    async def read() -> None:
        async with Clients(sandbox, token(sandbox)) as api:
            sandbox.switches.permissions = everything
            assert await call(api)
            sandbox.switches.permissions = everything - {missing}
            with pytest.raises((ForbiddenException, ForbiddenStorage)):
                await call(api)

    run(read())
