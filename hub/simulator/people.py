"""Actions of people on the simulated phones, and decisions about templates."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, abort, jsonify, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from hub.simulator import inbound, whatsapp
from hub.simulator.context import current_simulator
from hub.simulator.page import guard, request_body
from hub.simulator.scripted_numbers import PREFIX

people = Blueprint("people", __name__)
people.before_request(guard)
DECISIONS = {"approve": "approved", "reject": "rejected", "pause": "paused"}
REASON = "The text does not match the category of the template."


@people.post("/simulator/phones/<phone>/reply")
def reply(phone: str) -> BaseResponse:
    """Post a message from a phone: `channel` (default sms), `text`, `button`, `media`,
    `external_id`.

    The phone `-` stands for a person who has only an external ID.
    """
    simulator = current_simulator()
    body = request_body()
    external = str(body.get("external_id", "")).removeprefix(PREFIX)
    try:
        message = inbound.post_reply(
            inbound.Reply(
                phone=external if phone == "-" else phone,
                channel=str(body.get("channel") or "sms"),
                text=str(body.get("text", "")),
                button=str(body.get("button", "")),
                media=bool(body.get("media")),
                external_id=external,
            ),
            simulator,
        )
    except ValueError as error:
        abort(400, str(error))
    result = {
        "sid": message.sid,
        "from": message.sender,
        "to": message.recipient,
        "url": inbound.inbound_address(simulator),
        "answer": message.answer,
    }
    return _done(result, phone, message.whatsapp)


@people.post("/simulator/phones/<phone>/window")
def window(phone: str) -> BaseResponse:
    """Open the WhatsApp window of a phone as of `hours_ago` hours (default 0). 24 or more
    close it.
    """
    simulator = current_simulator()
    person = PREFIX + phone
    try:
        hours_ago = float(request_body().get("hours_ago") or 0)
    except (TypeError, ValueError):
        abort(400, "Send hours_ago as a number.")
    simulator.windows.open(whatsapp.sender(simulator.account), person, ago=hours_ago * 3600)
    return _done(
        {"left": simulator.windows.seconds_left(whatsapp.sender(simulator.account), person)},
        phone,
        True,
    )


@people.get("/simulator/inbound.json")
def list_inbound() -> Response:
    """Return the inbound messages, oldest first, and the address to which they are posted."""
    simulator = current_simulator()
    inbound_messages = simulator.store.list_messages(
        [("direction = 'inbound'", None)], -1, oldest_first=True
    )
    return jsonify(
        url=inbound.inbound_address(simulator),
        messages=[
            {
                "sid": message.sid,
                "from": message.sender,
                "to": message.recipient,
                "body": message.body,
                "media": message.media,
                "answer": message.answer,
            }
            for message in inbound_messages
        ],
    )


@people.get("/simulator/media/<sid>")
def media(sid: str) -> Response:
    """Serve a file. Images are shown in the page, other files are downloaded."""
    stored = current_simulator().media.body(sid)
    if stored is None:
        abort(404, "This file does not exist.")
    file, content = stored
    kind = file.type if file.is_image else "application/octet-stream"
    response = Response(content, mimetype=kind)
    response.headers.set(
        "Content-Disposition", "inline" if file.is_image else "attachment", filename=file.name
    )
    return response


@people.post("/simulator/templates/<sid>")
def decide(sid: str) -> BaseResponse:
    """Approve, reject or pause a template: `decision` and, for a rejection, `reason`."""
    templates = current_simulator().templates
    body = request_body()
    template = templates.get(sid)
    status = DECISIONS.get(str(body.get("decision", "")), "")
    if template is None:
        abort(404, "This template does not exist.")
    if not status:
        abort(400, f"Send a decision: {', '.join(DECISIONS)}.")
    reason = str(body.get("reason") or REASON) if status == "rejected" else ""
    changed = templates.change(
        template, status=status, reason=reason, name=template.name or template.friendly_name
    )
    if request.is_json:
        return jsonify(sid=sid, status=changed.status, rejection_reason=changed.reason)
    return redirect(url_for("page.phones") + "#templates", 303)


def _done(result: dict[str, Any], phone: str, on_whatsapp: bool) -> BaseResponse:
    if request.is_json:
        return jsonify(result)
    return redirect(
        url_for("page.phones", phone=phone, channel="whatsapp" if on_whatsapp else "sms"), 303
    )
