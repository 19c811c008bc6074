"""Where files go, whatever their names are."""

import unicodedata
from pathlib import PurePosixPath, PureWindowsPath
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_customerscanvas.files.paths import file_paths, safe_name

NASTY = st.one_of(
    st.sampled_from(
        ["..", "/", "\\", "../../etc/passwd", "C:\\x", "%2e%2e%2f", "CON", "nul.pdf", "com1.tar.gz", " . ", ""]
    ),
    st.sampled_from(
        ["\x00", "\u202e", "\uff0f", "\u2024\u2024", "\u2026", "\ud800", "a" * 300 + ".pdf", "é" * 150 + ".p"]
    ),
    st.sampled_from(["e\u0301", "\u0338", "K", "\u212a", "ß", "SS"]),
)
NAMES = st.one_of(st.text(max_size=12), NASTY, st.lists(st.one_of(NASTY, st.text(max_size=4)), max_size=4).map("".join))
ARTIFACTS = st.lists(
    st.fixed_dictionaries(
        {"id": st.one_of(st.text(min_size=1, max_size=8), NASTY.filter(bool)), "name": st.none() | NAMES,
         "format": st.none() | st.sampled_from(["pdf", "PDF", "../x", "json", ""]) | st.text(max_size=5)}
    ),
    max_size=6, unique_by=lambda artifact: artifact["id"],
)  # fmt: skip
ORDERS = st.none() | NAMES


def names(*artifacts: tuple[str, str | None, str | None]) -> dict[str, str]:
    rows = [{"id": id_, "name": name, "format": format_} for id_, name, format_ in artifacts]
    return {id_: PurePosixPath(path).name for id_, path in file_paths(1, "5", 9, rows).items()}


@given(ORDERS, ARTIFACTS)
def test_given_any_names_when_placed_then_no_path_escapes_on_any_system(
    order_id: str | None, artifacts: list[dict[str, str]]
) -> None:
    for path in file_paths(1, order_id, 9, artifacts).values():
        for reading in (path, unicodedata.normalize("NFKC", path)):
            assert ".." not in reading.split("/")
            assert ".." not in path
            assert len(PurePosixPath(reading).parts) == 4
            assert len(PureWindowsPath(reading).parts) == 4
            assert not PureWindowsPath(reading).is_absolute()
            assert not PureWindowsPath(reading).drive
        for part in path.split("/"):
            assert 0 < len(part.encode()) <= 200
            assert part == unicodedata.normalize("NFC", part)
            assert part == part.strip(" .")
            assert not any(unicodedata.category(character) in ("Cc", "Cs") for character in part)
            assert part.partition(".")[0].rstrip().upper() not in {"CON", "PRN", "AUX", "NUL", "COM1", "LPT9"}


@given(ORDERS, ARTIFACTS)
def test_given_any_names_when_placed_then_no_two_files_meet_even_where_case_does_not_count(
    order_id: str | None, artifacts: list[dict[str, str]]
) -> None:
    paths = file_paths(1, order_id, 9, artifacts)
    assert paths.keys() == {artifact["id"] for artifact in artifacts}
    for fold in (str.casefold, str.upper, str.lower):
        assert len({unicodedata.normalize("NFC", fold(path)) for path in paths.values()}) == len(paths)


@given(ORDERS, ARTIFACTS, st.randoms())
def test_given_the_same_artifacts_in_another_order_when_placed_then_the_paths_are_the_same(
    order_id: str | None,
    artifacts: list[dict[str, str]],
    random: Random,
) -> None:
    shuffled = random.sample(artifacts, len(artifacts))
    assert file_paths(1, order_id, 9, shuffled) == file_paths(1, order_id, 9, artifacts)


@given(NAMES)
def test_given_a_safe_name_when_made_safe_then_it_stays(text: str) -> None:
    assert safe_name(safe_name(text)) == safe_name(text)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("card.pdf", "card.pdf"),
        ("Visitenkarte Müller.pdf", "Visitenkarte Müller.pdf"),
        ("e\u0301.pdf", "é.pdf"),
        ("../../etc/passwd", "_._etc_passwd.pdf"),
        ("a..b...pdf", "a.b.pdf"),
        ("C:\\cards\\front.pdf", "C__cards_front.pdf"),
        ('<>:"/\\|?*.pdf', "_________.pdf"),
        ("a\x00b\x1f.pdf", "a_b_.pdf"),
        ("\u202efdp.exe", "_fdp.exe"),
        ("a\uff0fb.pdf", "a_b.pdf"),
        ("%2e%2e%2fa.pdf", "%2e%2e%2fa.pdf"),
        (" .hidden. ", "hidden.pdf"),
        ("CON", "_CON.pdf"),
        ("nul.tar.gz", "_nul.tar.gz"),
        ("Console.pdf", "Console.pdf"),
        ("Order no. 5", "Order no. 5.pdf"),
        ("", "7f.pdf"),
        (None, "7f.pdf"),
        ("..", "7f.pdf"),
        ("x" * 300 + ".pdf", "x" * 196 + ".pdf"),
        ("é" * 150 + ".pdf", "é" * 98 + ".pdf"),
        ("x" * 300, "x" * 196 + ".pdf"),
    ],
)
def test_given_a_name_when_placed_then_it_is_safe_and_keeps_its_extension(name: str | None, expected: str) -> None:
    assert names(("7f", name, "pdf")) == {"7f": expected}


@pytest.mark.parametrize(
    ("format_", "expected"), [(None, "card"), ("", "card"), (".pdf", "card.pdf"), ("a/b", "card.a_b")]
)
def test_given_a_name_without_extension_when_placed_then_it_gets_the_format(format_: str | None, expected: str) -> None:
    assert names(("7f", "card", format_)) == {"7f": expected}


def test_given_names_that_differ_in_case_when_placed_then_those_after_the_first_id_carry_theirs() -> None:
    placed = names(("c", "card.pdf", "pdf"), ("a", "Card.PDF", "pdf"), ("b", "card", "pdf"))
    assert placed == {"a": "Card.PDF", "b": "card-b.pdf", "c": "card-c.pdf"}


@pytest.mark.parametrize("small", ["\u03b0", "\u0390", "\u1fe2", "\u1fc7"], ids=ascii)
def test_given_letters_whose_capitals_are_two_characters_when_placed_then_both_names_are_twins(small: str) -> None:
    capital = unicodedata.normalize("NFC", unicodedata.normalize("NFD", small).upper())
    artifacts = [{"id": "1", "name": f"{small}.pdf"}, {"id": "2", "name": f"{capital}.pdf"}]
    assert file_paths(1, "5", 9, artifacts)["2"].endswith("-2.pdf")


@pytest.mark.parametrize(("one", "other"), [("\u0131", "i"), ("\u017f", "s"), ("\u1e9e", "ss")], ids=ascii)
def test_given_letters_that_meet_when_capitals_and_small_ones_are_the_same_when_placed_then_both_names_are_twins(
    one: str, other: str
) -> None:
    placed = names(("1", f"{one}.pdf", None), ("2", f"{other}.pdf", None))
    assert placed == {"1": f"{one}.pdf", "2": f"{other}-2.pdf"}


def test_given_a_name_that_looks_like_a_distinguished_one_when_placed_then_it_keeps_it_and_none_meet() -> None:
    placed = names(("a", "card.pdf", "pdf"), ("b", "card.pdf", "pdf"), ("c", "card-b.pdf", "pdf"))
    assert placed["a"] == "card.pdf"
    assert placed["c"] == "card-b.pdf"
    assert placed["b"].startswith("card-b-")
    assert placed["b"].endswith(".pdf")


def test_given_ids_that_are_the_same_when_made_safe_when_placed_then_no_two_files_meet() -> None:
    placed = names(("0", "card.pdf", "pdf"), ("a/b", "card.pdf", "pdf"), ("a_b", "card.pdf", "pdf"))
    assert placed["a/b"] == "card-a_b.pdf"
    assert placed["a_b"].startswith("card-a_b-")
    assert len(set(placed.values())) == 3


def test_given_long_equal_names_when_placed_then_id_and_extension_fit_into_200_bytes() -> None:
    placed = names(("a", "x" * 300 + ".pdf", "pdf"), ("b", "x" * 300 + ".pdf", "pdf"))
    assert placed == {"a": "x" * 196 + ".pdf", "b": "x" * 194 + "-b.pdf"}


@pytest.mark.parametrize(
    ("order_id", "folder"), [(None, "no-order"), ("", "no-order"), ("#1001", "#1001"), ("a/b", "a_b"), ("..", "_")]
)
def test_given_an_order_when_placed_then_its_folder_is_safe(order_id: str | None, folder: str) -> None:
    rows = [{"id": "7f", "name": "card.pdf", "format": "pdf"}]
    assert file_paths(2, order_id, 15, rows) == {"7f": f"2/{folder}/15/card.pdf"}
