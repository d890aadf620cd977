"""Turn the request that sends a message into the email that SendGrid would send."""

from __future__ import annotations

from base64 import b64decode
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from typing import Any

from hub.simulator.sendgrid.templates import find_template

# https://www.twilio.com/docs/sendgrid/api-reference/mail-send/limitations
RESERVED = {
    "x-sg-id",
    "x-sg-eid",
    "received",
    "dkim-signature",
    "content-type",
    "content-transfer-encoding",
    "to",
    "from",
    "subject",
    "reply-to",
    "cc",
    "bcc",
}
POLICY = SMTP.clone(max_line_length=500)  # so that addresses in headers stay whole


class InvalidRequest(Exception):
    """A request that the API refuses: the name of a field, and what is wrong with it."""

    def __init__(self, field: str | None, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message


def check_request(content: dict[str, Any]) -> str:
    """Return the recipient of a request. Raises InvalidRequest."""
    try:
        [personalization] = content["personalizations"]
        [recipient] = personalization["to"]
        address = str(recipient["email"])
        sender = str(content["from"]["email"])
    except (KeyError, TypeError, ValueError):
        raise InvalidRequest(
            "personalizations", "The personalizations field is required."
        ) from None
    for name, value in (("personalizations.0.to.0.email", address), ("from.email", sender)):
        if not value.isascii() or value.count("@") != 1 or value.startswith("@"):
            raise InvalidRequest(name, "Does not contain a valid address.")
    headers = content.get("headers", {})
    if RESERVED.intersection(name.lower() for name in headers):
        raise InvalidRequest("headers", "The headers parameter contains a reserved header.")
    if not all(isinstance(value, str) for value in content.get("custom_args", {}).values()):
        raise InvalidRequest(None, "Bad Request")
    _check_content(content)
    return address.lower()


def _check_content(content: dict[str, Any]) -> None:
    if content.get("template_id"):
        if find_template(str(content["template_id"])) is None:
            raise InvalidRequest("template_id", "The template_id must be a valid GUID.")
        return
    if not str(content.get("subject") or ""):
        raise InvalidRequest("subject", "The subject is required.")
    kinds = [part.get("type") for part in content.get("content", ())]
    if not kinds or not all(part.get("value") for part in content["content"]):
        raise InvalidRequest(
            "content", "The content value must be a string at least one character."
        )
    if kinds != sorted(kinds, key=("text/plain", "text/html").index):
        raise InvalidRequest("content", "text/plain must be first, then text/html.")


def email_of(content: dict[str, Any], recipient: str) -> bytes:
    """Return the email of a request."""
    email = EmailMessage(policy=POLICY)
    email["Date"] = formatdate()
    email["From"] = _mailbox(content["from"])
    email["To"] = recipient
    if reply_to := content.get("reply_to"):
        email["Reply-To"] = _mailbox(reply_to)
    subject, text, html = _texts(content)
    email["Subject"] = subject
    for name, value in content.get("headers", {}).items():
        email[name] = value
    email.set_content(text)
    if html:
        email.add_alternative(html, subtype="html")
    for file in content.get("attachments", ()):
        _attach(email, file)
    return email.as_bytes()


def _mailbox(mailbox: dict[str, Any]) -> Address:
    return Address(str(mailbox.get("name") or ""), addr_spec=str(mailbox["email"]))


def _texts(content: dict[str, Any]) -> tuple[str, str, str]:
    """Return the subject, the plain text and the HTML of a request, '' for a missing one."""
    template = find_template(str(content.get("template_id") or ""))
    if template is not None:
        return template.fill(content["personalizations"][0].get("dynamic_template_data", {}))
    parts = {part["type"]: part["value"] for part in content.get("content", ())}
    return str(content["subject"]), parts.get("text/plain", ""), parts.get("text/html", "")


def _attach(email: EmailMessage, file: dict[str, Any]) -> None:
    kind, _, subtype = str(file["type"]).partition("/")
    data = b64decode(file["content"], validate=True)
    html = email.get_body(("html",))
    if file.get("disposition") == "inline" and html is not None:
        html.add_related(data, kind, subtype, cid=f"<{file['content_id']}>", disposition="inline")
        return
    email.add_attachment(data, kind, subtype, filename=file["filename"])
