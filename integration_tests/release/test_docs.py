"""The docs against the connector: what a user can choose, receive or be told has to stand in them."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from integration_tests.command_line import CommandLine
from sandbox import Sandbox
from source_customerscanvas import errors
from source_customerscanvas.errors import CustomersCanvasError, Trouble
from source_customerscanvas.state import stream_state as state

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGE = (DOCS / "customerscanvas.md").read_text(encoding="utf-8")

# no user sees these as they are: a class of others, or one for the connector itself
UNSEEN = {"CustomersCanvasError", "ConfigurationError", "TransientError", "Stopped"}
BLANK = "…"
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "UnknownStorefront": ([BLANK], []),
    "UnknownStream": ([BLANK], []),
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
        if "const" in field or path == "processing":
            continue
        assert f"`{path}`" in table, path
        if "default" in field:
            default = field["default"]
            shown = default if isinstance(default, str) else json.dumps(default, separators=(",", ":"))
            assert table[f"`{path}`"].startswith(f"`{shown}` |"), path


def test_given_the_catalog_when_the_docs_are_read_then_each_stream_stands_there_with_its_keys_modes_and_fields(
    command_line: CommandLine,
) -> None:
    with Sandbox(empty=True) as sandbox:
        streams = command_line.discover(sandbox.config()).catalog["streams"]
    tables = re.findall(r"^\| `(\w+)` \| (.+) \|$", PAGE, re.MULTILINE)
    (diagram,) = re.findall(r"```mermaid\n(.+?)```", PAGE, re.DOTALL)
    for stream in streams:
        name, cursor = stream["name"], stream.get("default_cursor_field") or []
        described = [rest for first, rest in tables if first == name]
        assert len(described) == 2, f"{name} stands in {len(described)} tables: of two, the sync modes and the fields"
        modes = [cell.strip() for cell in described[0].split("|")]
        incremental, files = "incremental" in stream["supported_sync_modes"], bool(stream.get("is_file_based"))
        assert modes == ["yes", "yes" if incremental else "", "yes" if files else ""], name
        key, shown_cursor, _, fields = (cell.strip() for cell in described[1].split(" |"))
        assert [key.strip("`")] == [one for part in stream["source_defined_primary_key"] for one in part], name
        assert shown_cursor.strip("`| ") == "".join(cursor), name
        assert set(re.findall(r"`(\w+)`", fields)) == set(stream["json_schema"]["properties"]), name
        assert f"    {name} {{" in diagram, name


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
    pattern = re.compile(re.sub(r"(\\ )?…", ".*…", re.escape(sentence.split(": ")[0].rstrip("."))))
    advice = [advice for shown, advice in rows(PAGE).items() if pattern.match(shown)]
    assert len(advice) == 1, sentence
    named = set(re.findall(r"`([a-z_]+)`", message)) | ({"External apps"} if "External apps" in message else set())
    assert [one for one in named if one not in advice[0]] == []


def test_given_the_form_of_the_state_when_its_page_is_read_then_each_part_is_described() -> None:
    page = (DOCS / "state.md").read_text(encoding="utf-8")
    parts = set(re.findall(r'"([a-z]\w+)":', inspect.getdoc(state) or ""))
    described = rows(page)
    (example,) = re.findall(r"```json\n(.+?)```", page, re.DOTALL)
    shown = json.loads(example)
    assert shown["version"] == state.VERSION
    assert state.StreamState.from_json("projects", shown, state.Scope(kinds=("Final",), files=True), "").to_json()
    inner = {"startDate", "kinds", "files", "after", "at", "covered"}
    assert parts >= {"version", "scope", "units", "cursor"}
    assert {part for part in parts - inner if f"`{part}`" not in described} == set()
    assert set(re.findall(r'"([a-z]\w+)":', example)) == parts


def test_given_the_package_when_its_architecture_is_read_then_each_module_has_a_purpose() -> None:
    page = (DOCS / "architecture.md").read_text(encoding="utf-8")
    modules = {path.stem for path in (ROOT / "source_customerscanvas").glob("*.py")} - {"__init__"}
    assert set(re.findall(r"`(\w+)`", " ".join(rows(page)))) == modules


def test_given_links_within_the_repository_when_followed_then_they_lead_somewhere() -> None:
    for page in (*DOCS.glob("*.md"), ROOT / "README.md"):
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
        headings = {
            re.sub(r"[^\w -]", "", one.lower()).strip().replace(" ", "-")
            for one in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        }
        for anchor in re.findall(r"\]\(#([^)]+)\)", text):
            assert anchor in headings, f"{page.name}: #{anchor}"


def test_given_the_users_page_when_its_words_are_counted_then_it_is_read_in_ten_minutes() -> None:
    text = re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)
    # tables are for looking things up
    prose = " ".join(line for line in text.splitlines() if not line.startswith("|"))
    assert len(re.findall(r"[A-Za-z']+", prose)) < 2300
