"""docs/sandbox.md names everything that can be switched, done to answers and done in the shop."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest

from sandbox.control import MOVES
from sandbox.serving.faults import PAGES, Action
from sandbox.serving.garbling import FORMS
from sandbox.serving.limiter import Limiter
from sandbox.serving.outages import OUTAGE_KINDS
from sandbox.switches import Switches

PAGE = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", PAGE, re.MULTILINE))


@pytest.mark.parametrize("name", [one.name for one in fields(Switches)])
def test_given_a_switch_when_looked_up_then_the_page_has_its_default_and_its_values(name: str) -> None:
    default, meaning = ROWS[name].split(" | ", 1)
    value = Switches().as_json()[name]
    shown = value if isinstance(value, str) else json.dumps(value)
    assert default == ("all" if name == "permissions" else f"`{shown}`")
    for text in choices(get_type_hints(Switches)[name]):
        assert text == value or f"`{text}`" in meaning or text.isdecimal()


def choices(hint: Any) -> list[str]:
    if get_origin(hint) is Mapping:
        return []  # the values are those of another switch
    parts = [hint] if get_origin(hint) is Literal else [one for one in get_args(hint) if get_origin(one) is Literal]
    return [str(value) for part in parts for value in get_args(part)]


def test_given_a_fault_an_outage_a_limit_or_a_move_when_looked_up_then_the_page_names_it() -> None:
    limits = set(Limiter.__init__.__annotations__) - {"clock", "return"}
    names = {*Action.__dataclass_fields__, *PAGES, *FORMS, *OUTAGE_KINDS, *limits, *MOVES}
    assert {name for name in names if f"`{name}`" not in PAGE} == set()
