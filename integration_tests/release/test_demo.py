"""The demo's own part: what it makes of the synced tables. PyAirbyte itself is in the demo's environment only."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import boto3
import pytest
from PIL import Image

from demo.__main__ import NOT_PRINTED
from demo.orders import (
    OF_ORDERS,
    OF_PROJECTS,
    STATES,
    Order,
    PrintFile,
    Row,
    Tables,
    is_manifest,
    read_orders,
    written_orders,
    written_projects,
)
from demo.report import write_report
from demo.stores import BUCKET, FolderStore, bucket_store
from demo.thumbnails import thumbnail
from integration_tests.command_line import ROOT, STREAMS, CommandLine, Run, bare_catalog, configured
from sandbox import Sandbox

KEYS = {"orders": ("storefrontId", "orderId"), "shop_orders": ("storefrontId", "orderId")}
SINGLE_KEYS = {"processing_results": "projectId", "artifact_files": "artifactId"}


@dataclass
class Synced:
    """A shop, synced twice into a folder; in between, what was under way has finished."""

    sandbox: Sandbox
    folder: Path
    first: Tables
    second: Tables
    finished: set[int]

    @property
    def store(self) -> FolderStore:
        return FolderStore(self.folder / "files", "files/")

    @property
    def orders(self) -> list[Order]:
        return read_orders(self.second)

    def write_page(self, tables: Tables | None = None, name: str = "report.html") -> Path:
        page = self.folder / name
        orders = self.orders if tables is None else read_orders(tables)
        write_report(page, orders, self.store, self.finished, self.sandbox.now())
        return page


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Synced]:
    folder = tmp_path_factory.mktemp("demo")
    command_line = CommandLine(folder)
    with Sandbox(projects=40) as sandbox:
        config = sandbox.config(
            files={"delivery": "folder", "path": str(folder / "files")},
            order_manifest=True,
            statuses={"mode": "except", "codes": list(NOT_PRINTED)},
        )
        catalog = configured(bare_catalog())
        first = command_line.read(config, catalog)
        rows = merged({}, first)
        unfinished = {
            row["id"] for row in sandbox.shop.projects() if row["processingStatus"] not in ("Completed", "Failed")
        }
        sandbox.shop.finish_all()
        second = command_line.read(config, catalog, first.state)
        yield Synced(sandbox, folder, tables_of(rows), tables_of(merged(rows, second)), unfinished)


def merged(rows: Mapping[str, Mapping[Any, Row]], run: Run) -> dict[str, dict[Any, Row]]:
    """The rows of each stream by key with those of a sync, each with an id of its own as PyAirbyte gives it."""
    assert run.exit_code == 0, run.traces
    new: dict[str, dict[Any, Row]] = {}
    for stream in STREAMS:
        key = KEYS.get(stream, (SINGLE_KEYS.get(stream, "id"),))
        new[stream] = dict(rows.get(stream, {}))
        for record in run.records(stream):
            new[stream][tuple(record[name] for name in key)] = {**record, "_airbyte_raw_id": object()}
    return new


def tables_of(rows: Mapping[str, Mapping[Any, Row]]) -> Tables:
    """As PyAirbyte gives them: names in lower case, a column for each field, lists as text, times as such."""
    columns = {stream: list(schema["properties"]) for stream, schema in schemas().items()}
    return {
        stream: [
            {name.lower(): in_column(row.get(name)) for name in (*columns[stream], "_airbyte_raw_id")}
            for row in of_stream.values()
        ]
        for stream, of_stream in rows.items()
    }


def schemas() -> Mapping[str, Any]:
    import yaml

    manifest = yaml.safe_load((ROOT / "source_customerscanvas" / "manifest.yaml").read_text(encoding="utf-8"))
    return {
        name: schema | {"properties": expanded(schema["properties"])} for name, schema in manifest["schemas"].items()
    }


def expanded(properties: dict[str, Any]) -> dict[str, Any]:
    order_keys = ("storefrontId", "orderId", "orderNumber", "projectId")
    return {**(dict.fromkeys(order_keys) if "$ref" in properties else {}), **properties}


def in_column(value: Any) -> Any:
    if isinstance(value, list | dict):
        return json.dumps(value)
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT.*Z", value):
        return datetime.fromisoformat(value[:-1])
    return value


class Links(HTMLParser):
    def __init__(self, page: Path) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.targets += [value for name, value in attrs if name in ("href", "src") and value]

    @property
    def files(self) -> set[str]:
        return {unquote(target) for target in self.targets if not target.startswith(("data:", "#"))}


# The orders


def test_given_two_syncs_when_the_tables_are_read_then_each_order_is_what_its_row_says(synced: Synced) -> None:
    states = {(row["storefrontid"], row["orderid"]): row["state"] for row in synced.second["orders"]}
    assert {order.key: order.state for order in synced.orders} == states
    assert {"Ready", "Failed"} <= set(states.values())

    for order in synced.orders:
        for project in order.projects:
            shown = synced.sandbox.shop.project(project.id)
            assert (shown["storefrontId"], shown["orderId"]) == order.key
            assert project.name == shown["name"]
        ready = all(project.state in ("Ready", "Held") for project in order.projects) and order.count("Ready") > 0
        assert (order.state == "Ready") == ready
        assert (order.manifest is not None) == (ready and bool(order.files))


def test_given_two_storefronts_with_the_same_order_id_when_read_then_they_are_two_orders(synced: Synced) -> None:
    same = [order for order in synced.orders if order.id == "5001"]
    assert [order.storefront for order in same] == ["Print shop EU", "Corporate portal"]


def test_given_pipelines_that_finish_between_two_syncs_when_compared_then_exactly_their_rows_were_written(
    synced: Synced,
) -> None:
    before, after = synced.first, synced.second
    projects = {row["id"]: row for row in after["projects"]}
    assert synced.finished
    for stream in ("projects", "processing_results"):
        assert written_projects(before, after, stream) == synced.finished
    orders = {
        (projects[one]["storefrontid"], projects[one]["orderid"]) for one in synced.finished if projects[one]["orderid"]
    }
    for stream in OF_ORDERS:
        assert written_orders(before, after, stream) == orders
    # manifests belong to no project, and files to no manifest
    assert None not in written_projects(before, after, "artifact_files")
    assert written_orders(before, after, "artifact_files") < orders
    assert all(written_projects(after, after, stream) == set() for stream in OF_PROJECTS)


# The page


def test_given_synced_tables_when_the_page_is_written_then_it_links_every_file_and_nothing_outside(
    synced: Synced,
) -> None:
    page = synced.write_page()

    with_order = {file.path for order in synced.orders for file in order.files}
    manifests = {row["filepath"] for row in synced.second["artifact_files"] if is_manifest(row)}
    assert Links(page).files == {f"files/{path}" for path in with_order | manifests}
    assert all((synced.folder / target).is_file() for target in Links(page).files)
    assert "://" not in page.read_text(encoding="utf-8")


def test_given_names_with_markup_when_the_page_is_written_then_they_are_escaped(synced: Synced) -> None:
    hostile = "\"'><script>alert(1)</script>"
    page = synced.write_page(with_names(synced.second, hostile), "hostile.html")

    text = page.read_text(encoding="utf-8")
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text


def with_names(tables: Tables, name: str) -> Tables:
    """The tables where all that people may write is this."""
    orders = []
    for row in tables["orders"]:
        projects = [{**project, "name": name} for project in json.loads(row["projects"])]
        orders.append({**row, "customername": name, "projects": json.dumps(projects)})
    results = [{**row, "statusdescription": name} for row in tables["processing_results"]]
    storefronts = [{**row, "name": name} for row in tables["storefronts"]]
    return {**tables, "orders": orders, "processing_results": results, "storefronts": storefronts}


def test_given_a_bucket_when_the_page_is_written_then_it_shows_the_files_without_links(
    synced: Synced, tmp_path: Path
) -> None:
    with bucket_store() as store:
        client = boto3.client(
            "s3",
            endpoint_url=store.settings["endpoint"],
            region_name=store.settings["region"],
            aws_access_key_id=store.settings["access_key_id"],
            aws_secret_access_key=store.settings["secret_access_key"],
        )
        for path in synced.store.sizes():
            client.put_object(Bucket=BUCKET, Key=path, Body=synced.store.read(path))
        assert store.sizes() == synced.store.sizes()
        write_report(tmp_path / "report.html", synced.orders, store, [], synced.sandbox.now())

    page = tmp_path / "report.html"
    assert Links(page).files == set()
    assert f"s3://{BUCKET}" in page.read_text(encoding="utf-8")
    assert pictures(page) == pictures(synced.write_page())


def test_given_a_bucket_when_a_file_is_missing_then_reading_it_says_so() -> None:
    with bucket_store() as store, pytest.raises(FileNotFoundError):
        store.read("never/there.pdf")


def pictures(page: Path) -> list[str]:
    return sorted(target for target in Links(page).targets if target.startswith("data:image"))


# Thumbnails


def print_file(format_: str, name: str = "") -> PrintFile:
    name = name or f"file.{format_}"
    return PrintFile(name, format_, 1, "", name)


@pytest.fixture(scope="module")
def contents() -> Mapping[str, bytes]:
    """A PDF and a preview of the sandbox, which look alike but for their sizes, and a broken one of each."""
    with Sandbox(empty=True) as sandbox:
        sandbox.shop.add_storefront(11)
        project = sandbox.shop.create_project(11, processing="Completed", files=1)
        (pdf,) = (one["id"] for one in sandbox.shop.artifacts(project) if one["format"] == "pdf")
        content = sandbox.shop.file_bytes(pdf)
    picture = io.BytesIO()
    Image.new("RGB", (30, 20), (200, 30, 60)).save(picture, "PNG")
    broken = {"broken.pdf": b"%PDF-1.4 no more", "broken.png": b"\x89PNG"}
    return {"file.pdf": content, "preview.png": picture.getvalue(), **broken}


def drawn(address: str | None) -> Image.Image:
    assert address is not None
    head, _, body = address.partition(",")
    assert head == "data:image/webp;base64"
    return Image.open(io.BytesIO(b64decode(body))).convert("RGB")


def test_given_a_pdf_without_a_preview_when_drawn_then_its_first_page_is_seen(contents: Mapping[str, bytes]) -> None:
    picture = drawn(thumbnail([print_file("json"), print_file("pdf")], contents.__getitem__))

    assert picture.width > 400
    colors = picture.getcolors(picture.width * picture.height)
    assert colors is not None
    assert len(colors) > 50  # neither blank nor one color


def test_given_a_preview_when_drawn_then_the_pdf_is_not(contents: Mapping[str, bytes]) -> None:
    picture = drawn(thumbnail([print_file("pdf"), print_file("png", "preview.png")], contents.__getitem__))

    assert picture.size == (30, 20)
    red, green, blue = picture.getpixel((15, 10))  # type: ignore[misc]  # a pixel of RGB has three parts
    assert red > 150
    assert max(green, blue) < 100


def test_given_files_that_cannot_be_drawn_when_drawn_then_the_next_one_is_and_else_none(
    contents: Mapping[str, bytes],
) -> None:
    broken = [print_file("png", "broken.png"), print_file("pdf", "broken.pdf")]

    assert thumbnail(broken, contents.__getitem__) is None
    assert drawn(thumbnail([*broken, print_file("pdf")], contents.__getitem__)).width > 400


# The page in a browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from integration_tests.chromium import NoBrowser, running_browser

    try:
        with running_browser() as running:
            yield running
    except NoBrowser as error:
        pytest.skip(str(error))


@dataclass
class Shown:
    """A page in a browser, with what it has said and asked for."""

    page: Any
    said: list[str]
    asked: list[str]

    @property
    def visible(self) -> set[str]:
        return {one.get_attribute("id") for one in self.page.locator(".order").all() if one.is_visible()}

    def choose(self, label: str) -> None:
        self.page.locator("label.pick", has_text=label).click()

    def search(self, text: str) -> None:
        self.page.get_by_role("searchbox").fill(text)


@pytest.fixture
def opened(browser: Any) -> Iterator[Callable[..., Shown]]:
    """Opens a page; in the end, nothing may have been said in its console or asked for but itself."""
    shown = []

    def open_page(path: Path, **options: Any) -> Shown:
        one = Shown(browser.new_page(**options), [], [])
        one.page.on("console", lambda message: one.said.append(message.text))
        one.page.on("pageerror", lambda error: one.said.append(str(error)))
        one.page.on("request", lambda request: one.asked.append(request.url))
        one.page.goto(path.as_uri())
        shown.append((one, path))
        return one

    yield open_page
    for one, path in shown:
        one.page.close()
        assert one.said == []
        assert {url for url in one.asked if not url.startswith("data:")} == {path.as_uri()}


def anchors(orders: list[Order]) -> set[str]:
    return {f"order-{storefront}-{order}" for storefront, order in (one.key for one in orders)}


def test_given_a_browser_when_the_page_is_opened_then_every_order_and_picture_is_seen(
    synced: Synced, opened: Callable[..., Shown]
) -> None:
    shown = opened(synced.write_page())

    assert shown.page.title() == "Orders and print files"
    assert shown.visible == anchors(synced.orders)
    for picture in shown.page.locator(".sheet img").all():
        picture.scroll_into_view_if_needed()
        picture.evaluate("image => image.decode()")
        assert picture.evaluate("image => image.naturalWidth") > 0


@pytest.mark.parametrize("state", STATES)
def test_given_a_browser_when_a_state_is_chosen_then_only_its_orders_are_seen(
    synced: Synced, opened: Callable[..., Shown], state: str
) -> None:
    shown = opened(synced.write_page())
    shown.choose(STATES[state].capitalize())

    of_state = [order for order in synced.orders if order.state == state]
    assert shown.visible == anchors(of_state)
    assert shown.page.get_by_role("status").inner_text() == f"{len(of_state)} of {len(synced.orders)} orders"
    assert shown.page.get_by_text("No order is like that").is_visible() == (not of_state)

    shown.choose("All")
    assert shown.visible == anchors(synced.orders)


def test_given_a_browser_when_searched_then_only_orders_with_all_the_words_are_seen(
    synced: Synced, opened: Callable[..., Shown]
) -> None:
    shown = opened(synced.write_page())
    customer = synced.orders[0].customer
    of_customer = [order for order in synced.orders if order.customer == customer]

    shown.search(customer.upper())
    assert shown.visible == anchors(of_customer)

    storefront = of_customer[0].storefront
    shown.search(f"{customer} {storefront}")
    assert shown.visible == anchors([order for order in of_customer if order.storefront == storefront])

    state = of_customer[0].state
    shown.choose(STATES[state].capitalize())
    both = [order for order in of_customer if order.storefront == storefront and order.state == state]
    assert shown.visible == anchors(both)

    shown.search("no order has this")
    assert shown.visible == set()
    assert shown.page.get_by_text("No order is like that").is_visible()


def test_given_a_browser_when_only_updated_orders_are_wanted_then_those_of_the_second_sync_are_seen(
    synced: Synced, opened: Callable[..., Shown]
) -> None:
    shown = opened(synced.write_page())
    shown.choose("Updated")

    updated = [order for order in synced.orders if synced.finished & {project.id for project in order.projects}]
    assert 0 < len(updated) < len(synced.orders)
    assert shown.visible == anchors(updated)


def test_given_a_browser_when_a_failure_is_clicked_then_its_order_is_seen_whatever_was_chosen(
    synced: Synced, opened: Callable[..., Shown]
) -> None:
    shown = opened(synced.write_page())
    shown.search("no order has this")
    failed = next(order for order in synced.orders if order.count("Failed"))
    shown.page.locator(".attention a").first.click()

    assert shown.visible == anchors(synced.orders)
    assert shown.page.evaluate("location.hash") == f"#order-{failed.key[0]}-{failed.id}"


def test_given_names_with_markup_when_the_page_is_opened_then_they_are_text(
    synced: Synced, opened: Callable[..., Shown]
) -> None:
    hostile = "\"'><img src=x onerror=alert(1)></script>"
    shown = opened(synced.write_page(with_names(synced.second, hostile), "hostile.html"))

    assert hostile in shown.page.locator("h3").first.inner_text()
    shown.search(hostile)
    assert shown.visible == anchors(synced.orders)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_given_a_telephone_when_the_page_is_opened_then_it_fits_and_can_be_read(
    synced: Synced, opened: Callable[..., Shown], scheme: str
) -> None:
    shown = opened(synced.write_page(), viewport={"width": 360, "height": 740}, color_scheme=scheme)

    assert shown.page.evaluate("document.documentElement.scrollWidth") <= 360
    ink, paper = (
        shown.page.evaluate(f"getComputedStyle(document.body).{name}") for name in ("color", "backgroundColor")
    )
    assert contrast(ink, paper) > 7
    assert (luminance(paper) > 0.5) == (scheme == "light")


def contrast(one: str, other: str) -> float:
    """As https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio defines it."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def luminance(color: str) -> float:
    parts = [int(part) / 255 for part in re.findall(r"\d+", color)[:3]]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


# The command


def demo(*arguments: str, code: str = "") -> subprocess.CompletedProcess[str]:
    code = f"{code}; import sys; from demo.__main__ import main; sys.exit(main({list(arguments)!r}))".lstrip("; ")
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


def test_given_no_pyairbyte_when_the_demo_is_started_then_one_sentence_says_what_to_do() -> None:
    done = demo(code="import sys; sys.modules['airbyte'] = None")

    assert done.returncode == 1
    assert "`make demo`" in done.stderr
    assert "Traceback" not in done.stderr


def test_given_an_unknown_store_when_the_demo_is_started_then_it_names_those_that_it_knows() -> None:
    done = demo("ftp")

    assert done.returncode == 2
    assert done.stderr == "The demo's files go to one of folder, s3, such as `make demo STORE=s3`.\n"
