"""Tells the user how a sync is going: a line every ten seconds, a summary of each stream, and what was left out."""

import logging
from collections.abc import Collection, Sequence
from threading import Event, Thread

from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.errors import Trouble, shorten
from source_customerscanvas.sync.counts import NAMED, Named
from source_customerscanvas.sync.progress import StreamProgress
from source_customerscanvas.times import Clock

REPORT_SECONDS = 10.0

logger = logging.getLogger("airbyte.source-customerscanvas")


class Reporter:
    """Reports on a sync from a thread of its own, so that the log goes on while everything else waits."""

    def __init__(self, client: ApiClient, clock: Clock, streams: Sequence[StreamProgress]) -> None:
        self._client = client
        self._clock = clock
        self._streams = streams
        self._is_over = Event()
        self._thread = Thread(target=self._run, name="reporter", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._is_over.set()

    def _run(self) -> None:
        requests_before = 0
        while True:
            self._clock.wait(REPORT_SECONDS, self._is_over)
            if self._is_over.is_set():
                return
            logger.info(self._line(requests_before))
            requests_before = self._client.requests

    def _line(self, requests_before: int) -> str:
        counts = [(stream.name, stream.counts) for stream in self._streams]
        done = ", ".join(f"{name} {one.finished} of {max(one.to_do, one.finished)} projects" for name, one in counts)
        files, size = sum(one.files for _, one in counts), sum(one.bytes for _, one in counts)
        rate = (self._client.requests - requests_before) / REPORT_SECONDS
        return (
            f"Done: {done}; {files} files, {_readable(size)}; {self._client.requests} requests ({rate:.0f} a second), "
            f"{self._client.retries} of them repeated."
        )


def pass_over(streams: Sequence[StreamProgress], what: str) -> None:
    """Say once, and in the summary of each of these streams, what of the shop's data was left out."""
    logger.warning(f"Passed over: {what}.")
    for stream in streams:
        stream.counts.pass_over(what)


def warn_of_trouble(trouble: Trouble) -> None:
    logger.warning(f"Left to the next sync: {trouble}", exc_info=trouble.error.__cause__)


def summary(stream: StreamProgress) -> str:
    """One line on what a stream emitted, passed over, could not read and left unfinished."""
    counts = stream.counts
    parts = [f"{counts.emitted} records of {counts.finished} projects"]
    if counts.files:
        parts.append(f"{counts.files} files, {_readable(counts.bytes)}")
    parts.append(f"passed over: {_named(counts.passed_over)}")
    if counts.held.count:
        parts.append(f"held by their status: {_named(counts.held)}")
    troubles = Named(len(counts.troubles), [trouble.where for trouble in counts.troubles[:NAMED]])
    parts.append(f"could not be read: {_named(troubles)}")
    parts.append(_unfinished(stream))
    return f"Summary of {stream.name}: {'; '.join(parts)}."


def warn_of_orders(wanted: Collection[str], found: Collection[str]) -> None:
    """One warning for the order ids of the settings that no project has."""
    if missing := sorted(set(wanted) - set(found)):
        logger.warning(f"No project has an order id of these in `order_ids`: {shorten(', '.join(map(repr, missing)))}.")


def warn_of_formats(wanted: Collection[str], found: Collection[str]) -> None:
    """One warning for the formats of the settings that no file has."""
    if missing := sorted(set(wanted) - set(found)):
        there = shorten(", ".join(sorted(found))) or "none"
        logger.warning(f"No file has a format of these in `file_formats`: {', '.join(missing)}. There are {there}.")


def _unfinished(stream: StreamProgress) -> str:
    with stream.lock:
        slices = stream.state.slices.items()
        unfinished = [(project_id, key) for key, state in slices for project_id, _ in state.having("open")]
    if not unfinished:
        return "unfinished: none"
    project_id, key = min(unfinished)
    failed = f", failed of them: {stream.counts.failed}" if stream.counts.failed else ""
    return (
        f"unfinished: {len(unfinished)}{failed}, the oldest project {project_id} of storefront {key.partition('/')[0]}"
    )


def _named(things: Named) -> str:
    if not things.count:
        return "none"
    more = things.count - len(things.first)
    return f"{things.count} ({'; '.join(things.first)}{f' and {more} more' if more else ''})"


def _readable(size: int) -> str:
    amount = float(size)
    for unit in ("bytes", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.2f} GB"
