"""Small pictures of print files, as the text that a page holds in itself."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Callable, Sequence

import pypdfium2
from PIL import Image, UnidentifiedImageError

from demo.orders import PrintFile

_WIDTH, _HEIGHT = 480, 360
"""Pixels at most: twice what the page shows, for screens of twice the density."""

_PICTURES = frozenset({"png", "jpeg", "jpg", "tif", "tiff", "bmp", "webp"})


def thumbnail(files: Sequence[PrintFile], read: Callable[[str], bytes]) -> str | None:
    """A `data:` address of a project's preview; without one, of the first page of its first PDF.

    None where there is neither, or none that can be drawn.
    """
    previews = [file for file in files if file.format in _PICTURES]
    # what is called a preview is one; other pictures may be printed themselves
    previews.sort(key=lambda file: "preview" not in file.name.lower())
    pdfs = [file for file in files if file.format == "pdf"]
    for file in (*previews, *pdfs):
        draw = _first_page if file.format == "pdf" else _picture
        try:
            picture = draw(read(file.path))
        except (UnidentifiedImageError, OSError, pypdfium2.PdfiumError):
            continue
        return _data_address(picture)
    return None


def _picture(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content)).convert("RGB")


def _first_page(content: bytes) -> Image.Image:
    document = pypdfium2.PdfDocument(content)
    try:
        page = document[0]
        width, height = page.get_size()
        picture: Image.Image = page.render(scale=min(_WIDTH / width, _HEIGHT / height)).to_pil()
        return picture.convert("RGB")
    finally:
        document.close()


def _data_address(picture: Image.Image) -> str:
    picture.thumbnail((_WIDTH, _HEIGHT))
    out = io.BytesIO()
    picture.save(out, "WEBP", quality=82)
    return f"data:image/webp;base64,{b64encode(out.getvalue()).decode()}"
