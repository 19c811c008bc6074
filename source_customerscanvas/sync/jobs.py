"""What is handed out to the workers: projects to read, in batches after which their orders are looked at."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock

from source_customerscanvas.api.projects import Project, Results
from source_customerscanvas.sync.progress import Settled, StreamProgress
from source_customerscanvas.sync.slices import Slice


@dataclass
class Touched:
    """An order of which projects were read: what each stream has to note of them once the order was handed over."""

    settled: dict[str, list[Settled]] = field(default_factory=dict)

    @property
    def updated_at(self) -> str:
        return max((one.latest for some in self.settled.values() for one in some), default="")


class Batch:
    """Jobs that belong together: a page of a scan, a watch, a round of polls.

    The orders that its projects touch are looked at when the last of the jobs is done, once each. Shared by workers.
    """

    def __init__(self, slice_: Slice) -> None:
        self.slice = slice_
        self._lock = Lock()
        self._left = 1
        self._touched: dict[str, Touched] = {}

    def add(self) -> None:
        """One more job, or a file of one."""
        with self._lock:
            self._left += 1

    def touch(self, order_id: str, stream: str, settled: Settled | None = None) -> None:
        """Have an order looked at for a stream; `settled` is noted when that was handed over."""
        with self._lock:
            some = self._touched.setdefault(order_id, Touched()).settled.setdefault(stream, [])
            if settled:
                some.append(settled)

    def done(self) -> dict[str, Touched]:
        """One job less. Gives the touched orders when it was the last one: whoever made the batch counts as one too."""
        with self._lock:
            self._left -= 1
            return self._touched if self._left == 0 else {}


@dataclass(frozen=True)
class Job:
    """A project to read for some of the streams; `project` is None where it has to be asked for first.

    A scan comes from the oldest projects, a watch from the newest ones.
    """

    batch: Batch
    project_id: int
    project: Project | None
    streams: Sequence[StreamProgress]
    from_scan: bool = False
    results: Results | None = None
    """Where they have been asked for already."""
    is_unlisted: bool = False
    """Whether it is open, and no list showed it."""
    once_more: bool = False
    """Whether it is finished and asked for once more, as a later run may have added files."""

    @property
    def slice(self) -> Slice:
        return self.batch.slice

    def describe(self) -> str:
        return self.project.describe() if self.project else f"{self.slice.describe()}, project {self.project_id}"
