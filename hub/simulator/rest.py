"""Twilio's REST API as far as a hub needs it: messages, the account, its number, its Messaging
Service.

https://www.twilio.com/docs/messaging/api/message-resource
"""

from __future__ import annotations

import fnmatch
import re
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, jsonify, request

from hub.simulator import accept, inbound, resources, scripted_numbers
from hub.simulator.context import Bench, bench
from hub.simulator.errors import RestError, request_id
from hub.simulator.store import Message

rest = Blueprint("rest", __name__)
ACCOUNT = "/2010-04-01/Accounts/<account_sid>"
PAGE_SIZE = 50
LARGEST_PAGE = 1000
# the page after, or before, the message of this number
TOKEN = re.compile(r"(PA|PB)([0-9a-f]{1,15})")


@rest.before_request
def admit() -> None:
    """Let in who has the account's credentials, as long as the account and the faults that were
    asked for allow it.
    """
    here = bench()
    given = request.authorization
    if (
        given is None
        or given.type != "basic"
        or not here.account.opens(given.username or "", given.password or "")
    ):
        raise RestError(20003, headers={"WWW-Authenticate": 'Basic realm="Twilio API"'})
    if (request.view_args or {}).get("account_sid", here.account.sid) != here.account.sid:
        raise RestError(20404, request.path)
    if here.faults.refuses():
        raise RestError(20429, headers={"Retry-After": "1"})
    if here.faults.fails():
        raise RestError(20500)
    if here.account.suspended and request.endpoint not in (
        "rest.fetch_account",
        "rest.list_accounts",
    ):
        raise RestError(20403)


@rest.after_request
def mark(response: Response) -> Response:
    response.headers["Twilio-Request-Id"] = request_id()
    return response


# ── messages ──


@rest.post(f"{ACCOUNT}/Messages.json")
def create_message(account_sid: str) -> tuple[Response, int]:
    here = bench()
    if here.faults.hurried():
        raise RestError(20429, headers={"Retry-After": "1"})
    here.pause(here.faults.latency)
    media = [url for url in request.form.getlist("MediaUrl") if url]
    message = accept.message(request.form, media, here)
    habit = scripted_numbers.recipient(message.recipient)
    if habit.stumbles and here.store.stumbles(message.recipient, message.body):
        raise RestError(habit.stumbles, headers={"Retry-After": "1"})
    here.store.add(message)
    for url in media:
        here.media.add(message.sid, url)
    inbound.learn(here, message.callback)
    here.timeline.follow(message)
    if habit.breaks:
        raise RestError(20500)
    here.pause(habit.hangs)
    return jsonify(resources.message(message, here.account)), 201


@rest.get(f"{ACCOUNT}/Messages.json")
def list_messages(account_sid: str) -> Response:
    here = bench()
    number = resources.whole(request.args, "Page", 0)
    size = min(max(resources.whole(request.args, "PageSize", PAGE_SIZE), 1), LARGEST_PAGE)
    where = _filters()
    token = TOKEN.fullmatch(request.args.get("PageToken") or "PA0")
    if token is None:
        raise RestError(20001, "PageToken")
    back = token[1] == "PB"
    mark = int(token[2], 16)
    # pages hang on messages, not on numbers, so that one which comes in between shifts nothing
    if mark:
        where.append(("seq > ?" if back else "seq < ?", mark))
    found = here.store.listed(where, size + 1, 0 if mark else number * size, oldest_first=back)
    more = len(found) > size
    shown = found[:size]
    if back:
        shown.reverse()
    after = bool(shown) and (more or back)
    before = bool(shown) and (more if back else number > 0)
    answer = resources.page(
        "messages",
        [resources.message(message, here.account) for message in shown],
        path=request.path,
        query=request.args,
        number=number,
        size=size,
        following=f"PA{shown[-1].seq:x}" if after else "",
        preceding=f"PB{shown[0].seq:x}" if before else "",
    )
    return jsonify(answer)


@rest.get(f"{ACCOUNT}/Messages/<sid>.json")
def fetch_message(account_sid: str, sid: str) -> Response:
    here = bench()
    return jsonify(resources.message(_message(here, sid), here.account))


@rest.post(f"{ACCOUNT}/Messages/<sid>.json")
def update_message(account_sid: str, sid: str) -> Response:
    """Redact (`Body=`) or cancel (`Status=canceled`) a message."""
    here = bench()
    message = _message(here, sid)
    if "Body" in request.form and "Status" in request.form:
        raise RestError(30400)
    if "Body" in request.form:
        if request.form["Body"]:
            raise RestError(20001, "Body")
        if not message.settled:
            raise RestError(20009, sid)
        here.store.change(sid, redacted=1)
    elif request.form.get("Status") == "canceled":
        if not here.store.cancel(sid):
            raise RestError(30409, sid)
    elif "Status" in request.form:
        raise RestError(20001, "Status")
    return fetch_message(account_sid, sid)


@rest.delete(f"{ACCOUNT}/Messages/<sid>.json")
def delete_message(account_sid: str, sid: str) -> tuple[str, int]:
    here = bench()
    if not _message(here, sid).settled:
        raise RestError(20009, sid)
    here.store.change(sid, deleted=1)
    return "", 204


@rest.get(f"{ACCOUNT}/Messages/<sid>/Media.json")
def list_media(account_sid: str, sid: str) -> Response:
    """List the files that were fetched, or came with an inbound message."""
    here = bench()
    _message(here, sid)
    return _page(
        "media_list", [resources.media(one, here.account) for one in here.media.of(sid) if one.size]
    )


@rest.get(f"{ACCOUNT}/Messages/<sid>/Media/<media_sid>")
def fetch_media(account_sid: str, sid: str, media_sid: str) -> Response:
    """Serve a file; with `.json` at the end, describe it."""
    here = bench()
    found = here.media.body(media_sid.removesuffix(".json"), sid)
    if found is None:
        raise RestError(20404, request.path)
    kept, body = found
    if media_sid.endswith(".json"):
        return jsonify(resources.media(kept, here.account))
    answer = Response(body, content_type=kept.type)
    answer.headers.set("Content-Disposition", "inline", filename=kept.name)
    return answer


# ── account, number, service ──


@rest.get("/2010-04-01/Accounts.json")
def list_accounts() -> Response:
    return _page("accounts", [resources.account(bench().account)])


@rest.get(f"{ACCOUNT}.json")
def fetch_account(account_sid: str) -> Response:
    return jsonify(resources.account(bench().account))


@rest.get(f"{ACCOUNT}/Balance.json")
def fetch_balance(account_sid: str) -> Response:
    return jsonify(resources.balance(bench().account))


@rest.get(f"{ACCOUNT}/IncomingPhoneNumbers.json")
def list_numbers(account_sid: str) -> Response:
    """List the account's number, if it fits `PhoneNumber`: digits anywhere in it, `*` for any."""
    account = bench().account
    wanted = request.args.get("PhoneNumber", "")
    fits = fnmatch.fnmatchcase(account.credentials.phone_number, f"*{wanted}*")
    return _page("incoming_phone_numbers", [resources.number(account)] if fits else [])


@rest.get(f"{ACCOUNT}/IncomingPhoneNumbers/<sid>.json")
def fetch_number(account_sid: str, sid: str) -> Response:
    account = bench().account
    if sid != account.number_sid:
        raise RestError(20404, request.path)
    return jsonify(resources.number(account))


@rest.post(f"{ACCOUNT}/IncomingPhoneNumbers/<sid>.json")
def update_number(account_sid: str, sid: str) -> Response:
    """Set where inbound messages are posted: `SmsUrl`, '' for where the simulator thinks best."""
    account = bench().account
    url = request.form.get("SmsUrl")
    if sid == account.number_sid and url is not None:
        if url and not accept.is_url(url):
            raise RestError(21502, url)
        account.take_messages_at(url)
    return fetch_number(account_sid, sid)


@rest.get("/v1/Services")
def list_services() -> Response:
    service = resources.service(bench().account)
    return jsonify(resources.meta_page("services", [service], service["url"].rpartition("/")[0]))


@rest.get("/v1/Services/<sid>")
def fetch_service(sid: str) -> Response:
    return jsonify(_service(sid))


@rest.get("/v1/Services/<sid>/PhoneNumbers")
def list_service_numbers(sid: str) -> Response:
    url = _service(sid)["links"]["phone_numbers"]
    return jsonify(
        resources.meta_page("phone_numbers", [resources.service_number(bench().account)], url)
    )


def _service(sid: str) -> dict[str, Any]:
    account = bench().account
    if sid != account.credentials.messaging_service_sid:
        raise RestError(20404, request.path)
    return resources.service(account)


def _message(here: Bench, sid: str) -> Message:
    message = here.store.get(sid)
    if message is None:
        raise RestError(20404, request.path)
    return message


def _page(name: str, items: list[dict[str, Any]]) -> Response:
    size = min(max(resources.whole(request.args, "PageSize", PAGE_SIZE), 1), LARGEST_PAGE)
    number = resources.whole(request.args, "Page", 0)
    shown = items[number * size : (number + 1) * size]
    return jsonify(
        resources.page(name, shown, path=request.path, query=request.args, number=number, size=size)
    )


def _filters() -> list[tuple[str, Any]]:
    where: list[tuple[str, Any]] = []
    if to := request.args.get("To"):
        where.append(("recipient = ?", to))
    if sender := request.args.get("From"):
        ours = bench().account.credentials.phone_number
        chosen = {ours: "NOT LIKE", scripted_numbers.PREFIX + ours: "LIKE"}.get(
            sender, ""
        )  # by a Messaging Service, after it was accepted
        left = (
            f" OR (sender = '' AND recipient {chosen} 'whatsapp:%' AND status NOT IN ('accepted',"
            " 'scheduled'))"
            if chosen
            else ""
        )
        where.append((f"(sender = ?{left})", sender))
    # a message that waits to be sent counts by the time it was taken, else nobody could find it by
    # date
    day = "CAST(coalesce(sent, created) AS INTEGER)"
    if text := request.args.get("DateSent"):
        start = _moment("DateSent", text)
        where += [
            (f"{day} >= ?", start - start % 86_400),
            (f"{day} < ?", start - start % 86_400 + 86_400),
        ]
    for name, comparison in (("DateSent<", "<="), ("DateSent>", ">=")):
        if text := request.args.get(name):
            where.append((f"{day} {comparison} ?", _moment(name, text)))
    return where


def _moment(name: str, text: str) -> int:
    """Read a date (its midnight) or a time, UTC unless it says otherwise."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise RestError(20001, name) from None
    return int(when.replace(tzinfo=when.tzinfo or UTC).timestamp())
