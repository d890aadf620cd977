"""Channels, webhooks, tokens and people that make the simulated Slack misbehave, as data: what it
does and what its page says.

Codes: https://docs.slack.dev/reference/methods/chat.postMessage and
https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
"""

from __future__ import annotations

from hub.simulator.fault import Trouble

CHANNELS = (
    Trouble(
        "C0NOTFOUND", "channel_not_found", "Channel does not exist or is not visible to the bot"
    ),
    Trouble("C0NOTINCHANNEL", "not_in_channel", "Bot was not invited"),
    Trouble("C0ARCHIVED", "is_archived", "Channel is archived"),
    Trouble("C0RESTRICTED", "restricted_action", "Posting is restricted by an admin"),
    Trouble("C0NOPERMISSION", "no_permission", "Bot lost its permission"),
    Trouble("C0ORGLOGIN", "org_login_required", "Workspace is moving to an organization"),
    Trouble("C0EKMACCESS", "ekm_access_denied", "Access to encryption keys is suspended"),
    Trouble("C0TEAMACCESS", "team_access_not_granted", "Token no longer valid for this workspace"),
    Trouble("C0INVALIDAUTH", "invalid_auth", "Token is rejected"),
    Trouble("C0TOKENREVOKED", "token_revoked", "Token was revoked"),
    Trouble("C0INACTIVE", "account_inactive", "Bot user was deactivated"),
    Trouble("C0MISSINGSCOPE", "missing_scope", "Token lacks chat:write"),
    Trouble("C0NOTEXTFOUND", "no_text", "No text"),
    Trouble("C0TOOLONG", "msg_too_long", "Text too long"),
    Trouble("C0BLOCKSTOOLONG", "msg_blocks_too_long", "Blocks too long in total"),
    Trouble("C0INVALIDBLOCKS", "invalid_blocks", "Invalid block"),
    Trouble("C0BLOCKSFORMAT", "invalid_blocks_format", "Unreadable blocks"),
    Trouble("C0ARGUMENTS", "invalid_arguments", "Invalid argument"),
    Trouble("C0ATTACHMENTS", "too_many_attachments", "Over 100 attachments"),
    Trouble("C0RATELIMITED", "ratelimited", "Rate limited, Retry-After 1", 429, once=True),
    Trouble(
        "C0RATELIMITED2",
        "rate_limited",
        "Rate limited in the other spelling, Retry-After 1",
        429,
        once=True,
    ),
    Trouble("C0INTERNAL", "internal_error", "Internal error", once=True),
    Trouble("C0FATALERROR", "fatal_error", "Fatal error", once=True),
    Trouble("C0UNAVAILABLE", "service_unavailable", "Slack is unavailable", 503, once=True),
    Trouble("C0REQUESTTIMEOUT", "request_timeout", "Request is incomplete", once=True),
    Trouble("C0BREAKSAFTER", "", "Error after accepting the message", 500, breaks=True),
    Trouble("C0HANGSAFTER", "", "No response", hangs=60),
)

WEBHOOKS = (
    Trouble("invalidpayload0000000000", "invalid_payload", "Unreadable request", 400),
    Trouble("notext000000000000000000", "no_text", "No text", 400),
    Trouble(
        "missingtext0000000000000",
        "missing_text_or_fallback_or_attachments",
        "Nothing to show",
        400,
    ),
    Trouble("invalidblocks00000000000", "invalid_blocks", "Invalid block", 400),
    Trouble("invalidblocksformat00000", "invalid_blocks_format", "Unreadable blocks", 400),
    Trouble("toomanyattachments000000", "too_many_attachments", "Over 100 attachments", 400),
    Trouble("usernotfound000000000000", "user_not_found", "Recipient no longer exists", 400),
    Trouble("invalidtoken000000000000", "invalid_token", "Creator was deactivated", 400),
    Trouble(
        "actionprohibited00000000", "action_prohibited", "Webhook is restricted by an admin", 403
    ),
    Trouble(
        "postingtogeneral00000000",
        "posting_to_general_channel_denied",
        "#general is restricted by an admin",
        403,
    ),
    Trouble("channelnotfound000000000", "channel_not_found", "Channel was deleted", 404),
    Trouble("noservice000000000000000", "no_service", "Webhook was removed or disabled", 404),
    Trouble("noactivehooks00000000000", "no_active_hooks", "Webhook is off", 404),
    Trouble("noteam000000000000000000", "no_team", "Workspace was deleted", 404),
    Trouble("teamdisabled000000000000", "team_disabled", "Workspace was disabled", 404),
    Trouble("channelisarchived0000000", "channel_is_archived", "Channel is archived", 410),
    Trouble(
        "ratelimited0000000000000", "rate_limited", "Rate limited, Retry-After 1", 429, once=True
    ),
    Trouble("rolluperror0000000000000", "rollup_error", "Internal error", 500, once=True),
    Trouble("breaks000000000000000000", "", "Error after accepting the message", 500, breaks=True),
    Trouble("hangs0000000000000000000", "", "No response", hangs=60),
)

TOKENS = (
    Trouble("xoxb-0-invalid-auth", "invalid_auth", "Unknown token"),
    Trouble("xoxb-0-account-inactive", "account_inactive", "Bot user was deactivated"),
    Trouble("xoxb-0-token-revoked", "token_revoked", "Token was revoked"),
    Trouble("xoxb-0-token-expired", "token_expired", "Token has expired"),
    Trouble("xoxb-0-org-login", "org_login_required", "Workspace is moving to an organization"),
    Trouble("xoxb-0-ekm-access", "ekm_access_denied", "Access to encryption keys is suspended"),
    Trouble(
        "xoxb-0-team-access",
        "team_access_not_granted",
        "Token no longer valid for this workspace",
    ),
    Trouble("xoxb-0-missing-scope", "missing_scope", "Signs in, but cannot post or look up people"),
)

PEOPLE = (
    Trouble("nobody@acme.example", "users_not_found", "Nobody has this address"),
    Trouble("unscoped@acme.example", "missing_scope", "Token lacks users:read.email"),
    Trouble(
        "busy@acme.example", "ratelimited", "Lookup is rate limited, Retry-After 1", 429, once=True
    ),
)
