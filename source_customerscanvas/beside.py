"""Reads in a process of its own, beside the one that imports the framework and hands over what was read.

Importing the framework takes a second or more of one core, and what it does with each message takes its share. In one
process the threads that read would wait for it, whatever the number of cores, since Python runs one thread at a time.

    the command's process                   the reading process
    imports the framework                   `begin` begins a read
    a partition  ◀──── emissions ────────── `emissions`, a pipe for each stream
    the manifest's lists ── questions ────▶ the read's client
    logging  ◀─────── log records ───────── logging

What comes out of a stream's pipe has the order in which it was made, so a state covers what came before it here too.
The reading process ends with the other one, however that ends: it waits for the end of a pipe that nobody writes to.
"""

import gc
import logging
import os
import signal
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from logging.handlers import QueueHandler
from multiprocessing import get_context
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

from source_customerscanvas.errors import CustomersCanvasError, EndedEarly, as_known_error

if TYPE_CHECKING:  # the command's process does without what the other one reads with
    from source_customerscanvas.sync.emissions import Emission
    from source_customerscanvas.sync.reading import Reading

IS_POSSIBLE = sys.platform == "linux"
"""On other systems a copy of a process may lack what their libraries need."""

_MOST_STREAMS = 4
_LISTENING_SECONDS = 5.0


@dataclass(frozen=True)
class _Raised:
    error: CustomersCanvasError


class ReadingProcess:
    """A read that goes on in a process of its own; used like a `reading.Reading`, once `begin` has said that it may."""

    def __init__(self, begin: "Callable[[], Reading | None]") -> None:
        """`begin` is called in that process; nothing has begun where it gives None."""
        self.names: Collection[str] = ()
        fork = get_context("fork")
        self._lifeline, lifeline = fork.Pipe()
        self._questions, questions = fork.Pipe()
        self._log, log = fork.Pipe(duplex=False)
        pipes = [fork.Pipe(duplex=False) for _ in range(_MOST_STREAMS)]
        self._pipes = [ours for ours, _ in pipes]
        others = [self._lifeline, self._questions, self._log, *self._pipes]
        theirs = _Ends(lifeline, questions, log, [their for _, their in pipes])
        self._asking = Lock()
        self._listening = Thread(target=self._listen, name="log", daemon=True)
        process = fork.Process(target=_serve, args=(begin, theirs, others), daemon=True)
        process.start()
        theirs.close()

    @property
    def client(self) -> "ReadingProcess":
        """What the manifest's own streams ask, so that they share token, pace and limit with the others."""
        return self

    def begin(self) -> bool:
        """Whether something has begun; from here on, the log of that process is this one's."""
        self._listening.start()
        try:
            self.names = self._ask("names")
        except CustomersCanvasError:
            return False
        return bool(self.names)

    def emissions(self, name: str) -> "Iterator[Emission]":
        pipe = self._pipes[list(self.names).index(name)]
        while (emission := _received(pipe)) is not None:
            if isinstance(emission, _Raised):
                raise emission.error
            yield emission

    def get_json(
        self, path: str, params: Mapping[str, Any] | None = None, understand: Callable[[Any], Any] | None = None
    ) -> Any:
        """See `ApiClient.get_json`; `understand` goes to the other process, so it is a function of a module."""
        return self._ask("get_json", path, params, understand)

    def wait_for_units(self) -> None:
        self._ask("wait_for_units")

    def failure(self) -> CustomersCanvasError | None:
        failure: CustomersCanvasError | None = self._ask("failure")
        return failure

    def note_state_out(self, name: str) -> None:
        """Only a read that changes something in the shop waits for its states to be out, and that is not read here."""

    def end(self) -> None:
        """Let the process end, after all that it has logged is logged here."""
        self._lifeline.close()
        self._listening.join(_LISTENING_SECONDS)

    def _ask(self, *question: Any) -> Any:
        with self._asking:
            try:
                self._questions.send(question)
            except OSError:
                raise EndedEarly from None
            answer = _received(self._questions)
        if isinstance(answer, _Raised):
            raise answer.error
        return answer

    def _listen(self) -> None:
        while True:
            try:
                record: logging.LogRecord = self._log.recv()
            except (EOFError, OSError):
                return
            logging.getLogger(record.name).handle(record)


def _received(connection: "Connection[Any, Any]") -> Any:
    try:
        return connection.recv()
    except (EOFError, OSError):
        raise EndedEarly from None


@dataclass(frozen=True)
class _Ends:
    """The reading process' ends of the pipes."""

    lifeline: "Connection[Any, Any]"
    questions: "Connection[Any, Any]"
    log: "Connection[Any, Any]"
    streams: "list[Connection[Any, Any]]"

    def close(self) -> None:
        for connection in (self.lifeline, self.questions, self.log, *self.streams):
            connection.close()


def _serve(begin: "Callable[[], Reading | None]", ends: _Ends, others: "Collection[Connection[Any, Any]]") -> None:
    for connection in others:
        connection.close()  # or the end of the other process would never show
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is for the command
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the messages are the command's
    logging.getLogger("airbyte").setLevel(logging.INFO)
    logging.getLogger().addHandler(_PipeHandler(ends.log))
    reading = begin()
    gc.freeze()
    gc.enable()
    if reading is not None:
        for name, pipe in zip(reading.names, ends.streams, strict=False):
            Thread(target=_hand_over, args=(reading, name, pipe), name=f"{name}-reader", daemon=True).start()
    Thread(target=_answer, args=(reading, ends.questions), name="answers", daemon=True).start()
    with suppress(EOFError, OSError):
        ends.lifeline.recv()
    if reading is not None:
        reading.abandon()
    os._exit(0)  # without waiting for threads that wait for a reader


def _hand_over(reading: "Reading", name: str, pipe: "Connection[Any, Any]") -> None:
    end: _Raised | None = None
    try:
        for emission in reading.emissions(name):
            pipe.send(emission)
    except BrokenPipeError:
        return  # the command has ended
    except Exception as error:
        known = as_known_error(error)
        if known.__cause__:
            logging.getLogger("airbyte.source-customerscanvas").error(known.message, exc_info=known.__cause__)
        end = _Raised(known)
    pipe.send(end)


def _answer(reading: "Reading | None", questions: "Connection[Any, Any]") -> None:
    while True:
        try:
            what, *arguments = questions.recv()
        except (EOFError, OSError):
            return
        try:
            answer = _answered(reading, what, arguments)
        except Exception as error:
            answer = _Raised(as_known_error(error))
        questions.send(answer)


def _answered(reading: "Reading | None", what: str, arguments: list[Any]) -> Any:
    if reading is None:
        return ()
    if what == "names":
        return tuple(reading.names)
    if what == "get_json":
        return reading.client.get_json(*arguments)
    if what == "failure":
        return reading.failure()
    return reading.wait_for_units()


class _PipeHandler(QueueHandler):
    """Sends log records to the command's process. `enqueue` is called under the handler's lock."""

    def __init__(self, log: "Connection[Any, Any]") -> None:
        super().__init__(SimpleQueue())  # which nothing is put into
        self._log = log

    def enqueue(self, record: logging.LogRecord) -> None:
        self._log.send(record)

    def handleError(self, record: logging.LogRecord) -> None:
        """Nobody is left to be told."""
