"""How often failed processing was tried again, as all streams of a sync know it together."""

from collections.abc import Mapping, Sequence

from source_customerscanvas.state.slice_state import Try
from source_customerscanvas.sync.progress import StreamProgress


class Tries:
    """The tries of a sync's projects; `given` are those of all states that it was given, of other streams too."""

    def __init__(self, streams: Sequence[StreamProgress], given: Mapping[int, Try]) -> None:
        self._streams = streams
        self._given = dict(given)

    def of(self, key: str, project_id: int) -> Try:
        """The last try of a project that any stream knows of."""
        found = [self._given.get(project_id, Try())]
        for stream in self._streams:
            with stream.lock:
                found.append(stream.slice(key).tries.get(project_id, Try()))
        return max(found)

    def note(self, key: str, project_id: int, one: Try) -> None:
        """Note a try before it is made; whatever comes of it, the project is read in the next sync."""
        for stream in self._streams:
            with stream.lock:
                state = stream.slice(key)
                if project_id in state.known or project_id in state.owed:
                    state.tries[project_id] = one
                    state.owe(project_id)

    def take_back(self, key: str, project_id: int, before: Try) -> None:
        """Note that a try was not made after all; `before` is the one before it."""
        for stream in self._streams:
            with stream.lock:
                state = stream.slice(key)
                if state.tries.pop(project_id, None):
                    state.owed.discard(project_id)
                    if before.count:
                        state.tries[project_id] = before
