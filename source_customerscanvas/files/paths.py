"""Where a project's files go: the template `file_path`, filled in for each of them."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from string import digits
from typing import Any

from source_customerscanvas.api.projects import items_of
from source_customerscanvas.errors import InvalidSetting
from source_customerscanvas.files.names import (
    MOST_BYTES,
    mark,
    safe_extension,
    safe_id,
    safe_name,
    shortened,
    split_extension,
    twin_key,
)
from source_customerscanvas.settings import file_format
from source_customerscanvas.times import to_utc

Row = Mapping[str, Any]

NO_ORDER = "no-order"
NOTHING = "none"

PLACEHOLDERS = (
    *("storefrontId", "storefrontName", "orderId", "orderNumber", "orderName", "projectId", "projectName"),
    *("lineItem", "item", "sku", "quantity", "name", "format", "artifactId", "date"),
)
_OF_THE_ORDER = frozenset({"storefrontId", "storefrontName", "orderId", "orderNumber", "orderName"})
_IDS = frozenset({"storefrontId", "orderId", "projectId", "lineItem", "artifactId"})
"""These make a path unique, so they are never shortened."""

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_FIELD = "file_path"


@dataclass(frozen=True)
class ProjectValues:
    """What the path of a file takes from its project, which is as the API gives it, and from its storefront.

    `line_items` are those of its order (see `line_items_of`), for a template that needs them.
    """

    storefront_id: int | None
    storefront_name: str | None
    project: Row
    line_items: Mapping[str, int] | None = None


_Pieces = list[str]
"""One part of a template: literal texts, and between each two of them a placeholder; they may be empty."""


class PathTemplate:
    """Where each file of a project goes, below the folder or prefix.

    With `has_order_files`, two orders never share a folder, as each has a file of its own in it.
    Raises `InvalidSetting` for a text that is no template. `check_template` says whether it is a good one.
    """

    def __init__(self, template: str, *, has_order_files: bool = False) -> None:
        self._parts = [_pieces(part) for part in template.split("/")]
        placeholders = {placeholder for part in self._parts for placeholder in part[1::2]}
        self.rests_on_line_items = placeholders.isdisjoint({"projectId", "artifactId"})
        """Whether nothing but order and line item tells two projects apart."""
        self.delimited = {placeholder for part in self._parts for placeholder in _delimited(part)}
        """Those whose values can be told in a path: `{orderId}{lineItem}` makes 122 of 1 and 22, and of 12 and 2."""
        # with the project's id in it, a path need not tell apart two orders that nobody has
        self._marks_orders = has_order_files or self.rests_on_line_items

    def paths(self, values: ProjectValues, artifacts: Iterable[Row]) -> dict[str, str]:
        """The relative path, with slashes, of each final artifact of a project by its id: all have to be given.

        An artifact is its row together with its output file detail, of which `projectItemId`, `orderLineItemId` and
        `orderLineItemIndex` tell its item. Twins each carry their own id, so that it does not matter which of them
        came first.

        `{"id": "7f", "name": "Card: front", "format": "Pdf"}` → `{"7f": "2/1001/15/Card_ front.pdf"}`
        """
        paths = {str(artifact["id"]): self._path(values, artifact) for artifact in artifacts}
        unmarked, marks = dict[str, str](), Counter[str]()
        while twins := _twins(paths):
            for id_ in twins:
                marks[id_] += 1
                paths[id_] = _distinguished(unmarked.setdefault(id_, paths[id_]), id_, marks[id_])
        return paths

    def order_folder(self, values: ProjectValues, storefront_ids: Collection[int] | None = None) -> str:
        """The folder of a file that belongs to a whole order: the one that all files of the order share.

        Where no folder of the template belongs to one order alone, it is `{storefrontId}/{orderId}`.
        """
        folders = list(takewhile(lambda part: _OF_THE_ORDER.issuperset(part[1::2]), self._parts[:-1]))
        named = {placeholder for part in folders for placeholder in _delimited(part)}
        own = {"orderId"} if _is_one(storefront_ids) else {"orderId", "storefrontId"}
        if not own <= named:
            folders = [_pieces("{storefrontId}"), _pieces("{orderId}")]
        found = _values(values, {}, "", is_order_marked=True)
        return "/".join(_filled(part, found) for part in folders)

    def _path(self, values: ProjectValues, artifact: Row) -> str:
        extension = safe_extension(_text(artifact.get("format")).strip().lower())
        found = _values(values, artifact, extension, self._marks_orders)
        folders = [_filled(part, found) for part in self._parts[:-1]]
        return "/".join([*folders, _filled(self._parts[-1], found, extension)])


def line_items_of(projects: Iterable[Row]) -> dict[str, int]:
    """The line items of an order's projects, each with the project that has it; of several the one with the lowest id.

    Only that one's files are placed under the line item alone, so that they never take the place of one another.
    """
    found: dict[str, int] = {}
    for project in sorted(projects, key=lambda project: project["id"], reverse=True):
        lines = {_line_of(project) or _text(project["id"]), *map(_line_of, items_of(project))}
        found.update((line, project["id"]) for line in lines if line)
    return found


def check_template(template: str, storefront_ids: Collection[int] | None) -> None:
    """Raises `InvalidSetting` for a template that is none, or under which two projects could get the same path."""
    named = PathTemplate(template).delimited
    if named & {"artifactId", "projectId"}:
        return
    needed = ["orderId", "lineItem"] if _is_one(storefront_ids) else ["storefrontId", "orderId", "lineItem"]
    missing = [f"{{{name}}}" for name in needed if name not in named]
    if missing:
        raise InvalidSetting(
            _FIELD,
            "files of two projects could get the same path. Add {projectId} or {artifactId}"
            + (f", or {' and '.join(missing)}" if len(missing) < len(needed) else "")
            + ", with a slash or a text that is no number between it and the next placeholder",
        )


def _is_one(storefront_ids: Collection[int] | None) -> bool:
    return storefront_ids is not None and len(storefront_ids) == 1


def _pieces(part: str) -> _Pieces:
    if not part.strip(" ."):
        raise InvalidSetting(_FIELD, "it has an empty part: a slash at its beginning or end, two in a row, or dots")
    pieces = _PLACEHOLDER.split(part)
    if any("{" in literal or "}" in literal for literal in pieces[::2]):
        raise InvalidSetting(_FIELD, "it has a brace that belongs to no placeholder")
    for placeholder in pieces[1::2]:
        if placeholder not in PLACEHOLDERS:
            known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
            raise InvalidSetting(_FIELD, f"{{{placeholder[:50]}}} is no placeholder. There are {known}")
    return pieces


def _delimited(part: _Pieces) -> Iterator[str]:
    for position in range(1, len(part), 2):
        is_first, is_last = position == 1, position == len(part) - 2
        if (is_first or _separates(part[position - 1])) and (is_last or _separates(part[position + 1])):
            yield part[position]


def _separates(literal: str) -> bool:
    """Whether a text tells two placeholders apart. Digits may be part of an id."""
    return bool(literal.strip(digits))


def _values(values: ProjectValues, artifact: Row, extension: str, is_order_marked: bool) -> Mapping[str, Sequence[Any]]:
    """What may stand for each placeholder: the first one that makes a name does."""
    project = values.project
    item = _item_of(project, artifact)
    project_id, artifact_id = project.get("id"), safe_id(_text(artifact.get("id")))
    order = _order(_text(project.get("orderId")), is_order_marked)
    return {
        "storefrontId": [values.storefront_id],
        "storefrontName": [values.storefront_name, values.storefront_id],
        "orderId": [order],
        "orderNumber": [project.get("orderNumber"), order],
        "orderName": [project.get("orderName"), order],
        "projectId": [project_id],
        "projectName": [project.get("name"), project_id],
        "lineItem": [_line_item(values, item, artifact), project_id],
        "item": [item.get("name"), item.get("id"), project.get("name"), project_id],
        "sku": [item.get("sku"), item.get("productReference"), project.get("productReference")],
        "quantity": [item.get("quantity")],
        "name": [artifact.get("name"), artifact_id],
        "format": [extension],
        "artifactId": [artifact_id],
        "date": [(to_utc(project.get("created")) or "")[: len("2024-03-05")]],
    }


def _order(order_id: str, is_marked: bool) -> str:
    if not order_id:
        return NO_ORDER
    # an order whose id consists of dots or spaces is still an order
    name = safe_name(order_id) or "_"
    is_taken = name != order_id or name == NO_ORDER
    return f"{shortened(name, '', 100)}-{mark(order_id)}" if is_marked and is_taken else name


def _line_item(values: ProjectValues, item: Row, artifact: Row) -> str:
    """The position of the line item, with the project's id where that is another project's; empty for no order."""
    project, owners = values.project, values.line_items
    if not _text(project.get("orderId")):
        return ""
    id_ = project.get("id")
    line = _line_of(item) or _line_of(artifact) or _line_of(project) or _text(id_)
    return line if owners is None or owners.get(line) == id_ else f"{line}-{_text(id_)}"


def _line_of(row: Row) -> str:
    """The position of the line item from 1; empty where there is none."""
    index = row.get("orderLineItemIndex")
    return str(index + 1) if isinstance(index, int) and not isinstance(index, bool) else ""


def _item_of(project: Row, artifact: Row) -> Row:
    """The item of the project that an artifact was made for; the only one where the artifact does not tell."""
    items = items_of(project)
    for key, own in (("projectItemId", "id"), ("orderLineItemId", "orderLineItemId")):
        wanted = artifact.get(key)
        for item in items:
            if wanted is not None and item.get(own) == wanted:
                return item
    is_told = artifact.get("projectItemId") is not None
    return items[0] if len(items) == 1 and not is_told else {}


def _text(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # JSON knows one kind of numbers
    return str(value) if isinstance(value, (str, int, float)) else ""


def _standing_for(placeholder: str, values: Mapping[str, Sequence[Any]]) -> str:
    if placeholder == "format":
        # safe already: `prn` may not be a file's name, but its extension
        return values["format"][0] or NOTHING
    return next((name for value in values[placeholder] if (name := safe_name(_text(value)))), NOTHING)


def _filled(part: _Pieces, values: Mapping[str, Sequence[Any]], extension: str = "") -> str:
    """One part of the path. With an extension it ends with it, in whatever spelling its name has it already."""
    texts = [_standing_for(piece, values) if number % 2 else piece for number, piece in enumerate(part)]
    for number in range(1, len(part), 2):
        # `{name}.{format}` is meant to end with the format once
        if part[number] == "name" and part[number + 1].startswith("."):
            texts[number] = _without_extension(texts[number], extension)
    free = [number for number in range(1, len(part), 2) if part[number] not in _IDS]
    whole = "".join(texts)
    has_it = not extension or _without_extension(whole, extension) != whole
    room = MOST_BYTES - (0 if has_it else len(f".{extension}".encode()))
    excess = len(whole.encode()) - room
    if excess > 0 and free:
        longest = max(free, key=lambda number: len(texts[number].encode()))
        left = len(texts[longest].encode()) - excess
        stem, ending = split_extension(texts[longest])
        texts[longest] = shortened(stem, ending, left) if left > len(ending.encode()) else ""
    text = "".join(texts)
    if len(text.encode()) > room:
        text = shortened(text, f"-{mark(whole, 16)}", room)
    name = safe_name(text) or NOTHING
    if not extension or _without_extension(name, extension) != name:
        return name
    return safe_name(shortened(name, f".{extension}"))


def _without_extension(name: str, extension: str) -> str:
    stem, ending = name, ""
    for _ in extension.split("."):
        stem, last = split_extension(stem)
        ending = last + ending
    return stem if extension and safe_extension(file_format(ending)) == file_format(extension) else name


def _twins(paths: Mapping[str, str]) -> list[str]:
    """The ids of those that share their path with another one."""
    keys = {id_: twin_key(path) for id_, path in paths.items()}
    counts = Counter(keys.values())
    return [id_ for id_, key in keys.items() if counts[key] > 1]


def _distinguished(path: str, id_: str, marks: int) -> str:
    """A path with its artifact's id before its extension, and more where that is not enough."""
    folder, slash, name = path.rpartition("/")
    stem, extension = split_extension(name)
    addition = f"-{safe_id(id_)}"
    if marks > 1:
        addition += f"-{mark(id_ + addition * marks)}"
    return f"{folder}{slash}{safe_name(shortened(stem, addition + extension))}"
