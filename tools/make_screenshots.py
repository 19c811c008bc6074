"""The pictures of the README anew, from a run of the demo: `make screenshots`.

Needs Chromium (in Debian the package chromium), and the font Inter (fonts-inter) to look as they do.
"""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
from html import escape
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from integration_tests.chromium import running_browser

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
REPORT = ROOT / "demo-output" / "report.html"
COLORS = 256

WIDTH, HEIGHT = 1200, 880
_STYLES = {"1": "bold", "2": "dim", "31": "red", "32": "green", "33": "yellow"}
_TERMINAL = """<!doctype html><meta charset="utf-8"><style>
body { margin: 0; background: #16181d; }
pre { margin: 0; padding: 22px 28px; width: max-content; color: #d8dbe2;
      font: 13px/1.45 "JetBrains Mono", "Cascadia Mono", "DejaVu Sans Mono", monospace; }
.bold { font-weight: 700; color: #fff; } .dim { color: #868d99; }
.red { color: #f28b82; } .green { color: #7ed6a5; } .yellow { color: #e8c26a; }
</style><pre>"""

_CUSTOMER = """
[...document.querySelectorAll(".order")].sort((one, other) =>
    other.querySelectorAll("img").length - one.querySelectorAll("img").length)[0].querySelector("h2 span").textContent
"""
"""The customer of the order with the most pictures, in the page."""


def main(python: str) -> int:
    """`python` is that of the environment which has PyAirbyte."""
    said = run_demo(python)
    IMAGES.mkdir(exist_ok=True)
    with running_browser() as browser:
        schemes: dict[str, Literal["light", "dark"]] = {"report.png": "light", "report-dark.png": "dark"}
        for name, scheme in schemes.items():
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme=scheme)
            page.goto(REPORT.as_uri())
            page.get_by_role("searchbox").fill(page.evaluate(_CUSTOMER))
            save(name, page.screenshot())
        save("demo.png", picture_of_terminal(browser, second_part(said)))
    return 0


def run_demo(python: str) -> str:
    """What the demo shows in a terminal, as it stands there in the end."""
    ours, its = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    process = subprocess.Popen([python, "-m", "demo"], cwd=ROOT, stdin=its, stdout=its, stderr=its, env=environment)
    os.close(its)
    said = bytearray()
    while True:
        try:
            piece = os.read(ours, 1 << 16)
        except OSError:  # so Linux says that nobody writes any more
            break
        if not piece:
            break
        said += piece
    os.close(ours)
    if process.wait() != 0:
        raise SystemExit(said.decode())
    lines = said.decode().replace("\r\n", "\n").split("\n")
    return "\n".join(line.rpartition("\r\033[K")[2] for line in lines)


def second_part(said: str) -> str:
    """The second sync and what follows, without what is only of use to who started it."""
    start = said.index("Second sync")
    return said[said.rindex("\n", 0, start) + 1 : said.index("\n", said.index("came last"))]


def picture_of_terminal(browser: Any, said: str) -> bytes:
    page = browser.new_page()
    page.set_content(_TERMINAL + colored(said) + "</pre>")
    picture: bytes = page.locator("pre").screenshot()
    return picture


def colored(text: str) -> str:
    """The HTML of a terminal's text."""
    parts = re.split(r"\033\[([\d;]*)m", text)
    html = [escape(parts[0])]
    for codes, part in zip(parts[1::2], parts[2::2], strict=True):
        styles = " ".join(_STYLES[code] for code in codes.split(";") if code in _STYLES)
        html.append(f'<span class="{styles}">{escape(part)}</span>' if styles else escape(part))
    return "".join(html)


def save(name: str, picture: bytes) -> None:
    """With few colors, which is a third of the size."""
    few = Image.open(io.BytesIO(picture)).convert("RGB").quantize(COLORS, dither=Image.Dither.NONE)
    few.save(IMAGES / name, optimize=True)
    print(f"docs/images/{name}: {(IMAGES / name).stat().st_size // 1024} KB")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
