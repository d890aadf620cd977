"""Meanings of Slack's error codes, and the errors of refused calls.

The knowledge is the table at the end.

https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks and the pages of the
methods
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, NoReturn

from hub.integrations.api import (
    ConnectionBroken,
    DestinationUnavailable,
    OutcomeUnknown,
    PermanentError,
    Problem,
    RecipientRefused,
    Scope,
    SendError,
    SlowDown,
    TransientError,
    gateway_error,
)

METHODS = "https://docs.slack.dev/reference/methods/chat.postMessage"
WEBHOOKS = "https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks"
PAUSE = 10.0  # seconds to leave a sender alone when Slack only says that it is too much


class Known(NamedTuple):
    """An error code of Slack: its effect, its cause, its remedy, and the setting at fault."""

    # of OUTCOMES; `slow`; or `place`: the connection's own channel is paused, a message to another
    # one fails
    kind: str
    says: str
    do: str
    field: str = ""


def explain(code: str) -> Problem | None:
    """Say what a code means, or None when it is not known."""
    known = CODES.get(code)
    if known is None:
        return None
    if code in OURS:
        return Problem(code, known.says, known.do)
    page = WEBHOOKS if known.field == HOOK else METHODS
    return Problem(code, known.says, known.do, page)


def error(code: str, text: str = "") -> SendError:
    """Return the error of a known code, as for the connection's own channel."""
    known = CODES[code]
    return OUTCOMES[known.kind](text or f"{known.says} {known.do}", code)


def raise_for(
    status: int,
    code: str,
    retry_after: float | None,
    *,
    own: bool = True,
    scope: Scope = Scope.RECIPIENT,
) -> NoReturn:
    """Raise what a refused call comes to, by its code, else by its HTTP status.

    `retry_after` in seconds; `own`: it was for the place that the connection is set up for;
    `scope`: of a limit, which is the channel's for posts, and the method's for all other calls.
    https://docs.slack.dev/apis/web-api/rate-limits
    """
    known = CODES.get(code)
    if (
        status == 429
        or (known and known.kind == "slow")
        or (status == 503 and retry_after is not None)
    ):
        text = f"{known.says} {known.do}" if known else BUSY
        wide = status == 503 or code in WORKSPACE
        pause = PAUSE if retry_after is None else retry_after
        raise SlowDown(
            text, code or f"http_{status}", pause, scope=Scope.ACCOUNT if wide else scope
        )
    if known is None:
        _raise_unknown(status, code, own=own)
    if known.kind == "again":
        raise TransientError(f"{known.says} {known.do}", code, retry_after)
    if known.kind == "place" and not own:
        raise PermanentError(f"{known.says} {known.do}", code)
    raise error(code)


def _raise_unknown(status: int, code: str, *, own: bool) -> NoReturn:
    if not code:
        raise (
            OutcomeUnknown(FAILED, f"http_{status}")
            if status >= 500
            else gateway_error("Slack", status, SETTINGS)
        )
    # with 200 the Web API refuses
    if not (status == 200 or 400 <= status < 500) or status in UNFINISHED:
        raise OutcomeUnknown(FAILED, code)
    if own:  # it may be about the channel or about the post
        raise DestinationUnavailable(UNKNOWN_CODE, code, sure=False)
    raise PermanentError(UNKNOWN_CODE, code)


BUSY = "Slack is temporarily rate limiting requests. If this continues, check slack-status.com."
FAILED = (
    "Slack failed before it reported whether it accepted the message. If this continues,"
    " check slack-status.com."
)
UNKNOWN_CODE = (
    "Slack rejected the message with a code that Signpost does not know. Look up the code"
    f" at {METHODS}."
)
WORKSPACE = ("message_limit_exceeded",)  # limits of all that is posted to a workspace
SETTINGS = "HUB_SLACK_API_URL, HUB_SLACKHOOKS_API_URL"
# a timeout, or the wish to see the request again, says nothing of what went through
UNFINISHED = (408, 425)
OUTCOMES: Mapping[str, type[SendError]] = {
    "broken": ConnectionBroken,
    "place": DestinationUnavailable,
    "permanent": PermanentError,
    "recipient": RecipientRefused,
    "again": TransientError,
    "slow": SlowDown,
    "unknown": OutcomeUnknown,
}

# ── What Slack says ───────────────────────────────────────────────────────────────────────────────
HOOK = "webhook_url"
TOKEN = "bot_token"  # noqa: S105 - the name of a field
CHANNEL = "channel"
_NEW_HOOK = (
    "In the Slack app open Incoming Webhooks and choose Add New Webhook. Paste the new"
    " Webhook URL into the connection."
)
_COPY_IT = (
    "In the Slack app open OAuth & Permissions and copy the Bot User OAuth Token. Paste"
    " it into the connection and test again."
)
_ASK = "Ask an owner of the workspace to allow it. Then test the connection."
_OURS_TO_MEND = "The settings are correct. Report the code to the people who run Signpost."
_LOOK = "Check the channel, and resend the message if it is not there."
_WAIT = "Signpost tries again automatically. If this continues, check slack-status.com."

CODES: Mapping[str, Known] = {
    # the webhook
    "no_service": Known(
        "broken",
        "Slack no longer knows this webhook: the webhook or its app was removed.",
        _NEW_HOOK,
        HOOK,
    ),
    "no_active_hooks": Known("broken", "This webhook is disabled in Slack.", _NEW_HOOK, HOOK),
    "no_team": Known(
        "broken", "Slack no longer knows the workspace of this webhook.", _NEW_HOOK, HOOK
    ),
    "team_disabled": Known("broken", "The workspace of this webhook is disabled.", _NEW_HOOK, HOOK),
    "invalid_token": Known(
        "broken", "Slack rejected the secret part of the Webhook URL.", _NEW_HOOK, HOOK
    ),
    "user_not_found": Known(
        "place",
        "The recipient, or the person who created the webhook, is no longer in the workspace.",
        _NEW_HOOK,
        HOOK,
    ),
    "action_prohibited": Known(
        "broken", "A rule of the workspace blocks posts of this webhook.", _ASK, HOOK
    ),
    "posting_to_general_channel_denied": Known(
        "place",
        "Only some members can post to the workspace’s general channel, and this webhook cannot.",
        "Choose another channel for the webhook, or ask an owner of the workspace to allow it.",
        HOOK,
    ),
    "channel_is_archived": Known(
        "place",
        "The channel of this webhook is archived.",
        "Unarchive it in Slack, or add a webhook for another channel and paste its URL.",
        HOOK,
    ),
    "invalid_payload": Known("permanent", "Slack could not read the post.", _OURS_TO_MEND, HOOK),
    "missing_text_or_fallback_or_attachments": Known(
        "permanent", "The post has no content that Slack can show.", _OURS_TO_MEND, HOOK
    ),
    "rollup_error": Known("again", "Slack had an internal error.", _WAIT, HOOK),
    # the token
    "invalid_auth": Known("broken", "Slack rejected the bot token.", _COPY_IT, TOKEN),
    "not_authed": Known("broken", "Slack received no bot token.", _COPY_IT, TOKEN),
    "account_inactive": Known(
        "broken",
        "The bot token belongs to an app or a workspace that no longer exists.",
        "Install the app in the workspace again, paste the new token and test again.",
        TOKEN,
    ),
    "token_revoked": Known(
        "broken",
        "The bot token was revoked.",
        "Install the app in the workspace again, paste the new token and test again.",
        TOKEN,
    ),
    "token_expired": Known(
        "broken",
        "The bot token has expired: token rotation is on for this app.",
        "Signpost does not support token rotation. Create an app without it, and paste"
        " its bot token.",
        TOKEN,
    ),
    "not_allowed_token_type": Known(
        "broken", "This is not the kind of token that Slack requires here.", _COPY_IT, TOKEN
    ),
    "missing_scope": Known(
        "broken",
        "The bot token does not allow this, because a scope is missing.",
        "In the Slack app open OAuth & Permissions and add the bot scopes chat:write and"
        " users:read.email. Reinstall the app and test again.",
        TOKEN,
    ),
    "no_permission": Known(
        "broken", "The workspace does not allow this token to do that.", _ASK, TOKEN
    ),
    "access_denied": Known(
        "broken", "The workspace does not allow the app to do this.", _ASK, TOKEN
    ),
    "org_login_required": Known(
        "broken",
        "The workspace is being moved into an organization, so Slack accepts no requests"
        " from the app.",
        "Wait until the move is complete. Then install the app again and test.",
        TOKEN,
    ),
    "ekm_access_denied": Known(
        "broken", "The workspace’s administrators have suspended posting.", _ASK, TOKEN
    ),
    "team_access_not_granted": Known(
        "broken", "The app has no access to this workspace.", _ASK, TOKEN
    ),
    "two_factor_setup_required": Known(
        "broken", "The workspace requires two-factor authentication.", _ASK, TOKEN
    ),
    # the channel
    "channel_not_found": Known(
        "place",
        "Slack did not find the channel: the ID is not correct, the channel was deleted,"
        " or it is private and the app is not in it.",
        "Copy the Channel ID from the end of the channel’s details. Then send /invite and"
        " the app’s name in the channel.",
        CHANNEL,
    ),
    "not_in_channel": Known(
        "place",
        "The app is not a member of the channel.",
        "Send /invite and the app’s name in the channel. Then test the connection.",
        CHANNEL,
    ),
    "is_archived": Known(
        "place",
        "The channel is archived.",
        "Unarchive it in Slack, or enter the ID of another channel.",
        CHANNEL,
    ),
    "restricted_action": Known(
        "place", "A rule of the workspace blocks posts of the app in this channel.", _ASK, CHANNEL
    ),
    "restricted_action_read_only_channel": Known(
        "place", "The channel is read-only.", _ASK, CHANNEL
    ),
    "restricted_action_thread_only_channel": Known(
        "place", "The channel allows only replies in threads.", _ASK, CHANNEL
    ),
    "restricted_action_non_threadable_channel": Known(
        "place", "The channel does not allow threads.", _ASK, CHANNEL
    ),
    # people
    "users_not_found": Known(
        "recipient",
        "Nobody in this Slack workspace has this email address.",
        "Invite the person to the workspace, correct the email address in the signing app, or reach"
        " them on another channel.",
        TOKEN,
    ),
    "user_disabled": Known(
        "permanent",
        "This person’s Slack account is deactivated.",
        "Use another channel.",
    ),
    "cannot_dm_bot": Known(
        "permanent",
        "The recipient is a bot, and Slack does not allow messages to bots.",
        "In the signing app, enter the email address of a person.",
    ),
    "messages_tab_disabled": Known(
        "permanent",
        "The Slack app does not allow direct messages.",
        "In the Slack app open App Home, and turn on the Messages Tab.",
    ),
    # the message
    "no_text": Known("permanent", "The post has no content that Slack can show.", _OURS_TO_MEND),
    "invalid_blocks": Known("permanent", "Slack rejected the layout of the post.", _OURS_TO_MEND),
    "invalid_blocks_format": Known(
        "permanent", "Slack could not read the layout of the post.", _OURS_TO_MEND
    ),
    "invalid_arguments": Known(
        "permanent", "Slack rejected the form of the request.", _OURS_TO_MEND
    ),
    "too_many_attachments": Known(
        "permanent", "The post has more attachments than Slack allows.", _OURS_TO_MEND
    ),
    "msg_too_long": Known(
        "permanent",
        "The text is longer than Slack allows.",
        "Shorten the template, and resend the message.",
    ),
    "msg_blocks_too_long": Known(
        "permanent",
        "The texts of the post are together longer than Slack allows.",
        "Shorten the template, and resend the message.",
    ),
    "message_not_found": Known(
        "permanent",
        "The post to update was deleted in Slack.",
        "The request’s page shows the current state.",
    ),
    "cant_update_message": Known(
        "permanent",
        "The post to update does not belong to this app.",
        "The request’s page shows the current state.",
    ),
    "edit_window_closed": Known(
        "permanent",
        "The workspace does not allow updates to a post this old.",
        "The request’s page shows the current state.",
    ),
    "expired_url": Known(
        "permanent",
        "The button was clicked more than 30 minutes ago, so Slack no longer allows a"
        " response to it.",
        "The request’s page shows the result.",
    ),
    "used_url": Known(
        "permanent",
        "Signpost responded to the button five times, and Slack allows no more.",
        "The request’s page shows the result.",
    ),
    # for the moment. After the two `unknown` ones "some aspect of the operation" may have
    # succeeded, say the methods' pages.
    "ratelimited": Known("slow", "Slack limits requests for the moment.", _WAIT),
    "rate_limited": Known("slow", "Slack limits requests for the moment.", _WAIT),
    "message_limit_exceeded": Known(
        "slow", "The workspace sends more messages than Slack allows.", _WAIT
    ),
    "service_unavailable": Known("again", "Slack is not available.", _WAIT),
    "request_timeout": Known("again", "Slack received an incomplete request.", _WAIT),
    "team_added_to_org": Known(
        "again", "The workspace is being moved into an organization.", _WAIT
    ),
    "internal_error": Known("unknown", "Slack failed, but may have posted the message.", _LOOK),
    "fatal_error": Known(
        "unknown", "Slack had a serious error, but may have posted the message.", _LOOK
    ),
    # ours
    "no_direct_messages": Known(
        "permanent",
        "This connection posts through an incoming webhook, which sends to one channel"
        " and not to people.",
        "To write to people, enter a bot token with the scope users:read.email in the connection.",
    ),
    "one_channel": Known(
        "permanent",
        "This connection posts through an incoming webhook, which sends only to another channel.",
        "Send to the connection’s own channel, or enter a bot token in the connection.",
    ),
    "no_edits": Known(
        "permanent",
        "Slack does not allow updates to posts of an incoming webhook.",
        "Enter a bot token in the connection, which can update its posts.",
    ),
    "not_a_channel": Known(
        "permanent",
        "This connection posts with a bot token, but the message was for an incoming webhook.",
        "Send the message to the Channel ID.",
    ),
    "bad_reply_address": Known(
        "permanent",
        "The response address of the button does not belong to Slack, so nothing was sent there.",
        "The request’s page shows the result.",
    ),
}
OURS = ("no_direct_messages", "one_channel", "no_edits", "not_a_channel", "bad_reply_address")
