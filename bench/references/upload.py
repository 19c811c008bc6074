"""The reference for uploads: obstore's own, with its defaults, of bytes that are made up as they are asked for."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import obstore
from obstore.store import S3Store

_CHUNK = 1 << 20


def main(endpoint: str, bucket: str, size: int) -> None:
    store = S3Store(
        bucket,
        config={
            "endpoint": endpoint,
            "region": "us-east-1",
            "access_key_id": "bench",
            "secret_access_key": "bench-secret",
            "virtual_hosted_style_request": False,
        },
        client_options={"allow_http": True},
    )
    obstore.put(store, "generated", _generated(size))


def _generated(size: int) -> Iterator[bytes]:
    chunk = bytes(range(256)) * (_CHUNK // 256)
    for _ in range(size // _CHUNK):
        yield chunk
    yield chunk[: size % _CHUNK]


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
