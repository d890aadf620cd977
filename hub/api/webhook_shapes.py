"""Request and response shapes of webhook endpoints, and of the webhooks themselves."""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, Field, StringConstraints

from hub.core.vocabulary import Channel, EndpointState, PersonRole
from hub.endpoints.endpoints import MAX_DESCRIPTION_LENGTH
from hub.endpoints.patterns import MAX_PATTERNS
from hub.endpoints.target_urls import MAX_URL_LENGTH
from hub.signing.events import Strict

# names of events or beginnings of them; which ones exist, a pattern cannot say
Pattern = Annotated[
    str,
    StringConstraints(min_length=1, max_length=80),
    Field(json_schema_extra={"format": "event-pattern"}),
]


class WebhookEndpointIn(Strict):
    """An endpoint that receives events of the key's source."""

    url: Annotated[str, StringConstraints(min_length=1, max_length=MAX_URL_LENGTH)] = Field(
        description="A public https address.",
        json_schema_extra={"examples": ["https://app.example/hooks"], "format": "uri"},
    )
    events: Annotated[list[Pattern], Field(min_length=1, max_length=MAX_PATTERNS)] = Field(
        description="Names of events, or beginnings with a star: `sms_*`, `opted_out`, `*`."
    )
    description: Annotated[str, StringConstraints(max_length=MAX_DESCRIPTION_LENGTH)] = ""


class WebhookEndpointOut(BaseModel):
    """A webhook endpoint, without its secret."""

    id: str
    kind: str = Field(description="`webhook`, or the kind of a message broker.")
    url: str = Field(description="The URL, or the servers and the topic of a message broker.")
    events: list[str]
    description: str
    state: EndpointState
    state_reason: str | None = Field(
        description="Why it is disabled: failures, gone, receiver, admin or unreadable."
    )
    failing_since: AwareDatetime | None = Field(
        description="The first failure after the last success."
    )
    test: bool = Field(description="True: it receives events of test messages only.")
    created_at: AwareDatetime


class NewWebhookEndpointOut(WebhookEndpointOut):
    """A new webhook endpoint with its secret, which is shown only once."""

    secret: str = Field(description="Verifies the requests: whsec_…")


class WebhookEndpointsOut(BaseModel):
    """The webhook endpoints of the key's source and kind, newest first."""

    webhook_endpoints: list[WebhookEndpointOut]


class DeletedEndpointOut(BaseModel):
    """A webhook endpoint that was deleted."""

    id: str
    deleted: bool


class WebhookEventsQuery(Strict):
    """A filter for the list of events."""

    events: Pattern = Field(
        default="*", description="The name of an event, or its beginning with a star."
    )


class WebhookEventOut(BaseModel):
    """The body of a webhook. A field that does not apply is null."""

    id: str = Field(description="The ID of the event, pev_…. Repeats have the same ID.")
    type: str
    version: int
    at: AwareDatetime = Field(description="The time of the event.")
    source: str = Field(description="The slug of the source.")
    test: bool
    message: str | None
    request: str | None
    request_external_id: str | None = Field(description="Your own ID of the request.")
    signer: str | None = Field(description="Your own ID of the person, or `sender`.")
    role: PersonRole | None = Field(description="The role of the person in the request.")
    connection: str | None = Field(description="The slug of the connection.")
    channel: Channel | None
    status: str | None
    code: str | None = Field(description="The error code of a failed message or of an opt-out.")
    inbound: str | None = Field(description="The ID of a received message.")
    kind: str | None = Field(description="The kind of a received message, such as text.")
    button: str | None = Field(
        description="The button that was pressed: the value of a quick reply, remind or snooze."
    )
    result: str | None = Field(
        description="The result of an action below a post, such as done, unreached or expired."
    )
    endpoint: str | None = Field(description="The endpoint that an event is about.")
    reason: str | None = Field(
        description=(
            "Of an opt-out or an opt-in: keyword, unsubscribe, provider, complaint, admin, api,"
            " import or link."
            " Of an endpoint: failures, gone, receiver, unreadable or admin."
        )
    )
    address: str | None = Field(
        default=None, description="The contact's address, if the endpoint includes addresses."
    )
    text: str | None = Field(
        default=None, description="The text of the message, if the endpoint includes texts."
    )


class WebhookKindOut(BaseModel):
    """A type of event, with an example of its webhook."""

    type: str
    meaning: str
    example: WebhookEventOut


class WebhookKindsOut(BaseModel):
    """Types of events, by name."""

    webhook_events: list[WebhookKindOut]
