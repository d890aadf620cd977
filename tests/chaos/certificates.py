"""Certificates of a local provider: one of a trusted authority, and one that is self-signed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def write(folder: Path) -> tuple[Path, Path, Path]:
    """Write the certificates of an authority and of two servers, the latter with their keys.

    The authority signed the first server certificate. The second is self-signed.
    """
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = _certificate(
        "Chaos authority", authority_key, "Chaos authority", authority_key, authority=True
    )
    trusted_key, strange_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    files = folder / "authority.pem", folder / "trusted.pem", folder / "strange.pem"
    files[0].write_bytes(_pem(authority))
    files[1].write_bytes(
        _pem(_certificate("localhost", trusted_key, "Chaos authority", authority_key))
        + _private(trusted_key)
    )
    files[2].write_bytes(
        _pem(_certificate("localhost", strange_key, "localhost", strange_key))
        + _private(strange_key)
    )
    return files


def _certificate(
    subject: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    authority: bool = False,
) -> x509.Certificate:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
        .sign(issuer_key, hashes.SHA256())
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
