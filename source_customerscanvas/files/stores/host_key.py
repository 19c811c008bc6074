"""The key by which an SFTP server is known."""

import base64
import re
from contextlib import suppress
from dataclasses import dataclass

import paramiko
from paramiko.pkey import UnknownKeyType

from source_customerscanvas.errors import InvalidSetting

_FINGERPRINT = re.compile(r"(SHA256:[A-Za-z0-9+/]{43})=?\Z")
_KEY = re.compile(r"AAAA[A-Za-z0-9+/=]+\Z")


@dataclass(frozen=True)
class HostKey:
    """The fingerprint of a key, and the algorithms by which a server shows it: none where only the first is known."""

    fingerprint: str
    algorithms: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "HostKey":
        """As a line of `known_hosts` or of `ssh-keyscan`, as the `.pub` file of the server, or as `SHA256:…`."""
        for word in text.split():
            if matched := _FINGERPRINT.match(word):
                return cls(matched[1])
            if _KEY.match(word):
                with suppress(ValueError, paramiko.SSHException, UnknownKeyType):
                    blob = base64.b64decode(word, validate=True)
                    key = paramiko.PKey.from_type_string(paramiko.Message(blob).get_text(), blob)
                    is_rsa = key.get_name() == "ssh-rsa"
                    return cls(key.fingerprint, ("rsa-sha2-512", "rsa-sha2-256") if is_rsa else (key.get_name(),))
        raise InvalidSetting(
            "files.host_key",
            "enter the server's public key, such as “ssh-ed25519 AAAA…”, or its “SHA256:…” fingerprint",
        )
