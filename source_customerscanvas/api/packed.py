"""Long lists, kept so that they take little memory: one project may have hundreds of thousands of files."""

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import BytesIO
from itertools import chain, islice
from typing import Any, overload

import orjson

_FEW = 1000
"""Values that are kept as they are: as many take less than a megabyte."""

_PORTION = 100
"""Values that are packed together: to look at one of them, all of them are unpacked."""

_FASTEST = 1


class Packed(Sequence[Any]):
    """JSON values, kept as compressed text, which is a twentieth of what they take as objects.

    They come out equal and as new objects each time, so that to change one changes nothing here.
    """

    def __init__(self, values: Iterable[Any]) -> None:
        self._portions: list[bytes] = []
        self._unpacked: tuple[int, list[Any]] = (-1, [])
        self._length = 0
        self.size = 2
        """Bytes as JSON."""
        values = iter(values)
        while portion := list(islice(values, _PORTION)):
            text = orjson.dumps(portion)
            self._portions.append(zlib.compress(text, _FASTEST))
            self._length += len(portion)
            self.size += len(text) - 1

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Any]:
        for portion in self._portions:
            yield from orjson.loads(zlib.decompress(portion))

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return [self[number] for number in range(self._length)[index]]
        number, place = divmod(range(self._length)[index], _PORTION)
        unpacked, values = self._unpacked
        if unpacked != number:
            values = orjson.loads(zlib.decompress(self._portions[number]))
            self._unpacked = number, values
        return values[place]

    def to_json(self) -> orjson.Fragment:
        """The list as JSON, to be written as a part of another value."""
        text = BytesIO()
        text.write(b"[")
        for number, portion in enumerate(self._portions):
            text.write(b"," if number else b"")
            text.write(memoryview(zlib.decompress(portion))[1:-1])
        text.write(b"]")
        return orjson.Fragment(text.getvalue())


def compact(values: Iterable[Any]) -> Sequence[Any]:
    """A list of JSON values; packed if they are many."""
    values = iter(values)
    few = list(islice(values, _FEW + 1))
    return few if len(few) <= _FEW else Packed(chain(few, values))


def size_of(row: Any) -> int:
    """The bytes of a JSON value in which lists may be packed."""
    packed = 0

    def note(value: Packed) -> None:
        nonlocal packed
        packed += value.size - len("null")

    return len(orjson.dumps(row, default=note)) + packed


def unpacked(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A row with JSON in the place of what is packed, as each serializer takes it."""
    if not any(isinstance(value, Packed) for value in row.values()):
        return row
    return {name: value.to_json() if isinstance(value, Packed) else value for name, value in row.items()}
