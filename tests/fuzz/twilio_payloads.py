"""Create webhooks as Twilio sends them."""

from __future__ import annotations

import json
from urllib.parse import quote, urlencode

from twilio.request_validator import RequestValidator

from tests.fuzz.random_values import FORM, PREFIX, RandomValues, Webhook


def make_webhook(source: RandomValues, path: str) -> Webhook:
    description, fields = source.random.choice(list(_forms(source).items()))
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
    return Webhook(
        target, urlencode(form).encode(), FORM, headers, True, f"{path}: {description} {form}"
    )


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
    inbound_form = {**base, "SmsStatus": "received", "ProfileName": source.text(), "NumMedia": "0"}
    return {
        **_texts(source, inbound_form),
        **_contents(source, inbound_form),
        **_other_webhooks(source, base, number),
    }


def _texts(source: RandomValues, inbound_form: dict[str, str]) -> dict[str, dict[str, str]]:
    return {
        "text": {**inbound_form, "Body": source.text()},
        "keyword": {
            **inbound_form,
            "Body": source.random.choice(["STOP", "START", "HELP", "Stop."]),
        },
        "opt-out type": {
            **inbound_form,
            "Body": "x",
            "OptOutType": source.random.choice(["STOP", "START", "HELP", source.text()]),
        },
        "button": {
            **inbound_form,
            "ButtonText": source.text(),
            "ButtonPayload": source.text(),
            "MessageType": "button",
        },
        "list": {**inbound_form, "ListId": source.text(), "ListTitle": source.text()},
        "unknown sender": {
            **inbound_form,
            "From": source.random.choice(["", "anonymous", "AMAZON", "+266696687"]),
            "Body": source.text(),
        },
        "user id": {
            **inbound_form,
            "From": "whatsapp:US.1349",
            "ExternalUserId": source.text(),
            "Body": source.text(),
        },
        "referral": {
            **inbound_form,
            "Body": "Hi",
            "ReferralHeadline": source.text(),
            "ReferralSourceUrl": source.text(),
        },
    }


def _contents(source: RandomValues, inbound_form: dict[str, str]) -> dict[str, dict[str, str]]:
    file = {"NumMedia": "1", "MediaUrl0": "https://api.twilio.com/m/0"}
    return {
        "picture": {
            **inbound_form,
            **file,
            "MediaContentType0": source.random.choice(["image/png", "text/vcard", source.text()]),
        },
        "location": {
            **inbound_form,
            "Latitude": source.random.choice(["48.2", source.text()]),
            "Longitude": "16.3",
            "Label": source.text(),
        },
        "sticker": {
            **inbound_form,
            **file,
            "MessageType": "sticker",
            "MediaContentType0": "image/webp",
        },
        "flow": {
            **inbound_form,
            "InteractiveData": json.dumps({"a": str(source.value())}),
            "MessageType": "interactive",
        },
        "broken flow": {
            **inbound_form,
            "InteractiveData": source.text(),
            "MessageType": "interactive",
        },
        "reaction": {
            **inbound_form,
            "MessageType": "reaction",
            "Body": "👍",
            "OriginalRepliedMessageSid": inbound_form["MessageSid"],
        },
        "unknown type": {**inbound_form, "MessageType": source.text()},
    }


def _other_webhooks(
    source: RandomValues, base: dict[str, str], number: str
) -> dict[str, dict[str, str]]:
    status = source.random.choice(
        ["queued", "sent", "delivered", "read", "undelivered", "failed", "sending", "accepted"]
    )
    return {
        "status": {
            **base,
            "From": source.number,
            "To": number,
            "MessageStatus": status,
            "SmsStatus": status,
            "ErrorCode": source.text(),
        },
        **_calls(source, number),
        "conversation": {
            "ConversationSid": "CH" + source.hex(),
            "EventType": "onMessageAdded",
            "Body": source.text(),
        },
        "nothing": {source.random.choice(["Hello", "Status"]): source.text()},
    }


def _calls(source: RandomValues, number: str) -> dict[str, dict[str, str]]:
    call = {"CallSid": "CA" + source.hex(), "From": source.number, "To": number}
    inbound_call = {**call, "From": number, "To": source.number, "Direction": "inbound"}
    status = source.random.choice(
        ["queued", "ringing", "in-progress", "completed", "busy", "no-answer", source.text()]
    )
    key = source.random.choice(["1", "2", "9", "#", source.text()])
    return {
        "call status": {
            **call,
            "CallStatus": status,
            "SequenceNumber": "1",
            "Timestamp": source.random.choice(["Sat, 21 Nov 2026 11:48:09 +0000", source.text()]),
            "ErrorCode": source.text(),
        },
        "inbound call": {**inbound_call, "CallStatus": source.random.choice(["ringing", status])},
        "pressed key": {**call, "CallStatus": "in-progress", "Digits": key},
        "key of an inbound call": {**inbound_call, "CallStatus": "in-progress", "Digits": key},
    }
