"""Post a button action to the app's request URL as a signed `block_actions` payload.

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
from hub.simulator.context import SimulatorContext
from hub.simulator.posts import Post
from hub.simulator.sample_people import PEOPLE
from hub.simulator.slack import blocks
from hub.simulator.slack.webhooks import RESPONSES
from hub.simulator.slack.workspace import Channel, Person

TIMEOUT = 3.0  # seconds, Slack's limit
MAX_RESPONSE_URLS = 5000


@dataclass(frozen=True)
class ButtonAction:
    """A button press and its result."""

    button: dict[str, Any]
    person: str
    url: str
    response_url: str
    answer: posting.HubResponse


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """Return the signature of a raw body at a time in Unix seconds."""
    digest = hmac.new(secret.encode(), f"v0:{timestamp}:".encode() + body, hashlib.sha256)
    return "v0=" + digest.hexdigest()


def press_button(
    simulator: SimulatorContext,
    ts: str,
    selector: dict[str, str],
    person_name: str = "",
    channel: str = "",
) -> ButtonAction:
    """Press a button of a message and return the hub's response.

    `selector` names the button by `action_id` and `block_id`, or as `button` by its text, value or
    action ID. A button that an edit removed can still be pressed, because a person may see the old
    version. Raises ValueError if there is no such message or button.
    """
    post = (
        simulator.slack_messages.get(channel, ts) if channel else simulator.slack_messages.find(ts)
    )
    if post is None:
        raise ValueError(f"Message {ts} does not exist.")
    button = _find_button(post, selector)
    destination = simulator.slack.find(post.destination) or Channel(
        post.destination, post.destination.lower()
    )
    person = simulator.slack.person_named(person_name or PEOPLE[0])
    response_url = _response_url(simulator, post, person)
    payload = _payload(simulator, post, destination, person, button) | {
        "response_url": response_url
    }
    body = urlencode({"payload": json.dumps(payload)}).encode()
    timestamp = str(int(time.time()))
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
        "X-Slack-Request-Timestamp": timestamp,
        "X-Slack-Signature": sign(simulator.slack.signing_secret, timestamp, body),
    }
    url = simulator.slack.request_url
    answer = posting.post(url, body, headers, timeout=TIMEOUT)
    press = {
        "who": person["name"],
        "button": button["text"]["text"],
        "answer": answer.summary,
        "at": time.time(),
    }
    simulator.slack_messages.add_press(post, press)
    return ButtonAction(button, person["name"], url, response_url, answer)


def _find_button(post: Post, selector: dict[str, str]) -> dict[str, Any]:
    versions = [
        post.body["blocks"],
        *(former["blocks"] for former in reversed(post.body["history"])),
    ]
    for button in (candidate for version in versions for candidate in blocks.buttons(version)):
        names = (button["text"]["text"], button.get("value"), button["action_id"])
        if all(
            button.get(key) == selector[key]
            for key in ("action_id", "block_id")
            if selector.get(key)
        ) and (not selector.get("button") or selector["button"] in names):
            return button
    raise ValueError(f"Message {post.name} does not have this button.")


def _response_url(simulator: SimulatorContext, post: Post, person: Person) -> str:
    number = str(simulator.records.next_number("slack response", 4_000_000_000_000))
    secret = secrets.token_urlsafe(18)
    record = {
        "secret": secret,
        "channel": post.destination,
        "ts": post.name,
        "who": person["name"],
        "uses": 0,
        "made": time.time(),
    }
    simulator.records.put(RESPONSES, number, record)
    simulator.records.keep_newest(RESPONSES, MAX_RESPONSE_URLS)
    # points to the simulator instead of https://hooks.slack.com
    return f"{simulator.config.simulator_url}/actions/{simulator.slack.team}/{number}/{secret}"


def _payload(
    simulator: SimulatorContext,
    post: Post,
    channel: Channel,
    person: Person,
    button: dict[str, Any],
) -> dict[str, Any]:
    workspace = simulator.slack
    container = {
        "type": "message",
        "message_ts": post.name,
        "channel_id": channel.id,
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
            "team_id": workspace.team,
        },
        "api_app_id": workspace.app,
        "token": workspace.verification_token,
        "container": container | ({"thread_ts": post.thread} if post.thread else {}),
        "trigger_id": (
            f"{time.time_ns() // 1_000_000}.{secrets.randbelow(10**12)}.{secrets.token_hex(16)}"
        ),
        "team": {"id": workspace.team, "domain": workspace.domain},
        "enterprise": None,
        "is_enterprise_install": False,
        "channel": {"id": channel.id, "name": "directmessage" if channel.direct else channel.name},
        "message": simulator.slack_messages.message_json(post),
        "state": {"values": {}},
        "actions": [action | {"action_ts": f"{time.time():.6f}"}],
    }
