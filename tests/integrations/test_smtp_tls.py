"""Encrypted sessions: implicit TLS and STARTTLS, and certificates that are not valid."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from hub.core.errors import ConnectionBroken
from hub.core.setting_parsers import parse_bind
from hub.integrations.base import Outbound
from hub.integrations.smtp.integration import Smtp
from hub.lib.provider_http import ProviderHttpClient
from hub.simulator.mail import certificate
from hub.simulator.mail.server import Handler, MailServer
from tests.conftest import config_of, free_port
from tests.hub_fixtures import credentials

OUTBOUND = Outbound(id="msg_1", attempt=1, to="eric@example.com", text="Hello")


NAMES = ("localhost", "127.0.0.1")


@contextmanager
def mail_server(
    app: Flask, simulator: Any, folder: Path, encryption: str, names: tuple[str, str] = NAMES
) -> Iterator[int]:
    """Serve the simulator's mailbox with a certificate for these names; yield the port."""
    path = folder / certificate.FILE
    path.write_text(certificate.new_certificate(*names))
    context = simulator.extensions["simulator"]
    handler = Handler(context.mailbox, context.store, context.faults, context.send_email_back)
    port = free_port()
    options = {"ssl_context": certificate.tls_context(folder)} if encryption == "tls" else {}
    bind = parse_bind(f"127.0.0.1:{port}")
    server = MailServer(bind, credentials(app), handler, folder, **options)
    server.start()
    try:
        yield port
    finally:
        server.stop()


def authority(folder: Path, content: str) -> str:
    """Return the name of a file with the certificates to trust."""
    path = folder / "authority.pem"
    path.write_text(content)
    return str(path)


def connect(app: Flask, ca_file: str, port: int, encryption: str) -> Smtp:
    known = Smtp.demo_settings(credentials(app)) or {}
    http = ProviderHttpClient(allow={f"localhost:{port}"}, ca_file=ca_file)
    return Smtp(known | {"port": port, "encryption": encryption}, http)


def recipients(simulator: Any) -> list[str]:
    emails = simulator.test_client().get("/simulator/mail.json").json["emails"]
    return [email["recipient"] for email in emails]


@pytest.mark.parametrize("encryption", ["tls", "starttls"])
def test_email_is_sent_over_an_encrypted_session(
    in_app: Flask, simulator: Any, tmp_path: Path, encryption: str
) -> None:
    with mail_server(in_app, simulator, tmp_path, encryption) as port:
        trusted = authority(tmp_path, certificate.certificate_of(tmp_path))
        one = connect(in_app, trusted, port, encryption)
        one.send(OUTBOUND)
        [idle_session] = one._sessions._idle
        assert isinstance(idle_session.sock, ssl.SSLSocket)
        assert idle_session.sock.version() in ("TLSv1.2", "TLSv1.3")
    assert recipients(simulator) == ["eric@example.com"]


def test_simulator_offers_starttls_with_the_certificate_on_its_page(
    in_app: Flask, simulator: Any, tmp_path: Path
) -> None:
    page = simulator.test_client().get("/simulator/mail/certificate.pem")
    assert "PRIVATE KEY" not in page.text
    port = config_of(in_app).simulator_mail_bind.port
    one = connect(in_app, authority(tmp_path, page.text), port, "starttls")
    assert one.run_check().ok
    one.send(OUTBOUND)
    assert recipients(simulator) == ["eric@example.com"]


@pytest.mark.parametrize("encryption", ["tls", "starttls"])
@pytest.mark.parametrize("fault", ["unknown authority", "other name"])
def test_certificate_that_is_not_valid_is_refused(
    in_app: Flask, simulator: Any, tmp_path: Path, encryption: str, fault: str
) -> None:
    names = NAMES if fault == "unknown authority" else ("mail.example", "192.0.2.1")
    with mail_server(in_app, simulator, tmp_path, encryption, names) as port:
        trusted = authority(tmp_path, certificate.certificate_of(tmp_path))
        if fault == "unknown authority":
            trusted = authority(tmp_path, certificate.new_certificate(*NAMES))
        one = connect(in_app, trusted, port, encryption)
        with pytest.raises(ConnectionBroken) as problem:
            one.send(OUTBOUND)
        result = one.run_check()
    assert problem.value.code == "certificate"
    assert (result.ok, result.field, result.code) == (False, "host", "certificate")
    assert recipients(simulator) == []


def test_server_stops_while_a_session_is_kept(
    in_app: Flask, simulator: Any, tmp_path: Path
) -> None:
    with mail_server(in_app, simulator, tmp_path, "starttls") as port:
        client = smtplib.SMTP("127.0.0.1", port, timeout=10)
        assert client.noop()[0] == 250
    with pytest.raises(smtplib.SMTPServerDisconnected):
        client.noop()
