"""Routes of Twilio's REST API that a hub uses: messages, account, number and Messaging Service.

https://www.twilio.com/docs/messaging/api/message-resource
"""

from __future__ import annotations

import fnmatch
import re
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, jsonify, request

from hub.simulator import inbound, message_creation, resources, scripted_numbers
from hub.simulator.context import SimulatorContext, current_simulator
from hub.simulator.errors import RestError, request_id
from hub.simulator.store import Message

rest = Blueprint("rest", __name__)
ACCOUNT = "/2010-04-01/Accounts/<account_sid>"
PAGE_SIZE = 50
MAX_PAGE_SIZE = 1000
# page after (PA) or before (PB) the message with this number
TOKEN = re.compile(r"(PA|PB)([0-9a-f]{1,15})")


@rest.before_request
def check_access() -> None:
    """Refuse a request without valid credentials, or because of the account's state or a fault."""
    simulator = current_simulator()
    credentials = request.authorization
    if (
        credentials is None
        or credentials.type != "basic"
        or not simulator.account.accepts_credentials(
            credentials.username or "", credentials.password or ""
        )
    ):
        raise RestError(20003, headers={"WWW-Authenticate": 'Basic realm="Twilio API"'})
    if (request.view_args or {}).get("account_sid", simulator.account.sid) != simulator.account.sid:
        raise RestError(20404, request.path)
    if simulator.faults.use_refusal():
        raise RestError(20429, headers={"Retry-After": "1"})
    if simulator.faults.use_failure():
        raise RestError(20500)
    if simulator.account.suspended and request.endpoint not in (
        "rest.fetch_account",
        "rest.list_accounts",
    ):
        raise RestError(20403)


@rest.after_request
def add_request_id(response: Response) -> Response:
    response.headers["Twilio-Request-Id"] = request_id()
    return response


# ── messages ──


@rest.post(f"{ACCOUNT}/Messages.json")
def create_message(account_sid: str) -> tuple[Response, int]:
    simulator = current_simulator()
    if simulator.faults.is_rate_limited():
        raise RestError(20429, headers={"Retry-After": "1"})
    simulator.pause(simulator.faults.latency)
    media = [url for url in request.form.getlist("MediaUrl") if url]
    message = message_creation.create_message(request.form, media, simulator)
    scripted_number = scripted_numbers.recipient(message.recipient)
    if scripted_number.fails_once and simulator.store.is_first_attempt(
        message.recipient, message.body
    ):
        raise RestError(scripted_number.fails_once, headers={"Retry-After": "1"})
    simulator.store.add(message)
    for url in media:
        simulator.media.add(message.sid, url)
    inbound.remember_inbound_address(simulator, message.callback)
    simulator.timeline.follow(message)
    if scripted_number.breaks:
        raise RestError(20500)
    simulator.pause(scripted_number.hangs)
    return jsonify(resources.message_json(message, simulator.account)), 201


@rest.get(f"{ACCOUNT}/Messages.json")
def list_messages(account_sid: str) -> Response:
    simulator = current_simulator()
    number = resources.int_param(request.args, "Page", 0)
    size = min(max(resources.int_param(request.args, "PageSize", PAGE_SIZE), 1), MAX_PAGE_SIZE)
    conditions = _message_conditions()
    token = TOKEN.fullmatch(request.args.get("PageToken") or "PA0")
    if token is None:
        raise RestError(20001, "PageToken")
    backwards = token[1] == "PB"
    boundary = int(token[2], 16)
    # a page is relative to a message, so that a new message does not shift it
    if boundary:
        conditions.append(("seq > ?" if backwards else "seq < ?", boundary))
    rows = simulator.store.list_messages(
        conditions, size + 1, 0 if boundary else number * size, oldest_first=backwards
    )
    has_more = len(rows) > size
    shown = rows[:size]
    if backwards:
        shown.reverse()
    has_following = bool(shown) and (has_more or backwards)
    has_preceding = bool(shown) and (has_more if backwards else number > 0)
    page = resources.page_json(
        "messages",
        [resources.message_json(message, simulator.account) for message in shown],
        path=request.path,
        query=request.args,
        number=number,
        size=size,
        following=f"PA{shown[-1].seq:x}" if has_following else "",
        preceding=f"PB{shown[0].seq:x}" if has_preceding else "",
    )
    return jsonify(page)


@rest.get(f"{ACCOUNT}/Messages/<sid>.json")
def fetch_message(account_sid: str, sid: str) -> Response:
    simulator = current_simulator()
    return jsonify(resources.message_json(_message(simulator, sid), simulator.account))


@rest.post(f"{ACCOUNT}/Messages/<sid>.json")
def update_message(account_sid: str, sid: str) -> Response:
    """Redact (`Body=`) or cancel (`Status=canceled`) a message."""
    simulator = current_simulator()
    message = _message(simulator, sid)
    if "Body" in request.form and "Status" in request.form:
        raise RestError(30400)
    if "Body" in request.form:
        if request.form["Body"]:
            raise RestError(20001, "Body")
        if not message.is_final:
            raise RestError(20009, sid)
        simulator.store.change(sid, redacted=1)
    elif request.form.get("Status") == "canceled":
        if not simulator.store.cancel(sid):
            raise RestError(30409, sid)
    elif "Status" in request.form:
        raise RestError(20001, "Status")
    return fetch_message(account_sid, sid)


@rest.delete(f"{ACCOUNT}/Messages/<sid>.json")
def delete_message(account_sid: str, sid: str) -> tuple[str, int]:
    simulator = current_simulator()
    if not _message(simulator, sid).is_final:
        raise RestError(20009, sid)
    simulator.store.change(sid, deleted=1)
    return "", 204


@rest.get(f"{ACCOUNT}/Messages/<sid>/Media.json")
def list_media(account_sid: str, sid: str) -> Response:
    """List the files that were fetched, or attached to an inbound message."""
    simulator = current_simulator()
    _message(simulator, sid)
    return _page(
        "media_list",
        [
            resources.media_json(file, simulator.account)
            for file in simulator.media.for_message(sid)
            if file.size
        ],
    )


@rest.get(f"{ACCOUNT}/Messages/<sid>/Media/<media_sid>")
def fetch_media(account_sid: str, sid: str, media_sid: str) -> Response:
    """Serve a file, or its description if the path ends with `.json`."""
    simulator = current_simulator()
    stored = simulator.media.body(media_sid.removesuffix(".json"), sid)
    if stored is None:
        raise RestError(20404, request.path)
    file, content = stored
    if media_sid.endswith(".json"):
        return jsonify(resources.media_json(file, simulator.account))
    response = Response(content, content_type=file.type)
    response.headers.set("Content-Disposition", "inline", filename=file.name)
    return response


# ── account, number, service ──


@rest.get("/2010-04-01/Accounts.json")
def list_accounts() -> Response:
    return _page("accounts", [resources.account_json(current_simulator().account)])


@rest.get(f"{ACCOUNT}.json")
def fetch_account(account_sid: str) -> Response:
    return jsonify(resources.account_json(current_simulator().account))


@rest.get(f"{ACCOUNT}/Balance.json")
def fetch_balance(account_sid: str) -> Response:
    return jsonify(resources.balance_json(current_simulator().account))


@rest.get(f"{ACCOUNT}/IncomingPhoneNumbers.json")
def list_numbers(account_sid: str) -> Response:
    """List the account's number if it matches `PhoneNumber`: digits anywhere in it, `*` for any."""
    account = current_simulator().account
    pattern = request.args.get("PhoneNumber", "")
    matches = fnmatch.fnmatchcase(account.credentials.phone_number, f"*{pattern}*")
    return _page("incoming_phone_numbers", [resources.number_json(account)] if matches else [])


@rest.get(f"{ACCOUNT}/IncomingPhoneNumbers/<sid>.json")
def fetch_number(account_sid: str, sid: str) -> Response:
    account = current_simulator().account
    if sid != account.number_sid:
        raise RestError(20404, request.path)
    return jsonify(resources.number_json(account))


@rest.post(f"{ACCOUNT}/IncomingPhoneNumbers/<sid>.json")
def update_number(account_sid: str, sid: str) -> Response:
    """Set the addresses of the number: `SmsUrl`, `VoiceUrl`, `StatusCallback`; '' for none."""
    account = current_simulator().account
    url = request.form.get("SmsUrl")
    if sid == account.number_sid and url is not None:
        if url and not message_creation.is_url(url):
            raise RestError(21502, url)
        account.set_sms_url(url)
    if sid == account.number_sid:
        for name in ("VoiceUrl", "StatusCallback"):
            if request.form.get(name) and not message_creation.is_url(request.form[name]):
                raise RestError(21502, request.form[name])
        account.set_voice_urls(request.form.get("VoiceUrl"), request.form.get("StatusCallback"))
    return fetch_number(account_sid, sid)


@rest.get("/v1/Services")
def list_services() -> Response:
    service = resources.service_json(current_simulator().account)
    return jsonify(resources.meta_page("services", [service], service["url"].rpartition("/")[0]))


@rest.get("/v1/Services/<sid>")
def fetch_service(sid: str) -> Response:
    return jsonify(_service(sid))


@rest.get("/v1/Services/<sid>/PhoneNumbers")
def list_service_numbers(sid: str) -> Response:
    url = _service(sid)["links"]["phone_numbers"]
    return jsonify(
        resources.meta_page(
            "phone_numbers", [resources.service_number_json(current_simulator().account)], url
        )
    )


def _service(sid: str) -> dict[str, Any]:
    account = current_simulator().account
    if sid != account.credentials.messaging_service_sid:
        raise RestError(20404, request.path)
    return resources.service_json(account)


def _message(simulator: SimulatorContext, sid: str) -> Message:
    message = simulator.store.get(sid)
    if message is None:
        raise RestError(20404, request.path)
    return message


def _page(name: str, items: list[dict[str, Any]]) -> Response:
    size = min(max(resources.int_param(request.args, "PageSize", PAGE_SIZE), 1), MAX_PAGE_SIZE)
    number = resources.int_param(request.args, "Page", 0)
    shown = items[number * size : (number + 1) * size]
    return jsonify(
        resources.page_json(
            name, shown, path=request.path, query=request.args, number=number, size=size
        )
    )


def _message_conditions() -> list[tuple[str, Any]]:
    conditions: list[tuple[str, Any]] = []
    if to := request.args.get("To"):
        conditions.append(("recipient = ?", to))
    if sender := request.args.get("From"):
        own_number = current_simulator().account.credentials.phone_number
        operator = {own_number: "NOT LIKE", scripted_numbers.PREFIX + own_number: "LIKE"}.get(
            sender, ""
        )  # by a Messaging Service, after it was accepted
        without_sender = (
            f" OR (sender = '' AND recipient {operator} 'whatsapp:%' AND status NOT IN ('accepted',"
            " 'scheduled'))"
            if operator
            else ""
        )
        conditions.append((f"(sender = ?{without_sender})", sender))
    # a message that is not sent yet is found by the time at which it was created
    sent_at = "CAST(coalesce(sent, created) AS INTEGER)"
    if text := request.args.get("DateSent"):
        start = _timestamp_param("DateSent", text)
        conditions += [
            (f"{sent_at} >= ?", start - start % 86_400),
            (f"{sent_at} < ?", start - start % 86_400 + 86_400),
        ]
    for name, comparison in (("DateSent<", "<="), ("DateSent>", ">=")):
        if text := request.args.get(name):
            conditions.append((f"{sent_at} {comparison} ?", _timestamp_param(name, text)))
    return conditions


def _timestamp_param(name: str, text: str) -> int:
    """Return a date (its midnight) or a time as Unix seconds. The default time zone is UTC."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise RestError(20001, name) from None
    return int(parsed.replace(tzinfo=parsed.tzinfo or UTC).timestamp())
