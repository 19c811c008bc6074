"""What the workers find for a stream, on its way to the thread that reads the stream."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from queue import SimpleQueue
from threading import Condition

from source_customerscanvas.api.listing import Row
from source_customerscanvas.api.packed import size_of
from source_customerscanvas.files.artifact_file import DeliveredFile

_MOST_QUEUED, _MOST_BYTES = 2000, 2 * 1024 * 1024
"""Records, and bytes, that wait for a slow reader before the workers wait too: this bounds the memory of a sync."""

Records = list[tuple[Row, DeliveredFile | None]]


@dataclass(frozen=True)
class Outcome:
    """Records of a stream, and what to note in its state once they have been handed over."""

    stream: str
    records: Records = field(default_factory=list)
    note: Callable[[], None] | None = None
    finished: int = 0
    """Projects that the stream is done with."""
    checkpoint: bool = False
    """Emit the state before anything else."""

    @cached_property
    def weight(self) -> int:
        """The bytes of the records as JSON."""
        return sum(size_of(row) for row, _ in self.records)


@dataclass
class Touching:
    """A project that touches orders: what a stream notes of it when the rows of all of them were handed over."""

    stream: str
    project_id: int
    order_ids: Sequence[str]
    note: Callable[[], None]
    handed_over: int = 0

    def hand_over(self) -> None:
        """Note that the row of one of the orders was handed over; called by the one thread that reads the stream."""
        self.handed_over += 1
        if self.handed_over == len(self.order_ids):
            self.note()


Found = Iterator["Outcome | Touching | Callable[[], Found]"]
"""What reading gives: outcomes, orders to look at, and functions that deliver a file and give its outcomes."""


class OutcomeQueue:
    """The outcomes of one stream, in the order in which they came; bounded by the size of their records."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Outcome | None] = SimpleQueue()
        self._queued = self._bytes = 0
        self._room = Condition()
        self._is_closed = False

    def put(self, outcome: Outcome | None) -> None:
        """Hand an outcome to the reader, when there is room for it; None is the last one."""
        if outcome:
            weight = outcome.weight  # before others have to wait for it
            with self._room:
                self._room.wait_for(self._has_room)
                self._queued += max(len(outcome.records), 1)
                self._bytes += weight
        self._queue.put(outcome)

    def take(self, patience: float) -> Outcome | None:
        """The next outcome; raises `queue.Empty` when none comes for so many seconds."""
        outcome = self._queue.get(timeout=patience)
        if outcome:
            with self._room:
                room = max(len(outcome.records), 1)
                self._queued -= room
                self._bytes -= outcome.weight
                self._room.notify(room)  # not all: most of them would find it full again
        return outcome

    def _has_room(self) -> bool:
        return self._is_closed or (self._queued < _MOST_QUEUED and self._bytes < _MOST_BYTES)

    def close(self) -> None:
        """Nobody takes anything any more: let nobody wait for room."""
        with self._room:
            self._is_closed = True
            self._room.notify_all()
