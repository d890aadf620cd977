"""Meanings of our own error codes, and of final statuses without a code."""

from __future__ import annotations

from hub.core.vocabulary import Status
from hub.integrations.base import Problem

CODES = {
    "unreachable": Problem(
        "",
        "The provider could not be reached.",
        "Look at your network and at the provider’s status page, then send it again.",
    ),
    "bad_answer": Problem(
        "",
        "The provider’s answer cannot be read, so it may or may not have the message.",
        "Wait a minute: we ask the provider. Resend it if it stays unknown.",
    ),
    "no_answer": Problem(
        "",
        "The provider hung up before it answered. We are asking whether it has the message; nothing"
        " is sent twice.",
        "Wait a minute. Resend it if it stays unknown.",
    ),
    "unreadable": Problem(
        "",
        "A stored value that is needed to send it cannot be read.",
        "If a key is missing, add it to HUB_ENCRYPTION_KEYS again. Otherwise repair the value that"
        " the page Unreadable rows names, and select Try again there.",
    ),
    "lease_expired": Problem(
        "",
        "The worker that was sending it ended. The provider may or may not have it.",
        "Wait a minute: we ask the provider. Resend it if it stays unknown.",
    ),
    "too_late": Problem(
        "", "Signpost stood still for a while before it could send it.", "Send it again."
    ),
    "window_closed": Problem(
        "",
        "More than 24 hours have passed since the recipient last wrote, so only an approved"
        " template may be sent, and none is mapped to this message.",
        "Map an approved template under Templates, or wait until the recipient writes, then"
        " resend it.",
    ),
    "window_closed_text": Problem(
        "",
        "More than 24 hours have passed since the recipient last wrote, so no free text may be"
        " sent.",
        "Wait until the recipient writes, then resend it.",
    ),
    "shut_out": Problem(
        "",
        "The recipient shut this sender out: blocked it, or removed it from the group.",
        "Wait until they let it in again, or reach them over another channel.",
    ),
    "keyword": Problem(
        "",
        "The recipient wrote STOP, so nothing goes to this address.",
        "Wait until the person writes START.",
    ),
    "keyword_elsewhere": Problem(
        "",
        "The recipient replied STOP to an account that no connection uses. That holds for the whole"
        " channel.",
        "Wait until the person replies START there, or to one of your senders.",
    ),
    "admin": Problem(
        "",
        "Somebody here closed this address.",
        "Look at the reason under Opt-outs; open it if the person wants messages.",
    ),
    "import": Problem(
        "",
        "An imported list closed this address.",
        "Look at the reason under Opt-outs; open it if the person wants messages.",
    ),
    "api": Problem(
        "",
        "A signing app closed this address.",
        "Look at the reason under Opt-outs; open it if the person wants messages.",
    ),
    "consent_missing": Problem(
        "",
        "This connection asks for a consent, and none of the recipient is recorded.",
        "Record a yes on the recipient’s page, or with POST /api/v1/consents; then resend it.",
    ),
    "consent_old": Problem(
        "",
        "The recipient’s consent is older than this connection allows.",
        "Ask for it again, record the answer, then resend it.",
    ),
    "consent_no": Problem(
        "",
        "The recipient has said no, so nothing goes there.",
        "If the person agrees again, record a yes where the no was recorded, or as an admin. Then"
        " resend it.",
    ),
    "country_not_allowed": Problem(
        "",
        "The number lies in a country that this connection may not send to.",
        "Add the country under Rules on the connection’s page, if messages are meant to go there.",
    ),
    "cap_hour": Problem(
        "",
        "The recipient got as many messages over this connection within an hour as its rules"
        " allow.",
        "Look why there are so many; resend it later, or raise the cap under Rules.",
    ),
    "cap_day": Problem(
        "",
        "The recipient got as many messages over this connection within a day as its rules allow.",
        "Look why there are so many; resend it tomorrow, or raise the cap under Rules.",
    ),
    "spend_day": Problem(
        "",
        "The connection has spent what its rules allow for a day.",
        "Look what was sent; raise the limit under Rules, or resend it tomorrow.",
    ),
    "spend_month": Problem(
        "",
        "The connection has spent what its rules allow for a month.",
        "Look what was sent; raise the limit under Rules, or resend it next month.",
    ),
    "quiet_hours": Problem(
        "",
        "It is night where the recipient is, or may be: this connection keeps quiet hours, and"
        " waits for their end.",
        "Wait: it goes when they are over. One that could not wait that long is not sent; resend it"
        " in the morning.",
    ),
    "complaint": Problem(
        "",
        "The recipient complained, so nothing goes to this address.",
        "Leave it so, unless the person asks for messages.",
    ),
    "media_unreachable": Problem(
        "",
        "The file that goes along cannot be fetched.",
        "Open its address in a browser that is signed in nowhere; mend it, then resend the"
        " message.",
    ),
    "media_not_allowed": Problem(
        "",
        "The address of the file that goes along is not one on the public internet, or not https.",
        "Put the file where the provider can fetch it, or give it to POST /api/v1/media.",
    ),
    "request_expired": Problem(
        "",
        "The time to sign this request ended before the message was sent.",
        "Post an event with a later request.expires_at, then remind the signers.",
    ),
    "media_gone": Problem(
        "",
        "The file that goes along was removed when its time of keeping ended.",
        "Give it to POST /api/v1/media again, and send a new message.",
    ),
    "media_type": Problem(
        "",
        "The file that goes along is of a type that the channel does not take.",
        "Serve it with the Content-Type that it has, or send another format.",
    ),
    "media_too_large": Problem(
        "",
        "The file that goes along is larger than the channel takes.",
        "Make it smaller, or send a link to it.",
    ),
    "fault": Problem(
        "",
        "Signpost met a fault of its own while sending.",
        "Look into the worker’s log, then resend it.",
    ),
}
BY_STATUS = {
    Status.FAILED: Problem(
        "",
        "The provider refused it.",
        "Look at the code on the provider’s pages; correct it and send it again.",
    ),
    Status.UNDELIVERED: Problem(
        "",
        "It was handed on, and did not reach the recipient.",
        "Send it again later, or use another channel.",
    ),
    Status.UNKNOWN: Problem(
        "",
        "The provider may or may not have it.",
        "Wait a minute: we ask the provider. Resend it if it stays unknown.",
    ),
    Status.SUPPRESSED: Problem(
        "",
        "A rule forbids sending to this recipient.",
        "Ask the recipient whether messages are wanted.",
    ),
    Status.EXPIRED: Problem(
        "",
        "It could not be sent in time.",
        "Look whether the connection is enabled, then send it again.",
    ),
}
