"""Certificates for servers of this machine."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


@dataclass(frozen=True)
class Certificates:
    """`authority` is what a client has to trust, `server` holds what a server shows and its key."""

    authority: Path
    server: Path

    @classmethod
    def make(cls, folder: Path, *hosts: str) -> Certificates:
        """Certificates for these hosts; an authority of its own, as some clients trust no server that is one."""
        made = cls(folder / "authority.pem", folder / "server.pem")
        above, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
        authority = _certificate("authority", "authority", above, above, x509.BasicConstraints(True, None))
        server = _certificate("server", "authority", key, above, names)
        made.authority.write_bytes(authority)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        made.server.write_bytes(server + private)
        return made

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.server)
        return context


def _certificate(
    name: str,
    issuer: str,
    key: ec.EllipticCurvePrivateKey,
    signed_by: ec.EllipticCurvePrivateKey,
    extension: x509.ExtensionType,
) -> bytes:
    now, day = datetime.now(timezone.utc), timedelta(days=1)
    number = x509.random_serial_number()
    builder = x509.CertificateBuilder(_name(issuer), _name(name), key.public_key(), number, now - day, now + day)
    built = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
    return built.sign(signed_by, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])
