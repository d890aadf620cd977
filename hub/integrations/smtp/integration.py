"""Email over SMTP: to signers, through a mail server that the admin has an account at.

The admin enters the server, the sign-in and the From address. The mail server confirms that it
accepted a message. Later failures and replies are emails, which Signpost reads from a mailbox, or
which a mail server passes on: to the command `hub inbound-mail`, or to the webhook URL.
https://www.rfc-editor.org/rfc/rfc6409
"""

from __future__ import annotations

import hmac
import smtplib
from collections.abc import Callable, Mapping
from typing import Any

from hub.integrations.api import (
    Accepted,
    BadWebhook,
    CheckResult,
    Outbound,
    Problem,
    ProviderHttpClient,
    SimulatorCredentials,
    Status,
    WebhookEvent,
    WebhookRequest,
    emails,
    webhook,
)
from hub.integrations.smtp import errors
from hub.integrations.smtp.errors import Refusal, error_of
from hub.integrations.smtp.form import UNENCRYPTED, SmtpForm
from hub.integrations.smtp.imap import read_unread
from hub.integrations.smtp.inbound import events_of, file_of
from hub.integrations.smtp.mime import Envelope, envelope
from hub.integrations.smtp.oauth import token_source
from hub.integrations.smtp.oauth_form import PASSWORD
from hub.integrations.smtp.server import server_of
from hub.integrations.smtp.session import Session
from hub.integrations.smtp.session_pool import SessionPool

OWN_SERVER = "smtp://mail.example:465"  # stands for the server of the settings
OWN_MAILBOX = "imap://mail.example:993"


class Smtp(emails.EmailIntegration):
    """Send emails through a mail server."""

    contract = 2
    name = "smtp"
    title = "Email over SMTP"
    provider = "The mail server"
    summary = "Emails to signers through your own mail server or mail provider, as text and HTML."
    docs_url = "https://www.rfc-editor.org/rfc/rfc6409"
    cost = "Depends on your mail provider"
    setup = "About 10 minutes"
    guide = (
        (
            "Ask your mail provider for the name, the port and the encryption of its server for"
            " outgoing mail, and create a mailbox or an app password for Signpost."
        ),
        (
            "Follow the provider’s guide to set up SPF and DKIM records for the domain of the From"
            " address. Without them, mailboxes treat the messages as spam or refuse them."
        ),
        (
            "Paste the settings here and save them. Choose **Test connection**, which signs in and"
            " sends nothing, then **Enable connection**."
        ),
        "Choose **Send test message** to send yourself an email, and check that it is not spam.",
    )

    max_webhook_size = 10 * 1024 * 1024  # an email with its files
    reliable_statuses = frozenset()  # few mail servers report that they delivered an email
    replies_to_keywords = False
    # after a temporary refusal: servers ask an unknown sender to wait some minutes
    retry_schedule = (60, 300, 900, 1800, 3600, 7200, 14400)
    lifetime = 72
    concurrency = 8
    rate_hint = (
        "Providers limit how many messages a mailbox sends: Microsoft 365 accepts 30 per minute,"
        " which is 0.5 per second."
    )
    errors = errors.ERRORS
    api = {
        "smtp": OWN_SERVER,  # replaced by the servers of the settings
        "imap": OWN_MAILBOX,
        "microsoftlogin": "https://login.microsoftonline.com",
        "googletoken": "https://oauth2.googleapis.com",
    }
    Form = SmtpForm

    def __init__(
        self,
        settings: Mapping[str, Any],
        http: ProviderHttpClient,
        api: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(settings, http, api)
        self._tokens = token_source(http, settings, self.api_urls)
        self._pool: SessionPool | None = None
        if settings.get("from_address"):
            url = self.api_urls["smtp"]
            own_name = emails.domain_of(settings["from_address"])
            replaced = "" if url == OWN_SERVER else url
            server = server_of(settings, replaced, own_name, self._tokens)
            self._pool = SessionPool(http, server)

    # read from the settings when they are saved
    @classmethod
    def account_of(cls, settings: Mapping[str, Any]) -> str:
        username = str(settings.get("username") or "")
        return f"{username} at {settings.get('host')}" if username else ""

    @classmethod
    def explain(cls, code: str) -> Problem | None:
        return errors.explain(code)

    @classmethod
    def demo_settings(cls, credentials: SimulatorCredentials) -> dict[str, Any] | None:
        return {
            "host": "localhost",
            "encryption": UNENCRYPTED,
            "port": 8025,
            "sign_in": PASSWORD,
            "username": "signpost",
            "password": credentials.derive("mail password"),
            "tenant": "",
            "client_id": "",
            "client_secret": "",
            "service_account": "",
            "from_address": "documents@acme.example",
            "from_name": "Acme",
            "reply_to": emails.REPLY_TO_ADDRESS,
            "reply_address": "",
            "bounce_address": "bounces@acme.example",
            "imap_host": "",
            "inbound_token": credentials.derive("mail inbound"),
            "unsubscribe": emails.UNSUBSCRIBE_REMINDERS,
        }

    # sending
    def send(self, message: Outbound) -> Accepted:
        self._sessions.send(envelope(message, self.settings))
        # the server may still fail to deliver it, and then sends an email to the From address
        return Accepted(emails.message_id(message, self.settings), Status.SENT)

    def render(self, message: Outbound) -> dict[str, Any]:
        name = emails.sender_name(message, self.settings)
        shown = {
            "from": f"{name} <{emails.wire_form(self.settings['from_address'])}>",
            "to": message.to,
            "reply_to": emails.reply_address(message, self.settings),
            "subject": emails.subject_of(message, self.settings),
            "text": emails.plain_body(message, emails.sheet_of(message, self.settings)),
        }
        return {label: value for label, value in shown.items() if value}

    # receiving
    @webhook("smtp/{connection}")
    def on_email(self, request: WebhookRequest) -> list[WebhookEvent]:
        """Received emails. For a mail server that posts them to this URL, unchanged."""
        return events_of(request.body, self.settings)

    def read_file(self, request: WebhookRequest, position: int) -> tuple[str, bytes]:
        return file_of(request.body, position)

    def read_mailbox(self, store: Callable[[bytes], None]) -> int:
        if not self.settings.get("imap_host"):
            return 0
        url = self.api_urls["imap"]
        replaced = "" if url == OWN_MAILBOX else url
        return read_unread(self.http, self.settings, replaced, self._tokens, store)

    def verify(self, request: WebhookRequest) -> None:
        token = str(self.settings.get("inbound_token") or "")
        given = request.headers.get("authorization", "")
        if not token or not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            raise BadWebhook("The token does not match that of the connection.")

    # testing
    def check(self) -> CheckResult:
        session = self._sessions.open()
        sender = emails.wire_form(self.settings["from_address"])
        try:
            session.begin(Envelope(sender, "", b"", needs_utf8=not sender.isascii()))
            session.rset()
            description = _description(session)
            session.quit()
        except (Refusal, OSError, smtplib.SMTPException, ValueError) as error:
            raise error_of(error) from None
        finally:
            session.close()
        return CheckResult(
            True,
            "The mail server accepts the sign-in and the From address.",
            "Nothing was sent. Send a test message to see whether it arrives.",
            response=description,
        )

    @property
    def _sessions(self) -> SessionPool:
        if self._pool is None:
            raise errors.ERRORS.error("invalid_message")  # the settings have no From address
        return self._pool


def _description(session: Session) -> str:
    return "Extensions: " + ", ".join(sorted(session.esmtp_features)) if session.does_esmtp else ""
