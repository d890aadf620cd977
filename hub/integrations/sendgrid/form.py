"""The settings of a connection to SendGrid."""

from __future__ import annotations

from typing import Any

from wtforms import SelectField
from wtforms.validators import InputRequired, Regexp, ValidationError

from hub.integrations.api import ConfigForm, SecretField, TextField, emails
from hub.integrations.sendgrid.signature import public_key

REGION_GLOBAL = "global"
REGION_EU = "eu"


def _validate_key(form: Any, field: Any) -> None:
    del form
    if not field.data:
        return
    try:
        public_key(field.data)
    except ValueError:
        raise ValidationError(
            "Copy the whole verification key from the settings of the Event Webhook. It has about"
            " 124 characters and ends with =="
        ) from None


class SendGridForm(ConfigForm):
    """Settings of a connection: the API key, the sender, the events and the replies."""

    api_key = SecretField(
        "API key",
        [
            InputRequired("Enter the API key."),
            Regexp(
                r"SG\.[\w-]{10,100}\.[\w-]{10,150}\Z",
                message="An API key is SG., 22 characters, a dot and 43 characters.",
            ),
        ],
        description=(
            "Under **Settings**, **API Keys**, with the permission **Mail Send**. Stored encrypted"
            " and never shown again."
        ),
        render_kw={"legend": "Account"},
    )
    region = SelectField(
        "Region",
        choices={REGION_GLOBAL: "Global", REGION_EU: "EU"},
        default=REGION_GLOBAL,
        description="EU only for a subuser with the region EU.",
    )
    from_address = emails.from_address_field(
        "Authenticate its domain at SendGrid under **Settings**, **Sender Authentication**."
    )
    from_name = emails.from_name_field()
    reply_to = emails.reply_to_field()
    reply_address = emails.reply_address_field()
    unsubscribe = emails.unsubscribe_field()
    verification_key = TextField(
        "Verification key",
        longest=400,
        validators=[_validate_key],
        description=(
            "Of the Event Webhook, under **Settings**, **Mail Settings**, **Event Webhooks**,"
            " **Signature verification**. Without it, the status of a message stays accepted."
        ),
        render_kw={"legend": "Events", "optional": "optional", "mono": True},
    )
