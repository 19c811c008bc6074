"""Servers that look at keys and rights refuse what these do not allow, and a check says so."""

from __future__ import annotations

import pytest

from integration_tests.files.stores.conftest import Delivering
from integration_tests.files.stores.places import azure_sas, s3_with_rights
from sandbox import FileSpec
from source_customerscanvas.errors import CustomersCanvasError, StoreUnavailable

MB = 1024 * 1024
OF_THE_DOCS = ("s3:PutObject", "s3:GetObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListBucket")


def refusal(delivering: Delivering, files: dict[str, str]) -> CustomersCanvasError:
    with pytest.raises(StoreUnavailable) as caught:
        delivering.check(**files)
    for value in filter(None, files.values()):
        assert value not in caught.value.message
    assert ".." not in caught.value.message
    return caught.value


@pytest.mark.parametrize("place", ["s3"], indirect=True)
@pytest.mark.parametrize(
    "actions", [("s3:GetObject", "s3:ListBucket"), ("s3:PutObject",), ("s3:PutObject", "s3:GetObject")]
)
def test_given_a_key_that_lacks_a_right_when_checked_then_it_says_which_rights_are_needed(
    delivering: Delivering, actions: tuple[str, ...]
) -> None:
    with s3_with_rights(delivering.place, *actions) as key:
        error = refusal(delivering, key)
    assert "may put, get and delete objects and abort multipart uploads" in error.message


@pytest.mark.parametrize("place", ["s3"], indirect=True)
def test_given_the_rights_of_the_docs_when_files_are_delivered_then_they_are_enough(delivering: Delivering) -> None:
    project = delivering.add(FileSpec(id="small", size=1000), FileSpec(id="large", size=11 * MB))
    [small, large] = delivering.wanted(project).items()
    with s3_with_rights(delivering.place, *OF_THE_DOCS) as key:
        delivering.check(**key)
        downloader = delivering.downloader(**key)
        delivered = {id_: downloader.deliver(*one) for id_, one in (small, large)}
        store = delivering.store(**key)
        store.begin()
        writer = store.open("broken.pdf", 11 * MB, None)
        writer.write(bytes(11 * MB))
        writer.abort()
    delivering.assert_holds(delivered)


@pytest.mark.parametrize("place", ["s3"], indirect=True)
@pytest.mark.parametrize(
    ("wrong", "word"),
    [({"access_key_id": "AKIA0000"}, "InvalidAccessKeyId"), ({"secret_access_key": "wrong"}, "SignatureDoesNotMatch")],
)
def test_given_a_wrong_key_when_checked_then_the_servers_own_word_is_told(
    delivering: Delivering, wrong: dict[str, str], word: str
) -> None:
    with s3_with_rights(delivering.place, *OF_THE_DOCS) as key:
        error = refusal(delivering, {**key, **wrong})
    assert word in error.message
    assert "Check the key" in error.message


@pytest.mark.parametrize("place", ["azure"], indirect=True)
@pytest.mark.parametrize(
    ("permissions", "expiry", "word"),
    [
        ("r", "2099-12-31T00:00:00Z", "AuthorizationPermissionMismatch"),
        ("rcw", "2099-12-31T00:00:00Z", "not authorized to perform this operation"),
        ("rcwd", "2020-01-01T00:00:00Z", "AuthorizationFailure"),
    ],
    ids=["read-only", "without-delete", "expired"],
)
def test_given_a_signature_that_does_not_allow_it_when_checked_then_it_says_what_is_needed(
    delivering: Delivering, permissions: str, expiry: str, word: str
) -> None:
    signature = azure_sas(delivering.place.files["container"], permissions, expiry)
    error = refusal(delivering, {"account_key": "", "sas_token": signature})
    assert word in error.message
    assert "may create, write, read and delete blobs" in error.message
    assert signature.rpartition("sig=")[2] not in error.message


@pytest.mark.parametrize("place", ["azure"], indirect=True)
@pytest.mark.parametrize("mark", ["", "?"])
def test_given_the_signature_of_the_docs_when_files_are_delivered_then_it_is_enough(
    delivering: Delivering, mark: str
) -> None:
    project = delivering.add(FileSpec(id="small", size=1000), FileSpec(id="large", size=11 * MB))
    files = {"account_key": "", "sas_token": mark + azure_sas(delivering.place.files["container"], "rcwd")}
    delivering.check(**files)
    downloader = delivering.downloader(**files)
    delivering.assert_holds({id_: downloader.deliver(*one) for id_, one in delivering.wanted(project).items()})
