"""Emails as they are built: headers, both texts, any alphabet, and lines within the limits."""

from __future__ import annotations

import email
import re
from collections.abc import Mapping
from dataclasses import replace
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import compat32, strict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.integrations.base import AttachedFile, Button, Outbound, WebhookRequest
from hub.integrations.branding import Branding
from hub.integrations.emails import labels
from hub.integrations.smtp.mime import POLICY, envelope
from tests.effort import examples

SETTINGS = {
    "host": "smtp.example.com",
    "encryption": "starttls",
    "port": "587",
    "username": "sign@acme.example",
    "password": "correct horse",
    "from_address": "sign@acme.example",
    "from_name": "Acme",
    "reply_to": "sender",
    "reply_address": "replies@acme.example",
    "unsubscribe": "reminders",
    "inbound_token": "a token of received emails",
}
TO = "eric@example.com"
SAMPLE_CODES = [
    "auth_535",
    "5.1.1",
    "rcpt_550",
    "mail_550",
    "4.7.1",
    "4.2.2",
    "5.7.515",
    "5.7.99",
    "421",
    "no_reply",
    "connection_lost",
    "certificate",
    "too_many",
]
SIGNS_BODY = False  # a header holds the secret itself


def sign(request: WebhookRequest, settings: Mapping[str, Any]) -> WebhookRequest:
    """Add the token of the connection. The test of the contract uses it."""
    bearer = f"Bearer {settings['inbound_token']}"
    return replace(request, headers={**request.headers, "authorization": bearer})


SAMPLE_WEBHOOKS = [
    (
        "smtp/{connection}",
        {"content-type": "message/rfc822", "authorization": "Bearer of the connection"},
        b"From: Mail Delivery <mailer-daemon@mx.example.com>\r\n"
        b"To: bounces+019aa5c271f87b3e9c402d6f8a1be41c@acme.example\r\n"
        b'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n'
        b"\r\n--b\r\nContent-Type: text/plain\r\n\r\nNot delivered.\r\n"
        b"--b\r\nContent-Type: message/delivery-status\r\n\r\n"
        b"Reporting-MTA: dns; mx.example.com\r\n\r\n"
        b"Final-Recipient: rfc822; eric@example.com\r\nAction: failed\r\nStatus: 5.2.2\r\n"
        b"\r\n--b--\r\n",
    )
]
LINK = "https://sign.example/r/agr-1001/eric?token=abc"
ALPHABETS = {
    "Arabic": "اتفاقية العمل",
    "Armenian": "Աշխատանքային պայմանագիր",
    "Bengali": "কর্মসংস্থান চুক্তি",
    "Chinese": "雇佣合同",
    "Cyrillic": "Трудовой договор",
    "Devanagari": "रोज़गार अनुबंध",
    "Georgian": "შრომითი ხელშეკრულება",
    "Greek": "Σύμβαση εργασίας",
    "Hebrew": "חוזה עבודה",
    "Japanese": "雇用契約書",
    "Korean": "고용 계약서",
    "Latin": "Réglement d’entreprise: größe, žluťoučký",
    "Thai": "สัญญาจ้างงาน",
}
ENCODED_WORD = re.compile(r"=\?[^?\s]+\?[bq]\?[^?\s]*\?=", re.IGNORECASE)


def outbound(**more: Any) -> Outbound:
    text = f"Hello Eric,\n\nAcme HR sent you a document.\n\n{LINK}"
    button = Button("Review and sign", LINK)
    values = {"id": "msg_1", "attempt": 1, "to": TO, "text": text, "buttons": (button,)}
    return Outbound(**values | more)


def sent(**more: Any) -> bytes:
    settings = {**SETTINGS, **more.pop("settings", {})}
    return envelope(outbound(**more), settings).content


def parsed(content: bytes) -> EmailMessage:
    """Parse an email so that every defect is an error."""
    message = email.message_from_bytes(content, policy=strict)
    assert isinstance(message, EmailMessage)
    for part in message.walk():
        for header in part.values():
            assert not getattr(header, "defects", ()), header
    return message


def text_of(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def name_in(content: bytes) -> str:
    """Return the name in the From header.

    The new parser of Python 3.11 adds a space between the encoded words of a name, and no other
    parser does.
    """
    folded = email.message_from_bytes(content, policy=compat32)["From"]
    return str(make_header(decode_header(folded))).partition("<")[0].strip()


def head_of(content: bytes) -> bytes:
    return content.partition(b"\r\n\r\n")[0]


def check_lines(content: bytes) -> None:
    """Check what RFC 5322 and RFC 2047 say about lines and encoded words."""
    assert content.isascii()
    assert b"\r" not in content.replace(b"\r\n", b"")
    assert b"\n" not in content.replace(b"\r\n", b"")
    assert max(map(len, content.split(b"\r\n"))) <= 998
    for line in head_of(content).decode().split("\r\n"):
        words = ENCODED_WORD.findall(line)
        assert all(len(word) <= 75 for word in words)
        assert not words or len(line) <= 76


def test_email_has_both_texts_and_the_headers_of_an_automatic_message() -> None:
    content = sent(subject="Please sign", request="req_9", sender_name="Acme HR")
    message = parsed(content)
    assert message["Message-ID"] == "<msg_1@acme.example>"
    assert message["References"] == "<req_9@acme.example>"
    assert message["From"] == "Acme HR <sign@acme.example>"
    assert message["To"] == TO
    assert message["Subject"] == "Please sign"
    assert message["Auto-Submitted"] == "auto-generated"
    assert "Precedence" not in message
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert text_of(message, "plain") == f"Hello Eric,\n\nAcme HR sent you a document.\n\n{LINK}\n"
    assert f'href="{LINK}"' in text_of(message, "html")


def test_repeated_attempt_has_the_same_message_id() -> None:
    ids = {parsed(sent(attempt=attempt))["Message-ID"] for attempt in (1, 2)}
    assert ids == {"<msg_1@acme.example>"}


@pytest.mark.parametrize("name", ALPHABETS)
def test_names_and_subjects_of_every_alphabet_arrive_unchanged(name: str) -> None:
    title = " ".join([ALPHABETS[name]] * 8)
    content = sent(subject=title[:150].strip(), sender_name=ALPHABETS[name], text=title)
    check_lines(content)
    message = parsed(content)
    assert message["Subject"] == title[:150].strip()
    assert name_in(content) == ALPHABETS[name]
    assert text_of(message, "plain").startswith(title)
    assert title in text_of(message, "html")


@given(subject=st.text(max_size=300), name=st.text(max_size=120), text=st.text(max_size=400))
@settings(max_examples=examples(150))
def test_any_text_gives_a_valid_email_without_added_headers(
    subject: str, name: str, text: str
) -> None:
    content = sent(subject=subject, sender_name=name, text=text)
    check_lines(content)
    message = parsed(content)
    plain = sent()
    assert message.keys() == parsed(plain).keys()
    assert message["To"].addresses[0].addr_spec == TO


@pytest.mark.parametrize("break_", ["\n", "\r\n", "\r", "\x0b", "\x0c", "\x85", "\u2028", "\0"])
def test_line_break_in_a_value_adds_no_header(break_: str) -> None:
    attack = f"Contract{break_}Bcc: victim@example.org"
    message = parsed(sent(subject=attack, sender_name=attack))
    assert message["Bcc"] is None
    assert "Bcc: victim@example.org" in message["Subject"]


def test_domains_with_other_letters_are_written_in_ascii() -> None:
    message = parsed(sent(to="eric@straße.example", settings={"from_address": "a@bücher.example"}))
    assert message["To"] == "eric@xn--strae-oqa.example"
    assert message["From"] == "Acme <a@xn--bcher-kva.example>"
    assert message["Message-ID"] == "<msg_1@xn--bcher-kva.example>"


def test_address_with_other_letters_before_the_at_sign_needs_a_server_with_utf8() -> None:
    one = envelope(outbound(to="жук@почта.example"), SETTINGS)
    assert one.needs_utf8
    assert one.recipient == "жук@xn--80a1acny.example"
    head = one.content.partition(b"\r\n\r\n")[0].decode()
    assert "To: жук@xn--80a1acny.example\r\n" in head


@pytest.mark.parametrize("name", ["", "hr@acme.example", "ceo@bank.example (urgent)"])
def test_sender_name_that_looks_like_an_address_is_not_used(name: str) -> None:
    assert parsed(sent(sender_name=name))["From"] == "Acme <sign@acme.example>"


@pytest.mark.parametrize(
    ("choice", "sender", "expected"),
    [
        ("sender", "hr@acme.example", "hr@acme.example"),
        ("sender", "not an address", "replies@acme.example"),
        ("sender", "", "replies@acme.example"),
        ("address", "hr@acme.example", "replies@acme.example"),
    ],
)
def test_replies_go_to_the_chosen_address(choice: str, sender: str, expected: str) -> None:
    message = parsed(sent(sender_address=sender, settings={"reply_to": choice}))
    assert message["Reply-To"] == expected


URL = f"https://hub.example/path/u/{'t' * 43}"


@pytest.mark.parametrize(
    ("choice", "reminds", "shown"),
    [
        ("reminders", True, True),
        ("reminders", False, False),
        ("all", False, True),
        ("never", True, False),
        ("", True, True),  # a connection that was saved before the setting existed
    ],
)
def test_unsubscribe_link_is_sent_where_the_setting_says(
    choice: str, reminds: bool, shown: bool
) -> None:
    content = sent(unsubscribe_url=URL, reminds=reminds, settings={"unsubscribe": choice})
    message = parsed(content)
    assert (f"List-Unsubscribe: <{URL}>\r\n".encode() in content) is shown
    assert message["List-Unsubscribe-Post"] == ("List-Unsubscribe=One-Click" if shown else None)
    assert (URL in text_of(message, "plain")) is shown
    assert (f'href="{URL}"' in text_of(message, "html")) is shown


def test_long_unsubscribe_header_stays_on_one_line() -> None:
    message = EmailMessage(policy=POLICY)
    value = f"<https://hub.example/u/{'x' * 200}>"
    message["List-Unsubscribe"] = value
    assert message.as_bytes() == f"List-Unsubscribe: {value}\r\n\r\n".encode()
    with pytest.raises(ValueError, match="Header values may not contain linefeed"):
        EmailMessage(policy=POLICY)["List-Unsubscribe"] = "<https://a.example>\r\nBcc: b@c.example"


def test_text_cannot_become_markup() -> None:
    html = text_of(parsed(sent(text='<script>alert("1")</script> & <b>more</b>')), "html")
    assert "<script" not in html
    assert "<b>" not in html
    assert "&lt;b&gt;more&lt;/b&gt;" in html


def test_web_addresses_in_the_text_are_links_without_the_punctuation_after_them() -> None:
    html = text_of(parsed(sent(text="See https://a.example/x?y=1&z=2. Thanks", buttons=())), "html")
    assert '<a href="https://a.example/x?y=1&amp;z=2">https://a.example/x?y=1&amp;z=2</a>.' in html


def test_email_contains_no_pixel_and_no_address_of_others() -> None:
    content = sent(subject="Please sign", request="req_9", sender_name="Acme HR")
    html = text_of(parsed(content), "html")
    assert not re.search(r"<(?:img|iframe|script|link|object|video|audio)\b", html, re.IGNORECASE)
    assert not re.search(r"@import|url\(", html)
    assert re.findall(r'(?:href|src|background)="(http[^"]*)"', html) == [LINK] * 2
    namespaces = ("http://www.w3.org/1999/xhtml",)
    addresses = set(re.findall(r"https?://[^\s\"'<>]+", html))
    assert addresses == {LINK, *namespaces}


LOGO = b"\x89PNG\r\n\x1a\n" + bytes(100)
BRANDING = Branding(
    "Acme Legal", "#ffcc00", "Acme Inc., 1 Main St\nReg. 4711", "+1 555", LOGO, "image/png"
)


def test_branding_is_shown_without_loading_anything() -> None:
    content = sent(branding=BRANDING)
    check_lines(content)
    message = parsed(content)
    html = text_of(message, "html")
    assert 'src="cid:logo@signpost"' in html
    assert 'alt="Acme Legal"' in html
    assert "background:#ffcc00;color:#000000" in html
    lines = ("Support: +1 555", "Acme Inc., 1 Main St", "Reg. 4711")
    assert "<br>".join(f'<span dir="auto">{line}</span>' for line in lines) in html
    assert text_of(message, "plain").endswith(
        "-- \nSupport: +1 555\nAcme Inc., 1 Main St\nReg. 4711\n"
    )
    [logo] = [part for part in message.walk() if part.get_content_type() == "image/png"]
    assert logo["Content-ID"] == "<logo@signpost>"
    assert logo.get_content() == LOGO


def test_labels_are_in_the_language_of_the_message() -> None:
    for locale, sign, help_text in (
        ("de-AT", "Prüfen und unterschreiben", "Falls die Schaltfläche"),
        ("pt_BR", "Rever e assinar", "Se o botão não funcionar"),
        ("nn", "Se gjennom og signer", "Hvis knappen ikke virker"),
        ("xx", "Review and sign", "If the button does not work"),
    ):
        html = text_of(parsed(sent(locale=locale, branding=BRANDING)), "html")
        assert f">{sign}<" in re.sub(r"\s*([<>])\s*", r"\1", html), locale
        assert help_text in html, locale
    assert parsed(sent(locale="fr", sender_name="Anne"))["Subject"] == "Message de Anne"
    assert "Hilfe" in text_of(parsed(sent(locale="de", buttons=(Button("Hilfe", LINK),))), "html")


def test_every_language_has_every_label() -> None:
    languages = labels._labels()
    assert len(languages) >= 20
    for language, found in languages.items():
        values = vars(found).values()
        assert all(value == value.strip() != "" for value in values), language
        assert "{name}" in found.from_sender, language


def test_files_are_attached_and_those_at_an_address_are_links() -> None:
    file = AttachedFile("Договор “1”.pdf", "application/pdf", b"%PDF" + bytes(range(256)) * 40)
    url = "https://files.example/large.zip"
    content = sent(attachments=(file,), external_media=(url,), branding=BRANDING)
    check_lines(content)
    message = parsed(content)
    assert message.get_content_type() == "multipart/mixed"
    [attached] = message.iter_attachments()
    assert (attached.get_filename(), attached.get_content()) == (file.name, file.content)
    assert attached.get_content_type() == "application/pdf"
    assert url in text_of(message, "plain")
    assert f'href="{url}"' in text_of(message, "html")


def test_right_to_left_language_sets_the_direction() -> None:
    html = text_of(parsed(sent(text=ALPHABETS["Arabic"], locale="ar-EG", buttons=())), "html")
    assert 'lang="ar-EG" dir="rtl"' in html
    assert "text-align:right" in html
    html = text_of(parsed(sent(text=ALPHABETS["Hebrew"], locale="he")), "html")
    assert '<span dir="auto">אם הכפתור אינו פועל, יש לפתוח את הכתובת הזו:</span>' in html
