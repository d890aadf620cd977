"""Views of the simulated Slack: its page, the same as JSON, and the routes through which people
press buttons.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Blueprint, Response, abort, jsonify, redirect, render_template, request, url_for
from markupsafe import Markup, escape
from werkzeug.wrappers import Response as BaseResponse

from hub.simulator.context import LIMITS, bench
from hub.simulator.page import given, guard
from hub.simulator.posts import Post
from hub.simulator.sample_people import PEOPLE
from hub.simulator.slack import blocks, mrkdwn, presses, scripted_faults, webhooks
from hub.simulator.slack.messages import PROVIDER, mentions
from hub.simulator.slack.workspace import Channel

view = Blueprint("slack", __name__)
view.before_request(guard)
SCRIPTED_FAULTS = (
    ("Channels", scripted_faults.CHANNELS),
    ("Secrets of webhooks", scripted_faults.WEBHOOKS),
    ("Tokens", scripted_faults.TOKENS),
    ("Email addresses", scripted_faults.PEOPLE),
)


@view.get("/simulator/slack")
def page() -> str:
    here = bench()
    places = {
        place: _channel(place) for place in [here.slack.channel.id, *here.posts.places(PROVIDER)]
    }
    chosen = places.get(request.args.get("channel", "")) or next(iter(places.values()))
    posts = [post for post in here.posts.listed(PROVIDER, chosen.id) if not post.gone]
    return render_template(
        "simulator/slack.html",
        here=here.slack,
        channel=chosen,
        channels=list(places.values()),
        counts=here.posts.places(PROVIDER),
        roots=[post for post in posts if not post.thread],
        replies={
            root.name: [post for post in posts if post.thread == root.name]
            for root in posts
            if not root.thread
        },
        people=PEOPLE,
        scripted_faults=SCRIPTED_FAULTS,
        version=here.store.version,
        faults=here.faults,
        limits=LIMITS,
        hub_url=here.config.public_url,
    )


@view.get("/simulator/slack.json")
def listed() -> Response:
    """Tell the addresses there are and list what arrived, newest last; `?channel=` narrows it to
    one.

    A message has `channel`, `channel_name`, `email` (of the person, in direct messages), `ts`,
    `thread` (the `ts` it answers or null), `by` (bot, webhook, response), `text`, `blocks`,
    `attachments`, `buttons` (with `action_id`, `block_id`, `text`, `value`, `url`), `mentions`
    (channel, here, everyone), `edited`, `edits`, `deleted`, `ephemeral` (the name of its only
    reader, or null) and `presses` (`who`, `button`, `answer`, `at`).
    """
    here = bench()
    wanted = request.args.get("channel", "")
    return jsonify(
        request_url=here.slack.request_url,
        webhook_url=here.slack.webhook_url,
        team=here.slack.team,
        people=PEOPLE,
        channels=[{"id": here.slack.channel.id, "name": here.slack.channel.name}],
        messages=[_summary(post) for post in here.posts.listed(PROVIDER, wanted)],
    )


@view.post("/simulator/slack/press")
def press() -> BaseResponse:
    """Press a button: `ts`, the `button` by its text, value or action id (or `action_id`,
    `block_id`), and `who` presses (Dana Whitfield).

    Tells the `status` with which the hub answered (0 and a `failure` when it did not), the `answer`
    and the `response_url`.
    """
    body = {name: str(value) for name, value in {**request.args, **given()}.items()}
    return _press(body, link=False)


@view.get("/simulator/slack/open")
def follow() -> BaseResponse:
    """Follow a button that is a link, as in Slack: the press is told to the hub, and the address
    opened.
    """
    return _press(request.args.to_dict(), link=True)


@view.post("/simulator/slack/app")
def set_up() -> BaseResponse:
    """Set the app's `request_url`, where presses are posted; '' for the hub's own."""
    bench().slack.take_presses_at(str(given().get("request_url") or ""))
    return _done({"request_url": bench().slack.request_url})


@view.post("/simulator/slack/responses")
def age() -> BaseResponse:
    """Let `minutes` pass for every response address, so that one may see them expire."""
    try:
        minutes = float(given().get("minutes") or 0)
    except (TypeError, ValueError):
        abort(400, "Send minutes as a number.")
    shelf = bench().shelf
    for name in shelf.all(webhooks.RESPONSES):
        shelf.change(
            webhooks.RESPONSES,
            name,
            lambda record: {**record, "made": record["made"] - minutes * 60},
        )
    return _done({"minutes": minutes})


@view.post("/simulator/slack/empty")
def empty() -> BaseResponse:
    """Empty the view, and let every address stumble again."""
    bench().posts.wipe(PROVIDER)
    bench().store.forget_stumbles()
    return _done({"messages": 0})


def _press(body: dict[str, str], *, link: bool) -> BaseResponse:
    try:
        done = presses.press(
            bench(), body.get("ts", ""), body, body.get("who", ""), body.get("channel", "")
        )
    except ValueError as problem:
        abort(400, str(problem))
    if link:
        url = done.button.get("url", "")
        return (
            redirect(url, 303) if blocks.is_link(url) else abort(400, "This button is not a link.")
        )
    return _done(
        {
            "status": done.answer.status,
            "failure": done.answer.failure,
            "answer": done.answer.body.decode(errors="replace"),
            "who": done.who,
            "url": done.url,
            "response_url": done.response_url,
        }
    )


def _done(state: dict[str, Any]) -> BaseResponse:
    if request.is_json:
        return jsonify(state)
    kept: dict[str, Any] = {
        name: request.form[name] for name in ("channel", "who") if request.form.get(name)
    }
    return redirect(url_for("slack.page", **kept), 303)


def _channel(place: str) -> Channel:
    return bench().slack.find(place) or Channel(place, place.lower())


def _summary(post: Post) -> dict[str, Any]:
    channel = _channel(post.place)
    said = post.body
    shown = ("action_id", "block_id", "value", "url", "style", "confirm")
    return {
        "channel": channel.id,
        "channel_name": channel.name,
        "email": channel.email or None,
        "ts": post.name,
        "thread": post.thread or None,
        "by": said["by"],
        "text": said["text"],
        "blocks": said["blocks"],
        "attachments": said["attachments"],
        "buttons": [
            {"text": one["text"]["text"], **{name: one.get(name) for name in shown}}
            for one in blocks.buttons(said["blocks"])
        ],
        "mentions": mentions(said),
        "edited": post.edits > 0,
        "edits": post.edits,
        "deleted": post.gone,
        "ephemeral": said["ephemeral"] or None,
        "presses": said["presses"],
        "created": datetime.fromtimestamp(post.created).astimezone().isoformat(),
    }


@view.app_template_filter()
def slack_text(text: Any) -> Markup:
    """Write a text, or a text object of a block, as its readers see it."""
    if isinstance(text, dict):
        return (
            mrkdwn.render(text["text"])
            if text["type"] == "mrkdwn"
            else escape(mrkdwn.plain(text["text"]))
        )
    return mrkdwn.render(str(text))
