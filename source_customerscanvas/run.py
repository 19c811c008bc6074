"""The command line: `source-customerscanvas spec | check | discover | read`.

Importing the framework takes about a second, in which a sync of some hundred projects could be half done. `read`
therefore begins before the import, in threads of its own. Whatever is wrong with the arguments is left to the framework
to find, and nothing is changed in the shop before it has taken the command.
"""

import gc
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import is_dataclass
from io import TextIOWrapper
from itertools import pairwise
from logging.handlers import MemoryHandler
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from source_customerscanvas.errors import CustomersCanvasError, UnreadableInput
from source_customerscanvas.files.stores.store import abandon_stores

if TYPE_CHECKING:
    from source_customerscanvas.sync.reading import Reading

T = TypeVar("T")

_FAILED = 1
_SIGNALLED = 128
"""What a shell adds to the number of the signal that has ended a command."""

_OPTIONS = frozenset({"--config", "--catalog", "--state", "--debug"})


def run() -> None:
    """Run the command that the arguments name, as the Airbyte protocol defines it.

    A command that does not succeed ends at once: some of its threads wait for a reader of their messages, who is gone
    by then, and the interpreter would wait for those threads.
    """
    # a process that is the first of its container gets no signal that it does not handle
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    try:
        _run([_kept(argument) for argument in sys.argv[1:]])
    except BrokenPipeError:
        _leave(_FAILED)  # nobody is left to be told of it
    except SystemExit as error:
        code = error.code or 0
        _flush_and_leave(code if isinstance(code, int) else _FAILED)
    except BaseException as error:
        with suppress(Exception):  # where it is the output that has failed, nobody can be told
            sys.excepthook(type(error), error, error.__traceback__)
        _flush_and_leave(_FAILED)


def _flush_and_leave(code: int) -> None:
    for output in (sys.stdout, sys.stderr):
        with suppress(OSError, AttributeError):  # one that the shell has closed is None
            output.flush()
    _leave(code)


def _end(number: int, _: FrameType | None) -> None:
    """End at once, without a file that is not whole; a shell says 143 or 130 of it."""
    if sys.argv[1:2] != ["read"] and os.getpid() != 1:
        # by the signal itself: PyAirbyte ends `spec` and `check` when it has read enough, and reports any other code
        abandon_stores()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    _leave(_SIGNALLED + number)


def _leave(code: int) -> None:
    """End now, without a file that is not whole."""
    try:
        abandon_stores()
    finally:
        os._exit(code)


def _run(arguments: list[str]) -> None:
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # messages are JSON, whatever the locale writes
    # an import makes a hundred thousand objects that stay: looking through them for garbage takes a tenth of its time,
    # and a twentieth of a sync's
    gc.disable()
    logging.raiseExceptions = False  # where the log cannot be written, nobody is left to be told of it
    held_log = _hold_log()
    begun = begin_early(arguments) if arguments[:1] == ["read"] else None

    from airbyte_cdk.exception_handler import init_uncaught_exception_handler
    from airbyte_cdk.logger import PRINT_BUFFER, init_logger

    from source_customerscanvas.source import Entrypoint, SourceCustomersCanvas
    from source_customerscanvas.streams import traced

    gc.freeze()
    gc.enable()
    if "--debug" in arguments:
        # only so the framework writes debug lines as messages of the protocol
        os.environ["LOG_LEVEL"] = "debug"
    init_uncaught_exception_handler(init_logger("airbyte"))
    _log_what_would_be_printed()
    _release(held_log)
    # the parser says how the command line is used only where there is a wrong command, not where there is none
    parsed = Entrypoint.parse_args(arguments or ["(none)"])
    config_path = Entrypoint.extract_config(arguments)
    catalog_path = Entrypoint.extract_catalog(arguments)
    state_path = Entrypoint.extract_state(arguments)
    try:
        source = SourceCustomersCanvas(
            catalog=_read_input("catalog", catalog_path, SourceCustomersCanvas.read_catalog),
            config=_read_input("config", config_path, SourceCustomersCanvas.read_config),
            state=_read_input("state", state_path, SourceCustomersCanvas.read_state),
            begun=begun,
        )
    except UnreadableInput as error:
        raise traced(error) from error
    entrypoint = Entrypoint(source)
    with PRINT_BUFFER as output:
        for message in entrypoint.run(parsed):
            # in one piece: the log writes to the same place
            output.write(f"{message}\n")


def _kept(argument: str) -> str:
    """The argument; where it names a pipe, one that names a copy in memory of what came through it.

    Files are read here and by the framework, and a pipe gives its content once. Whoever uses a pipe wants no file, and
    only Linux has memory with a path: elsewhere the argument stays as it is.
    """
    option, sign, path = argument.rpartition("=")
    with suppress(OSError):  # it is no path, or cannot be read, which is said where it is used
        if sys.platform == "linux" and not Path(path).is_file():
            content = Path(path).read_bytes()
            copy = os.memfd_create("input")
            os.write(copy, content)
            return f"{option}{sign}/dev/fd/{copy}"
    return argument


def _hold_log() -> MemoryHandler:
    """Keep what is logged before the framework is there, which makes messages of the protocol of it."""
    held = MemoryHandler(capacity=sys.maxsize, flushLevel=sys.maxsize)
    log = logging.getLogger("airbyte")
    log.setLevel(logging.INFO)
    log.propagate = False
    log.addHandler(held)
    return held


def _release(held: MemoryHandler) -> None:
    """Pass on what was kept, and from now on each line at once."""
    (console,) = logging.getLogger().handlers
    held.setTarget(console)
    held.capacity = 0
    held.flush()


def _read_input(what: str, path: str | None, read: Callable[[str], T]) -> T | None:
    """What a file that the arguments name holds. Raises `UnreadableInput`."""
    if path is None:
        return None
    try:
        return read(path)
    except UnreadableInput:
        raise
    except OSError as error:
        raise UnreadableInput(what, path, error.strerror or type(error).__name__) from error
    except UnicodeDecodeError as error:
        raise UnreadableInput(what, path, "it is not a text in UTF-8") from error
    except Exception as error:  # each of the framework's parsers has its own
        if isinstance(error.__context__, json.JSONDecodeError):
            raise UnreadableInput(what, path, f"it is not JSON ({error.__context__})") from error
        why = f"it is JSON, but no {what} as the Airbyte protocol defines it"
        raise UnreadableInput(what, path, why, str(error)) from error


def _log_what_would_be_printed() -> None:
    """The framework sends the error output where the messages go, and nothing but messages belongs there."""
    logging.captureWarnings(True)

    def log(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None:
            logging.getLogger("airbyte").error("A thread has ended with an error.", exc_info=args.exc_value)

    threading.excepthook = log


def begin_early(arguments: list[str]) -> "Reading | None":
    """Begin the read that the arguments ask for; None where there is none, or something about it is wrong.

    The framework then reads the same files, and says what is wrong with them.
    """
    from source_customerscanvas.settings import Settings
    from source_customerscanvas.sync.kinds import FOLLOWING
    from source_customerscanvas.sync.reading import Selected, begin_reading
    from source_customerscanvas.times import SYSTEM_CLOCK

    if not {argument for argument in arguments if argument.startswith("-")} <= _OPTIONS:
        return None  # the framework understands `--state=FILE` and `--sta FILE` too
    files = {name: value for name, value in pairwise(arguments) if name.startswith("--")}
    try:
        settings = Settings.from_config(_read_json(files["--config"]))
        if not _is_of(Settings, settings):
            return None  # the code "5" excludes no status 5: files would be delivered that are to be held
        states = _states(_read_json(files["--state"])) if "--state" in files else {}
        streams = _read_json(files["--catalog"])["streams"]
        selected = {
            stream["stream"]["name"]: Selected(
                states.get(stream["stream"]["name"], {}),
                bool(stream.get("include_files")),
                full_refresh=stream["sync_mode"] == "full_refresh",
            )
            for stream in streams
            if stream["stream"]["name"] in FOLLOWING
        }
        is_plain = len({stream["stream"]["name"] for stream in streams}) == len(streams)
        return begin_reading(settings, selected, SYSTEM_CLOCK, states.values()) if selected and is_plain else None
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, OSError, CustomersCanvasError):
        return None


def _is_of(kind: Any, value: object) -> bool:
    """Whether a value, and all that it holds, is of the type that the fields of a dataclass name."""
    arguments = get_args(kind)
    if is_dataclass(kind):
        fields = get_type_hints(kind).items()
        return isinstance(value, kind) and all(_is_of(one, getattr(value, name)) for name, one in fields)  # type: ignore[arg-type]
    if get_origin(kind) is Literal:
        return value in arguments
    if get_origin(kind) is tuple:
        return isinstance(value, tuple) and all(_is_of(arguments[0], one) for one in value)
    # of the others, only a union of types has arguments; True is an integer to Python, but to no configuration
    return any(_is_of(one, value) for one in arguments) if arguments else type(value) is kind


def _read_json(path: str) -> Any:
    return json.loads(Path(path).read_text(encoding="utf-8"))


def _states(messages: list[Any]) -> dict[str, Any]:
    """The state of each stream from those of a state file; `{}` for one that holds none."""
    streams = [message["stream"] for message in messages if message["type"] == "STREAM"]
    if len(streams) != len(messages):
        raise ValueError("not a list of stream states")
    return {stream["stream_descriptor"]["name"]: stream.get("stream_state") or {} for stream in streams}
