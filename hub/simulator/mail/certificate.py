"""The certificate with which the simulated mail server offers STARTTLS. It signs itself."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from hub.core import data_dir

FILE = "simulator-mail.pem"
VALIDITY = timedelta(days=3650)
BEGIN = "-----BEGIN CERTIFICATE-----"


def tls_context(folder: Path) -> ssl.SSLContext:
    """Return the server's TLS settings. The key is created in the data folder if it is missing."""
    path = folder / FILE
    if not path.exists():
        data_dir.create_once(path, new_certificate("localhost", "127.0.0.1"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    return context


def certificate_of(folder: Path) -> str:
    """Return the certificate without its key, for HUB_CA_FILE."""
    return BEGIN + (folder / FILE).read_text().partition(BEGIN)[2] + "\n"


def new_certificate(name: str, address: str) -> str:
    """Return a new key and its self-signed certificate for a host name and an IP address."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Signpost simulator")])
    begins_at = datetime.now(UTC) - timedelta(days=1)
    names = [x509.DNSName(name), x509.IPAddress(ip_address(address))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(issuer)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins_at)
        .not_valid_after(begins_at + VALIDITY)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private_key = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return (private_key + certificate.public_bytes(Encoding.PEM)).decode()
