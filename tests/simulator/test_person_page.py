"""One page shows what a person receives on the phone, in a chat and by email."""

from __future__ import annotations

import re
import smtplib
from collections.abc import Callable
from email.message import EmailMessage
from typing import Any

from hub.simulator.mail.server import USERNAME, password_of
from tests.conftest import tags_on_one_line
from tests.simulator.conftest import Simulator
from tests.simulator.test_telegram_api import call_ok, start_bot

FROM = "+15005550006"


def send_email(simulator: Simulator, to: str) -> None:
    message = EmailMessage()
    message["From"] = "Acme <documents@acme.example>"
    message["To"] = to
    message["Subject"] = "Please sign <it>"
    message.set_content("Hello")
    with smtplib.SMTP("127.0.0.1", simulator.mail_port, timeout=10) as client:
        client.login(USERNAME, password_of(simulator.credentials))
        client.send_message(message)


def test_person_page_shows_each_place(
    simulator: Simulator, wait: Callable[[Callable[[], Any]], Any]
) -> None:
    number = simulator.number()
    message = simulator.client().messages.create(to=number, from_=FROM, body="Sign <b>this</b>")
    wait(lambda: message.fetch().status == "delivered")
    chat = start_bot(simulator, "Ada Person")
    call_ok(simulator, "sendMessage", chat_id=chat, text="In the chat")
    send_email(simulator, "person@example.com")
    page = simulator.call(
        "GET", f"/simulator/person?phone=%2B{number[1:]}&chat={chat}&email=person@example.com"
    )
    text = tags_on_one_line(page.text)
    assert "Sign &lt;b&gt;this&lt;/b&gt;" in text
    assert "Delivered" in text
    assert "In the chat" in text
    assert "Please sign &lt;it&gt;" in text
    for name, value in (("phone", number), ("chat", str(chat)), ("email", "person@example.com")):
        assert f'<option value="{value}" selected>' in text, name


def test_nobody_is_chosen_beside_a_phone(simulator: Simulator) -> None:
    start_bot(simulator, "Ada Stranger")
    send_email(simulator, "stranger@example.com")
    number = simulator.number()
    simulator.client().messages.create(to=number, from_=FROM, body="Sign this")
    for query in ("", "?phone=&chat=&email=", "?phone=x&chat=%3Cb%3E&email=nobody@example.com"):
        page = simulator.call("GET", f"/simulator/person{query}")
        assert page.status == 200
        text = tags_on_one_line(page.text)
        assert text.count('<option value="">None</option>') == 3
        chosen = [number] if not query else []
        assert re.findall(r'<option value="([^"]*)" selected>', text) == chosen
