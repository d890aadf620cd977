"""Settings of a Twilio account: its credentials, and the secrets that may sign callbacks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wtforms import BooleanField, StringField
from wtforms.validators import InputRequired, Optional, Regexp

from hub.integrations.api import ConfigForm, SecretField, SendersByCountry


class AccountForm(ConfigForm):
    """Credentials of a Twilio account."""

    account_sid = StringField(
        "Account SID",
        [
            InputRequired("Enter the Account SID."),
            Regexp(
                r"AC[0-9a-fA-F]{32}\Z",
                message=(
                    "An Account SID is AC followed by 32 digits or letters a to f, 34"
                    " characters in total."
                ),
            ),
        ],
        description=(
            "Enter the 34 characters that start with `AC`. Copy them from the first page of the"
            " Twilio Console."
        ),
        render_kw={"legend": "Account", "mono": True},
    )
    auth_token = SecretField(
        "Auth Token",
        [InputRequired("Enter the Auth Token.")],
        bound_to=("account_sid",),
        description=(
            "Copy it from the same page. Stored encrypted and never shown again. Signpost also"
            " verifies Twilio’s callbacks with it."
        ),
    )
    api_key_sid = StringField(
        "Key SID",
        [
            Optional(),
            Regexp(
                r"SK[0-9a-fA-F]{32}\Z",
                message=(
                    "A key SID is SK followed by 32 digits or letters a to f, 34 characters"
                    " in total."
                ),
            ),
        ],
        description=(
            "Enter the 34 characters that start with `SK`. Signpost then sends with the key instead"
            " of the Auth Token, and still verifies callbacks with the Auth Token."
        ),
        render_kw={
            "legend": "API key",
            "optional": "optional",
            "mono": True,
            "half": True,
        },
    )
    api_key_secret = SecretField(
        "Key secret",
        [Optional()],
        bound_to=("account_sid", "api_key_sid"),
        description=(
            "Enter the secret of the key. Twilio shows it only once, when you create the key."
        ),
        render_kw={"half": True},
    )
    secondary_auth_token = SecretField(
        "Secondary Auth Token",
        [Optional()],
        bound_to=("account_sid",),
        description=(
            "Enter the secondary token while you rotate the Auth Token. Signpost accepts"
            " callbacks that are signed with either token, and sends with the Auth Token. After"
            " you promote the secondary token, paste it above as **Auth Token**."
        ),
        render_kw={"legend": "Callback signatures", "optional": "optional"},
    )
    shared_key_id = StringField(
        "SharedKey ID",
        [
            Optional(),
            Regexp(
                r"webhooks_sharedkey_[0-9A-Za-z_-]+\Z",
                message="The ID of a SharedKey starts with webhooks_sharedkey_.",
            ),
        ],
        description=(
            "Enter the ID if a Twilio Webhook Rule signs callbacks with a SharedKey. The rule must"
            " use `HMAC_SHA256`."
        ),
        render_kw={"mono": True, "half": True},
    )
    shared_key = SecretField(
        "SharedKey secret",
        [Optional()],
        bound_to=("account_sid", "shared_key_id"),
        description=(
            "Enter the secret of the SharedKey. Signpost then verifies callbacks only with it."
        ),
        render_kw={"half": True},
    )
    auth_token_too = BooleanField(
        "Also accept signatures of the Auth Token",
        description=(
            "Turn this on while you switch to the SharedKey. Turn it off afterwards to reject"
            " the older, weaker signatures."
        ),
    )

    def validate(self, extra_validators: Mapping[str, Any] | None = None) -> bool:
        valid = super().validate(extra_validators)
        if self.secondary_auth_token.data == self.auth_token.data:
            self.secondary_auth_token.data = ""  # the rotation is complete
        if not self.shared_key_id.data:
            self.auth_token_too.data = False
        pairs_complete = [
            self.require_together(
                "api_key_sid",
                "api_key_secret",
                error="Enter both the SID and the secret of the key, or neither.",
            ),
            self.require_together(
                "shared_key_id",
                "shared_key",
                error="Enter both the ID and the secret of the SharedKey, or neither.",
            ),
        ]
        return bool(valid) and all(pairs_complete)


def services() -> SendersByCountry:
    """Return the setting for Messaging Services that send to some countries."""
    return SendersByCountry(
        "Messaging Service by country",
        Regexp(
            r"MG[0-9a-fA-F]{32}\Z",
            message="A Messaging Service SID is MG followed by 32 hexadecimal digits.",
        ),
        sender_label="Messaging Service",
        placeholder="MG…",
        description=(
            "Messages to these countries are sent through these services. All other messages"
            " are sent from the sender above."
        ),
    )
