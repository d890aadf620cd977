"""Channels, webhooks, tokens and people that make the simulated Slack misbehave, as data: what it
does and what its page says.

Codes: https://docs.slack.dev/reference/methods/chat.postMessage and
https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
"""

from __future__ import annotations

from hub.simulator.fault import Trouble

CHANNELS = (
    Trouble(
        "C0NOTFOUND", "channel_not_found", "There is no such channel, or the bot does not see it"
    ),
    Trouble("C0NOTINCHANNEL", "not_in_channel", "The bot was not invited"),
    Trouble("C0ARCHIVED", "is_archived", "The channel was archived"),
    Trouble("C0RESTRICTED", "restricted_action", "An admin restricted who may post"),
    Trouble("C0NOPERMISSION", "no_permission", "The bot lost its permission"),
    Trouble("C0ORGLOGIN", "org_login_required", "The workspace is moving to an organization"),
    Trouble("C0EKMACCESS", "ekm_access_denied", "An admin suspended access by encryption keys"),
    Trouble(
        "C0TEAMACCESS", "team_access_not_granted", "The token does not open this workspace any more"
    ),
    Trouble("C0INVALIDAUTH", "invalid_auth", "The token is refused"),
    Trouble("C0TOKENREVOKED", "token_revoked", "The token was revoked"),
    Trouble("C0INACTIVE", "account_inactive", "The bot's user was deactivated"),
    Trouble("C0MISSINGSCOPE", "missing_scope", "The token lacks chat:write"),
    Trouble("C0NOTEXTFOUND", "no_text", "Slack finds no text"),
    Trouble("C0TOOLONG", "msg_too_long", "Slack finds the text too long"),
    Trouble("C0BLOCKSTOOLONG", "msg_blocks_too_long", "All blocks together are too long"),
    Trouble("C0INVALIDBLOCKS", "invalid_blocks", "Slack finds fault with a block"),
    Trouble("C0BLOCKSFORMAT", "invalid_blocks_format", "Slack cannot read the blocks"),
    Trouble("C0ARGUMENTS", "invalid_arguments", "Slack finds fault with an argument"),
    Trouble("C0ATTACHMENTS", "too_many_attachments", "Over 100 attachments"),
    Trouble("C0RATELIMITED", "ratelimited", "Too fast, Retry-After 1", 429, once=True),
    Trouble(
        "C0RATELIMITED2",
        "rate_limited",
        "Too fast in the other spelling, Retry-After 1",
        429,
        once=True,
    ),
    Trouble("C0INTERNAL", "internal_error", "Slack stumbles", once=True),
    Trouble("C0FATALERROR", "fatal_error", "Slack stumbles badly", once=True),
    Trouble("C0UNAVAILABLE", "service_unavailable", "Slack is away", 503, once=True),
    Trouble("C0REQUESTTIMEOUT", "request_timeout", "Slack did not read all of it", once=True),
    Trouble("C0BREAKSAFTER", "", "Breaks after taking the message", 500, breaks=True),
    Trouble("C0HANGSAFTER", "", "Does not answer", hangs=60),
)

WEBHOOKS = (
    Trouble("invalidpayload0000000000", "invalid_payload", "Slack cannot read it", 400),
    Trouble("notext000000000000000000", "no_text", "Slack finds no text", 400),
    Trouble(
        "missingtext0000000000000",
        "missing_text_or_fallback_or_attachments",
        "Nothing to show",
        400,
    ),
    Trouble("invalidblocks00000000000", "invalid_blocks", "Slack finds fault with a block", 400),
    Trouble(
        "invalidblocksformat00000", "invalid_blocks_format", "Slack cannot read the blocks", 400
    ),
    Trouble("toomanyattachments000000", "too_many_attachments", "Over 100 attachments", 400),
    Trouble("usernotfound000000000000", "user_not_found", "Whom it posts to is gone", 400),
    Trouble("invalidtoken000000000000", "invalid_token", "Who made it was deactivated", 400),
    Trouble(
        "actionprohibited00000000", "action_prohibited", "An admin restricted the webhook", 403
    ),
    Trouble(
        "postingtogeneral00000000",
        "posting_to_general_channel_denied",
        "An admin restricted #general",
        403,
    ),
    Trouble("channelnotfound000000000", "channel_not_found", "The channel is gone", 404),
    Trouble("noservice000000000000000", "no_service", "The webhook was removed or disabled", 404),
    Trouble("noactivehooks00000000000", "no_active_hooks", "The webhook is off", 404),
    Trouble("noteam000000000000000000", "no_team", "The workspace is gone", 404),
    Trouble("teamdisabled000000000000", "team_disabled", "The workspace was disabled", 404),
    Trouble("channelisarchived0000000", "channel_is_archived", "The channel was archived", 410),
    Trouble("ratelimited0000000000000", "rate_limited", "Too fast, Retry-After 1", 429, once=True),
    Trouble("rolluperror0000000000000", "rollup_error", "Slack stumbles", 500, once=True),
    Trouble("breaks000000000000000000", "", "Breaks after taking the message", 500, breaks=True),
    Trouble("hangs0000000000000000000", "", "Does not answer", hangs=60),
)

TOKENS = (
    Trouble("xoxb-0-invalid-auth", "invalid_auth", "As any token that is not the bot's"),
    Trouble("xoxb-0-account-inactive", "account_inactive", "The bot's user was deactivated"),
    Trouble("xoxb-0-token-revoked", "token_revoked", "The token was revoked"),
    Trouble("xoxb-0-token-expired", "token_expired", "The token has expired"),
    Trouble("xoxb-0-org-login", "org_login_required", "The workspace is moving to an organization"),
    Trouble(
        "xoxb-0-ekm-access", "ekm_access_denied", "An admin suspended access by encryption keys"
    ),
    Trouble(
        "xoxb-0-team-access",
        "team_access_not_granted",
        "The token does not open this workspace any more",
    ),
    Trouble(
        "xoxb-0-missing-scope", "missing_scope", "Signs in, but may neither post nor look people up"
    ),
)

PEOPLE = (
    Trouble("nobody@acme.example", "users_not_found", "Nobody here has this address"),
    Trouble("unscoped@acme.example", "missing_scope", "The token lacks users:read.email"),
    Trouble(
        "busy@acme.example", "ratelimited", "Looked up too fast, Retry-After 1", 429, once=True
    ),
)
