"""The JSON of each resource, with every documented property.

Shapes: Twilio's OpenAPI documents twilio_api_v2010 and twilio_messaging_v1,
https://github.com/twilio/twilio-oai
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlencode

from hub.simulator.account import Account
from hub.simulator.errors import RestError, failure_message
from hub.simulator.media import Media
from hub.simulator.store import Message

API = "/2010-04-01"
PRICE = 0.0079  # dollars per segment, as Twilio charged in the US
ACCOUNT_PARTS = {
    "addresses": "Addresses",
    "applications": "Applications",
    "authorized_connect_apps": "AuthorizedConnectApps",
    "available_phone_numbers": "AvailablePhoneNumbers",
    "balance": "Balance",
    "calls": "Calls",
    "conferences": "Conferences",
    "connect_apps": "ConnectApps",
    "incoming_phone_numbers": "IncomingPhoneNumbers",
    "keys": "Keys",
    "messages": "Messages",
    "notifications": "Notifications",
    "outgoing_caller_ids": "OutgoingCallerIds",
    "queues": "Queues",
    "recordings": "Recordings",
    "short_codes": "SMS/ShortCodes",
    "signing_keys": "SigningKeys",
    "sip": "SIP",
    "transcriptions": "Transcriptions",
    "usage": "Usage",
}
SERVICE_PARTS = {
    "alpha_senders": "AlphaSenders",
    "channel_senders": "ChannelSenders",
    "destination_alpha_senders": "DestinationAlphaSenders",
    "messages": "Messages",
    "phone_numbers": "PhoneNumbers",
    "short_codes": "ShortCodes",
    "us_app_to_person": "Compliance/Usa2p",
    "us_app_to_person_usecases": "Compliance/Usa2p/Usecases",
}


def rfc2822(timestamp: float | None) -> str | None:
    return (
        None if timestamp is None else format_datetime(datetime.fromtimestamp(int(timestamp), UTC))
    )


def iso8601(timestamp: float) -> str:
    return datetime.fromtimestamp(int(timestamp), UTC).isoformat().replace("+00:00", "Z")


def message_json(message: Message, account: Account) -> dict[str, Any]:
    uri = f"{API}/Accounts/{account.sid}/Messages/{message.sid}"
    # a Messaging Service chooses the sender and counts segments only after the response
    undecided = message.service and message.status in ("accepted", "scheduled")
    sender = message.sender or (
        None if undecided else message.sent_from(account.credentials.phone_number)
    )
    charged = message.status in ("sent", "delivered", "read", "undelivered")
    return {
        "account_sid": account.sid,
        "api_version": "2010-04-01",
        "body": "" if message.redacted else message.body,
        "date_created": rfc2822(message.created),
        "date_sent": rfc2822(message.sent),
        "date_updated": rfc2822(message.updated),
        "direction": message.direction,
        "error_code": message.error or None,
        "error_message": failure_message(message.error) if message.error else None,
        "from": sender,
        "messaging_service_sid": message.service or None,
        "num_media": str(message.media),
        "num_segments": "0" if undecided else str(message.segments),
        "price": f"{-PRICE * message.segments:.5f}" if charged else None,
        "price_unit": "USD" if charged else None,
        "sid": message.sid,
        "status": message.status,
        "subresource_uris": {"media": f"{uri}/Media.json", "feedback": f"{uri}/Feedback.json"},
        "to": message.recipient,
        "uri": f"{uri}.json",
    }


def media_json(media: Media, account: Account) -> dict[str, Any]:
    return {
        "account_sid": account.sid,
        "content_type": media.type,
        "date_created": rfc2822(media.created),
        "date_updated": rfc2822(media.created),
        "parent_sid": media.message,
        "sid": media.sid,
        "uri": media.path(account.sid) + ".json",
    }


def account_json(account: Account) -> dict[str, Any]:
    base = f"{API}/Accounts/{account.sid}"
    return {
        "auth_token": account.credentials.auth_token,
        "date_created": rfc2822(account.created),
        "date_updated": rfc2822(account.created),
        "friendly_name": "Signpost's simulator",
        "owner_account_sid": account.sid,
        "sid": account.sid,
        "status": account.status,
        "subresource_uris": {name: f"{base}/{part}.json" for name, part in ACCOUNT_PARTS.items()},
        "type": account.type,
        "uri": f"{base}.json",
    }


def balance_json(account: Account) -> dict[str, Any]:
    return {"account_sid": account.sid, "balance": "20.00", "currency": "USD"}


def number_json(account: Account) -> dict[str, Any]:
    return {
        "account_sid": account.sid,
        "address_requirements": "none",
        "address_sid": None,
        "api_version": "2010-04-01",
        "beta": False,
        "bundle_sid": None,
        "capabilities": {"voice": True, "sms": True, "mms": True, "fax": False},
        "date_created": rfc2822(account.created),
        "date_updated": rfc2822(account.created),
        "emergency_address_sid": None,
        "emergency_address_status": "unregistered",
        "emergency_status": "Inactive",
        "friendly_name": "(500) 555-0006",
        "identity_sid": None,
        "origin": "twilio",
        "phone_number": account.credentials.phone_number,
        "sid": account.number_sid,
        "sms_application_sid": "",
        "sms_fallback_method": "POST",
        "sms_fallback_url": "",
        "sms_method": "POST",
        "sms_url": account.sms_url,
        "status": "in-use",
        "status_callback": account.voice_callback,
        "status_callback_method": "POST",
        "trunk_sid": None,
        "type": "local",
        "uri": f"{API}/Accounts/{account.sid}/IncomingPhoneNumbers/{account.number_sid}.json",
        "voice_application_sid": "",
        "voice_caller_id_lookup": False,
        "voice_fallback_method": "POST",
        "voice_fallback_url": "",
        "voice_method": "POST",
        "voice_receive_mode": "voice",
        "voice_url": account.voice_url,
    }


def service_json(account: Account) -> dict[str, Any]:
    url = f"https://messaging.twilio.com/v1/Services/{account.credentials.messaging_service_sid}"
    return {
        "account_sid": account.sid,
        "area_code_geomatch": True,
        "date_created": iso8601(account.created),
        "date_updated": iso8601(account.created),
        "fallback_method": "POST",
        "fallback_to_long_code": True,
        "fallback_url": None,
        "friendly_name": "Signpost's simulator",
        "inbound_method": "POST",
        "inbound_request_url": None,
        "links": {name: f"{url}/{part}" for name, part in SERVICE_PARTS.items()},
        "mms_converter": True,
        "scan_message_content": "inherit",
        "sid": account.credentials.messaging_service_sid,
        "smart_encoding": False,
        "status_callback": None,
        "sticky_sender": True,
        "synchronous_validation": False,
        "url": url,
        "us_app_to_person_registered": False,
        "use_inbound_webhook_on_number": False,
        "usecase": "notifications",
        "validity_period": 36000,
    }


def service_number_json(account: Account) -> dict[str, Any]:
    """Return the number as a sender of the Messaging Service."""
    service_sid = account.credentials.messaging_service_sid
    return {
        "account_sid": account.sid,
        "capabilities": ["Voice", "SMS", "MMS"],
        "country_code": "US",
        "date_created": iso8601(account.created),
        "date_updated": iso8601(account.created),
        "phone_number": account.credentials.phone_number,
        "service_sid": service_sid,
        "sid": account.number_sid,
        "url": (
            f"https://messaging.twilio.com/v1/Services/{service_sid}"
            f"/PhoneNumbers/{account.number_sid}"
        ),
    }


def page_json(
    name: str,
    items: list[dict[str, Any]],
    *,
    path: str,
    query: Mapping[str, str],
    number: int,
    size: int,
    following: str = "",
    preceding: str = "",
) -> dict[str, Any]:
    """Return one page of a list in the form of the 2010 API.

    `following` and `preceding` are the tokens of the pages next to it, or '' if there is none.
    """
    other_parameters = {
        key: value for key, value in query.items() if key not in ("Page", "PageSize", "PageToken")
    }

    def uri(page_number: int, token: str = "") -> str:
        page_parameters = {"PageSize": str(size), "Page": str(page_number)} | (
            {"PageToken": token} if token else {}
        )
        return f"{path}?{urlencode(other_parameters | page_parameters)}"

    return {
        "end": number * size + max(len(items) - 1, 0),
        "first_page_uri": uri(0),
        "next_page_uri": uri(number + 1, following) if following else None,
        "page": number,
        "page_size": size,
        "previous_page_uri": uri(max(number - 1, 0), preceding) if preceding else None,
        "start": number * size,
        "uri": uri(number, query.get("PageToken", "")),
        name: items,
    }


def meta_page(
    key: str, items: list[dict[str, Any]], url: str, *, number: int = 0, size: int = 50
) -> dict[str, Any]:
    """Return one page of a list in the form of the newer APIs."""

    def page_url(page_number: int) -> str:
        return f"{url}?PageSize={size}&Page={page_number}"

    meta = {
        "first_page_url": page_url(0),
        "key": key,
        "next_page_url": page_url(number + 1) if len(items) > (number + 1) * size else None,
        "page": number,
        "page_size": size,
        "previous_page_url": page_url(number - 1) if number else None,
        "url": page_url(number),
    }
    return {"meta": meta, key: items[number * size : (number + 1) * size]}


def int_param(query: Mapping[str, str], name: str, default: int) -> int:
    """Return a whole number from a query. Raises RestError 20001 for anything else."""
    text = query.get(name, "")
    if text and not re.fullmatch(r"\d{1,9}", text):
        raise RestError(20001, name)
    return int(text) if text else default
