"""Names to which the encryption of values is bound.

A table or a column may be renamed. A name here never changes, because values that were encrypted
with it could no longer be decrypted.
"""

from __future__ import annotations

from hub.lib.crypto import EncryptedField

CALLBACK_REQUEST = EncryptedField("provider_callbacks", "request")
CONNECTION_CHECK = EncryptedField("connections", "check")
CONNECTION_SETTINGS = EncryptedField("connections", "settings")
CONSENT_PROOF = EncryptedField("consents", "proof")
CONTACT_NAME = EncryptedField("contacts", "name")
EVENT_PAYLOAD = EncryptedField("events", "payload")
EVENT_SKIPPED = EncryptedField("events", "skipped")
EVIDENCE_HOLD_REASON = EncryptedField("evidence_holds", "reason")
EVIDENCE_PRIVATE_KEY = EncryptedField("evidence_keys", "private")
EVIDENCE_VALUES = EncryptedField("evidence_rows", "values")
IDEMPOTENT_RESPONSE = EncryptedField("idempotency_keys", "answer")
LINK_URL = EncryptedField("links", "url")
MEDIA_CONTENT = EncryptedField("media_files", "content")
MESSAGE_CONTENT = EncryptedField("message_bodies", "content")
PASSED_TEST = EncryptedField("forms", "passed_test")
PLATFORM_EVENT_PAYLOAD = EncryptedField("platform_events", "payload")
REQUEST_SENDER = EncryptedField("requests", "sender")
REQUEST_TITLE = EncryptedField("requests", "title")
REQUEST_URL = EncryptedField("requests", "url")
SEARCH_QUERY = EncryptedField("forms", "search_query")
SETTING_VALUE = EncryptedField("settings", "value")
SIGNER_DETAILS = EncryptedField("signers", "details")
SIGNER_SIGNING_URL = EncryptedField("signers", "signing_url")
WEBHOOK_RESPONSE = EncryptedField("webhook_attempts", "answer")
WEBHOOK_SECRET = EncryptedField("webhook_secrets", "secret")
WEBHOOK_SETTINGS = EncryptedField("webhook_endpoints", "settings")


def form_secret(field: str) -> EncryptedField:
    """Return the name of a secret that a form returns to its author. `field` is the input's
    name.
    """
    return EncryptedField("forms", field)
