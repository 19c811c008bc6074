"""What a bucket's server answers, and what is made of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from threading import Event
from typing import Any

import pytest

from source_customerscanvas.errors import FileRefused, InvalidSetting, Stopped, StoreAway, StoreUnavailable
from source_customerscanvas.files.stores import bucket, clouds
from source_customerscanvas.files.stores.bucket import BucketStore, part_size
from source_customerscanvas.settings import Files
from unit_tests.http_server import Answer, Request, Server

MIB = 1024 * 1024
SECRET = "s3cret-of-the-shop"


def refusal(code: str, words: str = "why") -> str:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{words}</Message></Error>"


def holding(size: str, status: int = 200) -> Callable[[Request], Answer]:
    """A server that takes everything, and says with this status that so many bytes lie there."""
    stored = {"ETag": '"1"', "Last-Modified": "Tue, 05 Mar 2024 10:11:12 GMT"}
    head = Answer(status, headers={**stored, "Content-Length": size})
    return lambda request: head if request.method == "HEAD" else Answer(headers=stored)


def bucket_of(server: Server, **files: Any) -> bucket.Bucket:
    given = {"bucket": "print", "endpoint": server.url, "access_key_id": "shop", "secret_access_key": SECRET}
    return clouds.s3(Files(**{"delivery": "s3", **given, **files}))


def asked(server: Server) -> list[str]:
    return [f"{request.method} {request.path}" for request in server.requests]


def begun(server: Server, stopping: Event | None = None) -> BucketStore:
    store = BucketStore(bucket_of(server), stopping or Event())
    store.begin()
    return store


def put(store: BucketStore, content: bytes = b"card") -> None:
    store.begin()
    store.put("1/card.pdf", content, "application/pdf")


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (403, refusal("AccessDenied"), StoreUnavailable, ["AccessDenied", "Check the key", "abort multipart"]),
        (403, refusal("SignatureDoesNotMatch", f"{SECRET}!"), StoreUnavailable, ["SignatureDoesNotMatch: ***!"]),
        (401, "", StoreUnavailable, ["Check the key"]),
        (404, refusal("NoSuchBucket"), StoreUnavailable, ["NoSuchBucket", "create it"]),
        (400, refusal("AuthorizationHeaderMalformed", "expecting eu"), StoreUnavailable, ["expecting eu", "region"]),
        (301, refusal("PermanentRedirect"), StoreUnavailable, ["region"]),
        (400, refusal("KeyTooLongError"), FileRefused, ["KeyTooLongError", "1/card.pdf", "`file_path`"]),
        (507, refusal("XMinioStorageFull", "no room."), StoreUnavailable, ["XMinioStorageFull: no room. Make room"]),
        (403, refusal("QuotaExceeded", "no room"), StoreUnavailable, ["QuotaExceeded: no room"]),
        (409, refusal("BlobImmutableDueToPolicy"), FileRefused, ["BlobImmutableDueToPolicy", "1/card.pdf"]),
        (412, refusal("LeaseIdMissing"), FileRefused, ["LeaseIdMissing", "1/card.pdf"]),
        (503, refusal("SlowDown"), StoreAway, ["SlowDown"]),
        (400, refusal("RequestTimeout"), StoreAway, ["RequestTimeout"]),
    ],
)
def test_given_a_server_that_says_no_when_a_file_is_put_there_then_the_error_says_what_to_change(
    server: Server, status: int, body: str, kind: type[Exception], words: list[str]
) -> None:
    server.answer = lambda _: Answer(status, body.encode())
    with pytest.raises(kind) as caught:
        put(BucketStore(bucket_of(server), Event(), is_hasty=True))
    for word in words:
        assert word in str(caught.value)
    assert SECRET not in str(caught.value)
    # only for an answer of 5xx the library has waited itself
    assert getattr(caught.value, "is_bridged", status >= 500) == (status >= 500)


@pytest.mark.parametrize(("status", "size"), [(200, "3"), (404, "0")])
def test_given_a_server_that_does_not_have_all_of_it_when_a_file_is_put_there_then_it_is_not_delivered(
    server: Server, status: int, size: str
) -> None:
    server.answer = holding(size, status)
    with pytest.raises(StoreAway, match="of the 4 bytes") as caught:
        put(BucketStore(bucket_of(server), Event(), is_hasty=True))
    assert not caught.value.is_bridged


def test_given_a_small_file_when_it_is_put_there_then_one_request_stores_it_and_one_confirms_it(
    server: Server,
) -> None:
    server.answer = holding("4")
    put(BucketStore(bucket_of(server, prefix="/shop/"), Event()))
    assert asked(server) == ["PUT /print/shop/1/card.pdf", "HEAD /print/shop/1/card.pdf"]


@pytest.mark.parametrize("name", ["AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_ENDPOINT", "AWS_REGION", "AWS_BUCKET"])
def test_given_an_environment_with_other_settings_when_a_key_is_entered_then_it_alone_counts(
    server: Server, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:9/elsewhere")
    server.answer = holding("4")
    put(BucketStore(bucket_of(server), Event(), is_hasty=True))
    assert asked(server) == ["PUT /print/1/card.pdf", "HEAD /print/1/card.pdf"]


@pytest.mark.parametrize(
    ("files", "field"),
    [
        ({"access_key_id": ""}, "files.access_key_id"),
        ({"secret_access_key": ""}, "files.secret_access_key"),
    ],
)
def test_given_half_a_key_when_a_bucket_is_described_then_the_error_names_the_other_half(
    server: Server, files: dict[str, str], field: str
) -> None:
    with pytest.raises(InvalidSetting, match=f"`{field}`"):
        bucket_of(server, **files)


@pytest.mark.parametrize(
    "account",
    [
        "no JSON",
        "[]",
        json.dumps({"gcs_base_url": "http://elsewhere.example"}),
        json.dumps({"gcs_base_url": "file:///x"}),
    ],
)
def test_given_no_key_of_a_service_account_when_a_bucket_is_described_then_it_is_refused(account: str) -> None:
    with pytest.raises(InvalidSetting, match=r"`files\.service_account`") as caught:
        clouds.gcs(Files("gcs", bucket="print", service_account=account))
    assert "elsewhere" not in caught.value.message


@pytest.mark.parametrize(
    "described",
    [
        clouds.azure(Files("azure", account="shop", container="print", account_key="s3cret, no base64!")),
        clouds.gcs(Files("gcs", bucket="print", service_account='{"type": "service_account"}')),
        clouds.gcs(
            Files(
                "gcs",
                bucket="print",
                service_account='{"client_email": "a", "private_key_id": "1", "private_key": "s3cret"}',
            )
        ),
    ],
)
def test_given_a_broken_key_when_a_file_is_put_there_then_it_says_so_without_the_key(described: bucket.Bucket) -> None:
    with pytest.raises(StoreUnavailable, match="cannot be read") as caught:
        put(BucketStore(described, Event(), is_hasty=True))
    assert "s3cret" not in caught.value.message


@pytest.mark.parametrize(
    ("make", "files", "url"),
    [
        (clouds.s3, {"bucket": "print", "prefix": "shop"}, "s3://print/shop/1/a b.pdf"),
        (clouds.gcs, {"bucket": "print"}, "gs://print/1/a b.pdf"),
        (
            clouds.azure,
            {"account": "shop", "container": "print", "prefix": "ü", "sas_token": "sig=1"},
            "https://shop.blob.core.windows.net/print/%C3%BC/1/a%20b.pdf",
        ),
    ],
)
def test_given_a_bucket_when_asked_where_a_file_lies_then_it_is_told_in_the_form_of_its_cloud(
    make: Callable[[Files], bucket.Bucket], files: dict[str, Any], url: str
) -> None:
    assert make(Files(**files)).url("1/a b.pdf") == url


# The end of a run


def test_given_uploads_when_abandoned_then_all_are_dropped_at_the_same_time(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploads = 40
    store, together, dropped = begun(server), threading.Barrier(uploads), list[int]()
    for number in range(uploads):
        writer = store.open(f"{number}.pdf", 1000, None)
        monkeypatch.setattr(writer, "drop", lambda: dropped.append(together.wait(30)))
    monkeypatch.setattr(bucket, "_ABORT_SECONDS", 60)
    store.abandon()
    assert sorted(dropped) == list(range(uploads))


def test_given_an_upload_whose_server_is_silent_when_abandoned_then_it_is_not_waited_for(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, answer = begun(server), threading.Event()
    monkeypatch.setattr(store.open("1.pdf", 1000, None), "drop", answer.wait)
    monkeypatch.setattr(bucket, "_ABORT_SECONDS", 0.01)
    store.abandon()
    answer.set()


def test_given_an_upload_that_cannot_be_aborted_when_dropped_then_the_log_tells_and_nothing_is_raised(
    server: Server, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level("DEBUG", "airbyte.source-customerscanvas")
    writer = begun(server).open("a.pdf", 1000, None)
    writer.write(bytes(10))

    class Failing:
        def closed(self) -> bool:
            return False

        def __exit__(self, *_: object) -> None:
            raise OSError("https://bucket.example/?sig=secret")

    with monkeypatch.context() as failing:
        failing.setattr(writer, "_upload", Failing())
        writer.abort()
    assert [message for message in caplog.messages if "could not be aborted: OSError" in message]
    assert "sig=" not in caplog.text


def test_given_an_upload_that_has_been_aborted_when_dropped_again_then_there_is_nothing_to_tell(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "airbyte.source-customerscanvas")
    writer = begun(server).open("a.pdf", 1000, None)
    for _ in range(3):
        writer.abort()
    assert caplog.messages == []


# Parts and memory


@pytest.mark.parametrize(
    ("size", "part"),
    [(None, 16), (0, 5), (5 * MIB, 5), (40 * 1024 * MIB, 5), (70 * 1024 * MIB, 8), (5 * 1024 * 1024 * MIB, 525)],
)
def test_given_a_size_when_parts_are_planned_then_there_are_fewer_than_ten_thousand(
    size: int | None, part: int
) -> None:
    assert part_size(size) == part * MIB
    assert (size or 0) / part_size(size) < 10_000


def test_given_more_large_files_than_memory_is_for_when_opened_then_they_take_turns(server: Server) -> None:
    store = begun(server)
    writers = [store.open(f"{number}.pdf", 64 * MIB, None) for number in range(3)]
    opened = threading.Event()

    def open_next() -> None:
        store.open("next.pdf", 64 * MIB, None).abort()
        opened.set()

    thread = threading.Thread(target=open_next)
    thread.start()
    assert not opened.wait(0.2)
    writers[0].abort()
    writers[0].abort()
    assert opened.wait(30)
    thread.join()
    for writer in writers:
        writer.abort()


def test_given_large_files_that_were_stored_when_more_are_opened_then_nobody_waits(server: Server) -> None:
    server.answer = holding("4")
    stopping = Event()
    stopping.set()  # who has to wait stops
    store = begun(server, stopping)
    for number in range(4):
        writer = store.open(f"{number}.pdf", 64 * MIB, None)
        writer.write(b"card")
        writer.commit()


def test_given_the_end_of_a_sync_when_somebody_waits_for_memory_then_he_stops(server: Server) -> None:
    stopping = Event()
    store = begun(server, stopping)
    writers = [store.open(f"{number}.pdf", 64 * MIB, None) for number in range(3)]
    stopping.set()
    with pytest.raises(Stopped):
        store.open("next.pdf", 64 * MIB, None)
    for writer in writers:
        writer.abort()
