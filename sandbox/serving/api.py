"""The API's gateway: finds the operation for a request, sees that the token allows it, and tells errors as the API."""

from __future__ import annotations

from urllib.parse import unquote

from sandbox.serving.artifacts_api import ArtifactsApi
from sandbox.serving.files import Files
from sandbox.serving.identity import TOKEN_PATH, Identity
from sandbox.serving.messages import Reply, RequestRecord, conflict, problem
from sandbox.serving.operations import Operation
from sandbox.serving.projects_api import ProjectsApi
from sandbox.serving.tables_api import TablesApi
from sandbox.shop import Conflict, Missing, Refused, Shop
from sandbox.shop.listing import UnknownSorting


class Api:
    """Routes requests to operations; the errors of the shop become the API's."""

    def __init__(self, shop: Shop, identity: Identity, files: Files) -> None:
        self._switches = shop.switches
        self._identity = identity
        # What is asked for most comes first.
        self._operations = [
            *ProjectsApi(shop).operations(),
            *ArtifactsApi(shop, files).operations(),
            *TablesApi(shop).operations(),
        ]

    def answer(self, request: RequestRecord) -> Reply:
        """The reply to a request to the API or the gateway's token endpoint."""
        if request.path == TOKEN_PATH:
            return self._identity.token(request)
        method = "GET" if request.method == "HEAD" else request.method
        known = False
        for operation in self._operations:
            match = operation.path.fullmatch(request.path)
            if match is None:
                continue
            known = True
            if operation.method == method:
                return self._run(operation, request, [unquote(part) for part in match.groups()])
        return problem(405, "Method Not Allowed") if known else problem(404, "Not Found")

    def _run(self, operation: Operation, request: RequestRecord, parts: list[str]) -> Reply:
        permission = getattr(self._switches, operation.permission, operation.permission)
        refusal = self._identity.refusal(request, permission)
        if refusal is not None:
            return refusal
        try:
            return operation.handler(request, *parts)
        except Missing as error:
            return problem(404, "Not Found", str(error))
        except (Refused, UnknownSorting) as error:
            return problem(400, "Bad Request", str(error))
        except Conflict as error:
            return conflict(str(error))
