"""The page of the simulated Slack, the same data as JSON, and the routes for people's actions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Blueprint, Response, abort, jsonify, redirect, render_template, request, url_for
from markupsafe import Markup, escape
from werkzeug.wrappers import Response as BaseResponse

from hub.simulator.context import LIMITS, current_simulator
from hub.simulator.page import guard, request_body
from hub.simulator.posts import Post
from hub.simulator.sample_people import PEOPLE
from hub.simulator.slack import blocks, interactions, mrkdwn, scripted_faults, webhooks
from hub.simulator.slack.messages import PROVIDER, mentions
from hub.simulator.slack.workspace import Channel

view = Blueprint("slack", __name__)
view.before_request(guard)
FAULTS = (
    ("Channels", scripted_faults.CHANNELS),
    ("Secrets of webhooks", scripted_faults.WEBHOOKS),
    ("Tokens", scripted_faults.TOKENS),
    ("Email addresses", scripted_faults.PEOPLE),
)


@view.get("/simulator/slack")
def page() -> str:
    simulator = current_simulator()
    channels = {
        place: _channel(place)
        for place in [simulator.slack.channel.id, *simulator.posts.count_by_destination(PROVIDER)]
    }
    channel = channels.get(request.args.get("channel", "")) or next(iter(channels.values()))
    posts = [
        post for post in simulator.posts.list_posts(PROVIDER, channel.id) if not post.is_deleted
    ]
    return render_template(
        "simulator/slack.html",
        workspace=simulator.slack,
        channel=channel,
        channels=list(channels.values()),
        counts=simulator.posts.count_by_destination(PROVIDER),
        roots=[post for post in posts if not post.thread],
        replies={
            root.name: [post for post in posts if post.thread == root.name]
            for root in posts
            if not root.thread
        },
        people=PEOPLE,
        scripted_faults=FAULTS,
        version=simulator.store.version,
        faults=simulator.faults,
        limits=LIMITS,
        hub_url=simulator.config.public_url,
    )


@view.get("/simulator/slack.json")
def list_as_json() -> Response:
    """Return the addresses and the messages, oldest first. `?channel=` selects one channel.

    A message has `channel`, `channel_name`, `email` (of the person, in direct messages), `ts`,
    `thread` (the `ts` that it replies to, or null), `by` (bot, webhook, response), `text`,
    `blocks`, `attachments`, `buttons` (with `action_id`, `block_id`, `text`, `value`, `url`),
    `mentions` (channel, here, everyone), `edited`, `edits`, `deleted`, `ephemeral` (the name of its
    only reader, or null) and `presses` (`who`, `button`, `answer`, `at`).
    """
    simulator = current_simulator()
    channel_id = request.args.get("channel", "")
    return jsonify(
        request_url=simulator.slack.request_url,
        webhook_url=simulator.slack.webhook_url,
        team=simulator.slack.team,
        people=PEOPLE,
        channels=[{"id": simulator.slack.channel.id, "name": simulator.slack.channel.name}],
        messages=[_message_json(post) for post in simulator.posts.list_posts(PROVIDER, channel_id)],
    )


@view.post("/simulator/slack/press")
def press() -> BaseResponse:
    """Press a button: `ts`, `button` (text, value or action ID) or `action_id` and `block_id`,
    `who`.

    Return the `status` of the hub's response (0 with a `failure` if there was none), the `answer`
    and the `response_url`.
    """
    body = {name: str(value) for name, value in {**request.args, **request_body()}.items()}
    return _press(body, link=False)


@view.get("/simulator/slack/open")
def follow() -> BaseResponse:
    """Follow a link button as Slack does: post the action to the hub and open the address."""
    return _press(request.args.to_dict(), link=True)


@view.post("/simulator/slack/app")
def set_request_url() -> BaseResponse:
    """Set the app's `request_url` for button actions, or '' for the hub's own."""
    current_simulator().slack.set_request_url(str(request_body().get("request_url") or ""))
    return _done({"request_url": current_simulator().slack.request_url})


@view.post("/simulator/slack/responses")
def age_response_urls() -> BaseResponse:
    """Age every response URL by `minutes`, to test that it expires."""
    try:
        minutes = float(request_body().get("minutes") or 0)
    except (TypeError, ValueError):
        abort(400, "Send minutes as a number.")
    records = current_simulator().records
    for name in records.all(webhooks.RESPONSES):
        records.change(
            webhooks.RESPONSES,
            name,
            lambda record: {**record, "made": record["made"] - minutes * 60},
        )
    return _done({"minutes": minutes})


@view.post("/simulator/slack/empty")
def empty() -> BaseResponse:
    """Clear the view, and let every address that fails once do so again."""
    current_simulator().posts.hide_all(PROVIDER)
    current_simulator().store.forget_attempts()
    return _done({"messages": 0})


def _press(body: dict[str, str], *, link: bool) -> BaseResponse:
    try:
        action = interactions.press_button(
            current_simulator(),
            body.get("ts", ""),
            body,
            body.get("who", ""),
            body.get("channel", ""),
        )
    except ValueError as error:
        abort(400, str(error))
    if link:
        url = action.button.get("url", "")
        return (
            redirect(url, 303) if blocks.is_link(url) else abort(400, "This button is not a link.")
        )
    return _done(
        {
            "status": action.answer.status,
            "failure": action.answer.failure,
            "answer": action.answer.body.decode(errors="replace"),
            "who": action.person,
            "url": action.url,
            "response_url": action.response_url,
        }
    )


def _done(result: dict[str, Any]) -> BaseResponse:
    if request.is_json:
        return jsonify(result)
    query: dict[str, Any] = {
        name: request.form[name] for name in ("channel", "who") if request.form.get(name)
    }
    return redirect(url_for("slack.page", **query), 303)


def _channel(place: str) -> Channel:
    return current_simulator().slack.find(place) or Channel(place, place.lower())


def _message_json(post: Post) -> dict[str, Any]:
    channel = _channel(post.destination)
    body = post.body
    button_fields = ("action_id", "block_id", "value", "url", "style", "confirm")
    return {
        "channel": channel.id,
        "channel_name": channel.name,
        "email": channel.email or None,
        "ts": post.name,
        "thread": post.thread or None,
        "by": body["by"],
        "text": body["text"],
        "blocks": body["blocks"],
        "attachments": body["attachments"],
        "buttons": [
            {"text": button["text"]["text"], **{name: button.get(name) for name in button_fields}}
            for button in blocks.buttons(body["blocks"])
        ],
        "mentions": mentions(body),
        "edited": post.edits > 0,
        "edits": post.edits,
        "deleted": post.is_deleted,
        "ephemeral": body["ephemeral"] or None,
        "presses": body["presses"],
        "created": datetime.fromtimestamp(post.created).astimezone().isoformat(),
    }


@view.app_template_filter()
def slack_text(text: Any) -> Markup:
    """Render text, or a text object of a block, as HTML."""
    if isinstance(text, dict):
        return (
            mrkdwn.render(text["text"])
            if text["type"] == "mrkdwn"
            else escape(mrkdwn.plain(text["text"]))
        )
    return mrkdwn.render(str(text))
