"""Create received emails as a mail server hands them over."""

from __future__ import annotations

from email.message import EmailMessage
from email.policy import SMTP

from tests.fuzz.random_values import PREFIX, RandomValues, Webhook

MAIL = "message/rfc822"


def make_webhook(source: RandomValues) -> Webhook:
    body = source.random.choice([_reply, _bounce, _garbage])(source)
    headers = {"Authorization": f"Bearer {source.mail_token}"}
    target = f"{PREFIX}smtp/{source.mail_slug}"
    return Webhook(target, body, MAIL, headers, True, f"email: {body[:500]!r}")


def _recipient(source: RandomValues) -> str:
    known = [name.removeprefix("msg_").replace("-", "") for name in source.messages]
    return f"bounces+{source.random.choice([*known, source.hex()])}@acme.example"


def _reply(source: RandomValues) -> bytes:
    email = EmailMessage()
    email["From"] = "eric@example.com"
    email["To"] = _recipient(source)
    email["Subject"] = " ".join(source.text().encode("ascii", "ignore").decode().split())
    email.set_content(source.text().replace("\0", ""))
    if source.random.random() < 0.3:
        email["Auto-Submitted"] = "auto-replied"
    return email.as_bytes(policy=SMTP)


def _bounce(source: RandomValues) -> bytes:
    lines = [
        "From: Mail Delivery <mailer-daemon@mx.example.com>",
        f"To: {_recipient(source)}",
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"',
        "",
        "--b",
        "Content-Type: text/plain",
        "",
        source.text(),
        "--b",
        "Content-Type: message/delivery-status",
        "",
        "Reporting-MTA: dns; mx.example.com",
        "",
        f"Final-Recipient: rfc822; {source.text()}@example.com",
        f"Action: {source.random.choice(['failed', 'delayed', 'delivered', source.text()])}",
        f"Status: {source.random.choice(['5.1.1', '4.2.2', '2.0.0', source.text()])}",
        "",
        "--b--",
        "",
    ]
    return "\r\n".join(lines).encode("utf-8", "replace")


def _garbage(source: RandomValues) -> bytes:
    return source.random.randbytes(source.random.randrange(2000))
