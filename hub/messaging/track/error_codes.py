"""Explain Signpost's own error codes, and final statuses without a code."""

from __future__ import annotations

from hub.core.vocabulary import Status
from hub.integrations.base import Problem
from hub.messaging.policy.opt_out_kinds import OPTED_OUT_OF_SMS

BY_KEYWORD = "keyword"
BY_UNSUBSCRIBE = "unsubscribe"
CODES = {
    "unreachable": Problem(
        "",
        "The provider could not be reached.",
        "Check your network and the provider’s status page, then resend the message.",
    ),
    "address_not_allowed": Problem(
        "",
        "Signpost may not connect to this address: it is private, or not encrypted.",
        "Correct the URL in the connection, or ask the operator of Signpost to add its host"
        " and port to HUB_HTTP_ALLOW. Then resend the message.",
    ),
    "bad_answer": Problem(
        "",
        "The provider’s response could not be read, so Signpost does not know whether it"
        " accepted the message.",
        "Wait a minute while Signpost asks the provider. Resend the message if the result"
        " stays unknown.",
    ),
    "no_answer": Problem(
        "",
        "The provider closed the connection before it responded. Signpost asks whether it"
        " accepted the message, and sends nothing twice.",
        "Wait a minute. Resend the message if the result stays unknown.",
    ),
    "unreadable": Problem(
        "",
        "A stored value needed to send the message cannot be read.",
        "If an encryption key is missing, add it to HUB_ENCRYPTION_KEYS again. Otherwise, repair"
        " the value that Unreadable rows names, and choose Try again there.",
    ),
    "lease_expired": Problem(
        "",
        "The worker ended while it sent the message. Signpost does not know whether"
        " the provider accepted it.",
        "Wait a minute while Signpost asks the provider. Resend the message if the result"
        " stays unknown.",
    ),
    "too_late": Problem(
        "", "Signpost was paused before it could send the message.", "Resend the message."
    ),
    "window_closed": Problem(
        "",
        "The recipient’s last message is more than 24 hours old, so only an approved"
        " template is allowed, and none is mapped to this message.",
        "Map an approved template under Templates, or wait until the recipient messages you."
        " Then resend the message.",
    ),
    "window_closed_text": Problem(
        "",
        "The recipient’s last message is more than 24 hours old, so free text is not allowed.",
        "Wait until the recipient messages you, then resend the message.",
    ),
    "shut_out": Problem(
        "",
        "The recipient blocked this sender or removed it from the group.",
        "Ask the recipient to unblock it or add it again, or use another channel.",
    ),
    BY_KEYWORD: Problem(
        "",
        "The recipient replied STOP.",
        "Wait until the recipient replies START.",
    ),
    OPTED_OUT_OF_SMS: Problem(
        "",
        "The recipient opted out of SMS, so this number receives no calls either.",
        "Wait until the recipient replies START, or check the opt-out on the page of the contact.",
    ),
    "keyword_elsewhere": Problem(
        "",
        "The recipient replied STOP to an account that no connection uses. This applies"
        " to the whole channel.",
        "Wait until the recipient replies START there, or to one of your senders.",
    ),
    "admin": Problem(
        "",
        "This address was opted out manually.",
        "Check the reason under Opt-outs. Remove the opt-out if the person wants messages.",
    ),
    "import": Problem(
        "",
        "This address was opted out by an import.",
        "Check the reason under Opt-outs. Remove the opt-out if the person wants messages.",
    ),
    "api": Problem(
        "",
        "This address was opted out by a signing app.",
        "Check the reason under Opt-outs. Remove the opt-out if the person wants messages.",
    ),
    "consent_missing": Problem(
        "",
        "This connection requires consent, and none is recorded for the recipient.",
        "Record the consent on the recipient’s page, or with POST /api/v1/consents. Then"
        " resend the message.",
    ),
    "consent_old": Problem(
        "",
        "The recipient’s consent is older than this connection allows.",
        "Ask for consent again and record it. Then resend the message.",
    ),
    "consent_no": Problem(
        "",
        "The recipient’s consent was refused, so this address receives no messages.",
        "If the person agrees again, record the consent where the refusal was recorded,"
        " or as an admin. Then resend the message.",
    ),
    "country_not_allowed": Problem(
        "",
        "The number is in a country that the rules of this connection do not allow.",
        "To send messages there, add the country under Rules on the connection’s page.",
    ),
    "cap_hour": Problem(
        "",
        "The recipient has reached the hourly message limit of this connection.",
        "Check why the recipient got so many messages. Resend the message later, or raise the"
        " limit under Rules.",
    ),
    "cap_day": Problem(
        "",
        "The recipient has reached the daily message limit of this connection.",
        "Check why the recipient got so many messages. Resend the message tomorrow, or raise the"
        " limit under Rules.",
    ),
    "spend_day": Problem(
        "",
        "The connection has reached its daily spending limit.",
        "Check the sent messages. Raise the limit under Rules, or resend the message tomorrow.",
    ),
    "spend_month": Problem(
        "",
        "The connection has reached its monthly spending limit.",
        "Check the sent messages. Raise the limit under Rules, or resend the message next month.",
    ),
    "quiet_hours": Problem(
        "",
        "The connection’s quiet hours apply now in the recipient’s time zone, or in one of their"
        " possible time zones.",
        "Wait until the quiet hours end. A message that would expire before then is not"
        " sent, and you can resend it later.",
    ),
    "complaint": Problem(
        "",
        "The recipient complained about messages, so this address receives no messages.",
        "Keep the opt-out unless the person asks for messages.",
    ),
    BY_UNSUBSCRIBE: Problem(
        "",
        "The recipient used the unsubscribe link of a message.",
        "Ask the person in another way. Remove the opt-out if they want messages again.",
    ),
    "media_unreachable": Problem(
        "",
        "The attached file could not be fetched.",
        "Open its URL in a private browser window and fix it. Then resend the message.",
    ),
    "media_not_allowed": Problem(
        "",
        "The URL of the attached file is not public or does not use https.",
        "Put the file at a public https URL, or upload it with POST /api/v1/media.",
    ),
    "request_expired": Problem(
        "",
        "The signing request expired before the message was sent.",
        "Post an event with a later request.expires_at. Then remind the signers.",
    ),
    "link_expired": Problem(
        "",
        "The link in the message expired before the message was sent.",
        "Send the person a current link in another message.",
    ),
    "media_gone": Problem(
        "",
        "The attached file was deleted at the end of its retention period.",
        "Upload it with POST /api/v1/media again, and send a new message.",
    ),
    "media_type": Problem(
        "",
        "The channel does not support the type of the attached file.",
        "Serve it with the correct Content-Type, or send another format.",
    ),
    "media_too_large": Problem(
        "",
        "The attached file is larger than the channel allows.",
        "Send a smaller file, or a link to it.",
    ),
    "fault": Problem(
        "",
        "Signpost had an internal error while sending.",
        "Check the worker’s log, then resend the message.",
    ),
}
# instead of BY_KEYWORD and BY_UNSUBSCRIBE, if it happened in a call
KEY_PRESSED = Problem(
    "",
    "The recipient pressed 9 to receive no more calls.",
    "Call again only after a new consent is recorded. Then remove the opt-out under Opt-outs.",
)
BY_STATUS = {
    Status.FAILED: Problem(
        "",
        "The provider rejected the message.",
        "Look up the code in the provider’s documentation, fix the cause and resend the message.",
    ),
    Status.UNDELIVERED: Problem(
        "",
        "The message was sent but not delivered to the recipient.",
        "Resend the message later, or use another channel.",
    ),
    Status.UNKNOWN: Problem(
        "",
        "Signpost does not know whether the provider accepted the message.",
        "Wait a minute while Signpost asks the provider. Resend the message if the result"
        " stays unknown.",
    ),
    Status.SUPPRESSED: Problem(
        "",
        "A rule or an opt-out blocks messages to this recipient.",
        "Ask the recipient whether they want messages.",
    ),
    Status.EXPIRED: Problem(
        "",
        "The message could not be sent in time.",
        "Check that the connection is enabled, then resend the message.",
    ),
}
