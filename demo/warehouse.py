"""PyAirbyte: the connector's console script on one side, a DuckDB file on the other."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from demo.orders import Row

NAME = "source-customerscanvas"
SCHEMA = "main"
_LOGS = "logs"
_LONGEST_REASON = 400


class DemoError(Exception):
    """Why the demo cannot go on, as one sentence for the person who started it."""


def require_installed() -> None:
    """Raises DemoError when the connector or PyAirbyte is not installed beside the Python that runs this."""
    if not _executable().exists():
        raise DemoError(f"The connector's command {NAME} is not installed beside this Python: run `make demo`.")
    if importlib.util.find_spec("airbyte") is None:
        raise DemoError("PyAirbyte is not installed beside this Python: run `make demo`.")


class Warehouse:
    """Syncs the connector's streams into a DuckDB file; a folder for PyAirbyte's own files lies beside it."""

    def __init__(self, database: Path, scratch: Path, config: Mapping[str, Any]) -> None:
        self._scratch = scratch
        os.environ.update(
            # read when PyAirbyte is imported, which is why that happens below
            AIRBYTE_OFFLINE_MODE="1",
            DO_NOT_TRACK="1",
            NO_LIVE_PROGRESS="1",
            AIRBYTE_LOGGING_ROOT=str(scratch / _LOGS),
            AIRBYTE_CACHE_ROOT=str(scratch / "cache"),
        )
        import airbyte

        self._source = airbyte.get_source(NAME, local_executable=_executable(), config=dict(config))
        self._cache = airbyte.caches.DuckDBCache(
            db_path=database, schema_name=SCHEMA, cache_dir=scratch / "cache", cleanup=True
        )

    def close(self) -> None:
        self._cache.close()

    def check(self) -> None:
        """Raises DemoError with the connector's own sentence when the connection does not work."""
        try:
            self._source.check()
        except Exception as error:
            raise DemoError(f"`check` failed: {self._reason(error)}") from error

    def discover(self) -> list[str]:
        """The names of the streams."""
        try:
            return list(self._source.get_available_streams())
        except Exception as error:
            raise DemoError(f"`discover` failed: {self._reason(error)}") from error

    def sync(self) -> int:
        """Sync all streams, on from where the last sync ended; how many rows came."""
        try:
            self._source.select_all_streams()
            return int(self._source.read(cache=self._cache).processed_records)
        except Exception as error:
            raise DemoError(f"The sync failed: {self._reason(error)}") from error

    def rows(self, stream: str) -> list[Row]:
        return list(self._cache.run_sql_query(f'SELECT * FROM {SCHEMA}."{stream}"'))

    def _reason(self, error: Exception) -> str:
        """The connector's message, which PyAirbyte writes to its log and leaves out of some of its exceptions."""
        context = getattr(error, "context", None) or {}
        reason = context.get("failure_reason") or _traced_error(self._scratch)
        if not reason:
            get_message = getattr(error, "get_message", None)
            reason = get_message() if get_message else f"{type(error).__name__}: {error}"
        line = " ".join(str(reason).split())
        return line if len(line) <= _LONGEST_REASON else line[: _LONGEST_REASON - 1] + "…"


def append_logs(scratch: Path, log: Path) -> None:
    """Append to `log` what PyAirbyte and the connector logged."""
    with log.open("a", encoding="utf-8") as target:
        for path in _log_files(scratch):
            target.write(f"\n--- {path.name}\n{path.read_text(encoding='utf-8', errors='replace')}")


def _traced_error(scratch: Path) -> str | None:
    """The message of the first error that the connector reported, out of the line that PyAirbyte logged."""
    for path in _log_files(scratch):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            start = line.find('{"type":"TRACE"')
            if start < 0:
                continue
            try:
                return str(json.loads(line[start:])["trace"]["error"]["message"])
            except (ValueError, KeyError, TypeError):
                continue
    return None


def _log_files(scratch: Path) -> list[Path]:
    return sorted(scratch.glob(f"{_LOGS}/**/*.log"), key=lambda path: path.stat().st_mtime)


def _executable() -> Path:
    return Path(sys.executable).with_name(NAME)
