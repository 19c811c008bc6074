"""Real small documents: one-page business card PDFs, their PNG previews, and JSON job tickets."""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from dataclasses import dataclass
from functools import lru_cache

import orjson

PREVIEW_SIZE = 12 * 1024
"""Bytes of every preview: padded, so that a list can tell the size without drawing the picture."""

_CARD_WIDTH, _CARD_HEIGHT = 252, 144
_LINE_LENGTH = 26
_PICTURES = {"jpg": "JPEG", "jpeg": "JPEG", "tif": "TIFF", "tiff": "TIFF", "bmp": "BMP"}
_COLORS = ((0x0B, 0x6E, 0x99), (0xC0, 0x39, 0x2B), (0x2E, 0x7D, 0x32), (0x6A, 0x1B, 0x9A), (0xE6, 0x7E, 0x22))


@dataclass(frozen=True)
class Card:
    """What is printed on a card. `edition` tells apart files of one project, so that no two have the same bytes."""

    title: str
    order: str
    project: str
    edition: str

    def color(self) -> tuple[int, int, int]:
        return _COLORS[zlib.crc32(self.project.encode()) % len(_COLORS)]

    def lines(self) -> tuple[str, ...]:
        return (f"Order {self.order}", f"Project {self.project}", self.edition[:_LINE_LENGTH])


def document(format: str | None, card: Card) -> bytes:
    """A document of the format; plain text for formats that are not drawn."""
    kind = (format or "").lower()
    if kind == "pdf":
        return _pdf(card)
    if kind == "png":
        return _padded(_picture(card, "PNG"), card)
    if kind in _PICTURES:
        return _picture(card, _PICTURES[kind])
    if kind == "json":
        return _json(card)
    return "\n".join((card.title, *card.lines(), "")).encode()


def document_size(format: str | None, card: Card) -> int:
    if (format or "").lower() == "png":
        return PREVIEW_SIZE
    return len(document(format, card))


@lru_cache(maxsize=4096)
def _pdf(card: Card) -> bytes:
    red, green, blue = (part / 255 for part in card.color())
    text = [f"BT /F2 15 Tf 1 1 1 rg 84 96 Td ({_escape(card.title)}) Tj ET"]
    for number, line in enumerate(card.lines()):
        text.append(f"BT /F1 9 Tf 0.2 0.2 0.2 rg 84 {58 - number * 15} Td ({_escape(line)}) Tj ET")
    drawing = "\n".join(
        (
            f"0.97 0.97 0.95 rg 0 0 {_CARD_WIDTH} {_CARD_HEIGHT} re f",
            f"{red:.3f} {green:.3f} {blue:.3f} rg 0 84 {_CARD_WIDTH} 40 re f",
            "1 1 1 rg 16 104 m 40 128 l 64 104 l 40 80 l h f",
            f"{red:.3f} {green:.3f} {blue:.3f} rg 28 104 m 40 116 l 52 104 l 40 92 l h f",
            f"{red:.3f} {green:.3f} {blue:.3f} RG 1.5 w 16 16 48 48 re S 16 16 m 64 64 l 16 64 m 64 16 l S",
            *text,
        )
    ).encode("latin-1")
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Contents 4 0 R "
        b"/Resources << /Font << /F1 5 0 R /F2 6 0 R >> >> >>" % (_CARD_WIDTH, _CARD_HEIGHT),
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(drawing), drawing),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold /Encoding /WinAnsiEncoding >>",
        b"<< /Title (%b) >>" % _escape(card.edition).encode("latin-1"),
    )
    out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R /Info 7 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table)
    return bytes(out)


def _escape(text: str) -> str:
    """Text for a PDF string; what the standard fonts cannot show becomes a question mark."""
    safe = text.encode("latin-1", "replace").decode("latin-1")
    return safe.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)").replace("\n", " ").replace("\r", " ")


@lru_cache(maxsize=512)
def _picture(card: Card, format: str) -> bytes:
    # Pillow takes longer to import than the rest of the server.
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (_CARD_WIDTH, _CARD_HEIGHT), (247, 247, 242))
    draw = ImageDraw.Draw(image)
    color = card.color()
    draw.rectangle((0, 20, _CARD_WIDTH, 60), fill=color)
    draw.polygon(((16, 40), (40, 16), (64, 40), (40, 64)), fill=(255, 255, 255))
    draw.polygon(((28, 40), (40, 28), (52, 40), (40, 52)), fill=color)
    draw.rectangle((16, 80, 64, 128), outline=color)
    draw.line((16, 80, 64, 128), fill=color)
    draw.line((16, 128, 64, 80), fill=color)
    draw.text((84, 34), _drawable(card.title), fill=(255, 255, 255))
    for number, line in enumerate(card.lines()):
        draw.text((84, 78 + number * 15), _drawable(line), fill=(51, 51, 51))
    out = io.BytesIO()
    image.save(out, format)
    return out.getvalue()


def _drawable(text: str) -> str:
    return text.encode("latin-1", "replace").decode("latin-1").replace("\n", " ")


def _padded(png: bytes, card: Card) -> bytes:
    """The picture with a private chunk before its end that fills it up to `PREVIEW_SIZE`."""
    end = len(png) - 12
    length = PREVIEW_SIZE - len(png) - 12
    mark = hashlib.sha256(repr(card).encode()).digest()
    chunk = b"saFe" + (mark + bytes(PREVIEW_SIZE))[:length]
    return png[:end] + struct.pack(">I", length) + chunk + struct.pack(">I", zlib.crc32(chunk)) + png[end:]


@lru_cache(maxsize=4096)
def _json(card: Card) -> bytes:
    ticket = {
        "title": card.title,
        "order": card.order,
        "project": card.project,
        "edition": card.edition,
        "trimSize": {"width": 88.9, "height": 50.8, "unit": "mm"},
        "bleed": 3,
        "colors": "4/4",
        "stock": "350 g/m2 silk",
        "finishing": ["cut", "round corners"],
    }
    return orjson.dumps(ticket, option=orjson.OPT_INDENT_2)
