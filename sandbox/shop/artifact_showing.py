"""Artifacts as the API shows them, with their links and their bytes."""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from urllib.parse import quote

from sandbox.clock import format_ticks
from sandbox.shop.contents import Content, Document, Filling, packed
from sandbox.shop.deriving import group_of, item_line
from sandbox.shop.documents import Card, document, document_size
from sandbox.shop.rows import Artifact, Project
from sandbox.shop.tables import TENANT_ID
from sandbox.switches import Link, Switches

_VENDOR_FORMATS = {"pdf": "Pdf", "jpg": "Jpeg", "jpeg": "Jpeg", "png": "Png", "tiff": "Tiff", "bmp": "Bmp"}
_VENDOR_FORMATS |= {"json": "Json", "txt": "Txt", "svg": "Svg", "zip": "Zip"}


class ArtifactPresenter:
    """`api_url` and `cdn_url` are known once the server listens."""

    def __init__(self, switches: Switches, seed: int) -> None:
        self._switches = switches
        self._seed = seed
        self.api_url = ""
        self.cdn_url = ""

    def time(self, ticks: int | None) -> str | None:
        if ticks is None:
            return None
        return format_ticks(ticks, self._switches.time_format, self._switches.datetime_digits)

    def detail(self, artifact: Artifact) -> dict[str, Any]:
        """As one of the output files in processing results."""
        line = item_line(artifact.project, position_of(artifact))
        return {
            "projectItemId": line.id,
            "orderLineItemId": line.line_item_id,
            "orderLineItemIndex": line.line_item_index,
            "artifactId": artifact.id,
            "name": self._name(artifact),
            "format": self._format(artifact),
            "size": self._listed_size(artifact),
            "url": self._url(artifact),
            "anonymousAccess": artifact.spec.anonymous,
        }

    def artifact(self, artifact: Artifact) -> dict[str, Any]:
        spec = artifact.spec
        return {
            "id": artifact.id,
            "name": self._name(artifact),
            "description": spec.description,
            "descriptor": spec.descriptor,
            "group": group_of(artifact.run.number),
            "alias": spec.alias,
            "type": spec.type,
            "format": self._format(artifact),
            "size": self._listed_size(artifact),
            "url": self._url(artifact),
            "anonymousAccess": spec.anonymous,
            "tenantId": TENANT_ID,
            "ownerId": None,
            "customFields": None if spec.custom_fields is None else dict(spec.custom_fields),
            "lastModified": self.time(artifact.last_modified),
        }

    def _name(self, artifact: Artifact) -> str | None:
        name, format = artifact.spec.name, artifact.spec.format
        if name and format and self._switches.names_without_extension:
            return name[: -len(format) - 1] if name.lower().endswith("." + format.lower()) else name
        return name

    def _format(self, artifact: Artifact) -> str | None:
        format = artifact.spec.format
        if format and self._switches.formats_as_vendor_spells:
            return _VENDOR_FORMATS.get(format.lower(), format)
        return format

    def link(self, artifact: Artifact) -> Link:
        """What a public artifact's `url` is like."""
        return artifact.link or artifact.spec.link or self._switches.public_links

    def _url(self, artifact: Artifact) -> str | None:
        link = self.link(artifact)
        name = quote(artifact.spec.name or "", safe="")
        if artifact.spec.anonymous:
            if link == "null":
                return None
            if link == "internal":
                return f"http://storage.internal.example/files/{artifact.id}/{name}"  # ignore-https-check
            renewed = f"?link={artifact.links}" if artifact.links else ""
            return f"{self.cdn_url}/files/{artifact.id}/{name}{renewed}"
        if self._switches.private_url:
            return f"{self.api_url}/api/storage/v1/artifacts/{quote(artifact.id, safe='')}/file"
        return None

    def _listed_size(self, artifact: Artifact) -> int | None:
        spec = artifact.spec
        if spec.listed_size != "actual":
            return spec.listed_size
        if spec.content_encoding == "stored-gzip":
            return self.content(artifact).length
        return spec.size if spec.size is not None else document_size(spec.format, self._card(artifact))

    def content(self, artifact: Artifact) -> Content:
        """The bytes as they lie in the storage."""
        spec = artifact.spec
        name = f"{self._seed}/{artifact.id}/{artifact.revision}"
        if spec.content_encoding == "stored-gzip":
            return _packed(name, spec.size, spec.format, self._card(artifact))
        return _content(name, spec.size, spec.format, self._card(artifact))

    def preview(self, project: Project) -> bytes:
        """A picture of the project, as PNG."""
        return document("png", Card(project.name or "", project.order_id or "-", str(project.id), "Preview"))

    def _card(self, artifact: Artifact) -> Card:
        project = artifact.project
        return Card(
            title=project.name or "",
            order=project.order_id or "-",
            project=str(project.id),
            edition=f"{artifact.spec.name} {artifact.id[:24]}.{artifact.revision}",
        )


def position_of(artifact: Artifact) -> int | None:
    """The position of the item that an artifact belongs to."""
    item = artifact.spec.item
    return artifact.run.item if item == "own" else item


def _content(name: str, size: int | None, format: str | None, card: Card) -> Content:
    return Document(document(format, card)) if size is None else Filling(name, size)


@lru_cache(maxsize=16)
def _packed(name: str, size: int | None, format: str | None, card: Card) -> Content:
    return packed(_content(name, size, format, card))
