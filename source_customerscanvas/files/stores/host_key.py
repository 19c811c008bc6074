"""The key by which an SFTP server is known."""

import base64
import hashlib
import re
from dataclasses import dataclass

from source_customerscanvas.errors import InvalidSetting

_FINGERPRINT = re.compile(r"SHA256:([A-Za-z0-9+/]{43})=?\Z")
_BLOB = re.compile(r"AAAA[A-Za-z0-9+/=]+\Z")


@dataclass(frozen=True)
class HostKey:
    """Either the key itself or its fingerprint."""

    blob: bytes | None
    fingerprint: str

    @classmethod
    def parse(cls, text: str) -> "HostKey":
        """As a line of `known_hosts` or of `ssh-keyscan`, as the `.pub` file of the server, or as `SHA256:…`."""
        for word in text.split():
            matched = _FINGERPRINT.match(word)
            if matched:
                return cls(None, matched[1])
            if _BLOB.match(word):
                try:
                    blob = base64.b64decode(word, validate=True)
                    if _type_of(blob):
                        return cls(blob, fingerprint(blob))
                except ValueError:
                    pass
        raise InvalidSetting(
            "files.host_key",
            "enter the server's public key, such as “ssh-ed25519 AAAA…”, or its “SHA256:…” fingerprint",
        )

    @property
    def algorithms(self) -> tuple[str, ...]:
        """By which a server shows this key; empty where the fingerprint does not tell."""
        if self.blob is None:
            return ()
        name = _type_of(self.blob)
        return ("rsa-sha2-512", "rsa-sha2-256") if name == "ssh-rsa" else (name,)

    def fits(self, blob: bytes) -> bool:
        return fingerprint(blob) == self.fingerprint


def fingerprint(blob: bytes) -> str:
    return base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def _type_of(blob: bytes) -> str:
    """The name at its beginning; empty where there is none."""
    length = int.from_bytes(blob[:4], "big")
    name = blob[4 : 4 + length]
    return name.decode() if 0 < length < 64 and len(name) == length and name.isascii() else ""
