"""Create webhooks of every route: genuine ones with hostile values, and broken or forged ones.

The webhooks depend only on the seed, so that a failure can be repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from urllib.parse import quote

from hub.integrations.pactsafe.integration import TOKEN_HEADER
from tests.fuzz import (
    mail_payloads,
    sendgrid_payloads,
    signing_app_payloads,
    slack_payloads,
    telegram_payloads,
    twilio_payloads,
)
from tests.fuzz.random_values import JSON, PREFIX, RandomValues, Webhook


@dataclass
class Payloads(RandomValues):
    """A generator of webhooks for a hub in demo mode."""

    def makers(self) -> dict[str, Callable[[], Webhook]]:
        """Return the functions that create genuine webhooks, by declared path."""
        twilio = ("twilio/sms", "twilio/whatsapp", "twilio/inbound", "twilio/voice")
        return {
            **{path: partial(twilio_payloads.make_webhook, self, path) for path in twilio},
            "slack/interactions": partial(slack_payloads.make_webhook, self),
            "telegram/{connection}": partial(telegram_payloads.make_webhook, self),
            "smtp/{connection}": partial(mail_payloads.make_webhook, self),
            "sendgrid": partial(sendgrid_payloads.make_webhook, self),
            "documenso/{connection}": partial(signing_app_payloads.make_documenso_webhook, self),
            "pactsafe/{connection}": partial(signing_app_payloads.make_pactsafe_webhook, self),
        }

    def make_webhook(self) -> Webhook:
        """Return a random webhook: genuine ones more often than others."""
        webhook = self.random.choice(list(self.makers().values()))()
        return webhook if self.random.random() < 0.7 else self._forge(webhook)

    def _forge(self, genuine: Webhook) -> Webhook:
        """Return a webhook without a signature, or changed after it was signed."""
        way = self.random.choice(["unsigned", "changed", "garbage", "forged", "method", "path"])
        body = genuine.body
        headers = dict(genuine.headers)
        target = genuine.target
        method = genuine.method
        if way == "unsigned":
            headers = {}
        elif way == "changed":
            position = self.random.randrange(len(body) + 1)
            body = body[:position] + bytes([self.random.randrange(256)]) + body[position:]
            headers.pop("X-Telegram-Bot-Api-Secret-Token", None)  # it covers no body
            headers.pop("Authorization", None)  # nor do these
            headers.pop("X-Documenso-Secret", None)
            headers.pop(TOKEN_HEADER, None)
        elif way == "garbage":
            body = self.random.randbytes(self.random.randrange(200))
            headers = {}
        elif way == "forged":
            headers = {
                name: self.text().encode("ascii", "ignore").decode().strip("\r\n\0 ") or "x"
                for name in headers
            }
            headers = {
                name: "".join(filter(str.isprintable, value)) for name, value in headers.items()
            }
        elif way == "method":
            method = self.random.choice(["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
            body = b""
        else:
            strange = quote(self.text(), safe="/")[:2000]
            target = (
                f"{PREFIX}{self.random.choice(['', 'twilio/', 'telegram/', 'slack/'])}{strange}"
            )
            headers = {}
        kind = self.random.choice([genuine.kind, JSON, "text/plain", ""])
        return Webhook(target, body, kind, headers, False, f"{way}: {genuine.what}", method)
