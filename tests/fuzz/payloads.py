"""Make webhooks of every route: genuine ones of every kind with hostile values, and broken or
forged ones.

What is made depends on the seed alone, so that a failure can be repeated.
"""

from __future__ import annotations

import hmac
import json
import random
import string
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from twilio.request_validator import RequestValidator

from hub.integrations.telegram.integration import PURPOSE

PREFIX = "/api/rpc/webhooks/"
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
# texts that broke something somewhere: https://github.com/minimaxir/big-list-of-naughty-strings has
# more
TEXTS = (
    "",
    " ",
    "\0",
    "a\0b",
    "ST\0OP",
    "STOP",
    "start",
    "help",
    "é" * 500,
    "x" * 9000,
    "🛑",
    "👩‍👩‍👧‍👦",
    "\u202eevil",
    "\u2066x\u2069",
    "' OR 1=1 --",
    "<script>alert(1)</script>",
    "{{ 7*7 }}",
    "%s%n",
    "\r\nX-Injected: 1",
    "\x1b[31m",
    "\ufeff",
    "\uffff",
    "null",
    "-1",
    "NaN",
    "1e999",
    "9" * 400,
    "0001-01-01T00:00:00Z",
    "../../etc/passwd",
    "msg_1",
    "msg_019aa5c2-71f8-7b3e-9c40-2d6f8a1be41c",
    "+13175550142",
    "+4901701234567",
    "whatsapp:",
    "whatsapp:+5215512345678",
    "rcs:+13175550142",
    "anonymous",
    "+266696687",
    "22395",
    "US.13491208655302741918",
    "messenger:123",
    "https://api.twilio.com/m/0",
    "javascript:alert(1)",
    "received",
    "delivered",
    "read",
    "failed",
    "30003",
    "21610",
    "63016",
    "٣",
    "ß",
    "İ",
    "ﬁ",
)
HALVES = ("\ud800", "a\udfffb", "\udc00\ud800")  # JSON can write them, a form cannot
SCALARS = (
    None,
    True,
    False,
    0,
    -1,
    2**31,
    2**63,
    -(2**63),
    10**40,
    0.5,
    -1e308,
    float("nan"),
    float("inf"),
    [],
    {},
    [[]],
)


@dataclass(frozen=True)
class Webhook:
    """One request. `genuine`: the provider signed it. `what` names it in a failure."""

    target: str
    body: bytes
    kind: str
    headers: Mapping[str, str]
    genuine: bool
    what: str
    method: str = "POST"


@dataclass
class Payloads:
    """Makes webhooks for a hub in demo: `secrets` are those of its connections, `public` its
    address.
    """

    random: random.Random
    public: str
    account: str
    number: str
    token: str  # of Twilio
    slack: Mapping[str, str]
    telegram: str  # the bot's token
    telegram_slug: str
    messages: list[str] = field(default_factory=list)  # ids of messages that the hub sent
    buttons: list[str] = field(default_factory=list)  # tokens of buttons that the hub made

    def makers(self) -> dict[str, Callable[[], Webhook]]:
        """Return what makes a genuine webhook, by the declared path."""
        return {
            "twilio/sms": lambda: self._twilio("twilio/sms"),
            "twilio/whatsapp": lambda: self._twilio("twilio/whatsapp"),
            "twilio/inbound": lambda: self._twilio("twilio/inbound"),
            "slack/interactions": self._slack,
            "telegram/{connection}": self._telegram,
        }

    def one(self) -> Webhook:
        """Return some webhook: genuine ones more often than others."""
        made = self.random.choice(list(self.makers().values()))()
        return made if self.random.random() < 0.7 else self._spoiled(made)

    # ── Values ────────────────────────────────────────────────────────────────────────────────────
    def text(self) -> str:
        if self.random.random() < 0.2:
            return "".join(self.random.choices(string.printable, k=self.random.randrange(12)))
        return self.random.choice(TEXTS)

    def value(self, deep: int = 3) -> Any:
        """Return any JSON value."""
        if deep and self.random.random() < 0.25:
            return {self.text(): self.value(deep - 1) for _ in range(self.random.randrange(3))}
        if deep and self.random.random() < 0.2:
            return [self.value(deep - 1) for _ in range(self.random.randrange(3))]
        return self.random.choice((*SCALARS, *HALVES, *TEXTS))

    def _hex(self, count: int = 32) -> str:
        return f"{self.random.getrandbits(count * 4):0{count}x}"

    # ── Twilio ────────────────────────────────────────────────────────────────────────────────────
    def _twilio(self, path: str) -> Webhook:
        what, fields = self.random.choice(list(self._twilio_forms().items()))
        form = {"AccountSid": self.account, "ApiVersion": "2010-04-01", **fields}
        for name in self.random.sample(
            sorted(set(form) - {"AccountSid"}), k=self.random.randrange(3)
        ):
            form[name] = self.text()
        if self.random.random() < 0.2:
            form[self.text() or "Extra"] = self.text()
        form["AccountSid"] = self.account
        target = f"{PREFIX}{path}{self._query()}"
        signature = RequestValidator(self.token).compute_signature(self.public + target, form)
        headers = {"X-Twilio-Signature": signature}
        return Webhook(
            target, urlencode(form).encode(), FORM, headers, True, f"{path}: {what} {form}"
        )

    def _query(self) -> str:
        if self.random.random() < 0.5:
            return ""
        message = self.random.choice([*self.messages, self.text()])
        query = {"message": message, "attempt": self.random.choice(["1", "2", self.text()])}
        return "?" + urlencode(query, quote_via=quote)

    def _twilio_forms(self) -> dict[str, dict[str, str]]:
        prefix = self.random.choice(["", "whatsapp:", "rcs:"])
        sid = self.random.choice(["SM", "MM"]) + self._hex()
        word = self.random.choice(
            ["queued", "sent", "delivered", "read", "undelivered", "failed", "sending", "accepted"]
        )
        number = f"+1317555{self.random.randrange(10_000):04d}"
        base = {
            "MessageSid": sid,
            "SmsSid": sid,
            "SmsMessageSid": sid,
            "From": prefix + number,
            "To": prefix + self.number,
        }
        came = {**base, "SmsStatus": "received", "ProfileName": self.text(), "NumMedia": "0"}
        file = {"NumMedia": "1", "MediaUrl0": "https://api.twilio.com/m/0"}
        return {
            "text": {**came, "Body": self.text()},
            "keyword": {**came, "Body": self.random.choice(["STOP", "START", "HELP", "Stop."])},
            "opt-out type": {
                **came,
                "Body": "x",
                "OptOutType": self.random.choice(["STOP", "START", "HELP", self.text()]),
            },
            "picture": {
                **came,
                **file,
                "MediaContentType0": self.random.choice(["image/png", "text/vcard", self.text()]),
            },
            "location": {
                **came,
                "Latitude": self.random.choice(["48.2", self.text()]),
                "Longitude": "16.3",
                "Label": self.text(),
            },
            "sticker": {
                **came,
                **file,
                "MessageType": "sticker",
                "MediaContentType0": "image/webp",
            },
            "button": {
                **came,
                "ButtonText": self.text(),
                "ButtonPayload": self.text(),
                "MessageType": "button",
            },
            "list": {**came, "ListId": self.text(), "ListTitle": self.text()},
            "flow": {
                **came,
                "InteractiveData": json.dumps({"a": str(self.value())}),
                "MessageType": "interactive",
            },
            "broken flow": {**came, "InteractiveData": self.text(), "MessageType": "interactive"},
            "reaction": {
                **came,
                "MessageType": "reaction",
                "Body": "👍",
                "OriginalRepliedMessageSid": sid,
            },
            "referral": {
                **came,
                "Body": "Hi",
                "ReferralHeadline": self.text(),
                "ReferralSourceUrl": self.text(),
            },
            "unknown type": {**came, "MessageType": self.text()},
            "unknown sender": {
                **came,
                "From": self.random.choice(["", "anonymous", "AMAZON", "+266696687"]),
                "Body": self.text(),
            },
            "user id": {
                **came,
                "From": "whatsapp:US.1349",
                "ExternalUserId": self.text(),
                "Body": self.text(),
            },
            "status": {
                **base,
                "From": self.number,
                "To": number,
                "MessageStatus": word,
                "SmsStatus": word,
                "ErrorCode": self.text(),
            },
            "call": {
                "CallSid": "CA" + self._hex(),
                "CallStatus": "completed",
                "From": number,
                "To": self.number,
            },
            "conversation": {
                "ConversationSid": "CH" + self._hex(),
                "EventType": "onMessageAdded",
                "Body": self.text(),
            },
            "nothing": {self.random.choice(["Hello", "Status"]): self.text()},
        }

    # ── Slack ─────────────────────────────────────────────────────────────────────────────────────
    def _slack(self) -> Webhook:
        if self.random.random() < 0.05:
            return Webhook(
                f"{PREFIX}slack/interactions",
                b"ssl_check=1&token=x",
                FORM,
                {},
                True,
                "Slack: ssl_check",
            )
        if self.random.random() < 0.1:
            event = {
                "type": "event_callback",
                "event": {"type": self.text()},
                "api_app_id": self.slack["app_id"],
            }
            return self._slack_signed(json.dumps(event).encode(), JSON, f"Slack: event {event}")
        action = {
            "type": "button",
            "action_id": self.text(),
            "value": self.random.choice([*self.buttons, self.text(), None, 5]),
        }
        kind = self.random.choice(
            ["block_actions", "view_submission", "interactive_message", self.text()]
        )
        payload: dict[str, Any] = {
            "type": kind,
            "user": {"id": "U1", "name": self.text()},
            "actions": [action, {"type": "button", "url": self.text()}],
            "response_url": self.random.choice(
                ["https://hooks.slack.com/actions/T0123ABCD/12/abc", self.text()]
            ),
            "container": {"channel_id": "C1", "message_ts": "1.2"},
        }
        for name in self.random.sample(sorted(payload), k=self.random.randrange(3)):
            payload[name] = self.value()
        payload["api_app_id"] = self.slack["app_id"]
        return self._slack_signed(
            urlencode({"payload": json.dumps(payload)}).encode(), FORM, f"Slack: {payload}"
        )

    def _slack_signed(self, body: bytes, kind: str, what: str) -> Webhook:
        at = str(int(time.time()))
        made = hmac.new(
            self.slack["signing_secret"].encode(), f"v0:{at}:".encode() + body, "sha256"
        ).hexdigest()
        headers = {"X-Slack-Request-Timestamp": at, "X-Slack-Signature": f"v0={made}"}
        return Webhook(f"{PREFIX}slack/interactions", body, kind, headers, True, what)

    # ── Telegram ──────────────────────────────────────────────────────────────────────────────────
    def _telegram(self) -> Webhook:
        what, content = self.random.choice(list(self._telegram_updates().items()))
        update: dict[Any, Any] = {"update_id": self.random.randrange(2**31), **content}
        if self.random.random() < 0.3:
            self._spoil_inside(update)
        secret = hmac.new(self.telegram.encode(), PURPOSE, "sha256").hexdigest()
        headers = {"X-Telegram-Bot-Api-Secret-Token": secret}
        body = json.dumps(update).encode()
        return Webhook(
            f"{PREFIX}telegram/{self.telegram_slug}",
            body,
            JSON,
            headers,
            True,
            f"Telegram: {what} {update}",
        )

    def _telegram_updates(self) -> dict[str, dict[str, Any]]:
        person = {"id": self.random.randrange(1, 2**40), "first_name": self.text(), "is_bot": False}
        chat = self.random.choice(
            [
                {"id": person["id"], "type": "private"},
                {"id": -100123, "type": "supergroup", "title": "x"},
            ]
        )
        base = {
            "message_id": self.random.randrange(1, 2**31),
            "from": person,
            "chat": chat,
            "date": int(time.time()),
        }
        place = {"latitude": self.value(), "longitude": 16.3}
        contents: dict[str, dict[str, Any]] = {
            "text": {"text": self.text()},
            "command": {"text": self.random.choice(["/start", "/stop", "/help", "/start x"])},
            "location": {"location": place},
            "venue": {"venue": {"location": place, "title": self.text()}, "location": place},
            "contact": {"contact": {"phone_number": self.text(), "first_name": self.text()}},
            "sticker": {"sticker": {"emoji": self.text()}},
            "voice": {"voice": {"file_id": "x"}},
            "dice": {"dice": {"value": self.value()}},
            "poll": {
                "poll": {"question": self.text(), "options": [{"text": self.text()}, self.value()]}
            },
            "photo": {"photo": [{"file_id": "x"}], "caption": self.text()},
            "story": {"story": {"id": 1}},
            "service": {"new_chat_members": [person]},
            "reply": {"text": "x", "reply_to_message": {**base, "text": "y"}},
        }
        found = {
            f"message {name}": {"message": {**base, **content}}
            for name, content in contents.items()
        }
        edited = {**base, "edit_date": int(time.time())}
        found |= {
            f"edited {name}": {"edited_message": {**edited, **content}}
            for name, content in contents.items()
        }
        data = self.random.choice([*self.buttons, self.text()])
        mark = [{"type": "emoji", "emoji": self.text()}]
        member = {
            "status": self.random.choice(["member", "kicked", "left", "restricted", self.text()])
        }
        return {
            **found,
            "reaction": {
                "message_reaction": {
                    **base,
                    "user": person,
                    "new_reaction": self.random.choice([mark, [], self.value()]),
                }
            },
            "button": {
                "callback_query": {
                    "id": self.text() or "1",
                    "from": person,
                    "data": data,
                    "message": base,
                }
            },
            "membership": {
                "my_chat_member": {
                    "chat": chat,
                    "from": person,
                    "date": base["date"],
                    "new_chat_member": member,
                }
            },
            "channel post": {"channel_post": {**base, "text": self.text()}},
            "another kind": {self.text() or "inline_query": self.value()},
        }

    def _spoil_inside(self, whole: dict[Any, Any]) -> None:
        """Replace some value somewhere in an update."""
        name = self.random.choice(list(whole))
        inner = whole[name]
        if isinstance(inner, dict) and inner and self.random.random() < 0.8:
            self._spoil_inside(inner)
        else:
            whole[name] = self.value()

    # ── What no provider sends ────────────────────────────────────────────────────────────────────
    def _spoiled(self, made: Webhook) -> Webhook:
        """Return a webhook as a stranger would send it: without a proof, or changed after it was
        signed.
        """
        way = self.random.choice(["unsigned", "changed", "garbage", "forged", "method", "path"])
        body = made.body
        headers = dict(made.headers)
        target = made.target
        method = made.method
        if way == "unsigned":
            headers = {}
        elif way == "changed":
            place = self.random.randrange(len(body) + 1)
            body = body[:place] + bytes([self.random.randrange(256)]) + body[place:]
            headers.pop("X-Telegram-Bot-Api-Secret-Token", None)  # it covers no body
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
        kind = self.random.choice([made.kind, JSON, "text/plain", ""])
        return Webhook(target, body, kind, headers, False, f"{way}: {made.what}", method)
