"""The sandbox's own endpoints, below `/sandbox/`: what tests do in process, over HTTP."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import orjson

from sandbox.serving.messages import Reply, RequestRecord, conflict, problem
from sandbox.shop import Conflict, FileSpec, Missing, PipelineSpec, Refused
from sandbox.steering import Steering

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
POST   /sandbox/shop/{move}            any other move of the shop by its name, with its arguments:
                                       %(moves)s
POST   /sandbox/clock                  {"advance": seconds}; {"shopAhead": seconds}
POST   /sandbox/finish                 complete all that is neither completed nor failed
PATCH  /sandbox/switches               {"page_cap": 20}
POST   /sandbox/faults                 {"path": "processing-results", "times": 2, "status": 503}; DELETE removes all
POST   /sandbox/outages                {"kind": "reset", "where": ["api"], "seconds": 20, "after": 5}
POST   /sandbox/limit                  {"requests_per_second": 50, "retry_after": "seconds"}; null: no limit
"""
MOVES = (
    "add_item_run",
    "add_output_file",
    "add_storefront",
    "change_link",
    "hide_storefront",
    "make_obsolete",
    "move_project",
    "post_process",
    "replace_artifact",
    "set_order_document",
    "set_status",
    "show_storefront",
)

_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")

Body = dict[str, Any]


class _Route(NamedTuple):
    method: str
    path: re.Pattern[str]
    handler: Callable[..., Any]


class Control:
    """Answers control requests about one sandbox."""

    def __init__(self, sandbox: Steering) -> None:
        routes = {**_about_server(sandbox), **_about_shop(sandbox)}
        self._routes = [_Route(method, re.compile(path), handler) for (method, path), handler in routes.items()]

    def answer(self, request: RequestRecord) -> Reply:
        path = request.path.rstrip("/")
        if path == "/sandbox":
            text = HELP % {"moves": ", ".join(MOVES)}
            return Reply(body=text.encode(), content_type="text/plain; charset=utf-8")
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


def _about_server(sandbox: Steering) -> dict[tuple[str, str], Callable[..., Any]]:
    def fault(body: Body) -> Body:
        if "edit" in body:
            raise Refused("edit is a function: it can be given in process only.")
        sandbox.fault(**body)
        return {}

    def clock(body: Body) -> Body:
        if "shopAhead" in body:
            sandbox.shop.set_clock(float(body["shopAhead"]))
        sandbox.advance(float(body.get("advance", 0)))
        return {"now": sandbox.now().isoformat(), "shopNow": sandbox.shop.now().isoformat()}

    def set_switches(body: Body) -> Body:
        sandbox.switches.update(**body)
        return sandbox.switches.as_json()

    def done(work: Callable[..., object], **arguments: Any) -> Body:
        work(**arguments)
        return {}

    return {
        ("GET", "/sandbox/state"): lambda body: _state(sandbox),
        ("GET", "/sandbox/requests"): lambda body: [_record(one) for one in sandbox.requests],
        ("DELETE", "/sandbox/requests"): lambda body: done(sandbox.clear_requests),
        ("POST", "/sandbox/clock"): clock,
        ("PATCH", "/sandbox/switches"): set_switches,
        ("POST", "/sandbox/faults"): fault,
        ("DELETE", "/sandbox/faults"): lambda body: done(sandbox.clear_faults),
        ("POST", "/sandbox/outages"): lambda body: done(sandbox.outage, **body),
        ("POST", "/sandbox/limit"): lambda body: done(sandbox.limit, **{"requests_per_second": None, **body}),
    }


def _about_shop(sandbox: Steering) -> dict[tuple[str, str], Callable[..., Any]]:
    shop = sandbox.shop
    project, artifact = r"/sandbox/projects/(\d+)", r"/sandbox/artifacts/([^/]+)"

    def modify(body: Body, project_id: str) -> Body:
        shop.modify_project(int(project_id), **body)
        return shop.project(int(project_id))

    def remove(body: Body, project_id: str) -> Body:
        shop.remove_project(int(project_id))
        return {}

    def process(body: Body, project_id: str) -> Body:
        shop.process(int(project_id), **arguments_of(body))
        return shop.project(int(project_id))

    def remove_file(body: Body, artifact_id: str) -> Body:
        shop.remove_file(artifact_id, body.get("status"))
        return {}

    def regenerate(body: Body, artifact_id: str) -> Body:
        shop.regenerate_artifact(artifact_id)
        return shop.artifact(artifact_id)

    def move(body: Body, name: str) -> Body:
        if name not in MOVES:
            raise Refused(f"The moves are {', '.join(MOVES)}.")
        return {"result": getattr(shop, name)(**arguments_of(body))}

    return {
        ("POST", "/sandbox/projects"): lambda body: {"id": shop.create_project(**arguments_of(body))},
        ("GET", project): lambda body, project_id: _project(sandbox, int(project_id)),
        ("PATCH", project): modify,
        ("DELETE", project): remove,
        ("POST", project + "/process"): process,
        ("POST", artifact + "/remove-file"): remove_file,
        ("POST", artifact + "/regenerate"): regenerate,
        ("POST", "/sandbox/shop/([a-z_]+)"): move,
        ("POST", "/sandbox/finish"): lambda body: {"finished": shop.finish_all()},
    }


def _state(sandbox: Steering) -> Body:
    projects = sandbox.shop.projects()
    return {
        "url": sandbox.url,
        "hubUrl": sandbox.hub_url,
        "cdnUrl": sandbox.cdn_url,
        "now": sandbox.now().isoformat(),
        "shopNow": sandbox.shop.now().isoformat(),
        "storefronts": sandbox.shop.storefronts(),
        "projects": len(projects),
        "processingStatus": Counter(str(project["processingStatus"]) for project in projects),
        "requests": len(sandbox.requests),
        "maxInFlight": sandbox.max_in_flight,
        "switches": sandbox.switches.as_json(),
        "config": sandbox.config(),
    }


def _record(one: RequestRecord) -> Body:
    return {
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


def _project(sandbox: Steering, project_id: int) -> Body:
    shop = sandbox.shop
    project = shop.project(project_id)
    try:
        results = shop.results(project_id)
    except Missing:
        results = None
    return {
        "project": project,
        "results": results,
        "artifacts": shop.artifacts(project_id),
        "orderData": shop.order_data(project_id),
    }


def arguments_of(body: Body) -> Body:
    """JSON with names in either spelling as arguments; files and pipelines as what they are."""
    arguments = {_snake(name): value for name, value in body.items()}
    if isinstance(arguments.get("files"), list):
        arguments["files"] = [FileSpec(**_snake_names(file)) for file in arguments["files"]]
    if isinstance(arguments.get("file"), dict):
        arguments["file"] = FileSpec(**_snake_names(arguments["file"]))
    if isinstance(arguments.get("item_pipelines"), list):
        arguments["item_pipelines"] = [PipelineSpec(**arguments_of(one)) for one in arguments["item_pipelines"]]
    if isinstance(arguments.get("post_processing"), dict):
        arguments["post_processing"] = PipelineSpec(**arguments_of(arguments["post_processing"]))
    return arguments


def _snake_names(body: Body) -> Body:
    return {_snake(name): value for name, value in body.items()}


def _snake(name: str) -> str:
    return _CAPITAL.sub("_", name).lower()
