"""The parts of every email: subject, names, the parts around the text, and headers."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hub.integrations.emails.addresses import domain_of, wire_form
from hub.integrations.emails.form import (
    REPLY_TO_SENDER,
    UNSUBSCRIBE_ALL,
    UNSUBSCRIBE_REMINDERS,
)
from hub.integrations.emails.labels import labels_of
from hub.integrations.emails.layout import (
    BUTTON_COLOR,
    BUTTON_TEXT_COLOR,
    Sheet,
    html_body,
)
from hub.integrations.values import Outbound

MAX_SUBJECT_LENGTH = 200  # characters; mailboxes show about 60
MAX_NAME_LENGTH = 100
LOGO_ID = "logo@signpost"


def message_id(message: Outbound, settings: Mapping[str, Any]) -> str:
    """Return the ID of an email without brackets. It is the same in every attempt."""
    return f"{message.id}@{domain_of(settings['from_address'])}"


def letter_headers(message: Outbound, settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers beside those with addresses, the subject and the date."""
    headers = {"Message-ID": f"<{message_id(message, settings)}>"}
    if message.request:
        # mailboxes show messages about the same request as one conversation
        headers["References"] = f"<{message.request}@{domain_of(settings['from_address'])}>"
    if url := unsubscribe_url(message, settings):
        headers["List-Unsubscribe"] = f"<{url}>"
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    headers["Auto-Submitted"] = "auto-generated"
    headers["X-Auto-Response-Suppress"] = "All"
    return headers


def sheet_of(message: Outbound, settings: Mapping[str, Any]) -> Sheet:
    """Return what an email shows around its text."""
    branding = message.branding
    url = unsubscribe_url(message, settings)
    labels = labels_of(message.locale)
    lines = (
        f"{labels.support}: {branding.support}" if branding.support else "",
        branding.footer,
        f"{labels.unsubscribe}: {url}" if url else "",
    )
    return Sheet(
        branding.name or settings["from_name"],
        footer="\n".join(filter(None, lines)),
        logo=f"cid:{LOGO_ID}" if branding.logo else "",
        color=branding.color or BUTTON_COLOR,
        color_on=branding.text_color if branding.color else BUTTON_TEXT_COLOR,
    )


def letterhead_values(message: Outbound, settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the values for a provider's template that are known only when a message is sent."""
    sheet = sheet_of(message, settings)
    return {
        "unsubscribe_link": unsubscribe_url(message, settings),
        "brand_name": sheet.name,
        "brand_logo": sheet.logo,
        "brand_color": sheet.color,
        "brand_text_color": sheet.color_on,
        "brand_support": message.branding.support,
        "brand_footer": message.branding.footer,
    }


def preview_html(message: Outbound) -> str:
    """Return the HTML of an email for a page, with the logo inside."""
    branding = message.branding
    settings = {"from_name": message.sender_name}
    sheet = sheet_of(message, settings)
    if branding.logo:
        logo = b64encode(branding.logo).decode()
        sheet = replace(sheet, logo=f"data:{branding.logo_type};base64,{logo}")
    return html_body(message, subject_of(message, settings), sheet)


def unsubscribe_url(message: Outbound, settings: Mapping[str, Any]) -> str:
    """Return the link with which the recipient opts out, '' if the settings show none.

    Mailboxes accept only https addresses.
    """
    choice = settings.get("unsubscribe") or UNSUBSCRIBE_REMINDERS
    is_shown = choice == UNSUBSCRIBE_ALL or (choice == UNSUBSCRIBE_REMINDERS and message.reminds)
    return message.unsubscribe_url if is_shown else ""


def subject_of(message: Outbound, settings: Mapping[str, Any]) -> str:
    """Return the subject of an email; one without a subject names the sender."""
    subject = message.subject.strip()
    if not subject:
        label = labels_of(message.locale).from_sender
        subject = label.replace("{name}", sender_name(message, settings))
    if len(subject) > MAX_SUBJECT_LENGTH:
        subject = subject[: MAX_SUBJECT_LENGTH - 1].rstrip() + "…"
    return subject


def sender_name(message: Outbound, settings: Mapping[str, Any]) -> str:
    """Return the name in the From header: that of the request's sender, or of the connection.

    A name that contains an address is not used, because mailboxes treat it as forged.
    """
    name = message.sender_name.strip()
    if not name or "@" in name:
        name = settings["from_name"]
    return name[:MAX_NAME_LENGTH]


def reply_address(message: Outbound, settings: Mapping[str, Any]) -> str:
    """Return the address for replies, or '' for the From address.

    A sender's address that is not ASCII is not used, as few mail servers accept it.
    """
    if settings.get("reply_to") == REPLY_TO_SENDER:
        try:
            address = wire_form(message.sender_address)
        except ValueError:
            address = ""  # the request has no sender with an address
        if address and address.isascii():
            return address
    return settings.get("reply_address") or ""
