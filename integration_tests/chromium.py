"""The Chromium that is installed on the machine, driven by Playwright, which downloads none of its own."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NAMES = ("chromium", "chromium-browser", "google-chrome")

# it asks nobody for updates, and runs as root, as tests in a container often do
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class NoBrowser(Exception):
    """Why there is no browser here, in one sentence."""


@contextmanager
def running_browser() -> Iterator[Browser]:
    """A browser without a window. Raises NoBrowser."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        raise NoBrowser("There is no Chromium here (in Debian the package chromium).")
    if importlib.util.find_spec("playwright") is None:
        raise NoBrowser("The package playwright is not installed beside this Python.")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()
