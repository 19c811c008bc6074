"""The sandbox in a process of its own, with a shop of the asked shape; steered by lines of JSON on standard input."""

from __future__ import annotations

import gc
import json
import resource
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from bench.shape import FIRST_STOREFRONT, PROJECTS_OF_AN_ORDER, Shape
from sandbox import Limiter, Sandbox, Switches
from sandbox.serving.messages import RequestRecord
from sandbox.serving.traffic import Hook
from sandbox.shop.rows import ProcessingStatus

_DAYS = 60
_UNFINISHED: tuple[ProcessingStatus, ...] = ("Pending", "InProgress", "Failed")
_KEPT_REQUESTS = 20_000


def fill(sandbox: Sandbox, shape: Shape) -> None:
    """Create the projects, evenly over the last sixty days up to an hour ago."""
    for number in range(shape.storefronts):
        sandbox.shop.add_storefront(FIRST_STOREFRONT + number, f"Print shop {number + 1}")
    newest = sandbox.now() - timedelta(hours=1)
    step = timedelta(days=_DAYS) / max(shape.projects, 1)
    unfinished = round(shape.projects * shape.unfinished)
    every = shape.projects // unfinished if unfinished else 0
    for number in range(shape.projects):
        is_finished = not every or number % every or number // every >= unfinished
        created = newest - step * (shape.projects - number)
        ended = created + timedelta(seconds=40)
        sandbox.shop.create_project(
            storefront_id=FIRST_STOREFRONT + number % shape.storefronts,
            order_id=str(5001 + number // PROJECTS_OF_AN_ORDER),
            created=created,
            # never modified is as usual as modified
            last_modified=None if number % 5 < 2 else ended,
            processing="Completed" if is_finished else _UNFINISHED[number // every % len(_UNFINISHED)],
            files=shape.files,
            started=created + timedelta(seconds=10),
            finished=ended,
        )


class Commands:
    """What the process that measures may ask for."""

    def __init__(self, sandbox: Sandbox, shape: Shape) -> None:
        self._sandbox = sandbox
        self._files = shape.files
        self._counted_from = 0
        self._cpu_from = 0.0
        self._limiter: Limiter | None = None
        self._pages = 0
        self._hook: Hook | None = None

    def answer(self, command: str, **arguments: Any) -> dict[str, Any]:
        methods: dict[str, Callable[..., dict[str, Any]]] = {"begin": self.begin, "end": self.end, "news": self.news}
        return methods[command](**arguments)

    def _count_page(self, request: RequestRecord) -> None:
        # the projects of one order are no page of the list of all
        self._pages += "orderId" not in request.query

    def begin(self, limit: dict[str, Any] | None, pages: bool) -> dict[str, Any]:
        """Count from here on, under a limit (see `sandbox.Limiter`); pages only if wanted, as it takes time."""
        requests = self._sandbox.requests
        self._counted_from = requests[-1].order if requests else 0
        self._sandbox.clear_requests()
        self._limiter = self._sandbox.limit(**{"requests_per_second": None, **(limit or {})})
        self._pages = 0
        if self._hook:
            self._hook.remove()
        self._hook = self._sandbox.on(r"/v1/(projects|artifacts)$", self._count_page) if pages else None
        self._cpu_from = _cpu()
        return {}

    def end(self) -> dict[str, Any]:
        """What came since `begin`; the failed ones among the last twenty thousand requests."""
        requests, limiter = self._sandbox.requests, self._limiter
        return {
            "requests": requests[-1].order - self._counted_from if requests else 0,
            "refused": limiter.refused if limiter else 0,
            "admitted": limiter.served if limiter else 0,
            "failed": sum(one.status >= 500 for one in requests if not limiter or one.status != limiter.status),
            "pages": self._pages,
            "maxInFlight": self._sandbox.max_in_flight,
            "firstAt": requests[0].at if requests else None,
            "cpu": _cpu() - self._cpu_from,
        }

    def news(self, count: int) -> dict[str, Any]:
        """So many projects changed: one half is new, the other half was modified."""
        shop = self._sandbox.shop
        ids = shop.project_ids()
        for number in range(count):
            if number % 2:
                shop.modify_project(ids[number * len(ids) // count], name=f"Changed {number}")
            else:
                shop.create_project(
                    FIRST_STOREFRONT, order_id=f"new-{number}", processing="Completed", files=self._files
                )
        return {}


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    shape = Shape(**json.loads(sys.argv[1]))
    sandbox = Sandbox(
        empty=True,
        clock="real",
        latency=shape.latency_ms / 1000,
        file_size=shape.file_size,
        switches=Switches(row_padding=shape.row_padding),
        keep_requests=_KEPT_REQUESTS,
    )
    fill(sandbox, shape)
    if shape.bytes_per_second:
        sandbox.fault("/file$", slow=shape.bytes_per_second)
    # a large shop would be walked through again and again for garbage that it does not hold
    gc.collect()
    gc.freeze()
    with sandbox:
        commands = Commands(sandbox, shape)
        _say({"url": sandbox.url, "config": sandbox.config()})
        for line in sys.stdin:
            _say(commands.answer(**json.loads(line)))


def _say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
