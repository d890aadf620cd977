"""Documenso: a signing app in the cloud or on your own server. Signpost notifies its recipients.

The admin adds a webhook in Documenso, with a secret. Documenso reports when a document is sent,
opened, signed, rejected, completed or canceled, with all recipients and their signing tokens. See
https://docs.documenso.com/developers/webhooks
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

from hub.integrations.api import (
    CheckResult,
    ConfigForm,
    EventType,
    OutcomeUnknown,
    SecretField,
    ServerField,
    SimulatorCredentials,
    SourceEvent,
    SourceIntegration,
    SourcePerson,
    Unrecognized,
    WebhookEvent,
    WebhookRequest,
    json_field,
    json_objects,
    json_part,
    times,
    verify_secret,
    webhook,
)

CLOUD = "https://app.documenso.com"
SIGNATURES = {"DOCUMENT_SIGNED", "DOCUMENT_RECIPIENT_COMPLETED", "DOCUMENT_COMPLETED"}
EVENTS = {
    "DOCUMENT_SENT",
    "DOCUMENT_OPENED",
    "DOCUMENT_REJECTED",
    "DOCUMENT_CANCELLED",
    *SIGNATURES,
}
# known, and nobody is notified of them; a reminder of Documenso is no reason to remind once more
OTHER_EVENTS = ("DOCUMENT_CREATED", "DOCUMENT_REMINDER_SENT", "RECIPIENT_EXPIRED")
SAMPLE = "env_123"  # the sample document of Documenso's test button
COPIES = "CC"  # the role of recipients of copies


class DocumensoForm(ConfigForm):
    """The settings of Documenso."""

    server = ServerField(default=CLOUD)
    webhook_secret = SecretField(
        "Webhook secret",
        required=True,
        description=(
            "The secret of the webhook in Documenso. Signpost refuses webhooks that do not carry"
            " it. Use at least 20 random characters."
        ),
        bound_to=("server",),
    )


class Documenso(SourceIntegration):
    """Documents of Documenso."""

    contract = 2
    has_phone_numbers = False
    name = "documenso"
    title = "Documenso"
    summary = "Notifies recipients of Documenso documents on your channels."
    docs_url = "https://docs.documenso.com/developers/webhooks"
    reach = "Recipients of your Documenso documents"
    cost = "Free, besides the messages"
    setup = "About 5 minutes"
    guide = (
        "Enter the **Server address**: that of your own server, or of Documenso’s cloud.",
        "Generate a long random text, enter it as the **Webhook secret**, and save.",
        "In Documenso, open the settings of your team, **Webhooks**, **Create Webhook**. Enter the"
        " webhook URL of this page and the same secret.",
        "Choose the events `document.sent`, `document.opened`, `document.signed`,"
        " `document.recipient.completed`, `document.completed`, `document.rejected` and"
        " `document.cancelled`. Their webhooks have names such as `DOCUMENT_SENT`.",
        "Switch off Documenso’s own emails and reminders, because recipients would get both: send"
        " documents with the distribution method **None**.",
    )
    api = {"documenso": CLOUD}
    Form = DocumensoForm

    def verify(self, request: WebhookRequest) -> None:
        """Compare the secret, which Documenso sends as a header."""
        verify_secret(self.setting("webhook_secret"), request.headers.get("x-documenso-secret", ""))

    @classmethod
    def callback_key(cls, request: WebhookRequest) -> tuple[str, str]:
        """Return the document, and the event with the hash of the body, which has no ID."""
        body_hash = hashlib.sha256(request.body).hexdigest()
        document = json_part(request.json, "payload")
        about = _text(document, "envelopeId") or _text(document, "id") or body_hash
        return about, f"{request.text('event')[:50]} {body_hash}"

    @webhook("documenso/{connection}")
    def on_event(self, request: WebhookRequest) -> list[WebhookEvent]:
        """Webhook URL. Enter it in Documenso in the settings of your team, under **Webhooks**."""
        kind = request.text("event")
        document = json_part(request.json, "payload")
        request_id = _text(document, "envelopeId") or _text(document, "id")
        if kind in OTHER_EVENTS or kind.startswith("TEMPLATE_") or request_id == SAMPLE:
            return []
        if kind not in EVENTS or not request_id:
            shown = kind[:50] or "no event"
            return [
                Unrecognized(description=f"Documenso sent {shown}, which Signpost cannot read.")
            ]
        about = self._describe(document, request_id, completed=kind == "DOCUMENT_COMPLETED")
        created_at = times.parse_utc(request.text("createdAt"))
        return [
            replace(about, type=event_type, id=event_id, signer=signer, at=at or created_at)
            for event_type, event_id, signer, at in _facts(kind, document)
        ]

    def _describe(
        self, document: Mapping[str, Any], request_id: str, *, completed: bool
    ) -> SourceEvent:
        """Return what a webhook says about a document and its recipients."""
        in_order = json_field(document, "documentMeta.signingOrder") == "SEQUENTIAL"
        locale = _text(document, "documentMeta.language")
        people = tuple(
            self._read_person(recipient, locale, in_order=in_order, completed=completed)
            for recipient in _recipients(document)
        )
        return SourceEvent(request=request_id, title=_text(document, "title"), people=people)

    def _read_person(
        self, recipient: Mapping[str, Any], locale: str, *, in_order: bool, completed: bool
    ) -> SourcePerson:
        token = _text(recipient, "token")
        link = f"{self.server_url()}/sign/{quote(token, safe='')}" if token else ""
        order = recipient.get("signingOrder")
        is_turn = in_order and type(order) is int and order > 0
        return SourcePerson(
            id=_text(recipient, "id"),
            name=_text(recipient, "name"),
            email=_text(recipient, "email"),
            locale=locale,
            order=order if is_turn else None,
            signing_url=link,
            download_url=f"{link}/complete" if completed and link else "",
            observes=recipient.get("role") == COPIES,
        )

    def check(self) -> CheckResult:
        """Ask the server whether it works, which needs no key."""
        response = self.request("GET", "/api/health")
        if json_field(response.json, "status") not in ("ok", "warning"):
            raise OutcomeUnknown("There is no Documenso at this address.", "bad_answer")
        return self.passed_check("The server answers. Send a document to try the webhook.")

    @classmethod
    def demo_settings(cls, credentials: SimulatorCredentials) -> dict[str, Any] | None:
        """Return the settings of the simulated server."""
        return {"server": CLOUD, "webhook_secret": credentials.derive("documenso webhook")}


def _facts(
    kind: str, document: Mapping[str, Any]
) -> Iterator[tuple[EventType, str, str, datetime | None]]:
    """Yield the events that a webhook reports: the type, the ID, the signer and the time.

    A webhook does not say who acted. So it reports every recipient who did until then, and
    Signpost ignores those that it knows.
    """
    updated_at = _time(document, "updatedAt")
    if kind == "DOCUMENT_SENT":
        yield EventType.SENT, "sent", "", updated_at
    for recipient in _recipients(document):
        signer = _text(recipient, "id")
        state = recipient.get("signingStatus")
        acted_at = _time(recipient, "signedAt")
        if recipient.get("role") == COPIES:
            continue
        if kind == "DOCUMENT_OPENED" and recipient.get("readStatus") == "OPENED":
            yield EventType.VIEWED, f"opened-{signer}", signer, None
        elif kind in SIGNATURES and state == "SIGNED":
            yield EventType.SIGNED, f"signed-{signer}", signer, acted_at
        elif kind == "DOCUMENT_REJECTED" and state == "REJECTED":
            yield EventType.DECLINED, f"rejected-{signer}", signer, acted_at
    if kind == "DOCUMENT_COMPLETED":
        yield EventType.COMPLETED, "completed", "", _time(document, "completedAt")
    elif kind == "DOCUMENT_CANCELLED":
        yield EventType.CANCELED, "canceled", "", None


def _recipients(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the recipients of a document that have an ID."""
    found = json_objects(document.get("recipients")) or json_objects(document.get("Recipient"))
    return [recipient for recipient in found if _text(recipient, "id")]


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = json_field(fields, name)
    is_text = isinstance(value, str | int) and not isinstance(value, bool)
    return str(value).strip() if is_text else ""


def _time(fields: Mapping[str, Any], name: str) -> datetime | None:
    return times.parse_utc(_text(fields, name))
