"""Tells projects that cannot be read from a storefront of which none can."""

from collections import Counter
from threading import Lock

from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.api.listing import read_page, row_id
from source_customerscanvas.api.projects import PATH
from source_customerscanvas.errors import CustomersCanvasError, NotFound, Stopped
from source_customerscanvas.sync.jobs import Job
from source_customerscanvas.sync.kinds import OF_RESULTS
from source_customerscanvas.sync.slices import Slice

_SUSPICIOUS = 25
"""Projects of a slice in a row that could not be read, after which it may be broken as a whole."""

_SAMPLES = 3
"""Projects that are asked for then. They come from all over the slice's history: those of one import, or all that are
being processed just now, may well be broken in a row."""


class Health:
    """What could be read in one sync; shared by its workers."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client
        self._lock = Lock()
        self._sampling = Lock()
        self._failed_in_a_row: Counter[str] = Counter()
        self._broken: dict[str, CustomersCanvasError] = {}

    def broken(self, slice_: Slice) -> CustomersCanvasError | None:
        """Why none of the slice's projects can be read; None while some can."""
        return self._broken.get(slice_.key)

    def note_read(self, slice_: Slice) -> None:
        with self._lock:
            self._failed_in_a_row[slice_.key] = 0

    def note_failure(self, job: Job, error: CustomersCanvasError) -> None:
        """Note that a project could not be read. Raises `Stopped`."""
        key = job.slice.key
        with self._lock:
            self._failed_in_a_row[key] += 1
        with self._sampling:
            with self._lock:
                if key in self._broken or self._failed_in_a_row[key] < _SUSPICIOUS:
                    return
            if self._can_read_others(job):
                self.note_read(job.slice)
            else:
                self._broken[key] = error

    def _can_read_others(self, job: Job) -> bool:
        what = "/processing-results" if any(stream.name in OF_RESULTS for stream in job.streams) else ""
        total = 0
        try:
            for number in range(_SAMPLES):
                params = {**job.slice.params, "sorting": "Id ASC"}
                page = read_page(self._client.get_json, PATH, params, number * total // _SAMPLES, take=1)
                total = page.total or total
                for project_id in map(row_id, page.rows[:1]):
                    if project_id is not None and self._answers(f"{PATH}/{project_id}{what}"):
                        return True
        except Stopped:
            raise
        except CustomersCanvasError:
            pass  # not even a list
        return False

    def _answers(self, path: str) -> bool:
        try:
            self._client.get_json(path)
        except NotFound:
            pass  # there is no run, or no project any more
        except Stopped:
            raise
        except CustomersCanvasError:
            return False
        return True
