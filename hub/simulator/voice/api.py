"""Routes of Twilio's REST API for calls.

https://www.twilio.com/docs/voice/api/call-resource
"""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, request

from hub.simulator import resources
from hub.simulator.context import SimulatorContext, current_simulator
from hub.simulator.errors import RestError
from hub.simulator.message_creation import E164, is_url
from hub.simulator.rest import ACCOUNT, MAX_PAGE_SIZE, PAGE_SIZE, rest
from hub.simulator.voice.calls import Call, current_time, new_sid
from hub.simulator.voice.scripts import find_script

routes = rest  # the blueprint of the API, with the routes of calls
MAX_TWIML = 4000  # characters
PRICE = "-0.01400"
CALL_SENDERS = {"+15005550001": 21212}


@rest.post(f"{ACCOUNT}/Calls.json")
def create_call(account_sid: str) -> tuple[Response, int]:
    simulator = current_simulator()
    simulator.pause(simulator.faults.latency)
    call = _new_call(simulator)
    script = find_script(call.to)
    if script is not None and script.refuses:
        raise RestError(script.refuses, call.to)
    simulator.calls.add(call)
    simulator.line.ring(call)
    if script is not None and script.breaks:
        raise RestError(20500)
    return jsonify(call_json(call, simulator)), 201


def _new_call(simulator: SimulatorContext) -> Call:
    form = request.form
    to, sender, twiml = (form.get(name, "") for name in ("To", "From", "Twiml"))
    number = simulator.account.credentials.phone_number
    if not to:
        raise RestError(21201)
    if sender != number:
        raise RestError(CALL_SENDERS.get(sender, 21210), sender)
    if not E164.fullmatch(to):
        raise RestError(21211, to)
    if to == sender:
        raise RestError(21266, to)
    if not twiml and not form.get("Url"):
        raise RestError(21205)
    if len(twiml) > MAX_TWIML:
        raise RestError(20001, "Twiml")
    callback = form.get("StatusCallback", "")
    if callback and not is_url(callback):
        raise RestError(21609, callback)
    timeout = form.get("Timeout", "60")
    if not (timeout.isdecimal() and 1 <= int(timeout) <= 600):
        raise RestError(20001, "Timeout")
    return Call(
        sid=new_sid(),
        to=to,
        sender=sender,
        callback=callback,
        events=form.getlist("StatusCallbackEvent") or ["completed"],
        twiml=twiml,
        timeout=int(timeout),
        created=current_time(),
    )


@rest.get(f"{ACCOUNT}/Calls.json")
def list_calls(account_sid: str) -> Response:
    simulator = current_simulator()
    wanted = {name: request.args.get(name) for name in ("To", "From", "Status")}
    found = [
        call
        for call in simulator.calls.all()
        if all(
            value is None or value == have
            for value, have in zip(
                wanted.values(), (call.to, call.sender, call.status), strict=True
            )
        )
    ]
    size = min(max(resources.int_param(request.args, "PageSize", PAGE_SIZE), 1), MAX_PAGE_SIZE)
    number = resources.int_param(request.args, "Page", 0)
    shown = found[number * size : (number + 1) * size]
    return jsonify(
        resources.page_json(
            "calls",
            [call_json(call, simulator) for call in shown],
            path=request.path,
            query=request.args,
            number=number,
            size=size,
            following="PA1" if len(found) > (number + 1) * size else "",
        )
    )


@rest.get(f"{ACCOUNT}/Calls/<sid>.json")
def fetch_call(account_sid: str, sid: str) -> Response:
    simulator = current_simulator()
    return jsonify(call_json(_call(simulator, sid), simulator))


@rest.post(f"{ACCOUNT}/Calls/<sid>.json")
def update_call(account_sid: str, sid: str) -> Response:
    """Cancel a call that is not answered yet, or end one that is."""
    simulator = current_simulator()
    call = _call(simulator, sid)
    status = request.form.get("Status", "")
    if status not in ("canceled", "completed"):
        raise RestError(20001, "Status")
    if call.is_final or (status == "canceled" and not call.rings):
        raise RestError(21220, sid)
    if call.rings:
        simulator.line.cancel(sid)
    else:
        simulator.line.end(sid, status)
    return fetch_call(account_sid, sid)


def call_json(call: Call, simulator: SimulatorContext) -> dict[str, Any]:
    """Return a call as the API shows it."""
    account = simulator.account
    is_charged = call.status == "completed"
    updated = call.ended or call.answered or call.created
    return {
        "account_sid": account.sid,
        "answered_by": None,
        "api_version": "2010-04-01",
        "caller_name": None,
        "date_created": resources.rfc2822(call.created),
        "date_updated": resources.rfc2822(updated),
        "direction": call.direction,
        "duration": str(call.duration) if is_charged else None,
        "end_time": resources.rfc2822(call.ended) if call.ended else None,
        "from": call.sender,
        "parent_call_sid": None,
        "phone_number_sid": account.number_sid,
        "price": PRICE if is_charged else None,
        "price_unit": "USD",
        "queue_time": "0",
        "sid": call.sid,
        "start_time": resources.rfc2822(call.answered) if call.answered else None,
        # the API has no status for a call that was started and does not ring yet
        "status": "queued" if call.status == "initiated" else call.status,
        "to": call.to,
        "uri": f"{resources.API}/Accounts/{account.sid}/Calls/{call.sid}.json",
    }


def _call(simulator: SimulatorContext, sid: str) -> Call:
    call = simulator.calls.get(sid)
    if call is None:
        raise RestError(20404, request.path)
    return call
