"""Requests to a provider verify its certificate."""

from __future__ import annotations

import ipaddress
import ssl
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hub.lib.provider_http import ConnectFailed, ProviderHttpClient
from tests.lib.provider_pages import Page, serving
from tests.lib.provider_pages import http as http
from tests.lib.provider_pages import port as port


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a self-signed certificate for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stand-in")])
    subject = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + subject.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def serve_tls(certificate: Path) -> Iterator[Callable[..., int]]:
    """Return a function that serves over TLS and returns the port."""
    running = []

    def start(adapt: Callable[[ssl.SSLContext], None] = lambda context: None) -> int:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        adapt(context)
        running.append(manager := serving(context))
        return manager.__enter__()

    yield start
    for manager in running:
        manager.__exit__(None, None, None)


def test_unsigned_certificate_is_refused(serve_tls: Callable[..., int]) -> None:
    Page.requests = []
    number = serve_tls()
    with pytest.raises(ConnectFailed, match="certificate is not trusted"):
        ProviderHttpClient(allow=[f"127.0.0.1:{number}"]).request(
            "POST", f"https://127.0.0.1:{number}/", body=b"data"
        )
    assert Page.requests == []


def test_own_certificate_authority_is_trusted_if_configured(
    serve_tls: Callable[..., int], certificate: Path
) -> None:
    number = serve_tls()
    client = ProviderHttpClient(
        allow=[f"127.0.0.1:{number}", f"localhost:{number}"], ca_file=str(certificate)
    )
    assert client.request("GET", f"https://127.0.0.1:{number}/").status == 200
    with pytest.raises(ConnectFailed, match="certificate is not trusted"):
        client.request("GET", f"https://localhost:{number}/")  # the certificate is for another name


def test_old_tls_version_is_refused(serve_tls: Callable[..., int], certificate: Path) -> None:
    def allow_old_tls_only(context: ssl.SSLContext) -> None:
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("DEFAULT@SECLEVEL=0")

    number = serve_tls(allow_old_tls_only)
    with pytest.raises(ConnectFailed, match="TLS"):
        ProviderHttpClient(allow=[f"127.0.0.1:{number}"], ca_file=str(certificate)).request(
            "GET", f"https://127.0.0.1:{number}/"
        )


def test_tls_1_2_is_accepted(serve_tls: Callable[..., int], certificate: Path) -> None:
    def allow_tls_1_2_only(context: ssl.SSLContext) -> None:
        context.maximum_version = ssl.TLSVersion.TLSv1_2

    number = serve_tls(allow_tls_1_2_only)
    http = ProviderHttpClient(allow=[f"127.0.0.1:{number}"], ca_file=str(certificate))
    assert http.request("GET", f"https://127.0.0.1:{number}/").status == 200


def test_plain_http_server_behind_https_means_not_sent(port: int) -> None:
    Page.requests = []
    with pytest.raises(ConnectFailed):
        ProviderHttpClient(allow=[f"127.0.0.1:{port}"]).request(
            "POST", f"https://127.0.0.1:{port}/", body=b"data", read=1
        )
    assert Page.requests == []
