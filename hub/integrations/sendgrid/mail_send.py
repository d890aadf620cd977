"""Write a message as the request that sends it.

https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from hub.integrations.api import Outbound, emails, without_blanks
from hub.integrations.sendgrid.errors import ERRORS

# the name of the argument that each event of a message repeats. SendGrid stores it for long, so it
# holds only the ID of the message.
REFERENCE = "signpost_message"
# opens and clicks are not tracked, so every link leads directly to its address
NO_TRACKING: Mapping[str, Any] = {
    "click_tracking": {"enable": False, "enable_text": False},
    "open_tracking": {"enable": False},
    "subscription_tracking": {"enable": False},
    "ganalytics": {"enable": False},
}


def mail_send_request(message: Outbound, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request for a message. Raises PermanentError for an address that is not valid."""
    try:
        recipient = emails.wire_form(message.to)
        sender = emails.wire_form(settings["from_address"])
        reply_to = emails.reply_address(message, settings)
        request = {
            "personalizations": [_personalization(message, recipient, settings)],
            "from": {"email": sender, "name": emails.sender_name(message, settings)},
            "reply_to": {"email": emails.wire_form(reply_to)} if reply_to else None,
            **_content(message, settings),
            "headers": emails.letter_headers(message, settings),
            "custom_args": {REFERENCE: message.reference},
            "tracking_settings": dict(NO_TRACKING),
            "attachments": _attachments(message),
        }
    except (ValueError, UnicodeError):
        raise ERRORS.error("invalid_message") from None
    if not (recipient.isascii() and sender.isascii()):
        raise ERRORS.error("needs_ascii")
    return without_blanks(request)


def _content(message: Outbound, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the template of a message, or its subject and both texts."""
    if message.template is not None:
        return {"template_id": message.template.id}
    subject = emails.subject_of(message, settings)
    sheet = emails.sheet_of(message, settings)
    return {
        "subject": subject,
        "content": [
            {"type": "text/plain", "value": emails.plain_body(message, sheet)},
            {"type": "text/html", "value": emails.html_body(message, subject, sheet)},
        ],
    }


def _personalization(
    message: Outbound, recipient: str, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the recipient, with the values for the template of the message."""
    values: dict[str, str] = {}
    if message.template is not None:
        letterhead = emails.letterhead_values(message, settings)
        later = {name: letterhead[part] for name, part in message.template.letterhead.items()}
        values = {**message.template.variables, **later}
    return without_blanks({"to": [{"email": recipient}], "dynamic_template_data": values})


def _attachments(message: Outbound) -> list[dict[str, Any]]:
    """Return the attached files, and the logo that our HTML or the template shows."""
    branding = message.branding
    files = [
        _attachment(file.content, file.content_type, filename=file.name, disposition="attachment")
        for file in message.attachments
    ]
    shows_logo = message.template is None or "brand_logo" in message.template.letterhead.values()
    if branding.logo and shows_logo:
        logo = _attachment(
            branding.logo,
            branding.logo_type,
            filename="logo",
            disposition="inline",
            content_id=emails.LOGO_ID,
        )
        files.insert(0, logo)
    return files


def _attachment(content: bytes, content_type: str, **fields: str) -> dict[str, Any]:
    return {"content": b64encode(content).decode(), "type": content_type, **fields}
