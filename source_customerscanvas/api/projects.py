"""Projects, their orders and their processing results, as plain records.

https://customerscanvas.com/dev/backoffice/howto/download-artifacts.html
"""

import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Any

import orjson

from source_customerscanvas.api.listing import FetchPage, Row, read_page, row_id, walk
from source_customerscanvas.api.packed import Packed, compact
from source_customerscanvas.errors import NotFound, ServerTrouble
from source_customerscanvas.times import to_utc

PATH = "storefront/v1/projects"

PENDING, IN_PROGRESS, COMPLETED, FAILED = "Pending", "InProgress", "Completed", "Failed"
UNFINISHED_LISTS = (PENDING, IN_PROGRESS, FAILED)
"""In the order in which processing passes through them, so that a project on its way is met at least once."""

_DIGITS = re.compile(r"\d{1,9}\Z", re.ASCII)
_STATUSES = frozenset({PENDING, IN_PROGRESS, COMPLETED, FAILED})
_RESULTS_FIELDS = frozenset({"status", "statusDescription", "outputFileDetails"})
_PROBLEM_FIELDS = frozenset({"type", "title", "detail", "instance", "traceId"})
_ITEM_FIELDS = ("id", "name", "quantity", "sku", "productReference", "orderLineItemId", "orderLineItemIndex")
"""What of a project's items is needed besides its own row."""

_FOLLOWED_FIELDS = ("processingStatus", "created", "lastModified", "storefrontId", "orderId", "orderNumber")


def digest(value: Any) -> str:
    """A fingerprint of a JSON value: 48 bits as eight characters without blanks or quotes."""
    return _digest_of([orjson.dumps(value, option=orjson.OPT_SORT_KEYS)])


def _digest_of(texts: Iterable[bytes]) -> str:
    return b64encode(_hash_of(texts), b"-_").decode()


def _hash_of(texts: Iterable[bytes]) -> bytes:
    found = blake2b(digest_size=6)
    for text in texts:
        found.update(text)
    return found.digest()


def known_status(status: Any) -> str | None:
    """A processing status; None for one that the API does not document."""
    return status if isinstance(status, str) and status in _STATUSES else None


def as_number(value: Any) -> Any:
    """A text of one to nine digits as the number that it is; anything else unchanged."""
    return int(value) if isinstance(value, str) and _DIGITS.match(value) else value


@dataclass(frozen=True)
class Fingerprint:
    """Digests by which a change of a project is recognized.

    `whole` changes with anything; `followed` when the list shows that the processing, or what its records carry, may
    have changed. `weight` are the bytes of the row as JSON.
    """

    whole: str
    followed: str
    weight: int

    @classmethod
    def of(cls, row: Row, project_id: int) -> "Fingerprint":
        text = orjson.dumps(row, option=orjson.OPT_SORT_KEYS)
        followed = digest([row.get(name) for name in _FOLLOWED_FIELDS] + [project_id])
        return cls(_digest_of([text]), followed, len(text))


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
    def latest(self) -> str:
        """The later one of its two times: some shops date a modification before the creation."""
        return max(self.created, self.last_modified)

    @property
    def processing_status(self) -> str | None:
        return known_status(self.row.get("processingStatus"))

    @property
    def is_completed(self) -> bool:
        return self.processing_status == COMPLETED

    @property
    def business_status(self) -> Any:
        """By it a project is held or produced."""
        return as_number(self.row.get("status"))

    @property
    def storefront_id(self) -> Any:
        """With the order's id, by it the rows of an order are joined."""
        return as_number(self.row.get("storefrontId"))

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
    def fingerprint(self) -> Fingerprint:
        return Fingerprint.of(self.row, self.id)

    def without_bulk(self) -> "Project":
        """The same project, without what only its own row needs; its fingerprint is that of the whole."""
        items = [{name: item[name] for name in _ITEM_FIELDS if name in item} for item in items_of(self.row)]
        project = Project({**self.row, "items": items}, self.id)
        project.__dict__["fingerprint"] = self.fingerprint
        return project

    def describe(self) -> str:
        return f"storefront {self.storefront_id}, order {self.order_id or 'none'}, project {self.id}"


def items_of(project: Mapping[str, Any]) -> list[Row]:
    """The items in a project's row; what stands among them and is none is passed over."""
    items = project.get("items")
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


@dataclass(frozen=True)
class Results:
    """The processing results of a project."""

    status: str | None
    description: str | None
    files: Sequence[Row] | None

    @classmethod
    def from_answer(cls, answer: Any) -> "Results":
        """Read the API's answer; None means that no run exists yet.

        What stands among the files and is none comes as an empty one, which has no id.
        """
        if answer is None:
            return cls(PENDING, None, None)
        files = answer.get("outputFileDetails")
        return cls(
            answer.get("status"),
            answer.get("statusDescription"),
            compact(file if isinstance(file, dict) else {} for file in files)
            if isinstance(files, (list, Packed))
            else None,
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

    @property
    def places(self) -> dict[str, int]:
        """Where among the files that of each artifact stands, by the artifact's id."""
        files = enumerate(self.files or [])
        return {str(file["artifactId"]): place for place, file in files if file.get("artifactId")}

    @cached_property
    def digest(self) -> str:
        """Changes with the status, its description and the files, but not with their order or their `url`."""
        files = ({key: value for key, value in file.items() if key != "url"} for file in self.files or [])
        texts = (orjson.dumps(file, option=orjson.OPT_SORT_KEYS) for file in files)
        # their sum is the same in any order, and needs no room for each of them
        total = sum(int.from_bytes(_hash_of([text]), "big") for text in texts)
        return digest([self.status, self.description, str(total)])

    def agrees_with(self, project: Project) -> bool:
        """Whether the list shows the same status; where it does not, one of the two is yet to follow the other."""
        found = known_status(self.status) or PENDING
        listed = project.processing_status
        return listed == found or (listed is None and found in (PENDING, COMPLETED))


def ask_project(get_json: Callable[..., Project], project_id: int) -> Project | None:
    """Ask for a project by its id; None where it is gone. Raises `ServerTrouble` for an answer that is no project."""

    def project_of(answer: Any) -> Project:
        project = Project.from_row(answer) if isinstance(answer, dict) else None
        if project is None or project.id != project_id:
            raise ServerTrouble(f"project {project_id}", "the answer is not this project")
        return project

    try:
        return get_json(f"{PATH}/{project_id}", None, project_of)
    except NotFound:
        return None


def ask_results(get_json: Callable[..., Results], project_id: int, item_id: int | None = None) -> Results:
    """Ask for the processing results of a project, or of one of its items alone.

    Raises `NotFound` where there is no run yet, or no project any more, and `ServerTrouble` for an answer that is none.
    """

    def results_of(answer: Any) -> Results:
        if answer is not None and not _is_results(answer):
            raise ServerTrouble(f"the processing results of project {project_id}", "the answer is none")
        return Results.from_answer(answer)

    return get_json(f"{PATH}/{project_id}/processing-results", {"itemId": item_id}, results_of)


def _is_results(answer: Any) -> bool:
    # any field may be absent, but then nothing else is there instead, and a problem document has a status of its own
    if not isinstance(answer, dict) or (answer and not answer.keys() & _RESULTS_FIELDS):
        return False
    status, files = answer.get("status"), answer.get("outputFileDetails")
    is_typed = (status is None or known_status(status) is not None) and isinstance(files, list | Packed | None)
    return is_typed and not (answer.keys() & _PROBLEM_FIELDS and answer.keys() <= _PROBLEM_FIELDS | {"status"})


def project_list(get_json: Callable[..., Any], params: Mapping[str, Any]) -> FetchPage:
    """The list of projects that these parameters choose, page by page."""
    return lambda skip: read_page(get_json, PATH, params, skip)


def projects_of_order(get_json: Callable[..., Any], storefront_id: int, order_id: str) -> list[Project]:
    """All projects of an order without their bulk, each once, in the order of their ids."""
    fetch = project_list(get_json, {"storefrontId": storefront_id, "orderId": order_id, "sorting": "Id ASC"})
    rows = (row for page in walk(fetch, fetch(0)) for row in page.rows)
    projects = {project.id: project.without_bulk() for row in rows if (project := Project.from_row(row))}
    return [projects[id_] for id_ in sorted(projects) if projects[id_].order_id == order_id]


def ask_order(get_json: Callable[..., Any], project_id: int) -> Any:
    """The shop's own document of the project's order; None where the answer is an error document, or nothing."""
    answer = get_json(f"{PATH}/{project_id}/order")
    is_problem = isinstance(answer, dict) and answer and answer.keys() <= _PROBLEM_FIELDS | {"status"}
    return None if is_problem else answer


def failed_items(get_json: Callable[..., Results], project: Project, results: Results) -> list[int]:
    """The ids of the items whose own runs have failed. Empty unless others have not failed, as far as the results tell.

    Only where some of the items have given files is each of them asked for.
    """
    ids = [item_id for item in items_of(project.row) if (item_id := row_id(item)) is not None]
    with_files = {file.get("projectItemId") for file in results.files or []}
    if not with_files.intersection(ids) or with_files.issuperset(ids):
        return []
    failed = [item_id for item_id in ids if _has_failed(get_json, project.id, item_id)]
    return failed if len(failed) < len(ids) else []


def _has_failed(get_json: Callable[..., Results], project_id: int, item_id: int) -> bool:
    try:
        return ask_results(get_json, project_id, item_id).is_failed
    except NotFound:
        return False  # this item has no run of its own
