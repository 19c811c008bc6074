"""Any text as a part of a path."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_customerscanvas.files.names import safe_extension, safe_id, safe_name
from unit_tests.files.texts import NAMES


@given(NAMES)
def test_given_a_safe_name_when_made_safe_then_it_stays(text: str) -> None:
    assert safe_name(safe_name(text)) == safe_name(text)


@given(NAMES, NAMES)
def test_given_two_ids_when_made_safe_then_they_are_still_two(one: str, other: str) -> None:
    assert (safe_id(one) == safe_id(other)) == (one == other)
    assert len(safe_id(one).encode()) <= 100


@given(st.text(max_size=30))
def test_given_any_format_when_made_an_extension_then_each_part_of_it_is_one_word(format_: str) -> None:
    extension = safe_extension(format_)
    assert len(extension) <= 20
    assert not set(extension) & set("/\\ ")
    assert extension == "" or all(extension.split("."))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("card.pdf", "card.pdf"),
        ("Visitenkarte Müller.pdf", "Visitenkarte Müller.pdf"),
        ("e\u0301.pdf", "é.pdf"),
        ("../../etc/passwd", "_._etc_passwd"),
        ("a..b...pdf", "a.b.pdf"),
        ("C:\\cards\\front.pdf", "C__cards_front.pdf"),
        ('<>:"/\\|?*.pdf', "_________.pdf"),
        ("a\x00b\x1f.pdf", "a_b_.pdf"),
        ("\u202efdp.exe", "_fdp.exe"),
        ("a\uff0fb.pdf", "a_b.pdf"),
        ("%2e%2e%2fa.pdf", "%2e%2e%2fa.pdf"),
        (" .hidden. ", "hidden"),
        ("CON", "_CON"),
        ("nul.tar.gz", "_nul.tar.gz"),
        ("Console.pdf", "Console.pdf"),
        ("..", ""),
        ("x" * 300 + ".pdf", "x" * 196 + ".pdf"),
        ("é" * 150 + ".pdf", "é" * 98 + ".pdf"),
    ],
)
def test_given_a_name_when_made_safe_then_it_keeps_what_every_system_takes(text: str, expected: str) -> None:
    assert safe_name(text) == expected
    assert unicodedata.is_normalized("NFC", safe_name(text))
