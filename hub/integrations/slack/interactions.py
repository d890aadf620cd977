"""Read the requests that Slack sends for clicks of buttons, and verify their signature.

https://docs.slack.dev/interactivity/handling-user-interaction
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from hub.integrations.api import (
    BadWebhook,
    ButtonPress,
    Unrecognized,
    WebhookEvent,
    WebhookRequest,
    json_object,
    json_part,
    quoted,
)

MAX_NAME_LENGTH = 100  # characters of a person's name
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")


def verify(request: WebhookRequest, secret: str) -> None:
    """Check the signature of a request with the app's Signing Secret.

    Raises BadWebhook.
    """
    sent_at = request.headers.get("x-slack-request-timestamp", "")
    signature = request.headers.get("x-slack-signature", "")
    # SignatureVerifier fails with other values
    if not (
        secret
        and re.fullmatch(r"[0-9]{1,12}", sent_at)
        and re.fullmatch(r"v0=[0-9a-f]{64}", signature)
    ):
        raise BadWebhook("The request has no signature of this Slack app.")
    # imported here, because it loads all of slack_sdk, which is large
    from slack_sdk.signature import SignatureVerifier

    try:
        genuine = SignatureVerifier(secret).is_valid(request.body, sent_at, signature)
    except ValueError:  # the body is not text
        genuine = False
    if not genuine:
        raise BadWebhook(
            "The signature does not match this app’s Signing Secret, or is more than 5 minutes old."
        )


def read(request: WebhookRequest, *, can_reply: Callable[[str], object]) -> list[WebhookEvent]:
    """Return the button clicks of a request.

    `can_reply` decides whether an address of Slack may receive the response to a click.
    """
    interaction = _payload(request)
    if interaction.get("type") != "block_actions":
        return [Unrecognized(description=_describe(request))]
    reply_to = interaction.get("response_url")
    if not isinstance(reply_to, str) or not can_reply(reply_to):
        reply_to = ""
    return [
        ButtonPress(
            token=token,
            name=_person_name(interaction.get("user")),
            reply_to=reply_to,
            provider_id=_post_id(interaction),
        )
        for token in button_values(request)
        if _TOKEN.fullmatch(token)
    ]


def button_values(request: WebhookRequest) -> tuple[str, ...]:
    """Return the values of the clicked buttons; a button that opens a link has none."""
    actions = _payload(request).get("actions")
    if not isinstance(actions, list):
        return ()
    values = (action.get("value") for action in actions if isinstance(action, dict))
    return tuple(value for value in values if isinstance(value, str) and value)


def get_app_id(request: WebhookRequest) -> str:
    """Return the ID of the Slack app that a request claims to be from, or "" if it names none."""
    app_id = _payload(request).get("api_app_id") or _field(request, "api_app_id")
    return app_id if isinstance(app_id, str) and len(app_id) < 100 else ""


def checks_certificate(request: WebhookRequest) -> bool:
    """Return whether Slack only checks the hub's certificate, which it does without a signature.

    https://docs.slack.dev/interactivity/implementing-slash-commands
    """
    try:
        fields = {**request.query, **request.form}
    except BadWebhook:
        return False
    return fields.get("ssl_check") == "1" and "payload" not in fields


def _payload(request: WebhookRequest) -> Mapping[str, Any]:
    """Return the JSON of an interaction, from a form field, or of an event, from the body."""
    if request.json:
        return request.json
    try:
        return json_object(request.form.get("payload", ""))
    except BadWebhook:
        return {}


def _field(request: WebhookRequest, name: str) -> str:
    """Return a field of a form, such as that of a slash command, or "" if it is missing."""
    try:
        return request.form.get(name, "")
    except BadWebhook:
        return ""


def _describe(request: WebhookRequest) -> str:
    """Describe a request that is not a click of a button, in a sentence."""
    payload = _payload(request)
    event = payload.get("event")
    kinds = (event.get("type") if isinstance(event, dict) else None, payload.get("type"))
    kind = next((kind[:60] for kind in kinds if kind and isinstance(kind, str)), "")
    kind_name = f"the kind {quoted(kind)}" if kind else "no kind"
    subject = f"an event of {kind_name}" if request.json else f"an interaction of {kind_name}"
    if not payload and (command := _field(request, "command")):
        subject = f"the slash command {quoted(command[:60])}"
    return f"Slack sent {subject}. Signpost processes only actions of its buttons."


def _post_id(interaction: Mapping[str, Any]) -> str:
    """Return the ID of the post with the clicked button, as `send` returns it, or "" if unknown."""
    container = json_part(interaction, "container")
    channel = container.get("channel_id")
    ts = container.get("message_ts")
    return f"{channel}/{ts}" if isinstance(channel, str) and isinstance(ts, str) else ""


def _person_name(user: Any) -> str:
    """Return the name of a person, or "" if Slack sends none."""
    if not isinstance(user, dict):
        return ""
    names = (user.get(key) for key in ("name", "username", "id"))
    name = next((name for name in names if isinstance(name, str) and name.strip()), "")
    return name[:MAX_NAME_LENGTH]
