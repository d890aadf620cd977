"""Telegram: messages from a bot to people who started it, and to a team's group or channel.

The admin creates a bot with @BotFather, enters its token and username, and chooses Set webhook.
Telegram's response to a message is the final status. Its updates report clicks of buttons, messages
of people, and chats that blocked or removed the bot. https://core.telegram.org/bots/api
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from hub.integrations.api import (
    Accepted,
    Address,
    BadWebhook,
    Channel,
    CheckResult,
    DestinationUnavailable,
    Outbound,
    OutcomeUnknown,
    PermanentError,
    RecipientMoved,
    RecipientRefused,
    SendError,
    Senders,
    SimulatorCredentials,
    Status,
    WebhookEvent,
    WebhookReceiver,
    WebhookRequest,
    action,
    click_answer,
    describe_last,
    record_exchanges,
    webhook,
)
from hub.integrations.telegram import text
from hub.integrations.telegram import webhook as webhook_info
from hub.integrations.telegram.address import clean_chat
from hub.integrations.telegram.check import check_failed, team_chat_failed
from hub.integrations.telegram.errors import (
    ERRORS,
    InvalidMarkup,
    Unchanged,
    parse_result,
    posting_problem,
)
from hub.integrations.telegram.form import TelegramForm
from hub.integrations.telegram.updates import (
    ALLOWED_UPDATES,
    click_id,
    clicked_value,
    clicker_language,
    parse_events,
    parse_update,
    post_id,
)

SECRET = "x-telegram-bot-api-secret-token"  # noqa: S105 - the header's name
# must never change, because Telegram stores the secret that is derived from it
PURPOSE = b"Signpost: secret_token of the webhook"


class Telegram(WebhookReceiver):
    """Send Telegram messages from a bot."""

    contract = 2
    name = "telegram"
    title = "Telegram"
    provider = "Telegram"
    summary = (
        "Messages from your bot to people who started it and to a team’s group, with"
        " interactive buttons."
    )
    docs_url = "https://core.telegram.org/bots/features#botfather"
    reach = "Telegram users who start your bot, groups and channels"
    cost = "Free"
    setup = "About 5 minutes"
    formatting = "Bold and italics"
    buttons = "Links and actions"
    icon = "plane"
    guide = (
        (
            "In Telegram, open **@BotFather**, send `/newbot` and answer its questions."
            " Copy the bot’s username and **token**."
        ),
        "Paste both here and save them. Choose **Test connection**, then **Enable connection**.",
        (
            "Under **Webhook URLs**, choose **Set webhook**. Telegram then sends button"
            " actions, `/stop` and new chats to Signpost."
        ),
        (
            "For a team, choose **Create group link** and open the link. Or add"
            " the bot yourself, in a channel as an administrator who can post, and enter"
            " the chat’s ID. You find it after `#` in the URL of the group at"
            " web.telegram.org, such as `-1001234567890`."
        ),
        (
            "To receive messages, people open the bot’s link and press **Start**. Until"
            " then, the bot cannot message them."
        ),
    )

    channel = Channel.CHAT
    reports = False
    accepted_status = Status.DELIVERED
    address = Address.CHAT
    direct_address_kind = Address.CHAT
    event_prefix = "telegram"
    replies_to_keywords = False
    unreachable_codes = frozenset(
        {"chat_moved", "chat_not_found", "user_deactivated", "not_started", "is_a_bot"}
    )
    max_length = text.MAX_LENGTH
    length_unit = "UTF-16 units"
    # https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this
    per_second = 30
    per_recipient = 1
    rate_hint = (
        "Telegram accepts about 30 messages per second from a bot, and 1 per second and"
        " 20 per minute in one group."
    )
    api = {"telegram": "https://api.telegram.org", "telegramlinks": "https://t.me"}
    errors = ERRORS

    Form = TelegramForm

    # read from the settings when they are saved
    @classmethod
    def account_of(cls, settings: Mapping[str, Any]) -> str:
        # the bot's ID, which is public in Telegram
        return str(settings.get("token") or "").partition(":")[0]

    @classmethod
    def senders_of(cls, settings: Mapping[str, Any]) -> Senders:
        name = str(settings.get("bot_username") or "").lower()
        return Senders(f"@{name}" if name else "")

    @classmethod
    def destination_of(cls, settings: Mapping[str, Any]) -> str:
        team = settings.get("team_chat")
        return clean_chat(team) if team else ""

    @classmethod
    def destination_label(cls, destination: str) -> str:
        return f"chat {destination}"

    @classmethod
    def edits_posts(cls, destination: str) -> bool:
        return True

    @classmethod
    def clean_address(cls, address: str) -> str:
        return clean_chat(address)

    # sending
    def send(self, message: Outbound) -> Accepted:
        method = "editMessageText" if message.edits else "sendMessage"
        try:
            try:
                posted = self._call(method, self.render(message))
            except InvalidMarkup:  # better without formatting than not at all
                posted = self._call(method, self.plain(message))
        except Unchanged:
            return Accepted(message.edits, Status.DELIVERED)
        except RecipientRefused as error:
            if message.to.isdecimal():  # a person
                raise
            raise DestinationUnavailable(str(error), error.code) from None
        provider_id = post_id(posted) if isinstance(posted, dict) else ""
        if not provider_id and not message.edits:
            raise OutcomeUnknown("Telegram’s response contains no message ID.", "bad_answer")
        return Accepted(provider_id or message.edits, Status.DELIVERED)

    def render(self, message: Outbound) -> dict[str, Any]:
        return {**self._common_fields(message), "text": text.html(message), "parse_mode": "HTML"}

    def plain(self, message: Outbound) -> dict[str, Any]:
        """Return the payload without formatting, in case Telegram cannot parse it."""
        return {**self._common_fields(message), "text": text.plain(message)}

    def _common_fields(self, message: Outbound) -> dict[str, Any]:
        payload: dict[str, Any] = {
            "chat_id": message.to,
            "link_preview_options": {"is_disabled": True},
        }
        if message.edits:
            payload["message_id"] = int(message.edits.rpartition("/")[2])
        if message.buttons:  # an edit without buttons removes them
            payload["reply_markup"] = text.keyboard(message.buttons)
        return payload

    def invite(self, token: str, *, team: bool = False) -> str:
        bot = quote(self.setting("bot_username"), safe="")
        return f"{self.api_urls['telegramlinks']}/{bot}?{'startgroup' if team else 'start'}={token}"

    @classmethod
    def demo_settings(cls, credentials: SimulatorCredentials) -> dict[str, Any] | None:
        def number(name: str) -> int:
            return int(credentials.derive(name, 12), 16) % 9_000_000_000 + 1_000_000_000

        return {
            "token": f"{number('telegram bot')}:{credentials.derive('telegram token', 35)}",
            "bot_username": "SignpostDemoBot",
            "team_chat": f"-100{number('telegram team')}",
            "help_text": "",
        }

    def _call(self, method: str, content: Mapping[str, Any] | None = None) -> Any:
        """Call a method and return its result.

        Raises a SendError. No record of the call contains the token.
        """
        token = self.settings["token"]
        response = self.call(
            "POST",
            f"{self.api_urls['telegram']}/bot{token}/{method}",
            hidden=token.partition(":")[2],
            content=content or {},
        )
        return parse_result(response)

    # testing
    def check(self) -> CheckResult:
        with record_exchanges() as exchanges:
            try:
                return self._check()
            except SendError as error:
                return check_failed(error, describe_last(exchanges, error.code))

    def _check(self) -> CheckResult:
        me = self._call("getMe")
        username = str(me.get("username") or "") if isinstance(me, dict) else ""
        entered = self.settings["bot_username"]
        if username.lower() != entered.lower():
            return CheckResult(
                False,
                (
                    f"This token belongs to @{username}, not to @{entered}."
                    if username
                    else "This token belongs to an account without a username."
                ),
                "Invitation links would lead to a different bot than the one that sends messages.",
                (
                    (
                        "Correct the username, or paste the token of the other bot from"
                        " **@BotFather**."
                    ),
                    "Choose **Test connection**.",
                ),
                field="bot_username",
            )
        info = self._call("getWebhookInfo")
        warnings = webhook_info.warnings(info if isinstance(info, dict) else {})
        if team := self.destination_of(self.settings):
            try:
                warnings += self._check_team(team, me)
            except (PermanentError, DestinationUnavailable) as error:
                return team_chat_failed(error, team)
        title = "Telegram is ready, with one limitation." if warnings else "Telegram is ready."
        return CheckResult(True, title, f"The token belongs to @{username}.", warnings=warnings)

    def _check_team(self, team: str, me: Mapping[str, Any]) -> tuple[str, ...]:
        """Return warnings about the team's chat.

        Raises PermanentError or DestinationUnavailable if the bot cannot post there.
        """
        if me.get("can_join_groups") is False:
            return (
                (
                    "The bot cannot be added to groups. Send `/setjoingroups` to"
                    " **@BotFather**, and enable it."
                ),
            )
        try:
            self._call("getChat", {"chat_id": team})
            # public chats are visible to every bot, so the bot checks whether it is a member
            member = (
                self._call("getChatMember", {"chat_id": team, "user_id": me.get("id")})
                if team.startswith("@")
                else {}
            )
        except RecipientMoved as problem:
            return (
                f"The team’s group became a supergroup. Enter `{problem.new}` as **Team chat**.",
            )
        if code := posting_problem(member if isinstance(member, dict) else {}):
            raise ERRORS.error(code)
        return ()

    @action("Set webhook")
    def subscribe(self, webhook_url: str) -> str:
        """Make Telegram send the bot's updates to a URL, with a secret that proves their origin."""
        stand_in = self.api_urls["telegram"] != self.api["telegram"]
        if reason := webhook_info.find_url_error(webhook_url, stand_in=stand_in):
            raise PermanentError(reason, "bad_webhook")
        self._call(
            "setWebhook",
            {
                "url": webhook_url,
                "secret_token": self._secret(),
                "allowed_updates": list(ALLOWED_UPDATES),
            },
        )
        return (
            "Telegram now sends button actions, /stop and new chats of"
            f" {self.senders.default} to {webhook_url}."
        )

    @action("Check webhook")
    def check_webhook(self, webhook_url: str) -> str:
        """Describe where Telegram sends the bot's updates, and the last error."""
        info = self._call("getWebhookInfo")
        return webhook_info.describe(
            info if isinstance(info, dict) else {}, self.senders.default, webhook_url
        )

    @action("Remove webhook")
    def remove_webhook(self, webhook_url: str) -> str:
        """Make Telegram send no updates of the bot."""
        del webhook_url
        self._call("deleteWebhook")
        return (
            "Telegram no longer sends updates, so buttons do nothing and /stop does not"
            " arrive. Choose Set webhook to receive them again."
        )

    def _secret(self) -> str:
        """Return the secret that Telegram sends with updates, derived from the token."""
        return hmac.new(self.settings["token"].encode(), PURPOSE, hashlib.sha256).hexdigest()

    # receiving
    def verify(self, request: WebhookRequest) -> None:
        secret = request.headers.get(SECRET, "")
        if not secret or not self.settings.get("token"):
            raise BadWebhook("The request has no secret token.")
        if not hmac.compare_digest(secret.encode(errors="replace"), self._secret().encode()):
            raise BadWebhook(
                "The secret token does not match this connection. Choose Set webhook on its page."
            )

    @webhook("telegram/{connection}")
    def on_update(self, request: WebhookRequest) -> list[WebhookEvent]:
        """Bot updates. Choose Set webhook to send this URL to Telegram."""
        return parse_events(parse_update(request), self.senders.default)

    @classmethod
    def callback_key(cls, request: WebhookRequest) -> tuple[str, str]:
        number = parse_update(request).get("update_id")
        return (str(number), "update") if isinstance(number, int) else super().callback_key(request)

    @classmethod
    def webhook_response(cls, request: WebhookRequest, new: bool) -> tuple[str, str]:
        return _answer_click(request, "received")

    @classmethod
    def clicked_tokens(cls, request: WebhookRequest) -> tuple[str, ...]:
        update = parse_update(request)
        return (clicked_value(update),) if click_id(update) else ()

    @classmethod
    def foreign_click_response(cls, request: WebhookRequest) -> tuple[str, str]:
        return _answer_click(request, "foreign")


def _answer_click(request: WebhookRequest, kind: str) -> tuple[str, str]:
    """Return a response to a click of a button, or an empty one for other updates.

    Telegram shows a spinner on the button until the bot responds to the click. A method call in the
    response saves a request.
    """
    update = parse_update(request)
    query = click_id(update)
    if not query:
        return "application/json", "{}"
    text = click_answer(kind, clicker_language(update), request.locale)
    call = {"method": "answerCallbackQuery", "callback_query_id": query, "text": text}
    return "application/json", json.dumps(call)
