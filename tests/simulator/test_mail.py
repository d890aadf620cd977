"""The simulated mail server as any client sees it, and its page."""

from __future__ import annotations

import smtplib
from email.message import EmailMessage

import pytest

from hub.simulator.mail import scripted_faults
from hub.simulator.mail.server import USERNAME, password_of
from tests.simulator.conftest import Simulator


def connect(simulator: Simulator) -> smtplib.SMTP:
    return smtplib.SMTP("127.0.0.1", simulator.mail_port, local_hostname="test.example", timeout=10)


def letter(to: str, html: str = "<p>Hello</p><script>alert(1)</script>") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Acme <documents@acme.example>"
    message["To"] = to
    message["Subject"] = "Please sign <this>"
    message.set_content("Hello")
    message.add_alternative(html, subtype="html")
    return message


def test_email_is_refused_without_the_password(simulator: Simulator) -> None:
    with connect(simulator) as client:
        with pytest.raises(smtplib.SMTPSenderRefused) as problem:
            client.send_message(letter("eric@example.com"))
        assert problem.value.smtp_code == 530
        with pytest.raises(smtplib.SMTPAuthenticationError):
            client.login(USERNAME, "wrong")


def test_email_is_listed_and_shown_without_scripts(simulator: Simulator) -> None:
    with connect(simulator) as client:
        client.login(USERNAME, password_of(simulator.credentials))
        client.send_message(letter("listed@example.com"))
    [found] = simulator.call("GET", "/simulator/mail.json?to=listed@example.com").json["emails"]
    assert (found["subject"], found["text"]) == ("Please sign <this>", "Hello\n")
    page = simulator.call("GET", f"/simulator/mail?email={found['id']}")
    assert "Please sign &lt;this&gt;" in page.text
    assert "listed@example.com" in page.text
    frame = simulator.call("GET", f"/simulator/mail/{found['id']}/html")
    assert frame.headers["Content-Security-Policy"].startswith("sandbox allow-popups;")
    assert "script-src" not in frame.headers["Content-Security-Policy"]
    source = simulator.call("GET", f"/simulator/mail/{found['id']}/raw")
    assert source.text.startswith("From: Acme <documents@acme.example>")


def test_page_lists_every_test_address(simulator: Simulator) -> None:
    page = simulator.call("GET", "/simulator/mail").text
    for fault in scripted_faults.RECIPIENTS:
        assert f"<code>{fault.address}</code>" in page


def test_mailboxes_can_be_emptied(simulator: Simulator) -> None:
    with connect(simulator) as client:
        client.login(USERNAME, password_of(simulator.credentials))
        client.send_message(letter("emptied@example.com"))
    assert simulator.post_json("/simulator/mail/empty").json == {"emails": 0}
    assert simulator.call("GET", "/simulator/mail.json").json == {"emails": []}
