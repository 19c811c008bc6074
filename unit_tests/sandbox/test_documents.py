"""Files: real documents of the size that lists announce, the same in every run."""

from __future__ import annotations

import io

import orjson
import pytest
from PIL import Image
from pypdf import PdfReader

from sandbox.shop.contents import BLOCK, Filling, sha256_of
from sandbox.shop.documents import Card, document, document_size

CARD = Card("Business cards 5001/1 (ä, 名)", "5001", "17", "print.pdf 1.0")


def test_given_a_card_when_drawn_as_pdf_then_it_is_one_page_with_its_order_and_project() -> None:
    reader = PdfReader(io.BytesIO(document("pdf", CARD)), strict=True)
    [page] = reader.pages
    text = page.extract_text()
    assert "Order 5001" in text
    assert "Project 17" in text
    assert "Business cards 5001/1" in text


def test_given_a_card_when_drawn_as_png_then_it_is_a_picture_of_the_same_proportions() -> None:
    image = Image.open(io.BytesIO(document("png", CARD)))
    image.load()
    assert image.size == (252, 144)


def test_given_a_card_when_written_as_json_then_it_names_its_order() -> None:
    assert orjson.loads(document("json", CARD))["order"] == "5001"


@pytest.mark.parametrize("format", ["pdf", "png", "json", "txt", "PDF", None])
def test_given_any_format_when_made_then_its_size_is_the_announced_one(format: str | None) -> None:
    assert len(document(format, CARD)) == document_size(format, CARD)


def test_given_a_filling_when_read_from_anywhere_then_it_is_that_part_of_the_whole() -> None:
    filling = Filling("name", 2 * BLOCK + 17)
    whole = b"".join(filling.read(0, filling.length))
    assert len(whole) == 2 * BLOCK + 17
    assert b"".join(filling.read(BLOCK - 3, 2 * BLOCK + 5)) == whole[BLOCK - 3 : 2 * BLOCK + 5]
    assert whole[:BLOCK] != whole[BLOCK : 2 * BLOCK]
    assert sha256_of(filling) == sha256_of(Filling("name", 2 * BLOCK + 17)) != sha256_of(Filling("other", 17))
