"""Long lists, kept so that they take little memory: one project may have hundreds of thousands of files."""

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from io import BytesIO
from itertools import chain, islice
from typing import Any, Generic, TypeVar, overload

import orjson

T = TypeVar("T")

LONG_LIST = "outputFileDetails"
"""The one list that the API gives whole, however many rows it has."""

_FEW = 1000
"""Values that are kept as they are: as many take less than a megabyte."""

_PORTION = 100
"""Values that are packed together: to look at one of them, all of them are unpacked."""

_FASTEST = 1


def _as_it_is(value: Any) -> Any:
    return value


class Packed(Sequence[T]):
    """Values kept as compressed JSON, which is a twentieth of what they take as objects.

    They come out equal and as new objects each time. `to_json` makes JSON of a value, and `from_json` the value of it.
    """

    def __init__(
        self,
        values: Iterable[T],
        to_json: Callable[[T], Any] = _as_it_is,
        from_json: Callable[[Any], T] = _as_it_is,
    ) -> None:
        self._from_json = from_json
        self._portions: list[bytes] = []
        self._unpacked: tuple[int, list[T]] = (-1, [])
        self._length = 0
        self.size = 1
        """Bytes as JSON."""
        rest = map(to_json, values)
        while portion := list(islice(rest, _PORTION)):
            text = orjson.dumps(portion)
            self._portions.append(zlib.compress(text, _FASTEST))
            self._length += len(portion)
            self.size += len(text) - 1

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[T]:
        for portion in self._portions:
            yield from self._values(portion)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        if isinstance(index, slice):
            return [self[number] for number in range(self._length)[index]]
        number, place = divmod(range(self._length)[index], _PORTION)
        unpacked, values = self._unpacked
        if unpacked != number:
            values = list(self._values(self._portions[number]))
            self._unpacked = number, values
        return values[place]

    def _values(self, portion: bytes) -> Iterator[T]:
        return map(self._from_json, orjson.loads(zlib.decompress(portion)))

    def as_json(self) -> orjson.Fragment:
        """The list as JSON, to be written as a part of another value."""
        text = BytesIO()
        text.write(b"[")
        for number, portion in enumerate(self._portions):
            text.write(b"," if number else b"")
            text.write(memoryview(zlib.decompress(portion))[1:-1])
        text.write(b"]")
        return orjson.Fragment(text.getvalue())


class _Those(Iterable[T], Generic[T]):
    def __init__(self, values: Iterable[T], are_meant: Callable[[T], bool]) -> None:
        self._values = values
        self._are_meant = are_meant

    def __iter__(self) -> Iterator[T]:
        return filter(self._are_meant, self._values)


def compact(
    values: Iterable[T], to_json: Callable[[T], Any] = _as_it_is, from_json: Callable[[Any], T] = _as_it_is
) -> Sequence[T]:
    """A list of the values; packed if they are many."""
    rest = iter(values)
    few = list(islice(rest, _FEW + 1))
    return few if len(few) <= _FEW else Packed(chain(few, rest), to_json, from_json)


def those(values: Iterable[T], are_meant: Callable[[T], bool]) -> Iterable[T]:
    """Those of the values that are meant. Of many they are not kept, but found anew each time they are gone through."""
    return list(filter(are_meant, values)) if isinstance(values, list) else _Those(values, are_meant)


def size_of(row: Mapping[str, Any]) -> int:
    """The bytes of a row as JSON; its long list may be packed."""
    packed = row.get(LONG_LIST)
    if isinstance(packed, Packed):
        return len(orjson.dumps({**row, LONG_LIST: None})) - len("null") + packed.size
    return len(orjson.dumps(row))


def unpacked(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A row that can be written: where its long list is packed, the text of it stands in its place."""
    packed = row.get(LONG_LIST)
    return {**row, LONG_LIST: packed.as_json()} if isinstance(packed, Packed) else row
