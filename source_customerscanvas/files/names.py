"""One part of a path that every system can store, the same one in every sync.

What a pipeline's author or a shop chose as a name is made safe here and nowhere else. A library is not used for it: a
name that a later version of one makes otherwise would store a file for the second time.
"""

import re
import unicodedata
from hashlib import sha256

MOST_BYTES = 200
"""Of one part of a path: file systems take 255, and stores put something in front of a name while they write."""

_LONGEST_EXTENSION = 20
_EXTENSION = re.compile(rf"[^\W_][\w+~-]{{0,{_LONGEST_EXTENSION - 1}}}")
_NO_EXTENSION = re.compile(r"[^\w+~-]|^[_+~-]+")
_LONGEST_ID = 80
_DOTS = re.compile(r"\.{2,}")
_RESERVED = frozenset('<>:"/\\|?*')
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_UNPRINTABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})
_DEVICES = frozenset(
    ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"]
    + [f"{port}{number}" for port in ("COM", "LPT") for number in "0123456789¹²³"]
)


def safe_name(text: str) -> str:
    """A text as one part of a path on any system: at most 200 bytes, its extension kept; empty if nothing is left."""
    text = unicodedata.normalize("NFC", "".join(map(_safe_character, unicodedata.normalize("NFC", text))))
    stem, extension = split_extension(_DOTS.sub(".", _trim(text)))
    name = shortened(stem, extension)
    if name.partition(".")[0].rstrip().upper() in _DEVICES:
        stem, extension = split_extension(f"_{name}")
        name = shortened(stem, extension)
    return name


def safe_id(id_: str) -> str:
    """An id as a part of a name: two ids never become the same text, whatever they are made of."""
    name = safe_name(id_)
    if name == id_ and len(name.encode()) <= _LONGEST_ID:
        return name
    return f"{shortened(name, '', _LONGEST_ID)}-{mark(id_)}".lstrip("-")


def safe_extension(format_: str) -> str:
    """A format as an extension without the dot before it, such as `tar.gz`; empty where it cannot be one."""
    parts = [_NO_EXTENSION.sub("", part)[:_LONGEST_EXTENSION] for part in safe_name(format_).split(".")]
    return ".".join(filter(_EXTENSION.fullmatch, parts))[:_LONGEST_EXTENSION].rstrip(".")


def mark(text: str, length: int = 8) -> str:
    """A short text that differs from those of others."""
    return sha256(text.encode("utf-8", "replace")).hexdigest()[:length]


def split_extension(name: str) -> tuple[str, str]:
    """Stem and extension with its dot; the last full stop of a sentence begins no extension."""
    stem, dot, extension = name.rpartition(".")
    if not stem or not _EXTENSION.fullmatch(extension):
        return name, ""
    return stem, dot + extension


def shortened(stem: str, ending: str, room: int = MOST_BYTES) -> str:
    """Both in at most so many bytes: the stem gives way."""
    room -= len(ending.encode())
    if len(stem.encode()) > room:
        stem = _trim(stem.encode()[:room].decode("utf-8", "ignore"))
    return stem + ending


def twin_key(path: str) -> str:
    """The same for two paths that some file system takes for one."""
    # upper and then folded: some pairs of letters meet in one of the two only
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", path).upper().casefold())


def _safe_character(character: str) -> str:
    if character in _BIDI or unicodedata.category(character) in _UNPRINTABLE:
        return "_"
    # U+FF0F and its like become a slash as soon as some system normalises the name to NFKC
    return "_" if _RESERVED.intersection(unicodedata.normalize("NFKC", character)) else character


def _trim(text: str) -> str:
    return text.strip("".join(filter(_is_blank, text)))


def _is_blank(character: str) -> bool:
    # leaders of one, two or three dots are dots to NFKC
    return character.isspace() or not unicodedata.normalize("NFKC", character).strip(" .")
