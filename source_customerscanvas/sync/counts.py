"""What is counted of a stream during one read, for its estimates, its summary and its final error."""

from dataclasses import dataclass, field
from threading import Lock

from source_customerscanvas.errors import Trouble
from source_customerscanvas.sync.outcomes import Outcome

NAMED = 20
"""Things that a summary names at most."""


@dataclass
class Named:
    """How many things there are, and the first of them: a history may have very many."""

    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, what: str) -> None:
        self.count += 1
        if self.count <= NAMED:
            self.first.append(what)


@dataclass(frozen=True)
class Estimate:
    """The rows and bytes to expect; `size` is None where there are no files."""

    rows: int
    size: int | None


@dataclass
class Counts:
    """Written by the stream's reader, the threads that list and the workers.

    It has a lock of its own, as it is written for each chunk of a file.
    """

    emitted: int = 0
    finished: int = 0
    to_do: int = 0
    files: int = 0
    bytes: int = 0
    expected_rows: int | None = None
    """Rows, where a project may have more or fewer than one."""
    expected_bytes: int | None = None
    passed_over: Named = field(default_factory=Named)
    held: Named = field(default_factory=Named)
    """Projects that their business status keeps from being produced."""
    failed: int = 0
    """Of the projects that are unfinished at the end, those whose processing has failed."""
    troubles: list[Trouble] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def hand_over(self, outcome: Outcome) -> None:
        """The records of an outcome have been handed over."""
        with self._lock:
            self.emitted += len(outcome.records)
            self.finished += outcome.finished
            self.files += sum(file is not None for _, file in outcome.records)

    def expect(self, projects: int) -> None:
        """So many projects more will be looked at."""
        with self._lock:
            self.to_do += projects

    def expect_rows(self, rows: int, size: int | None = None) -> None:
        """So many more rows will be emitted, with files of so many bytes."""
        with self._lock:
            self.expected_rows = (self.expected_rows or 0) + rows
            if size is not None:
                self.expected_bytes = (self.expected_bytes or 0) + size

    def estimate(self) -> Estimate:
        """The rows that the stream will have emitted, as far as that is known by now, and their files' bytes."""
        rows = self.expected_rows if self.expected_rows is not None else self.to_do
        return Estimate(max(rows, self.emitted), self.expected_bytes)

    def receive(self, size: int) -> None:
        """So many more bytes of files have come."""
        with self._lock:
            self.bytes += size

    def pass_over(self, what: str) -> None:
        with self._lock:
            self.passed_over.add(what)

    def hold(self, what: str) -> None:
        with self._lock:
            self.held.add(what)

    def note_trouble(self, trouble: Trouble, *, first: bool = False) -> None:
        """`first`: it is more than one project's, and named before those."""
        with self._lock:
            self.troubles.insert(0 if first else len(self.troubles), trouble)
