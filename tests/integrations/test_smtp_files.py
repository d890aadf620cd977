"""Files of emails: attached up to a size, and refused above it before anything is stored."""

from __future__ import annotations

from email import message_from_string, policy
from typing import Any

import pytest
from flask import Flask

from hub.connections import demo
from hub.core.errors import Refused
from hub.core.vocabulary import Status
from hub.integrations.emails import MAX_FILE_SIZE
from hub.messaging.compose import media
from tests.hub_fixtures import deliver, message, queue_text, source_id
from tests.hub_fixtures import hub_demo as hub_demo

PDF = b"%PDF-1.7\n" + bytes(range(256)) * 20


@pytest.fixture
def mail_demo(hub_demo: Flask) -> Flask:
    demo.connect_chats_and_mail()
    return hub_demo


def upload(name: str, content: bytes) -> str:
    return media.store_file(name, "", content, source_id=source_id(), test=True).id


def queue(file_id: str = "", **more: str) -> str:
    return queue_text(
        "eric@example.com", channel="email", media_id=file_id, source_id=source_id(), **more
    )


def raw(simulator: Any) -> Any:
    client = simulator.test_client()
    [email] = client.get("/simulator/mail.json").json["emails"]
    text = client.get(f"/simulator/mail/{email['id']}/raw").get_data(as_text=True)
    return message_from_string(text, policy=policy.default)


def test_uploaded_file_is_attached(mail_demo: Flask, simulator: Any) -> None:
    message_id = queue(upload("signed.pdf", PDF))
    deliver()
    assert message(message_id).status == Status.SENT
    [file] = raw(simulator).iter_attachments()
    assert (file.get_filename(), file.get_content()) == ("signed.pdf", PDF)


def test_file_at_an_address_is_sent_as_a_link(mail_demo: Flask, simulator: Any) -> None:
    url = "https://files.example/signed.pdf"
    queue(media_url=url)
    deliver()
    received = raw(simulator)
    assert list(received.iter_attachments()) == []
    assert url in received.get_body(("plain",)).get_content()


def test_file_that_is_too_large_is_refused(mail_demo: Flask) -> None:
    large = upload("large.pdf", bytes(MAX_FILE_SIZE + 1))
    with pytest.raises(Refused, match="larger than 3 MB") as refused:
        queue(large)
    assert (refused.value.code, refused.value.field) == ("media_too_large", "media")
    queue(upload("exact.pdf", bytes(MAX_FILE_SIZE)))


def test_deleted_file_fails_its_message(mail_demo: Flask, simulator: Any) -> None:
    file_id = upload("signed.pdf", PDF)
    message_id = queue(file_id)
    media._delete([file_id])
    deliver()
    assert (message(message_id).status, message(message_id).code) == (Status.FAILED, "media_gone")
    assert simulator.test_client().get("/simulator/mail.json").json["emails"] == []
