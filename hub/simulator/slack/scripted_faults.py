"""Channels, webhooks, tokens and people of the simulated Slack that fail on purpose.

Codes: https://docs.slack.dev/reference/methods/chat.postMessage and
https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
"""

from __future__ import annotations

from hub.simulator.fault import Fault

CHANNELS = (
    Fault("C0NOTFOUND", "channel_not_found", "Channel does not exist or is not visible to the bot"),
    Fault("C0NOTINCHANNEL", "not_in_channel", "Bot was not invited"),
    Fault("C0ARCHIVED", "is_archived", "Channel is archived"),
    Fault("C0RESTRICTED", "restricted_action", "Posting is restricted by an admin"),
    Fault("C0NOPERMISSION", "no_permission", "Bot lost its permission"),
    Fault("C0ORGLOGIN", "org_login_required", "Workspace is moving to an organization"),
    Fault("C0EKMACCESS", "ekm_access_denied", "Access to encryption keys is suspended"),
    Fault("C0TEAMACCESS", "team_access_not_granted", "Token no longer valid for this workspace"),
    Fault("C0INVALIDAUTH", "invalid_auth", "Token is rejected"),
    Fault("C0TOKENREVOKED", "token_revoked", "Token was revoked"),
    Fault("C0INACTIVE", "account_inactive", "Bot user was deactivated"),
    Fault("C0MISSINGSCOPE", "missing_scope", "Token lacks chat:write"),
    Fault("C0NOTEXTFOUND", "no_text", "No text"),
    Fault("C0TOOLONG", "msg_too_long", "Text too long"),
    Fault("C0BLOCKSTOOLONG", "msg_blocks_too_long", "Blocks too long in total"),
    Fault("C0INVALIDBLOCKS", "invalid_blocks", "Invalid block"),
    Fault("C0BLOCKSFORMAT", "invalid_blocks_format", "Unreadable blocks"),
    Fault("C0ARGUMENTS", "invalid_arguments", "Invalid argument"),
    Fault("C0ATTACHMENTS", "too_many_attachments", "Over 100 attachments"),
    Fault("C0RATELIMITED", "ratelimited", "Rate limited, Retry-After 1", 429, fails_once=True),
    Fault(
        "C0RATELIMITED2",
        "rate_limited",
        "Rate limited in the other spelling, Retry-After 1",
        429,
        fails_once=True,
    ),
    Fault("C0INTERNAL", "internal_error", "Internal error", fails_once=True),
    Fault("C0FATALERROR", "fatal_error", "Fatal error", fails_once=True),
    Fault("C0UNAVAILABLE", "service_unavailable", "Slack is unavailable", 503, fails_once=True),
    Fault("C0REQUESTTIMEOUT", "request_timeout", "Request is incomplete", fails_once=True),
    Fault("C0BREAKSAFTER", "", "Error after accepting the message", 500, breaks=True),
    Fault("C0HANGSAFTER", "", "No response", hangs=60),
)

WEBHOOKS = (
    Fault("invalidpayload0000000000", "invalid_payload", "Unreadable request", 400),
    Fault("notext000000000000000000", "no_text", "No text", 400),
    Fault(
        "missingtext0000000000000",
        "missing_text_or_fallback_or_attachments",
        "Nothing to show",
        400,
    ),
    Fault("invalidblocks00000000000", "invalid_blocks", "Invalid block", 400),
    Fault("invalidblocksformat00000", "invalid_blocks_format", "Unreadable blocks", 400),
    Fault("toomanyattachments000000", "too_many_attachments", "Over 100 attachments", 400),
    Fault("usernotfound000000000000", "user_not_found", "Recipient no longer exists", 400),
    Fault("invalidtoken000000000000", "invalid_token", "Creator was deactivated", 400),
    Fault(
        "actionprohibited00000000", "action_prohibited", "Webhook is restricted by an admin", 403
    ),
    Fault(
        "postingtogeneral00000000",
        "posting_to_general_channel_denied",
        "#general is restricted by an admin",
        403,
    ),
    Fault("channelnotfound000000000", "channel_not_found", "Channel was deleted", 404),
    Fault("noservice000000000000000", "no_service", "Webhook was removed or disabled", 404),
    Fault("noactivehooks00000000000", "no_active_hooks", "Webhook is off", 404),
    Fault("noteam000000000000000000", "no_team", "Workspace was deleted", 404),
    Fault("teamdisabled000000000000", "team_disabled", "Workspace was disabled", 404),
    Fault("channelisarchived0000000", "channel_is_archived", "Channel is archived", 410),
    Fault(
        "ratelimited0000000000000",
        "rate_limited",
        "Rate limited, Retry-After 1",
        429,
        fails_once=True,
    ),
    Fault("rolluperror0000000000000", "rollup_error", "Internal error", 500, fails_once=True),
    Fault("breaks000000000000000000", "", "Error after accepting the message", 500, breaks=True),
    Fault("hangs0000000000000000000", "", "No response", hangs=60),
)

TOKENS = (
    Fault("xoxb-0-invalid-auth", "invalid_auth", "Unknown token"),
    Fault("xoxb-0-account-inactive", "account_inactive", "Bot user was deactivated"),
    Fault("xoxb-0-token-revoked", "token_revoked", "Token was revoked"),
    Fault("xoxb-0-token-expired", "token_expired", "Token has expired"),
    Fault("xoxb-0-org-login", "org_login_required", "Workspace is moving to an organization"),
    Fault("xoxb-0-ekm-access", "ekm_access_denied", "Access to encryption keys is suspended"),
    Fault(
        "xoxb-0-team-access",
        "team_access_not_granted",
        "Token no longer valid for this workspace",
    ),
    Fault("xoxb-0-missing-scope", "missing_scope", "Signs in, but cannot post or look up people"),
)

PEOPLE = (
    Fault("nobody@acme.example", "users_not_found", "No one has this address"),
    Fault("unscoped@acme.example", "missing_scope", "Token lacks users:read.email"),
    Fault(
        "busy@acme.example",
        "ratelimited",
        "Lookup is rate limited, Retry-After 1",
        429,
        fails_once=True,
    ),
)
