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
from aurigma.asset_storage.exceptions import NotFoundException as ArtifactNotFound
from aurigma.storefront.exceptions import ConflictException, ForbiddenException, NotFoundException
from aurigma.storefront.models.date_period import DatePeriod
from aurigma.storefront.models.order_data_item_dto import OrderDataItemDto
from aurigma.storefront.models.order_data_item_value_type import OrderDataItemValueType
from aurigma.storefront.models.project_processing_status import ProjectProcessingStatus

from sandbox import FileSpec, Sandbox, Switches

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
