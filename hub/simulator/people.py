"""The doors behind the phones: to write back, to open or close a WhatsApp window, to look at a
file, to decide about a template.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, abort, jsonify, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from hub.simulator import inbound, whatsapp
from hub.simulator.context import bench
from hub.simulator.page import given, guard
from hub.simulator.scripted_numbers import PREFIX

people = Blueprint("people", __name__)
people.before_request(guard)
DECISIONS = {"approve": "approved", "reject": "rejected", "pause": "paused"}
REASON = "The text does not match the category of the template."


@people.post("/simulator/phones/<phone>/reply")
def reply(phone: str) -> BaseResponse:
    """Write back from a phone: `channel` (sms), `text`, `button`, `media`, `external_id`; the phone
    `-` is that of an external id.
    """
    here = bench()
    body = given()
    external = str(body.get("external_id", "")).removeprefix(PREFIX)
    try:
        message = inbound.write(
            inbound.Reply(
                phone=external if phone == "-" else phone,
                channel=str(body.get("channel") or "sms"),
                text=str(body.get("text", "")),
                button=str(body.get("button", "")),
                media=bool(body.get("media")),
                external_id=external,
            ),
            here,
        )
    except ValueError as problem:
        abort(400, str(problem))
    state = {
        "sid": message.sid,
        "from": message.sender,
        "to": message.recipient,
        "url": inbound.address(here),
        "answer": message.answer,
    }
    return _done(state, phone, message.whatsapp)


@people.post("/simulator/phones/<phone>/window")
def window(phone: str) -> BaseResponse:
    """Open the WhatsApp window of a phone as if its person had written `hours_ago` (0) hours ago;
    24 or more close it.
    """
    here = bench()
    person = PREFIX + phone
    try:
        ago = float(given().get("hours_ago") or 0)
    except (TypeError, ValueError):
        abort(400, "Send hours_ago as a number.")
    here.windows.open(whatsapp.sender(here.account), person, ago=ago * 3600)
    return _done({"left": here.windows.left(whatsapp.sender(here.account), person)}, phone, True)


@people.get("/simulator/inbound.json")
def written() -> Response:
    """Tell where messages are posted, and list what people wrote, newest last."""
    here = bench()
    found = here.store.listed([("direction = 'inbound'", None)], -1, oldest_first=True)
    return jsonify(
        url=inbound.address(here),
        messages=[
            {
                "sid": one.sid,
                "from": one.sender,
                "to": one.recipient,
                "body": one.body,
                "media": one.media,
                "answer": one.answer,
            }
            for one in found
        ],
    )


@people.get("/simulator/media/<sid>")
def media(sid: str) -> Response:
    """Show a file to the page's reader: an image as it is, anything else to be saved."""
    found = bench().media.body(sid)
    if found is None:
        abort(404, "This file does not exist.")
    kept, body = found
    kind = kept.type if kept.shown else "application/octet-stream"
    response = Response(body, mimetype=kind)
    response.headers.set(
        "Content-Disposition", "inline" if kept.shown else "attachment", filename=kept.name
    )
    return response


@people.post("/simulator/templates/<sid>")
def decide(sid: str) -> BaseResponse:
    """Let WhatsApp approve, reject or pause a template: `decision`, and for a rejection its
    `reason`.
    """
    templates = bench().templates
    body = given()
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


def _done(state: dict[str, Any], phone: str, on_whatsapp: bool) -> BaseResponse:
    if request.is_json:
        return jsonify(state)
    return redirect(
        url_for("page.phones", phone=phone, channel="whatsapp" if on_whatsapp else "sms"), 303
    )
