"""Each signing method of Twilio accepts a genuine callback and refuses a forged one."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Flask
from sqlalchemy import select

from hub.connections import connection_tests, connections
from hub.db.engine import db
from hub.db.store import transaction
from hub.models import Connection
from tests.conftest import config_of
from tests.hub_fixtures import (
    CALLBACK,
    attempts,
    callbacks,
    credentials,
    deliver,
    eventually,
    process_pending_callbacks,
    queue_text,
    status,
    status_form,
    status_target,
)

SID = "SM" + "0" * 32
FORM = "application/x-www-form-urlencoded; charset=UTF-8"
JSON = "application/json"
SECOND = "5" * 32
SHARED_ID = "webhooks_sharedkey_0123456789abcdef"
SHARED = "a shared secret"
Fields = Iterable[tuple[str, str]]


def compute_signature(secret: str, url: str, fields: Fields = (), algorithm: str = "sha1") -> str:
    """Sign as Twilio's documentation describes, independently of the libraries under test."""
    text = url + "".join(name + value for name, value in sorted(set(fields)))
    return base64.b64encode(hmac.digest(secret.encode(), text.encode(), algorithm)).decode()


def post_signed(
    app: Flask,
    body: bytes,
    signature: str,
    *,
    target: str = CALLBACK,
    kind: str = FORM,
    settings: str | None = None,
) -> int:
    """Post a body with a signature and an optional algorithm header, and return the status."""
    headers = {"X-Twilio-Signature": signature}
    if settings is not None:
        headers["X-Twilio-Webhooks-Signature-Settings"] = settings
    return app.test_client().post(target, data=body, content_type=kind, headers=headers).status_code


def post_status(
    app: Flask,
    secret: str,
    algorithm: str = "sha1",
    *,
    settings: str | None = None,
    status: str = "sent",
) -> int:
    """Post a status signed with this secret, and return the response status."""
    fields = status_form(app, SID, status)
    return post_signed(
        app,
        urlencode(fields).encode(),
        compute_signature(secret, signed_url(app), fields.items(), algorithm),
        settings=settings,
    )


def signed_url(app: Flask, target: str = CALLBACK) -> str:
    return config_of(app).public_url + target


@transaction
def change_settings(connection_id: str, **settings: Any) -> None:
    """Change the settings of every connection of the account, which could all verify."""
    account = db.session.get_one(Connection, connection_id).account
    for row in db.session.scalars(select(Connection).where(Connection.account == account)):
        row.settings = {**row.settings, **settings}
        row.settings_version += 1


def shared_key_header(algorithm: str = "HMAC_SHA256") -> str:
    return f"key={SHARED_ID},algorithm={algorithm}"


# ── What is signed ────────────────────────────────────────────────────────────────────────────────
def test_repeated_field_is_signed_once_for_each_value(hub_demo: Flask) -> None:
    fields = [
        *status_form(hub_demo, SID, "sent").items(),
        ("MediaUrl", "b"),
        ("MediaUrl", "a"),
        ("MediaUrl", "b"),
    ]
    token = credentials(hub_demo).auth_token
    single_signature = compute_signature(token, signed_url(hub_demo), fields)
    assert post_signed(hub_demo, urlencode(fields).encode(), single_signature) == 200
    last_only = compute_signature(token, signed_url(hub_demo), dict(fields).items())
    assert post_signed(hub_demo, urlencode(fields).encode(), last_only) == 403
    assert (
        post_signed(hub_demo, urlencode([*fields, ("MediaUrl", "c")]).encode(), single_signature)
        == 403
    )


def test_json_body_is_verified_by_its_hash_in_the_signed_address(hub_demo: Flask) -> None:
    message_id = queue_text()
    body = json.dumps(
        {**status_form(hub_demo, SID, "delivered"), "Nested": {"a": 1}, "Count": 2}
    ).encode()
    target = f"{status_target(message_id)}&bodySHA256={hashlib.sha256(body).hexdigest()}"
    signature = compute_signature(credentials(hub_demo).auth_token, signed_url(hub_demo, target))
    for changed in (body + b" ", body.replace(b"delivered", b"failed"), b""):
        assert post_signed(hub_demo, changed, signature, target=target, kind=JSON) == 403
    forged = f"{status_target(message_id)}&bodySHA256={hashlib.sha256(body + b' ').hexdigest()}"
    assert post_signed(hub_demo, body + b" ", signature, target=forged, kind=JSON) == 403
    assert callbacks() == []
    assert post_signed(hub_demo, body, signature, target=target, kind=JSON) == 200
    [callback] = callbacks()
    assert (callback.subject, callback.detail, callback.scope) == (
        SID,
        "delivered:",
        credentials(hub_demo).account_sid,
    )


def test_json_body_without_a_hash_is_refused(hub_demo: Flask) -> None:
    body = json.dumps(status_form(hub_demo, SID, "delivered")).encode()
    assert (
        post_signed(
            hub_demo,
            body,
            compute_signature(credentials(hub_demo).auth_token, signed_url(hub_demo)),
            kind=JSON,
        )
        == 403
    )


@pytest.mark.parametrize(
    "junk",
    [
        b"[]",
        b"null",
        b"{",
        b"[" * 100_000,
        b'{"AccountSid": 1}',
        b'{"AccountSid": ["AC"]}',
        b"\xff",
    ],
)
def test_json_without_an_account_is_refused(hub_demo: Flask, junk: bytes) -> None:
    target = f"{CALLBACK}?bodySHA256={hashlib.sha256(junk).hexdigest()}"
    signature = compute_signature(credentials(hub_demo).auth_token, signed_url(hub_demo, target))
    assert post_signed(hub_demo, junk, signature, target=target, kind=JSON) == 403


class TestPorts:
    """A hub on the default port: Twilio signs the address with or without the port."""

    @pytest.fixture(params=["http://127.0.0.1", "http://127.0.0.1:80", "http://127.0.0.1:8099"])
    def settings(self, request: pytest.FixtureRequest) -> dict[str, str]:
        return {"HUB_PUBLIC_URL": request.param}

    def test_signed_address_may_omit_the_default_port(
        self, hub_demo: Flask, settings: dict[str, str]
    ) -> None:
        fields = status_form(hub_demo, SID, "sent")
        token = credentials(hub_demo).auth_token
        port = settings["HUB_PUBLIC_URL"].rpartition(":")[2]
        default_port = port if port.isdecimal() else "80"
        for netloc, answer in (
            (f"127.0.0.1:{default_port}", 200),
            ("127.0.0.1", 200),
            ("127.0.0.1:81", 403),
            ("127.0.0.2", 403),
        ):
            signature = compute_signature(token, f"http://{netloc}{CALLBACK}", fields.items())
            assert post_signed(hub_demo, urlencode(fields).encode(), signature) == answer, netloc


# ── Two tokens during a rotation ──────────────────────────────────────────────────────────────────
def test_both_tokens_verify_during_a_rotation(hub_demo: Flask, connection: Connection) -> None:
    change_settings(connection.id, secondary_auth_token=SECOND)
    message_id = queue_text()
    assert (
        post_status(hub_demo, SECOND)
        == post_status(hub_demo, credentials(hub_demo).auth_token, status="queued")
        == 200
    )
    fields = status_form(hub_demo, SID, "delivered")
    signature = compute_signature(
        SECOND, signed_url(hub_demo, status_target(message_id)), fields.items()
    )
    assert (
        post_signed(
            hub_demo, urlencode(fields).encode(), signature, target=status_target(message_id)
        )
        == 200
    )
    assert {callback.connection_id for callback in callbacks()} == {connection.id}, (
        "its facts are this connection's"
    )
    assert post_status(hub_demo, "6" * 32) == 403


def test_old_token_is_refused_after_a_rotation(hub_demo: Flask, connection: Connection) -> None:
    old = credentials(hub_demo).auth_token
    for sharing in db.session.scalars(select(Connection)).all():  # all that have the account
        stored = {**sharing.settings, "secondary_auth_token": SECOND}
        connections.save(sharing.id, stored)
        connections.save(sharing.id, {**stored, "auth_token": SECOND, "secondary_auth_token": ""})
    settings = db.session.get_one(Connection, connection.id, populate_existing=True).settings
    assert (settings["auth_token"], settings["secondary_auth_token"]) == (
        SECOND,
        "",
    ), "a token that is the first is not kept twice"
    assert post_status(hub_demo, SECOND) == 200
    assert post_status(hub_demo, old) == 403


# ── SharedKeys, and no way back ───────────────────────────────────────────────────────────────────
HEADERS = [
    None,
    "",
    "algorithm=HMAC_SHA1",
    shared_key_header("HMAC_SHA1"),
    shared_key_header(),
    shared_key_header("HMAC_MD5"),
    f"key={SHARED_ID}",
    "algorithm=HMAC_SHA1,algorithm=HMAC_SHA256",
    "algorithm=,=,",
]


def test_shared_key_verifies_its_signatures(hub_demo: Flask, connection: Connection) -> None:
    change_settings(connection.id, shared_key_id=SHARED_ID, shared_key=SHARED)
    assert post_status(hub_demo, SHARED, "sha256", settings=shared_key_header()) == 200
    assert post_status(hub_demo, SHARED + "x", "sha256", settings=shared_key_header()) == 403


@pytest.mark.parametrize("header", HEADERS)
def test_auth_token_is_refused_where_a_shared_key_is_required(
    hub_demo: Flask, connection: Connection, header: str | None
) -> None:
    change_settings(
        connection.id, shared_key_id=SHARED_ID, shared_key=SHARED, secondary_auth_token=SECOND
    )
    for secret in (credentials(hub_demo).auth_token, SECOND):
        assert post_status(hub_demo, secret, settings=header) == 403
        assert post_status(hub_demo, secret, "sha256", settings=header) == 403


@pytest.mark.parametrize("header", HEADERS)
def test_header_cannot_choose_a_weaker_algorithm(
    hub_demo: Flask, connection: Connection, header: str | None
) -> None:
    change_settings(connection.id, shared_key_id=SHARED_ID, shared_key=SHARED)
    assert post_status(hub_demo, SHARED, "sha1", settings=header) == 403


@pytest.mark.parametrize(
    "header",
    [header for header in HEADERS if header and "SHA1" not in header and "=," not in header],
)
def test_header_cannot_turn_a_token_into_a_shared_key(hub_demo: Flask, header: str) -> None:
    assert post_status(hub_demo, credentials(hub_demo).auth_token, "sha256", settings=header) == 403


def test_both_methods_verify_while_switching(hub_demo: Flask, connection: Connection) -> None:
    change_settings(connection.id, shared_key_id=SHARED_ID, shared_key=SHARED, auth_token_too=True)
    token = credentials(hub_demo).auth_token
    assert post_status(hub_demo, SHARED, "sha256", settings=shared_key_header()) == 200
    assert post_status(hub_demo, token, status="delivered") == 200
    assert post_status(hub_demo, SHARED, "sha1") == 403
    assert post_status(hub_demo, token, "sha256", settings=shared_key_header()) == 403


def test_form_sets_and_clears_the_signing_settings(hub_demo: Flask, connection: Connection) -> None:
    form = {
        **connection.settings,
        "shared_key_id": SHARED_ID,
        "shared_key": SHARED,
        "auth_token_too": "y",
    }
    connections.save(connection.id, form)
    assert post_status(hub_demo, credentials(hub_demo).auth_token) == 200
    connections.save(connection.id, {**form, "shared_key": "", "auth_token_too": ""})
    row = db.session.get_one(Connection, connection.id, populate_existing=True)
    assert (row.settings["shared_key"], row.settings["auth_token_too"]) == (
        SHARED,
        False,
    ), "a blank secret is kept"
    connections.save(connection.id, {**form, "shared_key_id": "", "shared_key": ""})
    row = db.session.get_one(Connection, connection.id, populate_existing=True)
    assert (row.settings["shared_key"], row.settings["auth_token_too"]) == ("", False)


# ── With the simulator, which signs by code of its own ────────────────────────────────────────────
@pytest.mark.parametrize("signing", ["Auth Token", "SharedKey"])
@pytest.mark.parametrize("dialect", ["form", "json", "port"])
def test_simulator_callbacks_are_accepted(
    hub_demo: Flask,
    connection: Connection,
    simulator: Any,
    served: Flask,
    signing: str,
    dialect: str,
) -> None:
    account = simulator.extensions["simulator"].account
    account.switch(signing=signing, dialect=dialect)
    if signing == "SharedKey":
        change_settings(
            connection.id,
            shared_key_id=account.shared_key.shared_id,
            shared_key=account.shared_key.secret,
        )
    message_id = queue_text()
    deliver()
    eventually(lambda: process_pending_callbacks() is None or status(message_id) == "delivered")
    assert len(attempts(message_id)) == 1


def test_rotation_at_the_provider_loses_no_callback_and_the_test_explains_it(
    hub_demo: Flask, connection: Connection, simulator: Any, served: Flask
) -> None:
    account = simulator.extensions["simulator"].account
    account.create_secondary()
    second = account.secondary
    stored = {**connection.settings, "secondary_auth_token": second}
    connections.save(connection.id, stored)
    assert connection_tests.run_test(connection.id).check.warnings == ()
    message_id = queue_text()
    deliver()
    account.promote_secondary()  # its callbacks are signed with the other token from here on
    eventually(lambda: process_pending_callbacks() is None or status(message_id) == "delivered")
    check = connection_tests.run_test(connection.id).check
    assert (check.ok, check.title, check.field) == (
        False,
        "Twilio rejected the Auth Token, but accepts the secondary one.",
        "auth_token",
    )
    assert second not in str(check)
    connections.save(connection.id, {**stored, "auth_token": second, "secondary_auth_token": ""})
    assert connection_tests.run_test(connection.id).check.ok


def test_rejected_secondary_token_causes_a_warning(
    hub_demo: Flask, connection: Connection, simulator: Any
) -> None:
    connections.save(connection.id, {**connection.settings, "secondary_auth_token": SECOND})
    check = connection_tests.run_test(connection.id).check
    assert check.ok
    assert check.warnings[0].startswith("Twilio rejected the secondary Auth Token")
