"""Names of encrypted fields never change and are unique."""

from __future__ import annotations

from hub.db import encrypted_fields
from hub.db.engine import Base
from hub.db.types import EncryptedJson
from hub.lib.crypto import EncryptedField

# what stored values are bound to since 0.2.0: add names, never change one
SINCE_0_2_0 = {
    "CALLBACK_REQUEST": ("provider_callbacks", "request"),
    "CONNECTION_CHECK": ("connections", "check"),
    "CONNECTION_SETTINGS": ("connections", "settings"),
    "CONSENT_PROOF": ("consents", "proof"),
    "CONTACT_NAME": ("contacts", "name"),
    "EVENT_PAYLOAD": ("events", "payload"),
    "EVENT_SKIPPED": ("events", "skipped"),
    "IDEMPOTENT_RESPONSE": ("idempotency_keys", "answer"),
    "LINK_URL": ("links", "url"),
    "MEDIA_CONTENT": ("media_files", "content"),
    "MESSAGE_CONTENT": ("message_bodies", "content"),
    "PASSED_TEST": ("forms", "passed_test"),
    "PLATFORM_EVENT_PAYLOAD": ("platform_events", "payload"),
    "REQUEST_SENDER": ("requests", "sender"),
    "REQUEST_TITLE": ("requests", "title"),
    "REQUEST_URL": ("requests", "url"),
    "SEARCH_QUERY": ("forms", "search_query"),
    "SETTING_VALUE": ("settings", "value"),
    "SIGNER_DETAILS": ("signers", "details"),
    "SIGNER_SIGNING_URL": ("signers", "signing_url"),
}


def named_fields() -> dict[str, EncryptedField]:
    """Return the constants of the module."""
    return {
        name: value
        for name, value in vars(encrypted_fields).items()
        if isinstance(value, EncryptedField)
    }


def test_field_names_of_0_2_0_never_change() -> None:
    fields = {name: tuple(value) for name, value in named_fields().items()}
    assert SINCE_0_2_0.items() <= fields.items()


def test_encrypted_columns_have_distinct_field_names() -> None:
    used = [
        value.field
        for mapper in Base.registry.mappers
        for value in vars(mapper.class_).values()
        if isinstance(value, EncryptedJson)
    ]
    assert len(used) == len({*used}) > 10
    assert {*used} <= {*named_fields().values()}
