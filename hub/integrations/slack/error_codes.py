"""The meanings of Slack's error codes.

https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks and the pages of the
methods.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class KnownError(NamedTuple):
    """An error code of Slack: its effect, its cause, its remedy, and the setting at fault."""

    # a key of errors.OUTCOMES; `place` pauses the connection's channel, or fails the message
    kind: str
    cause: str
    remedy: str
    field: str = ""


HOOK = "webhook_url"
TOKEN = "bot_token"  # noqa: S105 - the name of a field
CHANNEL = "channel"
_NEW_HOOK = (
    "In the Slack app, open Incoming Webhooks, and choose Add New Webhook. Paste the new"
    " Webhook URL into the connection."
)
_PASTE_AGAIN = (
    "In the Slack app, open OAuth & Permissions, and copy the Bot User OAuth Token. Paste"
    " it into the connection and test again."
)
_ASK_OWNER = "Ask an owner of the workspace to allow it. Then test the connection."
_REPORT_CODE = "The settings are correct. Report this code to the operator of Signpost."
_CHECK_CHANNEL = "Check the channel, and resend the message if it is not there."
_WAIT = "Signpost tries again automatically. If this continues, check slack-status.com."

CODES: Mapping[str, KnownError] = {
    # the webhook
    "no_service": KnownError(
        "broken",
        "Slack no longer knows this webhook: the webhook or its app was removed.",
        _NEW_HOOK,
        HOOK,
    ),
    "no_active_hooks": KnownError("broken", "This webhook is disabled in Slack.", _NEW_HOOK, HOOK),
    "no_team": KnownError(
        "broken", "Slack no longer knows the workspace of this webhook.", _NEW_HOOK, HOOK
    ),
    "team_disabled": KnownError(
        "broken", "The workspace of this webhook is disabled.", _NEW_HOOK, HOOK
    ),
    "invalid_token": KnownError(
        "broken", "Slack rejected the secret part of the Webhook URL.", _NEW_HOOK, HOOK
    ),
    "user_not_found": KnownError(
        "place",
        "The recipient, or the person who created the webhook, is no longer in the workspace.",
        _NEW_HOOK,
        HOOK,
    ),
    "action_prohibited": KnownError(
        "broken", "A rule of the workspace blocks posts of this webhook.", _ASK_OWNER, HOOK
    ),
    "posting_to_general_channel_denied": KnownError(
        "place",
        "Only some members can post to the workspace’s general channel, and this webhook cannot.",
        "Choose another channel for the webhook, or ask an owner of the workspace to allow it.",
        HOOK,
    ),
    "channel_is_archived": KnownError(
        "place",
        "The channel of this webhook is archived.",
        "Unarchive it in Slack, or add a webhook for another channel and paste its URL.",
        HOOK,
    ),
    "invalid_payload": KnownError(
        "permanent", "Slack could not read the post.", _REPORT_CODE, HOOK
    ),
    "missing_text_or_fallback_or_attachments": KnownError(
        "permanent", "The post has no content that Slack can show.", _REPORT_CODE, HOOK
    ),
    "rollup_error": KnownError("again", "Slack had an internal error.", _WAIT, HOOK),
    # the token
    "invalid_auth": KnownError("broken", "Slack rejected the bot token.", _PASTE_AGAIN, TOKEN),
    "not_authed": KnownError("broken", "Slack received no bot token.", _PASTE_AGAIN, TOKEN),
    "account_inactive": KnownError(
        "broken",
        "The bot token belongs to an app or a workspace that no longer exists.",
        "Install the app in the workspace again, paste the new token and test again.",
        TOKEN,
    ),
    "token_revoked": KnownError(
        "broken",
        "The bot token was revoked.",
        "Install the app in the workspace again, paste the new token and test again.",
        TOKEN,
    ),
    "token_expired": KnownError(
        "broken",
        "The bot token has expired: token rotation is on for this app.",
        "Signpost does not support token rotation. Create an app without it, and paste"
        " its bot token.",
        TOKEN,
    ),
    "not_allowed_token_type": KnownError(
        "broken", "This is not the kind of token that Slack requires here.", _PASTE_AGAIN, TOKEN
    ),
    "missing_scope": KnownError(
        "broken",
        "The bot token does not allow this, because a scope is missing.",
        "In the Slack app, open OAuth & Permissions, and add the bot scopes chat:write and"
        " users:read.email. Reinstall the app and test again.",
        TOKEN,
    ),
    "no_permission": KnownError(
        "broken", "The workspace does not allow this token to do that.", _ASK_OWNER, TOKEN
    ),
    "access_denied": KnownError(
        "broken", "The workspace does not allow the app to do this.", _ASK_OWNER, TOKEN
    ),
    "org_login_required": KnownError(
        "broken",
        "The workspace is being moved into an organization, so Slack accepts no requests"
        " from the app.",
        "Wait until the move is complete. Then install the app again and test.",
        TOKEN,
    ),
    "ekm_access_denied": KnownError(
        "broken", "The workspace’s administrators have suspended posting.", _ASK_OWNER, TOKEN
    ),
    "team_access_not_granted": KnownError(
        "broken", "The app has no access to this workspace.", _ASK_OWNER, TOKEN
    ),
    "two_factor_setup_required": KnownError(
        "broken", "The workspace requires two-factor authentication.", _ASK_OWNER, TOKEN
    ),
    # the channel
    "channel_not_found": KnownError(
        "place",
        "Slack did not find the channel: the ID is not correct, the channel was deleted,"
        " or it is private and the app is not in it.",
        "Copy the Channel ID from the end of the channel’s details. Then send /invite and"
        " the app’s name in the channel.",
        CHANNEL,
    ),
    "not_in_channel": KnownError(
        "place",
        "The app is not a member of the channel.",
        "Send /invite and the app’s name in the channel. Then test the connection.",
        CHANNEL,
    ),
    "is_archived": KnownError(
        "place",
        "The channel is archived.",
        "Unarchive it in Slack, or enter the ID of another channel.",
        CHANNEL,
    ),
    "restricted_action": KnownError(
        "place",
        "A rule of the workspace blocks posts of the app in this channel.",
        _ASK_OWNER,
        CHANNEL,
    ),
    "restricted_action_read_only_channel": KnownError(
        "place", "The channel is read-only.", _ASK_OWNER, CHANNEL
    ),
    "restricted_action_thread_only_channel": KnownError(
        "place", "The channel allows only replies in threads.", _ASK_OWNER, CHANNEL
    ),
    "restricted_action_non_threadable_channel": KnownError(
        "place", "The channel does not allow threads.", _ASK_OWNER, CHANNEL
    ),
    # people
    "users_not_found": KnownError(
        "recipient",
        "Nobody in this Slack workspace has this email address.",
        "Invite the person to the workspace, correct the email address in the signing app, or reach"
        " them on another channel.",
        TOKEN,
    ),
    "user_disabled": KnownError(
        "permanent",
        "This person’s Slack account is deactivated.",
        "Use another channel.",
    ),
    "cannot_dm_bot": KnownError(
        "permanent",
        "The recipient is a bot, and Slack does not allow messages to bots.",
        "In the signing app, enter the email address of a person.",
    ),
    "messages_tab_disabled": KnownError(
        "permanent",
        "The Slack app does not allow direct messages.",
        "In the Slack app, open App Home, and turn on the Messages Tab.",
    ),
    # the message
    "no_text": KnownError(
        "permanent", "The post has no content that Slack can show.", _REPORT_CODE
    ),
    "invalid_blocks": KnownError(
        "permanent", "Slack rejected the layout of the post.", _REPORT_CODE
    ),
    "invalid_blocks_format": KnownError(
        "permanent", "Slack could not read the layout of the post.", _REPORT_CODE
    ),
    "invalid_arguments": KnownError(
        "permanent", "Slack rejected the form of the request.", _REPORT_CODE
    ),
    "too_many_attachments": KnownError(
        "permanent", "The post has more attachments than Slack allows.", _REPORT_CODE
    ),
    "msg_too_long": KnownError(
        "permanent",
        "The text is longer than Slack allows.",
        "Shorten the template, and resend the message.",
    ),
    "msg_blocks_too_long": KnownError(
        "permanent",
        "The texts of the post are together longer than Slack allows.",
        "Shorten the template, and resend the message.",
    ),
    "message_not_found": KnownError(
        "permanent",
        "The post to update was deleted in Slack.",
        "The request’s page shows the current state.",
    ),
    "cant_update_message": KnownError(
        "permanent",
        "The post to update does not belong to this app.",
        "The request’s page shows the current state.",
    ),
    "edit_window_closed": KnownError(
        "permanent",
        "The workspace does not allow updates to a post this old.",
        "The request’s page shows the current state.",
    ),
    "expired_url": KnownError(
        "permanent",
        "The button was used more than 30 minutes ago, so Slack no longer allows a response to it.",
        "The request’s page shows the result.",
    ),
    "used_url": KnownError(
        "permanent",
        "Signpost responded to the button five times, and Slack allows no more.",
        "The request’s page shows the result.",
    ),
    # for the moment. After the two `unknown` ones "some aspect of the operation" may have
    # succeeded, say the methods' pages.
    "ratelimited": KnownError("slow", "Slack limits requests for the moment.", _WAIT),
    "rate_limited": KnownError("slow", "Slack limits requests for the moment.", _WAIT),
    "message_limit_exceeded": KnownError(
        "slow", "The workspace sends more messages than Slack allows.", _WAIT
    ),
    "service_unavailable": KnownError("again", "Slack is not available.", _WAIT),
    "request_timeout": KnownError("again", "Slack received an incomplete request.", _WAIT),
    "team_added_to_org": KnownError(
        "again", "The workspace is being moved into an organization.", _WAIT
    ),
    "internal_error": KnownError(
        "unknown", "Slack failed, but may have posted the message.", _CHECK_CHANNEL
    ),
    "fatal_error": KnownError(
        "unknown", "Slack had a serious error, but may have posted the message.", _CHECK_CHANNEL
    ),
    # Signpost's own codes
    "no_direct_messages": KnownError(
        "permanent",
        "This connection posts through an incoming webhook, which sends to one channel"
        " and not to people.",
        "To message people, enter a bot token with the scope users:read.email in the connection.",
    ),
    "one_channel": KnownError(
        "permanent",
        "This connection posts through an incoming webhook, which sends only to another channel.",
        "Send to the connection’s own channel, or enter a bot token in the connection.",
    ),
    "no_edits": KnownError(
        "permanent",
        "Slack does not allow updates to posts of an incoming webhook.",
        "Enter a bot token in the connection, which can update its posts.",
    ),
    "not_a_channel": KnownError(
        "permanent",
        "This connection posts with a bot token, but the message was for an incoming webhook.",
        "Send the message to the Channel ID.",
    ),
    "bad_reply_address": KnownError(
        "permanent",
        "The response URL of the button does not belong to Slack, so nothing was sent there.",
        "The request’s page shows the result.",
    ),
}
SIGNPOST_CODES = (
    "no_direct_messages",
    "one_channel",
    "no_edits",
    "not_a_channel",
    "bad_reply_address",
)
