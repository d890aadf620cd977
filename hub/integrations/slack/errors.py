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
    """A word of Slack's: what it comes to, what is so, what to do, and the setting at fault."""

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
    page = "" if code in OURS else WEBHOOKS if known.field == HOOK else METHODS
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


BUSY = "Slack takes no more for the moment. Look at slack-status.com if this stays."
FAILED = (
    "Slack failed before it said whether it has the message. Look at slack-status.com if this"
    " stays."
)
UNKNOWN_CODE = (
    f"Slack refused it with a code that Signpost does not know yet. Look for the code at {METHODS}."
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
    "In the Slack app open Incoming Webhooks, choose Add New Webhook, and paste the new Webhook URL"
    " into the connection."
)
_COPY_IT = (
    "In the Slack app open OAuth & Permissions, copy the Bot User OAuth Token, paste it into the"
    " connection and test again."
)
_ASK = "Ask an owner of the workspace to allow it, then test the connection."
_OURS_TO_MEND = (
    "Nothing is wrong with the settings: report it to whoever runs Signpost, with the code."
)
_LOOK = "Look into the channel, and resend the message if it is not there."
_WAIT = "It is tried again by itself. Look at slack-status.com if this stays."

CODES: Mapping[str, Known] = {
    # the webhook
    "no_service": Known(
        "broken",
        "Slack knows this webhook no more: it was removed, or its app was.",
        _NEW_HOOK,
        HOOK,
    ),
    "no_active_hooks": Known("broken", "This webhook is switched off in Slack.", _NEW_HOOK, HOOK),
    "no_team": Known(
        "broken", "Slack knows the workspace of this webhook no more.", _NEW_HOOK, HOOK
    ),
    "team_disabled": Known(
        "broken", "The workspace of this webhook is switched off.", _NEW_HOOK, HOOK
    ),
    "invalid_token": Known(
        "broken", "Slack refused the secret part of the Webhook URL.", _NEW_HOOK, HOOK
    ),
    "user_not_found": Known(
        "place",
        "The person that Slack was to write to, or who made the webhook, is gone.",
        _NEW_HOOK,
        HOOK,
    ),
    "action_prohibited": Known(
        "broken", "A rule of the workspace forbids this webhook to post here.", _ASK, HOOK
    ),
    "posting_to_general_channel_denied": Known(
        "place",
        "Only some people may post to the workspace’s general channel, and this webhook is not"
        " among them.",
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
        "permanent", "Slack found nothing to show in the post.", _OURS_TO_MEND, HOOK
    ),
    "rollup_error": Known("again", "Slack failed by itself.", _WAIT, HOOK),
    # the token
    "invalid_auth": Known("broken", "Slack refused the bot token.", _COPY_IT, TOKEN),
    "not_authed": Known("broken", "No bot token arrived at Slack.", _COPY_IT, TOKEN),
    "account_inactive": Known(
        "broken",
        "The bot token belongs to an app or a workspace that is gone.",
        "Install the app to the workspace again, paste its new token and test again.",
        TOKEN,
    ),
    "token_revoked": Known(
        "broken",
        "The bot token was revoked.",
        "Install the app to the workspace again, paste its new token and test again.",
        TOKEN,
    ),
    "token_expired": Known(
        "broken",
        "The bot token has expired: token rotation is on for this app.",
        "Take an app without token rotation, which Signpost does not do, and paste its bot token.",
        TOKEN,
    ),
    "not_allowed_token_type": Known(
        "broken", "This is not the kind of token that Slack wants here.", _COPY_IT, TOKEN
    ),
    "missing_scope": Known(
        "broken",
        "The bot token may not do this: a scope is missing.",
        "In the Slack app open OAuth & Permissions, add the bot scopes chat:write and"
        " users:read.email, reinstall the app and test again.",
        TOKEN,
    ),
    "no_permission": Known("broken", "The workspace does not let this token do that.", _ASK, TOKEN),
    "access_denied": Known("broken", "The workspace does not let the app do this.", _ASK, TOKEN),
    "org_login_required": Known(
        "broken",
        "The workspace is being moved into an organization, so Slack takes nothing from the app.",
        "Wait until the move is over, then install the app again and test.",
        TOKEN,
    ),
    "ekm_access_denied": Known(
        "broken", "The workspace’s administrators have suspended posting for a while.", _ASK, TOKEN
    ),
    "team_access_not_granted": Known(
        "broken", "The app was not given access to this workspace.", _ASK, TOKEN
    ),
    "two_factor_setup_required": Known(
        "broken", "The workspace wants two-factor sign-in to be set up first.", _ASK, TOKEN
    ),
    # the channel
    "channel_not_found": Known(
        "place",
        "Slack finds no such channel: the id is wrong, the channel is gone, or it is private and"
        " the app is not in it.",
        "Copy the Channel ID from the end of the channel’s details, and write /invite and the app’s"
        " name in the channel.",
        CHANNEL,
    ),
    "not_in_channel": Known(
        "place",
        "The app is not a member of the channel.",
        "Write /invite and the app’s name in the channel, then test the connection.",
        CHANNEL,
    ),
    "is_archived": Known(
        "place",
        "The channel is archived.",
        "Unarchive it in Slack, or give the ID of another channel.",
        CHANNEL,
    ),
    "restricted_action": Known(
        "place", "A rule of the workspace forbids the app to post in this channel.", _ASK, CHANNEL
    ),
    "restricted_action_read_only_channel": Known(
        "place", "The channel is read-only.", _ASK, CHANNEL
    ),
    "restricted_action_thread_only_channel": Known(
        "place", "The channel takes replies in threads only.", _ASK, CHANNEL
    ),
    "restricted_action_non_threadable_channel": Known(
        "place", "The channel takes no threads.", _ASK, CHANNEL
    ),
    # people
    "users_not_found": Known(
        "recipient",
        "Nobody in this Slack workspace has this mail address.",
        "Invite the person to the workspace, correct the email address in the signing app, or reach"
        " them on another channel.",
        TOKEN,
    ),
    "user_disabled": Known(
        "permanent",
        "This person’s Slack account is switched off.",
        "Reach them on another channel.",
    ),
    "cannot_dm_bot": Known(
        "permanent",
        "The recipient is a bot, to which Slack lets nobody write.",
        "In the signing app, enter the email address of a person.",
    ),
    "messages_tab_disabled": Known(
        "permanent",
        "The Slack app does not let people and itself write to each other.",
        "In the Slack app open App Home, and switch the Messages Tab on.",
    ),
    # the message
    "no_text": Known("permanent", "Slack found nothing to show in the post.", _OURS_TO_MEND),
    "invalid_blocks": Known("permanent", "Slack refused how the post is laid out.", _OURS_TO_MEND),
    "invalid_blocks_format": Known(
        "permanent", "Slack could not read how the post is laid out.", _OURS_TO_MEND
    ),
    "invalid_arguments": Known("permanent", "Slack refused the way it was asked.", _OURS_TO_MEND),
    "too_many_attachments": Known(
        "permanent", "The post has more attachments than Slack takes.", _OURS_TO_MEND
    ),
    "msg_too_long": Known(
        "permanent", "The text is longer than Slack takes.", "Shorten the template, and resend it."
    ),
    "msg_blocks_too_long": Known(
        "permanent",
        "All texts together are longer than Slack takes.",
        "Shorten the template, and resend it.",
    ),
    "message_not_found": Known(
        "permanent",
        "The post that was to be changed is gone from Slack.",
        "What was to be said there stands on the request’s page.",
    ),
    "cant_update_message": Known(
        "permanent",
        "The post that was to be changed is not this app’s.",
        "What was to be said there stands on the request’s page.",
    ),
    "edit_window_closed": Known(
        "permanent",
        "The workspace lets nobody change a post as old as this one.",
        "What was to be said there stands on the request’s page.",
    ),
    "expired_url": Known(
        "permanent",
        "The button was pressed more than 30 minutes ago, so Slack lets its post not be answered"
        " any more.",
        "What was done stands on the request’s page.",
    ),
    "used_url": Known(
        "permanent",
        "The press of the button was answered five times, and Slack takes no more.",
        "What was done stands on the request’s page.",
    ),
    # for the moment. After the two `unknown` ones "some aspect of the operation" may have
    # succeeded, say the methods' pages.
    "ratelimited": Known("slow", "Slack takes no more for the moment.", _WAIT),
    "rate_limited": Known("slow", "Slack takes no more for the moment.", _WAIT),
    "message_limit_exceeded": Known(
        "slow", "The workspace sends more messages than Slack takes.", _WAIT
    ),
    "service_unavailable": Known("again", "Slack is not available.", _WAIT),
    "request_timeout": Known("again", "The request reached Slack incomplete.", _WAIT),
    "team_added_to_org": Known(
        "again", "The workspace is being moved into an organization.", _WAIT
    ),
    "internal_error": Known(
        "unknown", "Slack failed, and may have posted the message all the same.", _LOOK
    ),
    "fatal_error": Known(
        "unknown", "Slack failed badly, and may have posted the message all the same.", _LOOK
    ),
    # ours
    "no_direct_messages": Known(
        "permanent",
        "This connection posts by an incoming webhook, which reaches one channel and nobody alone.",
        "Give the connection a bot token with users:read.email to write to people.",
    ),
    "one_channel": Known(
        "permanent",
        "This connection posts by an incoming webhook, which reaches one channel, and not this"
        " one.",
        "Send to the connection’s own channel, or give the connection a bot token.",
    ),
    "no_edits": Known(
        "permanent",
        "Slack lets nobody change what an incoming webhook has posted.",
        "Give the connection a bot token, which can change its posts.",
    ),
    "not_a_channel": Known(
        "permanent",
        "This connection posts by a bot token, and the message was for an incoming webhook.",
        "Send it again to the Channel ID.",
    ),
    "bad_reply_address": Known(
        "permanent",
        "The address to answer the press at is not Slack’s, so nothing was sent there.",
        "What was done stands on the request’s page.",
    ),
}
OURS = ("no_direct_messages", "one_channel", "no_edits", "not_a_channel", "bad_reply_address")
