"""Downloads: the file endpoint of the API and the CDN, with ranges, entity tags and attachment names."""

from __future__ import annotations

import re
import secrets
from urllib.parse import quote, unquote

from sandbox.serving.messages import FileBody, Reply, RequestRecord, page, problem
from sandbox.shop import Missing, Shop
from sandbox.shop.contents import Content
from sandbox.shop.rows import Artifact

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_PREVIEW = re.compile(r"/previews/(\d+)\.png")
_MEDIA_TYPES = {
    "pdf": "application/pdf",
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "tif": "image/tiff",
    "tiff": "image/tiff",
    "bmp": "image/bmp",
    "json": "application/json",
    "txt": "text/plain",
}
_TITLES = {403: "Forbidden", 404: "Not Found", 410: "Gone"}


class Files:
    """Answers that carry an artifact's file."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._switches = shop.switches
        self._signature = secrets.token_urlsafe(16)

    def with_token(self, request: RequestRecord, artifact_id: str) -> Reply:
        """`GET artifacts/{id}/file`, after the token was found good. Raises Missing."""
        artifact, content = self._shop.content(artifact_id)
        if artifact.gone is not None:
            return problem(artifact.gone, _TITLES.get(artifact.gone, "Gone"), f"The file of {artifact_id} is gone.")
        if self._switches.file_redirect:
            name = quote(artifact.spec.name or "", safe="")
            address = f"{self._shop.show.cdn_url}/files/{quote(artifact_id, safe='')}/{name}"
            return Reply(302, headers={"Location": f"{address}?signature={self._signature}"})
        return self._file(request, artifact, content)

    def anonymous(self, request: RequestRecord) -> Reply:
        """`GET /files/{id}/{name}` of the CDN, which knows nothing of the API's problem documents; and previews."""
        preview = _PREVIEW.fullmatch(request.path)
        if preview is not None:
            return self._preview(int(preview.group(1)))
        parts = request.path.split("/")
        if request.method not in ("GET", "HEAD"):
            return page(405, "Method Not Allowed")
        if len(parts) < 3 or parts[1] != "files":
            return page(404, "Not Found")
        try:
            artifact, content = self._shop.content(unquote(parts[2]))
        except Missing:
            return page(404, "Not Found")
        is_signed = request.query.get("signature") == self._signature
        link = "works" if is_signed else self._shop.show.link(artifact)
        if link == "refused" or not (artifact.spec.anonymous or is_signed):
            return page(403, "Forbidden")
        if link == "expired" or request.query.get("link", "0") != str(artifact.links if not is_signed else 0):
            return Reply(410, body=b"Request has expired", content_type="text/plain")
        if artifact.gone is not None:
            return page(artifact.gone, _TITLES.get(artifact.gone, "Gone"))
        return self._file(request, artifact, content)

    def _preview(self, project_id: int) -> Reply:
        try:
            return Reply(body=self._shop.preview(project_id), content_type="image/png")
        except Missing:
            return page(404, "Not Found")

    def _file(self, request: RequestRecord, artifact: Artifact, content: Content) -> Reply:
        spec = artifact.spec
        headers = {}
        tag = f'"{artifact.id}-{artifact.revision}"'
        if self._switches.sends_etag:
            headers["ETag"] = tag
        if request.query.get("attachment", "").lower() == "true":
            headers["Content-Disposition"] = _attachment(spec.name or "")
        body = FileBody(content, 0, content.length, self._switches.sends_content_length)
        media_type = _MEDIA_TYPES.get((spec.format or "").lower(), "application/octet-stream")
        reply = Reply(200, file=body, headers=headers, content_type=media_type)
        if spec.content_encoding == "stored-gzip":
            # As it lies there, whatever the client accepts; ranges are those of the packed bytes.
            headers["Content-Encoding"] = "gzip"
        elif spec.content_encoding == "gzip" and "gzip" in request.headers.get("Accept-Encoding", ""):
            body.gzipped = True
            headers["Content-Encoding"] = "gzip"
            headers["Vary"] = "Accept-Encoding"
            return reply
        if self._switches.supports_range:
            headers["Accept-Ranges"] = "bytes"
            self._take_range(request, reply, body, tag)
        return reply

    def _take_range(self, request: RequestRecord, reply: Reply, body: FileBody, tag: str) -> None:
        wanted = _RANGE.fullmatch(request.headers.get("Range", "").strip())
        if wanted is None or wanted.groups() == ("", ""):
            return
        condition = request.headers.get("If-Range")
        if condition is not None and (condition != tag or not self._switches.sends_etag):
            return
        first, last = wanted.groups()
        length = body.stop
        start = int(first) if first else max(length - int(last), 0)
        stop = min(int(last) + 1, length) if first and last else length
        if start >= length or stop <= start:
            reply.status = 416
            reply.file = None
            reply.headers["Content-Range"] = f"bytes */{length}"
            return
        reply.status = 206
        reply.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{length}"
        body.start, body.stop = start, stop


def _attachment(name: str) -> str:
    plain = re.sub(r'[^\x20-\x7e]|["\\]', "_", name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
