"""Where a project's files go: the template `file_path`, filled in for each of them."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

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
"""What makes a path unique, and so gives way to no other part of a name."""

_PIECE = re.compile(r"\{([^{}]*)\}|([^{}]+)|[{}]")
_FIELD = "file_path"


@dataclass(frozen=True)
class ProjectValues:
    """What the path of a file takes from its project, which is as the API gives it, and from its storefront."""

    storefront_id: int | None
    storefront_name: str | None
    project: Row


@dataclass(frozen=True)
class _Piece:
    """A placeholder, or the literal text between two."""

    text: str
    is_placeholder: bool = False


class PathTemplate:
    """Where each file of a project goes, below the folder or prefix.

    Raises `InvalidSetting` for a text that is no template. `check_template` says whether it is a good one.
    """

    def __init__(self, template: str) -> None:
        self._parts = [_pieces(part) for part in template.split("/")]
        self.placeholders = {piece.text for part in self._parts for piece in part if piece.is_placeholder}
        # with the project's id in it, a path need not tell apart two orders that nobody has
        self._rests_on_order = self.placeholders.isdisjoint({"projectId", "artifactId"})

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
        folders: list[list[_Piece]] = []
        for part in self._parts[:-1]:
            if not {piece.text for piece in part if piece.is_placeholder} <= _OF_THE_ORDER:
                break
            folders.append(part)
        named = {piece.text for part in folders for piece in part if piece.is_placeholder}
        own = {"orderId"} if _is_one(storefront_ids) else {"orderId", "storefrontId"}
        if not own <= named:
            folders = [_pieces("{storefrontId}"), _pieces("{orderId}")]
        texts = _Values(values, {}, is_order_marked=True)
        return "/".join(_filled(part, texts) for part in folders)

    def _path(self, values: ProjectValues, artifact: Row) -> str:
        texts = _Values(values, artifact, self._rests_on_order)
        folders = [_filled(part, texts) for part in self._parts[:-1]]
        name = _filled(self._parts[-1], texts, texts["format"] if texts.extension else "")
        return "/".join([*folders, name])


def check_template(template: str, storefront_ids: Collection[int] | None) -> None:
    """Raises `InvalidSetting` for a template that is none, or under which two projects could get the same path."""
    named = PathTemplate(template).placeholders
    if named & {"artifactId", "projectId"}:
        return
    needed = ["orderId", "lineItem"] if _is_one(storefront_ids) else ["storefrontId", "orderId", "lineItem"]
    missing = [f"{{{name}}}" for name in needed if name not in named]
    if missing:
        raise InvalidSetting(
            _FIELD,
            "files of two projects could get the same path. Add {projectId} or {artifactId}"
            + (f", or {' and '.join(missing)}" if len(missing) < len(needed) else ""),
        )


def _is_one(storefront_ids: Collection[int] | None) -> bool:
    return storefront_ids is not None and len(storefront_ids) == 1


def _pieces(part: str) -> list[_Piece]:
    if not part.strip(" ."):
        raise InvalidSetting(_FIELD, "it has an empty part: a slash at its beginning or end, two in a row, or dots")
    pieces = []
    for matched in _PIECE.finditer(part):
        placeholder, literal = matched.groups()
        if placeholder is None and literal is None:
            raise InvalidSetting(_FIELD, "it has a brace that belongs to no placeholder")
        if placeholder is not None and placeholder not in PLACEHOLDERS:
            known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
            raise InvalidSetting(_FIELD, f"{{{placeholder[:50]}}} is no placeholder. There are {known}")
        pieces.append(_Piece(literal) if placeholder is None else _Piece(placeholder, True))
    return pieces


class _Values:
    """What stands for each placeholder, safe as a part of a name and never empty."""

    def __init__(self, values: ProjectValues, artifact: Row, is_order_marked: bool) -> None:
        self._values = values
        self._project = values.project
        self._artifact = artifact
        self._item = _item_of(values.project, artifact)
        self._is_order_marked = is_order_marked
        self.extension = safe_extension(file_format(_text(artifact.get("format"))))

    def __getitem__(self, placeholder: str) -> str:
        project, item = self._project, self._item
        if placeholder == "storefrontId":
            return _first(self._values.storefront_id)
        if placeholder == "storefrontName":
            return _first(self._values.storefront_name, self._values.storefront_id)
        if placeholder == "orderId":
            return self._order
        if placeholder in ("orderNumber", "orderName"):
            return safe_name(_text(project.get(placeholder))) or self._order
        if placeholder == "projectId":
            return _first(project.get("id"))
        if placeholder == "projectName":
            return _first(project.get("name"), project.get("id"))
        if placeholder == "lineItem":
            return self._line_item
        if placeholder == "item":
            return _first(item.get("name"), item.get("id"), project.get("name"), project.get("id"))
        if placeholder == "sku":
            return _first(item.get("sku"), item.get("productReference"), project.get("productReference"))
        if placeholder == "quantity":
            return _first(item.get("quantity"))
        if placeholder == "artifactId":
            return safe_id(_text(self._artifact.get("id"))) or NOTHING
        if placeholder == "date":
            return (to_utc(project.get("created")) or NOTHING)[: len("2024-03-05")]
        if placeholder == "format":
            return self.extension or NOTHING
        return _first(self._artifact.get("name")) if safe_name(_text(self._artifact.get("name"))) else self._nameless

    @property
    def _nameless(self) -> str:
        return safe_id(_text(self._artifact.get("id"))) or NOTHING

    @property
    def _order(self) -> str:
        order_id = _text(self._project.get("orderId"))
        if not order_id:
            return NO_ORDER
        # an order whose id consists of dots or spaces is still an order
        name = safe_name(order_id) or "_"
        is_taken = name != order_id or name == NO_ORDER
        return f"{shortened(name, '', 100)}-{mark(order_id)}" if self._is_order_marked and is_taken else name

    @property
    def _line_item(self) -> str:
        if _text(self._project.get("orderId")):
            for row in (self._item, self._artifact, self._project):
                index = row.get("orderLineItemIndex")
                if isinstance(index, int) and not isinstance(index, bool):
                    return str(index + 1)
        return _first(self._project.get("id"))


def _item_of(project: Row, artifact: Row) -> Row:
    """The item of the project that an artifact was made for; the only one where the artifact does not tell."""
    items = [item for item in project.get("items") or [] if isinstance(item, Mapping)]
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


def _first(*values: Any) -> str:
    return next((name for name in (safe_name(_text(value)) for value in values) if name), NOTHING)


def _filled(part: list[_Piece], values: _Values, extension: str = "") -> str:
    """One part of the path. With an extension it ends with it, in whatever spelling its name has it already."""
    texts = [values[piece.text] if piece.is_placeholder else piece.text for piece in part]
    for number, (piece, after) in enumerate(pairwise(part)):
        # `{name}.{format}` is meant to end with the format once
        if piece == _Piece("name", True) and not after.is_placeholder and after.text.startswith("."):
            texts[number] = _without_extension(texts[number], extension)
    free = [number for number, piece in enumerate(part) if piece.is_placeholder and piece.text not in _IDS]
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
    stem, ending = split_extension(name)
    return stem if extension and safe_extension(file_format(ending)) == extension else name


def _twins(paths: Mapping[str, str]) -> list[str]:
    """The ids of those that share their path with another one."""
    keys, shared = set[str](), set[str]()
    for path in paths.values():
        key = twin_key(path)
        (shared if key in keys else keys).add(key)
    return [id_ for id_, path in paths.items() if twin_key(path) in shared] if shared else []


def _distinguished(path: str, id_: str, marks: int) -> str:
    """A path with its artifact's id before its extension, and more where that is not enough."""
    folder, slash, name = path.rpartition("/")
    stem, extension = split_extension(name)
    addition = f"-{safe_id(id_)}"
    if marks > 1:
        addition += f"-{mark(id_ + addition * marks)}"
    return f"{folder}{slash}{safe_name(shortened(stem, addition + extension))}"
