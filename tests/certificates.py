"""A certificate authority of a test's own, and a server's certificate that it signs."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_LIFE = timedelta(days=1)


@dataclass(frozen=True)
class Certificates:
    """Files in PEM: what a client trusts, and what the server at 127.0.0.1 shows."""

    authority: Path
    certificate: Path
    key: Path


def certificates(folder: Path, name: str = "private authority") -> Certificates:
    """New files in `folder`."""
    authority_key, server_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = _named(name)
    constraints = x509.BasicConstraints(ca=True, path_length=None)
    usage = x509.KeyUsage(*(False,) * 5, True, True, False, False)
    root = _builder(authority, authority, authority_key.public_key()).add_extension(constraints, critical=True)
    root = root.add_extension(usage, critical=True)
    addresses = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1")), x509.DNSName("*.localhost")])
    server = _builder(_named("store"), authority, server_key.public_key()).add_extension(addresses, critical=False)
    found = Certificates(folder / "ca.crt", folder / "tls.crt", folder / "tls.key")
    for path, certificate in ((found.authority, root), (found.certificate, server)):
        signed = certificate.sign(authority_key, hashes.SHA256())
        path.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    found.key.write_bytes(
        server_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return found


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _LIFE)
        .not_valid_after(now + _LIFE)
    )
