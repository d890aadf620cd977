"""Files that people attach to their replies: listed, kept with the email, and only downloaded."""

from __future__ import annotations

import re
from email.message import EmailMessage
from typing import Any

import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from hub.connections import demo
from hub.core.errors import NotFound
from hub.db.engine import db
from hub.intake import inbound_mail, received_files, retention
from hub.integrations.base import Attachment, Inbound
from hub.integrations.smtp.inbound import events_of, file_of
from hub.integrations.smtp.replies import MAX_FILES
from hub.models import Connection, Contact, InboundMessage, MessageBody, ProviderCallback
from hub.signing.contact_erasure import erase_contact
from tests.conftest import Browser
from tests.effort import examples
from tests.hub_fixtures import hub_demo as hub_demo
from tests.hub_fixtures import process_pending_callbacks

SETTINGS = {"from_address": "sign@acme.example", "from_name": "Acme"}
PDF = b"%PDF-1.7 \x00\xff signed"


def reply(*files: tuple[str, str, bytes], text: str = "Here it is") -> EmailMessage:
    """Return a reply with files, each with its name, its content type and its content."""
    email = EmailMessage()
    email["From"] = "Eric Smith <eric@example.com>"
    email["To"] = "sign@acme.example"
    email["Subject"] = "Re: Please sign"
    email["Message-ID"] = "<1@example.com>"
    email.set_content(text)
    email.add_alternative(f"<p>{text}</p>", subtype="html")
    for name, content_type, content in files:
        kind, _, subtype = content_type.partition("/")
        email.add_attachment(content, kind, subtype, filename=name)
    return email


def read(email: EmailMessage | bytes) -> tuple[Attachment, ...]:
    """Return the files that a reply has, as the integration lists them."""
    [inbound] = events_of(email if isinstance(email, bytes) else email.as_bytes(), SETTINGS)
    assert isinstance(inbound, Inbound)
    return inbound.media


def test_files_are_listed_with_name_and_type_and_read_by_position() -> None:
    email = reply(("Vertrag „Köln“.pdf", "application/pdf", PDF), ("a.png", "image/png", b"\x89P"))
    assert read(email) == (
        Attachment("", "application/pdf", "Vertrag „Köln“.pdf"),
        Attachment("", "image/png", "a.png"),
    )
    assert file_of(email.as_bytes(), 0) == ("application/pdf", PDF)
    assert file_of(email.as_bytes(), 1) == ("image/png", b"\x89P")
    with pytest.raises(IndexError):
        file_of(email.as_bytes(), 2)


def test_text_of_a_reply_is_no_file() -> None:
    assert read(reply()) == ()


def test_picture_within_the_text_is_a_file() -> None:
    email = reply()
    html = email.get_body(("html",))
    assert isinstance(html, EmailMessage)
    html.add_related(b"\xff\xd8\xff", "image", "jpeg", cid="<1>", filename="photo.jpg")
    assert read(email) == (Attachment("", "image/jpeg", "photo.jpg"),)


def test_forwarded_email_is_one_file() -> None:
    email = reply()
    email.add_attachment(reply(("inner.pdf", "application/pdf", PDF)), filename="older.eml")
    assert read(email) == (Attachment("", "message/rfc822", "older.eml"),)
    content_type, content = file_of(email.as_bytes(), 0)
    assert content_type == "message/rfc822"
    assert read(content)[0].name == "inner.pdf"


@pytest.mark.parametrize(
    ("given_name", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        (r"C:\Users\eric\a.pdf", "a.pdf"),
        ("x" * 300 + ".pdf", "x" * 96 + ".pdf"),
        ("a\u202efdp.exe", "afdp.exe"),
    ],
)
def test_name_has_no_folders_and_no_hidden_characters(given_name: str, shown: str) -> None:
    [file] = read(reply((given_name, "application/pdf", PDF)))
    assert file.name == shown


def test_number_of_files_is_limited() -> None:
    email = reply(*[(f"{number}.txt", "text/csv", b"x") for number in range(MAX_FILES + 5)])
    assert len(read(email)) == MAX_FILES


def test_type_that_is_no_type_becomes_unknown() -> None:
    content = reply(("a.pdf", "application/pdf", PDF)).as_bytes()
    content = content.replace(b"application/pdf", b"applic<script>/x")
    assert read(content)[0].content_type == "application/octet-stream"


@given(
    head=st.binary(max_size=300),
    name=st.text(max_size=40),
    encoding=st.sampled_from(["base64", "quoted-printable", "x-uuencode", "8bit", "?"]),
    content=st.binary(max_size=200),
)
@settings(max_examples=examples(100))
def test_every_listed_file_can_be_read(
    head: bytes, name: str, encoding: str, content: bytes
) -> None:
    written = re.sub(r"[\r\n]", "", name).encode("utf-8", "replace")
    email = (
        b"From: eric@example.com\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        b'--b\r\nContent-Disposition: attachment; filename="%s"\r\n'
        b"Content-Transfer-Encoding: %s\r\n%s\r\n\r\n%s\r\n"
        b"--b\r\nContent-Type: message/rfc822; name=a\r\n\r\n%s\r\n--b--\r\n"
    ) % (written, encoding.encode(), head, content, head)
    for event in events_of(email, SETTINGS):
        if isinstance(event, Inbound):
            for position in range(len(event.media)):
                _, read_content = file_of(email, position)
                assert isinstance(read_content, bytes)


# ── In a running hub ──────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def slug(hub_demo: Flask) -> str:
    """Return the slug of the demo's connection for email."""
    demo.connect_chats_and_mail()
    return db.session.scalars(select(Connection.slug).where(Connection.integration == "smtp")).one()


def receive(slug: str, *files: tuple[str, str, bytes]) -> str:
    """Receive a reply with files; return the ID of the received message."""
    assert inbound_mail.store(slug, reply(*files).as_bytes())
    process_pending_callbacks()
    db.session.rollback()
    return db.session.scalars(select(InboundMessage.id)).one()


def test_files_of_a_reply_are_in_the_inbox_and_only_downloaded(admin: Browser, slug: str) -> None:
    receive(
        slug,
        ("Contract.pdf", "application/pdf", PDF),
        ("page.html", "text/html", b"<script>alert(1)</script>"),
        ("drawing.svg", "image/svg+xml", b"<svg onload='alert(1)'/>"),
        ("setup.exe", "application/pdf", b"MZ"),
    )
    [conversation] = re.findall(r'href="/inbox/(cnv_[\w-]+)"', admin.get("/inbox").text)[:1]
    page = admin.get(f"/inbox/{conversation}").text
    found = re.findall(r'<a href="(/inbox/files/[^"]+)">([^<]+)</a>', page)
    names = ["Contract.pdf", "page.html", "drawing.svg", "setup.exe"]
    assert [name for _, name in found] == names
    saved = []
    for href, _ in found:
        answer = admin.get(href)
        assert answer.status_code == 200
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        disposition, _, name = answer.headers["Content-Disposition"].partition("; filename=")
        assert disposition == "attachment"
        saved.append((name, answer.headers["Content-Type"], answer.data[:4]))
    assert saved == [
        ("Contract.pdf", "application/pdf", b"%PDF"),
        ("page.bin", "application/octet-stream", b"<scr"),
        ("drawing.bin", "application/octet-stream", b"<svg"),
        ("setup.pdf", "application/pdf", b"MZ"),
    ]


def test_mail_server_can_post_an_email_with_a_large_file(slug: str, hub_demo: Flask) -> None:
    connection = db.session.scalars(select(Connection).where(Connection.slug == slug)).one()
    token = (connection.settings_or_none() or {})["inbound_token"]
    content = bytes(range(256)) * 4096  # 1 MB, of which base64 makes 1.4 MB
    answer = hub_demo.test_client().post(
        f"/api/rpc/webhooks/smtp/{slug}",
        data=reply(("scan.png", "image/png", content)).as_bytes(),
        headers={"Authorization": f"Bearer {token}"},
        content_type="message/rfc822",
    )
    assert answer.status_code == 200
    process_pending_callbacks()
    inbound_id = db.session.scalars(select(InboundMessage.id)).one()
    assert received_files.fetch_received_file(inbound_id, 0).content == content


def test_files_end_with_the_stored_email(slug: str) -> None:
    inbound_id = receive(slug, ("a.pdf", "application/pdf", PDF))
    assert received_files.fetch_received_file(inbound_id, 0).content == PDF
    retention._delete_callbacks(list(db.session.scalars(select(ProviderCallback.id))))
    db.session.rollback()
    with pytest.raises(NotFound, match="retention"):
        received_files.fetch_received_file(inbound_id, 0)


def test_erasing_a_person_erases_their_files(slug: str) -> None:
    inbound_id = receive(slug, ("a.pdf", "application/pdf", PDF))
    erase_contact(db.session.scalars(select(Contact.id)).one(), reason="asked")
    db.session.rollback()
    assert db.session.scalars(select(ProviderCallback)).all() == []
    assert db.session.get(MessageBody, inbound_id.partition("_")[2]) is None
    with pytest.raises(NotFound):
        received_files.fetch_received_file(inbound_id, 0)


def test_files_are_stored_encrypted(slug: str) -> None:
    receive(slug, ("a.pdf", "application/pdf", PDF))
    stored: Any = db.session.execute(select(ProviderCallback.__table__.c.request)).scalar_one()
    assert b"PDF" not in bytes(stored)
