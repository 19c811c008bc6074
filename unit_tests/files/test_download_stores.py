"""A download goes on over a store that is away for a while."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from source_customerscanvas.api.client import ApiClient
from source_customerscanvas.errors import FileRefused, StoreAway, StoreUnavailable
from source_customerscanvas.files.download import Downloader
from source_customerscanvas.files.stores.folder import FolderStore
from source_customerscanvas.files.stores.store import Writer
from unit_tests.downloads import BODY, PATH, PRIVATE, assert_whole, found, ranged
from unit_tests.http_server import Answer, FakeClock, Server

AWAY = StoreAway("the store", "it refuses connections")


class _Writer:
    """A writer that fails as its store was told."""

    def __init__(self, store: "FailingStore", writer: Writer) -> None:
        self._store = store
        self._writer = writer

    def write(self, chunk: bytes) -> None:
        self._store.fail("write")
        self._writer.write(chunk)

    def commit(self) -> None:
        self._store.fail("commit")
        self._writer.commit()

    def abort(self) -> None:
        self._writer.abort()


class FailingStore(FolderStore):
    """A folder that fails in these steps, one after the other; the last one for ever if it is `...`."""

    def __init__(self, directory: Path, failures: Iterable[tuple[str, Exception]]) -> None:
        super().__init__(directory)
        self.failures = list(failures)
        self.is_gone: Exception | None = None

    def fail(self, step: str) -> None:
        if self.is_gone:
            raise self.is_gone
        if self.failures and self.failures[0][0] == step:
            raise self.failures.pop(0)[1]

    def begin(self) -> None:
        self.fail("begin")
        super().begin()

    def open(self, path: str, size: int | None, content_type: str | None) -> Writer:
        self.fail("open")
        return _Writer(self, super().open(path, size, content_type))


@pytest.mark.parametrize(
    "steps", [["open"], ["write"], ["commit"], ["commit", "open"], ["open", "write", "open", "open", "commit"]]
)
def test_given_a_store_that_is_away_for_a_moment_when_a_file_is_delivered_then_it_lies_there_whole(
    server: Server, client: ApiClient, clock: FakeClock, tmp_path: Path, steps: list[str]
) -> None:
    server.answer = lambda _: Answer(200, BODY)
    store = FailingStore(tmp_path, [(step, AWAY) for step in steps])
    assert_whole(Downloader(client, store, clock).deliver(PRIVATE, PATH), tmp_path)
    assert store.failures == []


def test_given_a_store_that_loses_a_file_when_the_download_breaks_too_then_it_is_begun_anew(
    server: Server, client: ApiClient, clock: FakeClock, tmp_path: Path
) -> None:
    cuts = iter([1000, 1000, 500, None])
    server.answer = lambda request: ranged(request, cut=next(cuts))
    store = FailingStore(tmp_path, [("commit", AWAY)])
    store.failures = [("write", AWAY)]
    assert_whole(Downloader(client, store, clock).deliver(PRIVATE, PATH), tmp_path)
    assert "Range" not in server.api_requests[1].headers


def test_given_a_store_that_was_away_when_the_download_breaks_too_then_its_tries_are_not_those_of_the_store(
    server: Server, client: ApiClient, clock: FakeClock, tmp_path: Path
) -> None:
    page = Answer(200, b"<html>", {"Content-Type": "text/html"})
    server.script(*[page] * 5, Answer(200, BODY))
    store = FailingStore(tmp_path, [("open", AWAY)] * 5)
    assert_whole(Downloader(client, store, clock).deliver(PRIVATE, PATH), tmp_path)


def test_given_a_link_that_breaks_again_and_again_when_the_store_is_away_once_then_what_comes_anew_is_progress(
    server: Server, client: ApiClient, clock: FakeClock, tmp_path: Path
) -> None:
    server.answer = lambda request: ranged(request, cut=1000)
    store = FailingStore(tmp_path, [])
    received: list[int] = []

    def progress(size: int) -> None:
        received.append(size)
        if sum(received) == 8000:
            store.failures = [("write", AWAY)]

    assert_whole(Downloader(client, store, clock, progress).deliver(PRIVATE, PATH), tmp_path)
    assert sum(received) == 8000 + len(BODY)


def test_given_a_store_that_has_taken_more_since_when_it_is_away_once_more_then_it_is_borne_anew(
    server: Server, client: ApiClient, clock: FakeClock, tmp_path: Path
) -> None:
    server.script(Answer(200, BODY, cut=1000), Answer(200, BODY), Answer(200, BODY, cut=2000), Answer(200, BODY))
    store = FailingStore(tmp_path, [])

    def progress(_: int) -> None:
        clock.pass_time(150)
        if len(server.api_requests) in (1, 3):
            store.failures = [("write", AWAY)]

    assert_whole(Downloader(client, store, clock, progress).deliver(PRIVATE, PATH), tmp_path)


@pytest.mark.parametrize("failures", [1, 5])
def test_given_a_store_that_is_away_when_a_sync_begins_then_it_is_waited_for(
    client: ApiClient, clock: FakeClock, tmp_path: Path, failures: int
) -> None:
    store = FailingStore(tmp_path, [("begin", AWAY)] * failures)
    Downloader(client, store, clock).begin()
    assert store.failures == []


def test_given_a_store_that_stays_away_when_a_sync_begins_then_it_is_given_up_after_two_minutes(
    client: ApiClient, clock: FakeClock, tmp_path: Path
) -> None:
    store = FailingStore(tmp_path, [])
    store.is_gone = AWAY
    began = clock.monotonic()
    with pytest.raises(StoreAway):
        Downloader(client, store, clock).begin()
    assert 120 <= clock.monotonic() - began < 200


def test_given_a_store_that_refuses_when_a_sync_begins_then_it_is_not_asked_again(
    client: ApiClient, clock: FakeClock, tmp_path: Path
) -> None:
    store = FailingStore(tmp_path, [("begin", StoreUnavailable("the store", "wrong password"))] * 2)
    with pytest.raises(StoreUnavailable):
        Downloader(client, store, clock).begin()
    assert (len(store.failures), clock.waits) == (1, [])


@pytest.mark.parametrize("step", ["open", "deliver"])
def test_given_a_store_that_stays_away_when_two_minutes_are_over_then_it_is_given_up_and_nothing_is_left(
    server: Server, client: ApiClient, clock: FakeClock, tmp_path: Path, step: str
) -> None:
    server.answer = lambda _: Answer(200, BODY)
    store = FailingStore(tmp_path, [])
    files = Downloader(client, store, clock, lambda _: setattr(store, "is_gone", AWAY))
    if step == "open":
        store.is_gone = AWAY
    began = clock.monotonic()
    with pytest.raises(StoreAway):
        files.deliver(PRIVATE, PATH)
    assert 120 <= clock.monotonic() - began < 200
    assert found(tmp_path) == []


@pytest.mark.parametrize(
    "error",
    [
        StoreUnavailable("the store", "full"),
        FileRefused("the store", PATH, "too long"),
        StoreAway("the store", "no", is_bridged=True),
    ],
)
@pytest.mark.parametrize("step", ["open", "write", "commit"])
def test_given_a_store_that_refuses_when_a_file_is_delivered_then_it_is_not_asked_again(
    server: Server, client: ApiClient, clock: FakeClock, tmp_path: Path, step: str, error: Exception
) -> None:
    server.answer = lambda _: Answer(200, BODY)
    store = FailingStore(tmp_path, [(step, error)])
    with pytest.raises(type(error)):
        Downloader(client, store, clock).deliver(PRIVATE, PATH)
    assert sum(clock.waits) == 0
    assert found(tmp_path) == []


def test_given_a_file_of_the_connectors_own_when_the_store_is_away_for_a_moment_then_it_lies_there(
    client: ApiClient, clock: FakeClock, tmp_path: Path
) -> None:
    store = FailingStore(tmp_path, [("open", AWAY), ("write", AWAY), ("commit", AWAY)])
    assert_whole(Downloader(client, store, clock).put(PATH, BODY, "application/json"), tmp_path)
