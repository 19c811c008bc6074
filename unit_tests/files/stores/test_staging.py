"""Airbyte's staging directory, and the room in it."""

import errno
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import pytest

from source_customerscanvas.errors import FileRefused, Stopped, StoreAway, StoreUnavailable
from source_customerscanvas.files.stores import room, staging
from source_customerscanvas.files.stores.staging import StagingStore, staging_directory
from unit_tests.http_server import FakeClock

MB = 1024 * 1024


@pytest.fixture
def stopping() -> Event:
    return Event()


@pytest.fixture
def store(tmp_path: Path, clock: FakeClock, stopping: Event, monkeypatch: pytest.MonkeyPatch) -> Iterator[StagingStore]:
    """A volume with room for 20 MB, half of which may be used."""
    monkeypatch.setenv("AIRBYTE_STAGING_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("CONNECTOR_STORAGE_LIMIT_BYTES", str(20 * MB))
    made = StagingStore(clock, stopping)
    made.begin()
    yield made
    made.end()


def put(store: StagingStore, path: str, size: int, listed: int | None = None) -> None:
    writer = store.open(path, listed if listed is not None else size, None)
    writer.write(bytes(size))
    writer.commit()
    writer.abort()


def lying(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def taking_away(directory: Path) -> Callable[[], None]:
    """A destination that takes the oldest file away whenever somebody waits."""

    def take() -> None:
        files = [path for path in directory.rglob("*.pdf") if path.is_file()]
        if files:
            min(files, key=lambda path: path.stat().st_mtime_ns).unlink()

    return take


# Which directory


def test_given_a_platform_when_chosen_then_its_directory_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRBYTE_STAGING_DIRECTORY", str(tmp_path / "platform"))
    assert staging_directory() == tmp_path / "platform/artifact_files"


def test_given_no_platform_when_chosen_then_it_lies_below_the_temporary_directory_unless_the_default_exists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRBYTE_STAGING_DIRECTORY", raising=False)
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(staging, "_PLATFORM_DIRECTORY", tmp_path / "default")
    assert staging_directory() == tmp_path / "airbyte-file-transfer/artifact_files"
    (tmp_path / "default").mkdir()
    assert staging_directory() == tmp_path / "default/artifact_files"


def test_given_a_platform_whose_directory_is_missing_when_begun_then_it_says_so_and_makes_none(
    tmp_path: Path, clock: FakeClock, stopping: Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRBYTE_STAGING_DIRECTORY", str(tmp_path / "missing"))
    with pytest.raises(StoreUnavailable, match="missing"):
        StagingStore(clock, stopping).begin()
    assert list(tmp_path.iterdir()) == []


def test_given_a_platform_when_a_connection_is_checked_then_the_directory_need_not_be_there(
    tmp_path: Path, clock: FakeClock, stopping: Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRBYTE_STAGING_DIRECTORY", str(tmp_path / "missing"))
    StagingStore(clock, stopping).check()


def test_given_a_staged_file_when_asked_where_it_is_then_only_this_machine_knows_it(
    store: StagingStore, tmp_path: Path
) -> None:
    put(store, "1/card.pdf", 10)
    assert store.url("1/card.pdf") is None
    assert store.local_path("1/card.pdf") == str(tmp_path / "artifact_files/1/card.pdf")


def test_given_a_volume_that_does_not_tell_its_room_when_begun_then_it_says_so(
    tmp_path: Path, clock: FakeClock, stopping: Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setenv("AIRBYTE_STAGING_DIRECTORY", str(tmp_path))
    monkeypatch.delenv("CONNECTOR_STORAGE_LIMIT_BYTES", raising=False)
    monkeypatch.setattr("shutil.disk_usage", fail)
    store = StagingStore(clock, stopping)
    with pytest.raises(StoreUnavailable, match="Input/output error"):
        store.begin()
    store.end()


# Room


def test_given_more_files_than_there_is_room_for_when_they_are_taken_away_then_all_come_and_half_stays_free(
    store: StagingStore, clock: FakeClock, tmp_path: Path
) -> None:
    clock.on_wait = taking_away(tmp_path)
    most = 0
    for number in range(60):
        put(store, f"{number}.pdf", MB)
        most = max(most, lying(tmp_path))
    assert most == 10 * MB
    assert 40 <= len(clock.waits) <= 70


def test_given_a_file_larger_than_the_room_when_others_lie_there_then_it_waits_and_goes_alone(
    store: StagingStore, clock: FakeClock, tmp_path: Path
) -> None:
    for number in range(3):
        put(store, f"{number}.pdf", MB)
    clock.on_wait = taking_away(tmp_path)
    put(store, "large.pdf", 15 * MB)
    assert [path.name for path in tmp_path.rglob("*.pdf")] == ["large.pdf"]


@pytest.mark.parametrize("known", [True, False])
def test_given_nobody_who_takes_files_away_when_ten_minutes_are_over_then_it_says_so(
    store: StagingStore, clock: FakeClock, tmp_path: Path, known: bool
) -> None:
    put(store, "large.pdf", 10 * MB)
    began = clock.monotonic()
    with pytest.raises(StoreAway, match="ten minutes") as caught:
        store.open("next.pdf", MB if known else None, None)
    assert 600 <= clock.monotonic() - began < 605
    assert caught.value.is_bridged
    assert {path.name for path in tmp_path.rglob("*.pdf")} == {"large.pdf"}


def test_given_something_that_moves_once_in_a_while_when_somebody_waits_then_it_is_not_given_up(
    store: StagingStore, clock: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(10):
        put(store, f"{number}.pdf", MB)
    monkeypatch.setattr(room, "_LOOK_SECONDS", 20.0)  # as each look takes longer than nothing
    take, began = taking_away(tmp_path), clock.monotonic()
    clock.on_wait = lambda: (
        take() if (clock.monotonic() - began) // 500 > 10 - len(list(tmp_path.rglob("*.pdf"))) else None
    )
    put(store, "large.pdf", 8 * MB)
    assert clock.monotonic() - began > 3500


def test_given_a_large_file_that_comes_slowly_when_somebody_waits_for_its_room_then_he_is_not_given_up(
    store: StagingStore, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_LOOK_SECONDS", 60.0)
    slow, began = store.open("slow.pdf", 8 * MB, None), clock.monotonic()
    clock.on_wait = lambda: slow.write(b"x") if clock.monotonic() < began + 1500 else slow.abort()
    put(store, "next.pdf", 8 * MB)
    assert clock.monotonic() == began + 1500


def test_given_a_file_of_unknown_size_when_it_grows_beyond_the_room_then_it_waits_for_those_that_lie_there(
    store: StagingStore, clock: FakeClock, tmp_path: Path
) -> None:
    for number in range(8):
        put(store, f"{number}.pdf", MB)
    clock.on_wait = taking_away(tmp_path)
    writer = store.open("unknown.pdf", None, None)
    for _ in range(6):
        writer.write(bytes(MB))
        assert lying(tmp_path) <= 10 * MB
    writer.commit()
    put(store, "after.pdf", 4 * MB)
    assert lying(tmp_path) <= 10 * MB


def test_given_two_files_of_unknown_size_when_they_grow_beyond_the_room_together_then_neither_waits_for_the_other(
    store: StagingStore, clock: FakeClock
) -> None:
    writers = [store.open(f"{number}.pdf", None, None) for number in range(2)]
    for _ in range(7):
        for writer in writers:
            writer.write(bytes(MB))
    for writer in writers:
        writer.commit()
    assert clock.waits == []


def test_given_files_that_are_given_up_when_more_come_then_their_room_is_free_again(
    store: StagingStore, clock: FakeClock
) -> None:
    for _ in range(5):
        writer = store.open("broken.pdf", 8 * MB, None)
        writer.write(bytes(MB))
        writer.abort()
    with pytest.raises(FileRefused):
        store.open("x" * 300 + "/card.pdf", 8 * MB, None)
    put(store, "card.pdf", 10, listed=9 * MB)
    put(store, "card.pdf", MB)
    put(store, "other.pdf", 9 * MB)
    assert clock.waits == []


def test_given_the_end_of_a_sync_when_somebody_waits_for_room_then_he_stops(
    store: StagingStore, clock: FakeClock, stopping: Event
) -> None:
    put(store, "large.pdf", 10 * MB)
    clock.on_wait = stopping.set
    with pytest.raises(Stopped):
        store.open("next.pdf", MB, None)


@pytest.mark.parametrize("limit", ["", "0", "5G"])
def test_given_no_limit_when_begun_then_half_of_what_is_free_may_be_used(
    tmp_path: Path, clock: FakeClock, stopping: Event, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setenv("AIRBYTE_STAGING_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("CONNECTOR_STORAGE_LIMIT_BYTES", limit)
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 4 * MB}))
    store = StagingStore(clock, stopping)
    store.begin()
    put(store, "one.pdf", MB)
    put(store, "two.pdf", MB)
    assert clock.waits == []
    clock.on_wait = stopping.set
    with pytest.raises(Stopped):
        store.open("three.pdf", 1, None)
    store.end()
