"""The page of the simulated Telegram, the same data as JSON, deep links, and people's actions."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, abort, jsonify, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response as BaseResponse

from hub.simulator.context import LIMITS, current_simulator
from hub.simulator.page import LINK, guard, request_body
from hub.simulator.posts import Post
from hub.simulator.sample_people import PEOPLE
from hub.simulator.telegram import people, scripted_faults
from hub.simulator.telegram.bot import USERNAME
from hub.simulator.telegram.chats import TEAM, Chat, chat_type
from hub.simulator.telegram.messages import PROVIDER

view = Blueprint("telegram", __name__)
view.before_request(guard)
TAG = re.compile(r"(<[^>]*>)")
CHAT_FIELDS = ("id", "type", "name", "state", "moved_to")
PRESS_FIELDS = ("id", "who", "chat", "message", "text", "data", "answered", "said", "alert")
UPDATE_FIELDS = ("kind", "state", "tries", "answer", "content")
FAULTS = (("Chats", scripted_faults.CHATS), ("Tokens", scripted_faults.TOKENS))


@view.get("/simulator/telegram")
def page() -> str:
    simulator = current_simulator()
    counts = {
        int(place): count for place, count in simulator.posts.count_by_destination(PROVIDER).items()
    }
    chats = [
        chat for chat in simulator.telegram.chats.all() if not chat.moved_to or chat.id in counts
    ]
    chats += [
        _chat_or_placeholder(place) for place in counts if place not in {chat.id for chat in chats}
    ]
    selected = next(
        (chat for chat in chats if str(chat.id) == request.args.get("chat")), None
    ) or next((chat for chat in chats if chat.id == next(iter(counts), 0)), chats[0])
    return render_template(
        "simulator/telegram.html",
        bot=simulator.telegram.bot,
        chat=selected,
        chats=chats,
        counts=counts,
        people=PEOPLE,
        posts=[
            post
            for post in simulator.posts.list_posts(PROVIDER, str(selected.id))
            if not post.is_deleted
        ],
        presses={
            press.message: press
            for press in simulator.telegram.presses()
            if press.chat == selected.id
        },
        updates=list(reversed(simulator.telegram.updates.all().items()))[:8],
        pending=simulator.telegram.updates.pending(),
        scripted_faults=FAULTS,
        version=simulator.store.version,
        faults=simulator.faults,
        limits=LIMITS,
        hub_url=simulator.config.public_url,
    )


@view.get("/simulator/telegram.json")
def list_as_json() -> Response:
    """Describe the bot and its webhook, and list chats, messages, presses and updates, each newest
    last; `?chat=` narrows messages to one.

    A chat has `id`, `type`, `name`, `state` (none: never started; member; kicked: blocked the bot,
    or removed it) and `moved_to`. A message has `chat`, `chat_name`, `message_id`, `by` (a person's
    name, null for the bot), `text`, `html`, `entities`, `keyboard` (rows of buttons with `text` and
    `url` or `callback_data`), `reply_to`, `edited`, `edits` and `service`. A press has `id`, `who`,
    `chat`, `message`, `text`, `data`, `answered`, `said` and `alert`. An update has `update_id`,
    `kind`, `state` (waiting, told, dropped), `tries`, `answer` and `content`.
    """
    simulator = current_simulator()
    webhook = simulator.telegram.bot.webhook
    updates = simulator.telegram.updates.all()
    return jsonify(
        bot=simulator.telegram.bot.user,
        team_chat=simulator.telegram.bot.team_chat,
        webhook={
            "url": webhook.url,
            "allowed_updates": webhook.allowed,
            "error": webhook.error,
            "pending": simulator.telegram.updates.pending(),
        },
        chats=[_fields(chat, CHAT_FIELDS) for chat in simulator.telegram.chats.all()],
        messages=[
            _message_json(post)
            for post in simulator.posts.list_posts(PROVIDER, request.args.get("chat", ""))
        ],
        presses=[_fields(press, PRESS_FIELDS) for press in simulator.telegram.presses()],
        updates=[
            {"update_id": int(number), **{name: update[name] for name in UPDATE_FIELDS}}
            for number, update in updates.items()
        ],
    )


def _fields(row: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}


@view.get(f"/{USERNAME}")
def deep_link() -> str | BaseResponse:
    """Show the page of a deep link: start the bot, or add it to a group."""
    to_group = "startgroup" in request.args
    payload = request.args.get("startgroup") or request.args.get("start") or ""
    return render_template(
        "simulator/telegram_start.html",
        bot=current_simulator().telegram.bot,
        to_group=to_group,
        payload=people.valid_payload(payload),
        given=payload,
        people=PEOPLE,
        team=TEAM,
        hub_url=current_simulator().config.public_url,
        who=request.args.get("who", ""),
    )


@view.post(f"/{USERNAME}")
@view.post("/simulator/telegram/start")
def start() -> BaseResponse:
    """Press Start: `who`, `payload` of the deep link. With the title `group`, add the bot to that
    group.
    """
    body = _request_body()
    payload = people.valid_payload(body.get("payload", ""))
    if body.get("group"):
        return _done(
            people.start_group(current_simulator().telegram, body["group"], _who(body), payload)
        )
    return _done(people.start(current_simulator().telegram, _who(body), payload))


@view.post("/simulator/telegram/write")
def write() -> BaseResponse:
    """Write `text`, such as /stop: `who` in the chat with the bot, or in the group `chat`."""
    body = _request_body()
    if not body.get("text", "").strip():
        abort(400, "Enter a text.")
    return _perform(
        lambda: people.write(
            current_simulator().telegram, _requested_chat(body), body["text"].strip(), _who(body)
        )
    )


@view.post("/simulator/telegram/block")
def block() -> BaseResponse:
    """Block the bot as `who`, or unblock it with `blocked` 0. In a group, remove or add it."""
    body = _request_body()
    blocked = body.get("blocked", "1").lower() not in ("0", "false")
    return _perform(
        lambda: people.block(
            current_simulator().telegram, _requested_chat(body), _who(body), blocked=blocked
        )
    )


@view.post("/simulator/telegram/press")
def press() -> BaseResponse:
    """Press a `button` by text or data: `who` in the chat with the bot, or in the group `chat`.

    `message` selects a message, by default the newest. Return the press's `query`, its `update`,
    and the response of the webhook.
    """
    body = _request_body()
    number = int(body["message"]) if body.get("message", "").isdecimal() else 0
    return _perform(
        lambda: people.press(
            current_simulator().telegram,
            _requested_chat(body),
            body.get("button", ""),
            number,
            _who(body),
        )
    )


@view.post("/simulator/telegram/upgrade")
def upgrade() -> BaseResponse:
    """Convert the group `chat` to a supergroup with a new ID. The team's group already is one."""
    body = {"chat": str(current_simulator().telegram.bot.team_chat), **_request_body()}
    return _perform(
        lambda: people.upgrade(current_simulator().telegram, _requested_chat(body), _who(body))
    )


@view.post("/simulator/telegram/empty")
def empty() -> BaseResponse:
    """Clear all chats, and let every address that fails once do so again. Chat states stay."""
    current_simulator().posts.hide_all(PROVIDER)
    current_simulator().store.forget_attempts()
    return jsonify(messages=0) if request.is_json else redirect(url_for("telegram.page"), 303)


def _request_body() -> dict[str, str]:
    # the query of a button's URL takes precedence over the fields of the form around it
    return {name: str(value) for name, value in {**request_body(), **request.args}.items()}


def _who(body: dict[str, str]) -> str:
    return " ".join(body.get("who", "").split()) or PEOPLE[0]


def _requested_chat(body: dict[str, str]) -> Chat:
    """Return the requested chat: by ID, else that of the person."""
    if not body.get("chat"):
        return current_simulator().telegram.chats.person(_who(body))
    chat = next(
        (chat for chat in current_simulator().telegram.chats.all() if str(chat.id) == body["chat"]),
        None,
    )
    return chat or abort(404, "This chat does not exist.")


def _perform(action: Any) -> BaseResponse:
    try:
        return _done(action())
    except ValueError as error:
        abort(400, str(error))


def _done(result: people.ActionResult) -> BaseResponse:
    if request.is_json:
        return jsonify(
            chat=result.chat.id,
            who=result.chat.name,
            state=result.chat.state,
            update=int(result.update or 0),
            answer=result.answer,
            query=result.query or None,
        )
    query: dict[str, Any] = {"who": request.form["who"]} if request.form.get("who") else {}
    return redirect(url_for("telegram.page", chat=result.chat.id, **query), 303)


def _chat_or_placeholder(place: int) -> Chat:
    return current_simulator().telegram.chats.get(place) or Chat(
        place, chat_type(place), str(place)
    )


def _message_json(post: Post) -> dict[str, Any]:
    body = post.body
    return {
        "chat": int(post.destination),
        "chat_name": _chat_or_placeholder(int(post.destination)).name,
        "message_id": int(post.name),
        "by": body["by"] or None,
        "text": body["text"],
        "html": body["html"],
        "entities": body["entities"],
        "keyboard": body["keyboard"],
        "reply_to": int(post.thread) if post.thread else None,
        "edited": post.edits > 0,
        "edits": post.edits,
        "service": body["service"],
        "created": datetime.fromtimestamp(post.created).astimezone().isoformat(),
    }


@view.app_template_filter()
def telegram_html(html: str) -> Markup:
    """Return the message's HTML, whose parts are escaped, with clickable URLs."""
    parts = TAG.split(html)
    link_depth = 0
    for index, part in enumerate(parts):
        if index % 2:
            link_depth += part.startswith("<a ") - (part == "</a>")
        elif not link_depth:
            parts[index] = LINK.sub(r'<a href="\g<0>" rel="noreferrer">\g<0></a>', part)
    return Markup("".join(parts))  # noqa: S704 - see hub/simulator/telegram/entities.py
