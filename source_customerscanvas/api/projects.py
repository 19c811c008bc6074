"""What the engine and the streams know of a project, its order and its processing."""

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from hashlib import blake2b
from typing import Any

import orjson

from source_customerscanvas.api.listing import Row, read_page, row_id, walk
from source_customerscanvas.errors import NotFound, ServerTrouble
from source_customerscanvas.times import to_utc

PROJECTS, RESULTS, ARTIFACTS, FILES = "projects", "processing_results", "artifacts", "artifact_files"
"""The streams that follow projects, in the order in which a project's outcomes are found."""

PENDING, IN_PROGRESS, COMPLETED, FAILED = "Pending", "InProgress", "Completed", "Failed"
UNFINISHED_LISTS = (PENDING, IN_PROGRESS, FAILED)
"""In the order in which processing passes through them, so that a project on its way is met at least once."""

STATUS_CODES = {PENDING: "P", IN_PROGRESS: "I", COMPLETED: "C", FAILED: "F"}
NO_STATUS = "N"
UNFINISHED_CODES = "PIFN"
HIDDEN = "H"
"""Unfinished, and on no list, as obsolete projects are."""


LEAST_SECONDS_BETWEEN_QUESTIONS = 60
"""How long a project's results are left alone after they were asked for: the API's own rule."""

_PROCESSING_FIELDS = ("processingStatus", "created", "lastModified", "storefrontId", "orderId", "orderNumber")


_RESULTS_FIELDS = {"status", "statusDescription", "outputFileDetails"}


def digest(value: Any, length: int) -> str:
    """A short fingerprint of a JSON value: so many characters of six bits each, without blanks or quotes."""
    hashed = blake2b(orjson.dumps(value, option=orjson.OPT_SORT_KEYS), digest_size=12)
    return b64encode(hashed.digest(), b"-_").decode()[:length]


def status_code(status: Any) -> str:
    """One letter for a processing status; an unknown one counts as none."""
    return STATUS_CODES.get(status, NO_STATUS) if isinstance(status, str) else NO_STATUS


@dataclass(frozen=True)
class Project:
    """A project as a list of the API shows it."""

    row: Row
    id: int

    @classmethod
    def from_row(cls, row: Row) -> "Project | None":
        """None for a row without a usable id: nothing could be asked or remembered about it."""
        project_id = row_id(row)
        return None if project_id is None else cls(row, project_id)

    @cached_property
    def created(self) -> str:
        return to_utc(self.row.get("created")) or ""

    @cached_property
    def last_modified(self) -> str:
        return to_utc(self.row.get("lastModified")) or ""

    @property
    def updated_at(self) -> str:
        """When it last changed, as `times.to_utc` writes it; empty where the API gives no time at all."""
        return self.last_modified or self.created

    @property
    def status_code(self) -> str:
        return status_code(self.row.get("processingStatus"))

    @property
    def storefront_id(self) -> Any:
        return self.row.get("storefrontId")

    @property
    def order_id(self) -> str | None:
        order_id = self.row.get("orderId")
        return None if order_id is None else str(order_id)

    @property
    def order_keys(self) -> dict[str, Any]:
        """What each record of a project carries to be joined with its order."""
        return {
            "storefrontId": self.storefront_id,
            "orderId": self.order_id,
            "orderNumber": self.row.get("orderNumber"),
            "projectId": self.id,
        }

    @cached_property
    def whole_digest(self) -> str:
        return digest(self.row, 5)

    @cached_property
    def processing_digest(self) -> str:
        """Changes when the list shows that the processing, or what its records carry, may have changed."""
        return digest([self.row.get(name) for name in _PROCESSING_FIELDS] + [self.id], 5)

    def describe(self) -> str:
        return f"storefront {self.storefront_id}, order {self.order_id or 'none'}, project {self.id}"


@dataclass(frozen=True)
class Results:
    """The processing results of a project."""

    status: str | None
    description: str | None
    files: list[Row] | None

    @classmethod
    def from_answer(cls, answer: Any) -> "Results":
        """Read the API's answer; None stands for the 404 that means no run exists yet.

        What stands among the files and is none comes as an empty one, which has no id.
        """
        if answer is None:
            return cls(PENDING, None, None)
        files = answer.get("outputFileDetails")
        return cls(
            answer.get("status"),
            answer.get("statusDescription"),
            [file if isinstance(file, dict) else {} for file in files] if isinstance(files, list) else None,
        )

    @property
    def has_nameless_files(self) -> bool:
        """Whether there are files that cannot be asked for."""
        return not all(file.get("artifactId") for file in self.files or [])

    @property
    def is_completed(self) -> bool:
        return self.status == COMPLETED

    @property
    def is_failed(self) -> bool:
        return self.status == FAILED

    def status_code(self, project: Project) -> str:
        """The letter under which a project is remembered: see `state`.

        Where the list is ahead of the results, they will change without a trace in the list, and the other way round.
        """
        listed = project.status_code
        found = STATUS_CODES[PENDING] if status_code(self.status) == NO_STATUS else status_code(self.status)
        return listed if listed in (NO_STATUS, found) else "R"


@dataclass(frozen=True)
class Seen:
    """What the processing results of a project said, and when they were asked for (of the clock's `monotonic`)."""

    results: Results
    at: float

    def is_fresh(self, now: float) -> bool:
        """Whether it is too early to ask again."""
        return now < self.at + LEAST_SECONDS_BETWEEN_QUESTIONS


def project_record(project: Project) -> Row:
    """The project with its times in the connector's form and `updatedAt`."""
    return {
        **project.row,
        "id": project.id,
        "created": project.created or None,
        "lastModified": project.last_modified or None,
        "updatedAt": project.updated_at or None,
    }


def results_record(project: Project, results: Results) -> Row:
    """The row of `processing_results`."""
    return {
        **project.order_keys,
        "updatedAt": project.updated_at or None,
        "status": results.status,
        "statusDescription": results.description,
        "outputFileDetails": results.files,
    }


def artifact_record(project: Project, artifact: Row, output_file: Row) -> Row:
    """The row of `artifacts`: the artifact itself and where it belongs."""
    return {
        **artifact,
        "lastModified": to_utc(artifact.get("lastModified")),
        **project.order_keys,
        "orderLineItemId": output_file.get("orderLineItemId"),
        "orderLineItemIndex": output_file.get("orderLineItemIndex"),
        "projectItemId": output_file.get("projectItemId"),
    }


def file_record(
    project: Project,
    listed: Row,
    *,
    size: int | None = None,
    sha256: str | None = None,
    path: str | None = None,
) -> Row:
    """The row of `artifact_files`; without a path for a file that was not wanted, whose size is the listed one."""
    return {
        **project.order_keys,
        "artifactId": listed["id"],
        "name": listed.get("name"),
        "format": listed.get("format"),
        "size": listed.get("size") if size is None else size,
        "sha256": sha256,
        "filePath": path,
        "lastModified": to_utc(listed.get("lastModified")),
    }


def ask_project(get_json: Callable[..., Project], project_id: int) -> Project | None:
    """Ask for a project by its id; None where it is gone. Raises `ServerTrouble` for an answer that is no project."""

    def project_of(answer: Any) -> Project:
        project = Project.from_row(answer) if isinstance(answer, dict) else None
        if project is None:
            raise ServerTrouble(f"project {project_id}", "the answer is not a project")
        return project

    try:
        return get_json(f"storefront/v1/projects/{project_id}", None, project_of)
    except NotFound:
        return None


def is_listed(get_json: Callable[..., Any], params: Mapping[str, Any], project: Project) -> bool:
    """Whether the list of its order shows a project; one without an order counts as listed."""
    if not project.order_id:
        return True
    params = {**params, "orderId": project.order_id, "sorting": "Id ASC"}
    fetch = partial(read_page, get_json, "storefront/v1/projects", params)
    return any(row_id(row) == project.id for page in walk(fetch, fetch(0)) for row in page.rows)


def ask_results(get_json: Callable[..., Results], project_id: int) -> Results:
    """Ask for the processing results of a project.

    Raises `NotFound` where there is no run yet, or no project any more, and `ServerTrouble` for an answer that is none.
    """

    def results_of(answer: Any) -> Results:
        # any field may be absent, but then nothing else is there instead
        is_other = not isinstance(answer, dict) or (answer and not answer.keys() & _RESULTS_FIELDS)
        if is_other:
            raise ServerTrouble(f"the processing results of project {project_id}", "the answer is none")
        return Results.from_answer(answer)

    return get_json(f"storefront/v1/projects/{project_id}/processing-results", None, results_of)
