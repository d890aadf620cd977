"""The simulator's page: the phones, the numbers that misbehave, the account and its switches."""

from __future__ import annotations

import json
import os
import re
import shlex
import time
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import phonenumbers
from flask import Blueprint, Response, abort, jsonify, redirect, render_template, request, url_for
from markupsafe import Markup, escape
from werkzeug.wrappers import Response as BaseResponse

from hub.simulator import account, inbound, scripted_numbers, whatsapp
from hub.simulator.context import LIMITS, Bench, bench
from hub.simulator.file import phone_of
from hub.simulator.store import Message

page = Blueprint("page", __name__)
LINK = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:!?)\]]")
NEWEST = 60
CHIPS = 24  # messages shown on one phone, and phones to choose from
LOOKS = {  # a status → its hue and icon on the page
    "accepted": ("accepted", "check2"),
    "scheduled": ("queued", "clock"),
    "queued": ("queued", "clock"),
    "sent": ("sent", "send"),
    "delivered": ("delivered", "check-circle-fill"),
    "read": ("read", "eye-fill"),
    "received": ("accepted", "check2"),
    "undelivered": ("undelivered", "arrow-return-left"),
    "failed": ("failed", "x-octagon-fill"),
    "canceled": ("canceled", "x-lg"),
    "unknown": ("unknown", "question-diamond-fill"),
    "suppressed": ("suppressed", "slash-circle"),
}
TICKS = LOOKS | {
    "sent": ("sent", "check2"),
    "delivered": ("delivered", "check2-all"),
    "read": ("read", "check2-all"),
}  # on WhatsApp
APPROVALS = {  # the state of a template → its hue and icon
    "unsubmitted": ("canceled", "dash-circle"),
    "received": ("queued", "clock"),
    "pending": ("queued", "clock"),
    "approved": ("delivered", "check-circle-fill"),
    "rejected": ("failed", "x-octagon-fill"),
    "paused": ("unknown", "pause-circle-fill"),
    "disabled": ("failed", "slash-circle"),
}
VIEWS = (  # endpoints and titles of the pages
    ("page.phones", "Phones"),
    ("slack.page", "Slack"),
    ("telegram.page", "Telegram"),
    ("teams.page", "Teams"),
)
# to what a person wrote
ANSWERS = {"ct": "no connection", "rt": "no response", "elsewhere": "not on this machine"}


@page.before_request
def guard() -> None:
    """Refuse changes that another site's page asks for; programs send neither header."""
    if request.method not in ("GET", "HEAD", "OPTIONS"):
        origin = request.headers.get("Origin")
        strange = origin is not None and urlsplit(origin).netloc != request.host
        if strange or request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            abort(403, "This request comes from another site. Use the simulator's own page.")


@page.get("/")
def phones() -> str:
    here = bench()
    numbers = here.store.phones()
    number = phone_of(request.args.get("phone", ""))
    if number not in dict(numbers) and not inbound.is_phone(number):
        number = numbers[0][0] if numbers else ""
    channel = _channel(here, number)
    address = scripted_numbers.PREFIX + number if channel == "whatsapp" else number
    chat = here.store.chat(address, NEWEST) if number else []
    return render_template(
        "simulator/phones.html",
        phones=numbers[:CHIPS],
        more=max(len(numbers) - CHIPS, 0),
        number=number,
        messages=chat,
        channel=channel,
        looks=LOOKS,
        ticks=TICKS,
        answers=ANSWERS,
        media={message.sid: here.media.of(message.sid) for message in chat if message.media},
        window=here.windows.left(whatsapp.sender(here.account), scripted_numbers.PREFIX + number),
        recipients=scripted_numbers.RECIPIENTS,
        on_whatsapp=scripted_numbers.WHATSAPP,
        senders=scripted_numbers.SENDERS,
        command=_command(here),
        templates=here.templates.all(),
        approvals=APPROVALS,
        inbound_url=inbound.address(here),
        account=here.account,
        types=account.TYPES,
        statuses=account.STATUSES,
        signings=account.SIGNINGS,
        faults=here.faults,
        limits=LIMITS,
        hub_url=here.config.public_url,
        version=here.store.version,
        now=time.time(),
    )


@page.get("/simulator/version")
def version() -> Response:
    """Tell whether the page is up to date."""
    return jsonify(version=bench().store.version)


@page.get("/simulator/messages.json")
def messages() -> Response:
    """List what was received and not emptied since, newest last; `?to=` narrows it to one phone."""
    return jsonify(
        [_summary(message) for message in bench().store.on_phone(request.args.get("to", ""))]
    )


@page.post("/simulator/empty")
def empty() -> BaseResponse:
    bench().store.wipe()
    return _done({"messages": 0})


@page.post("/simulator/account")
def switch_account() -> BaseResponse:
    """Change the account's `type` or `status`, or how its callbacks are signed: `signing`,
    `dialect`.

    `rotate` replaces the Auth Token at once; `secondary` makes a second one, and `promote` lets
    that take its place.
    """
    here = bench().account
    asked = given()
    try:
        here.switch(**{name: asked.get(name) for name in account.WORDS})
        for name, do in (
            ("rotate", here.rotate),
            ("secondary", here.make_secondary),
            ("promote", here.promote),
        ):
            if asked.get(name):
                do()
    except ValueError as problem:
        abort(400, str(problem))
    return _done(
        {
            **{name: getattr(here, name) for name in account.WORDS},
            "auth_token": here.credentials.auth_token,
            "secondary": here.secondary,
            "shared_key_id": here.shared_key.shared_id,
            "shared_key": here.shared_key.secret,
        }
    )


@page.post("/simulator/faults")
def ask_for_faults() -> BaseResponse:
    """Answer the next `refuse` requests with 429, the next `fail` with 500; take `per_second`
    messages, each in `latency_ms`.
    """
    faults = bench().faults
    asked = given()
    try:
        faults.ask(**{name: int(asked[name] or 0) for name in LIMITS if name in asked})
    except (TypeError, ValueError):
        ranges = ", ".join(f"{name} from 0 to {most}" for name, most in LIMITS.items())
        abort(400, f"Enter whole numbers: {ranges}.")
    state = {name: getattr(faults, name) for name in LIMITS}
    view = asked.get("view")
    return redirect(url_for(view), 303) if view in dict(VIEWS) else _done(state)


@page.app_context_processor
def views() -> dict[str, Any]:
    return {"views": VIEWS}


def given() -> dict[str, Any]:
    """Read what a program sends as JSON, or a form."""
    body = request.get_json() if request.is_json else request.form.to_dict()
    if not isinstance(body, dict):
        abort(400, "Send a JSON object or a form.")
    return body


def _done(state: dict[str, Any]) -> BaseResponse:
    return jsonify(state) if request.is_json else redirect(url_for("page.phones"), 303)


def _channel(here: Bench, number: str) -> str:
    """Return the channel asked for, else that of the phone's newest message."""
    asked = request.args.get("channel", "")
    if asked in inbound.CHANNELS:
        return asked
    newest = {
        "sms": here.store.chat(number, 1),
        "whatsapp": here.store.chat(scripted_numbers.PREFIX + number, 1),
    }
    return max(newest, key=lambda channel: newest[channel][0].seq if newest[channel] else 0)


def _summary(message: Message) -> dict[str, Any]:
    return {
        "sid": message.sid,
        "to": message.recipient,
        "from": message.sender or None,
        "messaging_service_sid": message.service or None,
        "body": message.body,
        "status": message.status,
        "error_code": message.error or None,
        "segments": message.segments,
        "created": datetime.fromtimestamp(message.created).astimezone().isoformat(),
        "status_callback": message.callback or None,
    }


def _command(here: Bench) -> str:
    """Write the curl that sends a message through the hub, with the key's file as it is seen from
    here.
    """
    key = here.config.data_dir / "demo-key"
    near = key.relative_to(os.getcwd()) if key.is_relative_to(os.getcwd()) else key
    return (
        f"curl -s {here.config.public_url}/api/v1/messages \\\n"
        f'  -H "Authorization: Bearer $(cat {shlex.quote(str(near))})" -H "Content-Type:'
        ' application/json" \\\n'
        '  -d \'{"channel": "sms", "to": "+15005550011", "text": "Hello"}\''
    )


@page.app_template_filter()
def spaced(number: str) -> str:
    """Write a number the way people read it."""
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return number
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL).replace(
        "-", " "
    )


@page.app_template_filter()
def linked(text: str) -> Markup:
    """Make the web addresses of a text clickable."""
    done = 0
    parts = []
    for match in LINK.finditer(text):
        parts += [
            escape(text[done : match.start()]),
            Markup('<a href="{0}" rel="noreferrer">{0}</a>').format(match[0]),
        ]
        done = match.end()
    return Markup("").join([*parts, escape(text[done:])])


@page.app_template_filter()
def span(seconds: float) -> str:
    """Write a length of time: 23 h 58 min."""
    minutes = int(seconds // 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{max(minutes, 1)} min"


@page.app_template_filter()
def buttons(message: Message) -> list[dict[str, str]]:
    """List what may be pressed under a message."""
    found: list[dict[str, str]] = json.loads(message.buttons or "[]")
    return found


@page.app_template_filter()
def clock(when: float) -> str:
    return _local(when).strftime("%H:%M")


@page.app_template_filter()
def exact(when: float) -> str:
    return _local(when).strftime("%-d %B %Y, %H:%M:%S %Z")


@page.app_template_filter()
def machine(when: float) -> str:
    return _local(when).isoformat(timespec="seconds")


@page.app_template_filter()
def day(when: float) -> str:
    """Name the day: Today, Yesterday, 21 November."""
    then = _local(when).date()
    return {0: "Today", 1: "Yesterday"}.get(
        (_local(time.time()).date() - then).days, f"{then:%B} {then.day}, {then:%Y}"
    )


def _local(when: float) -> datetime:
    """Return the machine's time zone: the page is read on the machine it runs on."""
    return datetime.fromtimestamp(when).astimezone()
