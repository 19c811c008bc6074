"""The terminal of the person who watches; what libraries print goes to the log instead."""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

_REFRESH_SECONDS = 0.2
_LABEL_WIDTH = 12
_NUMBER = re.compile(r"[+]?\d*(/\d+)?")
_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}


class Screen:
    """While it is open, standard output and standard error of the process and its children go to `log`."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._copies = [os.dup(1), os.dup(2)]
        encoding = sys.stdout.encoding or "utf-8"
        self._out = open(os.dup(1), "w", encoding=encoding, errors="replace")  # noqa: SIM115  # closed in __exit__
        self._is_terminal = self._out.isatty()
        self._has_color = self._is_terminal and not os.environ.get("NO_COLOR")

    def __enter__(self) -> Screen:
        log = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        sys.stdout.flush()
        for descriptor in (1, 2):
            os.dup2(log, descriptor)
        os.close(log)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        for descriptor, copy in zip((1, 2), self._copies, strict=True):
            os.dup2(copy, descriptor)
            os.close(copy)
        self._out.close()

    def say(self, text: str = "") -> None:
        print(text, file=self._out, flush=True)

    def title(self, text: str) -> None:
        self.say(f"\n{self.styled(text, 'bold')}\n")

    def line(self, label: str, text: str) -> None:
        self.say(f"  {label:<{_LABEL_WIDTH}}{text}")

    def styled(self, text: str, *styles: str) -> str:
        if not self._has_color or not styles:
            return text
        return f"\033[{';'.join(_STYLES[style] for style in styles)}m{text}\033[0m"

    @contextmanager
    def working(self, label: str, progress: Callable[[], str]) -> Iterator[Callable[[str], None]]:
        """Show `progress` until the work is done; what is given to the yielded function stands there afterwards."""
        began = time.monotonic()
        ended = threading.Event()
        result = ""

        def conclude(text: str) -> None:
            nonlocal result
            result = text

        def refresh() -> None:
            while not ended.wait(_REFRESH_SECONDS):
                seconds = time.monotonic() - began
                text = self.styled(f"{progress()}, {seconds:.0f} s", "dim")
                print(f"\r\033[K  {label:<{_LABEL_WIDTH}}{text}", end="", file=self._out, flush=True)

        ticker = threading.Thread(target=refresh, daemon=True)
        if self._is_terminal:
            ticker.start()
        try:
            yield conclude
        finally:
            ended.set()
            if self._is_terminal:
                ticker.join()
                print("\r\033[K", end="", file=self._out, flush=True)
        seconds = time.monotonic() - began
        self.line(label, f"{result}  {self.styled(f'({seconds:.1f} s)', 'dim')}")

    def table(self, names: Sequence[str], rows: Sequence[Sequence[str]], styles: Sequence[Sequence[str]]) -> None:
        """Aligned columns; those of numbers, such as `3`, `+3` and `1/3`, to the right, but for the first one, which
        names the row. `styles` has one entry a row."""
        columns = list(zip(*rows, strict=True))
        widths = [max(map(len, (name, *cells))) for name, cells in zip(names, columns, strict=True)]
        to_right = [False, *(all(map(_NUMBER.fullmatch, cells)) for cells in columns[1:])]

        def laid_out(cells: Sequence[str]) -> str:
            return "  ".join(
                cell.rjust(width) if right else cell.ljust(width)
                for cell, width, right in zip(cells, widths, to_right, strict=True)
            ).rstrip()

        self.say(f"  {self.styled(laid_out(names), 'dim')}")
        for row, style in zip(rows, styles, strict=True):
            self.say(f"  {self.styled(laid_out(row), *style)}")
