"""The simulator's page of calls: ringing phones, spoken texts and pressed keys."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, abort, jsonify, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from hub.simulator.context import current_simulator
from hub.simulator.file import parse_phone
from hub.simulator.inbound import NUMBER
from hub.simulator.page import STATUS_BADGES, guard, request_body
from hub.simulator.voice.calls import Call
from hub.simulator.voice.scripts import SCRIPTS

view = Blueprint("voice", __name__)
view.before_request(guard)
SHOWN = 30
KEYS = "123456789*0#"
LOOKS = STATUS_BADGES | {
    "queued": ("queued", "clock"),
    "initiated": ("queued", "arrow-up-right-square"),
    "ringing": ("sending", "bell"),
    "in-progress": ("sent", "phone"),
    "completed": ("accepted", "check2"),
    "busy": ("undelivered", "bell-slash"),
    "no-answer": ("undelivered", "bell-slash"),
    "failed": ("failed", "x-octagon-fill"),
    "canceled": ("canceled", "x-lg"),
}


@view.get("/calls")
def page() -> str:
    simulator = current_simulator()
    calls = simulator.calls.all()
    chosen = request.args.get("call", "")
    current = next((call for call in calls if call.sid == chosen), None)
    if current is None:
        current = next((call for call in calls if not call.is_final), calls[0] if calls else None)
    return render_template(
        "simulator/calls.html",
        calls=calls[:SHOWN],
        current=current,
        keys=KEYS,
        looks=LOOKS,
        scripts=SCRIPTS,
        voice_url=simulator.line.voice_url,
        account=simulator.account,
        version=simulator.store.version,
        hub_url=simulator.config.public_url,
    )


@view.get("/simulator/calls.json")
def list_calls() -> Response:
    """List the calls, oldest first. `?to=` selects those with one phone."""
    person = request.args.get("to", "")
    calls = reversed(current_simulator().calls.all())
    return jsonify([_call_json(call) for call in calls if person in ("", call.person)])


@view.post("/simulator/calls/<sid>")
def act(sid: str) -> BaseResponse:
    """Act as the called person: `answer`, `voicemail`, `busy`, `ignore`, `hang_up`, or a `key`."""
    line = current_simulator().line
    body = request_body()
    key = str(body.get("key") or "")
    if current_simulator().calls.get(sid) is None:
        abort(404, "This call does not exist.")
    actions = {
        "answer": lambda: line.answer(sid),
        "voicemail": lambda: line.wait_for_no_key(line.answer(sid).sid),
        "no_key": lambda: line.wait_for_no_key(sid),
        "busy": lambda: line.end(sid, "busy"),
        "ignore": lambda: line.end(sid, "no-answer"),
        "hang_up": lambda: line.end(sid, "completed"),
    }
    action = (lambda: line.press(sid, key)) if key else actions.get(str(body.get("do") or ""))
    if action is None or (key and (len(key) != 1 or key not in KEYS)):
        abort(400, f"Send do as one of {', '.join(actions)}, or one key.")
    try:
        call = action()
    except ValueError as error:
        abort(409, str(error))
    return _done(call)


@view.post("/simulator/phones/<phone>/call")
def call_back(phone: str) -> BaseResponse:
    """Call the account's number from a phone."""
    number = parse_phone(request_body().get("phone", "") or phone)
    if not NUMBER.fullmatch(number):
        abort(400, "Enter a number such as +13175551234.")
    return _done(current_simulator().line.call_back(number))


@view.post("/simulator/calls/clear")
def clear() -> BaseResponse:
    current_simulator().calls.clear()
    return jsonify(calls=0) if request.is_json else redirect(url_for("voice.page"), 303)


def _done(call: Call) -> BaseResponse:
    if request.is_json:
        return jsonify(_call_json(call))
    return redirect(url_for("voice.page", call=call.sid), 303)


def _call_json(call: Call) -> dict[str, Any]:
    return {
        "sid": call.sid,
        "to": call.to,
        "from": call.sender,
        "direction": call.direction,
        "status": call.status,
        "waits_for_key": bool(call.action),
        "lines": [
            {"by": speaker, "language": language, "text": text}
            for speaker, language, text in call.lines
        ],
    }
