"""The simulator's page: phones, scripted numbers, the account and the faults."""

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

from hub.lib import localized
from hub.simulator import account, inbound, scripted_numbers, whatsapp
from hub.simulator.context import LIMITS, SimulatorContext, current_simulator
from hub.simulator.file import parse_phone
from hub.simulator.store import Message

page = Blueprint("page", __name__)
LINK = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:!?)\]]")
MAX_MESSAGES = 60  # shown on one phone
MAX_PHONES = 24  # to choose from
STATUS_BADGES = {  # status → hue and icon on the page
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
WHATSAPP_LOOKS = STATUS_BADGES | {
    "sent": ("sent", "check2"),
    "delivered": ("delivered", "check2-all"),
    "read": ("read", "check2-all"),
}  # on WhatsApp
APPROVAL_BADGES = {  # status of a template → hue and icon
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
    ("voice.page", "Calls"),
    ("person.page", "Person"),
    ("slack.page", "Slack"),
    ("telegram.page", "Telegram"),
    ("teams.page", "Teams"),
    ("mail.page", "Mail"),
    ("apprise.page", "Apprise"),
    ("receiver.page", "Webhooks"),
    ("signing_apps.pactsafe_page", "PactSafe"),
    ("signing_apps.documenso_page", "Documenso"),
)
# posting an inbound message failed
FAILURE_TEXTS = {"ct": "no connection", "rt": "no response", "elsewhere": "not on this machine"}


@page.before_request
def guard() -> None:
    """Refuse changes that a page of another site requests. Programs send neither header."""
    if request.method not in ("GET", "HEAD", "OPTIONS"):
        origin = request.headers.get("Origin")
        is_foreign = origin is not None and urlsplit(origin).netloc != request.host
        if is_foreign or request.headers.get("Sec-Fetch-Site", "none") not in (
            "none",
            "same-origin",
        ):
            abort(403, "This request comes from another site. Use the simulator's own page.")


@page.get("/")
def phones() -> str:
    simulator = current_simulator()
    numbers = simulator.store.phones()
    number = parse_phone(request.args.get("phone", ""))
    if number not in dict(numbers) and not inbound.is_phone(number):
        number = numbers[0][0] if numbers else ""
    channel = _channel(simulator, number)
    address = scripted_numbers.PREFIX + number if channel == "whatsapp" else number
    chat = simulator.store.chat(address, MAX_MESSAGES) if number else []
    return render_template(
        "simulator/phones.html",
        phones=numbers[:MAX_PHONES],
        more=max(len(numbers) - MAX_PHONES, 0),
        number=number,
        messages=chat,
        channel=channel,
        looks=STATUS_BADGES,
        ticks=WHATSAPP_LOOKS,
        answers=FAILURE_TEXTS,
        media={
            message.sid: simulator.media.for_message(message.sid)
            for message in chat
            if message.media
        },
        window=simulator.windows.seconds_left(
            whatsapp.sender(simulator.account), scripted_numbers.PREFIX + number
        ),
        recipients=scripted_numbers.RECIPIENTS,
        on_whatsapp=scripted_numbers.WHATSAPP,
        senders=scripted_numbers.SENDERS,
        command=_send_command(simulator),
        templates=simulator.templates.all(),
        approvals=APPROVAL_BADGES,
        inbound_url=inbound.inbound_address(simulator),
        account=simulator.account,
        types=account.TYPES,
        statuses=account.STATUSES,
        signings=account.SIGNINGS,
        faults=simulator.faults,
        limits=LIMITS,
        hub_url=simulator.config.public_url,
        version=simulator.store.version,
        now=time.time(),
    )


@page.get("/simulator/version")
def version() -> Response:
    """Return a number that rises with every change, so that the page knows when to reload."""
    return jsonify(version=current_simulator().store.version)


@page.get("/simulator/messages.json")
def messages() -> Response:
    """List the messages on the phones, oldest first. `?to=` selects one phone."""
    return jsonify(
        [
            _message_json(message)
            for message in current_simulator().store.on_phone(request.args.get("to", ""))
        ]
    )


@page.post("/simulator/empty")
def empty() -> BaseResponse:
    current_simulator().store.hide_all()
    return _done({"messages": 0})


@page.post("/simulator/account")
def switch_account() -> BaseResponse:
    """Change the account's `type`, `status`, `signing` or `dialect`.

    `rotate` replaces the Auth Token, `secondary` creates a second one, and `promote` makes that the
    only one.
    """
    account_state = current_simulator().account
    body = request_body()
    try:
        account_state.switch(**{name: body.get(name) for name in account.CHOICES})
        for name, action in (
            ("rotate", account_state.rotate_token),
            ("secondary", account_state.create_secondary),
            ("promote", account_state.promote_secondary),
        ):
            if body.get(name):
                action()
    except ValueError as error:
        abort(400, str(error))
    return _done(
        {
            **{name: getattr(account_state, name) for name in account.CHOICES},
            "auth_token": account_state.credentials.auth_token,
            "secondary": account_state.secondary,
            "shared_key_id": account_state.shared_key.shared_id,
            "shared_key": account_state.shared_key.secret,
        }
    )


@page.post("/simulator/faults")
def set_faults() -> BaseResponse:
    """Set faults of the simulated APIs.

    The next `refuse` requests return 429 and the next `fail` return 500. At most
    `per_second` messages are accepted, each after `latency_ms` milliseconds.
    """
    faults = current_simulator().faults
    body = request_body()
    try:
        faults.set(**{name: int(body[name] or 0) for name in LIMITS if name in body})
    except (TypeError, ValueError):
        ranges = ", ".join(f"{name} from 0 to {maximum}" for name, maximum in LIMITS.items())
        abort(400, f"Enter whole numbers: {ranges}.")
    state = {name: getattr(faults, name) for name in LIMITS}
    view = body.get("view")
    return redirect(url_for(view), 303) if view in dict(VIEWS) else _done(state)


@page.app_context_processor
def views() -> dict[str, Any]:
    return {"views": VIEWS}


def request_body() -> dict[str, Any]:
    """Return the fields of a JSON object or a form."""
    body = request.get_json() if request.is_json else request.form.to_dict()
    if not isinstance(body, dict):
        abort(400, "Send a JSON object or a form.")
    return body


def _done(state: dict[str, Any]) -> BaseResponse:
    return jsonify(state) if request.is_json else redirect(url_for("page.phones"), 303)


def _channel(simulator: SimulatorContext, number: str) -> str:
    """Return the requested channel, or that of the phone's newest message."""
    requested = request.args.get("channel", "")
    if requested in inbound.CHANNELS:
        return requested
    newest = {
        "sms": simulator.store.chat(number, 1),
        "whatsapp": simulator.store.chat(scripted_numbers.PREFIX + number, 1),
    }
    return max(newest, key=lambda channel: newest[channel][0].seq if newest[channel] else 0)


def _message_json(message: Message) -> dict[str, Any]:
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


def _send_command(simulator: SimulatorContext) -> str:
    """Return a curl command that sends a message through the hub.

    It reads the API key from its file, by a path relative to the working directory if possible.
    """
    key_file = simulator.config.data_dir / "demo-key"
    path = key_file.relative_to(os.getcwd()) if key_file.is_relative_to(os.getcwd()) else key_file
    return (
        f"curl -s {simulator.config.public_url}/api/v1/messages \\\n"
        f'  -H "Authorization: Bearer $(cat {shlex.quote(str(path))})" -H "Content-Type:'
        ' application/json" \\\n'
        '  -d \'{"channel": "sms", "to": "+15005550011", "text": "Hello"}\''
    )


@page.app_template_filter()
def format_number(number: str) -> str:
    """Format a phone number with spaces."""
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return number
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL).replace(
        "-", " "
    )


@page.app_template_filter()
def link_urls(text: str) -> Markup:
    """Turn the URLs in a message into links."""
    position = 0
    parts = []
    for match in LINK.finditer(text):
        parts += [
            escape(text[position : match.start()]),
            Markup('<a href="{0}" rel="noreferrer">{0}</a>').format(match[0]),
        ]
        position = match.end()
    return Markup("").join([*parts, escape(text[position:])])


@page.app_template_filter()
def format_duration(seconds: float) -> str:
    """Format a duration: `23 h 58 min`."""
    minutes = int(seconds // 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{max(minutes, 1)} min"


@page.app_template_filter()
def buttons(message: Message) -> list[dict[str, str]]:
    """Return the buttons below a message."""
    message_buttons: list[dict[str, str]] = json.loads(message.buttons or "[]")
    return message_buttons


@page.app_template_filter()
def format_time(timestamp: float) -> str:
    return _local_time(timestamp).strftime("%H:%M")


@page.app_template_filter()
def format_datetime(timestamp: float) -> str:
    local_time = _local_time(timestamp)
    return f"{localized.format_datetime(local_time, 'MMMM d, y, HH:mm:ss')} {local_time:%Z}"


@page.app_template_filter()
def format_iso(timestamp: float) -> str:
    return _local_time(timestamp).isoformat(timespec="seconds")


@page.app_template_filter()
def format_day(timestamp: float) -> str:
    """Format a day: Today, Yesterday or November 21, 2026."""
    date = _local_time(timestamp).date()
    days_ago = (_local_time(time.time()).date() - date).days
    return {0: "Today", 1: "Yesterday"}.get(days_ago) or localized.format_date(date, "MMMM d, y")


def _local_time(timestamp: float) -> datetime:
    """Return a time in the time zone of this machine, where the page is read."""
    return datetime.fromtimestamp(timestamp).astimezone()
