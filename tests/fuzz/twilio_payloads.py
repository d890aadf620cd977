"""Create webhooks as Twilio sends them."""

from __future__ import annotations

import json
from urllib.parse import quote, urlencode

from twilio.request_validator import RequestValidator

from tests.fuzz.random_values import FORM, PREFIX, RandomValues, Webhook


def make_webhook(source: RandomValues, path: str) -> Webhook:
    what, fields = source.random.choice(list(_forms(source).items()))
    form = {"AccountSid": source.account, "ApiVersion": "2010-04-01", **fields}
    for name in source.random.sample(
        sorted(set(form) - {"AccountSid"}), k=source.random.randrange(3)
    ):
        form[name] = source.text()
    if source.random.random() < 0.2:
        form[source.text() or "Extra"] = source.text()
    form["AccountSid"] = source.account
    target = f"{PREFIX}{path}{_query(source)}"
    signature = RequestValidator(source.token).compute_signature(source.public + target, form)
    headers = {"X-Twilio-Signature": signature}
    return Webhook(target, urlencode(form).encode(), FORM, headers, True, f"{path}: {what} {form}")


def _query(source: RandomValues) -> str:
    if source.random.random() < 0.5:
        return ""
    message = source.random.choice([*source.messages, source.text()])
    query = {"message": message, "attempt": source.random.choice(["1", "2", source.text()])}
    return "?" + urlencode(query, quote_via=quote)


def _forms(source: RandomValues) -> dict[str, dict[str, str]]:
    prefix = source.random.choice(["", "whatsapp:", "rcs:"])
    sid = source.random.choice(["SM", "MM"]) + source.hex()
    number = f"+1317555{source.random.randrange(10_000):04d}"
    base = {
        "MessageSid": sid,
        "SmsSid": sid,
        "SmsMessageSid": sid,
        "From": prefix + number,
        "To": prefix + source.number,
    }
    came = {**base, "SmsStatus": "received", "ProfileName": source.text(), "NumMedia": "0"}
    return {
        **_texts(source, came),
        **_contents(source, came),
        **_other_webhooks(source, base, number),
    }


def _texts(source: RandomValues, came: dict[str, str]) -> dict[str, dict[str, str]]:
    return {
        "text": {**came, "Body": source.text()},
        "keyword": {**came, "Body": source.random.choice(["STOP", "START", "HELP", "Stop."])},
        "opt-out type": {
            **came,
            "Body": "x",
            "OptOutType": source.random.choice(["STOP", "START", "HELP", source.text()]),
        },
        "button": {
            **came,
            "ButtonText": source.text(),
            "ButtonPayload": source.text(),
            "MessageType": "button",
        },
        "list": {**came, "ListId": source.text(), "ListTitle": source.text()},
        "unknown sender": {
            **came,
            "From": source.random.choice(["", "anonymous", "AMAZON", "+266696687"]),
            "Body": source.text(),
        },
        "user id": {
            **came,
            "From": "whatsapp:US.1349",
            "ExternalUserId": source.text(),
            "Body": source.text(),
        },
        "referral": {
            **came,
            "Body": "Hi",
            "ReferralHeadline": source.text(),
            "ReferralSourceUrl": source.text(),
        },
    }


def _contents(source: RandomValues, came: dict[str, str]) -> dict[str, dict[str, str]]:
    file = {"NumMedia": "1", "MediaUrl0": "https://api.twilio.com/m/0"}
    return {
        "picture": {
            **came,
            **file,
            "MediaContentType0": source.random.choice(["image/png", "text/vcard", source.text()]),
        },
        "location": {
            **came,
            "Latitude": source.random.choice(["48.2", source.text()]),
            "Longitude": "16.3",
            "Label": source.text(),
        },
        "sticker": {
            **came,
            **file,
            "MessageType": "sticker",
            "MediaContentType0": "image/webp",
        },
        "flow": {
            **came,
            "InteractiveData": json.dumps({"a": str(source.value())}),
            "MessageType": "interactive",
        },
        "broken flow": {**came, "InteractiveData": source.text(), "MessageType": "interactive"},
        "reaction": {
            **came,
            "MessageType": "reaction",
            "Body": "👍",
            "OriginalRepliedMessageSid": came["MessageSid"],
        },
        "unknown type": {**came, "MessageType": source.text()},
    }


def _other_webhooks(
    source: RandomValues, base: dict[str, str], number: str
) -> dict[str, dict[str, str]]:
    word = source.random.choice(
        ["queued", "sent", "delivered", "read", "undelivered", "failed", "sending", "accepted"]
    )
    return {
        "status": {
            **base,
            "From": source.number,
            "To": number,
            "MessageStatus": word,
            "SmsStatus": word,
            "ErrorCode": source.text(),
        },
        "call": {
            "CallSid": "CA" + source.hex(),
            "CallStatus": "completed",
            "From": number,
            "To": source.number,
        },
        "conversation": {
            "ConversationSid": "CH" + source.hex(),
            "EventType": "onMessageAdded",
            "Body": source.text(),
        },
        "nothing": {source.random.choice(["Hello", "Status"]): source.text()},
    }
