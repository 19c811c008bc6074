"""What passes through the server: the record of requests, and the faults, hooks and limits that wait for them."""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sandbox.serving.faults import Fault
from sandbox.serving.limiter import Limiter
from sandbox.serving.messages import Origin, RequestRecord
from sandbox.serving.outages import Outage


@dataclass(eq=False)
class Hook:
    """A function to call before the `nth` matching request (None: each) is answered."""

    path: re.Pattern[str]
    nth: int | None
    call: Callable[..., object]
    method: str | None = None
    seen: int = 0
    removed: bool = False

    def remove(self) -> None:
        self.removed = True

    def is_due(self, request: RequestRecord) -> bool:
        if self.removed or self.method not in (None, request.method) or not self.path.search(request.path):
            return False
        self.seen += 1
        return self.nth is None or self.seen == self.nth


class Traffic:
    """Shared by all listeners; written by the server's thread, read and set up by any."""

    def __init__(self, keep: int | None = None) -> None:
        self._lock = threading.Lock()
        self._requests: deque[RequestRecord] = deque(maxlen=keep)
        self._received = 0
        self._in_flight = 0
        self._faults: list[Fault] = []
        self._hooks: list[Hook] = []
        self.outages: list[Outage] = []
        self.max_in_flight = 0
        self.limiters: dict[Origin, Limiter] = {}
        self.began_outage: Callable[[Outage], None] = lambda outage: None
        """Called with each outage that is added: listeners that have to refuse connections."""
        self.errors: list[BaseException] = []
        """What hooks and edits raised."""

    @property
    def requests(self) -> list[RequestRecord]:
        with self._lock:
            return list(self._requests)

    def next_order(self) -> int:
        self._received += 1
        return self._received

    @contextmanager
    def passing(self, request: RequestRecord) -> Iterator[None]:
        """Record a request and count it among those in flight."""
        with self._lock:
            self._requests.append(request)
            self._in_flight += 1
            self.max_in_flight = max(self.max_in_flight, self._in_flight)
        try:
            yield
        finally:
            with self._lock:
                self._in_flight -= 1

    def clear(self) -> None:
        with self._lock:
            self._requests.clear()
            self.max_in_flight = self._in_flight

    def add_fault(self, fault: Fault) -> None:
        with self._lock:
            self._faults = [*(one for one in self._faults if not one.removed), fault]

    def clear_faults(self) -> None:
        with self._lock:
            for fault in self._faults:
                fault.remove()
            self._faults = []

    def fault_for(self, request: RequestRecord) -> Fault | None:
        """The first fault that strikes."""
        return next((fault for fault in self._faults if fault.strikes(request)), None) if self._faults else None

    def add_hook(self, hook: Hook) -> None:
        with self._lock:
            self._hooks = [*(one for one in self._hooks if not one.removed), hook]

    def hooks_for(self, request: RequestRecord) -> list[Hook]:
        return [hook for hook in self._hooks if hook.is_due(request)] if self._hooks else []

    def add_outage(self, outage: Outage) -> None:
        with self._lock:
            self.outages = [*(one for one in self.outages if not one.is_over), outage]
        self.began_outage(outage)

    def clear_outages(self) -> None:
        with self._lock:
            for outage in self.outages:
                outage.end()
            self.outages = []

    def outage_at(self, origin: Origin) -> Outage | None:
        """The outage that a server suffers now."""
        return next((one for one in self.outages if origin in one.origins and one.is_on), None)
