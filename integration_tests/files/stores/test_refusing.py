"""A store that refuses is told of in one sentence, at once, and without a secret."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paramiko
import pytest

from integration_tests.conftest import STOREFRONT
from integration_tests.files.mounts import without_mounts
from integration_tests.files.stores.conftest import Delivering
from integration_tests.files.stores.places import Place, sftp_place, without_sshd
from sandbox import FileSpec, Sandbox
from source_customerscanvas.errors import CustomersCanvasError, StoreAway, StoreUnavailable
from source_customerscanvas.files.stores.sftp_session import Session

MB = 1024 * 1024
OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
OTHER_KIND = (
    "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBEmKSENjQEezOmxkZMy7opKgwFB9nkt5YRrYMjNuG5"
    "N87uRgg6CLrbo5wAdT/y6v0mKV0U2w0WZ2YB/++Tpockg="
)


def refusal(delivering: Delivering, **files: Any) -> CustomersCanvasError:
    """What a check says."""
    with pytest.raises((StoreUnavailable, StoreAway)) as caught:
        delivering.check(**files)
    for secret in delivering.place.secrets:
        assert secret not in f"{caught.value.message}{caught.value.detail}"
    assert "Traceback" not in caught.value.message
    return caught.value


@pytest.mark.parametrize(
    ("place", "files", "words"),
    [
        ("s3", {"bucket": "no-such-bucket"}, ["NoSuchBucket", "create it"]),
        ("gcs", {"bucket": "no-such-bucket"}, ["NoSuchBucket", "create it"]),
        ("azure", {"container": "no-such-container"}, ["ContainerNotFound", "create it"]),
        ("azure", {"account_key": "bm90IHRoZSBrZXk="}, ["Check the key"]),
        ("azure", {"account_key": "", "sas_token": "sv=2021-08-06&sp=r&sig=bm90"}, ["Check the key"]),
        ("sftp", {"directory": "/no/such/directory"}, ["no such directory"]),
        ("sftp", {"user": "nobody-of-that-name"}, ["nobody-of-that-name", "private key"]),
        ("sftp", {"host_key": OTHER_KEY}, ["shows", "ssh-ed25519 AAAA", "SHA256:"]),
        ("sftp", {"host_key": OTHER_KIND}, ["shows", "ssh-ed25519 AAAA", "SHA256:"]),
        ("folder", {"path": "/proc/print-files"}, ["/proc/print-files"]),
    ],
    indirect=["place"],
)
def test_given_settings_that_do_not_fit_when_checked_then_one_sentence_says_what_to_change(
    delivering: Delivering, files: dict[str, Any], words: list[str]
) -> None:
    error = refusal(delivering, **files)
    assert error.failure_type == "config_error"
    for word in words:
        assert word in error.message
    for value in files.values():
        assert "sig=" not in error.message
        assert not str(value).startswith("bm90") or str(value) not in error.message


@pytest.mark.parametrize("place", ["s3", "sftp"], indirect=True)
def test_given_nobody_who_listens_when_checked_then_it_says_so_in_time(delivering: Delivering) -> None:
    files: dict[str, Any] = {"endpoint": "http://127.0.0.1:9", "port": 9}
    error = refusal(delivering, **{key: value for key, value in files.items() if key in delivering.place.files})
    assert (error.failure_type, "refuses connections" in error.message) == ("transient_error", True)


@pytest.mark.parametrize("place", ["sftp"], indirect=True)
def test_given_the_fingerprint_alone_when_checked_then_it_is_as_good_as_the_key(
    delivering: Delivering, tmp_path: Path
) -> None:
    words = ["ssh-keygen", "-lf", str(tmp_path / "host.pub")]
    told = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    delivering.check(host_key=told.split()[1])
    delivering.check(host_key=f"[127.0.0.1]:22 {delivering.place.files['host_key']}")


@pytest.mark.parametrize("place", ["sftp"], indirect=True)
@pytest.mark.parametrize("words", ["Authentication failed: transport shut down or saw EOF", "Authentication timeout."])
def test_given_a_line_that_breaks_at_the_login_when_checked_then_the_key_is_not_blamed(
    delivering: Delivering, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    def break_off(*_: object) -> None:
        raise paramiko.AuthenticationException(words)

    monkeypatch.setattr(paramiko.Transport, "auth_publickey", break_off)
    error = refusal(delivering)
    assert error.failure_type == "transient_error"
    assert "it broke off when the user" in error.message


@pytest.mark.parametrize("place", ["sftp"], indirect=True)
def test_given_a_server_that_wants_a_key_and_a_password_when_checked_then_it_says_so(
    delivering: Delivering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paramiko.Transport, "auth_publickey", lambda *_: ["password"])
    error = refusal(delivering)
    assert error.failure_type == "config_error"
    assert "wants more of the user" in error.message


@pytest.mark.parametrize("place", ["sftp"], indirect=True)
def test_given_a_server_that_makes_no_folder_and_does_not_say_why_when_checked_then_it_is_the_setting_of_all_files(
    delivering: Delivering, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("Failure")

    monkeypatch.setattr(Session, "mkdir", refuse)
    error = refusal(delivering)
    assert error.failure_type == "config_error"
    assert "the server says “Failure”" in error.message


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Place]:
    if why := without_sshd():
        pytest.skip(why)
    with sftp_place(tmp_path, tmp_path / "upload", "-R") as place:
        yield place


def test_given_a_server_that_may_only_be_read_when_checked_then_it_says_so(read_only: Place, tmp_path: Path) -> None:
    with Sandbox(empty=True) as sandbox:
        error = refusal(Delivering(sandbox, read_only))
    assert error.failure_type == "config_error"
    assert "permission denied" in error.message
    assert list((tmp_path / "upload").iterdir()) == []


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Place]:
    """A server on a disk with room for a file and a half."""
    if why := without_sshd():
        pytest.skip(why)
    root = tmp_path / "small"
    root.mkdir()
    if why := without_mounts("-t", "tmpfs", "-o", f"size={3 * MB}", "none", str(root)):
        pytest.skip(f"a full disk takes a small file system, and mounting one needs root: {why}")
    with sftp_place(tmp_path, root) as place:
        yield place
    subprocess.run(["umount", str(root)], check=True)


def test_given_a_server_whose_disk_is_full_when_files_are_delivered_then_it_says_so_and_only_whole_ones_lie_there(
    small: Place,
) -> None:
    with Sandbox(empty=True) as sandbox:
        sandbox.shop.add_storefront(STOREFRONT)
        delivering = Delivering(sandbox, small)
        project = delivering.add(*(FileSpec(id=f"f{number}", size=2 * MB) for number in range(2)))
        downloader = delivering.downloader()
        [first, second] = delivering.wanted(project).items()
        delivered = {first[0]: downloader.deliver(*first[1])}
        with pytest.raises(StoreUnavailable, match="the server says “Failure”"):
            downloader.deliver(*second[1])
        downloader.end(30)
        delivering.assert_holds(delivered)


# Killed runs

KILLED = """
import json, os, sys
from threading import Event
from source_customerscanvas.files.stores import store_for
from source_customerscanvas.settings import Settings
from source_customerscanvas.times import SYSTEM_CLOCK
config = json.loads(sys.argv[1])
store = store_for(Settings.from_config(config), SYSTEM_CLOCK, Event())
store.begin()
writer = store.open("1/card.pdf", None, None)
writer.write(bytes(20_000_000))
os._exit(9)
"""


@pytest.mark.parametrize("place", ["sftp", "folder"], indirect=True)
def test_given_a_killed_run_when_another_begins_later_then_what_it_left_is_hidden_and_goes(
    delivering: Delivering, tmp_path: Path
) -> None:
    config = delivering.sandbox.config(files=delivering.place.files)
    killed = subprocess.run([sys.executable, "-c", KILLED, json.dumps(config)], check=False)
    assert killed.returncode == 9
    left = delivering.place.contents()
    assert left
    assert all(path.rpartition("/")[2].startswith(".") for path in left)
    for path in (tmp_path / "upload").rglob("*.part"):
        os.utime(path, (0, 0))  # a day later, as only its age tells that no other run is writing it

    downloader = delivering.downloader()
    downloader.end(30)

    assert delivering.place.contents() == {}
