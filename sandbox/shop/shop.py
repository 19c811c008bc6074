"""The whole shop: what its owner, its system and the API's clients do in it."""

from __future__ import annotations

from typing import Any

from sandbox.clock import TICKS, Moment, to_ticks
from sandbox.shop.artifacts import Missing
from sandbox.shop.contents import Content, sha256_of
from sandbox.shop.listing import ArtifactFilter
from sandbox.shop.processing import Conflict
from sandbox.shop.rows import LINKS, Artifact, Storefront
from sandbox.shop.runs import Runs
from sandbox.shop.tables import TRANSITIONS, open_transitions, status_of
from sandbox.shop.tenant import Refused, Tenant, locked
from sandbox.shop.views import SortKey
from sandbox.switches import Link


class Storefronts(Tenant):
    @locked
    def add_storefront(
        self,
        id: int | None = None,
        name: str = "Print shop",
        type: str = "Custom",
        created: Moment | None = None,
        status: str = "Prod",
    ) -> int:
        if id is None:
            id = max(self._storefronts, default=0) + 1
        moment = self._began if created is None else to_ticks(created)
        self._storefronts[id] = Storefront(id, name, type, moment, status)
        return id

    @locked
    def hide_storefront(self, storefront_id: int) -> None:
        """The list leaves it out from now on, though it and its projects are there."""
        self._storefronts[storefront_id].listed = False

    @locked
    def show_storefront(self, storefront_id: int) -> None:
        """The list has it again."""
        self._storefronts[storefront_id].listed = True

    @locked
    def storefronts(self) -> list[dict[str, Any]]:
        """Those that the list has, by id."""
        rows = sorted(self._storefronts.values(), key=lambda one: one.id)
        return [self.show.storefront(one) for one in rows if one.listed]

    def tenant(self) -> dict[str, Any]:
        return self.show.tenant(self._began - 400 * 86_400 * TICKS)


class Orders(Tenant):
    @locked
    def orders(self) -> list[dict[str, Any]]:
        """`storefrontId`, `orderId` and the `projectIds` of every order, obsolete projects' too."""
        return [
            {
                "storefrontId": storefront_id,
                "orderId": order_id,
                "projectIds": sorted(one.id for one in self._orders.of((storefront_id, order_id))),
            }
            for storefront_id, order_id in self._orders.all()
        ]

    @locked
    def order_document(self, storefront_id: int, order_id: str) -> Any:
        """What the shop system has for the order, whether or not the API gives it. Raises Missing."""
        projects = self._orders.of((storefront_id, order_id))
        if not projects:
            raise Missing(f"Storefront {storefront_id} has no order {order_id}.")
        return self._orders.document((storefront_id, order_id), self.show.time(min(one.created for one in projects)))

    @locked
    def set_order_document(self, storefront_id: int, order_id: str, document: Any) -> None:
        """The shop system's document of the order, any JSON."""
        self._orders.set_document((storefront_id, order_id), document)

    @locked
    def order(self, project_id: int) -> Any:
        """As the API gives it. Raises Missing, also without an order; NoDocument where the shop system has none."""
        project = self.find(project_id)
        self._orders.check_answer(project.storefront_id)
        if project.order_id is None:
            raise Missing(f"Project {project_id} has no order.")
        return self.order_document(project.storefront_id, project.order_id)

    @locked
    def attach_order_data(self, project_id: int, entries: list[dict[str, Any]], item_id: int | None = None) -> None:
        project = self.find(project_id)
        self._position(project, item_id)
        self._orders.attach(project_id, item_id, entries)
        if self.switches.order_data_moves_last_modified:
            project.last_modified = self.now_ticks()
            self._project_changed(project)

    @locked
    def order_data(self, project_id: int) -> list[dict[str, Any]]:
        """Every entry that was attached through the project, oldest first."""
        return self._orders.attached(project_id)

    @locked
    def transitions(self, project_id: int) -> list[dict[str, Any]]:
        return open_transitions(self.find(project_id).status)

    @locked
    def transition(self, project_id: int, name: str) -> dict[str, Any]:
        """Raises Missing, Refused (no such transition), Conflict (not from this status)."""
        project = self.find(project_id)
        known = [one for one in TRANSITIONS if one["name"] == name]
        if not known:
            raise Refused(f"There is no transition '{name}'.")
        if known[0]["startStatus"] != project.status:
            raise Conflict(f"Transition '{name}' is not open to project {project_id}.")
        return self.force_status(project_id, known[0]["resultStatus"])

    @locked
    def force_status(self, project_id: int, code: int) -> dict[str, Any]:
        """Raises Missing, Refused (no such status)."""
        project = self.find(project_id)
        status = status_of(code)
        if status is None:
            raise Refused(f"There is no project status {code}.")
        self._processing.set_business_status(project, code, self.clock.now())
        return status


class Artifacts(Tenant):
    @locked
    def artifacts(self, project_id: int | None = None) -> list[dict[str, Any]]:
        """All artifacts that exist now, or those of one project."""
        if project_id is not None:
            return [self.show.artifact(one) for one in self._artifacts.of(self.find(project_id))]
        return [self.show.artifact(one) for _, one in self._artifacts.all()]

    @locked
    def artifact(self, artifact_id: str) -> dict[str, Any]:
        return self.show.artifact(self._artifacts.find(artifact_id))

    @locked
    def artifact_page(
        self, wanted: ArtifactFilter, sorting: tuple[SortKey, ...], skip: int, take: int
    ) -> tuple[int, list[dict[str, Any]]]:
        total, found = self._artifacts.page(wanted, sorting, skip, take)
        return total, [self.show.artifact(artifact) for artifact in found]

    @locked
    def content(self, artifact_id: str) -> tuple[Artifact, Content]:
        """An artifact with its bytes as they lie in the storage, whether or not its file is gone. Raises Missing."""
        artifact = self._artifacts.find(artifact_id)
        return artifact, self.show.content(artifact)

    def file_bytes(self, artifact_id: str) -> bytes:
        content = self.content(artifact_id)[1]
        return b"".join(content.read(0, content.length))

    def file_sha256(self, artifact_id: str) -> str:
        return sha256_of(self.content(artifact_id)[1])

    @locked
    def remove_file(self, artifact_id: str, status: int | None = None) -> None:
        """The file is gone (`status` 404 or 410; None: as the switch says), though the artifact is still listed."""
        self._artifacts.change(artifact_id).gone = self.switches.file_gone_status if status is None else status

    @locked
    def regenerate_artifact(self, artifact_id: str) -> None:
        """The same artifact with other bytes and a later `lastModified`."""
        self._artifacts.regenerate(artifact_id, self.now_ticks())

    @locked
    def replace_artifact(self, artifact_id: str) -> str:
        """The file is made anew as another artifact of the same run; its id. The project's `lastModified` stays."""
        return self._artifacts.replace(artifact_id, self.now_ticks())

    @locked
    def change_link(self, artifact_id: str, link: Link) -> None:
        """Its public `url` is another one from now on, and works as `link` says."""
        if link not in LINKS:
            raise Refused(f"A link is one of {', '.join(LINKS)}.")
        change = self._artifacts.change(artifact_id)
        change.link = link
        change.links += 1


class Shop(Storefronts, Runs, Orders, Artifacts):
    """A tenant's shop. Every public method may be called from any thread."""
