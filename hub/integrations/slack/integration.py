"""Slack: posts of a team's channel, through an incoming webhook or a bot, with buttons that act.

The admin creates a Slack app, and enters the URL of its webhook, or the token of its bot and a
channel that the bot was invited to. App ID and Signing Secret enable interactive buttons. A bot
keeps a thread for each request, updates its posts and writes to people by email address. A webhook
can only post. Slack reports clicks of buttons. Its response to a post is the final status: an
accepted post is in the channel. https://docs.slack.dev/messaging
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from typing import Any

from hub.integrations.api import (
    Accepted,
    Address,
    Channel,
    CheckResult,
    ConnectionBroken,
    Outbound,
    OutcomeUnknown,
    PermanentError,
    ProviderHttpClient,
    Senders,
    SimulatorCredentials,
    Status,
    TransientError,
    WebhookEvent,
    WebhookReceiver,
    WebhookRequest,
    click_answer,
    webhook,
)
from hub.integrations.slack import interactions
from hub.integrations.slack.calls import OFFICIAL, REFERENCE, SlackClient
from hub.integrations.slack.check import check_bot, check_webhook
from hub.integrations.slack.errors import ERRORS
from hub.integrations.slack.form import CHANNEL, SlackForm, hook_destination, hook_path
from hub.integrations.slack.text import count_utf16_units, mrkdwn


class Slack(WebhookReceiver):
    """Post to a Slack channel."""

    contract = 2
    name = "slack"
    title = "Slack"
    provider = "Slack"
    summary = (
        "Posts to a team’s channel, with a thread for each request and buttons to remind"
        " and snooze."
    )
    docs_url = "https://docs.slack.dev/quickstart"
    reach = "A team’s channel and its members"
    cost = "Free"
    setup = "About 10 minutes"
    formatting = "Block Kit"
    buttons = "Yes"
    icon = "channel"
    guide = (
        (
            "Open **api.slack.com/apps**, choose **Create New App**, **From scratch**, and your"
            " workspace."
        ),
        (
            "For a simple setup, turn on **Incoming Webhooks**, choose **Add New"
            " Webhook** and a channel, and copy the **Webhook URL**."
        ),
        (
            "For threads, updated posts and messages to people, use a bot instead. Under"
            " **OAuth & Permissions**, add the bot scopes `chat:write`, `users:read`,"
            " `users:read.email` and `channels:read`. Choose **Install to Workspace**,"
            " and copy the **Bot User OAuth Token**."
        ),
        (
            "Then send `/invite` and the app’s name in the channel. Copy the **Channel"
            " ID** from the end of the channel’s details."
        ),
        (
            "For interactive buttons, copy **App ID** and **Signing Secret** from **Basic"
            " Information**. Under **Interactivity & Shortcuts**, turn on interactivity,"
            " and set the **Request URL** to the URL shown below."
        ),
        "Paste them here, save them, and choose **Test connection**. The test posts nothing.",
    )

    channel = Channel.CHAT
    reports = False
    accepted_status = Status.DELIVERED
    address = Address.CHAT
    direct_address_kind = Address.EMAIL
    account_setting = "app_id"
    event_prefix = "slack"
    unreachable_codes = frozenset({"users_not_found"})
    max_length = 3000  # characters of a section, including markup
    per_recipient = 1.0  # https://docs.slack.dev/apis/web-api/rate-limits
    concurrency = 16
    request_ref_header = REFERENCE
    api = {"slack": "https://slack.com", "slackhooks": OFFICIAL}
    errors = ERRORS

    Form = SlackForm

    def __init__(
        self,
        settings: Mapping[str, Any],
        http: ProviderHttpClient,
        api: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(settings, http, api)
        self._client = SlackClient(
            http,
            self.api_urls["slack"],
            self.api_urls["slackhooks"],
            str(settings.get("bot_token") or ""),
        )
        self._destination = self.destination_of(settings)
        self._is_interactive = bool(settings.get("app_id") and settings.get("signing_secret"))

    @classmethod
    def senders_of(cls, settings: Mapping[str, Any]) -> Senders:
        return Senders(cls.destination_of(settings))

    @classmethod
    def destination_of(cls, settings: Mapping[str, Any]) -> str:
        return str(settings.get("channel") or "") or hook_destination(
            str(settings.get("webhook_url") or "")
        )

    @classmethod
    def destination_label(cls, destination: str) -> str:
        return "the channel of its webhook" if _is_hook(destination) else f"channel {destination}"

    @classmethod
    def reaches_people(cls, destination: str) -> bool:
        return not _is_hook(destination)

    @classmethod
    def keeps_threads(cls, destination: str) -> bool:
        return not _is_hook(destination)

    @classmethod
    def edits_posts(cls, destination: str) -> bool:
        return not _is_hook(destination)

    @classmethod
    def kind_of(cls, address: str) -> Address:
        return Address.EMAIL if "@" in address else Address.CHAT

    @classmethod
    def length_of(cls, text: str) -> int:
        return count_utf16_units(mrkdwn(text, sys.maxsize))

    @classmethod
    def clean_address(cls, address: str) -> str:
        text = address.strip()
        if _EMAIL.fullmatch(text) and len(text) <= 320:
            return text.lower()
        if _ID.fullmatch(text) or _HOOK.fullmatch(text):
            return text
        raise ValueError(
            "Enter a Channel ID (C…), a member’s ID (U…) or an email address, not a name."
            " Slack shows the IDs at the end of a channel’s details, and under ⋮ on a"
            " profile."
        )

    @classmethod
    def demo_settings(cls, credentials: SimulatorCredentials) -> dict[str, Any] | None:
        return {
            "webhook_url": "",
            "bot_token": "xoxb-" + credentials.derive("slack bot token", 40),
            "channel": "C" + credentials.derive("slack channel", 10).upper(),
            "app_id": "A" + credentials.derive("slack app", 10).upper(),
            "signing_secret": credentials.derive("slack signing secret", 32),
        }

    def send(self, message: Outbound) -> Accepted:
        payload = self.render(message)
        if self._is_edit(message):
            self._client.method("chat.update", payload)
            return Accepted(message.edits, Status.DELIVERED)
        if message.reply_to:
            self._client.reply(message.reply_to, payload)
            return Accepted("", Status.DELIVERED)
        if _is_hook(self._destination):
            self._require_webhook_message(message)
            self._client.post(hook_path(self.settings["webhook_url"]), payload)
            return Accepted("", Status.DELIVERED)
        if _is_hook(message.to):
            raise ERRORS.error("not_a_channel")
        if self.kind_of(message.to) is Address.EMAIL:
            payload |= {"channel": self._find_member(message.to)}
        post = self._client.method("chat.postMessage", payload).fields
        channel = str(post.get("channel") or "")
        ts = str(post.get("ts") or "")
        if not (_ID.fullmatch(channel) and _TS.fullmatch(ts)):
            raise OutcomeUnknown("Slack’s response contains no message ID.", "bad_answer")
        return Accepted(f"{channel}/{ts}", Status.DELIVERED, thread="" if message.thread else ts)

    def _is_edit(self, message: Outbound) -> bool:
        # preferred to responding to a click, which is possible 5 times within 30 minutes
        return bool(message.edits) and not _is_hook(self._destination)

    def _require_webhook_message(self, message: Outbound) -> None:
        """Raise a SendError unless a webhook can send the message."""
        if message.edits:
            raise ERRORS.error("no_edits")
        if message.to != self._destination:
            is_channel = _is_hook(message.to) or message.to[:1] in ("C", "G")
            raise ERRORS.error("one_channel" if is_channel else "no_direct_messages")

    def _find_member(self, email: str) -> str:
        """Return the ID of the member with this email address.

        Raises no OutcomeUnknown, because no message has been sent yet.
        """
        try:
            response = self._client.method("users.lookupByEmail", {"email": email}, form=True)
        except OutcomeUnknown as error:
            raise TransientError(str(error), error.code) from None
        except ConnectionBroken as error:
            if error.code == "missing_scope":  # posts to the team's channel do not need it
                raise PermanentError(str(error), error.code) from None
            raise
        user = response.fields.get("user")
        member_id = user.get("id") if isinstance(user, dict) else None
        if not (isinstance(member_id, str) and _ID.fullmatch(member_id)):
            raise TransientError("Slack’s response contains no member ID.", "bad_answer")
        return member_id

    def render(self, message: Outbound) -> dict[str, Any]:
        from hub.integrations.slack import (
            blocks,
        )  # here, because it loads slack_sdk, which is large

        content: dict[str, Any] = {
            "text": blocks.summary(message),
            "blocks": blocks.blocks(message, interactive=self._is_interactive),
        }
        if self._is_edit(message):
            channel, _, ts = message.edits.partition("/")
            # unlike chat.postMessage, chat.update searches texts for names by default
            return {"channel": channel, "ts": ts, **content, "parse": "none"}
        if message.reply_to:
            return {"replace_original": True, **content}
        no_previews = {"unfurl_links": False, "unfurl_media": False}
        if _is_hook(self._destination):
            return {**content, **no_previews}
        thread = {"thread_ts": message.thread} if message.thread else {}
        return {"channel": message.to, **content, **no_previews, **thread}

    def check(self) -> CheckResult:
        if _is_hook(self._destination):
            path = hook_path(self.settings["webhook_url"])
            return check_webhook(self._client, path, self._destination, self._is_interactive)
        return check_bot(self._client, self._destination, self._is_interactive)

    @classmethod
    def claimed_account(cls, request: WebhookRequest) -> str:
        return interactions.get_app_id(request)

    def verify(self, request: WebhookRequest) -> None:
        interactions.verify(request, self.setting("signing_secret"))

    @webhook("slack/interactions")
    def on_interaction(self, request: WebhookRequest) -> list[WebhookEvent]:
        """Request URL. In the Slack app, paste this URL under Interactivity & Shortcuts."""
        return interactions.read(request, can_reply=self._client.reply_path)

    @classmethod
    def probe_response(cls, request: WebhookRequest) -> tuple[str, str] | None:
        return ("text/plain", "") if interactions.checks_certificate(request) else None

    @classmethod
    def webhook_response(cls, request: WebhookRequest, new: bool) -> tuple[str, str]:
        return "text/plain", ""

    @classmethod
    def clicked_tokens(cls, request: WebhookRequest) -> tuple[str, ...]:
        return interactions.button_values(request)

    @classmethod
    def foreign_click_response(cls, request: WebhookRequest) -> tuple[str, str]:
        # Slack does not report the language of the person who clicked
        text = click_answer("foreign", request.locale)
        return "application/json", json.dumps(
            {"response_type": "ephemeral", "replace_original": False, "text": text}
        )


def _is_hook(destination: str) -> bool:
    return "/" in destination


_ID = re.compile(rf"{CHANNEL}|[DUW][A-Z0-9]{{8,20}}")
_HOOK = re.compile(r"[TE][A-Z0-9]{2,20}/B[A-Z0-9]{2,20}")
_EMAIL = re.compile(r"[^\s@\x00-\x1f\x7f]+@[^\s@\x00-\x1f\x7f.]+(\.[^\s@\x00-\x1f\x7f.]+)+")
_TS = re.compile(r"[0-9]{1,16}\.[0-9]{1,10}")
