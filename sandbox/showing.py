"""Rows as the API shows them, in JSON-ready values; what nobody set is derived from the row's id."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from sandbox.clock import Moment, format_ticks, to_ticks
from sandbox.contents import Content, Document, Filling
from sandbox.documents import Card, document, document_size
from sandbox.rows import Artifact, Project, Storefront
from sandbox.switches import Switches
from sandbox.tables import TENANT, TENANT_ID

_CUSTOMERS = ("Ada Lovelace", "Jean Dubois", "Zoë Müller", "Kofi Mensah", "Mei Lin", "Søren Holm", "Ana Souza")
_PRODUCTS = ("business-card", "flyer-a5", "poster-a2", "mug", "wedding-invitation")


class Presenter:
    """Turns rows into what the API answers. `api_url` and `cdn_url` are known once the server listens."""

    def __init__(self, switches: Switches, seed: int) -> None:
        self._switches = switches
        self._seed = seed
        self.api_url = ""
        self.cdn_url = ""

    def time(self, ticks: int | None) -> str | None:
        if ticks is None:
            return None
        return format_ticks(ticks, self._switches.time_format, self._switches.datetime_digits)

    def tenant(self, created: Moment) -> dict[str, Any]:
        return {**TENANT, "tenantCreationTime": self.time(to_ticks(created))}

    def storefront(self, storefront: Storefront) -> dict[str, Any]:
        return {
            "id": storefront.id,
            "tenantId": TENANT_ID,
            "name": storefront.name,
            "type": storefront.type,
            "created": self.time(storefront.created),
            "status": storefront.status,
        }

    def project(self, project: Project) -> dict[str, Any]:
        order = project.order_id
        line = line_item_id(project)
        shown: dict[str, Any] = {
            "id": project.id,
            "name": project.name,
            "description": None,
            "storefrontId": project.storefront_id,
            "tenantId": TENANT_ID,
            "productReference": product_reference(project),
            "orderId": order,
            "orderNumber": project.order_number,
            "orderName": None if order is None else f"#{order}",
            "orderUrl": None if order is None else f"https://shop.example/admin/orders/{quote(order, safe='')}",
            "orderLineItemId": line,
            "orderLineItemIndex": None if order is None else project.line,
            "customerId": f"customer-{customer(project)}",
            "customerName": _CUSTOMERS[customer(project)],
            "ownerId": owner_id(project),
            "status": project.status,
            "processingStatus": project.listed,
            "created": self.time(project.created),
            "lastModified": self.time(project.last_modified),
            "items": None,
        }
        if project.extra:
            shown.update(project.extra)
        if not (project.extra and "items" in project.extra):
            shown["items"] = [_item(project, position, line) for position in range(item_count(project))]
        return shown

    def results(self, project: Project, artifacts: list[Artifact], item_id: int | None) -> dict[str, Any]:
        if project.run is None:
            return {"status": "Pending", "statusDescription": None, "outputFileDetails": self._no_output()}
        status, description = project.run.status, project.run.description
        output = self._no_output()
        if status == "Completed":
            items = self.project(project)["items"] if project.extra and "items" in project.extra else None
            details = [self._detail(one, items) for one in artifacts if one.spec.type == "Final"]
            output = [one for one in details if item_id is None or one["projectItemId"] == item_id]
        return {"status": status, "statusDescription": description, "outputFileDetails": output}

    def _no_output(self) -> list[dict[str, Any]] | None:
        return None if self._switches.output_null_until_completed else []

    def _detail(self, artifact: Artifact, items: list[dict[str, Any]] | None) -> dict[str, Any]:
        project, position = artifact.project, artifact.spec.item
        item = None
        if position is not None and items is None:
            index = None if project.order_id is None else project.line
            item = {
                "id": item_id_at(project, position),
                "orderLineItemId": line_item_id(project),
                "orderLineItemIndex": index,
            }
        elif position is not None and items and position < len(items):
            item = items[position]
        return {
            "projectItemId": item and item.get("id"),
            "orderLineItemId": item and item.get("orderLineItemId"),
            "orderLineItemIndex": item and item.get("orderLineItemIndex"),
            "artifactId": artifact.id,
            "name": artifact.spec.name,
            "format": artifact.spec.format,
            "size": self._listed_size(artifact),
            "url": self._url(artifact),
            "anonymousAccess": artifact.spec.anonymous,
        }

    def artifact(self, artifact: Artifact) -> dict[str, Any]:
        spec = artifact.spec
        return {
            "id": artifact.id,
            "name": spec.name,
            "description": spec.description,
            "descriptor": spec.descriptor,
            "group": group_of(artifact.run.number),
            "alias": spec.alias,
            "type": spec.type,
            "format": spec.format,
            "size": self._listed_size(artifact),
            "url": self._url(artifact),
            "anonymousAccess": spec.anonymous,
            "tenantId": TENANT_ID,
            "ownerId": None,
            "customFields": None if spec.custom_fields is None else dict(spec.custom_fields),
            "lastModified": self.time(artifact.last_modified),
        }

    def _url(self, artifact: Artifact) -> str | None:
        if artifact.spec.anonymous:
            return f"{self.cdn_url}/files/{artifact.id}/{quote(artifact.spec.name or '', safe='')}"
        if self._switches.private_url:
            return f"{self.api_url}/api/storage/v1/artifacts/{quote(artifact.id, safe='')}/file"
        return None

    def _listed_size(self, artifact: Artifact) -> int | None:
        spec = artifact.spec
        if spec.listed_size != "actual":
            return spec.listed_size
        return spec.size if spec.size is not None else document_size(spec.format, self._card(artifact))

    def content(self, artifact: Artifact) -> Content:
        if artifact.spec.size is not None:
            return Filling(f"{self._seed}/{artifact.id}/{artifact.revision}", artifact.spec.size)
        return Document(document(artifact.spec.format, self._card(artifact)))

    def _card(self, artifact: Artifact) -> Card:
        project = artifact.project
        return Card(
            title=project.name or "",
            order=project.order_id or "-",
            project=str(project.id),
            edition=f"{artifact.spec.name} {artifact.id[:24]}.{artifact.revision}",
        )

    def order(self, project: Project) -> dict[str, Any]:
        return {
            "id": project.order_id,
            "number": project.order_number,
            "createdAt": self.time(project.created),
            "customer": {"name": _CUSTOMERS[customer(project)]},
            "lineItems": [{"id": line_item_id(project), "title": project.name, "quantity": 100}],
        }


def group_of(run_number: int) -> str:
    """The id of a run, as artifacts name it."""
    return f"{run_number:08x}-5a4d-4b0c-8000-{run_number * 2654435761 % (1 << 48):012x}"


def run_number_of(group: str) -> int | None:
    try:
        number = int(group[:8], 16)
    except ValueError:
        return None
    return number if group_of(number) == group else None


def customer(project: Project) -> int:
    return (project.order_number or project.id) % len(_CUSTOMERS)


def owner_id(project: Project) -> str | None:
    if project.extra and "ownerId" in project.extra:
        given: str | None = project.extra["ownerId"]
        return given
    return f"user-{customer(project)}"


def product_reference(project: Project) -> str | None:
    if project.extra and "productReference" in project.extra:
        given: str | None = project.extra["productReference"]
        return given
    return _PRODUCTS[project.id % len(_PRODUCTS)]


def line_item_id(project: Project) -> str | None:
    if project.extra and "orderLineItemId" in project.extra:
        given: str | None = project.extra["orderLineItemId"]
        return given
    return None if project.order_id is None else f"{project.order_id}-{project.line + 1}"


def item_count(project: Project) -> int:
    return 2 if project.id % 7 == 0 else 1


def item_id_at(project: Project, position: int) -> int:
    return project.id * 10 + 1 + position


def _item(project: Project, position: int, line: str | None) -> dict[str, Any]:
    return {
        "id": item_id_at(project, position),
        "name": project.name if position == 0 else f"{project.name} (back)",
        "groupId": None,
        "quantity": 50 * (1 + project.id % 5),
        "orderLineItemId": line,
        "orderLineItemIndex": None if line is None else project.line,
        "productReference": product_reference(project),
        "sku": f"SKU-{project.id % 40:03d}",
        "designIds": [f"{project.id * 16 + position:024x}"],
        "fields": {"Name": _CUSTOMERS[customer(project)], "Quantity": 50 * (1 + project.id % 5), "Lamination": None},
        "hidden": {"stateId": f"state-{project.id}"} if project.id % 3 else None,
        "resources": [
            {"resourceId": f"preview-{project.id}-{position}", "name": "preview.png", "type": "Preview"},
            {"resourceId": f"hires-{project.id}-{position}", "name": "hires.pdf", "type": "Hires"},
        ],
    }
