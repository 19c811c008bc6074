"""The Asset Storage API's operations on artifacts."""

from __future__ import annotations

from sandbox.serving.asking import Lists, choice
from sandbox.serving.files import Files
from sandbox.serving.messages import Reply, RequestRecord
from sandbox.serving.operations import STORAGE, Operation, operation
from sandbox.shop import Shop
from sandbox.shop.listing import SORTABLE_OF_ARTIFACTS, ArtifactFilter


class ArtifactsApi:
    def __init__(self, shop: Shop, files: Files) -> None:
        self._shop = shop
        self._files = files
        self._lists = Lists(shop.switches)

    def operations(self) -> list[Operation]:
        artifact = STORAGE + r"artifacts/([^/]+)"
        return [
            operation("GET", artifact + "/file", "Artifacts_read", self._file),
            operation("GET", STORAGE + "artifacts", "Artifacts_read", self._artifacts),
            operation("GET", artifact, "Artifacts_read", self._artifact),
        ]

    def _artifacts(self, request: RequestRecord) -> Reply:
        wanted = ArtifactFilter(
            group=request.query.get("group") or None,
            type=choice(request, "type", ("Final", "Temporary", "Service")),
            alias=request.query.get("alias") or None,
            search=request.query.get("search") or None,
        )
        sorting = self._lists.sorting(request, SORTABLE_OF_ARTIFACTS)
        return self._lists.page(*self._shop.artifact_page(wanted, sorting, *self._lists.bounds(request)))

    def _artifact(self, request: RequestRecord, artifact_id: str) -> Reply:
        return Reply(payload=self._shop.artifact(artifact_id))

    def _file(self, request: RequestRecord, artifact_id: str) -> Reply:
        return self._files.with_token(request, artifact_id)
