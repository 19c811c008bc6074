"""The docs against the connector: what a user can choose, receive or be told has to stand in them."""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from integration_tests.command_line import CommandLine
from sandbox import Sandbox
from source_customerscanvas import errors
from source_customerscanvas.errors import CustomersCanvasError, Trouble
from source_customerscanvas.files.paths import PathTemplate, ProjectValues, check_template
from source_customerscanvas.state.scope import Scope
from source_customerscanvas.state.slice_state import SliceState
from source_customerscanvas.state.stream_state import StreamState

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PACKAGE = ROOT / "source_customerscanvas"
PAGE = (DOCS / "customerscanvas.md").read_text(encoding="utf-8")

# no user sees these as they are: a class of others, or one for the connector itself
UNSEEN = {"CustomersCanvasError", "ConfigurationError", "TransientError", "Stopped"}
BLANK = "…"
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "UnknownStorefront": ([BLANK], []),
    "UnknownStream": ([BLANK], []),
    "DoubledStream": ([BLANK],),
    "UnreadableInput": (BLANK, BLANK, BLANK),
    "Refused": (BLANK, BLANK, BLANK),
    "ProjectsFailed": (BLANK, [Trouble(BLANK, CustomersCanvasError(BLANK))]),
    "InternalError": (type(BLANK, (Exception,), {})(),),
}


@pytest.fixture(scope="module")
def command_line(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    return CommandLine(tmp_path_factory.mktemp("docs"))


def rows(page: str) -> dict[str, str]:
    """The tables' rows: what stands in the first column, and what stands behind it."""
    found = re.findall(r"^\| (.+?) \| (.+) \|$", page, re.MULTILINE)
    return dict(found)


def settings(schema: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    for part in (schema, *schema.get("oneOf", ())):
        for name, field in part.get("properties", {}).items():
            yield f"{prefix}{name}", field
            yield from settings(field, f"{prefix}{name}.")


def test_given_the_spec_when_the_docs_are_read_then_each_setting_stands_there_with_its_default_and_its_choices(
    command_line: CommandLine,
) -> None:
    (spec,) = command_line.spec().of_type("SPEC")
    table = rows(PAGE)
    for path, field in settings(spec["connectionSpecification"]):
        choices = [field["const"]] if "const" in field else field.get("enum", field.get("items", {}).get("enum", []))
        missing = [choice for choice in choices if f"`{choice}`" not in PAGE]
        assert not missing, path
        if "const" in field or path in ("processing", "shard", "files.delivery"):
            continue
        assert f"`{path}`" in table, path
        if "default" in field:
            assert table[f"`{path}`"].startswith(f"`{shown(field['default'])}` |"), path


def shown(default: Any) -> str:
    return default if isinstance(default, str) else json.dumps(default, separators=(",", ":"))


def test_given_the_spec_when_the_docs_are_read_then_each_delivery_stands_there_with_what_it_is_set_by(
    command_line: CommandLine,
) -> None:
    (spec,) = command_line.spec().of_type("SPEC")
    table = rows(PAGE)
    for delivery in spec["connectionSpecification"]["properties"]["files"]["oneOf"]:
        name = delivery["properties"]["delivery"]["const"]
        assert f"`{name}`" in table
        for key in delivery["properties"].keys() - {"delivery"}:
            assert f"`{name}`" in table[f"`files.{key}`"].split(":")[0], f"{name}: {key}"


def test_given_the_spec_when_its_settings_are_counted_then_they_stand_in_the_order_of_the_docs_table(
    command_line: CommandLine,
) -> None:
    (spec,) = command_line.spec().of_type("SPEC")
    properties = spec["connectionSpecification"]["properties"]
    assert [field["order"] for field in properties.values()] == list(range(len(properties)))
    described = [name.split(".")[0] for name in re.findall(r"^\| `([a-z_.]+)` \|", PAGE, re.MULTILINE)]
    assert [name for name in dict.fromkeys(described) if name in properties] == list(properties)


def test_given_the_examples_of_file_path_when_filled_in_then_each_file_goes_where_the_docs_say() -> None:
    item = {"id": 7, "name": "Card", "sku": "BC-350", "quantity": 250}
    project = {
        "id": 4711,
        "name": "Cards",
        "orderId": "5001",
        "orderNumber": 1001,
        "orderLineItemIndex": 1,
        "created": "2024-03-05T10:11:12Z",
        "items": [item],
    }
    values = ProjectValues(11, "Main shop", project)
    artifact = {"id": "7f", "name": "front", "format": "Pdf", "projectItemId": 7}
    examples = re.findall(r"^\| `([^`|]*\{[^`|]+)` \| `([^`|{]+)` \|$", PAGE, re.MULTILINE)
    assert len(examples) == 4
    for template, path in examples:
        check_template(template, None)
        assert PathTemplate(template).paths(values, [artifact]) == {"7f": path}


def test_given_the_catalog_when_the_docs_are_read_then_each_stream_stands_there_with_its_keys_modes_and_fields(
    command_line: CommandLine,
) -> None:
    with Sandbox(empty=True) as sandbox:
        streams = command_line.discover(sandbox.config(files={"delivery": "airbyte"})).catalog["streams"]
    tables = re.findall(r"^\| `(\w+)` \| (.+) \|$", PAGE, re.MULTILINE)
    names = [stream["name"] for stream in streams]
    declared = yaml.safe_load((PACKAGE / "manifest.yaml").read_text(encoding="utf-8"))["streams"]
    assert [first for first, _ in tables if first in names] == [stream["name"] for stream in declared] * 2
    for stream in streams:
        name, cursor = stream["name"], stream.get("default_cursor_field") or []
        modes, description = [rest for first, rest in tables if first == name]
        incremental, files = "incremental" in stream["supported_sync_modes"], bool(stream.get("is_file_based"))
        expected = ["yes", "yes" if incremental else "", "with `airbyte`" if files else ""]
        assert [cell.strip() for cell in modes.split("|")] == expected, name
        key, shown_cursor, _, fields = (cell.strip() for cell in description.split(" |"))
        assert re.findall(r"`(\w+)`", key) == [one for part in stream["source_defined_primary_key"] for one in part], (
            name
        )
        assert shown_cursor.strip("`| ") == "".join(cursor), name
        assert set(re.findall(r"`(\w+)`", fields)) == set(stream["json_schema"]["properties"]), name


def user_errors() -> list[type[CustomersCanvasError]]:
    classes = inspect.getmembers(errors, inspect.isclass)
    return [one for name, one in classes if issubclass(one, CustomersCanvasError) and name not in UNSEEN]


@pytest.mark.parametrize("error", user_errors(), ids=lambda error: error.__name__)
def test_given_an_error_that_users_see_when_the_docs_are_read_then_its_message_stands_there_with_what_to_do(
    error: type[CustomersCanvasError],
) -> None:
    needed = [one for one in inspect.signature(error).parameters.values() if one.default is one.empty]
    message = error(*ARGUMENTS.get(error.__name__, [BLANK] * len(needed))).message
    sentence = next(part for part in re.split(r"(?<=[.”]) (?=[A-Z])", message))
    # what comes behind a colon, a bracket or a backtick differs from case to case
    head, colon, _ = sentence.partition(": ")
    pattern = re.compile(re.sub(r"(\\ )?…", ".*…", re.escape(head.rstrip("."))) + (": " if colon else r"\.?$"))
    advice = [advice for shown, advice in rows(PAGE).items() if pattern.match(shown)]
    assert len(advice) == 1, sentence
    named = set(re.findall(r"`([a-z_]+)`", message)) | ({"External apps"} if "External apps" in message else set())
    assert [one for one in named if one not in advice[0]] == []


def parts_of(*forms: type[StreamState | SliceState | Scope]) -> set[str]:
    """The parts of a state that are looked for when it is read."""
    return {name for form in forms for name in re.findall(r'value(?:\.get\(|\[)"(\w+)"', inspect.getsource(form))}


def test_given_the_form_of_the_state_when_its_page_is_read_then_each_part_is_described() -> None:
    page = (DOCS / "state.md").read_text(encoding="utf-8")
    parts = parts_of(StreamState, SliceState, Scope)
    assert parts >= {"version", "scope", "slices", "cursor", "open", "owed", "shard"}
    assert {part for part in parts if f"`{part}`" not in rows(page)} == set()


def test_given_the_example_of_the_state_when_read_and_written_then_it_is_the_same_and_leaves_nothing_out() -> None:
    page = (DOCS / "state.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```json\n(.+?)```", page, re.DOTALL)
    shown = json.loads(example)
    scope = Scope.from_json(shown["scope"])
    assert StreamState.from_json("artifact_files", shown, scope, full_refresh=True).to_json() == shown
    (written,) = (one for one in shown["slices"].values())
    assert set(written) == parts_of(SliceState)


def rows_named(page: str) -> list[str]:
    return [name for cell in rows(page) for name in re.findall(r"`(\w+)`", cell)]


def test_given_the_package_when_its_architecture_is_read_then_each_module_has_its_line() -> None:
    page = (DOCS / "architecture.md").read_text(encoding="utf-8")
    rooms = {folder: PACKAGE / folder for folder in ("sync", "state", "files", "api")}
    sections = dict(re.findall(r"^### `?([\w' ]+)`?.*?\n(.+?)(?=^##)", page, re.DOTALL | re.MULTILINE))
    for room, folder in rooms.items():
        modules = {path.stem for path in folder.rglob("*.py")} - {"__init__"}
        packages = {path.parent.stem for path in folder.rglob("*/__init__.py")}
        assert sorted(rows_named(sections[room])) == sorted(modules | packages), room
    outside = rows_named(sections["Airbyte's side"]) + rows_named(sections["Used everywhere"])
    assert sorted(outside) == sorted({path.stem for path in PACKAGE.glob("*.py")} - {"__init__"})


def test_given_names_of_the_code_in_its_architecture_when_looked_for_then_they_are_there() -> None:
    page = (DOCS / "architecture.md").read_text(encoding="utf-8")
    defined = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                defined.add(node.name)
    for names in re.findall(r"`((?:[A-Z]\w+|\w+)(?:\.\w+)?)`", page):
        *_, name = names.split(".")
        if "." in names and name not in ("yaml", "py", "md", "following", "json") and not names.startswith("state."):
            assert name in defined, names
    for path in re.findall(r"`((?:unit_tests|integration_tests|sandbox)/[\w/.]*)`", page):
        assert (ROOT / path).exists(), path


def anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", one.lower()).strip().replace(" ", "-") for one in headings}


@pytest.mark.parametrize(
    "page", [*DOCS.glob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"], ids=lambda page: str(page.name)
)
def test_given_links_within_the_repository_when_followed_then_they_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target, anchor in re.findall(r"\]\(([^)#:\s]*)(?:#([^)]*))?\)", text):
        file = page.parent / target if target else page
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file.read_text(encoding="utf-8")), f"{target}#{anchor}"


def test_given_the_pages_when_the_readme_and_each_other_are_followed_then_every_page_is_found() -> None:
    found, left = set(), [ROOT / "README.md"]
    while left:
        page = left.pop()
        if page not in found:
            found.add(page)
            targets = re.findall(r"\]\(([^)#:\s]+\.md)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
            left += [(page.parent / target).resolve() for target in targets]
    assert {path.name for path in DOCS.glob("*.md")} <= {path.name for path in found}


def test_given_the_version_when_looked_for_then_every_place_names_the_same() -> None:
    def first(pattern: str, file: str) -> str:
        (found, *_) = re.findall(pattern, (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)
        return str(found)

    version = first(r'^version = "(.+)"$', "pyproject.toml")
    assert first(r"^  dockerImageTag: (\S+)$", "metadata.yaml") == version
    assert first(r"^## (\S+)", "CHANGELOG.md") == version
    assert first(r"^\| (\d\S*) \|", "docs/customerscanvas.md") == version


def test_given_the_users_page_when_its_words_are_counted_then_it_is_read_in_ten_minutes() -> None:
    text = re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)
    # tables are for looking things up
    prose = " ".join(line for line in text.splitlines() if not line.startswith("|"))
    assert len(re.findall(r"[A-Za-z']+", prose)) < 2300


def test_given_the_readmes_configuration_and_catalog_when_read_with_then_orders_and_files_come(
    command_line: CommandLine,
) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    config, catalog = re.findall(r"```json\n(.+?)```", readme, re.DOTALL)
    with Sandbox(projects=5) as sandbox:
        settings = json.loads(config.replace("http://localhost:8080", sandbox.url))
        read = command_line.read(settings, json.loads(catalog))
    assert (read.exit_code, read.traces) == (0, [])
    files = [row["filePath"] for row in read.records("artifact_files")]
    assert files
    assert all((command_line.folder / "print-files" / path).is_file() for path in files)
    assert read.records("orders")


def test_given_the_pages_when_their_lines_are_counted_then_none_is_too_long_to_be_read() -> None:
    lines = {
        page.name: len(page.read_text(encoding="utf-8").splitlines())
        for page in (ROOT / "README.md", *DOCS.glob("*.md"))
    }
    assert lines["README.md"] < 150
    assert lines["customerscanvas.md"] < 500
