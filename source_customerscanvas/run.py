"""The command line: `source-customerscanvas spec | check | discover | read`.

Importing the framework takes more than a second, in which a sync of some hundred projects could be half done. `read`
therefore begins before the import, with the few modules that it needs: that takes a quarter off such a sync. Whatever
is wrong with the arguments is left to the framework to find and to report.
"""

import json
import logging
import sys
from pathlib import Path
from typing import Any

from source_customerscanvas.errors import CustomersCanvasError
from source_customerscanvas.reading import TRACKED, Reading, Selected, begin_reading
from source_customerscanvas.settings import Settings
from source_customerscanvas.times import SYSTEM_CLOCK


def run() -> None:
    """Run the command that the arguments name, as the Airbyte protocol defines it."""
    arguments = sys.argv[1:]
    early_log = _EarlyLog()
    begun = begin_early(arguments)

    from airbyte_cdk.entrypoint import AirbyteEntrypoint, launch
    from airbyte_cdk.exception_handler import init_uncaught_exception_handler
    from airbyte_cdk.logger import init_logger

    from source_customerscanvas.source import SourceCustomersCanvas

    init_uncaught_exception_handler(init_logger("airbyte"))
    early_log.hand_over()
    config_path = AirbyteEntrypoint.extract_config(arguments)
    catalog_path = AirbyteEntrypoint.extract_catalog(arguments)
    state_path = AirbyteEntrypoint.extract_state(arguments)
    source = SourceCustomersCanvas(
        catalog=SourceCustomersCanvas.read_catalog(catalog_path) if catalog_path else None,
        config=SourceCustomersCanvas.read_config(config_path) if config_path else None,
        state=SourceCustomersCanvas.read_state(state_path) if state_path else None,
        begun=begun,
    )
    launch(source, arguments)


def begin_early(arguments: list[str]) -> Reading | None:
    """Begin the read that the arguments ask for; None where there is none, or anything about it is unusual.

    Only what changes nothing in the shop begins before the configuration has been held against the spec.
    """
    if arguments[:1] != ["read"] or len(arguments) % 2 == 0:
        return None
    files = dict(zip(arguments[1::2], arguments[2::2], strict=True))
    if not files.keys() <= {"--config", "--catalog", "--state"}:
        return None
    try:
        settings = Settings.from_config(_read_json(files["--config"]))
        if settings.acknowledge.mode != "none" or settings.processing.on_failure != "report":
            return None
        states = _states(_read_json(files["--state"])) if "--state" in files else {}
        selected = {
            stream["stream"]["name"]: Selected(
                states.get(stream["stream"]["name"], {}) if stream["sync_mode"] == "incremental" else {},
                bool(stream.get("include_files")),
            )
            for stream in _read_json(files["--catalog"])["streams"]
            if stream["stream"]["name"] in TRACKED
        }
        return begin_reading(settings, selected, SYSTEM_CLOCK) if selected else None
    except (KeyError, TypeError, ValueError, AttributeError, OSError, CustomersCanvasError):
        return None


def _read_json(path: str) -> Any:
    return json.loads(Path(path).read_text())


def _states(messages: list[Any]) -> dict[str, Any]:
    """The state of each stream from those of a state file; `{}` for one that holds none."""
    streams = [message["stream"] for message in messages if message["type"] == "STREAM"]
    if len(streams) != len(messages):
        raise ValueError("not a list of stream states")
    return {stream["stream_descriptor"]["name"]: stream.get("stream_state") or {} for stream in streams}


class _EarlyLog(logging.Handler):
    """Keeps what is logged before the framework has set its logging up, and logs it again then."""

    def __init__(self) -> None:
        super().__init__()
        self._records: list[logging.LogRecord] = []
        self._logger = logging.getLogger("airbyte.source-customerscanvas")
        self._logger.addHandler(self)
        self._logger.setLevel(logging.INFO)
        self._logger.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        self._records.append(record)

    def hand_over(self) -> None:
        self._logger.removeHandler(self)
        self._logger.propagate = True
        self._logger.setLevel(logging.NOTSET)
        for record in self._records:
            self._logger.handle(record)
