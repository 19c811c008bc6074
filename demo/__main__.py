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

from demo.orders import PROJECT_KEYS, Order, PrintFile, Tables, changed, delivered, read_orders
from demo.report import write_report
from demo.screen import Screen
from demo.warehouse import DemoError, Warehouse, append_logs, require_installed
from sandbox import Sandbox

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = ROOT / "demo-output"
DATABASE = OUTPUT / "orders.duckdb"
FILES = OUTPUT / "files"
REPORT = OUTPUT / "report.html"
LOG = OUTPUT / "demo.log"
SCRATCH = OUTPUT / ".pyairbyte"

PROJECTS = 40
STREAMS = ("storefronts", "project_statuses", "processing_pipelines", *PROJECT_KEYS)
_STYLES = {"ready": (), "unfinished": ("yellow",), "failed": ("red",)}


def main() -> int:
    """Exit code 0, 1 after an error that is said in one sentence, 130 when interrupted."""
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
            run(screen)
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


def run(screen: Screen) -> None:
    """Raises DemoError."""
    screen.title("From Customer's Canvas to a database and a folder of print files, with PyAirbyte")
    # The clock stands still: no pipeline finishes by itself while a sync looks on.
    with Sandbox(projects=PROJECTS, clock="manual") as sandbox:
        screen.line("sandbox", f"a print shop with {PROJECTS} projects, on {sandbox.url}")
        config = sandbox.config(files={"delivery": "folder", "path": str(FILES)})
        try:
            with screen.working("PyAirbyte", lambda: "loading") as conclude:
                warehouse = Warehouse(DATABASE, SCRATCH, config)
                conclude(f"writes to {_shown(DATABASE)}")
            with closing(warehouse):
                _sync_twice(screen, sandbox, warehouse)
        finally:
            append_logs(SCRATCH, LOG)
            shutil.rmtree(SCRATCH, ignore_errors=True)
    screen.title("Look at it")
    screen.line("report", f"{_shown(REPORT)}  (open it with a double click)")
    screen.line("files", f"{_shown(FILES)}/")
    screen.line("database", f"{_shown(DATABASE)}  ({len(STREAMS)} tables, named as the streams)")
    screen.line("log", f"{_shown(LOG)}  (what PyAirbyte and the connector said)")
    screen.line("next", "README.md shows the same commands one by one, docs/customerscanvas.md the settings")
    screen.say()


def _sync_twice(screen: Screen, sandbox: Sandbox, warehouse: Warehouse) -> None:
    with screen.working("check", lambda: "asking the connector") as conclude:
        warehouse.check()
        conclude("the connection works")
    with screen.working("discover", lambda: "asking the connector") as conclude:
        streams = warehouse.discover()
        if set(streams) != set(STREAMS):
            raise DemoError(f"The connector discovered {', '.join(streams)} instead of {', '.join(STREAMS)}.")
        conclude(f"{len(streams)} streams")

    screen.title("First sync: everything there is")
    before = _sync(screen, sandbox, warehouse)
    first = read_orders(before, Path(FILES.name))
    _show(screen, first, ())

    unfinished = {
        row["id"] for row in sandbox.shop.projects() if row["processingStatus"] not in ("Completed", "Failed")
    }
    finished = _finish(sandbox.url)
    screen.title("Second sync: only what is new")
    screen.line("meanwhile", f"{finished} pipelines that were unfinished have finished in the print shop")
    after = _sync(screen, sandbox, warehouse)
    _prove(before, after, unfinished)
    screen.line("picked up", f"{finished} projects, exactly those whose pipelines finished")
    second = read_orders(after, Path(FILES.name))
    _verify_files(second)
    _show(screen, second, unfinished)
    write_report(REPORT, second, unfinished, sandbox.now())


def _sync(screen: Screen, sandbox: Sandbox, warehouse: Warehouse) -> Tables:
    """Sync, and read what is in the database then."""
    sandbox.clear_requests()
    known = _count_files()
    with screen.working(
        "sync", lambda: f"{len(sandbox.requests)} requests, {_count_files() - known} files"
    ) as conclude:
        rows = warehouse.sync()
        requests, files = len(sandbox.requests), _count_files() - known
        conclude(f"{rows} rows and {files} files with {requests} requests")
    return {stream: warehouse.rows(stream) for stream in STREAMS}


def _finish(url: str) -> int:
    request = urllib.request.Request(f"{url}/sandbox/finish", data=b"", method="POST")
    with urllib.request.urlopen(request, timeout=30) as response:
        return int(json.load(response)["finished"])


def _prove(before: Tables, after: Tables, finished: Collection[int]) -> None:
    """Raises DemoError unless the second sync brought the projects that finished, all of them and nothing else."""
    for stream in PROJECT_KEYS:
        for verb, found in (("wrote", delivered(before, after, stream)), ("changed", changed(before, after, stream))):
            if found != set(finished):
                raise DemoError(
                    f"In {stream} the second sync {verb} rows of the projects {sorted(found)}, "
                    f"while those that finished are {sorted(finished)}."
                )


def _verify_files(orders: Sequence[Order]) -> None:
    """Raises DemoError unless every file is on disk, whole, and nothing else is."""
    files = [file for order in orders for file in order.files]
    broken = [str(file.path) for file in files if not _is_whole(file)]
    if broken:
        raise DemoError(f"Missing, or not what its row in artifact_files says: {', '.join(broken[:5])}.")
    if _count_files() != len(files):
        raise DemoError(f"{_count_files()} files are in {_shown(FILES)}, {len(files)} in artifact_files.")


def _is_whole(file: PrintFile) -> bool:
    path = OUTPUT / file.path
    if not path.is_file():
        return False
    content = path.read_bytes()
    return len(content) == file.size and hashlib.sha256(content).hexdigest() == file.sha256


def _show(screen: Screen, orders: Sequence[Order], finished: Collection[int]) -> None:
    """The orders as a table; with projects that finished between the syncs, also what is new in each order."""
    rows, styles = [], []
    for order in orders:
        new_files = sum(len(project.files) for project in order.projects if project.id in finished)
        ready = f"{order.count('ready')}/{len(order.projects)}"
        cells = [order.id, order.storefront, order.customer, ready, str(len(order.files))]
        if finished:
            cells.append(f"+{new_files}" if new_files else "")
        rows.append([*cells, order.description])
        styles.append(("green",) if new_files else _STYLES[order.state])
    screen.say()
    names = ("Order", "Storefront", "Customer", "Ready", "Files", *(("New",) if finished else ()), "State")
    screen.table(names, rows, styles)
    screen.say()
    count = {state: sum(order.state == state for order in orders) for state in _STYLES}
    screen.line(
        f"{len(orders)} orders",
        f"{count['ready']} ready for print, {count['unfinished']} in the making, {count['failed']} with a failure",
    )
    for order in orders if finished else ():
        for project in order.projects:
            if project.state == "failed":
                screen.line("to do", f"order {order.id} of {order.storefront}, {project.name}: {project.reason}")


def _count_files() -> int:
    return sum(path.is_file() for path in FILES.rglob("*")) if FILES.exists() else 0


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
    sys.exit(main())
