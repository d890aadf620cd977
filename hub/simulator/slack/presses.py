"""A button is pressed: the `block_actions` payload, signed as Slack signs it, posted to the app's
request URL.

https://docs.slack.dev/interactivity/handling-user-interaction
https://docs.slack.dev/authentication/verifying-requests-from-slack
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from hub.simulator import posting
from hub.simulator.context import Bench
from hub.simulator.posts import Post
from hub.simulator.sample_people import PEOPLE
from hub.simulator.slack import blocks
from hub.simulator.slack.webhooks import RESPONSES
from hub.simulator.slack.workspace import Channel, Person

PATIENCE = 3.0  # seconds in which the app has to answer
KEPT = 5000  # response addresses


@dataclass(frozen=True)
class Pressed:
    """A button press and its result."""

    button: dict[str, Any]
    who: str
    url: str
    response_url: str
    answer: posting.Answer


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """Sign a raw body, as of a time in Unix seconds."""
    made = hmac.new(secret.encode(), f"v0:{timestamp}:".encode() + body, hashlib.sha256)
    return "v0=" + made.hexdigest()


def press(
    here: Bench, ts: str, wanted: dict[str, str], who: str = "", channel: str = ""
) -> Pressed:
    """Press a button of a message and return what the hub answered.

    `wanted` names the button by `action_id` and `block_id`, or as `button` by its text, value or
    action id. A button that an edit took away can still be pressed, by somebody whose screen shows
    the message as it was. Raises ValueError when there is no such message or button.
    """
    post = here.slack_messages.get(channel, ts) if channel else here.slack_messages.find(ts)
    if post is None:
        raise ValueError(f"Message {ts} does not exist.")
    button = _button(post, wanted)
    place = here.slack.find(post.place) or Channel(post.place, post.place.lower())
    person = here.slack.named(who or PEOPLE[0])
    response_url = _response_url(here, post, person)
    payload = _payload(here, post, place, person, button) | {"response_url": response_url}
    body = urlencode({"payload": json.dumps(payload)}).encode()
    now = str(int(time.time()))
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
        "X-Slack-Request-Timestamp": now,
        "X-Slack-Signature": sign(here.slack.signing_secret, now, body),
    }
    url = here.slack.request_url
    answer = posting.post(url, body, headers, patience=PATIENCE)
    note = {
        "who": person["name"],
        "button": button["text"]["text"],
        "answer": answer.words,
        "at": time.time(),
    }
    here.slack_messages.pressed(post, note)
    return Pressed(button, person["name"], url, response_url, answer)


def _button(post: Post, wanted: dict[str, str]) -> dict[str, Any]:
    shown = [post.body["blocks"], *(former["blocks"] for former in reversed(post.body["history"]))]
    for button in (one for version in shown for one in blocks.buttons(version)):
        named = (button["text"]["text"], button.get("value"), button["action_id"])
        if all(
            button.get(key) == wanted[key] for key in ("action_id", "block_id") if wanted.get(key)
        ) and (not wanted.get("button") or wanted["button"] in named):
            return button
    raise ValueError(f"Message {post.name} does not have this button.")


def _response_url(here: Bench, post: Post, person: Person) -> str:
    number = str(here.shelf.number("slack response", 4_000_000_000_000))
    secret = secrets.token_urlsafe(18)
    record = {
        "secret": secret,
        "channel": post.place,
        "ts": post.name,
        "who": person["name"],
        "uses": 0,
        "made": time.time(),
    }
    here.shelf.put(RESPONSES, number, record)
    here.shelf.keep_newest(RESPONSES, KEPT)
    # Slack's own begins with https://hooks.slack.com, where nobody would hear of it here
    return f"{here.config.simulator_url}/actions/{here.slack.team}/{number}/{secret}"


def _payload(
    here: Bench, post: Post, place: Channel, person: Person, button: dict[str, Any]
) -> dict[str, Any]:
    ours = here.slack
    container = {
        "type": "message",
        "message_ts": post.name,
        "channel_id": place.id,
        "is_ephemeral": bool(post.body["ephemeral"]),
    }
    action = {
        name: value
        for name, value in button.items()
        if name in ("action_id", "block_id", "text", "value", "url", "style", "type")
    }
    return {
        "type": "block_actions",
        "user": {
            "id": person["id"],
            "username": person["username"],
            "name": person["username"],
            "team_id": ours.team,
        },
        "api_app_id": ours.app,
        "token": ours.verification_token,
        "container": container | ({"thread_ts": post.thread} if post.thread else {}),
        "trigger_id": (
            f"{time.time_ns() // 1_000_000}.{secrets.randbelow(10**12)}.{secrets.token_hex(16)}"
        ),
        "team": {"id": ours.team, "domain": ours.domain},
        "enterprise": None,
        "is_enterprise_install": False,
        "channel": {"id": place.id, "name": "directmessage" if place.direct else place.name},
        "message": here.slack_messages.shown(post),
        "state": {"values": {}},
        "actions": [action | {"action_ts": f"{time.time():.6f}"}],
    }
