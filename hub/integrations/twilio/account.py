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
            InputRequired("Give the Account SID."),
            Regexp(
                r"AC[0-9a-fA-F]{32}\Z",
                message=(
                    "An Account SID is AC and 32 digits or letters a to f: 34 characters in all."
                ),
            ),
        ],
        description="Starts with `AC`, 34 characters. On the first page of the Twilio Console.",
        render_kw={"legend": "Account", "mono": True},
    )
    auth_token = SecretField(
        "Auth Token",
        [InputRequired("Give the Auth Token.")],
        bound_to=("account_sid",),
        description=(
            "Kept encrypted and never shown again. Also needed to verify Twilio’s callbacks."
        ),
    )
    api_key_sid = StringField(
        "Key SID",
        [
            Optional(),
            Regexp(
                r"SK[0-9a-fA-F]{32}\Z",
                message="A key SID is SK and 32 digits or letters a to f: 34 characters in all.",
            ),
        ],
        description=(
            "Starts with `SK`. Sending then uses the key; the Auth Token still verifies callbacks."
        ),
        render_kw={
            "legend": "API key",
            "optional": "optional, instead of the token for sending",
            "mono": True,
            "half": True,
        },
    )
    api_key_secret = SecretField(
        "Key secret",
        [Optional()],
        bound_to=("account_sid", "api_key_sid"),
        description="Shown once, when the key is made.",
        render_kw={"half": True},
    )
    secondary_auth_token = SecretField(
        "Secondary Auth Token",
        [Optional()],
        bound_to=("account_sid",),
        description=(
            "For the time of a rotation: callbacks are verified with either token, sending uses the"
            " first. Once the second is promoted, paste it above as **Auth Token**; what equals"
            " that one is not kept here."
        ),
        render_kw={"legend": "Signatures of callbacks", "optional": "optional"},
    )
    shared_key_id = StringField(
        "SharedKey ID",
        [
            Optional(),
            Regexp(
                r"webhooks_sharedkey_[0-9A-Za-z_-]+\Z",
                message="A SharedKey’s ID starts with webhooks_sharedkey_.",
            ),
        ],
        description=(
            "Where a Webhook Rule of yours signs with a SharedKey. Let it sign with `HMAC_SHA256`."
        ),
        render_kw={"mono": True, "half": True},
    )
    shared_key = SecretField(
        "SharedKey secret",
        [Optional()],
        bound_to=("account_sid", "shared_key_id"),
        description="From then on callbacks are verified with it alone.",
        render_kw={"half": True},
    )
    auth_token_too = BooleanField(
        "Take what an Auth Token signed as well",
        description=(
            "While you switch to the SharedKey. Untick it afterwards: the older, weaker signatures"
            " are refused then."
        ),
    )

    def validate(self, extra_validators: Mapping[str, Any] | None = None) -> bool:
        valid = super().validate(extra_validators)
        if self.secondary_auth_token.data == self.auth_token.data:
            self.secondary_auth_token.data = ""  # the rotation is over
        if not self.shared_key_id.data:
            self.auth_token_too.data = False
        whole = [
            _both(
                self.api_key_sid,
                self.api_key_secret,
                "A key has an SID and a secret: give both, or neither.",
            ),
            _both(
                self.shared_key_id,
                self.shared_key,
                "A SharedKey has an ID and a secret: give both, or neither.",
            ),
        ]
        return bool(valid) and all(whole)


def services() -> SendersByCountry:
    """Return the setting that sends to some countries through Messaging Services of their own."""
    return SendersByCountry(
        "By country",
        Regexp(
            r"MG[0-9a-fA-F]{32}\Z",
            message="A Messaging Service is MG and 32 digits or letters a to f.",
        ),
        description=(
            "Recipients in these countries are sent to through these services, all others through"
            " the sender above."
        ),
    )


def _both(public: Any, secret: Any, why: str) -> bool:
    """Tell whether both halves of a pair are given, or neither; blames the one that is missing."""
    if bool(public.data) == bool(secret.data):
        return True
    missing = secret if public.data else public
    missing.errors = [*missing.errors, why]
    return False
