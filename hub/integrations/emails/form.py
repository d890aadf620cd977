"""The settings that all integrations for email share: the sender, replies, unsubscribing.

Each function returns a new field, so that a form shows the fields in the order of its class.
"""

from __future__ import annotations

from typing import Any

from wtforms import SelectField, StringField
from wtforms.validators import InputRequired, Length, Optional

from hub.integrations.emails.addresses import validate_ascii_address
from hub.lib.text import one_line

REPLY_TO_ADDRESS = "address"
REPLY_TO_SENDER = "sender"
UNSUBSCRIBE_REMINDERS = "reminders"
UNSUBSCRIBE_ALL = "all"
UNSUBSCRIBE_NEVER = "never"


def from_address_field(description: str) -> StringField:
    """Return the field for the address of the sender, whose domain is described."""
    return StringField(
        "From address",
        [InputRequired("Enter the address that messages are sent from."), validate_ascii_address],
        filters=[_strip],
        description=f"Every message is sent from this address. {description}",
        render_kw={"legend": "Sender", "mono": True},
    )


def from_name_field() -> StringField:
    """Return the field for the name of the sender."""
    return StringField(
        "From name",
        [
            InputRequired("Enter a name, such as that of your company."),
            Length(max=100, message="Enter at most 100 characters."),
        ],
        filters=[_clean],
        description=(
            "Shown if a signing request has no sender name. Otherwise the sender’s name is shown"
            " with the From address."
        ),
    )


def reply_to_field() -> SelectField:
    """Return the field that chooses who receives replies."""
    return SelectField(
        "Replies go to",
        choices={
            REPLY_TO_ADDRESS: "The reply address",
            REPLY_TO_SENDER: "The sender of the signing request",
        },
        default=REPLY_TO_ADDRESS,
        description=(
            "Replies to the sender reach a person directly, and Signpost does not see them."
        ),
        render_kw={"legend": "Replies and unsubscribing"},
    )


def reply_address_field() -> StringField:
    """Return the field for another address for replies than that of the sender."""
    return StringField(
        "Reply address",
        [Optional(), validate_ascii_address],
        filters=[_strip],
        description="Leave empty to receive replies at the From address.",
        render_kw={"mono": True},
    )


def unsubscribe_field() -> SelectField:
    """Return the field that chooses which messages have an unsubscribe link."""
    return SelectField(
        "Unsubscribe link",
        choices={
            UNSUBSCRIBE_REMINDERS: "In reminders",
            UNSUBSCRIBE_ALL: "In all messages",
            UNSUBSCRIBE_NEVER: "Never",
        },
        default=UNSUBSCRIBE_REMINDERS,
        description=(
            "Mailboxes show it as a button. Recipients who use it receive no more messages from"
            " this From address."
        ),
    )


def _clean(text: Any) -> Any:
    return one_line(text).strip() if text else text


def _strip(text: Any) -> Any:
    return text.strip() if text else text
