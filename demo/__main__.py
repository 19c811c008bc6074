"""The demo, step by step; `make demo` runs it in an environment that has PyAirbyte."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import sys
import threading
import traceback
import urllib.request
from collections.abc import Collection, Sequence
from contextlib import closing
from pathlib import Path
from types import FrameType
from typing import Any

from demo.orders import (
    OF_ORDERS,
    OF_PROJECTS,
    STATES,
    Order,
    OrderKey,
    Row,
    Tables,
    read_orders,
    written_orders,
    written_projects,
)
from demo.report import size_text, write_report
from demo.screen import Screen
from demo.stores import Store, bucket_store, folder_store
from demo.warehouse import DemoError, Warehouse, append_logs, require_installed
from sandbox import Sandbox

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = ROOT / "demo-output"
DATABASE = OUTPUT / "orders.duckdb"
FILES = OUTPUT / "files"
REPORT = OUTPUT / "report.html"
LOG = OUTPUT / "demo.log"
SCRATCH = OUTPUT / ".pyairbyte"

STORES = ("folder", "s3")
PROJECTS = 40
STREAMS = ("storefronts", "project_statuses", "processing_pipelines", *OF_ORDERS, *OF_PROJECTS)
NOT_PRINTED = (2, 5)
"""The codes of the business statuses *On hold* and *Cancelled*."""

_STYLES = {"Ready": (), "InProgress": ("yellow",), "Failed": ("red",), "Held": ("dim",)}
_SHOWN_FILES = 8


def main(arguments: Sequence[str]) -> int:
    """Exit code 0, 1 after an error that is said in one sentence, 2 for an unknown store, 130 when interrupted."""
    where = arguments[0] if arguments else STORES[0]
    if len(arguments) > 1 or where not in STORES:
        print(f"The demo's files go to one of {', '.join(STORES)}, such as `make demo STORE=s3`.", file=sys.stderr)
        return 2
    interrupted = threading.Event()

    def interrupt(number: int, frame: FrameType | None) -> None:
        interrupted.set()
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    try:
        require_installed()
    except DemoError as error:
        print(error, file=sys.stderr)
        return 1
    try:
        _clear_output()
        with Screen(LOG) as screen:
            run(screen, where)
    except (Exception, KeyboardInterrupt) as error:
        # DuckDB makes an error of its own of an interrupt
        if interrupted.is_set():
            print("\nThe demo was interrupted; the sandbox is stopped.", file=sys.stderr)
            return 130
        with LOG.open("a", encoding="utf-8") as log:
            traceback.print_exc(file=log)
        reason = error if isinstance(error, DemoError) else f"The demo stopped: {type(error).__name__}: {error}"
        print(f"\n{reason}\nDetails: {_shown(LOG)}", file=sys.stderr)
        return 1
    return 0


def run(screen: Screen, where: str) -> None:
    """Raises DemoError."""
    with bucket_store() if where == "s3" else folder_store(FILES, f"{_shown(FILES)}/") as store:
        goal = "an S3 bucket" if where == "s3" else "a folder"
        screen.title(f"From Customer's Canvas to a database, and print files to {goal}, with PyAirbyte")
        # The clock stands still: no pipeline finishes by itself while a sync looks on.
        with Sandbox(projects=PROJECTS, clock="manual") as sandbox:
            _run(screen, sandbox, store)
        screen.title("Look at it")
        screen.line("report", f"{_shown(REPORT)}  (open it with a double click)")
        gone = "  (gone, as its server ends with the demo)" if where == "s3" else ""
        screen.line("files", f"{store.place}{gone}")
    screen.line("database", f"{_shown(DATABASE)}  ({len(STREAMS)} tables, named as the streams)")
    screen.line("log", f"{_shown(LOG)}  (what PyAirbyte and the connector said)")
    screen.line("next", "README.md shows the same commands one by one, docs/customerscanvas.md the settings")
    screen.say()


def _run(screen: Screen, sandbox: Sandbox, store: Store) -> None:
    screen.line("sandbox", f"a print shop with {PROJECTS} projects, on {sandbox.url}")
    screen.line("files to", store.place)
    config = sandbox.config(
        files=store.settings, order_manifest=True, statuses={"mode": "except", "codes": list(NOT_PRINTED)}
    )
    try:
        with screen.working("PyAirbyte", lambda: "loading") as conclude:
            warehouse = Warehouse(DATABASE, SCRATCH, config)
            conclude(f"writes to {_shown(DATABASE)}")
        with closing(warehouse):
            _sync_twice(screen, sandbox, store, warehouse)
    finally:
        append_logs(SCRATCH, LOG)
        shutil.rmtree(SCRATCH, ignore_errors=True)


def _sync_twice(screen: Screen, sandbox: Sandbox, store: Store, warehouse: Warehouse) -> None:
    with screen.working("check", lambda: "asking the connector") as conclude:
        warehouse.check()
        conclude("the connection works, and files can be written")
    with screen.working("discover", lambda: "asking the connector") as conclude:
        streams = warehouse.discover()
        if set(streams) != set(STREAMS):
            raise DemoError(f"The connector discovered {', '.join(streams)} instead of {', '.join(STREAMS)}.")
        conclude(f"{len(streams)} streams")

    screen.title("First sync: everything there is")
    before = _sync(screen, sandbox, store, warehouse)
    _show_orders(screen, read_orders(before), ())

    finished = _finish(sandbox)
    screen.title("Second sync: only what is new")
    screen.line("meanwhile", f"{len(finished)} projects whose pipelines were unfinished have finished in the shop")
    after = _sync(screen, sandbox, store, warehouse)
    _prove(before, after, sandbox, finished)
    screen.line("picked up", f"{len(finished)} projects and their orders, exactly those that finished")
    _verify_files(after, store)
    orders = read_orders(after)
    _show_orders(screen, orders, finished)
    _show_files(screen, orders, store)
    write_report(REPORT, orders, store, finished, sandbox.now())


def _sync(screen: Screen, sandbox: Sandbox, store: Store, warehouse: Warehouse) -> Tables:
    """Sync, and read what is in the database then."""
    sandbox.clear_requests()
    known = len(store.sizes())
    with screen.working("sync", lambda: f"{len(sandbox.requests)} requests") as conclude:
        rows = warehouse.sync()
        conclude(f"{rows} rows and {len(store.sizes()) - known} files with {len(sandbox.requests)} requests")
    return {stream: warehouse.rows(stream) for stream in STREAMS}


def _finish(sandbox: Sandbox) -> set[int]:
    """Let all pipelines that are under way finish; the projects that did."""
    unfinished = _unfinished(sandbox)
    request = urllib.request.Request(f"{sandbox.url}/sandbox/finish", data=b"", method="POST")
    with urllib.request.urlopen(request, timeout=30):
        return unfinished - _unfinished(sandbox)


def _unfinished(sandbox: Sandbox) -> set[int]:
    return {row["id"] for row in sandbox.shop.projects() if row["processingStatus"] not in ("Completed", "Failed")}


def _prove(before: Tables, after: Tables, sandbox: Sandbox, finished: Collection[int]) -> None:
    """Raises DemoError unless the second sync brought what belongs to the projects that finished, all and only that."""
    projects = {row["id"]: row for row in after["projects"]}
    with_files = {
        one
        for one in finished
        if projects[one]["status"] not in NOT_PRINTED and sandbox.shop.results(one)["outputFileDetails"]
    }
    for stream in OF_PROJECTS:
        expected = with_files if stream.startswith("artifact") else set(finished)
        _require_equal(stream, written_projects(before, after, stream), expected)
    orders = {_order_of(projects[one]) for one in finished if projects[one]["orderid"]}
    for stream in OF_ORDERS:
        _require_equal(stream, written_orders(before, after, stream), orders)
    ready = {(row["storefrontid"], row["orderid"]) for row in after["orders"] if row["state"] == "Ready"}
    complete = ready & {_order_of(projects[one]) for one in with_files}
    _require_equal("order.json", written_orders(before, after, "artifact_files"), complete)


def _order_of(project: Row) -> OrderKey:
    return project["storefrontid"], project["orderid"]


def _require_equal(what: str, found: Collection[Any], expected: Collection[Any]) -> None:
    if found != expected:
        raise DemoError(f"The second sync wrote {what} of {sorted(found)}, while what finished is {sorted(expected)}.")


def _verify_files(tables: Tables, store: Store) -> None:
    """Raises DemoError unless every file lies there, whole, and nothing else does."""
    rows = tables["artifact_files"]
    broken = [str(row["filepath"]) for row in rows if not _is_whole(row, store)]
    if broken:
        raise DemoError(f"Missing, or not what its row in artifact_files says: {', '.join(broken[:5])}.")
    number = len(store.sizes())
    if number != len(rows):
        raise DemoError(f"{number} files are in {store.place}, {len(rows)} in artifact_files.")


def _is_whole(row: Row, store: Store) -> bool:
    try:
        content = store.read(row["filepath"])
    except FileNotFoundError:
        return False
    return (len(content), hashlib.sha256(content).hexdigest()) == (row["size"], row["sha256"])


def _show_orders(screen: Screen, orders: Sequence[Order], finished: Collection[int]) -> None:
    """The orders as a table; with projects that finished between the syncs, also what is new in each order."""
    rows, styles = [], []
    for order in orders:
        new_files = sum(len(project.files) for project in order.projects if project.id in finished)
        ready = f"{order.count('Ready')}/{len(order.projects)}"
        cells = [order.id, order.storefront, order.customer, ready, str(len(order.files))]
        if finished:
            cells.append(f"+{new_files}" if new_files else "")
        rows.append([*cells, "order.json" if order.manifest else "", order.description])
        styles.append(("green",) if new_files else _STYLES[order.state])
    screen.say()
    names = ("Order", "Storefront", "Customer", "Ready", "Files", *(("New",) if finished else ()), "Manifest", "State")
    screen.table(names, rows, styles)
    screen.say()
    counts = {state: sum(order.state == state for order in orders) for state in STATES}
    screen.line(
        f"{len(orders)} orders", ", ".join(f"{number} {STATES[state]}" for state, number in counts.items() if number)
    )
    for order in orders if finished else ():
        for project in order.projects:
            if project.state == "Failed":
                screen.line("to do", f"order {order.id} of {order.storefront}, {project.name}: {project.reason}")


def _show_files(screen: Screen, orders: Sequence[Order], store: Store) -> None:
    """What lies in the store: how much, and the files of the latest order that is complete."""
    sizes = store.sizes()
    screen.title(f"What lies in {store.place}")
    manifests = [order.manifest for order in orders if order.manifest]
    screen.line("all", f"{len(sizes)} files, {size_text(sum(sizes.values()))}; {len(manifests)} of them order.json")
    if not manifests:
        return
    manifest = manifests[-1]
    folder = manifest.path.rpartition("/")[0]
    shown = sorted(path for path in sizes if path.startswith(f"{folder}/"))
    screen.say()
    for path in shown[:_SHOWN_FILES]:
        screen.say(f"  {size_text(sizes[path]):>8}  {path}")
    if len(shown) > _SHOWN_FILES:
        screen.say(f"            and {len(shown) - _SHOWN_FILES} more")
    screen.say()
    content = json.loads(store.read(manifest.path))
    files = sum(len(project["files"]) for project in content["projects"])
    screen.line("order.json", f"came last, and names {files} files with their checksums")


def _clear_output() -> None:
    """Remove what an earlier demo made, and nothing else that may lie there."""
    for folder in (FILES, SCRATCH):
        shutil.rmtree(folder, ignore_errors=True)
    for path in (DATABASE, DATABASE.with_name(DATABASE.name + ".wal"), REPORT, LOG):
        path.unlink(missing_ok=True)
    OUTPUT.mkdir(exist_ok=True)
    (OUTPUT / ".gitignore").write_text("*\n", encoding="utf-8")


def _shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
