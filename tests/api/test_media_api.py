"""Files uploaded to the hub: stored encrypted, served for 15 minutes, and removed."""

from __future__ import annotations

import time
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update
from urllib3 import encode_multipart_formdata
from werkzeug.test import TestResponse

from hub.accounts import api_keys
from hub.core.errors import NotFound
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.messaging.compose import media
from hub.messaging.contacts.contacts import get_or_create_contact
from hub.messaging.policy import session_windows
from hub.models import Connection, MediaFile, MessageBody
from tests.conftest import config_of
from tests.hub_fixtures import ERIC, SigningApp, json_of, message

PDF = b"%PDF-1.7 signed by Eric Smith"


def upload(
    app: SigningApp, content: bytes = PDF, name: str = "signed.pdf", kind: str = "application/pdf"
) -> TestResponse:
    form, its_type = encode_multipart_formdata({"file": (name, content, kind)})
    return app.client.post(
        "/api/v1/media",
        data=form,
        content_type=its_type,
        headers={"Authorization": f"Bearer {app.key}"},
    )


def link_path(app: Flask, file_id: str) -> str:
    return media.file_link(file_id, "signed.pdf").removeprefix(config_of(app).public_url)


# ── Given ─────────────────────────────────────────────────────────────────────────────────────────
def test_file_is_stored_encrypted(signing_app: SigningApp) -> None:
    answer = upload(signing_app)
    assert answer.status_code == 201
    media = json_of(answer)
    assert (media["id"][:4], media["name"], media["content_type"], media["size"]) == (
        "med_",
        "signed.pdf",
        "application/pdf",
        len(PDF),
    )
    [stored] = db.session.scalars(select(MediaFile.content)).all()
    assert b"PDF" not in stored
    assert b"Eric" not in stored


@pytest.mark.parametrize(
    ("name", "kind", "taken_as"),
    [
        ("../../etc/signed.pdf", "application/pdf", ("signed.pdf", "application/pdf")),
        ("signed.pdf", "application/octet-stream", ("signed.pdf", "application/pdf")),
        (
            "Vertrag Müller.pdf",
            "application/pdf; charset=binary",
            ("Vertrag Müller.pdf", "application/pdf"),
        ),
        ('a"b\n.pdf', "application/pdf", None),
    ],
)
def test_file_name_is_stored_without_folders(
    signing_app: SigningApp, name: str, kind: str, taken_as: Any
) -> None:
    media = json_of(upload(signing_app, name=name, kind=kind))
    if taken_as:
        assert (media["name"], media["content_type"]) == taken_as
    else:
        assert not set(media["name"]) & {'"', "\n"}


@pytest.mark.parametrize(
    ("content", "name", "kind", "expected"),
    [
        (b"", "signed.pdf", "application/pdf", (422, "empty_file", "file")),
        (b"MZ", "setup.exe", "application/x-msdownload", (422, "media_type", "file")),
        (b"?", "signed", "", (422, "media_type", "file")),
        (
            b"\xff" * (5 * 1024 * 1024 + 1),
            "photo.jpg",
            "image/jpeg",
            (422, "media_too_large", "file"),
        ),
        (b" " * (17 * 1024 * 1024), "signed.pdf", "application/pdf", (413, "too_large", "file")),
    ],
)
def test_file_type_that_no_channel_supports_is_refused(
    signing_app: SigningApp, content: bytes, name: str, kind: str, expected: tuple[int, str, str]
) -> None:
    answer = upload(signing_app, content, name, kind)
    assert (answer.status_code, json_of(answer)["code"], json_of(answer)["field"]) == expected
    assert db.session.scalars(select(MediaFile.id)).all() == []


def test_upload_without_a_file_is_refused(signing_app: SigningApp) -> None:
    assert signing_app.raw("/media", PDF, "application/pdf").status_code == 415
    empty = signing_app.client.post(
        "/api/v1/media",
        data={"text": "x"},
        content_type="multipart/form-data",
        headers={"Authorization": f"Bearer {signing_app.key}"},
    )
    assert (empty.status_code, json_of(empty)["field"]) == (422, "file")
    assert (
        signing_app.client.post("/api/v1/media", data={"file": (BytesIO(PDF), "x.pdf")}).status_code
        == 401
    )


class TestLowerLimits:
    """A hub whose limits are lower than those of providers."""

    @pytest.fixture
    def settings(self) -> dict[str, str]:
        return {"HUB_MEDIA_MB": "1", "HUB_MEDIA_IMAGE_MB": "1", "HUB_MEDIA_DAYS": "2"}

    def test_lower_limits_apply(self, signing_app: SigningApp) -> None:
        assert json_of(upload(signing_app, b" " * (1024 * 1024 + 1)))["code"] == "media_too_large"
        assert (
            json_of(upload(signing_app, b" " * (1024 * 1024 + 1), "a.png", "image/png"))["code"]
            == "media_too_large"
        )
        assert upload(signing_app, b" " * 1024 * 1024).status_code == 201
        [until] = db.session.scalars(select(MediaFile.expires_at)).all()
        assert abs(until - now() - timedelta(days=2)) < timedelta(minutes=1)


# ── Lent ──────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_file_link_serves_the_file_as_a_download(
    hub_demo: Flask, signing_app: SigningApp, method: str
) -> None:
    path = link_path(hub_demo, json_of(upload(signing_app))["id"])
    answer = hub_demo.test_client().open(path, method=method)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/pdf"
    assert answer.headers["Content-Length"] == str(len(PDF))
    assert answer.headers["Content-Disposition"] == "inline; filename=signed.pdf"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"].startswith("sandbox")
    assert "Set-Cookie" not in answer.headers
    assert answer.data == (PDF if method == "GET" else b"")


def test_file_link_expires_after_fifteen_minutes(
    hub_demo: Flask, signing_app: SigningApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = link_path(hub_demo, json_of(upload(signing_app))["id"])
    clock = time.time
    monkeypatch.setattr(time, "time", lambda: clock() + 890)
    assert hub_demo.test_client().get(path).status_code == 200
    monkeypatch.setattr(time, "time", lambda: clock() + 905)
    late = hub_demo.test_client().get(path)
    assert (late.status_code, json_of(late)["code"]) == (404, "link_expired")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.replace("/files/", "/files/x"),
        lambda path: "/api/files/nothing/signed.pdf",
    ],
)
def test_forged_file_link_is_not_found(
    hub_demo: Flask, signing_app: SigningApp, spoil: Any
) -> None:
    path = link_path(hub_demo, json_of(upload(signing_app))["id"])
    assert hub_demo.test_client().get(spoil(path)).status_code == 404


def test_file_is_removed_after_its_expiry(hub_demo: Flask, signing_app: SigningApp) -> None:
    expired_id, remaining_id = (json_of(upload(signing_app))["id"] for _ in range(2))
    path = link_path(hub_demo, expired_id)

    @transaction
    def expire() -> None:
        db.session.execute(
            update(MediaFile)
            .where(MediaFile.id == expired_id)
            .values(expires_at=now() - timedelta(seconds=1))
        )

    expire()
    assert hub_demo.test_client().get(path).status_code == 404
    assert (
        signing_app.post(
            "/messages", {"connection": "demo-whatsapp", "to": ERIC, "media": expired_id}
        ).status_code
        == 404
    )
    assert media.delete_expired() == 1
    db.session.rollback()
    assert db.session.scalars(select(MediaFile.id)).all() == [remaining_id]


# ── Going along ───────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def open_window(hub_demo: Flask) -> None:
    """Open the reply window of Eric at the demo's WhatsApp sender."""
    sender = db.session.scalars(
        select(Connection.sender).where(Connection.slug == "demo-whatsapp")
    ).one()

    @transaction
    def open() -> None:
        session_windows.open_window(
            sender, get_or_create_contact("phone", ERIC, test=True).id, now(), 24
        )

    open()


def test_file_is_attached_to_a_message(open_window: None, signing_app: SigningApp) -> None:
    file_id = json_of(upload(signing_app))["id"]
    answer = signing_app.post(
        "/messages", {"connection": "demo-whatsapp", "to": ERIC, "media": file_id}
    )
    assert (answer.status_code, json_of(answer)["status"]) == (202, "queued")
    link = signing_app.post(
        "/messages",
        {
            "connection": "demo-whatsapp",
            "to": ERIC,
            "text": "x",
            "media_url": "https://files.example/a.pdf",
        },
    )
    assert link.status_code == 202
    assert message(json_of(link)["id"]).status == "queued"


def test_file_is_attached_again_when_the_message_is_resent(
    open_window: None, signing_app: SigningApp
) -> None:
    file_id = json_of(upload(signing_app))["id"]
    sent = json_of(
        signing_app.post("/messages", {"connection": "demo-whatsapp", "to": ERIC, "media": file_id})
    )["id"]
    assert signing_app.post(f"/messages/{sent}/cancel").status_code == 200
    resent_id = json_of(signing_app.post(f"/messages/{sent}/resend"))["id"]
    assert db.session.get_one(MessageBody, resent_id).content["media"] == [
        {"file": file_id, "name": "signed.pdf"}
    ]


@pytest.mark.parametrize(
    ("fields", "status", "field"),
    [
        ({"media": "med_nothing"}, 404, "media"),
        ({"media_url": "ftp://files.example/a.pdf"}, 422, "media_url"),
        ({"media_url": "https://eric:secret@files.example/a.pdf"}, 422, "media_url"),
        ({"media_url": "https://files.example/" + "a" * 2000}, 422, "media_url"),
        ({"media_url": "https://files.example/a.pdf", "media": "med_x"}, 422, "media_url"),
        ({}, 422, "text"),
    ],
)
def test_file_that_cannot_be_attached_is_refused(
    open_window: None, signing_app: SigningApp, fields: dict[str, str], status: int, field: str
) -> None:
    answer = signing_app.post("/messages", {"connection": "demo-whatsapp", "to": ERIC, **fields})
    assert (answer.status_code, json_of(answer)["field"]) == (status, field)


def test_file_type_that_the_channel_does_not_support_is_refused(
    open_window: None, signing_app: SigningApp
) -> None:
    webp = json_of(upload(signing_app, b"RIFF", "a.webp", "image/webp"))["id"]
    answer = signing_app.post("/messages", {"connection": "demo-sms", "to": ERIC, "media": webp})
    assert (answer.status_code, json_of(answer)["code"]) == (422, "media_type")


def test_live_key_cannot_use_test_files(signing_app: SigningApp) -> None:
    live = SigningApp(signing_app.client, api_keys.create_key("Live", test=False))
    source = db.session.scalars(
        select(MediaFile.source_id).where(MediaFile.id == json_of(upload(signing_app))["id"])
    ).one()
    with pytest.raises(NotFound):
        media.find_file(json_of(upload(signing_app))["id"], source_id=source, test=False)
    assert (
        media.find_file(json_of(upload(live))["id"], source_id=source, test=False).name
        == "signed.pdf"
    )
