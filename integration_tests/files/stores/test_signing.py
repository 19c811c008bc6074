"""How an S3 server is told that the bytes are those of whoever has the key."""

from __future__ import annotations

from pathlib import Path

import pytest

from integration_tests.certificates import Certificates
from integration_tests.conftest import STOREFRONT
from integration_tests.files.stores.conftest import Delivering
from integration_tests.files.stores.places import Place, s3_place
from sandbox import FileSpec, Sandbox
from source_customerscanvas.errors import StoreAway

MB = 1024 * 1024


def deliver_some(place: Place) -> None:
    with Sandbox(empty=True) as sandbox:
        sandbox.shop.add_storefront(STOREFRONT)
        delivering = Delivering(sandbox, place)
        project = delivering.add(FileSpec(id="small", size=1000), FileSpec(id="large", size=11 * MB))
        delivering.assert_holds(delivering.deliver(project))


def test_given_https_when_files_are_delivered_then_their_bytes_are_left_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificates = Certificates.make(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))
    with s3_place(certificates) as place:
        deliver_some(place)
        assert set(place.signed_bodies()) == {"UNSIGNED-PAYLOAD"}


def test_given_plain_http_when_files_are_delivered_then_their_bytes_are_signed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_UNSIGNED_PAYLOAD", "true")
    with s3_place() as place:
        deliver_some(place)
        signed = place.signed_bodies()
    assert len(signed) >= 4
    assert all(len(digest) == 64 for digest in signed)


def test_given_a_certificate_that_nobody_vouches_for_when_checked_then_it_says_so(tmp_path: Path) -> None:
    with Sandbox(empty=True) as sandbox, s3_place(Certificates.make(tmp_path, "localhost")) as place:
        with pytest.raises(StoreAway, match="TLS certificate is not trusted"):
            Delivering(sandbox, place).check()
        assert place.contents() == {}
