"""The key by which a server is known, in whatever form it was copied."""

import paramiko
import pytest

from source_customerscanvas.errors import InvalidSetting
from source_customerscanvas.files.stores.host_key import HostKey

ED25519 = "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
FINGERPRINT = "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"


@pytest.mark.parametrize(
    "text",
    [
        f"ssh-ed25519 {ED25519}",
        f"ssh-ed25519 {ED25519} root@sftp\n",
        f"[sftp.example.com]:2222 ssh-ed25519 {ED25519}",
        f"sftp.example.com,10.0.0.1 ssh-ed25519 {ED25519}",
        ED25519,
    ],
)
def test_given_a_key_in_any_form_when_read_then_it_is_the_same(text: str) -> None:
    key = HostKey.parse(text)
    assert (key.fingerprint, key.algorithms) == (FINGERPRINT, ("ssh-ed25519",))


@pytest.mark.parametrize("text", [FINGERPRINT, f"{FINGERPRINT}=", f"256 {FINGERPRINT} root@sftp (ED25519)"])
def test_given_a_fingerprint_when_read_then_a_key_of_any_kind_may_have_it(text: str) -> None:
    key = HostKey.parse(text)
    assert (key.fingerprint, key.algorithms) == (FINGERPRINT, ())


def test_given_an_rsa_key_when_read_then_it_is_shown_by_its_newer_signatures() -> None:
    key = paramiko.RSAKey.generate(2048).get_base64()
    assert HostKey.parse(f"ssh-rsa {key}").algorithms == ("rsa-sha2-512", "rsa-sha2-256")


@pytest.mark.parametrize(
    "text", ["ssh-ed25519", "MD5:00:11", "SHA256:short", "AAAA", "AAAAAAAA", "AAAAC3NzaC1lZDI1NTE5*", "AAAAA==="]
)
def test_given_something_that_is_no_key_when_read_then_the_error_names_the_setting(text: str) -> None:
    with pytest.raises(InvalidSetting, match=r"`files\.host_key`"):
        HostKey.parse(text)
