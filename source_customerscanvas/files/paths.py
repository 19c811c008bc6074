"""Where a project's files go: names that every system can store, the same ones in every sync.

What a pipeline's author or a shop chose as a name is made safe here and nowhere else. A library is not used for it: a
name that a later version of one makes otherwise would store a file for the second time.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

NO_ORDER = "no-order"

_MOST_BYTES = 200
_LONGEST_EXTENSION = 20
_EXTENSION = re.compile(rf"[^\W_][\w+~-]{{0,{_LONGEST_EXTENSION - 1}}}")
_LONGEST_ID = 80
_DOTS = re.compile(r"\.{2,}")
_RESERVED = frozenset('<>:"/\\|?*')
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_UNPRINTABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})
_DEVICES = frozenset(
    ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"]
    + [f"{port}{number}" for port in ("COM", "LPT") for number in "0123456789¹²³"]
)


def file_paths(
    storefront_id: int | None, order_id: str | None, project_id: int, artifacts: Iterable[Mapping[str, Any]]
) -> dict[str, str]:
    """The relative path, with slashes, of each artifact of a project by its id: all of them have to be given.

    `{"id": "7f", "name": "Card: front.pdf", "format": "pdf"}` → `{"7f": "2/1001/15/Card_ front.pdf"}`
    """
    folder = f"{storefront_id}/{safe_name(order_id or '') or (_cover(order_id) or NO_ORDER)}/{project_id}"
    named = sorted((str(artifact["id"]), _name(artifact)) for artifact in artifacts)
    first: dict[str, str] = {}
    for id_, name in named:
        first.setdefault(_twin_key(name), id_)
    taken = set(first)
    paths = {}
    for id_, name in named:
        if first[_twin_key(name)] != id_:
            name = _distinguished(name, id_, taken)
            taken.add(_twin_key(name))
        paths[id_] = f"{folder}/{name}"
    return paths


def safe_name(text: str) -> str:
    """A text as one part of a path on any system: at most 200 bytes, its extension kept; empty if nothing is left."""
    text = unicodedata.normalize("NFC", "".join(map(_safe_character, unicodedata.normalize("NFC", text))))
    name = _cut(_DOTS.sub(".", _trim(text)), "")
    if name.partition(".")[0].rstrip().upper() in _DEVICES:
        name = _cut(f"_{name}", "")
    return name


def _name(artifact: Mapping[str, Any]) -> str:
    name = safe_name(str(artifact.get("name") or "")) or safe_name(str(artifact["id"])) or "_"
    extension = safe_name(str(artifact.get("format") or ""))
    if extension and not _split(name)[1]:
        name = _cut(name, f".{extension[:_LONGEST_EXTENSION]}", splits=False)
    return safe_name(name)


def _cover(order_id: str | None) -> str:
    # an order whose id consists of dots or spaces is still an order
    return "_" if order_id else ""


def _distinguished(name: str, id_: str, taken: set[str]) -> str:
    """The name with the artifact's id before its extension, and more where that is a twin of another name."""
    mark = safe_name(id_)
    if len(mark.encode()) > _LONGEST_ID or not mark:
        mark = sha256(id_.encode("utf-8", "replace")).hexdigest()[:16]
    stem, extension = _split(name)
    addition = f"-{mark}"
    while True:
        candidate = safe_name(_cut(stem, f"{addition}{extension}", splits=False))
        if _twin_key(candidate) not in taken:
            return candidate
        addition = f"-{mark}-{sha256((addition + id_).encode('utf-8', 'replace')).hexdigest()[:8]}"


def _safe_character(character: str) -> str:
    if character in _BIDI or unicodedata.category(character) in _UNPRINTABLE:
        return "_"
    # U+FF0F and its like become a slash as soon as some system normalises the name to NFKC
    return "_" if _RESERVED.intersection(unicodedata.normalize("NFKC", character)) else character


def _trim(text: str) -> str:
    start, end = 0, len(text)
    while start < end and _is_blank(text[start]):
        start += 1
    while end > start and _is_blank(text[end - 1]):
        end -= 1
    return text[start:end]


def _is_blank(character: str) -> bool:
    # leaders of one, two or three dots are dots to NFKC
    return character.isspace() or not unicodedata.normalize("NFKC", character).strip(" .")


def _split(name: str) -> tuple[str, str]:
    """Stem and extension with its dot; the last full stop of a sentence begins no extension."""
    stem, dot, extension = name.rpartition(".")
    if not stem or not _EXTENSION.fullmatch(extension):
        return name, ""
    return stem, dot + extension


def _cut(name: str, ending: str, *, splits: bool = True) -> str:
    """At most 200 bytes of a name, shortened before its ending (with `splits`, its own extension)."""
    if splits:
        name, ending = _split(name)
    room = _MOST_BYTES - len(ending.encode())
    if len(name.encode()) > room:
        name = _trim(name.encode()[:room].decode("utf-8", "ignore"))
    return name + ending


def _twin_key(name: str) -> str:
    # upper and then folded: some pairs of letters meet in one of the two only
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).upper().casefold())
