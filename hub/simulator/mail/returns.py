"""Emails that come back after the server accepted one: reports, complaints and replies.

They are posted to the hub as a mail server does that receives emails for a connection.
"""

from __future__ import annotations

from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formataddr, make_msgid

from hub.core.data_dir import SimulatorCredentials
from hub.simulator import posting
from hub.simulator.mail.mailbox import StoredEmail
from hub.simulator.mail.scripted_faults import ReturnKind
from hub.simulator.posting import HubResponse

HOST = "mail.simulator.example"
DAEMON = f"MAILER-DAEMON@{HOST}"
CONNECTION = "demo-email-over-smtp"  # the demo's connection, which accepts this token
POST_SECONDS = 10.0
REPORT = """\
From: Mail Delivery System <{daemon}>
To: {to}
Subject: {subject}
Message-ID: {id}
Return-Path: <>
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type={kind}; boundary="report"

--report
Content-Type: text/plain; charset=utf-8

{text}

--report
Content-Type: message/{kind}

{fields}
--report
Content-Type: text/rfc822-headers

{head}
--report--
"""
DELIVERY_FIELDS = """\
Reporting-MTA: dns; {host}

Final-Recipient: rfc822; {recipient}
Action: {action}
Status: {code}
"""
COMPLAINT_FIELDS = """\
Feedback-Type: abuse
User-Agent: Signpost simulator
Version: 1
Original-Mail-From: <{sender}>
Original-Rcpt-To: <{recipient}>
"""
# a report of qmail, which has no part that programs read
OLD_REPORT = """\
From: {daemon}
To: {to}
Subject: failure notice
Message-ID: {id}
Return-Path: <>

Hi. This is the qmail-send program at {host}.
I'm afraid I wasn't able to deliver your message to the following addresses.

<{recipient}>:
Sorry, no mailbox here by that name. (#{code})

--- Below this line is a copy of the message.

{head}
"""


def build_return(stored: StoredEmail, kind: ReturnKind, text: str) -> bytes:
    """Return the email that comes back for an accepted one.

    `text` is the status code of a report about the delivery, or what a reply says.
    """
    match kind:
        case ReturnKind.REPLY | ReturnKind.AUTOMATIC:
            return _reply(stored, text, is_automatic=kind is ReturnKind.AUTOMATIC)
        case ReturnKind.COMPLAINT:
            fields = COMPLAINT_FIELDS.format(sender=stored.sender, recipient=stored.recipient)
            return _report(stored, "feedback-report", "The recipient reported spam.", fields)
        case ReturnKind.OLD_FORMAT:
            return _filled(OLD_REPORT, stored, code=text)
        case _:
            fields = DELIVERY_FIELDS.format(
                host=HOST, recipient=stored.recipient, action=kind.value, code=text
            )
            about = f"The delivery to {stored.recipient} is {kind.value}: {text}"
            return _report(stored, "delivery-status", about, fields)


def post_to_hub(credentials: SimulatorCredentials, hub_url: str, content: bytes) -> HubResponse:
    """Post a received email to the hub."""
    headers = {
        "Content-Type": "message/rfc822",
        "Authorization": f"Bearer {credentials.derive('mail inbound')}",
    }
    url = f"{hub_url}/api/rpc/webhooks/smtp/{CONNECTION}"
    return posting.post(url, content, headers, timeout=POST_SECONDS)


def _report(stored: StoredEmail, kind: str, text: str, fields: str) -> bytes:
    subject = "Report about your message"
    return _filled(REPORT, stored, kind=kind, subject=subject, text=text, fields=fields)


def _filled(template: str, stored: StoredEmail, **values: str) -> bytes:
    filled = template.format(
        daemon=DAEMON,
        host=HOST,
        id=make_msgid(domain=HOST),
        to=stored.sender,
        recipient=stored.recipient,
        head=stored.head,
        **values,
    )
    return filled.replace("\n", "\r\n").encode()


def _reply(stored: StoredEmail, text: str, *, is_automatic: bool) -> bytes:
    message = EmailMessage(policy=SMTP)
    message["From"] = formataddr((stored.recipient.partition("@")[0], stored.recipient))
    message["To"] = str(stored.message["Reply-To"] or stored.message["From"])
    message["Subject"] = f"Re: {stored.subject}"
    message["Message-ID"] = make_msgid(domain=HOST)
    if original := stored.message["Message-ID"]:
        message["In-Reply-To"] = str(original)
        message["References"] = str(original)
    if is_automatic:
        message["Auto-Submitted"] = "auto-replied"
    quoted = "\n".join(f"> {line}" for line in stored.text.splitlines()[:20])
    message.set_content(f"{text}\n\nOn Monday, {stored.author} wrote:\n{quoted}\n")
    return message.as_bytes()
