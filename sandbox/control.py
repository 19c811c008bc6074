"""The sandbox's own endpoints, below `/sandbox/`: what tests do in process, over HTTP."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import orjson

from sandbox.artifacts import Missing
from sandbox.messages import Reply, RequestRecord, conflict, problem
from sandbox.processing import Conflict
from sandbox.rows import FileSpec
from sandbox.shop import Refused

if TYPE_CHECKING:
    from sandbox.server import Sandbox

HELP = """\
Sandbox of the Customer's Canvas API. Client id: sandbox, secret: sandbox-secret.

GET    /sandbox/state                  storefronts, projects by processing status, time, switches
GET    /sandbox/requests               what came in, oldest first; DELETE forgets it
POST   /sandbox/projects               {"storefrontId": 11, "orderId": "9001", "processing": "Pending", "files": 2,
                                        "startAfter": 5, "runFor": 10, "outcome": "Completed", ...}
GET    /sandbox/projects/{id}          the project, its results, artifacts and order data
PATCH  /sandbox/projects/{id}          {"name": "..."}: any field; lastModified becomes now ("touch": false: it stays)
DELETE /sandbox/projects/{id}
POST   /sandbox/projects/{id}/process  {"status": "Failed", "description": "...", "files": [{"name": "a.pdf"}]}
POST   /sandbox/artifacts/{id}/remove-file   {"status": 410}
POST   /sandbox/artifacts/{id}/regenerate
POST   /sandbox/clock                  {"advance": seconds}
POST   /sandbox/finish                 complete all that is neither completed nor failed
PATCH  /sandbox/switches               {"page_cap": 20}
POST   /sandbox/faults                 {"path": "processing-results", "times": 2, "status": 503}; DELETE removes all
POST   /sandbox/limit                  {"requests_per_second": 50, "retry_after": "seconds"}; null: no limit
"""

_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


class Control:
    """Answers control requests about one sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        project = r"/sandbox/projects/(\d+)"
        artifact = r"/sandbox/artifacts/([^/]+)"
        self._routes: list[tuple[str, re.Pattern[str], Callable[..., Any]]] = [
            ("GET", re.compile("/sandbox/state"), self._state),
            ("GET", re.compile("/sandbox/requests"), self._requests),
            ("DELETE", re.compile("/sandbox/requests"), self._clear_requests),
            ("POST", re.compile("/sandbox/projects"), self._create),
            ("GET", re.compile(project), self._project),
            ("PATCH", re.compile(project), self._modify),
            ("DELETE", re.compile(project), self._remove),
            ("POST", re.compile(project + "/process"), self._process),
            ("POST", re.compile(artifact + "/remove-file"), self._remove_file),
            ("POST", re.compile(artifact + "/regenerate"), self._regenerate),
            ("POST", re.compile("/sandbox/clock"), self._clock),
            ("POST", re.compile("/sandbox/finish"), self._finish),
            ("PATCH", re.compile("/sandbox/switches"), self._set_switches),
            ("POST", re.compile("/sandbox/faults"), self._fault),
            ("DELETE", re.compile("/sandbox/faults"), self._clear_faults),
            ("POST", re.compile("/sandbox/limit"), self._limit),
        ]

    def answer(self, request: RequestRecord) -> Reply:
        path = request.path.rstrip("/")
        if path == "/sandbox":
            return Reply(body=HELP.encode(), content_type="text/plain; charset=utf-8")
        for method, pattern, handler in self._routes:
            match = pattern.fullmatch(path)
            if match is None or method != request.method:
                continue
            try:
                body = orjson.loads(request.body) if request.body else {}
                return Reply(payload=handler(body, *match.groups()))
            except Missing as error:
                return problem(404, "Not Found", str(error))
            except Conflict as error:
                return conflict(str(error))
            except (Refused, ValueError, TypeError, KeyError, AttributeError) as error:
                return problem(400, "Bad Request", f"{type(error).__name__}: {error}")
        return problem(404, "Not Found", "GET /sandbox/ tells what there is.")

    def _state(self, body: dict[str, Any]) -> dict[str, Any]:
        sandbox = self._sandbox
        projects = sandbox.shop.projects()
        return {
            "url": sandbox.url,
            "cdnUrl": sandbox.cdn_url,
            "now": sandbox.now().isoformat(),
            "storefronts": sandbox.shop.storefronts(),
            "projects": len(projects),
            "processingStatus": Counter(str(project["processingStatus"]) for project in projects),
            "requests": len(sandbox.requests),
            "maxInFlight": sandbox.max_in_flight,
            "switches": sandbox.switches.as_json(),
            "config": sandbox.config(),
        }

    def _requests(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            {
                "order": one.order,
                "origin": one.origin,
                "method": one.method,
                "path": one.path,
                "query": one.query,
                "headers": {str(name): value for name, value in one.headers.items()},
                "body": one.body.decode("utf-8", "replace"),
                "status": one.status,
                "at": one.at,
            }
            for one in self._sandbox.requests
        ]

    def _clear_requests(self, body: dict[str, Any]) -> dict[str, Any]:
        self._sandbox.clear_requests()
        return {}

    def _create(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"id": self._sandbox.shop.create_project(**_arguments(body))}

    def _project(self, body: dict[str, Any], project_id: str) -> dict[str, Any]:
        shop, identity = self._sandbox.shop, int(project_id)
        try:
            results = shop.results(identity)
        except Missing:
            results = None
        return {
            "project": shop.project(identity),
            "results": results,
            "artifacts": shop.artifacts(identity),
            "orderData": shop.order_data(identity),
        }

    def _modify(self, body: dict[str, Any], project_id: str) -> dict[str, Any]:
        self._sandbox.shop.modify_project(int(project_id), **body)
        return self._sandbox.shop.project(int(project_id))

    def _remove(self, body: dict[str, Any], project_id: str) -> dict[str, Any]:
        self._sandbox.shop.remove_project(int(project_id))
        return {}

    def _process(self, body: dict[str, Any], project_id: str) -> dict[str, Any]:
        self._sandbox.shop.process(int(project_id), **_arguments(body))
        return self._sandbox.shop.project(int(project_id))

    def _remove_file(self, body: dict[str, Any], artifact_id: str) -> dict[str, Any]:
        self._sandbox.shop.remove_file(artifact_id, body.get("status"))
        return {}

    def _regenerate(self, body: dict[str, Any], artifact_id: str) -> dict[str, Any]:
        self._sandbox.shop.regenerate_artifact(artifact_id)
        return self._sandbox.shop.artifact(artifact_id)

    def _clock(self, body: dict[str, Any]) -> dict[str, Any]:
        self._sandbox.advance(float(body["advance"]))
        return {"now": self._sandbox.now().isoformat()}

    def _finish(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"finished": self._sandbox.shop.finish_all()}

    def _set_switches(self, body: dict[str, Any]) -> dict[str, Any]:
        self._sandbox.switches.update(**body)
        return self._sandbox.switches.as_json()

    def _fault(self, body: dict[str, Any]) -> dict[str, Any]:
        if "edit" in body:
            raise Refused("edit is a function: it can be given in process only.")
        self._sandbox.fault(**body)
        return {}

    def _clear_faults(self, body: dict[str, Any]) -> dict[str, Any]:
        self._sandbox.clear_faults()
        return {}

    def _limit(self, body: dict[str, Any]) -> dict[str, Any]:
        self._sandbox.limit(**body)
        return {}


def _arguments(body: dict[str, Any]) -> dict[str, Any]:
    """JSON with names in either spelling as arguments; files as FileSpec."""
    arguments = {_snake(name): value for name, value in body.items()}
    if isinstance(arguments.get("files"), list):
        arguments["files"] = [
            FileSpec(**{_snake(name): value for name, value in file.items()}) for file in arguments["files"]
        ]
    return arguments


def _snake(name: str) -> str:
    return _CAPITAL.sub("_", name).lower()
