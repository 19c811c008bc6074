"""A destination with file transfer: takes a source's messages and keeps the files in a bucket, as platforms do.

A file of the staging folder is moved to `<stream>/<relative path>` in the bucket. A state is the platform's only once
everything before it is stored.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

Message = Mapping[str, Any]


class BucketDestination:
    """Stores in batches of so many messages, as bucket destinations do; what a batch has not reached is not stored.

    `client` is boto3's for S3. `states` are those that the next sync is to be given, `rows` the stored records of each
    stream in their order.
    """

    def __init__(self, client: Any, bucket: str, batch: int = 10) -> None:
        self.states: dict[str, Message] = {}
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self._client = client
        self._bucket = bucket
        self._batch = batch
        self._waiting: list[Message] = []

    def take(self, message: Message) -> None:
        """Accept a message in the order in which the source gave them."""
        if message["type"] in ("RECORD", "STATE"):
            self._waiting.append(message)
        if len(self._waiting) >= self._batch:
            self.flush()

    def flush(self) -> None:
        """Store what has been accepted: at the end of each batch, and of the sync."""
        for message in self._waiting:
            if message["type"] == "RECORD":
                self._store(message["record"])
            else:
                self.states[message["state"]["stream"]["stream_descriptor"]["name"]] = message["state"]
        self._waiting.clear()

    def crash(self) -> None:
        """Lose what has been accepted and not stored."""
        self._waiting.clear()

    @property
    def state(self) -> list[Message]:
        return list(self.states.values())

    def objects(self) -> dict[str, bytes]:
        """The content of each key of the bucket."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket)
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        return {key: self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read() for key in keys}

    def _store(self, record: Message) -> None:
        reference = record.get("file_reference")
        if reference:
            staged = Path(reference["staging_file_url"])
            if staged.stat().st_size != reference["file_size_bytes"]:
                raise ValueError(f"{staged} has {staged.stat().st_size} bytes, not {reference['file_size_bytes']}")
            key = f"{record['stream']}/{reference['source_file_relative_path']}"
            self._client.upload_file(str(staged), self._bucket, key)
            staged.unlink()
        self.rows.setdefault(record["stream"], []).append(record["data"])
