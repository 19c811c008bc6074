"""Hands complete orders to a hot folder, from which a RIP or a workflow system takes them.

    python hot_folder.py print-files hot-folder

`print-files` is the folder that the connector delivers into: `"files": {"delivery": "folder", "path": "print-files"}`
with `"order_manifest": true`. The connector may run at any time, also while this does.

- An order is handed over when its `order.json` is there, as that comes after the last of its files. Its PDFs are copied
  to `hot-folder`, each as `<pieces>x_<artifact>_<path>`, such as `100x_66f1c0a2_11_5014_40_print.pdf`: no two files
  have one name. The pieces are those of the item that the file was made for, or of all items of a project whose files
  do not say.
- A file appears in the hot folder whole: it is copied under a name that begins with a dot, and renamed.
- A file is handed over once; again only if an `order.json` names it with other bytes. What was handed over is noted in
  `print-files/.handed-over.json`. Killed at any moment and started again, it goes on, and may repeat one file.
- A file that is not what `order.json` says is being replaced: its order waits for the next look.

It looks every ten seconds (`--seconds`), or once (`--once`, for a cron job). Nothing but Python is needed.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NOTES = ".handed-over.json"
VERSION = 1
"""Of the form of `order.json`."""

LONGEST_PATH = 150


def main() -> int:
    parser = argparse.ArgumentParser(description="Hands complete orders to a hot folder.")
    parser.add_argument("delivered", type=Path, help="the folder that the connector delivers into")
    parser.add_argument("hot", type=Path, help="the hot folder")
    parser.add_argument("--seconds", type=float, default=10, help="how long to wait between two looks")
    parser.add_argument("--once", action="store_true", help="look once")
    arguments = parser.parse_args()
    delivered, hot = arguments.delivered.resolve(), arguments.hot.resolve()
    hot.mkdir(parents=True, exist_ok=True)
    if hot.is_relative_to(delivered):
        parser.error("The hot folder cannot be in the folder that the connector delivers into.")
    while True:
        for name in hand_over(delivered, hot):
            print(name, flush=True)
        if arguments.once:
            return 0
        time.sleep(arguments.seconds)


def hand_over(delivered: Path, hot: Path) -> Iterator[str]:
    """Hand over what is new; gives the name of each file in the hot folder."""
    notes = delivered / NOTES
    handed: dict[str, str] = json.loads(notes.read_text(encoding="utf-8")) if notes.exists() else {}
    for manifest in sorted(delivered.rglob("order.json")):
        files = pdfs(manifest.read_bytes())
        new = [(quantity, file) for quantity, file in files if is_new(file, handed.get(file["path"]))]
        if not all(is_there(delivered, file) for _, file in new):
            print(f"{manifest}: not all of its files are there; left for the next look.", file=sys.stderr)
            continue
        for quantity, file in new:
            name = hot_name(quantity, file)
            draft = hot / f".{hashlib.sha256(name.encode()).hexdigest()}"
            shutil.copyfile(delivered / file["path"], draft)
            draft.replace(hot / name)
            handed[file["path"]] = file["sha256"] or ""
            save(notes, handed)
            yield name


def pdfs(manifest: bytes) -> list[tuple[int, dict[str, Any]]]:
    """The PDFs of an order, each with the pieces that were ordered; none of a print file with that name."""
    try:
        order = json.loads(manifest)
    except ValueError:
        return []
    if not isinstance(order, dict) or order.get("version") != VERSION:
        return []
    return [
        (pieces(project, file), file)
        for project in order["projects"]
        for file in project["files"]
        if (file["format"] or "").lower() == "pdf"
    ]


def pieces(project: dict[str, Any], file: dict[str, Any]) -> int:
    """How often to print a file: as often as its item was ordered, or all items where it has none."""
    of_file = [item for item in project["items"] if file["projectItemId"] in (item["id"], None)]
    return sum(item["quantity"] or 0 for item in of_file or project["items"]) or 1


def is_new(file: dict[str, Any], handed_over: str | None) -> bool:
    """Whether a file was never handed over as it is; what has no checksum any more is as old as what was."""
    return handed_over is None or file["sha256"] not in (handed_over, None)


def hot_name(quantity: int, file: dict[str, Any]) -> str:
    """A name without folders; the artifact makes it the file's own, also where two paths look alike in it."""
    path = re.sub(r"[^A-Za-z0-9.-]+", "_", file["path"])
    return f"{quantity}x_{re.sub('[^A-Za-z0-9]', '-', file['artifactId'])}_{path[-LONGEST_PATH:]}"


def is_there(delivered: Path, file: dict[str, Any]) -> bool:
    """Whether the file is the one that `order.json` names."""
    path = delivered / file["path"]
    if not path.is_file() or path.stat().st_size != file["size"]:
        return False
    digest = hashlib.sha256()
    with path.open("rb") as content:
        while block := content.read(1 << 20):
            digest.update(block)
    return file["sha256"] in (digest.hexdigest(), None)


def save(path: Path, content: Any) -> None:
    """Write the whole file or nothing."""
    draft = path.with_name(f"{path.name}.draft")
    with draft.open("w", encoding="utf-8") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


if __name__ == "__main__":
    sys.exit(main())
