"""The settings of a Slack connection: a webhook, or a bot token with a channel, and its buttons."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from wtforms import StringField
from wtforms.validators import Optional, Regexp, ValidationError

from hub.integrations.api import ConfigForm, SecretField

CHANNEL = r"[CG][A-Z0-9]{8,20}"
HOOK_PATH = re.compile(r"/services/([TE][A-Z0-9]{2,20}/B[A-Z0-9]{2,20})/[A-Za-z0-9]{8,100}")
FIND_CHANNEL_ID = (
    "In Slack, open the channel, choose its name, and copy the Channel ID from the end of that"
    " window."
)


def hook_path(url: str) -> str:
    """Return the path of a webhook's URL, which is a secret.

    Raises ValueError with a message that does not quote the URL.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = parts.port
        has_user = "@" in parts.netloc
    except ValueError:
        raise ValueError(_INCOMPLETE_URL) from None
    if parts.scheme != "https" or host != "hooks.slack.com" or port not in (None, 443) or has_user:
        raise ValueError(
            "The URL of an incoming webhook begins with"
            " https://hooks.slack.com/services/. Copy it unchanged from the Slack app."
        )
    if parts.path[1:].startswith(("workflows/", "triggers/")):
        raise ValueError(
            "This URL starts a workflow in Slack. Signpost needs an incoming webhook,"
            " whose URL contains /services/."
        )
    if not HOOK_PATH.fullmatch(parts.path) or parts.query or parts.fragment:
        raise ValueError(_INCOMPLETE_URL)
    return parts.path


_INCOMPLETE_URL = (
    "The URL is not complete. After /services/ it has three parts: T…, B… and a secret."
    " Copy it from the Slack app again."
)


def hook_destination(url: str) -> str:
    """Return the part T…/B… of a webhook's URL, which is not secret, or '' for an invalid URL."""
    try:
        match = HOOK_PATH.fullmatch(hook_path(url))
    except ValueError:
        return ""
    return match[1] if match else ""


class SlackForm(ConfigForm):
    """Settings of a Slack connection: an incoming webhook or a bot."""

    webhook_url = SecretField(
        "Webhook URL",
        [Optional(), lambda form, field: _check_hook(field)],
        description=(
            "Paste the URL that starts with `https://hooks.slack.com/services/`. It posts to one"
            " channel. Stored encrypted and never shown again."
        ),
        render_kw={"legend": "Incoming webhook", "optional": "use this or a bot"},
    )
    bot_token = SecretField(
        "Bot token",
        [
            Optional(),
            Regexp(
                r"xoxb-[A-Za-z0-9-]{8,250}\Z",
                message=(
                    "A bot token starts with xoxb-. It is the Bot User OAuth Token under"
                    " OAuth & Permissions."
                ),
            ),
        ],
        description=(
            "Paste the token that starts with `xoxb-`. With a bot, Signpost keeps a thread for each"
            " request, updates its posts and messages people."
        ),
        render_kw={"legend": "Bot", "optional": "use this or an incoming webhook", "half": True},
    )
    channel = StringField(
        "Channel ID",
        [Optional(), lambda form, field: _check_channel(field)],
        description=(
            "Enter the ID that starts with `C` or `G`. It is at the end of the channel’s details in"
            " Slack."
        ),
        render_kw={"mono": True, "half": True},
    )
    app_id = StringField(
        "App ID",
        [
            Optional(),
            Regexp(
                r"A[A-Z0-9]{6,20}\Z",
                message=(
                    "An App ID is A followed by uppercase letters or digits. It is under"
                    " Basic Information."
                ),
            ),
        ],
        description=(
            "Enter the ID that starts with `A`. It is on the page **Basic Information** of the"
            " Slack app."
        ),
        render_kw={
            "legend": "Interactive buttons",
            "optional": "optional",
            "mono": True,
            "half": True,
        },
    )
    signing_secret = SecretField(
        "Signing Secret",
        [
            Optional(),
            Regexp(r"[!-~]{16,200}\Z", message="A Signing Secret has 32 digits or letters a to f."),
        ],
        bound_to=("app_id",),
        description=(
            "Copy the secret from the same page. Signpost uses it to verify that button actions"
            " come from Slack."
        ),
        render_kw={"half": True},
    )

    def validate(self, extra_validators: Mapping[str, Any] | None = None) -> bool:
        valid = super().validate(extra_validators)
        self._replace_stored_method()
        return all([valid, self._check_method(), self._check_buttons()])

    def _replace_stored_method(self) -> None:
        """Clear the stored method if the other one was entered.

        A secret that is left blank is kept, so a person could not clear it.
        """
        if (
            self.webhook_url.data
            and self.bot_token.data
            and self.webhook_url.stored != self.bot_token.stored
        ):
            if self.webhook_url.stored:
                self.webhook_url.data = ""
            else:
                self.bot_token.data = self.channel.data = ""

    def _check_method(self) -> bool:
        if self.webhook_url.data and self.bot_token.data:
            return self.add_error(
                "webhook_url",
                "Enter either a Webhook URL or a bot token, not both.",
            )
        missing = "Enter the Webhook URL, or a bot token with a Channel ID."
        if not self.require_one("webhook_url", "bot_token", "channel", error=missing):
            return False
        if self.channel.data and not self.bot_token.data:
            return self.add_error(
                "bot_token",
                "Enter the bot token that posts to this channel. For a webhook, leave the"
                " Channel ID empty.",
            )
        if self.bot_token.data and not self.channel.data:
            return self.add_error(
                "channel",
                f"Enter the ID of the channel that the bot posts to. {FIND_CHANNEL_ID}",
            )
        return True

    def _check_buttons(self) -> bool:
        error = "Enter both App ID and Signing Secret, or neither."
        return self.require_together("app_id", "signing_secret", error=error)


def _check_hook(field: Any) -> None:
    try:
        hook_path(field.data)
    except ValueError as error:
        raise ValidationError(str(error)) from None


def _check_channel(field: Any) -> None:
    if field.data.startswith(("#", "@")):
        raise ValidationError(f"Enter the channel’s ID instead of its name. {FIND_CHANNEL_ID}")
    if not re.fullmatch(CHANNEL, field.data):
        raise ValidationError(
            f"A channel ID is C or G followed by uppercase letters and digits. {FIND_CHANNEL_ID}"
        )
