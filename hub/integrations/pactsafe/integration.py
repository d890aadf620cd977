"""Read the webhooks of PactSafe, and fetch the requests that they name.

A webhook carries a secret that never changes, and neither addresses nor links. So it only says
which request to fetch. See https://clickwrap-developer.ironcladapp.com/docs/webhook-events
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from hub.integrations.api import (
    CheckResult,
    ConfigForm,
    EventType,
    ProviderResponse,
    RegionField,
    SecretField,
    SimulatorCredentials,
    SourceEvent,
    SourceIntegration,
    Unrecognized,
    WebhookEvent,
    WebhookRequest,
    is_html,
    times,
    verify_secret,
    webhook,
)
from hub.integrations.pactsafe.requests import read_people, read_request

EVENTS = {
    "request_sent": EventType.SENT,
    "request_signed": EventType.SIGNED,
    "request_complete": EventType.COMPLETED,
    "request_expired": EventType.EXPIRED,
}
# a hook may report more than signing requests: these are known, and say nothing about one
OTHER_EVENTS = ("test_event", "version_published", "group_published")
ACTIVITY = "activity_"
TOKEN_HEADER = "pactsafe-webhook-token"  # noqa: S105 - the name of a header
NO_REQUEST = "0" * 24  # no request has this ID
# the documentation does not say how the API refuses an ID, other than with 401 and 403 for the key
NO_REQUEST_STATUSES = (400, 404, 410, 422)


class PactSafeForm(ConfigForm):
    """The settings of PactSafe."""

    webhook_token = SecretField(
        "Secret code",
        required=True,
        description=(
            "The secret code of the hook in PactSafe. Signpost refuses webhooks that do not carry"
            " it. Use at least 20 random characters."
        ),
    )
    api_key = SecretField(
        "API key",
        required=True,
        description="An access token of your PactSafe user profile, to read requests with.",
    )
    default_region = RegionField()


class PactSafe(SourceIntegration):
    """Signing requests of PactSafe."""

    contract = 2
    name = "pactsafe"
    title = "PactSafe"
    summary = "Notifies signers of PactSafe (Ironclad Clickwrap) requests on your channels."
    docs_url = "https://clickwrap-developer.ironcladapp.com/docs/webhook-events"
    reach = "Signers of your PactSafe requests"
    cost = "Free, besides the messages"
    setup = "About 10 minutes"
    guide = (
        "In PactSafe, open **User Profile**, press **+** beside **API Keys**, and register a key."
        " Enter its access token as the **API key**. It has the permissions of its user, so a user"
        " for Signpost alone is best.",
        "Generate a long random text, enter it as the **Secret code**, and save.",
        "In PactSafe, open **Settings**, **Integrations**, **Add Hook**. Enter the webhook URL of"
        " this page, choose the method **POST**, and enter the same secret code.",
        "Choose the events **Request Sent**, **Request Signed**, **Request Complete** and **Request"
        " Expired**. Press **Test**: the test event appears on this page.",
        "Switch off PactSafe’s own messages and reminders, because signers would get both: set"
        " `send_to` of each signer to `false` for email and SMS, or ask PactSafe to switch off the"
        " emails of your account.",
    )
    api = {"pactsafe": "https://api.pactsafe.com"}
    auth_setting = "api_key"
    Form = PactSafeForm

    def verify(self, request: WebhookRequest) -> None:
        """Compare the secret code, which PactSafe sends as a header."""
        verify_secret(self.setting("webhook_token"), request.headers.get(TOKEN_HEADER, ""))

    @classmethod
    def callback_key(cls, request: WebhookRequest) -> tuple[str, str]:
        """Return the request, and the event with the ID that all repeats of it have.

        PactSafe repeats a webhook for 24 hours, until it is accepted.
        """
        webhook_id = request.text("id") or hashlib.sha256(request.body).hexdigest()
        about = request.text("request") or webhook_id
        return about, f"{request.text('event_type')[:50]} {webhook_id}"

    @webhook("pactsafe/{connection}")
    def on_event(self, request: WebhookRequest) -> list[WebhookEvent]:
        """Webhook URL. Enter it in PactSafe under **Settings**, **Integrations**, with `POST`."""
        kind = request.text("event_type")
        if kind in OTHER_EVENTS or kind.startswith(ACTIVITY):
            return []
        event_type = EVENTS.get(kind)
        request_id = request.text("request")
        if event_type is None or not request_id:
            shown = kind[:50] or "no event type"
            return [Unrecognized(description=f"PactSafe sent {shown}, which Signpost cannot read.")]
        return [
            SourceEvent(
                type=event_type,
                id=request.text("id"),
                request=request_id,
                signer=request.text("signer") if event_type == EventType.SIGNED else "",
                at=times.parse_utc(request.text("created_time")),
                region=self.setting("default_region"),
            )
        ]

    def complete_event(self, event: SourceEvent) -> SourceEvent:
        """Fetch the request: its name, and the addresses and links of its signers."""
        response = self.request("GET", f"/v1.1/requests/{quote(event.request, safe='')}")
        fields = read_request(response, self.provider)
        people = read_people(fields, completed=event.type == EventType.COMPLETED)
        signer = next((person.id for ids, person in people if event.signer in ids), event.signer)
        return replace(
            event,
            title=str(fields.get("name") or ""),
            people=tuple(person for _, person in people),
            signer=signer,
        )

    def check(self) -> CheckResult:
        """Fetch a request that does not exist: PactSafe checks the API key first."""
        response = self.call("GET", f"/v1.1/requests/{NO_REQUEST}")
        is_unknown = response.status in NO_REQUEST_STATUSES and self.is_genuine(response)
        if not is_unknown and not self.accepts(response):
            raise self.refusal(response)
        return self.passed_check("PactSafe accepted the API key. Press Test there to try the hook.")

    @classmethod
    def is_genuine(cls, response: ProviderResponse) -> bool:
        """Return whether PactSafe wrote a refusal. Its errors have no documented form."""
        return not is_html(response)

    @classmethod
    def demo_settings(cls, credentials: SimulatorCredentials) -> dict[str, Any] | None:
        """Return the settings of the simulated account."""
        return {
            "webhook_token": credentials.derive("pactsafe webhook"),
            "api_key": credentials.derive("pactsafe api key"),
            "default_region": "US",
        }
